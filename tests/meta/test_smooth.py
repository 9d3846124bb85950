"""The smooth law of a curve and what is drawn about it: variances in closed form, binomials exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from unmirage.meta.smooth import LAWS, SHARE, Law, law, most, residuals
from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import library
from unmirage.verdict.scatter import Scatter

SCALES = np.geomspace(1e7, 1e10, 8)
SHAPES = library(SCALES, shares=True)
T = np.linspace(0, 1, 8)
DRAWS = 20_000
losses = st.lists(st.integers(1, 50_000).map(lambda k: k / 1000), min_size=5, max_size=9)
shares = st.lists(st.floats(0, 1), min_size=5, max_size=9)


@given(losses)
def test_the_unit_of_laws_and_back_for_a_loss(points, values):
    one = points([-v for v in values], turned=True, high=0)
    assert one.logged
    np.testing.assert_allclose(one.z, -np.log(values))
    np.testing.assert_allclose(one.back(one.z), one.y, rtol=1e-12)
    assert (np.sign(np.diff(one.z)) == np.sign(np.diff(one.y))).all()  # up is better in both


@given(shares)
def test_the_unit_of_laws_and_back_for_a_share(points, values):
    one = points(values, low=0, high=1)
    assert not one.logged
    assert one.z.tolist() == one.back(one.forth(one.y)).tolist() == values
    assert one.back(one.y + 5).tolist() == [1] * len(values)
    assert one.back(one.y - 5).tolist() == [0] * len(values)


def test_a_bounded_error_or_one_that_reaches_zero_is_not_logged(points):
    assert not points([-0.5, -0.4, -0.2], turned=True, low=-1, high=0).logged
    assert not points([-0.5, -0.4, 0.0], turned=True, high=0).logged
    assert not points([0.5, 0.6, 0.7], low=0, high=1).logged


def chi_square(drawn, mean, variance):
    """Each scale's sample variance against the stated one: two-sided p of the least likely scale."""
    sums = ((drawn - mean) ** 2).sum(axis=0) / variance
    return float(2 * np.minimum(stats.chi2.sf(sums, DRAWS), stats.chi2.cdf(sums, DRAWS)).min())


def test_draws_have_the_variance_of_errors_and_scatter(points):
    """Reported errors and the scatter of models, over the root of their number, along the slope."""
    one = points(10 + 3 * T, variance=np.linspace(0.01, 0.04, 8), models=[1, 1, 2, 1, 1, 4, 1, 1])
    spread = np.linspace(0.5, 1.5, 8)
    drawn = one.drawn(one.y, np.full(DRAWS, 0.2), spread, np.random.default_rng(1))
    assert drawn.shape == (DRAWS, 8)
    said = one.variance + (0.2 * spread) ** 2 / one.models
    assert chi_square(drawn, one.y, said) > 1e-3
    assert chi_square(drawn, one.y, 1.1 * said) < 1e-6
    assert stats.kstest((drawn[:, 2] - one.y[2]) / np.sqrt(said[2]), "norm").pvalue > 1e-3


def test_draws_of_a_loss_scatter_on_the_log(points):
    one = points(-np.exp(1 - T), turned=True, high=0)
    drawn = one.drawn(one.z, np.full(DRAWS, 0.05), np.ones(8), np.random.default_rng(2))
    assert (drawn < 0).all()
    assert chi_square(-np.log(-drawn), one.z, np.full(8, 0.05**2)) > 1e-3


@pytest.mark.parametrize("turned", [False, True])
def test_few_items_are_drawn_exactly(points, turned):
    """Without scatter the number of right answers is binomial: every count as often as scipy says."""
    share, n = 0.2, 12
    y = np.full(6, -share if turned else share)
    ends = (-1, 0) if turned else (0, 1)
    one = points(y, n=n, low=ends[0], high=ends[1], turned=turned)
    drawn = one.drawn(y, np.zeros(DRAWS), np.ones(6), np.random.default_rng(3)) * (-1 if turned else 1)
    counts = np.rint(drawn * n).astype(int)
    np.testing.assert_allclose(counts, drawn * n, atol=1e-9)
    seen = np.bincount(counts.ravel(), minlength=n + 1)
    expected = stats.binom.pmf(np.arange(n + 1), n, share) * counts.size
    kept = expected >= 5
    merged = [np.append(v[kept], v[~kept].sum()) for v in (seen, expected)]
    assert stats.chisquare(*merged).pvalue > 1e-3


def test_many_items_have_the_binomial_variance(points):
    y = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    one = points(y, n=1000, low=0, high=1)
    drawn = one.drawn(y, np.zeros(DRAWS), np.ones(5), np.random.default_rng(4))
    assert chi_square(drawn, y, y * (1 - y) / 1000) > 1e-3
    np.testing.assert_allclose(one.sampling(y), y * (1 - y) / 1000)


