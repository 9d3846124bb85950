"""Fits of one curve against scipy from many starts, curve_fit and statsmodels. Not their intervals."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit, minimize, minimize_scalar
from scipy.stats import binom, norm
from statsmodels.stats.meta_analysis import combine_effects

from unmirage.curves import (
    broken_power_law,
    exponential,
    fit,
    fit_binomial,
    geometric_mean,
    hinge,
    logistic,
    power_law,
)
from unmirage.errors import SettingsError

X = np.geomspace(1e7, 1e11, 10)
LOSS = np.linspace(3.5, 1.5, 10)
REFERENCE = geometric_mean(X)
LINE = exponential().fix(rate=0.0)


def noisy(law, x, params, size, seed):
    return law.value(x, np.array(params)) + size * np.random.default_rng(seed).normal(size=len(x))


@pytest.mark.parametrize(
    ("law", "x", "params"),
    [
        (power_law(REFERENCE), X, [1.0, 1.5, 0.15]),
        (power_law(REFERENCE), X, [0.0, 1.5, 0.5]),
        (logistic(), X, [0.1, 0.8, 9.2, 0.1]),
        (logistic().fix(floor=0.25), X, [0.9, 10.5, -0.5]),
        (exponential(2.5), LOSS, [0.5, -0.2, 1.0]),
        (broken_power_law(0, REFERENCE), X, [0.5, 1.0, 0.2]),
        (broken_power_law(1, REFERENCE), X, [0.2, 1.0, 0.05, 0.7, 9.3, -0.5]),
        (broken_power_law(1, REFERENCE).fix(limit=0.0), X, [1.0, 0.3, -0.2, 8.3, -0.1]),
        (hinge(), X, [0.25, 0.3, 8.8]),
        (hinge(falling=True), LOSS, [0.25, 0.3, -2.2]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
@pytest.mark.parametrize("seed", range(2))
def test_no_worse_than_scipy_from_many_starts(law, x, params, seed, scipy_best):
    y = noisy(law, x, params, (0.003, 0.03)[seed], seed)
    found = fit(law, x, y)
    assert found.sse <= scipy_best(law, x, y, starts=8) * (1 + 1e-6)
    assert found.sse == pytest.approx(((y - found.predict(x)) ** 2).sum())
    np.testing.assert_allclose(found.residuals, y - found.fitted)


def test_parameters_and_errors_are_those_of_curve_fit():
    law = power_law(REFERENCE)
    y = noisy(law, X, [1.0, 1.5, 0.15], 0.02, 0)
    popt, pcov = curve_fit(
        lambda x, *p: law.value(x, np.array(p)), X, y, p0=[1, 1, 0.1], ftol=1e-14, xtol=1e-14
    )
    found = fit(law, X, y)
    np.testing.assert_allclose(found.params, popt, rtol=1e-5)
    np.testing.assert_allclose(found.covariance, pcov, rtol=1e-3)
    assert found.scatter == pytest.approx(np.sqrt(found.sse / 7))
    assert (found.dof, found.converged, found.at_bound.any()) == (7, True, False)
    assert found["exponent"] == found.params[2]
    gradient = law.gradient(np.array([1e12]), popt)
    by_delta = np.sqrt(gradient @ pcov @ gradient.T)[0, 0]
    assert found.predict_stderr(1e12)[0] == pytest.approx(by_delta, rel=1e-3)


def test_known_variance_is_curve_fit_with_absolute_sigma():
    law = power_law(REFERENCE)
    sigma = np.linspace(0.01, 0.05, 10)
    y = law.value(X, np.array([1.0, 1.5, 0.15])) + sigma * np.random.default_rng(1).normal(size=10)
    popt, pcov = curve_fit(
        lambda x, *p: law.value(x, np.array(p)),
        X,
        y,
        p0=[1, 1, 0.1],
        sigma=sigma,
        absolute_sigma=True,
        ftol=1e-14,
        xtol=1e-14,
    )
    found = fit(law, X, y, sigma**2, scatter=0.0)
    np.testing.assert_allclose(found.params, popt, rtol=1e-5)
    np.testing.assert_allclose(found.covariance, pcov, rtol=1e-3)
    assert found.objective == pytest.approx((found.residuals**2 / sigma**2).sum())
    again = fit(law, X, y, np.diag(sigma**2), scatter=0.0)
    np.testing.assert_allclose(again.params, found.params, rtol=1e-7)


def test_a_straight_line_is_that_of_statsmodels():
    rng = np.random.default_rng(2)
    y = 0.3 - 0.1 * LOSS + 0.02 * rng.normal(size=10)
    design = sm.add_constant(LOSS)
    found, ols = fit(LINE, LOSS, y), sm.OLS(y, design).fit()
    np.testing.assert_allclose(found.params, ols.params, rtol=1e-9)
    np.testing.assert_allclose(found.covariance, ols.cov_params(), rtol=1e-9)
    # statsmodels does not count the variance among the parameters of its criterion.
    count, n = 3, 10
    expected = -2 * ols.llf + 2 * count + 2 * count * (count + 1) / (n - count - 1)
    assert found.aicc == pytest.approx(expected, rel=1e-9)

    root = rng.normal(size=(10, 10)) * 0.01
    covariance = root @ root.T + np.diag(np.linspace(1e-4, 1e-3, 10))
    found = fit(LINE, LOSS, y, covariance, scatter=0.05)
    total = covariance + 0.05**2 * np.eye(10)
    gls = sm.GLS(y, design, sigma=total).fit()
    np.testing.assert_allclose(found.params, gls.params, rtol=1e-8)
    np.testing.assert_allclose(found.covariance, gls.normalized_cov_params, rtol=1e-8)
    np.testing.assert_allclose(found.noise, total)


def test_scatter_of_a_constant_is_that_of_a_meta_analysis():
    rng = np.random.default_rng(3)
    variance = np.linspace(0.5, 2, 10) * 1e-3
    y = 0.4 + np.sqrt(variance + 2e-3) * rng.normal(size=10)
    found = fit(exponential().fix(rate=0.0, slope=0.0), LOSS, y, variance)
    other = combine_effects(y, variance, method_re="iterated", atol=1e-12)
    assert found.scatter**2 == pytest.approx(other.tau2, rel=1e-5)
    assert found.params[0] == pytest.approx(other.mean_effect_re, rel=1e-7)
    assert found.objective == pytest.approx(9.0, rel=1e-6)


def test_criterion_takes_the_most_likely_scatter():
    rng = np.random.default_rng(8)
    variance = np.linspace(0.5, 2, 10) * 1e-4
    y = 0.3 - 0.1 * LOSS + 0.03 * rng.normal(size=10)
    found = fit(LINE, LOSS, y, variance)

    def misfit(level):
        return -2 * norm.logpdf(found.residuals, scale=np.sqrt(variance + level)).sum()

    best = minimize_scalar(misfit, bounds=(0, 0.01), method="bounded", options={"xatol": 1e-12}).fun
    assert found.aicc == pytest.approx(best + 6 + 24 / 6, rel=1e-8)
    known = fit(LINE, LOSS, y, variance, scatter=0.03)
    exact = -2 * norm.logpdf(known.residuals, scale=np.sqrt(variance + 0.03**2)).sum()
    assert known.aicc == pytest.approx(exact + 4 + 12 / 7, rel=1e-10)


@settings(deadline=None, max_examples=6)
@given(st.permutations(range(10)), st.floats(1e-4, 1e4))
def test_order_and_unit_of_the_points_change_nothing(order, unit):
    rows = list(order)
    y = noisy(power_law(REFERENCE), X, [1.0, 1.5, 0.15], 0.01, 0)
    variance = np.linspace(1, 2, 10) * 1e-5
    plain = fit(power_law(REFERENCE), X, y, variance)
    moved = fit(power_law(REFERENCE), X[rows], unit * y[rows], unit**2 * variance[rows])
    np.testing.assert_allclose(moved.params, plain.params * [unit, unit, 1], rtol=1e-5)
    np.testing.assert_allclose(moved.stderr, plain.stderr * [unit, unit, 1], rtol=1e-4)
    assert moved.scatter == pytest.approx(unit * plain.scatter, rel=1e-5)


def test_scatter_is_none_where_items_explain_all():
    law = power_law(REFERENCE)
    y = noisy(law, X, [1.0, 1.5, 0.15], 0.01, 0)
    found = fit(law, X, y, np.full(10, 0.05**2))
    assert found.scatter == 0
    np.testing.assert_allclose(found.params, fit(law, X, y).params, rtol=1e-5)


def test_scatter_is_found_beside_items_that_models_share():
    rng = np.random.default_rng(4)
    x = np.geomspace(1e7, 1e11, 60)
    shared = 0.05**2 * np.ones((60, 60)) + 0.01**2 * np.eye(60)
    law = power_law(geometric_mean(x))
    y = law.value(x, np.array([1.0, 1.5, 0.15])) + rng.multivariate_normal(np.zeros(60), shared)
    found = fit(law, x, y + 0.03 * rng.normal(size=60), shared)
    assert found.scatter == pytest.approx(0.03, rel=0.3)


def test_parameters_on_a_bound_and_undetermined_ones_have_no_error():
    law = power_law(REFERENCE)
    found = fit(law, X, noisy(law, X, [0.0, 1.5, 0.5], 0.05, 1) - 0.02)
    assert found.at_bound.tolist() == [True, False, False]
    assert np.isnan(found.stderr[0])
    held = fit(law.fix(offset=0.0), X, found.y)
    np.testing.assert_allclose(found.params[1:], held.params, rtol=1e-6)
    flat = fit(power_law(REFERENCE).within(amplitude=(0.0, 1.0)), X, np.linspace(1, 1.2, 10))
    assert flat.params[1] < 1e-6 or flat.params[2] < 1e-6
    assert not np.isfinite(flat.stderr).all()


def test_a_smooth_curve_prefers_the_smaller_law():
    law = power_law(REFERENCE)
    y = noisy(law, X, [1.0, 1.5, 0.15], 0.01, 7)
    assert fit(law, X, y).aicc < fit(broken_power_law(1, REFERENCE), X, y).aicc


def test_rates_against_statsmodels():
    n = np.full(10, 200)
    p = 1 / (1 + np.exp(-(np.log10(X) - 9.5) * 2))
    k = np.random.default_rng(5).binomial(n, p)
    found = fit_binomial(logistic().fix(floor=0.0, ceiling=1.0), X, k, n)
    other = sm.GLM(
        np.column_stack([k, n - k]), sm.add_constant(np.log10(X)), family=sm.families.Binomial()
    ).fit(tol=1e-14)
    intercept, slope = other.params
    assert found["midpoint"] == pytest.approx(-intercept / slope, rel=1e-7)
    assert 2 * np.log(9) / 10 ** found["log10_width"] == pytest.approx(slope, rel=1e-6)
    assert found.objective == pytest.approx(other.deviance, rel=1e-8)
    assert found.stderr[1] * np.log(10) == pytest.approx(other.bse[1] / slope, rel=1e-5)
    np.testing.assert_allclose(found.fitted, other.mu, rtol=1e-6)
    two = -2 * other.llf + 2 * 2 + 2 * 2 * 3 / 7
    assert found.aicc == pytest.approx(two, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_rates_with_a_free_ceiling_against_a_direct_search(seed):
    n = np.full(10, 100)
    law = logistic().fix(floor=0.25)
    true = law.value(X, np.array([0.8, 9.4, 0.0]))
    k = np.random.default_rng(seed).binomial(n, true)
    found = fit_binomial(law, X, k, n)

    def misfit(p):
        rate = np.clip(law.value(X, np.array([p[0], p[1], p[2]])), 1e-12, 1 - 1e-12)
        return -2 * binom.logpmf(k, n, rate).sum()

    best = min(
        minimize(
            misfit,
            [0.8, middle, width],
            method="Nelder-Mead",
            bounds=[(0, 1), (None, None), (-2, 2)],
            options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000},
        ).fun
        for middle in (8.5, 9.5)
        for width in (-0.5, 0.3)
    )
    assert misfit(found.params) <= best + 1e-7
    assert found.aicc == pytest.approx(misfit(found.params) + 6 + 24 / 6)
    assert ((found.fitted >= 0) & (found.fitted <= 1)).all()


def test_counts_of_nothing_and_everything_are_fitted():
    n = np.full(10, 50)
    k = np.array([0, 0, 0, 0, 1, 20, 48, 50, 50, 50])
    found = fit_binomial(logistic().fix(floor=0.0, ceiling=1.0), X, k, n)
    assert found.converged
    np.testing.assert_allclose(found.fitted[[0, 9]], [0, 1], atol=1e-3)
    assert np.isfinite(found.aicc)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit(power_law(), X[:3], np.ones(3)), "3 points cannot fit the 3 parameters"),
        (lambda: fit(power_law(), X[:2], np.ones(2), scatter=1.0), "2 points cannot fit"),
        (lambda: fit(power_law(), -X, np.ones(10)), "above 0"),
        (lambda: fit(power_law(), X, np.ones(9)), "10 finite values"),
        (lambda: fit(power_law(), X, np.ones(10), scatter=-1.0), "not a standard deviation"),
        (lambda: fit(power_law(), X, np.ones(10), -np.ones(10)), "below 0"),
        (lambda: fit(power_law(), X, np.ones(10), np.ones(9)), "symmetric"),
        (lambda: fit(power_law(), X, np.ones(10), np.zeros(10), scatter=0.0), "so is the scatter"),
        (lambda: fit(power_law(), X, np.ones(10), starts=0), "too few"),
        (lambda: fit_binomial(logistic(), X, np.ones(10), np.zeros(10)), "counts must"),
        (lambda: fit_binomial(logistic(), X[:3], np.ones(3), np.ones(3)), "3 points cannot"),
    ],
)
def test_bad_arguments_are_refused(call, says):
    with pytest.raises(SettingsError, match=says):
        call()
