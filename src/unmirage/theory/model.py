"""The mathematical model of the paper: how smooth token probabilities become sharp or smooth scores.

Schaeffer, Miranda and Koyejo 2023 (arXiv 2304.15004), Sec. 2 and App. A, for any sizes, exponents, lengths
and numbers of choices. Every token of every item is alike and independent here; families with items that
differ are made in `simulate`. What a number of items resolves in measured data is in
`statistics.resolution`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PowerLaw:
    """Cross-entropy a token that falls as a power of scale: L(N) = offset + (N/c)^alpha, in nats.

    Attributes
    ----------
    c: the scale at which the falling part is 1 nat, above 0.
    alpha: the exponent, below 0.
    offset: the part that no scale removes, at least 0; the paper has none.

    Raises
    ------
    SettingsError
        A value outside its range.
    """

    c: float
    alpha: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        for name, good, rule in (
            ("c", self.c > 0, "above 0"),
            ("alpha", self.alpha < 0, "below 0"),
            ("offset", self.offset >= 0, "0 or more"),
        ):
            if not (good and math.isfinite(getattr(self, name))):
                raise SettingsError(f"{getattr(self, name)} is not a number {rule}", where=name)

    def cross_entropy(self, scales: ArrayLike) -> Floats:
        """Nats a token, the shape of `scales`, which are above 0 (SettingsError)."""
        x = np.asarray(scales, dtype=np.float64)
        if not (x > 0).all():
            raise SettingsError("scales must be above 0", where="scales")
        return np.asarray(self.offset + (x / self.c) ** self.alpha, dtype=np.float64)

    def token_probability(self, scales: ArrayLike) -> Floats:
        """exp(-cross-entropy): the probability of the right token, in (0, 1)."""
        return np.exp(-self.cross_entropy(scales))

    def scale_of_exact_match(self, rate: float, length: int) -> float:
        """The scale at which exact match of `length` tokens has the expected value `rate`.

        p^L = rate where the cross-entropy is -ln(rate)/L. Without offset the point moves by the factor
        L^(-1/alpha) with the length.

        Parameters: rate in (0, 1); length >= 1.
        Returns the scale, or infinity where the offset keeps the rate out of reach.
        Raises SettingsError on values outside these ranges.
        """
        if not 0 < rate < 1:
            raise SettingsError(f"{rate} is not between 0 and 1", where="rate")
        falling = -math.log(rate) / _length(length) - self.offset
        return self.c * falling ** (1 / self.alpha) if falling > 0 else math.inf


# Read off the figures, as the paper prints neither: c and alpha fit Fig. 2 to 0.1%, and its fourth model has
# 2.0e11 parameters, not the 1.75e11 of GPT-3.
PAPER = PowerLaw(c=2.0e9, alpha=-0.5)
PAPER_SIZES = (3.5e8, 1.3e9, 6.7e9, 2.0e11)


def exact_match(p: ArrayLike, length: int) -> Floats:
    """p^L: the chance that L independent tokens are all right (Sec. 2; App. A.3 calls this approximate).

    Parameters: p in [0, 1], any shape; length >= 1. Returns the shape of p.
    Raises SettingsError on values outside these ranges.
    """
    return np.asarray(_probability(p) ** _length(length), dtype=np.float64)


def token_edit_distance(p: ArrayLike, length: int) -> Floats:
    """L(1-p): the expected number of wrong tokens of L (Sec. 2, where it is called token edit distance).

    That is the Hamming distance of outputs that are as long as their target. The Levenshtein distance is the
    same or smaller on each such output ("12345" and "51234": Hamming 5, Levenshtein 2), and can be larger
    only where outputs are longer or shorter. (App. A.2 states the first inequality the other way round.)

    Parameters, errors as :func:`exact_match`. Returns the shape of p, in [0, L].
    """
    return np.asarray(_length(length) * (1 - _probability(p)), dtype=np.float64)


def multiple_choice_grade(p: ArrayLike, choices: int = 2) -> Floats:
    """1 where the right choice has the majority of the probability, chance 1/K elsewhere (Fig. 2E).

    The curve that the paper draws. A model that spreads the rest over K > 2 choices can be right without a
    majority; that depends on how the rest is spread.

    Parameters: p in [0, 1], any shape; choices >= 2. Returns the shape of p.
    Raises SettingsError on values outside these ranges.
    """
    if choices < 2:
        raise SettingsError(f"{choices} choices are no choice", where="choices", hint="Two at least.")
    return np.where(_probability(p) > 0.5, 1.0, 1 / choices)


def brier_one_sided(p: ArrayLike) -> Floats:
    """(1-p)^2, the Brier score that Fig. 2F draws (negated); the sum over two choices is twice that.

    Parameters, errors as :func:`exact_match`. Returns the shape of p, in [0, 1].
    """
    return np.asarray((1 - _probability(p)) ** 2, dtype=np.float64)


def no_success(rate: ArrayLike, n_items: ArrayLike) -> Floats:
    """(1-rate)^n: the chance that n independent items show no success at all.

    Parameters: rate in [0, 1] and n_items >= 0, of shapes that broadcast. Returns their common shape.
    Raises SettingsError on values outside these ranges.
    """
    r, n = _probability(rate), np.asarray(n_items, dtype=np.float64)
    if not (n >= 0).all():
        raise SettingsError("a number of items cannot be negative", where="n_items")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(n == 0, 1.0, np.exp(n * np.log1p(-r)))


def items_for_one_success(rate: ArrayLike) -> Floats:
    """1/rate: the number of items that shows one success on average; infinite at rate 0.

    Parameters: rate in [0, 1], any shape. Returns the shape of rate. Raises SettingsError outside [0, 1].
    """
    with np.errstate(divide="ignore"):
        return np.asarray(1 / _probability(rate), dtype=np.float64)


def items_for_some_success(rate: float, probability: float = 0.95) -> float:
    """The smallest number of items that shows a success with at least this probability; infinite at rate 0.

    Parameters: rate in [0, 1]; probability in (0, 1). Raises SettingsError on values outside these ranges.
    """
    r = float(_probability(rate))
    if not 0 < probability < 1:
        raise SettingsError(f"{probability} is not between 0 and 1", where="probability")
    if r in (0.0, 1.0):
        return math.inf if r == 0 else 1.0
    return float(math.ceil(math.log1p(-probability) / math.log1p(-r) * (1 - 1e-12)))


def _probability(p: ArrayLike) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise SettingsError("a probability must be in [0, 1]", where="p")
    return values


def _length(length: int) -> int:
    if length < 1:
        raise SettingsError(f"a target needs one token at least, not {length}", where="length")
    return length
