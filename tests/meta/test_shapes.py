"""The six shapes: a made curve for each, the order of the rules, and how sure a class is."""

import numpy as np
import pytest
from scipy import stats

from unmirage.meta import null
from unmirage.meta.shapes import (
    BREAKTHROUGH,
    INVERSE,
    NOISY,
    NON_MONOTONE,
    PREDICTABLE,
    RULES,
    TRENDLESS,
    shape,
)
from unmirage.meta.smooth import law
from unmirage.verdict.library import library
from unmirage.verdict.scatter import Scatter

SCALES = np.geomspace(1e7, 1e10, 8)
SHAPES = library(SCALES, shares=True)
T = np.linspace(0, 1, 8)
RISE = 0.1 + 0.7 * T
STEP = np.array([0.1, 0.11, 0.12, 0.13, 0.8, 0.81, 0.82, 0.83])
ZIGZAG = 0.5 + 0.2 * np.array([1, -1, -1, 1, 1, -1, 1, -1])
CURVES = {
    PREDICTABLE: RISE,
    INVERSE: RISE[::-1],
    NON_MONOTONE: 0.2 + 0.6 * 4 * T * (1 - T),
    TRENDLESS: 0.5 + 0.001 * np.array([1, -1, 1, 1, -1, -1, 1, -1]),
    BREAKTHROUGH: STEP,
    NOISY: ZIGZAG,
}
KNOWN = Scatter(0.01, 50.0)


def classified(one, known=KNOWN, *, beyond=None, seed=0):
    smooth = law(one, SHAPES, known)
    rng = np.random.default_rng(seed)
    scores = null.tested(one, smooth, rng)
    beyond = scores.p <= 0.05 if beyond is None else beyond
    return shape(one, SHAPES, smooth, scores, beyond=beyond, rng=rng)


@pytest.mark.parametrize("name", RULES)
def test_each_class_by_a_made_curve(points, name):
    found = classified(points(CURVES[name], low=0, high=1))
    assert found.name == name
    assert 0 <= found.support <= 1
    if name in (PREDICTABLE, INVERSE, NON_MONOTONE, BREAKTHROUGH):
        assert found.support > 0.9
        assert found.p_constant < 1e-6


def test_a_loss_that_falls_is_predictable_and_one_that_grows_inverse(points):
    one = points(-np.exp(1.5 - T), turned=True, high=0)
    assert classified(one).name == PREDICTABLE
    assert classified(points(one.y[::-1], turned=True, high=0)).name == INVERSE


def test_equal_means_are_tested_by_the_chi_square(points):
    """Of the errors from items and the scatter of models, both in the weights."""
    y = np.array([0.5, 0.52, 0.49, 0.51, 0.5, 0.53, 0.48, 0.5])
    one = points(y, variance=np.linspace(1e-4, 4e-4, 8))
    smooth = law(one, SHAPES, KNOWN)
    weight = 1 / (one.variance + smooth.scatter**2)
    q = float((weight * (y - np.average(y, weights=weight)) ** 2).sum())
    assert classified(one).p_constant == pytest.approx(stats.chi2.sf(q, 7), rel=1e-9)


def test_few_items_make_a_curve_trendless_and_many_do_not(points):
    y = np.linspace(0.3, 0.4, 8)
    known = Scatter(1e-3, 50.0)
    assert classified(points(y, n=20, low=0, high=1), known).name == TRENDLESS
    assert classified(points(y, n=20_000, low=0, high=1), known).name == PREDICTABLE


def test_the_first_rule_that_holds_counts(points):
    """A score beyond its null is asked last but one: no trendless, noisy, turning or falling curve breaks."""
    for name in (TRENDLESS, NOISY, NON_MONOTONE, INVERSE):
        assert classified(points(CURVES[name], low=0, high=1), beyond=True).name == name
    for name in (PREDICTABLE, BREAKTHROUGH):
        assert classified(points(CURVES[name], low=0, high=1), beyond=True).name == BREAKTHROUGH
        assert classified(points(CURVES[name], low=0, high=1), beyond=False).name == PREDICTABLE


def test_a_turn_must_be_a_quarter_of_the_way_and_twice_the_error(points):
    """A parabola that comes back by a share of its rise."""
    for back, name in ((0.05, PREDICTABLE), (0.6, NON_MONOTONE)):
        top = 1 / (1 + np.sqrt(back))  # where a parabola has its top if so much of the rise is lost again
        y = 0.2 + 0.5 * (1 - ((T - top) / top) ** 2)
        assert (y.max() - y[-1]) / (y.max() - y[0]) == pytest.approx(back, abs=0.05)
        assert classified(points(y, low=0, high=1)).name == name
    small = 0.5 + 0.02 * 4 * T * (1 - T)
    assert classified(points(small), Scatter(0.001, 50.0)).name == NON_MONOTONE
    assert classified(points(small), Scatter(0.02, 50.0)).name != NON_MONOTONE


def test_support_falls_with_the_errors(points):
    sure, unsure = (
        classified(points(RISE, n=n, low=0, high=1), Scatter(sigma, 50.0))
        for n, sigma in ((10_000, 0.005), (30, 0.1))
    )
    assert sure.name == unsure.name == PREDICTABLE
    assert sure.support > 0.9 > unsure.support


def test_the_same_seed_gives_the_same_support(points):
    one = points(RISE, n=30, low=0, high=1)
    known = Scatter(0.1, 20.0)
    first = classified(one, known, seed=4)
    assert first == classified(one, known, seed=4)
    assert 0 < first.support < 1  # or the seed would not matter
