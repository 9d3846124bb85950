"""Checks of arguments, and sums over clusters, that every module of `statistics` shares.

Not for statistics: nothing here estimates anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unmirage.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Seed = int | np.random.Generator


def check_fraction(name: str, value: float) -> None:
    """Raise SettingsError unless 0 < value < 1."""
    if not 0 < value < 1:
        raise SettingsError(
            f"{value} is not between 0 and 1", where=name, hint="Give a fraction such as 0.95."
        )


def check_at_least(name: str, value: int, least: int) -> None:
    """Raise SettingsError unless `value` is a whole number of at least `least`."""
    if int(value) != value or value < least:
        raise SettingsError(f"{value} is not a whole number of at least {least}", where=name)


def generator(seed: Seed) -> np.random.Generator:
    """The generator itself, or a new PCG64 generator from a non-negative integer seed."""
    if isinstance(seed, np.random.Generator):
        return seed
    check_at_least("seed", seed, 0)
    return np.random.default_rng(int(seed))


def probabilities(name: str, values: ArrayLike) -> Floats:
    """`values` as floats; SettingsError where one is NaN or outside [0, 1]."""
    array = np.asarray(values, dtype=np.float64)
    bad = ~((array >= 0) & (array <= 1))
    if bad.any():
        raise SettingsError(f"{array[bad].flat[0]} is not a probability in [0, 1]", where=name)
    return array


def broadcast(where: str, *arrays: Floats) -> tuple[Floats, ...]:
    """The arrays in their common shape; SettingsError where there is none."""
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise SettingsError(f"shapes {shapes} do not match", where=where) from error


def counts(
    part: ArrayLike, whole: ArrayLike, names: tuple[str, str] = ("successes", "n")
) -> tuple[Floats, Floats]:
    """Both arrays as floats, broadcast together; SettingsError unless 0 <= part <= whole < inf."""
    k = np.asarray(part, dtype=np.float64)
    n = np.asarray(whole, dtype=np.float64)
    k, n = broadcast(" and ".join(names), k, n)
    bad = ~((k >= 0) & (k <= n) & np.isfinite(n))
    if bad.any():
        raise SettingsError(
            f"{names[0]} {k[bad].flat[0]:g} of {names[1]} {n[bad].flat[0]:g} is impossible",
            where=" and ".join(names),
            hint=f"Every value must satisfy 0 <= {names[0]} <= {names[1]}.",
        )
    return k, n


def whole_counts(part: ArrayLike, whole: ArrayLike, names: tuple[str, str]) -> tuple[Floats, Floats]:
    """:func:`counts` of whole numbers only; SettingsError where one has a fraction."""
    k, n = counts(part, whole, names)
    if (k != np.floor(k)).any() or (n != np.floor(n)).any():
        raise SettingsError("counts must be whole numbers", where=" and ".join(names))
    return k, n


def score_matrix(values: ArrayLike) -> Floats:
    """`values` as an (n, m) float array, n >= 1 items in rows; SettingsError where one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] == 0:
        raise SettingsError(
            f"shape {array.shape} is not (items, columns)",
            where="values",
            hint="Give one row an item and one column a model or metric.",
        )
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise SettingsError(
            f"row {row}, column {column} is {array[row, column]}",
            where="values",
            hint="Compare models on the items that all of them answered; drop the others first.",
        )
    return array


def cluster_codes(clusters: ArrayLike | None, n: int) -> Ints:
    """Cluster codes 0..C-1 of n items, each code used at least once; None makes every item its own.

    Raises SettingsError on another length, on codes that are not integers, and on a code below the
    largest that no item has: such a cluster would be drawn, and has nothing to give.
    """
    if clusters is None:
        return np.arange(n, dtype=np.int64)
    array = np.asarray(clusters)
    if n == 0 or array.shape != (n,) or not np.issubdtype(array.dtype, np.integer):
        raise SettingsError(
            f"shape {array.shape} of {array.dtype} is not ({n},) of integers",
            where="clusters",
            hint="Give one cluster code an item, for instance from numpy.unique(..., return_inverse=True).",
        )
    codes = array.astype(np.int64)
    if codes.min() < 0 or codes.max() >= n or (np.bincount(codes) == 0).any():
        raise SettingsError(
            "the codes are not 0..C-1 with every one in use",
            where="clusters",
            hint="Take the codes from numpy.unique(..., return_inverse=True).",
        )
    return codes


def cluster_sums(values: Floats, codes: Ints) -> Floats:
    """Sums of the rows of `values` (n, m) over each cluster: (C, m)."""
    if np.array_equal(codes, np.arange(codes.size)):
        return np.ascontiguousarray(values)  # every item stands for itself
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(codes.max() + 1))
    return np.asarray(np.add.reduceat(values[order], starts, axis=0), dtype=np.float64)
