"""Pass-until: which attempts are made next, until items passed so often, or a cap or a budget is reached.

Not for estimates (see `unmirage.statistics.until`), nor for asking a model: the caller makes the attempts.

The plan looks at counts alone, and the attempts of an item at a model are numbered from 0, so that a run that
was cut off goes on where it was: the next attempt has the number n.

Without a budget every item goes on to its R-th pass or the cap, model after model, and the estimates are
unbiased. With one:

1. Half of it is spent alike on all models: their open items get the same attempts, R at first and then twice
   as many, step by step, until the half cannot pay a step.
2. A quarter goes to the even items of the models and then a quarter to the odd ones, where it buys most. Step
   by step those of one model are taken to twice their attempts: of the model for which an attempt lowers the
   relative variance of its mean pass rate most, by v / (D · D' · m²), with D and D' the attempts before and
   after, m the mean rate, and v the mean of p(1-p) over open items. Both are what the model's *other* items
   showed in the first half of the budget; where they showed no pass, both are those of the upper end of their
   rate, 1 - .05^(1/attempts).

So no item's own luck decides how many attempts it gets, beyond that it stops at R passes, and the estimates
stay unbiased. A plan that looks at an item's own passes, or looks again as it goes, leaves the models that
had no luck, and reads their rates too low (`benchmarks/until.py`). For the same reason open items get the
same attempts whatever they showed. A step that cannot be paid in full takes all its items as far as it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from unmirage.errors import SettingsError, UnmirageError
from unmirage.result import Progress, silent
from unmirage.statistics import until_rate

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ask = tuple[int, int, int]
"""(model, item, attempts)."""

_STEP = "sampling until passes"
_UNSEEN = 0.05  # the level of the upper end of a rate that showed no pass


@dataclass(frozen=True)
class Counts:
    """Where the attempts stand: arrays (models, items), which are not changed.

    Attributes
    ----------
    n: attempts counted: up to the R-th pass where done, else all that were made. Open items go on with
        attempt number n.
    c: passes among them, at most R.
    done: whether the R-th pass was reached.
    limit: the attempts that an item may have at the present step of the plan.
    waste: attempts that were made after the R-th pass, in the same call, and do not count.
    gain: (models, 2) v / m² of the even and the odd items by what the others showed; NaN until half of the
        budget is spent.
    """

    n: Ints
    c: Ints
    done: Bools
    limit: Ints
    waste: Ints
    gain: Floats

    @classmethod
    def start(cls, models: int, items: int) -> Counts:
        """No attempt yet."""
        zero = np.zeros((models, items), dtype=np.int64)
        return cls(zero, zero, zero.astype(bool), zero, zero, np.full((models, 2), np.nan))

    @property
    def spent(self) -> int:
        """Attempts made, those that do not count among them."""
        return int(self.n.sum() + self.waste.sum())


@dataclass(frozen=True)
class Plan:
    """The rule, a pure function of the counts.

    Attributes
    ----------
    models, items: how many; at least 1.
    passes: R, at least 2: no useful estimate is unbiased where the first pass ends the attempts.
    cap: attempts at an item at most; at least R.
    budget: attempts over the whole family at most, one an item at least; None for no limit but the caps.
    block: attempts in one call at most, at least 1.

    Raises SettingsError on other values.
    """

    models: int
    items: int
    passes: int
    cap: int
    budget: int | None = None
    block: int = 4096

    def __post_init__(self) -> None:
        """Check the numbers."""
        least = {"models": 1, "items": 1, "passes": 2, "cap": self.passes, "block": 1}
        early = "One pass ends the attempts too early for a useful unbiased estimate; five are a good number."
        for name, low in least.items():
            if getattr(self, name) < low:
                raise SettingsError(
                    f"{getattr(self, name)} is below {low}",
                    where=name,
                    hint=early if name == "passes" else None,
                )
        if self.budget is not None and self.budget < self.models * self.items:
            raise SettingsError(
                f"{self.budget:,} attempts are not one at each of {self.items:,} items of each of "
                f"{self.models} models",
                where="budget",
                hint=f"Give {self.models * self.items:,} at least, or ask fewer items or models.",
            )

    def next(self, counts: Counts) -> tuple[Counts, list[Ask]]:
        """The attempts to make now, all of one model, at most `block`; none where all is done.

        Returns the counts with the limits of the step that they belong to, and (model, item, attempts) by
        item. An item is asked for as many attempts as it has had, or for half of those that its passes so far
        lead to expect, and never for fewer than the passes that it lacks: so few are made in vain.
        """
        if not self._open(counts).any():
            counts = self._deepened(counts)
        waiting = self._open(counts)
        if not waiting.any():
            return counts, []
        model = int(waiting.any(axis=1).argmax())
        items = np.flatnonzero(waiting[model])
        items = items[np.argsort(counts.n[model, items], kind="stable")]
        n, c = counts.n[model, items], counts.c[model, items]
        lacks = self.passes - c
        wanted = np.maximum(lacks, np.minimum(n, lacks * n // (2 * (c + 1))))
        wanted = np.minimum(wanted, counts.limit[model, items] - n)
        before = wanted.cumsum() - wanted
        granted = np.minimum(wanted, self.block - before)[before < self.block]
        asks = zip(items.tolist(), granted.tolist(), strict=False)
        return counts, sorted((model, item, attempts) for item, attempts in asks)

    def counted(self, counts: Counts, asked: Sequence[Ask], passed: Sequence[Ints]) -> Counts:
        """The counts after attempts.

        Parameters
        ----------
        asked: as :meth:`next` gave them.
        passed: for each of them the places of its passes among its attempts, from 0, ascending.
        """
        n, c, done, waste = counts.n.copy(), counts.c.copy(), counts.done.copy(), counts.waste.copy()
        for (model, item, attempts), places in zip(asked, passed, strict=True):
            at, lacks = (model, item), self.passes - c[model, item]
            done[at] = len(places) >= lacks
            used = int(places[lacks - 1]) + 1 if done[at] else attempts
            c[at] += min(len(places), lacks)
            n[at] += used
            waste[at] += attempts - used
        return replace(counts, n=n, c=c, done=done, waste=waste)

    def check(self, counts: Counts) -> None:
        """SettingsError unless these counts are of this plan."""
        shape = (self.models, self.items)
        if any(getattr(counts, name).shape != shape for name in ("n", "c", "done", "limit", "waste")) or (
            counts.gain.shape != (self.models, 2)
        ):
            raise SettingsError(
                f"the counts are not of {self.models} models × {self.items} items", where="known"
            )
        n, c = counts.n, counts.c
        wrong = (c < 0) | (c > n) | (c > self.passes) | (n > self.cap) | (counts.done != (c == self.passes))
        if wrong.any() or (n > counts.limit).any() or (counts.waste < 0).any():
            raise SettingsError(
                "the counts are not of this plan",
                where="known",
                hint="Go on with the settings that the run was started with.",
            )

    def _open(self, counts: Counts) -> Bools:
        return ~counts.done & (counts.n < counts.limit)

    def _deepened(self, counts: Counts) -> Counts:
        """The counts with the limits of the next step; as they were where there is none."""
        if self.budget is None:
            return replace(counts, limit=np.full_like(counts.limit, self.cap))
        if not counts.limit.any():
            first = min(self.passes, max(1, self.budget // 2 // counts.n.size))
            return replace(counts, limit=np.full_like(counts.limit, first))
        if np.isnan(counts.gain).any():
            deeper = self._deeper(int(counts.limit[0, 0]), ~counts.done, self.budget // 2 - counts.spent)
            if deeper > counts.limit[0, 0]:
                return replace(counts, limit=np.full_like(counts.limit, deeper))
            counts = replace(counts, gain=self._gains(counts))
        for half, most in ((0, self.budget * 3 // 4), (1, self.budget), (0, self.budget)):
            step = self._best(counts, half, most - counts.spent)
            if step is not None:
                model, deeper = step
                limit = counts.limit.copy()
                limit[model, half::2] = deeper
                return replace(counts, limit=limit)
        return counts

    def _best(self, counts: Counts, half: int, left: int) -> tuple[int, int] | None:
        """(model, depth) of the step of a half that gains most; None where none can be paid."""
        steps: list[tuple[float, int, int]] = []
        for model in range(self.models if half < self.items else 0):
            depth = int(counts.limit[model, half])
            deeper = self._deeper(depth, ~counts.done[model, half::2], left)
            if deeper > depth:
                steps.append((-counts.gain[model, half] / (depth * min(2 * depth, self.cap)), model, deeper))
        return min(steps)[1:] if steps else None

    def _deeper(self, depth: int, going: Bools, left: int) -> int:
        """The next depth of the items that go on, as far as the attempts left pay for all of them."""
        items = int(going.sum())
        return depth if items == 0 or left < items else min(2 * depth, self.cap, depth + left // items)

    def _gains(self, counts: Counts) -> Floats:
        """(models, 2) v / m² of the items of each half, read from the other half of the model."""
        depth = int(counts.limit[0, 0])
        found = np.zeros((self.models, 2))
        for model, half in np.ndindex(found.shape):
            n, c, done = (a[model, 1 - half :: 2] for a in (counts.n, counts.c, counts.done))
            tried, passed = n[~done], c[~done]
            if passed.any():
                rate = passed / tried
            elif done.any() and done.all():  # an open item has fewer than R passes: no more is known of it
                rate = np.array([min(0.5, self.passes / depth)])
            else:
                rate = np.array([-np.expm1(np.log(_UNSEEN) / max(int(tried.sum()), depth))])
            mean = until_rate(c, n, self.passes).mean() if c.any() else rate.mean()
            found[model, half] = (rate * (1 - rate)).mean() / mean**2
        return found


def sample_until(
    models: int,
    items: int,
    draw_many: Callable[[Sequence[Ask]], list[list[bool]]],
    *,
    passes: int,
    cap: int,
    budget: int | None = None,
    block: int = 4096,
    known: Counts | None = None,
    progress: Progress = silent,
) -> Iterator[Counts]:
    """Make attempts until every item has `passes` passes or `cap` attempts, or the budget is spent.

    The same answers to the same attempts give the same calls and counts. Without a budget `n`, `c` and `done`
    do not depend on `block`, nor on how often the run was cut off.

    Parameters
    ----------
    models, items, passes, cap, budget, block: as in :class:`Plan`.
    draw_many: (model, item, attempts) of one model -> for each whether its attempts passed, in order; the
        attempts are those with the numbers n, n+1, ... of the counts before the call.
    known: counts to go on from, of the same settings; None to start. (To start over with a `draw_many` that
        has the answers of the last run on record is to go on, too.)
    progress: called with (step, items that are done or at the cap, items in all).

    Yields the counts after each call; once the known ones where there is nothing left to do.

    Raises
    ------
    SettingsError
        A number is outside its range, or `known` is of other settings.
    UnmirageError
        `draw_many` answered another number of attempts than it was asked.
    """
    plan = Plan(models, items, passes, cap, budget, block)
    counts = Counts.start(models, items) if known is None else known
    plan.check(counts)
    counts, asked = plan.next(counts)
    if not asked:
        yield counts
    while asked:
        answers = draw_many(asked)
        if [len(answer) for answer in answers] != [attempts for _, _, attempts in asked]:
            raise UnmirageError(
                f"{sum(map(len, answers))} answers to {sum(attempts for *_, attempts in asked)} attempts at "
                f"{len(asked)} items",
                where=f"model {asked[0][0]}",
            )
        counts = plan.counted(counts, asked, [np.flatnonzero(answer) for answer in answers])
        finished = counts.done | (counts.n >= cap)
        progress(_STEP, int(finished.sum()), finished.size)
        yield counts
        counts, asked = plan.next(counts)
