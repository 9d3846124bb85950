"""Designs of a calibration: which simulated families the verdict is tried on, and the named sets of them.

A design is one cell: a truth on a grid of scales, with so many items and so much scatter. The sets are data:
`MAIN` and `QUICK` below are lists of blocks, and a block stands for all combinations of its entries. Nothing
is simulated here; `unmirage.calibrate` does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from unmirage.errors import SettingsError
from unmirage.theory.truths import Recipe, recipes
from unmirage.verdict.error_rates import NO_BREAK

Which = Literal["tuning", "test"]


@dataclass(frozen=True)
class Design:
    """One simulated family, again and again.

    Attributes
    ----------
    truth: a name of `truths.recipes()`.
    size, at: parameters of the truth; None for its default, and where it has none.
    n_scales: scales, evenly spaced over `decades` powers of ten from 10M on, at least 2.
    n_items: items of the task.
    scatter: standard deviation of models about the curve, on log loss.
    tails: of the scatter, "normal" or "t3".
    jitter: each inner scale is moved by up to this share of a gap, in [0, 0.5).
    seeds_per_scale: models a scale.
    tasks: tasks that are audited together. The first has the truth and is the one that counts; the others
        have smooth truths of the same set and kind, in turn.
    """

    truth: str
    size: float | None = None
    at: float | None = None
    n_scales: int = 8
    decades: float = 3.0
    n_items: int = 500
    scatter: float = 0.02
    tails: Literal["normal", "t3"] = "normal"
    jitter: float = 0.0
    seeds_per_scale: int = 1
    tasks: int = 1

    def recipe(self) -> Recipe:
        """The recipe of the truth; SettingsError where there is none of that name."""
        known = recipes()
        if self.truth not in known:
            raise SettingsError(f"there is no truth {self.truth!r}", where="truth")
        return known[self.truth]

    def parameters(self) -> dict[str, float]:
        """Name -> value of every parameter that the truth has, defaults filled in."""
        given = {"size": self.size, "at": self.at}
        named = {name: value for name, value in given.items() if value is not None}
        return {**self.recipe().parameters, **named}

    def truths(self) -> list[str]:
        """(tasks,) the truth of each task: this design's, then smooth ones of its set and kind in turn."""
        mine = self.recipe()
        known = recipes("tuning" if self.truth in recipes("tuning") else "test")
        calm = [name for name, other in known.items() if (other.label, other.kind) == ("smooth", mine.kind)]
        return [self.truth, *(calm[k % len(calm)] for k in range(self.tasks - 1))]


@dataclass(frozen=True)
class Block:
    """All combinations of the entries, for the truths of some labels.

    Attributes
    ----------
    labels: of the truths that are taken, in the order of their set.
    kinds: of the truths that are taken.
    part: (k, m) takes the truths whose place among them is k modulo m; (0, 1) takes all.
    others: as in :class:`Design`, each a tuple of values.
    """

    labels: tuple[str, ...]
    kinds: tuple[str, ...] = ("generation", "choice")
    part: tuple[int, int] = (0, 1)
    size: tuple[float | None, ...] = (None,)
    at: tuple[float | None, ...] = (None,)
    n_scales: tuple[int, ...] = (8,)
    decades: tuple[float, ...] = (3.0,)
    n_items: tuple[int, ...] = (500,)
    scatter: tuple[float, ...] = (0.02,)
    tails: tuple[Literal["normal", "t3"], ...] = ("normal",)
    jitter: tuple[float, ...] = (0.0,)
    tasks: tuple[int, ...] = (1,)

    def designs(self, which: Which) -> Iterator[Design]:
        """The designs of the block for the truths of one set."""
        taken = [
            name
            for name, recipe in recipes(which).items()
            if recipe.label in self.labels and recipe.kind in self.kinds
        ]
        first, every = self.part
        for truth, size, at, n_scales, decades, n_items, scatter, tails, jitter, tasks in product(
            taken[first::every],
            self.size,
            self.at,
            self.n_scales,
            self.decades,
            self.n_items,
            self.scatter,
            self.tails,
            self.jitter,
            self.tasks,
        ):
            yield Design(
                truth=truth,
                size=size,
                at=at,
                n_scales=n_scales,
                decades=decades,
                n_items=n_items,
                scatter=scatter,
                tails=tails,
                jitter=jitter,
                tasks=tasks,
            )


