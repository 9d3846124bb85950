"""Intervals for rates against scipy, statsmodels and closed forms. Coverage is in test_interval_coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, t
from statsmodels.stats.proportion import proportion_confint

from unmirage.errors import SettingsError
from unmirage.statistics import (
    clopper_pearson,
    clustered_stderr,
    design_effect,
    effective_items,
    korn_graubard,
    wald,
    wilson,
    zero_success_upper_bound,
)

COUNTS = [(0, 1), (1, 1), (0, 100), (1, 100), (37, 100), (99, 100), (100, 100), (3, 10_000), (12_345, 50_000)]


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(("k", "n"), COUNTS)
def test_clopper_pearson_is_scipys_exact_interval(k, n, confidence):
    expected = binomtest(k, n).proportion_ci(confidence, method="exact")
    # scipy finds the roots to about 1e-9; the beta quantiles are the closed form.
    np.testing.assert_allclose(clopper_pearson(k, n, confidence), expected, rtol=1e-7, atol=1e-15)
    tail = (1 - confidence) / 2
    low, high = clopper_pearson(k, n, confidence)
    if k > 0:
        assert low == pytest.approx(beta.ppf(tail, k, n - k + 1), rel=1e-11)
    if k < n:
        assert high == pytest.approx(beta.isf(tail, k + 1, n - k), rel=1e-11)


@pytest.mark.parametrize(
    ("function", "method"), [(clopper_pearson, "beta"), (wilson, "wilson"), (wald, "normal")]
)
def test_intervals_are_those_of_statsmodels_as_arrays(function, method):
    k, n = np.array(COUNTS[2:]).T
    expected = proportion_confint(k, n, alpha=0.1, method=method)
    low, high = function(k, n, 0.9)
    if method == "normal":  # statsmodels clips, the textbook formula does not
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
    np.testing.assert_allclose(low, expected[0], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(high, expected[1], rtol=1e-9, atol=1e-15)


def test_clopper_pearson_takes_real_counts():
    low, high = clopper_pearson(0.7, 12.5)
    assert low == pytest.approx(beta.ppf(0.025, 0.7, 12.8), rel=1e-9)
    assert high == pytest.approx(beta.ppf(0.975, 1.7, 11.8), rel=1e-9)


@pytest.mark.parametrize("function", [clopper_pearson, wilson])
def test_ends_are_exact(function):
    low, high = function([0, 10, 0], [10, 10, 0])
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert (low[2], high[2]) == (0.0, 1.0)
    assert 0 < high[0] < 1
    assert 0 < low[1] < 1


def test_two_sided_bound_at_zero_successes():
    _, high = clopper_pearson(0, [50, 100, 1000])
    np.testing.assert_allclose(high, 1 - 0.025 ** (1 / np.array([50, 100, 1000])), rtol=1e-12)


def test_rule_of_three():
    bound = zero_success_upper_bound([100, 1000])
    assert [round(bound[0], 5), round(bound[1], 6)] == [0.02951, 0.002991]
    np.testing.assert_allclose(bound, 1 - 0.05 ** (1 / np.array([100, 1000])), rtol=1e-12)
    assert zero_success_upper_bound(0) == 1.0
    assert zero_success_upper_bound(1e12) == pytest.approx(-np.log(0.05) / 1e12, rel=1e-9)


def test_wald_has_no_width_at_zero_successes_and_no_value_without_items():
    assert wald(0, 50) == (0.0, 0.0)
    assert np.isnan(wald(0, 0)).all()


@settings(deadline=None, max_examples=60)
@given(n=st.integers(1, 3000), share=st.floats(0, 1), confidence=st.floats(0.01, 0.999))
def test_intervals_mirror_and_hold_the_rate(n, share, confidence):
    k = round(n * share)
    for function in (clopper_pearson, wilson, wald):
        low, high = function(k, n, confidence)
        mirrored_low, mirrored_high = function(n - k, n, confidence)
        assert low <= k / n + 1e-12
        assert high >= k / n - 1e-12
        assert low == pytest.approx(1 - mirrored_high, abs=1e-9)
        assert high == pytest.approx(1 - mirrored_low, abs=1e-9)


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 10),
        (11, 10),
        (np.nan, 10),
        (1, np.inf),
        ([1, 2], [3, 4, 5]),
        (1, 10, 1.0),
        (1, 10, 0.0),
        (1, 10, np.nan),
    ],
)
@pytest.mark.parametrize("function", [clopper_pearson, wilson, wald])
def test_impossible_arguments_are_refused(function, arguments):
    with pytest.raises(SettingsError):
        function(*arguments)


def test_refusal_says_what_and_where():
    with pytest.raises(SettingsError, match="successes and n: successes 11 of n 10 is impossible"):
        clopper_pearson(11, 10)


def _clustered(rng, n_clusters, size, spread):
    rates = rng.beta(spread, spread, size=n_clusters)
    codes = np.repeat(np.arange(n_clusters), size)
    return (rng.random(len(codes)) < rates[codes]).astype(float), codes


def test_korn_graubard_of_single_items_is_clopper_pearson():
    for k in (0, 1, 17, 50):
        x = (np.arange(50) < k).astype(float)
        stderr = clustered_stderr(x[:, None])[0]
        got = korn_graubard(x.mean(), stderr, 50, 50, 0.9)
        np.testing.assert_allclose(got, clopper_pearson(k, 50, 0.9), rtol=1e-9, atol=1e-15)


def test_korn_graubard_is_the_published_formula():
    rng = np.random.default_rng(3)
    x, codes = _clustered(rng, 20, 10, 0.5)
    p, stderr = x.mean(), clustered_stderr(x[:, None], codes)[0]
    n_star = 200 / 199 * p * (1 - p) / stderr**2 * (t.ppf(0.975, 199) / t.ppf(0.975, 19)) ** 2
    assert n_star < 100  # the clusters matter
    expected = (
        beta.ppf(0.025, n_star * p, n_star * (1 - p) + 1),
        beta.ppf(0.975, n_star * p + 1, n_star * (1 - p)),
    )
    assert korn_graubard(p, stderr, 200, 20) == pytest.approx(expected, rel=1e-9)


def test_korn_graubard_counts_clusters_at_the_ends():
    low, high = korn_graubard([0, 1], [0, 0], 1000, 40)
    np.testing.assert_allclose(high, [1 - 0.025 ** (1 / 40), 1])
    np.testing.assert_allclose(low, [0, 0.025 ** (1 / 40)])


def test_korn_graubard_with_one_cluster():
    assert korn_graubard(0, np.nan, 100, 1) == pytest.approx((0, 0.975))
    low, high = korn_graubard(0.3, [np.nan, 0.0], 100, 1)
    np.testing.assert_allclose(low, beta.ppf(0.025, 0.3, 1.7))
    np.testing.assert_allclose(high, beta.ppf(0.975, 1.3, 0.7))


def test_korn_graubard_covers_where_clusters_are_ignored_by_others():
    rng = np.random.default_rng(5)
    held_exact = held_plain = 0
    for _ in range(400):
        x, codes = _clustered(rng, 30, 10, 0.3)
        low, high = korn_graubard(x.mean(), clustered_stderr(x[:, None], codes)[0], 300, 30)
        held_exact += low <= 0.5 <= high
        low, high = clopper_pearson(x.sum(), 300)
        held_plain += low <= 0.5 <= high
    assert held_exact / 400 > 0.93
    assert held_plain / 400 < 0.75


def test_effective_items_is_n_over_the_design_effect():
    rng = np.random.default_rng(7)
    x, codes = _clustered(rng, 25, 8, 0.4)
    stderr = clustered_stderr(x[:, None], codes)[0]
    expected = 200 / design_effect(x[:, None], codes)[0]
    assert effective_items(x.mean(), stderr, 200, 25) == pytest.approx(expected, rel=1e-9)


def test_effective_items_of_copies_is_the_number_of_clusters():
    x, codes = np.repeat([0.0, 1, 1, 0, 1], 20), np.repeat(np.arange(5), 20)
    stderr = clustered_stderr(x[:, None], codes)[0]
    # 4 for 5 - 1 degrees of freedom, times n / (n-1): the factor that makes single items give n.
    assert effective_items(x.mean(), stderr, 100, 5) == pytest.approx(4 * 100 / 99, rel=1e-9)


def test_effective_items_never_exceeds_n():
    assert effective_items(0.5, 1e-9, 60, 30) == 60


def test_effective_items_without_an_estimate_is_the_number_of_clusters():
    np.testing.assert_array_equal(effective_items(0.5, [0, 1e-17, np.nan], 60, 30), [30, 30, 30])
    # An error passed for one cluster cannot have been estimated over clusters.
    assert effective_items(0.5, 0.01, 60, 1) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (1.5, 0.1, 10, 5),
        (0.5, -0.1, 10, 5),
        (0.5, 0.1, 10, 11),
        (0.5, 0.1, 10, 0),
        ([0.5, 0.5], 0.1, [9, 9, 9], 5),
    ],
)
def test_korn_graubard_refuses(arguments):
    with pytest.raises(SettingsError):
        korn_graubard(*arguments)
