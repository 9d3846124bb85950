"""Totals of one task of one family: all that its curves need of the rows, in memory that no number of rows grows.

Rows are added batch by batch and totals are merged; the numbers are the same, to the last bit, for any order
and any split (`exact` says how sums are kept). A unit is what is resampled: a cluster of items, or an item
that has none. Units are known by the hash of their name, so that all models of a task stay paired, and are
kept apart up to `MOST` of them; more are folded into as many buckets by the last bits of the hash. Folding is
addition, so it does not matter when it happens.

What curves are made of totals is in `unmirage.measured`; whether the models answered the same items is seen here (`gap`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unmirage.streaming import exact
from unmirage.streaming.exact import ZERO, Exponents, Floats, Ints
from unmirage.streaming.hashing import Hashes, spread

Bools = npt.NDArray[np.bool_]

MOST = 4096
_SLOTS = 16  # bits of a hash that find its place in a batch


@dataclass
class Sums:
    """One metric over the models of a task (M models, U units, d components; d = 1 for an item-level metric).

    Attributes
    ----------
    have: (M,) rows with a score; `infinite` (M,) those of them whose score, or a component of it, is infinite
        or beyond `exact.LIMIT`, and has no part in anything below.
    binary: (M,) whether every score is 0 or 1.
    low, high: (M, d) the smallest and largest; inf and -inf where there is none.
    exponent: (M, d) of the largest in size.
    parts: (component, level) -> (M, U) sums over each unit's rows, in quanta of the level.
    squares: level -> (M,) sums of the squared scores; d = 1 only.
    """

    have: Ints
    infinite: Ints
    binary: Bools
    low: Floats
    high: Floats
    exponent: Exponents
    parts: dict[tuple[int, int], Ints] = field(default_factory=dict)
    squares: dict[int, Ints] = field(default_factory=dict)

    @classmethod
    def empty(cls, models: int, components: int) -> Sums:
        """Sums of no rows."""
        shape = (models, components)
        return cls(
            np.zeros(models, dtype=np.int64),
            np.zeros(models, dtype=np.int64),
            np.ones(models, dtype=np.bool_),
            np.full(shape, np.inf),
            np.full(shape, -np.inf),
            np.full(shape, ZERO, dtype=np.int32),
        )

    @property
    def components(self) -> int:
        """d, the number of components."""
        return self.low.shape[1]

    def trimmed(self) -> None:
        """Leave out what lies below the lowest level of its model, and levels that hold nothing."""
        last = exact.lowest(self.exponent)
        for (component, level), sums in list(self.parts.items()):
            sums[last[:, component] > level] = 0
            if not sums.any():
                del self.parts[component, level]
        if self.components == 1:
            last = exact.lowest(2 * self.exponent[:, 0])
            for level, squares in list(self.squares.items()):
                squares[last > level] = 0
                if not squares.any():
                    del self.squares[level]


@dataclass
class Totals:
    """One task of one family.

    Attributes
    ----------
    models: (M,) names, in the order they were met.
    units: (U,) hashes, ascending; where `folded`, the buckets 0 to MOST - 1.
    rows: (M, U) rows of each unit.
    epochs: (E,) ascending; `answers` (M, E) rows of each, `prints` (M, E) a fingerprint of their items that no
        order changes: equal where the items are the same.
    alone: (M,) whether every row's unit is its own item.
    scores: metric -> its sums.
    """

    models: tuple[str, ...] = ()
    folded: bool = False
    units: Hashes = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    rows: Ints = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    epochs: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    answers: Ints = field(default_factory=lambda: np.empty((0, 0), dtype=np.int64))
    prints: Hashes = field(default_factory=lambda: np.empty((0, 0), dtype=np.uint64))
    alone: Bools = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    scores: dict[str, Sums] = field(default_factory=dict)

    def add(
        self,
        models: Sequence[str],
        codes: Ints,
        items: Hashes,
        units: Hashes,
        epochs: Ints,
        scores: Mapping[str, Floats],
    ) -> None:
        """Add rows of the task.

        Parameters
        ----------
        models: the names that `codes` (n,) speak of; a name may have no row.
        items, units, epochs: (n,) hashes of the item's name and of the unit's (see `hashing`), and the epoch.
        scores: metric -> (n,) or (n, d); NaN in a row that has none. Metrics and components that are not
            named are 0 and missing here.
        """
        for start in range(0, len(codes), exact.ROWS):
            cut = slice(start, start + exact.ROWS)
            part = {name: values[cut] for name, values in scores.items()}
            self._add(models, codes[cut], items[cut], units[cut], epochs[cut], part)
