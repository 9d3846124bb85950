"""What resolves a scale, and how many items would, against scipy's exact distributions."""

import math

import numpy as np
import pytest
from scipy import stats

from unmirage.verdict.points import needed_items, rate_point

COMMON = {"scales": 8, "alpha": 0.05, "min_successes": 3}


def test_exact_match_is_resolved_from_three_successes_on():
    for successes, resolved in ((0, False), (2, False), (3, True), (100, True)):
        point = rate_point("m", 1e9, successes / 100, 0.01, 100, 0.0, **COMMON)
        assert point.resolved is resolved
        assert point.successes == successes
        assert point.floor == pytest.approx(1 - 0.05 ** (1 / 100))


def test_choice_is_resolved_by_the_exact_binomial_at_alpha_over_scales():
    for right in range(40, 80):
        point = rate_point("m", 1e9, right / 160, 0.03, 160, np.full(160, 0.25), **COMMON)
        p = stats.binom.sf(right - 1, 160, 0.25)
        assert point.p_above_chance == pytest.approx(p, rel=1e-9)
        assert point.resolved is bool(p <= 0.05 / 8)


def test_chance_that_varies_over_items_is_poisson_binomial():
    chance = np.repeat([0.2, 0.5], 30)
    point = rate_point("m", 1e9, 30 / 60, 0.06, 60, chance, **COMMON)
    pmf = np.convolve(stats.binom.pmf(range(31), 30, 0.2), stats.binom.pmf(range(31), 30, 0.5))
    assert point.p_above_chance == pytest.approx(pmf[30:].sum(), rel=1e-9)
    assert point.chance == pytest.approx(0.35)


def test_counts_give_their_own_successes():
    point = rate_point("m", 1e9, 0.01, 0.001, 10_000, 0.0, successes=57, **COMMON)
    assert point.successes == 57
    assert point.resolved


def test_fewer_effective_items_need_more_evidence():
    independent = rate_point("m", 1e9, 0.4, 0.04, 160, 0.25, **COMMON)
    clustered = rate_point("m", 1e9, 0.4, 0.15, 160, 0.25, effective_n=10.0, **COMMON)
    assert independent.resolved
    assert not clustered.resolved
    assert clustered.p_above_chance > independent.p_above_chance
    assert clustered.floor > independent.floor


def test_needed_items():
    assert needed_items(2, 100, 0.0, 0.05, 3) == 150  # 3 / 0.02
    # No success in 100: the median rate is 1 - .5^(1/100), and 3 successes at it are expected in about 434.
    assert needed_items(0, 100, 0.0, 0.05, 3) == math.ceil(3 / (1 - 0.5 ** (1 / 100)))
    assert needed_items(20, 100, 0.25, 0.05, 3) is None  # below chance
    n = needed_items(30, 100, 0.25, 0.05, 3)
    critical = stats.binom.isf(0.05, n, 0.25) + 1
    assert stats.binom.sf(critical - 1, n, 0.30) >= 0.8
