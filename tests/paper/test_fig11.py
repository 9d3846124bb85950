"""Figure 11: subset accuracy expected, drawn and judged by groups."""

import altair as alt
import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage import statistics, tables
from unmirage.metrics import metric
from unmirage.paper import published
from unmirage.paper.fig11 import ACCURACY, ALL_RIGHT, COMPANION, GROUP_SIZES, GROUPS, fig11, groups
from unmirage.paper.figure import NUMBERS


@pytest.fixture(scope="module")
def figure(lenet):
    return fig11(lenet, seed=1)


def test_the_chart_and_numbers_keep_their_forms(figure, with_little_data):
    assert dict(figure.numbers.schema) == NUMBERS
    alt.Chart.from_dict(with_little_data(figure.charts["fig11"]))
    titles = [panel["title"]["text"][0][0] for panel in figure.charts["fig11"]["concat"]]
    assert titles == list("ABCD")


def test_expected_subset_accuracy_is_that_of_the_counts(figure, lenet):
    rows = figure.numbers.filter(pl.col("group") == "exact expectation")
    assert rows.height == len(GROUP_SIZES) * lenet["model"].n_unique()
    for row in rows.iter_rows(named=True):
        mine = lenet.filter(pl.col("model") == row["model"])
        right = metric(ACCURACY).components(mine)[:, 0].sum()
        k = int(row["series"].removeprefix("K = "))
        assert row["ours"] == pytest.approx(float(statistics.subset_accuracy(right, mine.height, k)))
        if row["low"] is not None:  # there is no interval where no resample differs
            assert row["low"] <= row["ours"] <= row["high"]
    assert rows["low"].count() > rows.height / 2


def test_drawn_groups_agree_with_the_expectation(figure):
    key = ["series", "model"]
    exact, drawn = (
        figure.numbers.filter(pl.col("group") == group).sort(key)
        for group in ("exact expectation", f"{GROUPS:,} groups")
    )
    assert drawn.select(key).equals(exact.select(key))
    p = exact["ours"].to_numpy()
    z = (drawn["ours"].to_numpy() - p) / np.sqrt(np.maximum(p * (1 - p), 1 / GROUPS) / GROUPS)
    assert np.abs(z).max() < 4
    assert z.std() > 0.3  # they are drawn


def test_the_papers_sizes_are_set_beside(figure):
    mean = figure.numbers.filter(pl.col("group") == "accuracy, mean over seeds")
    theirs = dict(published.lenet().filter(pl.col("group_size") == 1).select("n_params", "value").iter_rows())
    assert mean.height == len(theirs)  # sizes that the family lacks have no value of ours
    assert dict(mean.select("n_params", "paper").iter_rows()) == theirs
    assert mean["ours"].count() == 6


def test_groups_share_no_image(lenet):
    made = groups(lenet, 6, seed=2)
    checked, notes = tables.check_responses(made, where="groups")
    assert notes == []
    assert checked.group_by("model").len()["len"].unique().to_list() == [lenet["item_id"].n_unique() // 6]
    assert set(checked["task"]) == {"mnist, all of 6"}
    model = checked["model"][0]
    mine = checked.filter(pl.col("model") == model).explode("recorded").unnest("recorded")
    own = lenet.filter(pl.col("model") == model)
    single = metric(ACCURACY).components(own)[:, 0].mean()
    shares = mine.group_by("metric").agg(pl.col("value").mean())
    means = dict(shares.iter_rows())
    assert means[ALL_RIGHT] == pytest.approx(single**6, abs=0.15)
    assert means[COMPANION] == pytest.approx(metric(COMPANION).components(own)[:, 0].mean(), rel=0.1)


def test_the_verdicts_are_the_audits(figure, lenet):
    assert sum("The audit's verdict" in sentence for sentence in figure.says) == 1 + len(GROUP_SIZES)
    asked = unmirage.audit(lenet, headline=ACCURACY, seed=1).verdicts["verdict"][0]
    assert any(f"verdict on the accuracy on mnist is {asked}" in sentence for sentence in figure.says)
