"""Pass-until: which attempts are made next, until items have passed so often, or a cap or a budget is reached.

Not for estimates (see `unmirage.statistics.until`), nor for asking a model: the caller makes the attempts.

The plan looks at counts alone, and the attempts of an item at a model are numbered from 0, so that a run that
was cut off goes on where it was: the next attempt has the number n.

Without a budget every item goes on to its R-th pass or the cap, model after model, and the estimates are
unbiased. With one, all items get R attempts (fewer where the budget buys no more), and then, step by step,
one half of a model's items is taken up to twice the attempts that its open items have: the half for which an
attempt lowers the relative variance of its model's mean pass rate most,

    v / (D · D' · m²),

with D and D' the attempts before and after, m the mean rate, and v the mean of p(1-p) over open items. Both
are read from the *other* half, so that an item's own luck does not decide on its attempts: a rule that stops
where passes came early by chance reads too high. Where the other half shows no pass, both are those of the
upper end of its rate, 1 - .05^(1/attempts). All open items of a half get the same attempts, whatever they
showed: more for those that passed would leave out the hard ones, of which most look impossible at first.
The step that the budget cannot pay in full takes all its items as far as it can.
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
    """

    n: Ints
    c: Ints
    done: Bools
    limit: Ints
    waste: Ints

    @classmethod
    def start(cls, models: int, items: int) -> Counts:
        """No attempt yet."""
        zero = np.zeros((models, items), dtype=np.int64)
        return cls(zero, zero, zero.astype(bool), zero, zero)

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
        for name, low in least.items():
            if getattr(self, name) < low:
                raise SettingsError(f"{getattr(self, name)} is below {low}", where=name)
        if self.budget is not None and self.budget < self.models * self.items:
            raise SettingsError(
                f"{self.budget:,} attempts are not one at each of {self.items:,} items of {self.models} models",
                where="budget",
                hint=f"Give {self.models * self.items:,} at least, or ask fewer items or models.",
            )

    def next(self, counts: Counts) -> tuple[Counts, list[Ask]]:
        """The attempts to make now, all of one model, at most `block`; none where all is done.

        Returns the counts with the limits of the step that they belong to, and (model, item, attempts) by
        item. An item is asked for as many attempts as it has had, or as its passes so far lead to expect,
        and never for fewer than the passes that it lacks: so few attempts are made in vain.
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
        wanted = np.maximum(lacks, np.minimum(n, lacks * n // (c + 1)))
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
        n, c, done, waste = (a.copy() for a in (counts.n, counts.c, counts.done, counts.waste))
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
        if any(getattr(counts, name).shape != shape for name in ("n", "c", "done", "limit", "waste")):
            raise SettingsError(
                f"the counts are not of {self.models} models × {self.items} items", where="known"
            )
        n, c = counts.n, counts.c
        wrong = (c < 0) | (c > n) | (c > self.passes) | (n > self.cap) | (counts.done != (c == self.passes))
        if wrong.any() or (n > np.maximum(counts.limit, 0)).any() or (counts.waste < 0).any():
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
            first = min(self.passes, self.budget // counts.n.size)
            return replace(counts, limit=np.full_like(counts.limit, first))
        left = self.budget - counts.spent
        gains: list[tuple[float, int, int, int]] = []
        for model in range(self.models):
            for half in range(min(2, self.items)):
                depth = int(counts.limit[model, half])
                going = int((~counts.done[model, half::2]).sum())
                if going and depth < self.cap and going <= left:
                    gains.append((-self._gain(counts, model, half), model, half, going))
        if not gains:
            return counts
        _, model, half, going = min(gains)
        limit = counts.limit.copy()
        depth = int(limit[model, half])
        limit[model, half::2] = min(2 * depth, self.cap, depth + left // going)
        return replace(counts, limit=limit)

    def _gain(self, counts: Counts, model: int, half: int) -> float:
        """What an attempt at an open item of a half takes off the relative variance, times items squared."""
        depth = int(counts.limit[model, half])
        deeper = min(2 * depth, self.cap)
        n, c, done = (a[model, 1 - half :: 2] for a in (counts.n, counts.c, counts.done))
        if not c.any():
            attempts = int(n.sum()) or depth * len(counts.n[model, half::2])
            mean = -np.expm1(np.log(_UNSEEN) / attempts)
            return float((1 - mean) / mean / (depth * deeper))
        mean = until_rate(c, n, self.passes).mean()
        # An open item has fewer than R passes: where the other half has none left, so many are its upper end.
        rate = np.array([min(0.5, self.passes / depth)]) if done.all() else ((c + 0.5) / (n + 1))[~done]
        return float((rate * (1 - rate)).mean() / mean**2 / (depth * deeper))


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

    The same answers to the same attempts give the same calls and counts, and without a budget the counts do
    not depend on `block`.

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
