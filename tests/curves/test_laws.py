"""Laws: their formulas, gradients, bounds. Not their fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.curves import (
    broken_power_law,
    exponential,
    geometric_mean,
    hinge,
    log_of,
    logistic,
    power_law,
)
from unmirage.errors import SettingsError

X = np.geomspace(2, 5000, 9)
CASES = [
    (power_law(90.0), [0.5, 1.2, 0.3]),
    (log_of(power_law(90.0)), [0.5, 1.2, 0.3]),
    (logistic(), [0.1, 0.9, 1.7, 0.2]),
    (logistic().fix(floor=0.25), [0.9, 1.7, 0.2]),
    (exponential(50.0), [0.2, -0.005, 0.001]),
    (exponential(50.0), [0.2, -0.005, 0.0]),
    (broken_power_law(0, 90.0), [0.1, 1.0, 0.4]),
    (broken_power_law(1, 90.0), [0.1, 1.0, 0.1, 0.7, 2.1, -0.6]),
    (broken_power_law(2, 90.0), [0.1, 1.0, 0.1, 0.7, 1.1, -0.6, -0.3, 2.4, -0.2]),
    (hinge(), [0.25, 0.3, 1.3]),
    (hinge(falling=True), [0.25, 0.003, -700.0]),
]


@pytest.mark.parametrize(("law", "params"), CASES, ids=lambda one: getattr(one, "name", ""))
def test_gradient_is_that_of_differences(law, params):
    p = np.array(params)
    gradient = law.gradient(X, p)
    for j in range(len(p)):
        step = np.zeros(len(p))
        step[j] = 1e-6 * max(abs(p[j]), 1e-2)
        centre = (law.value(X, p + step) - law.value(X, p - step)) / (2 * step[j])
        np.testing.assert_allclose(
            gradient[:, j], centre, rtol=1e-5, atol=1e-7 * np.abs(gradient[:, j]).max()
        )


@pytest.mark.parametrize(("law", "params"), CASES, ids=lambda one: getattr(one, "name", ""))
def test_many_parameters_at_once_are_each_alone(law, params):
    many = np.array(params) * np.array([[1.0], [0.9], [1.1]])
    np.testing.assert_array_equal(law.value(X, many), [law.value(X, one) for one in many])
    np.testing.assert_array_equal(law.gradient(X, many), [law.gradient(X, one) for one in many])
    guesses = law.start(X, law.value(X, np.array(params)))
    assert guesses.shape[1:] == (len(law.names),)
    assert np.isfinite(law.value(X, np.clip(guesses, law.lower, law.upper))).all()
    assert len(law.names) == len(law.lower) == len(law.upper) == len(params)


def test_broken_power_law_is_the_papers_formula():
    a, b, c0, c, d, f = 0.1, 3.0, 0.1, np.array([0.7, -0.3]), np.array([12.0, 250.0]), np.array([0.2, 0.6])
    parts = [(1 + (X / d[i]) ** (1 / f[i])) ** (-c[i] * f[i]) for i in range(2)]
    paper = a + b * X**-c0 * parts[0] * parts[1]
    at = 90.0
    height = b * at**-c0 * np.prod([(1 + (at / d[i]) ** (1 / f[i])) ** (-c[i] * f[i]) for i in range(2)])
    breaks = np.stack([c, np.log10(d), np.log10(f)], axis=1)
    ours = broken_power_law(2, at).value(X, np.array([a, height, c0, *breaks.ravel()]))
    np.testing.assert_allclose(ours, paper, rtol=1e-12)


def test_exponential_is_the_form_of_over_training_studies():
    eps, k, gamma, at = 0.9, 1.3, 0.6, 2.5
    loss = np.linspace(1.5, 4, 7)
    slope = k * gamma * np.exp(-gamma * at)
    ours = exponential(at).value(loss, np.array([eps - slope / gamma, slope, gamma]))
    np.testing.assert_allclose(ours, eps - k * np.exp(-gamma * loss), rtol=1e-12)


def test_exponential_has_no_seam_at_a_small_rate():
    loss = np.linspace(1.5, 4, 7)
    for rate in (1e-7, 6e-5, 7e-5, 1e-4):
        exact = 0.2 - 0.5 * -np.expm1(-rate * (loss - 2.5)) / rate
        np.testing.assert_allclose(
            exponential(2.5).value(loss, np.array([0.2, -0.5, rate])), exact, rtol=1e-12
        )


def test_logistic_takes_its_width_from_a_tenth_to_nine_tenths():
    law, p = logistic(), np.array([0.2, 0.7, 3.0, np.log10(0.8)])
    np.testing.assert_allclose(law.value(10 ** np.array([2.6, 3.0, 3.4]), p), [0.25, 0.45, 0.65], rtol=1e-12)


def test_hinge_is_flat_then_straight():
    np.testing.assert_allclose(
        hinge().value(np.array([1.0, 10, 100, 1000]), np.array([0.25, 0.2, 1.0])), [0.25, 0.25, 0.45, 0.65]
    )
    np.testing.assert_allclose(
        hinge(falling=True).value(np.array([3.0, 2.2, 1.2]), np.array([0.25, 0.2, -2.2])), [0.25, 0.25, 0.45]
    )


@given(st.floats(1e-3, 1e12), st.floats(0, 2), st.floats(0.01, 3), st.floats(0.1, 5))
def test_reference_only_moves_where_the_height_is_read(reference, exponent, height, offset):
    first, second = power_law(1.0), power_law(reference)
    moved = [offset, height * reference**-exponent, exponent]
    np.testing.assert_allclose(
        second.value(X, np.array(moved)), first.value(X, np.array([offset, height, exponent])), rtol=1e-9
    )


def test_fix_and_within():
    law = broken_power_law(1, 90.0)
    whole = np.array([0.1, 1.0, 0.1, 0.7, 2.1, -0.6])
    held = law.fix(limit=0.1).fix(change_1=0.7)
    assert held.names == ("amplitude", "exponent", "place_1", "log10_width_1")
    rest = whole[[1, 2, 4, 5]]
    np.testing.assert_array_equal(held.value(X, rest), law.value(X, whole))
    np.testing.assert_array_equal(held.gradient(X, rest), law.gradient(X, whole)[:, [1, 2, 4, 5]])
    narrow = logistic().within(floor=(0.2, 0.3))
    assert (narrow.lower[0], narrow.upper[0], narrow.upper[1]) == (0.2, 0.3, 1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: power_law().fix(slope=1.0), "no parameter 'slope'"),
        (lambda: power_law().fix(offset=0.0, amplitude=1.0, exponent=1.0), "would be left"),
        (lambda: power_law().within(offset=(1.0, 1.0)), "no range"),
        (lambda: broken_power_law(3), "not 0, 1 or 2"),
        (lambda: geometric_mean([0.0, 1.0]), "above 0"),
    ],
)
def test_bad_arguments_are_refused(call, says):
    with pytest.raises(SettingsError, match=says):
        call()


def test_the_log_of_a_law_that_is_0_has_a_finite_gradient():
    law = log_of(power_law())
    x = np.array([1.0, 10.0, 100.0])
    nothing = np.array([[0.0, 0.0, 0.5]])
    assert np.isfinite(law.value(x, nothing)).all()
    assert law.gradient(x, nothing).tolist() == [[[0.0] * 3] * 3]
    some = np.array([[0.1, 2.0, 0.5]])
    assert law.gradient(x, some) == pytest.approx(
        power_law().gradient(x, some) / power_law().value(x, some)[..., None]
    )
