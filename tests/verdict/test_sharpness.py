"""Descriptions of curves, against the paper's numbers, closed forms and a second implementation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.errors import SettingsError
from unmirage.verdict.sharpness import emergence_score, isotonic, linearity, sharpness

# The paper's four models (arXiv 2304.15004, Sec. 2): p = exp(-(N/c)^alpha) at 350M, 1.3B, 6.7B and 200B
# parameters.
SIZES = np.array([3.5e8, 1.3e9, 6.7e9, 2.0e11])
P = np.exp(-((SIZES / 2.0e9) ** -0.5))


@pytest.mark.parametrize(
    ("values", "score"),
    [
        ((0, 0.1, 0.2, 0.3), 3.0),
        ((0.3, 0.2, 0.1, 0), -3.0),
        ((0, 0.01, 0.02, 1), 100.0),
        ((1.0, 2.0), 1.0),
        ((2.0, 1.0), -1.0),
    ],
)
def test_emergence_score_of_small_curves(values, score):
    assert emergence_score(values) == pytest.approx(score, rel=1e-12)


def test_emergence_score_is_guarded():
    assert emergence_score((0, 0, 0, 1)) == math.inf
    assert emergence_score((1, 0, 0, 0)) == -math.inf
    assert emergence_score((0.5, 0.5, 1, 1)) == math.inf  # the multiple-choice panel of Fig. 2
    assert math.isnan(emergence_score((0.25, 0.25, 0.25)))
    with pytest.raises(SettingsError):
        emergence_score([0.5])
    with pytest.raises(SettingsError):
        emergence_score([0.5, np.nan])


@pytest.mark.parametrize(
    ("length", "score", "line"),
    [
        (1, 2.807, 0.981),
        (2, 3.221, 0.850),
        (3, 4.354, 0.746),
        (4, 6.358, 0.682),
        (5, 9.616, 0.642),
    ],
)
def test_the_papers_model(length, score, line):
    accuracy = P**length
    assert emergence_score(accuracy) == pytest.approx(score, abs=5e-4)
    assert linearity(accuracy) == pytest.approx(line, abs=5e-4)


def test_the_papers_other_panels():
    assert emergence_score(-5 * (1 - P)) == pytest.approx(2.807, abs=5e-4)
    assert emergence_score(-((1 - P) ** 2)) == pytest.approx(2.550, abs=5e-4)
    assert linearity(-((1 - P) ** 2)) == pytest.approx(0.965, abs=5e-4)
    assert emergence_score(-((SIZES / 2.0e9) ** -0.5)) == pytest.approx(3.300, abs=5e-4)


curves = st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=3, max_size=12).map(
    lambda values: np.round(values, 3)
)


@given(curves, st.floats(0.1, 10), st.floats(-5, 5))
def test_scores_do_not_depend_on_units(values, scale, shift):
    if np.ptp(values) == 0 or np.median(np.diff(values) ** 2) == 0:
        return
    assert emergence_score(scale * values + shift) == pytest.approx(emergence_score(values), rel=1e-6)
    assert abs(linearity(values)) <= 1 + 1e-12


@given(curves)
def test_isotonic_is_monotone_and_keeps_the_mean(values):
    fit = isotonic(values)
    assert (np.diff(fit) >= 0).all()
    assert fit.mean() == pytest.approx(values.mean(), abs=1e-9)


def test_width_of_a_logistic_curve_is_the_closed_form():
    # A logistic in log10(x) with 10-90% width 1 decade on a range of 4 decades, sampled finely.
    t = np.linspace(0, 4, 4001)
    y = 1 / (1 + np.exp(-(t - 2) * 2 * math.log(9)))
    found = sharpness(10**t, y)
    assert found.width == pytest.approx(0.25, abs=2e-3)
    assert found.t10 == pytest.approx(0.5 - 0.125, abs=2e-3)
    assert found.rise == pytest.approx(1.0, abs=1e-3)
    down = sharpness(10**t, 1 - y, higher_is_better=False)
    assert down.width == pytest.approx(found.width, abs=1e-9)


def test_width_of_a_step_is_within_the_gap():
    found = sharpness([1e6, 1e7, 1e8, 1e9, 1e10], [0, 0, 0, 1, 1])
    assert found.width == pytest.approx(0.8 * 0.25)
    assert found.t10 == pytest.approx(0.5 + 0.1 * 0.25)
    assert found.emergence_score == math.inf
    assert any("infinite" in note for note in found.notes)


def test_a_falling_curve_has_no_width():
    found = sharpness([1, 10, 100], [3, 2, 1])
    assert found.rise == 0
    assert math.isnan(found.width)
    assert any("does not rise" in note for note in found.notes)


@pytest.mark.parametrize("scales", [[1, 2], [0, 1, 2], [1, 1, 2], [3, 2, 1]])
def test_scales_must_increase(scales):
    with pytest.raises(SettingsError):
        sharpness(scales, [0, 0.5, 1])
