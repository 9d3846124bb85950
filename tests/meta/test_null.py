"""The null distribution of a score: p is fair where the law is true, a step is beyond it, a fall never is."""

import numpy as np
import pytest
from scipy import stats

from unmirage.meta import null
from unmirage.meta.null import AGAIN, FIRST, LAST
from unmirage.meta.smooth import law
from unmirage.statistics import emergence_scores, linearities
from unmirage.verdict.library import library
from unmirage.verdict.scatter import Scatter

SCALES = np.geomspace(1e7, 1e10, 8)
SHAPES = library(SCALES, shares=True)
T = np.linspace(0, 1, 8)
SIGMOID = 0.05 + 0.9 / (1 + np.exp(-6 * (T - 0.5)))
STEP = np.array([0.1, 0.12, 0.13, 0.15, 0.8, 0.81, 0.83, 0.84])
KNOWN = Scatter(0.01, 20.0)


def scores(one, seed=0, known=KNOWN):
    return null.tested(one, law(one, SHAPES, known), np.random.default_rng(seed))


def test_p_is_fair_or_careful_under_its_own_null(points):
    """Curves drawn about a smooth law: p <= a no more often than a, as far as 200 curves can tell."""
    rng = np.random.default_rng(1)
    p, lines = [], []
    for k in range(200):
        y = SIGMOID + 0.01 * rng.standard_normal(8)
        found = scores(points(np.clip(y, 0, 1), low=0, high=1), k)
        p.append(found.p)
        lines.append(found.p_linearity)
    for values in (p, lines):
        for level in (0.05, 0.2):
            beyond = int((np.array(values) <= level).sum())
            assert stats.binomtest(beyond, 200, level, alternative="greater").pvalue > 0.01
    # Careful, but not empty: it is no test that always says 1.
    assert np.quantile(p, 0.1) < 0.5


@pytest.mark.parametrize("n", [0, 1000])
def test_a_step_is_beyond(points, n):
    found = scores(points(STEP, low=0, high=1, n=n))
    assert found.p < 0.01
    assert found.p_linearity < 0.01
    assert found.guarded > found.high > found.median
    assert found.linearity < found.linearity_low < found.linearity_median
    assert found.draws > FIRST + 1  # so small a p rests on more curves


def test_where_models_scatter_as_much_a_step_is_as_linear_as_others(points):
    found = scores(points(STEP, low=0, high=1), known=Scatter(0.2, 20.0))
    assert found.p_linearity > 0.05
    # Its flat stretches are then odd, and they are what the emergence score divides by.
    assert found.p < 0.05


def test_a_smooth_rise_is_not_beyond(points):
    found = scores(points(SIGMOID, low=0, high=1, n=1000))
    assert found.p > 0.2
    assert found.p_linearity > 0.05
    assert found.draws == FIRST  # and a few curves are enough


@pytest.mark.parametrize("y", [1 - STEP, 1 - SIGMOID], ids=["sharp", "smooth"])
def test_a_fall_is_no_emergence(points, y):
    found = scores(points(y, low=0, high=1))
    assert found.emergence < 0
    assert found.p == 1


def test_a_constant_curve_has_no_scores(points):
    one = points(np.full(8, 0.5))
    found = null.tested(one, law(one, SHAPES, None), np.random.default_rng(0))
    assert found.draws == 0
    assert np.isnan([found.emergence, found.guarded, found.linearity, found.p, found.p_linearity]).all()


def test_scores_are_those_of_the_curve(points):
    one = points(STEP, low=0, high=1, n=10)
    found = scores(one)
    assert found.emergence == emergence_scores(STEP)
    assert found.linearity == linearities(STEP)
    assert found.guarded == emergence_scores(STEP, one.guard) < found.emergence  # ten items tell little


def test_half_of_the_steps_flat(points):
    """Zeros up to the last two scales, as of exact match: an infinite score that the guard makes finite."""
    y = np.array([0, 0, 0, 0, 0, 0, 0.02, 0.6])
    found = scores(points(y, low=0, high=1, n=500))
    assert found.emergence == np.inf
    assert np.isfinite([found.guarded, found.median, found.high, found.p]).all()


def test_p_is_a_share_of_the_draws_that_is_never_zero(points):
    step = np.array([0, 0, 0, 0, 1.0, 1, 1, 1])
    found = scores(points(step, low=0, high=1), known=Scatter(1e-4, 1e4))
    assert found.draws == LAST
    assert found.p == pytest.approx(1 / (LAST + 1))
    counted = found.p * (found.draws + 1)
    assert counted == pytest.approx(round(counted))
    assert FIRST < AGAIN < LAST


def test_the_same_seed_gives_the_same_and_another_another(points):
    one = points(STEP, low=0, high=1, n=100)
    assert scores(one, 3) == scores(one, 3)
    assert scores(one, 3) != scores(one, 4)


def test_the_unit_of_a_metric_does_not_matter(points):
    """A distance of 5 tokens and the same as a share: equal scores, equal p."""
    one, other = points(SIGMOID), points(SIGMOID * 5 - 5)
    a = null.tested(one, law(one, SHAPES, None), np.random.default_rng(9))
    b = null.tested(other, law(other, SHAPES, None), np.random.default_rng(9))
    assert a.guarded == pytest.approx(b.guarded)
    assert a.p == b.p
    assert a.high == pytest.approx(b.high)
