"""Errors and replicates from sums of units, against statsmodels, the items themselves and closed forms."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from unmirage.errors import SettingsError
from unmirage.statistics import (
    clustered_stderr,
    resample_means,
    resample_sums,
    stderr_of_sums,
    unit_weights,
)


@pytest.fixture
def data():
    """(items, 3) scores, their clusters, and the sums and sizes of these."""
    rng = np.random.default_rng(21)
    codes = np.repeat(np.arange(80), rng.integers(1, 8, size=80))
    values = rng.normal(size=(80, 3))[codes] + rng.normal(size=(len(codes), 3))
    sums = np.column_stack([np.bincount(codes, column) for column in values.T])
    return values, codes, sums, np.bincount(codes)


def test_the_error_of_sums_is_statsmodels_cluster_robust(data):
    values, codes, sums, sizes = data
    for j in range(3):
        fit = sm.OLS(values[:, j], np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": codes})
        assert stderr_of_sums(sums, sizes)[j] == pytest.approx(fit.bse[0], rel=1e-10)


def test_units_of_one_item_have_the_plain_error(data):
    values = data[0]
    found = stderr_of_sums(values, np.ones(len(values)))
    assert found == pytest.approx(stats.sem(values), rel=1e-12)


def test_folded_units_have_the_same_error_within_its_own():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(100_000, 8))
    bucket = rng.integers(0, 4096, 100_000)
    sums = np.column_stack([np.bincount(bucket, column, 4096) for column in values.T])
    ratio = stderr_of_sums(sums, np.bincount(bucket, minlength=4096)) / clustered_stderr(values)
    assert np.abs(ratio - 1).max() < 4 / np.sqrt(2 * 4096)


def test_replicates_are_ratios_of_weighted_sums(data):
    _, _, sums, sizes = data
    weights = unit_weights(80, 300, 7).astype(float)
    expected = weights @ sums / (weights @ sizes)[:, None]
    np.testing.assert_allclose(resample_sums(sums, sizes, 300, 7), expected, rtol=1e-11)


def test_replicates_scatter_as_those_of_the_items_do(data):
    values, codes, sums, sizes = data
    mine, theirs = resample_sums(sums, sizes, 20_000, 1), resample_means(values, codes, 20_000, 1)
    np.testing.assert_allclose(mine.std(axis=0), theirs.std(axis=0), rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(mine.T), np.corrcoef(theirs.T), atol=0.03)
    for j in range(3):
        assert stats.ks_2samp(mine[:, j], theirs[:, j]).pvalue > 1e-3
    ratio = mine.std(axis=0) / (stderr_of_sums(sums, sizes) * np.sqrt(79 / 80))
    assert np.abs(ratio - 1).max() < 0.03


@pytest.mark.parametrize("units", [1, 2, 3, 5, 17, 300, 4096])
def test_weights_sum_to_the_number_of_units(units):
    weights = unit_weights(units, 50, 0)
    assert weights.shape == (50, units)
    assert (weights.sum(axis=1) == units).all()


@pytest.mark.parametrize("units", [2, 3, 5, 40])
def test_weights_are_exactly_multinomial(units):
    weights = unit_weights(units, 40_000, 3)
    # Each unit's count is binomial, and two units' counts together.
    counts = np.arange(units + 1)
    for seen, share in ((weights[:, 0], 1 / units), (weights[:, -2:].sum(axis=1), 2 / units)):
        expected = 40_000 * stats.binom.pmf(counts, units, share)
        often = expected > 5
        observed = np.bincount(seen.astype(int), minlength=units + 1)
        merged = np.append(observed[often], observed[~often].sum())
        hoped = np.append(expected[often], expected[~often].sum())
        statistic = ((merged - hoped) ** 2 / np.maximum(hoped, 1e-9)).sum()
        assert statistic < stats.chi2.isf(1e-5, max(int(often.sum()) - 1, 1)) + 5
    covariance = np.cov(weights.T)
    np.testing.assert_allclose(np.diag(covariance), 1 - 1 / units, rtol=0.05)
    np.testing.assert_allclose(covariance[0, 1:], -1 / units, atol=0.03)


def test_whole_rows_are_multinomial():
    rows, times = np.unique(unit_weights(3, 60_000, 5), axis=0, return_counts=True)
    chances = [math.factorial(3) / math.prod(map(math.factorial, row)) / 27 for row in rows.tolist()]
    assert len(rows) == 10
    assert stats.chisquare(times, 60_000 * np.array(chances)).pvalue > 1e-4


def test_same_seed_same_bytes_other_seed_others_and_a_generator_moves_on(data):
    _, _, sums, sizes = data
    rng = np.random.default_rng(1)
    first, second = resample_sums(sums, sizes, 20, rng), resample_sums(sums, sizes, 20, rng)
    assert first.tobytes() == resample_sums(sums, sizes, 20, 1).tobytes()
    assert (first != second).any()


def test_one_unit_gives_nan_not_width_zero():
    assert np.isnan(resample_sums([[3.0]], [2], 10, 0)).all()
    assert np.isnan(stderr_of_sums([[3.0]], [2])).all()


@pytest.mark.parametrize("sizes", [[1.0], [-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(SettingsError, match="items for each of 2 units"):
        stderr_of_sums([[1.0], [2.0]], sizes)
    with pytest.raises(SettingsError, match="items for each of 2 units"):
        resample_sums([[1.0], [2.0]], sizes)
