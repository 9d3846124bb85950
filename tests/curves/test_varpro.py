"""Many power laws at once, against scipy from many starts and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.curves import fit, fit_power_laws, geometric_mean, power_law
from unmirage.errors import SettingsError

X = np.geomspace(1e7, 1e11, 8)


def random_curves(x, count, seed):
    """Power laws of all kinds with 0.3 to 10% noise: offset 0 or not, slow or steep."""
    rng = np.random.default_rng(seed)
    offset = rng.choice([0.0, 0.0, 0.5, 2.0], size=(count, 1))
    exponent = np.exp(rng.uniform(np.log(0.02), np.log(3.0), size=(count, 1)))
    height = rng.uniform(0.5, 5, size=(count, 1))
    noise = rng.choice([0.003, 0.02, 0.1], size=(count, 1)) * rng.normal(size=(count, len(x)))
    return (offset + height * (x / x[0]) ** -exponent) * np.exp(noise)


@pytest.mark.parametrize("n", [5, 12])
def test_no_worse_than_scipy_from_many_starts(n, scipy_best):
    x = np.geomspace(1e7, 1e12, n)
    weights = np.random.default_rng(n).uniform(0.2, 3, size=n)
    curves = random_curves(x, 8, n)
    found = fit_power_laws(x, curves, weights)
    law = power_law(geometric_mean(x)).within(exponent=(1e-3, 10))
    for k, y in enumerate(curves):
        assert found.sse[k] <= scipy_best(law, x, y, np.sqrt(weights), starts=8) * (1 + 1e-6) + 1e-15
    residual = curves - found.predict(x)
    np.testing.assert_allclose((weights * residual**2).sum(axis=1), found.sse, rtol=1e-9, atol=1e-15)


def test_same_minimum_as_the_fit_of_one_curve():
    curves = random_curves(X, 15, 5)
    found = fit_power_laws(X, curves)
    law = power_law(found.reference)
    for k, y in enumerate(curves):
        one = fit(law, X, y)
        assert found.sse[k] == pytest.approx(one.sse, rel=1e-8, abs=1e-15)


def test_curves_without_noise_give_their_parameters_back():
    exponent = np.array([0.02, 0.1, 0.5, 2.0])
    curves = 1.5 + 3.0 * (X / geometric_mean(X)) ** -exponent[:, None]
    found = fit_power_laws(X, curves)
    np.testing.assert_allclose(found.offset, 1.5, rtol=1e-6)
    np.testing.assert_allclose(found.amplitude, 3.0, rtol=1e-6)
    np.testing.assert_allclose(found.exponent, exponent, rtol=1e-6)


def test_a_rising_curve_has_no_power_law():
    found = fit_power_laws(X, np.arange(8.0))
    assert found.amplitude == 0
    assert np.isnan(found.exponent)
    assert found.offset == pytest.approx(3.5)
    np.testing.assert_allclose(found.predict(X), 3.5)


def test_two_equal_halves_weigh_as_double():
    curve = random_curves(X, 1, 0)[0]
    once = fit_power_laws(X, curve, np.arange(1, 9.0))
    rows = np.repeat(np.arange(8), np.arange(1, 9))
    repeated = fit_power_laws(X[rows], curve[rows])
    assert once.sse == pytest.approx(repeated.sse, rel=1e-9)
    np.testing.assert_allclose(once.predict(X), repeated.predict(X), rtol=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_change_nothing(seed, unit_x, unit_y):
    curves = random_curves(X, 3, seed)
    plain, scaled = fit_power_laws(X, curves), fit_power_laws(X * unit_x, curves * unit_y)
    np.testing.assert_allclose(scaled.sse, plain.sse * unit_y**2, rtol=1e-6)
    np.testing.assert_allclose(scaled.predict(X * unit_x), plain.predict(X) * unit_y, rtol=1e-4)


def test_shapes_and_blocks():
    curves = random_curves(X, 6, 1).reshape(2, 3, 8)
    found = fit_power_laws(X, curves)
    assert found.sse.shape == (2, 3)
    assert found.predict([1e8, 1e12]).shape == (2, 3, 2)
    np.testing.assert_array_equal(fit_power_laws(X, curves[1, 2]).sse, found.sse[1, 2])
    many = np.broadcast_to(curves[0, 0], (6000, 8))
    np.testing.assert_allclose(fit_power_laws(X, many).sse, found.sse[0, 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "weights", "says"),
    [
        ([1.0, 2, 2], [1.0, 2, 3], None, "three distinct"),
        ([1.0, 2, 0], [1.0, 2, 3], None, "above 0"),
        ([1.0, 2, 3], [1.0, np.nan, 3], None, "finite"),
        ([1.0, 2, 3], [1.0, 2, 3], [1.0, 1], "do not match"),
        ([1.0, 2, 3], [1.0, 2, 3], [1.0, 1, 0], "three of them"),
    ],
)
def test_bad_arguments_are_refused(x, y, weights, says):
    with pytest.raises(SettingsError, match=says):
        fit_power_laws(x, y, weights)


def test_a_bad_range_of_exponents_is_refused():
    with pytest.raises(SettingsError, match="not a range"):
        fit_power_laws(X, np.ones(8), exponents=(0.0, 1.0))
