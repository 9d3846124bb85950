"""What a smaller test set would have shown: exact probabilities over all ways to draw it. Arrays only.

A test set of m of the n items, drawn without replacement, has a hypergeometric number of right answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage import statistics
from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sweep:
    """K sizes by M models; the last size is all n items.

    Attributes
    ----------
    sizes: (K,) items. needed: (K,) the fewest right answers that are told from zero or from chance.
    floor: (K,) the smallest rate that is told from zero or from chance.
    expected: (K, M) right answers. p_zero: (K, M) the probability of none.
    p_above: (K, M) the probability of being told from zero or from chance; 0 or 1 for all items.
    p_value: (M,) of all items against chance, one-sided and exact; with chance 0, 1 for none and else 0.
    p_below: (M,) that guessing has so few right answers or fewer; 1 with chance 0.
    p_missed: (M,) that a model of the predicted rate would not be told from it with all items; NaN without
        a prediction.
    """

    sizes: Ints
    needed: Floats
    floor: Floats
    expected: Floats
    p_zero: Floats
    p_above: Floats
    p_value: Floats
    p_below: Floats
    p_missed: Floats


def sweep(
    successes: ArrayLike,
    n: int,
    sizes: ArrayLike,
    *,
    chance: float = 0.0,
    alpha: float = 0.05,
    min_successes: int = 3,
    predicted: ArrayLike | None = None,
) -> Sweep:
    """The same models on smaller test sets.

    Chance 0: a score is told from zero by `min_successes` right answers. Chance above 0: by the exact
    binomial test at level alpha over the number of models (Bonferroni).

    Parameters
    ----------
    successes: (M,) right answers of each model in the n items, whole numbers.
    sizes: numbers of items, 1 or more; those that are not below n are left out.
    chance: in [0, 1). alpha: in (0, 1). min_successes: 1 or more.
    predicted: (M,) rates in [0, 1] that another metric predicts; NaN where it predicts none.

    Raises
    ------
    SettingsError
        A value outside its range.
    """
    right = np.asarray(successes, dtype=np.float64)
    asked = np.unique(np.asarray(sizes, dtype=np.int64))
    if n < 1 or right.ndim != 1 or not ((right >= 0) & (right <= n) & (right == np.rint(right))).all():
        raise SettingsError(f"there must be 0 to {n} right answers a model", where="successes")
    if (asked < 1).any():
        raise SettingsError("a test set has one item at least", where="sizes")
    rates = np.full(right.shape, np.nan) if predicted is None else np.asarray(predicted, dtype=np.float64)
    if rates.shape != right.shape or ((rates < 0) | (rates > 1)).any():
        raise SettingsError("there must be one rate in [0, 1], or NaN, a model", where="predicted")
    kept = np.append(asked[asked < n], n)
    level = alpha / max(right.size, 1) if chance > 0 else alpha
    floor = statistics.floor(kept, chance, level)
    # Where not even all right are that unlikely, one more than there are would be needed.
    needed = np.where(np.isfinite(floor), np.rint(floor * kept), kept + 1.0)
    if chance == 0:
        needed = np.full(kept.shape, float(min_successes))
    whole = right.astype(np.int64).tolist()
    # None of those drawn is right where all of them are wrong.
    none = [[statistics.hypergeometric_tail(m, m, n - k, n) for k in whole] for m in kept.tolist()]
    enough = [
        [statistics.hypergeometric_tail(least, m, k, n) for k in whole]
        for m, least in zip(kept.tolist(), needed.astype(np.int64).tolist(), strict=True)
    ]
    missed = np.array(
        [np.nan if np.isnan(r) else 1 - float(statistics.binomial_tail(needed[-1], n, r)) for r in rates]
    )
    tail = statistics.binomial_tail(right, n, chance) if chance > 0 else np.where(right > 0, 0.0, 1.0)
    return Sweep(
        kept,
        needed,
        floor,
        kept[:, None] * right / n,
        np.array(none),
        np.array(enough),
        np.asarray(tail),
        1 - statistics.binomial_tail(right + 1, n, chance) if chance > 0 else np.ones(right.shape),
        np.asarray(missed),
    )
