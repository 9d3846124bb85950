"""The solver of many small problems against scipy, one at a time."""

import numpy as np
import pytest
from scipy.optimize import least_squares as scipy_least_squares

from unmirage.curves import least_squares

T = np.linspace(0, 3, 8)


def problems(count, seed=0):
    """(residuals, jacobian, start, curves) of exponentials a exp(-b t) + c with noise."""
    rng = np.random.default_rng(seed)
    true = rng.uniform([0.5, 0.2, -1], [2, 3, 1], size=(count, 3))
    curves = true[:, [0]] * np.exp(-true[:, [1]] * T) + true[:, [2]] + 0.02 * rng.normal(size=(count, len(T)))

    def residuals(p, which):
        return p[:, [0]] * np.exp(-p[:, [1]] * T) + p[:, [2]] - curves[which]

    def jacobian(p, which):
        s = np.exp(-p[:, [1]] * T)
        return np.stack([s, -p[:, [0]] * T * s, np.ones_like(s)], axis=-1)

    return residuals, jacobian, np.tile([1.0, 1.0, 0.0], (count, 1)), curves


@pytest.mark.parametrize("bounds", [([-9, 0, -9], [9, 9, 9]), ([0, 0, 0], [9, 1.5, 9])])
def test_same_minima_as_scipy(bounds):
    residuals, jacobian, start, _ = problems(30)
    lower, upper = np.array(bounds, dtype=float)
    found = least_squares(residuals, jacobian, start, lower, upper)
    assert found.converged.all()
    assert ((found.parameters >= lower) & (found.parameters <= upper)).all()
    for k in range(30):
        alone = np.array([k])
        scipy = scipy_least_squares(
            lambda p, alone=alone: residuals(p[None], alone)[0],
            np.clip(start[k], lower + 1e-6, upper - 1e-6),
            bounds=(lower, upper),
            ftol=1e-14,
            xtol=1e-14,
            gtol=1e-14,
        )
        assert found.sums[k] <= 2 * scipy.cost * (1 + 1e-9)
        free = ((found.parameters[k] > lower) & (found.parameters[k] < upper)).all()
        if free:
            np.testing.assert_allclose(found.parameters[k], scipy.x, rtol=1e-4, atol=1e-5)


def test_problems_do_not_touch_each_other():
    residuals, jacobian, start, _ = problems(12)
    lower, upper = np.full(3, -np.inf), np.full(3, np.inf)
    together = least_squares(residuals, jacobian, start, lower, upper)
    for k in range(12):
        alone = least_squares(
            lambda p, which, k=k: residuals(p, which + k),
            lambda p, which, k=k: jacobian(p, which + k),
            start[[k]],
            lower,
            upper,
        )
        np.testing.assert_allclose(alone.parameters[0], together.parameters[k], rtol=1e-9)


def test_a_start_without_a_finite_sum_is_not_converged():
    def residuals(p, which):
        return np.where(p > 5, np.nan, p - 1.0)

    found = least_squares(
        residuals,
        lambda p, which: np.ones((len(p), 1, 1)),
        np.array([[6.0], [2.0]]),
        np.array([-np.inf]),
        np.array([np.inf]),
    )
    assert found.converged.tolist() == [False, True]
    assert found.sums[0] == np.inf
    assert found.parameters[1, 0] == pytest.approx(1.0)


def test_rounds_that_run_out_are_said():
    residuals, jacobian, start, _ = problems(5)
    bound = np.full(3, np.inf)
    assert not least_squares(residuals, jacobian, start, -bound, bound, rounds=1).converged.any()
