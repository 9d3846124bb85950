"""Rates over problems, pass@k and subset accuracy against exact fractions and enumeration."""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.stats import hypergeom

from unmirage.errors import SettingsError
from unmirage.statistics import (
    clopper_pearson,
    mean_rate,
    pass_at_k,
    pooled_rate,
    subset_accuracy,
    thin,
    zero_rate_bound,
)


def test_mean_and_pooled_rate_by_hand():
    correct, samples = [1, 0, 5], [2, 100, 10]
    assert mean_rate(correct, samples) == pytest.approx(1 / 3)
    assert pooled_rate(correct, samples) == pytest.approx(6 / 112)


def test_without_any_success_the_population_bound_is_safe_for_every_population():
    # At a mean just above the bound, seeing nothing is rarer than a/2 whatever the problems' own rates are.
    problems, attempts = 20, 5
    high = float(clopper_pearson(0, problems)[1])
    rng = np.random.default_rng(0)
    tried = 0
    for weights in ([0.0, 1.0], [0.1, 1.0], *rng.random((200, 2))):
        small, large = sorted(weights)
        if not small < high + 1e-6 < large:
            continue
        tried += 1
        share = (high + 1e-6 - small) / (large - small)
        nothing = (share * (1 - large) ** attempts + (1 - share) * (1 - small) ** attempts) ** problems
        assert nothing < 0.025
    assert tried > 20


def test_no_success_bounds_the_mean_of_these_problems():
    assert zero_rate_bound([100] * 50) == pytest.approx(1 - 0.025 ** (1 / 5000), rel=1e-12)
    # No assignment of rates that shows nothing with probability a/2 or more has a larger mean.
    samples = np.array([10, 30, 1000])
    found = optimize.minimize(
        lambda q: -np.mean(-np.expm1(-q)),
        x0=[0.1, 0.01, 0.001],
        bounds=[(0, 5)] * 3,
        constraints={"type": "ineq", "fun": lambda q: -np.log(0.025) - samples @ q},
    )
    assert -found.fun <= zero_rate_bound(samples) + 1e-9


def test_pass_at_k_known_values():
    assert pass_at_k(10, 3, 5) == pytest.approx(1 - 21 / 252, rel=1e-14)
    assert pass_at_k(10, 3, 5) == pytest.approx(0.916667, abs=5e-7)
    assert pass_at_k(10, 0, 5) == 0.0
    assert not np.signbit(pass_at_k(10, 0, 5))
    assert pass_at_k(10, 6, 5) == 1.0
    assert pass_at_k(10, 10, 10) == 1.0
    assert np.isnan(pass_at_k(4, 2, 5))


@settings(deadline=None, max_examples=100)
@given(n=st.integers(1, 300), data=st.data())
def test_pass_at_k_is_the_exact_fraction(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    expected = float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert pass_at_k(n, c, k) == pytest.approx(expected, rel=1e-11, abs=0)


def test_pass_at_k_keeps_small_values():
    assert pass_at_k(10**9, 1, 1) == pytest.approx(1e-9, rel=1e-12)
    assert pass_at_k(10**9, 2, 3) == pytest.approx(6e-9, rel=1e-8)


def test_pass_at_k_broadcasts():
    got = pass_at_k([[10], [3]], [[3], [1]], [1, 2, 5])
    np.testing.assert_allclose(got, [[0.3, 1 - 42 / 90, 1 - 21 / 252], [1 / 3, 2 / 3, np.nan]])


def test_subset_accuracy_by_enumeration():
    right = np.array([1, 1, 0, 1, 0, 1, 1])
    for k in range(1, 8):
        share = np.mean([right[list(group)].all() for group in combinations(range(7), k)])
        assert subset_accuracy(5, 7, k) == pytest.approx(share, abs=1e-12)


def test_subset_accuracy_is_unbiased_for_the_power():
    n, p, k = 12, 0.7, 4
    weights = np.array([comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])
    assert weights @ subset_accuracy(np.arange(n + 1), n, k) == pytest.approx(p**k, rel=1e-12)


def test_subset_accuracy_of_real_counts():
    assert subset_accuracy(2.5, 10, 2) == pytest.approx(2.5 * 1.5 / 90)
    assert subset_accuracy(1.5, 10, 3) == 0.0  # 1.5 · 0.5 · (-0.5), the last cut at 0
    np.testing.assert_array_equal(subset_accuracy([3, 3], [5, 2 + 1], [6, 3]), [np.nan, 1.0])


def test_thin_is_hypergeometric():
    draws = thin(np.full(20_000, 3), np.full(20_000, 10), 4, 0)
    expected = hypergeom.pmf(np.arange(4), 10, 3, 4)
    np.testing.assert_allclose(np.bincount(draws, minlength=4) / 20_000, expected, atol=0.015)


def test_thin_to_all_attempts_changes_nothing_and_repeats():
    correct = np.array([0, 3, 7])
    np.testing.assert_array_equal(thin(correct, [7, 7, 7], 7, 5), correct)
    many = (np.full(50, 20), np.full(50, 40), 10)
    np.testing.assert_array_equal(thin(*many, 1), thin(*many, 1))
    assert (thin(*many, 1) != thin(*many, 2)).any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mean_rate([1], [0]),
        lambda: mean_rate([0], [0]),
        lambda: mean_rate([2], [1]),
        lambda: mean_rate([], []),
        lambda: mean_rate(1, 2),
        lambda: pooled_rate([0.5], [1]),
        lambda: zero_rate_bound([]),
        lambda: zero_rate_bound([3, 0]),
        lambda: zero_rate_bound([3], confidence=1.5),
        lambda: pass_at_k(5, 6, 1),
        lambda: pass_at_k(5, 1, 0),
        lambda: pass_at_k(5, 1, 1.5),
        lambda: pass_at_k(5, 1.5, 1),
        lambda: pass_at_k([5, 5], [1, 1], [1, 2, 3]),
        lambda: subset_accuracy(6, 5, 1),
        lambda: subset_accuracy(1, 5.5, 1),
        lambda: subset_accuracy(1, 5, 0),
        lambda: thin([1, 1], [3, 2], 3),
    ],
)
def test_impossible_counts_are_refused(call):
    with pytest.raises(SettingsError):
        call()
