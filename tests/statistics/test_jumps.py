"""Emergence scores and linearities of many curves, against closed forms and a second implementation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unmirage.errors import SettingsError
from unmirage.statistics import emergence_scores, linearities, signed_range
from unmirage.theory.model import PAPER, brier_one_sided, exact_match, token_edit_distance

# Values on a grid of thousandths, so that a step is 0 or no rounding error.
curves = st.integers(2, 12).flatmap(
    lambda size: arrays(np.int64, size, elements=st.integers(-9000, 9000)).map(lambda y: y / 1000)
)
moving = curves.filter(lambda y: np.ptp(y) > 0)


def by_definition(y, guard=0.0):
    """Eq. 1 of arXiv 2304.15004 v2, one curve, as it is written there."""
    size = np.sign(np.argmax(y) - np.argmin(y)) * (np.max(y) - np.min(y))
    if size == 0:
        return math.nan
    ordinary = max(math.sqrt(float(np.median([(b - a) ** 2 for a, b in itertools.pairwise(y)]))), guard)
    return size / ordinary if ordinary else math.copysign(math.inf, size)


@given(curves, st.floats(0, 2))
def test_the_score_is_that_of_the_paper(y, guard):
    assert emergence_scores(y, guard) == pytest.approx(by_definition(y, guard), rel=1e-12, nan_ok=True)


@given(moving, st.floats(0.125, 8), st.floats(-5, 5))
def test_units_do_not_matter_and_a_flip_changes_the_sign(y, scale, shift):
    moved = scale * y + shift
    if np.array_equal(np.diff(y) == 0, np.diff(moved) == 0):  # no step was lost to rounding
        finite = np.isfinite(emergence_scores(y))
        assert np.isfinite(emergence_scores(moved)) == finite
        if finite:
            assert emergence_scores(moved) == pytest.approx(emergence_scores(y), rel=1e-6)
    assert linearities(moved) == pytest.approx(linearities(y), rel=1e-9)
    assert signed_range(moved) == pytest.approx(scale * signed_range(y), rel=1e-9)
    for of in (emergence_scores, linearities, signed_range):
        assert of(-y) == -of(y)


@given(moving)
def test_bounds(y):
    """Steps in one direction have a range of at least their median; and Cauchy-Schwarz."""
    assert abs(linearities(y)) <= 1 + 1e-12
    climb = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(y)))])
    assert emergence_scores(climb) >= 1 - 1e-12
    assert linearities(climb) > 0


@pytest.mark.parametrize("size", [2, 3, 8, 50])
def test_an_even_climb_scores_its_number_of_steps(size):
    even = np.arange(size) * 0.25 + 3
    assert emergence_scores(even) == pytest.approx(size - 1, rel=1e-12)
    assert linearities(even) == pytest.approx(1.0, rel=1e-12)
    assert linearities(-even) == pytest.approx(-1.0, rel=1e-12)
    assert signed_range(even) == pytest.approx(0.25 * (size - 1), rel=1e-12)


def test_one_step_of_all_is_the_closed_form():
    """A single step among S - 1: linearity 1 / sqrt(S - 1), and a score without end unless it is guarded."""
    step = np.array([0, 0, 0, 0, 1.0, 1, 1])
    assert linearities(step) == pytest.approx(1 / math.sqrt(6))
    assert emergence_scores(step) == math.inf
    assert emergence_scores(-step) == -math.inf
    assert emergence_scores(step, 0.05) == pytest.approx(20.0)
    assert emergence_scores(0.5 * step, 0.05) == pytest.approx(10.0)  # of two, the one that rises further


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_many_curves_at_once_are_each_by_itself(size, count, seed):
    rng = np.random.default_rng(seed)
    many = rng.integers(0, 4, (count, 2, size)).astype(float)
    guards = rng.integers(0, 3, (count, 2)) / 2
    found = emergence_scores(many, guards)
    assert found.shape == (count, 2)
    for i, j in np.ndindex(count, 2):
        np.testing.assert_equal(found[i, j], emergence_scores(many[i, j], guards[i, j]))
        np.testing.assert_allclose(linearities(many)[i, j], linearities(many[i, j]), rtol=1e-14)
        np.testing.assert_equal(signed_range(many)[i, j], signed_range(many[i, j]))


def test_of_equal_extremes_the_first_counts():
    assert signed_range([1, 0, 1, 0]) == 1 * -1  # the largest comes first
    assert signed_range([0, 1, 0, 1]) == 1
    assert signed_range([2, 2, 2]) == 0


def test_a_constant_curve_has_no_score():
    assert np.isnan(emergence_scores([0.25] * 5))
    assert np.isnan(emergence_scores([0.25] * 5, 0.1))
    assert np.isnan(linearities([0.25] * 5))


# The digitised and derived numbers of the paper: 4 sizes, and 50 from 1e8 to 1e12.
SIZES = np.array([3.5e8, 1.3e9, 6.7e9, 2.0e11])
LAWS = {
    "accuracy 1": (lambda p: exact_match(p, 1), 2.807, 51.0),
    "accuracy 5": (lambda p: exact_match(p, 5), 9.616, 42.8),
    "accuracy 20": (lambda p: exact_match(p, 20), None, 3654),
    "edit distance": (lambda p: -token_edit_distance(p, 5), 2.807, 51.0),
    "brier": (lambda p: -brier_one_sided(p), 2.550, 65.5),
    "cross-entropy": (lambda p: np.log(p), 3.300, 105.3),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_papers_model_on_four_sizes_and_on_fifty(name):
    law, four, fifty = LAWS[name]
    dense = emergence_scores(law(PAPER.token_probability(np.geomspace(1e8, 1e12, 50))))
    assert dense == pytest.approx(fifty, rel=2e-3)
    if four is not None:
        assert emergence_scores(law(PAPER.token_probability(SIZES))) == pytest.approx(four, abs=5e-4)
        assert dense > 4 * four  # the same smooth curve


@pytest.mark.parametrize("values", [[0.5], [0.5, np.nan], [0.5, np.inf], [[0.1], [0.2]], 0.5])
def test_what_is_no_curve_is_refused(values):
    for of in (emergence_scores, linearities, signed_range):
        with pytest.raises(SettingsError) as problem:
            of(values)
        assert problem.value.where == "values"


@pytest.mark.parametrize("guard", [-0.1, np.nan, [0.1, -0.1]])
def test_a_guard_below_zero_is_refused(guard):
    with pytest.raises(SettingsError, match="0 or more"):
        emergence_scores([[0, 1.0], [1, 0]], guard)
