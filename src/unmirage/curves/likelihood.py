"""What a fit minimises, as residuals whose squares are summed: Gaussian with any covariance, or binomial.

Not for the search (see `solver`) nor for what is made of its end (see `fitting`, `uncertainty`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unmirage.curves.laws import Floats, Law
from unmirage.curves.solver import Ints

# Fitted rates stay this far from 0 and 1, where the likelihood of a contrary answer is 0.
_EDGE = 1e-12


@dataclass(frozen=True)
class Gaussian:
    """Residuals W (y - law), with W'W the inverse of the covariance of y.

    Attributes
    ----------
    law, x: the curve and its (n,) scales.
    y: (n,), or (B, n) where every problem has its own.
    whitener: (n, n) W.
    """

    law: Law
    x: Floats
    y: Floats
    whitener: Floats

    def residuals(self, parameters: Floats, problems: Ints) -> Floats:
        """(B, n) whitened law minus y."""
        y = self.y if self.y.ndim == 1 else self.y[problems]
        return np.asarray((self.law.value(self.x, parameters) - y) @ self.whitener.T)

    def jacobian(self, parameters: Floats, problems: Ints) -> Floats:
        """(B, n, P) derivatives of the residuals."""
        return np.asarray(self.whitener @ self.law.gradient(self.x, parameters))


@dataclass(frozen=True)
class Binomial:
    """Signed deviance residuals of counts: their squares sum to 2 (log L of the counts' own rates - log L).

    Attributes
    ----------
    law, x: the curve of rates and its (n,) scales.
    successes: (n,), or (B, n) where every problem has its own.
    trials: (n,) above 0.
    """

    law: Law
    x: Floats
    successes: Floats
    trials: Floats

    def residuals(self, parameters: Floats, problems: Ints) -> Floats:
        """(B, n) deviance residuals, above 0 where the law is above the data."""
        k, expected = self._counts(parameters, problems)
        deviance = _gap(k, expected) + _gap(self.trials - k, self.trials - expected)
        return np.asarray(np.sign(expected - k) * np.sqrt(2 * np.maximum(deviance, 0)))

    def jacobian(self, parameters: Floats, problems: Ints) -> Floats:
        """(B, n, P) derivatives of the residuals."""
        k, expected = self._counts(parameters, problems)
        rate = expected / self.trials
        spread = expected * (1 - rate)
        r = self.residuals(parameters, problems)
        near = np.abs(expected - k) < 1e-5 * np.sqrt(spread)
        # d(residual)/d(rate); its limit where the residual is 0.
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.where(near, self.trials / np.sqrt(spread), (expected - k) * self.trials / (spread * r))
        return np.asarray(slope[..., None] * self.law.gradient(self.x, parameters))

    def _counts(self, parameters: Floats, problems: Ints) -> tuple[Floats, Floats]:
        k = self.successes if self.successes.ndim == 1 else self.successes[problems]
        rate = np.clip(self.law.value(self.x, parameters), _EDGE, 1 - _EDGE)
        return k, rate * self.trials


def _gap(k: Floats, expected: Floats) -> Floats:
    """k log(k/expected) + expected - k, with its digits where k is near expected; expected at k = 0."""
    from scipy.special import xlog1py

    share = (k - expected) / expected
    return np.asarray(expected * (xlog1py(1 + share, share) - share))