SCALES = (5, 6, 8, 10, 12)
ITEMS = (200, 500, 2_000, 10_000)
SCATTER = (0.005, 0.02, 0.05)
STEPS = (0.1, 0.3, 0.5, 0.8)  # shares of the loss that go at once
GENERATION = ("generation",)

# Every number of scales with every number of items; the scatter goes round like the third letter of a Latin
# square, and each design has some of the truths in turn, the fewer the larger it is. So every pair of levels
# of scales, items and scatter occurs, in a tenth of the full factorial.
SHARE = {200: 3, 500: 3, 2_000: 4, 10_000: 10}  # one truth in so many
SQUARE = tuple(
    Block(
        NO_BREAK,
        part=((i + 2 * j) % SHARE[items], SHARE[items]),
        n_scales=(scales,),
        n_items=(items,),
        scatter=(SCATTER[(i + j + 1) % 3],),
    )
    for i, scales in enumerate(SCALES)
    for j, items in enumerate(ITEMS)
    if items < 10_000 or i % 2 == 0
)
OTHERS = ("artifact", "kink", "format-failure", "edge")
MAIN = (
    Block(NO_BREAK),
    *SQUARE,
    Block(NO_BREAK, part=(0, 2), tails=("t3",)),
    Block(NO_BREAK, part=(1, 2), jitter=(0.3,)),
    Block(NO_BREAK, part=(0, 2), decades=(2.0,)),
    Block(NO_BREAK, part=(1, 2), decades=(5.0,)),
    Block(("step",), GENERATION, size=STEPS, n_scales=(6, 8, 12)),
    Block(("step",), GENERATION, size=(0.3, 0.5), scatter=(0.005, 0.05)),
    Block(("step",), ("choice",), size=(0.3, 0.5, 0.8), n_scales=(8, 12)),
    Block(OTHERS),
    Block(OTHERS, n_scales=(12,)),
    Block(OTHERS, n_items=(2_000,), scatter=(0.005,)),
    Block(OTHERS, n_items=(200,), scatter=(0.05,)),
    # Six tasks of one family: their models' scatter can be pooled.
    Block(("smooth",), GENERATION, part=(0, 3), n_scales=(6,), tasks=(6,)),
    Block(("step",), GENERATION, size=(0.3, 0.5), n_scales=(6,), tasks=(6,)),
)
QUICK = (
    Block((*NO_BREAK, *OTHERS)),
    Block(("step",), size=(0.3, 0.8)),
)
SETS = {"quick": QUICK, "main": MAIN}
RUNS = {"quick": 30, "main": 300}  # runs of each design where the user names no number


def design_set(name: str, which: Which = "test") -> list[Design]:
    """The designs of a named set, each once, for the truths of one set.

    Parameters: name, a key of `SETS`; which, "tuning" or "test".
    Raises SettingsError for another name.
    """
    if name not in SETS:
        raise SettingsError(f"there is no set {name!r}", where="designs", hint=f"Sets: {', '.join(SETS)}.")
    if which not in ("tuning", "test"):
        raise SettingsError(f"there is no set {which!r}", where="truths", hint="Sets: tuning, test.")
    # A default and the same value written out are one design.
    found: dict[tuple[object, ...], Design] = {}
    for block in SETS[name]:
        for design in block.designs(which):
            given = design.parameters()
            whole = Design(**{**vars(design), "size": given.get("size"), "at": given.get("at")})
            found.setdefault(tuple(vars(whole).values()), whole)
    return list(found.values())
