"""Rates of attempts that go on until so many passes: exact fractions, scipy's nbinom, sums over outcomes."""

import warnings
from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from unmirage.errors import SettingsError
from unmirage.statistics import (
    clopper_pearson,
    pass_at_k,
    until_interval,
    until_mean,
    until_neg_log,
    until_pass_at_k,
    until_rate,
    until_variance,
    zero_rate_bound,
)


def outcomes(passes, cap, p):
    """(passes, attempts, probability) of every point where attempts can end."""
    c = [passes] * (cap - passes + 1) + list(range(passes))
    n = [*range(passes, cap + 1)] + [cap] * passes
    stopped = stats.nbinom.pmf(np.arange(cap - passes + 1), passes, p)
    return np.array(c), np.array(n), np.append(stopped, stats.binom.pmf(np.arange(passes), cap, p))


CASES = [(r, cap, p) for r, cap in ((2, 2), (2, 9), (5, 40), (3, 200)) for p in (0.01, 0.2, 0.7, 1.0)]


@pytest.mark.parametrize(("passes", "cap", "p"), CASES)
def test_rate_variance_and_pass_at_k_are_unbiased_over_all_outcomes_with_any_cap(passes, cap, p):
    c, n, weight = outcomes(passes, cap, p)
    assert weight.sum() == pytest.approx(1)
    rate = until_rate(c, n, passes)
    assert weight @ rate == pytest.approx(p)
    assert weight @ until_variance(c, n, passes) == pytest.approx(weight @ (rate - p) ** 2, abs=1e-15)
    for k in (1, 2, cap // 2, cap):
        assert weight @ until_pass_at_k(c, n, passes, k) == pytest.approx(1 - (1 - p) ** k)


@pytest.mark.parametrize(("passes", "p"), [(2, 0.3), (5, 0.05), (3, 0.9)])
def test_neg_log_is_unbiased_without_a_cap(passes, p):
    c, n, weight = outcomes(passes, 4000, p)
    stopped = c == passes
    assert weight[stopped] @ until_neg_log(c[stopped], n[stopped], passes) == pytest.approx(-np.log(p))


def test_neg_log_by_hand():
    found = until_neg_log([2, 2, 0, 1], [2, 5, 8, 8], [2, 2, 2, 2])
    assert found == pytest.approx([0, 1 / 2 + 1 / 3 + 1 / 4, np.inf, np.log(8)])


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 6), st.integers(0, 200), st.integers(1, 300))
def test_estimates_are_the_exact_fractions(passes, failures, k):
    n = passes + failures
    assert until_rate(passes, n, passes) == pytest.approx(float(Fraction(passes - 1, n - 1)))
    fail = Fraction(comb(n - 1 - k, passes - 1), comb(n - 1, passes - 1)) if k < n else 0
    assert until_pass_at_k(passes, n, passes, k) == pytest.approx(float(1 - fail), abs=1e-12)


def test_the_rate_is_the_share_of_orders_that_begin_with_a_pass():
    passes, cap = 3, 7
    orders: dict[tuple[int, int], set[tuple[int, ...]]] = {}
    for order in product((0, 1), repeat=cap):
        total = np.cumsum(order)
        n = int(np.argmax(total == passes)) + 1 if total[-1] >= passes else cap
        orders.setdefault((int(total[n - 1]), n), set()).add(order[:n])
    for (c, n), paths in orders.items():
        assert until_rate(c, n, passes) == pytest.approx(np.mean([path[0] for path in paths]))


def test_without_a_rule_they_are_those_of_a_fixed_number():
    c, n = np.array([0, 3, 10]), np.array([8, 10, 10])
    for none in (0, np.nan):
        assert until_rate(c, n, none) == pytest.approx(c / n)
        assert until_pass_at_k(c, n, none, 5) == pytest.approx(pass_at_k(n, c, 5))
        assert np.array_equal(until_interval(c, n, none), clopper_pearson(c, n))
    assert np.isnan(until_pass_at_k(1, 4, 2, 5))
    assert np.isnan(until_variance(0, 1, 0))


