"""Clustered standard errors and paired differences against statsmodels and scipy."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_rel
from statsmodels.stats.contingency_tables import mcnemar

from unmirage.errors import SettingsError
from unmirage.statistics import (
    PairedDifference,
    clustered_stderr,
    design_effect,
    neighbour_differences,
    paired_difference,
)

# The share of the population that 32 items may all have missed, two-sided 95 %.
AWAY = 1 - 0.025 ** (1 / 32)


@pytest.fixture
def data():
    rng = np.random.default_rng(21)
    codes = np.repeat(np.arange(40), rng.integers(1, 8, size=40))
    values = rng.normal(size=(40, 3))[codes] + rng.normal(size=(len(codes), 3))
    order = rng.permutation(len(codes))
    return values[order], codes[order]


def test_stderr_is_statsmodels_cluster_robust(data):
    values, codes = data
    for j in range(3):
        fit = sm.OLS(values[:, j], np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": codes})
        assert clustered_stderr(values, codes)[j] == pytest.approx(fit.bse[0], rel=1e-10)


def test_stderr_of_single_items_is_the_plain_one(data):
    values, _ = data
    expected = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    np.testing.assert_allclose(clustered_stderr(values), expected, rtol=1e-12)
    shuffled = np.random.default_rng(0).permutation(len(values))
    np.testing.assert_allclose(clustered_stderr(values, shuffled), expected, rtol=1e-12)


def test_stderr_is_millers_up_to_the_small_sample_factor(data):
    values, codes = data
    x, n = values[:, 0] - values[:, 0].mean(), len(values)
    same = (codes[:, None] == codes[None, :]) & ~np.eye(n, dtype=bool)
    miller = (x @ x) / (n - 1) / n + (np.outer(x, x) * same).sum() / n**2
    # Between n/(n-1) and C/(C-1) with C = 40: at most 2.6 % of the variance.
    assert clustered_stderr(values, codes)[0] ** 2 == pytest.approx(miller, rel=0.026)
    exact = ((x @ x) + (np.outer(x, x) * same).sum()) / n**2 * 40 / 39
    assert clustered_stderr(values, codes)[0] ** 2 == pytest.approx(exact, rel=1e-12)


def test_one_cluster_has_no_stderr(data):
    values, codes = data
    assert np.isnan(clustered_stderr(values, np.zeros_like(codes))).all()
    assert np.isnan(design_effect(values, np.zeros_like(codes))).all()
    assert np.isnan(clustered_stderr([[1.0]])).all()


def test_design_effect_of_copies_is_their_number():
    x = np.random.default_rng(0).normal(size=(50, 1))
    copies = np.repeat(x, 6, axis=0)
    effect = design_effect(copies, np.repeat(np.arange(50), 6))
    assert effect[0] == pytest.approx(6 * (50 / 49) * (299 / 300), rel=1e-9)


def test_design_effect_of_single_items_is_one_and_of_constants_unknown():
    values = np.column_stack([np.arange(10.0), np.full(10, 0.1)])
    effect = design_effect(values, np.arange(10))
    assert effect[0] == pytest.approx(1)
    assert np.isnan(effect[1])


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_paired_difference_is_ttest_rel(data, confidence):
    a, b = data[0][:, 0], data[0][:, 1]
    expected = ttest_rel(a, b)
    interval = expected.confidence_interval(confidence)
    got = paired_difference(a, b, confidence=confidence)
    assert got.difference == pytest.approx(a.mean() - b.mean())
    assert got.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (got.low, got.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert got.method == "t"


def test_paired_p_value_keeps_its_digits_in_the_tail():
    rng = np.random.default_rng(0)
    a = rng.normal(size=200)
    b = a + 1 + 0.2 * rng.normal(size=200)
    expected = ttest_rel(a, b).pvalue
    assert 0 < expected < 1e-100
    assert paired_difference(a, b).p_value == pytest.approx(expected, rel=1e-6)


def test_clustered_paired_difference_is_statsmodels(data):
    values, codes = data
    d = values[:, 0] - values[:, 1]
    fit = sm.OLS(d, np.ones(len(d))).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True}, use_t=True
    )
    got = paired_difference(values[:, 0], values[:, 1], codes)
    assert got.stderr == pytest.approx(fit.bse[0], rel=1e-10)
    assert got.p_value == pytest.approx(fit.pvalues[0], rel=1e-8)
    assert (got.low, got.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-8)


@pytest.mark.parametrize(
    ("wins", "losses", "ties"), [(9, 2, 30), (2, 9, 0), (5, 5, 10), (0, 4, 3), (1, 0, 6), (40, 3, 900)]
)
def test_binary_p_value_is_exact_mcnemar(wins, losses, ties):
    a = np.r_[np.ones(wins), np.zeros(losses), np.ones(ties)]
    b = np.r_[np.zeros(wins), np.ones(losses), np.ones(ties)]
    expected = mcnemar([[ties, wins], [losses, 0]], exact=True).pvalue
    got = paired_difference(a, b)
    assert got.p_value == pytest.approx(expected, rel=1e-10)
    assert got.method == "mcnemar-exact"
    assert got.difference == pytest.approx((wins - losses) / len(a))


def test_clustered_binary_scores_do_not_use_mcnemar():
    rng = np.random.default_rng(2)
    a, b = (rng.random((2, 60)) < 0.5).astype(float)
    assert paired_difference(a, b, np.repeat(np.arange(20), 3)).method == "t"


def test_antisymmetric(data):
    values, codes = data
    one, two = (paired_difference(values[:, i], values[:, 1 - i], codes) for i in (0, 1))
    assert one.difference == pytest.approx(-two.difference)
    assert (one.low, one.high) == pytest.approx((-two.high, -two.low))
    assert one.p_value == pytest.approx(two.p_value)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        (0.0, 0.0, -AWAY, AWAY),
        (1.0, 1.0, -AWAY, AWAY),
        (1.0, 0.0, 1 - 2 * AWAY, 1.0),
        (0.0, 1.0, -1.0, -1 + 2 * AWAY),
    ],
)
def test_no_variation_in_binary_scores_still_has_an_interval(a, b, low, high):
    n = 32
    got = paired_difference(np.full(n, a), np.full(n, b))
    assert np.isnan(got.stderr)
    assert (got.low, got.high) == pytest.approx((low, high), rel=1e-12)
    assert got.p_value == pytest.approx(1.0 if a == b else 2 * 0.5**n)


def test_no_variation_in_other_scores_is_unknown():
    a = np.linspace(0.1, 0.9, 20)
    same = paired_difference(a, a)
    assert (same.difference, same.p_value, same.method) == (0.0, 1.0, "none")
    assert np.isnan([same.stderr, same.low, same.high]).all()
    # 0.3 more on each item, up to rounding: not an effect with a p-value of 0.
    moved = paired_difference(a + 0.3, a)
    assert np.isnan([moved.stderr, moved.low, moved.high, moved.p_value]).all()


def test_one_cluster_has_a_difference_only(data):
    values, codes = data
    got = paired_difference(values[:, 0], values[:, 1], np.zeros_like(codes))
    assert np.isfinite(got.difference)
    assert np.isnan([got.stderr, got.low, got.high, got.p_value]).all()


def test_neighbours_are_paired_differences(data):
    values, codes = data
    got = neighbour_differences(values, codes, 0.9)
    assert got == tuple(paired_difference(values[:, j + 1], values[:, j], codes, 0.9) for j in range(2))
    assert all(isinstance(one, PairedDifference) for one in got)
    assert neighbour_differences(values[:, :1]) == ()


@pytest.mark.parametrize(
    ("a", "b"), [([1.0, 2], [1.0]), ([[1.0]], [[1.0]]), ([1.0, np.nan], [1.0, 2]), ([], [])]
)
def test_bad_scores_are_refused(a, b):
    with pytest.raises(SettingsError):
        paired_difference(a, b)
