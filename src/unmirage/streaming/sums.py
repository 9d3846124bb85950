"""The sums of one metric over the models of a task; which rows they are of, :mod:`totals` knows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unmirage.streaming import exact
from unmirage.streaming.exact import ZERO, Exponents, Floats, Ints

Bools = npt.NDArray[np.bool_]


@dataclass
class Sums:
    """One metric over the models of a task (M models, U units, d components; d = 1 for an item-level metric).

    Attributes
    ----------
    have: (M,) rows with a score; `infinite` (M,) those of them whose score, or a component of it, is infinite
        or beyond `exact.LIMIT`: they have no part in anything below.
    binary: (M,) whether every score is 0 or 1.
    low, high: (M, d) the smallest and largest; inf and -inf where there is none.
    exponent: (M, d) of the largest in size.
    parts: level -> (M, U, d) sums over each unit's rows, in quanta of the level.
    squares: level -> (M,) sums of the squared scores; for d = 1 and exponents up to `exact.SQUARED`.
    """

    have: Ints
    infinite: Ints
    binary: Bools
    low: Floats
    high: Floats
    exponent: Exponents
    parts: dict[int, Ints] = field(default_factory=dict)
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
        return int(self.low.shape[1])

    def widen(self, model: int, component: int, low: float, high: float, exponent: int) -> None:
        """Take note of the bounds of some scores of a model, and of the exponent of what lies between."""
        at = model, component
        self.low[at], self.high[at] = min(self.low[at], low), max(self.high[at], high)
        self.exponent[at] = max(self.exponent[at], exponent)

    def trim(self) -> None:
        """Leave out what lies below the lowest level of its model, and levels that hold nothing."""
        last = exact.lowest(self.exponent)
        for level, sums in sorted(self.parts.items()):
            _cut(sums.transpose(0, 2, 1), last > level)
            if not any(one.any() for one in sums):  # the first model says so, in most
                del self.parts[level]
        last = exact.lowest(2 * self.exponent[:, 0])
        for level, squares in sorted(self.squares.items()):
            _cut(squares, last > level)
            if not squares.any():
                del self.squares[level]


def _cut(sums: Ints, below: Bools) -> None:
    if below.any():
        sums[below] = 0
