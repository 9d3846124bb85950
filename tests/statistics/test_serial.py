"""Serial dependence: planted order, no order, and the formula written out."""

import numpy as np
import pytest

from unmirage.errors import SettingsError
from unmirage.statistics import serial_dependence


def _direct(values, lags):
    x = (values - values.mean(axis=0)).mean(axis=1)
    return np.array([x[:-k] @ x[k:] for k in range(1, lags + 1)]) / (x @ x)


@pytest.mark.parametrize("n", [7, 64, 251])
def test_correlation_is_the_formula(n):
    values = np.random.default_rng(n).normal(size=(n, 4))
    expected = _direct(values, min(20, n - 1))
    got = serial_dependence(values, permutations=1)
    assert got.lag == np.abs(expected).argmax() + 1
    assert got.correlation == pytest.approx(expected[got.lag - 1], rel=1e-9)


def test_templates_in_turn_are_found_at_their_number():
    rng = np.random.default_rng(0)
    easy = rng.normal(size=7)[np.arange(210) % 7]
    values = (easy[:, None] + rng.normal(size=(210, 5)) > 0).astype(float)
    got = serial_dependence(values)
    assert got.lag in (7, 14)
    assert got.correlation > 0.4
    assert got.p_value == 1 / 1000


def test_passages_are_found_at_lag_one():
    rng = np.random.default_rng(1)
    passage = np.repeat(rng.normal(size=50), 4)
    got = serial_dependence(passage[:, None] + rng.normal(size=(200, 3)))
    assert got.lag == 1
    assert got.p_value == 1 / 1000


def test_shuffled_templates_are_not_found():
    rng = np.random.default_rng(2)
    values = (np.repeat(rng.normal(size=7), 30)[:, None] + rng.normal(size=(210, 5)))[rng.permutation(210)]
    assert serial_dependence(values).p_value > 0.05


def test_p_values_are_uniform_without_order():
    rng = np.random.default_rng(3)
    p = np.array(
        [serial_dependence(rng.random((40, 2)) < 0.4, 5, permutations=99, seed=i).p_value for i in range(400)]
    )
    # Binomial standard errors at 400 runs: .015 at .1, .025 at .5.
    assert np.mean(p <= 0.1) == pytest.approx(0.1, abs=0.045)
    assert np.mean(p <= 0.5) == pytest.approx(0.5, abs=0.075)


def test_equal_orders_count_as_reached():
    # Items 0..2 of 3: the one item that differs is at an end or in the middle, and lag 2 is largest for
    # every order; ties with the observed value must count.
    values = np.array([[1.0], [0.0], [0.0]])
    orders = [_direct(values[list(order)], 2) for order in ((0, 1, 2), (1, 0, 2), (1, 2, 0))]
    top = [np.abs(one).max() for one in orders]
    share = np.mean([one >= top[0] - 1e-9 for one in top])
    got = serial_dependence(values, permutations=3000)
    assert got.p_value == pytest.approx(share, abs=0.03)


def test_same_seed_same_answer_and_affine_maps_do_not_matter():
    values = np.random.default_rng(4).normal(size=(80, 3))
    one = serial_dependence(values, seed=1)
    assert one == serial_dependence(values, seed=1)
    other = serial_dependence(2 - 5 * values, seed=1)
    assert (other.lag, other.p_value) == (one.lag, one.p_value)
    assert other.correlation == pytest.approx(one.correlation)
    assert serial_dependence(values, seed=2).p_value != one.p_value


@pytest.mark.parametrize("values", [np.full((30, 2), 0.1), np.eye(2), np.array([[1, -1], [-1, 1], [0, 0.0]])])
def test_nothing_to_correlate(values):
    got = serial_dependence(values)
    assert got.lag == 0
    assert np.isnan([got.correlation, got.p_value]).all()


@pytest.mark.parametrize("options", [{"max_lag": 0}, {"permutations": 0}, {"seed": -3}])
def test_bad_options_are_refused(options):
    with pytest.raises(SettingsError, match=next(iter(options))):
        serial_dependence(np.arange(10.0)[:, None], **options)
