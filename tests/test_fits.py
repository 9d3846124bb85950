"""Power laws of the losses, on families whose exponents are known."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from scipy import stats

from unmirage import simulate, tables
from unmirage.fits import OFFSET, PLAIN, fit_losses, law_of
from unmirage.response import LEAST_LOSS
from unmirage.result import Settings
from unmirage.theory.truths import Shape, Truth

GRID = np.linspace(7, 10, 8)


def power_law(exponent, offset=0.0):
    """A loss of exactly offset + 3 (N / 1e7)^-exponent."""
    return Truth(
        "law",
        "smooth",
        "generation",
        Shape(lambda t: np.log(offset + 3 * 10 ** (-exponent * (np.asarray(t) - 7)))),
    )


def fitted(examined, truth, *, axis="n_params", scales=10**GRID, n_items=400, scatter=0.01, **options):
    frame = simulate(truth, scales=scales, n_items=n_items, scatter=scatter, **options)
    frame = frame.with_columns(step=pl.col("n_params").cast(pl.Int64))
    found = examined(frame, axis=axis)
    return found.cases, fit_losses(found.cases, Settings(axis=axis))


@pytest.mark.parametrize("exponent", [0.08, 0.35])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_exponent_of_a_power_law_is_recovered(examined, exponent, seed):
    cases, fits = fitted(examined, power_law(exponent), seed=seed)
    assert dict(fits.schema) == {k: v if isinstance(v, pl.DataType) else v() for k, v in tables.FITS.items()}
    assert fits["law"].to_list() == [PLAIN, OFFSET]
    row = fits.row(0, named=True)
    assert row["best"]
    assert row["scales"] == 8
    assert row["offset"] == 0
    assert row["exponent"] == pytest.approx(exponent, abs=4 * row["exponent_stderr"])
    assert row["exponent_stderr"] < 0.02
    half = stats.t.ppf(0.975, 6) * row["exponent_stderr"]
    assert row["exponent_low"] == pytest.approx(row["exponent"] - half)
    assert row["exponent_high"] == pytest.approx(row["exponent"] + half)
    # The law at the middle of the grid is its amplitude there.
    assert row["reference"] == pytest.approx(10**8.5)
    assert row["amplitude"] == pytest.approx(3 * 10 ** (-1.5 * exponent), rel=0.15)
    (text,) = law_of(cases[0], fits, Settings())
    assert f"exponent {row['exponent']:.3f} ± {row['exponent_stderr']:.4f};" in text
    assert f"models scatter by {row['scatter']:.1%}" in text


def test_the_exponent_is_the_slope_of_the_log_of_the_mean_loss(examined):
    # Without error or scatter to weigh by, it is that of a straight line.
    cases, fits = fitted(examined, power_law(0.3), scatter=0.1, n_items=2000)
    y = np.log(np.exp(cases[0].found.y) - 0.01)
    line = stats.linregress(np.log(10**GRID), y)
    row = fits.row(0, named=True)
    assert row["exponent"] == pytest.approx(-line.slope, rel=0.02)
    assert row["exponent_stderr"] == pytest.approx(line.stderr, rel=0.15)
    assert row["scatter"] == pytest.approx(
        np.sqrt(((y - line.intercept - line.slope * np.log(10**GRID)) ** 2).sum() / 6), rel=0.15
    )


def test_the_floor_of_the_response_is_not_the_laws(examined):
    (case,), _ = fitted(examined, power_law(0.3), n_items=20)
    loss = 3 * (case.found.scales / 1e7) ** -0.7
    found = dataclasses.replace(case.found, y=np.log(loss + LEAST_LOSS), items=1e-8 * np.eye(8))
    row = fit_losses([dataclasses.replace(case, found=found)], Settings()).row(0, named=True)
    assert row["exponent"] == pytest.approx(0.7, rel=1e-6)
    assert row["amplitude"] == pytest.approx(3 * (row["reference"] / 1e7) ** -0.7, rel=1e-6)


def test_an_offset_is_chosen_by_aicc(examined):
    cases, fits = fitted(examined, power_law(0.7, offset=0.4), scatter=0.004)
    plain, offset = fits.iter_rows(named=True)
    assert offset["best"]
    assert not plain["best"]
    assert offset["aicc"] < plain["aicc"]
    assert offset["offset"] == pytest.approx(0.4, rel=0.1)
    assert offset["exponent"] == pytest.approx(0.7, rel=0.1)
    (text,) = law_of(cases[0], fits, Settings())
    assert f"above an offset of {offset['offset']:.3g}" in text


def test_an_offset_costs_where_there_is_none(examined):
    best = [
        fitted(examined, power_law(0.3), seed=seed, n_items=50)[1].filter("best")["law"][0]
        for seed in range(5)
    ]
    assert best.count(PLAIN) >= 4


def test_four_scales_are_enough_for_two_parameters_and_three_are_not(examined):
    _, fits = fitted(examined, power_law(0.3), scales=np.geomspace(1e7, 1e10, 4))
    assert fits["law"].to_list() == [PLAIN]
    assert fits["best"].to_list() == [True]
    assert fits["exponent"][0] == pytest.approx(0.3, abs=0.05)
    _, none = fitted(examined, power_law(0.3), scales=np.geomspace(1e7, 1e10, 3))
    assert none.height == 0


def test_there_is_none_along_a_training_run_or_for_a_metric_that_is_no_loss(examined):
    cases, fits = fitted(examined, power_law(0.3), axis="step")
    assert cases[0].found is not None
    assert fits.height == 0
    _, choice = fitted(examined, "choice-smooth")
    assert choice.height == 0


def test_a_loss_that_grows_has_no_law_in_words(examined):
    cases, fits = fitted(examined, power_law(-0.1))
    assert (fits["exponent"] <= 0).all() or fits["exponent_stderr"].is_null().all()
    assert law_of(cases[0], fits, Settings()) == []


def test_each_task_has_its_own_law(examined):
    frames = [
        simulate(power_law(exponent), scales=10**GRID, n_items=200, task=f"t{exponent}")
        for exponent in (0.1, 0.4)
    ]
    found = examined(*frames)
    fits = fit_losses(found.cases, Settings()).filter("best")
    assert fits["task"].to_list() == ["t0.1", "t0.4"]
    assert fits["exponent"].to_list() == pytest.approx([0.1, 0.4], abs=0.04)
    assert "0.1" in law_of(found.cases[0], fits, Settings())[0]
    other = dataclasses.replace(found.cases[0], task="t9")
    assert law_of(other, fits, Settings()) == []


def test_losses_in_exact_proportion_leave_no_noise_and_are_fitted(examined):
    """Every item of a model is the same multiple of that of the first: no variance from items or models."""
    first = simulate(power_law(0.1), scales=10**GRID, n_items=30, seed=3).filter(
        pl.col("n_params") == 10 ** GRID[0]
    )
    frame = pl.concat(
        first.with_columns(
            model=pl.lit(f"m{k}"),
            n_params=pl.lit(float(scale)),
            target_logprobs=pl.col("target_logprobs").list.eval(
                pl.element() * float((scale / 10 ** GRID[0]) ** -0.25)
            ),
        )
        for k, scale in enumerate(10**GRID)
    )
    found = examined(frame)
    fits = fit_losses(found.cases, Settings())
    assert fits.filter("best")["exponent"].item() == pytest.approx(0.25, abs=1e-6)