@pytest.mark.parametrize(("passes", "n"), [(2, 3), (2, 50), (5, 6), (5, 4000)])
def test_the_interval_inverts_the_tails_of_scipys_negative_binomial(passes, n):
    low, high = until_interval(passes, n, passes, 0.9)
    # scipy counts the failures before the last pass.
    assert stats.nbinom.cdf(n - passes, passes, low) == pytest.approx(0.05)
    assert stats.nbinom.sf(n - passes - 1, passes, high) == pytest.approx(0.05)
    found = optimize.brentq(lambda p: stats.nbinom.sf(n - passes - 1, passes, p) - 0.05, 1e-9, 1 - 1e-9)
    assert high == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize(("passes", "cap"), [(2, 12), (5, 60), (3, 500)])
def test_the_interval_covers_at_every_rate_with_a_cap(passes, cap):
    for p in np.geomspace(1e-4, 0.999, 40):
        c, n, weight = outcomes(passes, cap, p)
        low, high = until_interval(c, n, passes)
        assert weight @ ((low <= p) & (p <= high)) >= 0.95 - 1e-9


def test_ends_of_the_interval():
    low, high = until_interval([0, 3, 3], [100, 3, 100], 3)
    assert (low[0], high[0]) == (0, pytest.approx(1 - 0.025 ** (1 / 100)))
    assert (low[1], high[1]) == (pytest.approx(0.025 ** (1 / 3)), 1)
    assert 0 < low[2] < 2 / 99 < high[2] < float(clopper_pearson(3, 100)[1])


def test_the_mean_of_items_by_hand():
    found = until_mean([2, 2, 1], [3, 5, 10], 2)
    assert found.mean == pytest.approx((1 / 2 + 1 / 4 + 1 / 10) / 3)
    variance = (1 / 2 * 1 / 2 / 1 + 1 / 4 * 3 / 4 / 3 + 0.1 * 0.9 / 9) / 9
    assert found.stderr == pytest.approx(variance**0.5)
    assert 0 < found.low < found.mean < found.high < 1


def test_the_mean_at_its_ends():
    assert until_mean([0, 0], [10, 30], 3).high == pytest.approx(zero_rate_bound([10, 30]))
    one = until_mean([3], [40], 3)
    assert (one.low, one.high) == pytest.approx([float(end) for end in until_interval(3, 40, 3)])
    sure = until_mean([3] * 20, [3] * 20, 3)
    assert (sure.mean, sure.high) == (1, 1)
    assert 0.9 < sure.low < 1
    assert until_mean([0, 1], [1, 1], 0).high == 1


@pytest.mark.parametrize(
    ("rate", "spread", "passes", "cap"),
    [(1e-3, 0, 5, 10**6), (1e-3, 1.5, 5, 1000), (0.05, 1, 5, 10**5), (0.05, 1, 2, 50), (1e-5, 1, 3, 10**4)],
)
def test_the_interval_of_the_mean_covers(rate, spread, passes, cap):
    rng = np.random.default_rng(4)
    held, runs = 0, 300
    rates = np.minimum(rate * np.exp(rng.normal(0, spread, 40)), 0.95)
    for _ in range(runs):
        at = rng.geometric(rates[:, None], (40, passes)).cumsum(axis=1)
        c = (at <= cap).sum(axis=1)
        found = until_mean(c, np.where(c == passes, at[:, -1], cap), passes)
        held += found.low <= rates.mean() <= found.high
    assert held >= 0.925 * runs


@pytest.mark.parametrize(
    ("c", "n", "until", "says"),
    [
        (1, 5, 1, "at least 2"),
        (1, 5, 2.5, "at least 2"),
        (1, 5, -2, "at least 2"),
        (4, 5, 3, "more passes"),
        (0, 0, 3, "an attempt"),
        (3, 2, 3, "impossible"),
    ],
)
def test_impossible_counts(c, n, until, says):
    with pytest.raises(SettingsError, match=says):
        until_rate(c, n, until)


def test_a_mean_needs_one_count_an_item():
    with pytest.raises(SettingsError, match="not one count an item"):
        until_mean([[1, 2]], [[3, 4]], 2)


def test_no_warning_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        until_neg_log([0, 2], [4, 4], [2, 2])
        until_mean([2, 2], [2, 2], 2)
