"""The bootstrap against scipy.stats.bootstrap, closed forms and its own multiplicities."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from unmirage.errors import SettingsError
from unmirage.statistics import clustered_stderr, percentile_interval, resample_means, resample_weights


@pytest.fixture
def scores():
    rng = np.random.default_rng(11)
    return rng.normal(size=(60, 3)) + rng.normal(size=(60, 1))


def test_one_sample_is_scipys_bootstrap_with_the_same_generator(scores):
    x = scores[:, 0]
    expected = bootstrap(
        (x,),
        np.mean,
        n_resamples=500,
        method="percentile",
        rng=np.random.default_rng(4),
        confidence_level=0.9,
    )
    got = resample_means(x[:, None], replicates=500, seed=np.random.default_rng(4))
    np.testing.assert_allclose(got[:, 0], expected.bootstrap_distribution, rtol=1e-12)
    low, high = percentile_interval(got, 0.9)
    assert low[0] == pytest.approx(expected.confidence_interval.low, rel=1e-12)
    assert high[0] == pytest.approx(expected.confidence_interval.high, rel=1e-12)


def test_paired_samples_are_scipys_paired_bootstrap(scores):
    a, b = scores[:, 0], scores[:, 1]
    expected = bootstrap(
        (a, b),
        lambda x, y, axis=-1: x.mean(axis) / y.mean(axis),
        paired=True,
        vectorized=True,
        n_resamples=300,
        method="percentile",
        rng=np.random.default_rng(9),
    )
    means = resample_means(scores, replicates=300, seed=9)
    np.testing.assert_allclose(means[:, 0] / means[:, 1], expected.bootstrap_distribution, rtol=1e-9)


def test_clusters_of_equal_size_are_scipys_bootstrap_of_cluster_means(scores):
    order = np.random.default_rng(1).permutation(60)
    codes = np.repeat(np.arange(15), 4)
    expected = bootstrap(
        (scores.reshape(15, 4, 3).mean(axis=1)[:, 2],), np.mean, n_resamples=200, rng=np.random.default_rng(2)
    )
    got = resample_means(scores[order], codes[order], 200, 2)
    np.testing.assert_allclose(got[:, 2], expected.bootstrap_distribution, rtol=1e-9)


def test_variance_of_replicates_is_the_closed_form(scores):
    means = resample_means(scores, replicates=40_000, seed=0)
    # The bootstrap variance of a mean is Σ(x - mean)² / n², without the n-1.
    np.testing.assert_allclose(means.var(axis=0), scores.var(axis=0) / 60, rtol=0.03)
    np.testing.assert_allclose(np.cov(means.T), np.cov(scores.T, bias=True) / 60, rtol=0.05, atol=1e-4)
    np.testing.assert_allclose(means.mean(axis=0), scores.mean(axis=0), atol=0.005)


def test_variance_with_unequal_clusters_is_the_clustered_one():
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 9, size=200)
    codes = np.repeat(np.arange(200), sizes)
    x = (rng.normal(size=200)[codes] + rng.normal(size=len(codes)))[:, None]
    means = resample_means(x, codes, 8000, 0)
    assert means.std() == pytest.approx(clustered_stderr(x, codes)[0], rel=0.04)
    assert means.std() > 1.5 * clustered_stderr(x)[0]


def test_means_are_ratios_of_weighted_sums(scores):
    codes = np.random.default_rng(0).integers(0, 12, size=60)
    codes[:12] = np.arange(12)
    weights = resample_weights(codes, 50, 7)
    per_item = weights[:, codes]
    expected = per_item @ scores / per_item.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(resample_means(scores, codes, 50, 7), expected, rtol=1e-12)


def test_weights_are_multinomial():
    weights = resample_weights(np.arange(8), 20_000, 0)
    assert weights.shape == (20_000, 8)
    assert weights.dtype == np.int64
    assert (weights.sum(axis=1) == 8).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.03)
    covariance = np.cov(weights.T)
    np.testing.assert_allclose(np.diag(covariance), 7 / 8, rtol=0.05)
    np.testing.assert_allclose(covariance[0, 1:], -1 / 8, atol=0.03)


@pytest.mark.parametrize("block_bytes", [1, 24 * 61, 24 * 60 * 7, 24 * 60 * 64, 2**30])
def test_block_size_does_not_matter(scores, block_bytes):
    whole = resample_means(scores, None, 130, 5)
    blocked = resample_means(scores, None, 130, 5, block_bytes=block_bytes)
    np.testing.assert_allclose(blocked, whole, rtol=1e-12)
    right = (scores > 0).astype(float)
    np.testing.assert_array_equal(
        resample_means(right, None, 130, 5, block_bytes=block_bytes), resample_means(right, None, 130, 5)
    )


def test_same_seed_same_bytes_other_seed_others(scores):
    assert resample_means(scores, seed=1).tobytes() == resample_means(scores, seed=1).tobytes()
    assert (resample_means(scores, seed=1) != resample_means(scores, seed=2)).any()


def test_a_generator_moves_on(scores):
    rng = np.random.default_rng(1)
    first, second = resample_means(scores, None, 20, rng), resample_means(scores, None, 20, rng)
    np.testing.assert_allclose(np.vstack([first, second]), resample_means(scores, None, 40, 1), rtol=1e-12)


def test_columns_share_resamples_and_affine_maps_pass_through(scores):
    x = np.column_stack([scores[:, 0], 3 - 2 * scores[:, 0]])
    means = resample_means(x, None, 100, 0)
    np.testing.assert_allclose(means[:, 1], 3 - 2 * means[:, 0], rtol=1e-9, atol=1e-12)


def test_one_cluster_gives_nan_not_width_zero(scores):
    means = resample_means(scores, np.zeros(60, dtype=int), 10, 0)
    assert means.shape == (10, 3)
    assert np.isnan(means).all()
    low, high = percentile_interval(means)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_percentile_interval_of_known_replicates():
    replicates = np.column_stack([np.arange(101.0), np.arange(101.0)[::-1] * 2])
    low, high = percentile_interval(replicates, 0.9)
    np.testing.assert_allclose(low, [5, 10])
    np.testing.assert_allclose(high, [95, 190])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_and_named(scores, bad):
    scores[4, 1] = bad
    with pytest.raises(SettingsError, match="values: row 4, column 1"):
        resample_means(scores)


@pytest.mark.parametrize(
    "clusters",
    [
        np.zeros(59, int),
        np.arange(60.0),
        np.arange(60) - 1,
        np.arange(60) * 2,
        np.arange(60) + (np.arange(60) > 4),
    ],
)
def test_bad_clusters_are_refused(scores, clusters):
    with pytest.raises(SettingsError, match="clusters"):
        resample_means(scores, clusters)


@pytest.mark.parametrize("clusters", [None, np.zeros(0, int), np.zeros((2, 2), int)])
def test_weights_need_codes(clusters):
    with pytest.raises(SettingsError, match="clusters"):
        resample_weights(clusters, 5, 0)


@pytest.mark.parametrize(
    "options", [{"replicates": 0}, {"replicates": 1.5}, {"seed": -1}, {"block_bytes": 0}]
)
def test_bad_options_are_refused(scores, options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        resample_means(scores, **options)


@pytest.mark.parametrize("values", [np.zeros(5), np.zeros((0, 2)), np.zeros((2, 2, 2))])
def test_bad_shapes_are_refused(values):
    with pytest.raises(SettingsError, match="shape"):
        resample_means(values)
    if values.shape != (0, 2):
        return
    with pytest.raises(SettingsError, match="shape"):
        percentile_interval(values)
