"""Intervals of rates that few problems contribute to."""

import numpy as np
import pytest
from scipy import optimize, stats

from unmirage.errors import SettingsError
from unmirage.statistics import gamma_interval, zero_rate_bound


@pytest.mark.parametrize("solved", [1, 2, 3, 9, 40])
def test_zero_one_rates_give_garwoods_exact_poisson_interval(solved):
    rates = np.zeros(500)
    rates[:solved] = 1.0
    low, high = gamma_interval(rates)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * solved) / 2 / 500, rel=1e-9)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * solved + 2) / 2 / 500, rel=1e-9)


def test_units_do_not_matter():
    rates = np.array([0, 0, 0.02, 0.5, 0, 0.1])
    low, high = gamma_interval(rates)
    assert gamma_interval(rates / 10) == pytest.approx((low / 10, high / 10), rel=1e-9)


def test_coverage_with_few_solved_problems_is_kept_where_the_bootstrap_loses_it():
    rng = np.random.default_rng(5)
    truth, problems, covered, boot = 0.02 * 0.3, 128, 0, 0
    runs = 400
    for _ in range(runs):
        # Two problems in a hundred can be solved, in 10% to 50% of attempts, of which there are a hundred.
        p = np.where(rng.random(problems) < 0.02, rng.uniform(0.1, 0.5, problems), 0.0)
        rates = rng.binomial(100, p) / 100
        if not rates.any():
            low, high = 0.0, 1 - 0.025 ** (1 / problems)
            boot_low = boot_high = 0.0
        else:
            low, high = gamma_interval(rates)
            means = rng.choice(rates, (400, problems)).mean(axis=1)
            boot_low, boot_high = np.quantile(means, [0.025, 0.975])
        covered += low <= truth <= high
        boot += boot_low <= truth <= boot_high
    assert covered / runs >= 0.95
    assert boot / runs < 0.90


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


def test_errors():
    with pytest.raises(SettingsError):
        gamma_interval([0.0, 0.0])
    with pytest.raises(SettingsError):
        zero_rate_bound([])
    with pytest.raises(SettingsError):
        zero_rate_bound([3, 0])
