"""Tests against guessing: scipy's binomial, and the Poisson-binomial by dynamic programming."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import binom, hypergeom

from unmirage.errors import SettingsError
from unmirage.statistics import binomial_tail, hypergeometric_tail, p_above_chance, poisson_binomial_pmf
from unmirage.statistics.chance import DIRECT_ITEMS


def _dynamic(p):
    pmf = np.zeros(len(p) + 1)
    pmf[0] = 1
    for one in p:
        pmf[1:] = pmf[1:] * (1 - one) + pmf[:-1] * one
        pmf[0] *= 1 - one
    return pmf


@pytest.mark.parametrize(
    ("k", "n", "c"), [(0, 10, 0.25), (3, 10, 0.25), (10, 10, 0.1), (400, 1000, 0.25), (60, 5000, 0.001)]
)
def test_constant_chance_is_scipys_binomial(k, n, c):
    assert p_above_chance(k, np.full(n, c)) == pytest.approx(binom.sf(k - 1, n, c), rel=1e-10)


def test_constant_chance_keeps_its_digits_far_in_the_tail():
    expected = binom.logsf(799, 1000, 0.25)
    assert expected < -250
    assert np.log(p_above_chance(800, np.full(1000, 0.25))) == pytest.approx(expected, rel=1e-10)


@settings(deadline=None, max_examples=50)
@given(
    p=st.lists(st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5, 0.9, 1.0]) | st.floats(0, 1), max_size=40),
)
def test_pmf_is_the_dynamic_program(p):
    got = poisson_binomial_pmf(p)
    np.testing.assert_allclose(got, _dynamic(p), rtol=1e-9, atol=1e-290)
    assert got.sum() == pytest.approx(1)


def test_varying_chance_keeps_its_digits_far_in_the_tail():
    chance = np.repeat([0.2, 0.25, 0.5], [200, 300, 100])
    expected = _dynamic(chance)[450:].sum()
    assert 0 < expected < 1e-60
    assert p_above_chance(450, chance) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "p"), [(5000, 0.3), (12_000, 0.5), (2000, 1e-4), (3000, 0.999), (1500, 1e-250)]
)
def test_equal_chances_are_the_binomial(n, p):
    expected = binom.pmf(np.arange(n + 1), n, p)
    np.testing.assert_allclose(poisson_binomial_pmf(np.full(n, p)), expected, rtol=3e-12, atol=1e-295)


def test_what_is_never_seen_is_left_out_and_the_rest_keeps_its_digits():
    chance = np.repeat([0.001, 0.02, 0.6], [4000, 6000, 5000])
    whole = _dynamic(chance)
    np.testing.assert_allclose(poisson_binomial_pmf(chance), whole, rtol=1e-9, atol=1e-290)


def test_probabilities_next_to_the_smallest_float():
    assert poisson_binomial_pmf([1.2e-308, 1.2e-308, 0.5]) == pytest.approx([0.5, 0.5, 0, 0])
    assert p_above_chance(1, np.full(3, 1.2e-308)) == pytest.approx(3.6e-308)


def test_order_of_items_does_not_matter():
    chance = np.random.default_rng(0).random(300)
    assert p_above_chance(170, chance) == p_above_chance(170, chance[::-1])


def test_above_the_direct_size_the_tail_is_known_to_the_floor():
    half = DIRECT_ITEMS // 2 + 5000
    chance = np.repeat([0.25, 0.5], half)
    below = binom.pmf(np.arange(half + 1), half, 0.25)
    for k in (15_500, 15_600):
        expected = below @ binom.sf(k - 1 - np.arange(half + 1), half, 0.5)
        assert p_above_chance(k, chance) == pytest.approx(expected, abs=1e-13)
    assert p_above_chance(16_000, chance) == 1e-13
    pmf = poisson_binomial_pmf(chance)
    assert (pmf >= 0).all()
    assert pmf.sum() == pytest.approx(1, abs=1e-10)


def test_no_chance_at_all():
    assert p_above_chance(0, np.zeros(20)) == 1.0
    assert p_above_chance(1, np.zeros(20)) == 0.0
    assert p_above_chance(0, np.zeros(20), effective_n=7.5) == 1.0
    assert p_above_chance(1, np.zeros(20), effective_n=7.5) == 0.0


def test_effective_n_scales_counts_and_uses_the_beta_integral():
    chance = np.full(100, 0.25)
    assert p_above_chance(40, chance, effective_n=33.3) == pytest.approx(
        betainc(13.32, 20.98, 0.25), rel=1e-12
    )
    assert p_above_chance(40, chance, effective_n=50) == pytest.approx(binom.sf(19, 50, 0.25), rel=1e-10)
    assert p_above_chance(40, chance, effective_n=100) == p_above_chance(40, chance)
    assert p_above_chance(40, chance, effective_n=20) > p_above_chance(40, chance)


def test_effective_n_with_varying_chance_errs_on_the_safe_side():
    chance = np.repeat([0.1, 0.5], 50)
    for k in (32, 40, 55):
        exact = p_above_chance(k, chance)
        assert exact < p_above_chance(k, chance, effective_n=100) < 5 * exact + 0.05


def test_p_falls_with_successes():
    chance = np.repeat([0.2, 0.5], 25)
    p = [p_above_chance(k, chance) for k in range(51)]
    assert p[0] == 1.0
    assert (np.diff(p) < 0).all()


def test_binomial_tail_over_its_whole_range():
    k = np.arange(-1, 13)
    np.testing.assert_allclose(binomial_tail(k, 11, 0.3), binom.sf(k - 1, 11, 0.3), rtol=1e-10, atol=0)
    assert binomial_tail(2.5, 10, 0.3) == pytest.approx(betainc(2.5, 8.5, 0.3))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((-1, [0.5]), {}),
        ((2, [0.5]), {}),
        ((1, []), {}),
        ((1, 0.5), {}),
        ((1, [1.5]), {}),
        ((1, [np.nan]), {}),
        ((np.nan, [0.5]), {}),
        ((0.5, [0.5]), {}),
        ((1, [0.5]), {"effective_n": 0}),
        ((1, [0.5]), {"effective_n": 2}),
    ],
)
def test_impossible_arguments_are_refused(arguments, options):
    with pytest.raises(SettingsError):
        p_above_chance(*arguments, **options)


def test_pmf_refuses_a_matrix():
    with pytest.raises(SettingsError, match="shape"):
        poisson_binomial_pmf([[0.5]])


@pytest.mark.parametrize(
    ("draws", "successes", "population"),
    [(67, 157, 209), (5, 3, 10), (9, 4, 10), (0, 2, 5), (1000, 60, 10_000)],
)
def test_the_hypergeometric_tail_is_scipys(draws, successes, population):
    for k in range(-1, min(draws, successes) + 2):
        wanted = hypergeom.sf(k - 1, population, successes, draws)
        assert hypergeometric_tail(k, draws, successes, population) == pytest.approx(wanted, rel=1e-9, abs=0)


def test_impossible_draws():
    with pytest.raises(SettingsError, match="6 draws, 2 successes in 5"):
        hypergeometric_tail(1, 6, 2, 5)
