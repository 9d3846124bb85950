"""The break test, against a plain second implementation, curves with a known step, and its invariances."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.errors import SettingsError
from unmirage.theory.truths import truth
from unmirage.verdict.breaks import PRIOR, break_test, smooth_residuals
from unmirage.verdict.library import library
from unmirage.verdict.scatter import Scatter, combined, pooled, within

X = np.logspace(7, 10, 8)
T = np.log10(X) - 7
SMOOTH = np.log(0.1 + 2.5 * 10 ** (-0.3 * T))
NOISE = 0.02 * np.random.default_rng(0).standard_normal(8)
STEP = SMOOTH - 0.7 * (T > 1.5)


def gates(test):
    return {gate.name: gate for gate in test.gates}


def test_a_smooth_curve_is_no_break():
    test = break_test(X, SMOOTH + NOISE)
    assert test.p > 0.2
    assert not test.is_break
    assert test.monotone
    assert test.smooth == pytest.approx(SMOOTH, abs=0.06)


@pytest.mark.parametrize("gap", [2, 3, 4])
def test_a_step_is_found_where_it_is(gap):
    test = break_test(X, SMOOTH - 0.7 * (np.arange(8) > gap) + NOISE)
    assert test.is_break
    assert test.gap == gap
    assert test.step == pytest.approx(0.7, abs=0.15)
    assert test.step_share == pytest.approx(test.step / np.ptp(SMOOTH - 0.7 * (T > 1) + NOISE), rel=0.05)
    assert test.broken[gap] - test.broken[gap + 1] > 0.5


def test_a_step_upward_is_none():
    assert not break_test(X, SMOOTH + 0.7 * (T > 1.5) + NOISE).is_break


def test_statistic_is_that_of_plain_least_squares():
    shapes = library(X)
    y = STEP + NOISE

    def least(made):
        sums = []
        for base, raw in zip(made.base, made.raw, strict=True):
            design = np.column_stack([made.bases[base], raw])
            fit = np.linalg.lstsq(design, y)[0]
            sums.append(((y - design @ fit) ** 2).sum() if made is shapes.smooth or fit[-1] > 0 else np.inf)
        return min(sums)

    r0, r1 = least(shapes.smooth), least(shapes.breaks)
    assert break_test(X, y).statistic == pytest.approx((r0 - r1) / (r1 + 3 * 0.03**2), rel=1e-9)
    test = break_test(X, SMOOTH + NOISE)
    r0 = ((SMOOTH + NOISE - test.smooth) ** 2).sum()
    assert test.sigma == pytest.approx(np.sqrt((r0 + 3 * 0.03**2) / (8 - 4 + 3)), rel=1e-9)
    assert test.df == 7


def test_p_is_at_most_nominal_under_a_null():
    rng = np.random.default_rng(8)
    line = 1 - 0.4 * T
    p = [break_test(X, line + 0.03 * rng.standard_normal(8), replicates=99, seed=i).p for i in range(200)]
    # 200 runs: a true rate of .1 or .3 exceeds these limits once in a thousand.
    assert np.mean(np.array(p) <= 0.1) <= 0.175
    assert np.mean(np.array(p) <= 0.3) <= 0.405
    assert min(p) >= 0.01
    assert max(p) > 0.9


def test_the_same_seed_gives_the_same_result():
    first, again = break_test(X, STEP + NOISE, seed=3), break_test(X, STEP + NOISE, seed=3)
    assert dataclasses.replace(first, smooth=None, broken=None) == dataclasses.replace(
        again, smooth=None, broken=None
    )
    drawn = break_test(X, STEP + NOISE, seed=np.random.default_rng(3))
    assert drawn.p == first.p


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.sampled_from([2.0**-6, 0.5, 4.0, 100.0]))
def test_p_does_not_change_with_units(seed, shift, factor):
    rng = np.random.default_rng(seed)
    y = SMOOTH - rng.uniform(0, 0.6) * (T > 1.5) + 0.03 * rng.standard_normal(8)
    items = 1e-4 * np.eye(8) + 2e-4
    first = break_test(X, y, items=items, replicates=199)
    other = break_test(
        1000 * X,
        shift + factor * y,
        items=factor**2 * items,
        known=Scatter(factor * PRIOR.sigma, PRIOR.df),
        min_step=factor * 0.05,
        replicates=199,
    )
    # Rounding may move a replicate that ties with the curve.
    assert other.p == pytest.approx(first.p, abs=0.011)
    assert other.statistic == pytest.approx(first.statistic, rel=1e-5, abs=1e-7)
    assert other.step == pytest.approx(factor * first.step, rel=1e-5, abs=1e-9 * factor)
    assert other.step_share == pytest.approx(first.step_share, rel=1e-5, abs=1e-9)
    assert other.gap == first.gap


def test_gates_say_what_they_compare():
    test = break_test(X, STEP + NOISE, alpha=0.01)
    p, step, rise = (gates(test)[name] for name in ("p", "step", "rise"))
    bump = gates(test)["bump"]
    assert bump.value == pytest.approx(((STEP + NOISE - test.broken) ** 2).sum(), rel=1e-6)
    assert bump.value < bump.limit
    assert (p.value, p.limit) == (test.p, 0.01)
    assert step.value == test.step
    assert step.limit == pytest.approx(0.12 * np.ptp(STEP + NOISE))
    assert rise.value == 0
    assert test.is_break == (p.passed and step.passed and rise.passed and bump.passed)
    assert not gates(break_test(X, STEP + NOISE, min_step=5.0))["step"].passed


def test_a_curve_that_gets_worse_is_not_monotone():
    worse = STEP + 1.2 * np.exp(-(((T - 0.8) / 0.4) ** 2))
    test = break_test(X, worse)
    rise = gates(test)["rise"]
    assert rise.value == pytest.approx(max(worse[j] - worse[i] for j in range(8) for i in range(j)))
    assert not test.monotone
    assert not test.is_break


def test_a_bump_hidden_in_a_slope_is_no_break():
    bump = 1 - 0.35 * T + 0.3 * np.exp(-0.5 * ((T - 1.5) / 0.3) ** 2)
    test = break_test(X, bump)
    assert not gates(test)["bump"].passed
    assert not test.is_break


def test_a_constant_curve_is_no_break():
    test = break_test(X, np.full(8, 0.4))
    assert test.step_share == 0
    assert not test.is_break
    assert test.smooth == pytest.approx(np.full(8, 0.4))


def test_common_difficulty_of_items_is_left_out():
    u = np.linspace(-1, 1, 8)
    common = np.outer(1 + u, 1 + u)
    alone, shared = break_test(X, STEP + NOISE), break_test(X, STEP + NOISE, items=common)
    assert shared.p == alone.p
    assert shared.sigma == pytest.approx(alone.sigma)
    noisy = break_test(X, STEP + NOISE, items=0.15**2 * np.eye(8))
    assert noisy.p > alone.p
    assert noisy.sigma < alone.sigma


def test_more_models_and_known_scatter_make_a_step_plainer():
    y = SMOOTH - 0.2 * (T > 1.5)
    alone = break_test(X, y)
    seen = combined(PRIOR, within([[v - 0.01, v + 0.01] for v in y]))
    averaged = break_test(X, y, models=np.full(8, 2), known=seen)
    assert averaged.p < alone.p
    assert averaged.df == alone.df + 8
    assert break_test(X, y, known=Scatter(0.2, 50)).p > alone.p


def test_models_weigh_their_scales():
    y = SMOOTH.copy()
    y[3] += 0.5
    pulled = break_test(X, y, models=[1, 1, 1, 200, 1, 1, 1, 1])
    left = break_test(X, y, models=[9, 9, 9, 1, 9, 9, 9, 9])
    assert abs(pulled.smooth[3] - y[3]) < 0.1 * abs(left.smooth[3] - y[3])


def test_residuals_pool_over_tasks():
    rng = np.random.default_rng(6)
    rows = [
        smooth_residuals(X, SMOOTH + 0.02 * rng.standard_normal(8), items=1e-5 * np.eye(8)) for _ in range(9)
    ]
    assert rows[0][1] == pytest.approx(4e-5)
    known = pooled([r for r, _ in rows], 0, lost=4, item_sums=[s for _, s in rows])
    assert known.sigma == pytest.approx(0.02, rel=0.35)


@pytest.mark.parametrize("size", [5, 6, 12])
def test_other_numbers_of_scales(size):
    x = np.logspace(7, 10, size)
    t = np.log10(x) - 7
    y = 1 - 0.1 * t - 2.0 * (np.arange(size) > size // 2 - 1)
    assert break_test(x, y).is_break
    assert not break_test(x, 1 - 0.1 * t).is_break


@pytest.mark.parametrize(
    "change",
    [
        {"y": np.ones(7)},
        {"y": np.full(8, np.nan)},
        {"items": np.eye(7)},
        {"items": -np.eye(8)},
        {"items": np.triu(np.ones((8, 8)))},
        {"alpha": 0.0},
        {"replicates": 98},
        {"min_step": -1.0},
        {"min_step": float("nan")},
    ],
)
def test_bad_input_is_refused(change):
    with pytest.raises(SettingsError):
        break_test(**{"scales": X, "y": SMOOTH, **change})


def test_a_dent_in_a_curve_is_no_break_on_uneven_scales():
    # On a line alone the dent would lose to a step, for the curve beneath it.
    rng = np.random.default_rng(5)
    called = 0
    for seed in range(80):
        t = np.linspace(7, 10, 8)
        t[1:-1] += rng.uniform(-0.3, 0.3, 6) * 3 / 7
        y = truth("dent", 10**t).shape.curve(t) + rng.normal(0, 0.02, 8)
        called += break_test(10**t, y, replicates=199, seed=seed).is_break
    assert called <= 4
