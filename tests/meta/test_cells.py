"""The table of cells: what other tasks say of the scatter, and what is in a row."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.meta.smooth import most, residuals
from unmirage.meta.suite import suite
from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import library
from unmirage.verdict.scatter import pooled

SCALES = np.geomspace(1e7, 1e10, 8)
SHAPES = library(SCALES, shares=True)
T = np.linspace(0, 1, 8)
# A slope, and a step of most of the range: what an 80% fall of the loss does to exact match.
STEP = [0.075, 0.126, 0.203, 0.326, 0.968, 0.979, 0.986, 0.99]
ITEMS = 1000


def counted(tasks):
    """Smooth shares of so many tasks whose models do not scatter at all: the items make all the noise."""
    rng = np.random.default_rng(1)
    centres = np.linspace(0.2, 0.8, tasks)
    share = 0.05 + 0.9 / (1 + np.exp(-5 * (T - centres[:, None])))
    return rng.binomial(ITEMS, share) / ITEMS


def frame_of(results, tasks, metric="exact_match"):
    curves = {("f", f"t{k}", metric): y for k, y in enumerate(counted(tasks))}
    return results(curves | {("f", "step", metric): STEP}, n=ITEMS)


def step_of(found):
    (row,) = found.cells.filter(found.cells["task"] == "step").iter_rows(named=True)
    return row


def test_a_step_is_bounded_by_tasks_that_show_no_scatter(results):
    """Where items make all of what other tasks leave, the scatter is next to nothing, not unknown."""
    found = unmirage.meta(frame_of(results, 8))
    row = step_of(found)
    others = [one for one in suite(found.curves, "n_params") if one.task != "step"]
    left, items = residuals([one.points for one in others], SHAPES)
    rows, sums = np.vstack([left, left[:1]]), np.append(items, items[0])
    net, bound = pooled(rows, 8, lost=LOST, item_sums=sums), pooled(rows, 8, lost=LOST)
    assert net.df < 1  # the items make nearly all of it, so that the rest is hardly known
    assert np.sqrt(most(net)) > 0.1
    assert row["scatter"] == pytest.approx(np.sqrt(most(bound)))
    assert row["scatter"] < 0.05
    assert row["p"] < 0.02
    assert row["p_linearity"] < 0.001


def test_few_tasks_bound_nothing(results):
    """Three other tasks: the step's own misfit is its scatter, and it may be one."""
    row = step_of(unmirage.meta(frame_of(results, 3)))
    assert row["scatter"] > 0.08
    assert row["p"] > 0.05


def test_tasks_without_a_range_are_pooled_in_their_own_range(results):
    """A tenfold unit of one task is tenfold scatter for it, and the same for the others."""
    rng = np.random.default_rng(2)
    smooth = {("f", f"t{k}", "points"): 20 + 30 * T + rng.normal(0, 0.5, 8) for k in range(7)}
    one = unmirage.meta(results(smooth)).cells
    other = unmirage.meta(results(smooth | {("f", "t0", "points"): 10 * smooth["f", "t0", "points"]})).cells
    ratio = (other["scatter"] / one["scatter"]).to_list()
    assert ratio == pytest.approx([10, *[1] * 6], rel=1e-9)
    assert one["p"].to_list() == other["p"].to_list()


def test_a_row_says_whose_it_is_and_what_it_shows(results):
    row = step_of(unmirage.meta(frame_of(results, 5).with_columns(chance=pl.lit(0.1))))
    assert (row["family"], row["metric"], row["shots"], row["chance"]) == ("f", "exact_match", None, 0.1)
    assert (row["scales"], row["models"], row["first"], row["last"]) == (8, 8, STEP[0], STEP[-1])
    assert row["breakthroughness"] == row["emergence_score"]
    assert row["beyond"] == (row["p"] <= 0.05)
    assert row["adjusted"] == (row["p_adjusted"] <= 0.05)
    assert row["null_median"] <= row["null_high"]
    assert row["note"] is None