def test_draws_stay_in_the_range_of_the_metric(points):
    one = points([0.0, 0.01, 0.5, 0.99, 1.0], n=50, low=0, high=1)
    drawn = one.drawn(one.y, np.full(500, 0.3), np.ones(5), np.random.default_rng(5))
    assert drawn.min() >= 0
    assert drawn.max() <= 1


def test_a_share_that_was_never_seen_is_not_known_to_be_zero(points):
    one = points([0, 0, 0.5, 1, 1], n=98, low=0, high=1)
    assert one.sampling(one.y)[0] == pytest.approx(0.01 * 0.99 / 98)
    assert one.sampling(one.y)[-1] == pytest.approx(0.01 * 0.99 / 98)


def test_the_guard_is_the_median_error_of_a_step(points):
    one = points([1.0, 2, 3, 4, 5], variance=[0.01, 0.02, 0.03, 0.04, 0.05])
    assert one.guard == pytest.approx(np.median(np.sqrt([0.03, 0.05, 0.07, 0.09])))
    assert points([1.0, 2, 3, 4, 5]).guard == pytest.approx(4e-3)  # a thousandth of the range


def test_the_two_ways_of_scatter_have_a_mean_square_of_one(points):
    one = points(T)
    same, slope = one.spreads(1 / (1 + np.exp(-20 * (T - 0.5))), T)
    assert (same == 1).all()
    assert np.mean(slope**2) == pytest.approx(1)
    assert slope.argmax() in (3, 4)
    assert slope.min() == pytest.approx(0.05 * slope.max())  # flat parts scatter a little, too
    assert len(one.spreads(np.zeros(8), T)) == 1


def test_a_curve_of_the_library_is_its_own_law(points):
    t = np.log10(SCALES)
    for name, y in (("line", t), ("parabola", 0.1 * (t - 7) ** 2)):
        found = law(points(y), SHAPES, None)
        np.testing.assert_allclose(found.curves[0], y, atol=1e-9)
        assert found.r2 == pytest.approx(1)
        assert name in found.kinds
        assert 1 <= len(found.kinds) <= LAWS
        assert len(set(found.kinds)) == len(found.kinds)


def test_the_scatter_of_an_exact_curve_is_its_prior(points):
    """Left 0 with weight S - 4; 3% of the range with the weight of 3."""
    found = law(points(T), SHAPES, None)
    assert found.df == 8 - LOST + 3
    assert found.scatter == pytest.approx(SHARE * np.sqrt(3 / found.df), rel=1e-6)


def test_the_scatter_is_that_of_the_residuals_less_the_items(points):
    rng = np.random.default_rng(6)
    known = Scatter(0.05, 1e6)
    y = T + 0.05 * rng.standard_normal(8)
    assert law(points(y), SHAPES, known).scatter == pytest.approx(0.05, rel=1e-2)
    alone = law(points(y), SHAPES, None)
    noisy = law(points(y, variance=0.05**2), SHAPES, None)
    assert noisy.scatter < alone.scatter


def test_a_step_does_not_pass_for_scatter(points):
    """What the other tasks say is a bound: its upper 95% limit, by the chi-square."""
    known = Scatter(0.01, 10.0)
    assert most(known) == pytest.approx(10 * 0.01**2 / stats.chi2.ppf(0.05, 10))
    step = points(np.array([0, 0, 0, 0, 1, 1, 1, 1.0]))
    assert law(step, SHAPES, known).scatter == pytest.approx(np.sqrt(most(known)))
    assert law(step, SHAPES, None).scatter > 0.1


def test_scatters_are_drawn_as_the_estimate_allows():
    """df · s² / drawn² is chi-square with df degrees of freedom."""
    one = Law(T, T[None], ("line",), 0.2, 7.0, 1.0)
    drawn = one.scatters(5000, np.random.default_rng(7))
    assert stats.kstest(7 * 0.2**2 / drawn**2, stats.chi2(7).cdf).pvalue > 1e-3


def test_residuals_are_those_of_the_best_smooth_curve(points):
    rng = np.random.default_rng(8)
    many = [points(T + 0.1 * rng.standard_normal(8), variance=v) for v in (0.0, 0.002)]
    left, items = residuals(many, SHAPES)
    for i, one in enumerate(many):
        assert (left[i] ** 2).sum() == pytest.approx(SHAPES.smooth.rss(one.z).min())
    assert items.tolist() == pytest.approx([0, 0.002 * 8 * (8 - LOST) / 8])
