"""Curves and second opinions that the tests of laws and fits share."""

import numpy as np
import pytest
from scipy.optimize import least_squares


def best_of_many(law, x, y, root_weights=1.0, starts=12, seed=0):
    """The least weighted sum of squares that scipy finds from shaken guesses of a law."""
    rng = np.random.default_rng(seed)
    lower, upper = (np.asarray(bound, dtype=float) for bound in (law.lower, law.upper))
    guesses = law.start(x, y)
    best = np.inf
    for _ in range(starts):
        guess = guesses[rng.integers(len(guesses))]
        guess = guess * np.exp(0.2 * rng.normal(size=guess.shape)) + 0.01 * rng.normal(size=guess.shape)
        found = least_squares(
            lambda p: root_weights * (law.value(x, p) - y),
            np.clip(guess, np.maximum(lower, -1e300) + 1e-9, np.minimum(upper, 1e300) - 1e-9),
            bounds=(lower, upper),
            x_scale="jac",
            ftol=1e-13,
            xtol=1e-13,
            gtol=1e-13,
            max_nfev=200,
        )
        best = min(best, 2 * found.cost)
    return best


@pytest.fixture(scope="session")
def scipy_best():
    """See `best_of_many`."""
    return best_of_many
