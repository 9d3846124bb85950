"""What the decision tree sees of a task: the headline at each scale, and how well items resolve it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage import statistics

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """The headline of one model.

    Attributes
    ----------
    model, axis_value: which model, and its scale.
    mean, stderr: of the headline; stderr NaN where scores do not vary.
    n: items (attempts for counts), or None where the log does not say.
    successes: number of successes, or None for a headline that is no rate.
    chance: its level without skill, or None.
    p_above_chance: one-sided exact p-value, or None.
    floor: the smallest rate that n items tell from zero or from chance, or None.
    resolved: whether it is told from zero or from chance; None where that cannot be asked.
    n_needed: items (or attempts) that would resolve it at the rate that it shows, or None.
    worth: how many independent items (or attempts) the n are worth; None where n is, or is not known.
    """

    model: str
    axis_value: float
    mean: float
    stderr: float
    n: int | None = None
    successes: float | None = None
    chance: float | None = None
    p_above_chance: float | None = None
    floor: float | None = None
    resolved: bool | None = None
    n_needed: int | None = None
    worth: float | None = None

    def as_dict(self) -> dict[str, object]:
        """The entry of `resolution` in audit.json."""
        return {
            "model": self.model,
            "axis_value": self.axis_value,
            "n": self.n,
            "successes": self.successes,
            "chance": self.chance,
            "p_above_chance": self.p_above_chance,
            "floor": self.floor,
            "resolved": self.resolved,
            "n_needed": self.n_needed,
        }


def rate_point(
    model: str,
    axis_value: float,
    mean: float,
    stderr: float,
    n: int,
    chance: Floats | float,
    *,
    successes: float | None = None,
    effective_n: float | None = None,
    scales: int,
    alpha: float,
    min_successes: int,
) -> Point:
    """A point of a 0/1 headline.

    Parameters
    ----------
    mean, stderr: of the headline, the mean over items.
    n: items; attempts in all for counts.
    chance: a number, or (n,) one an item.
    successes: in [0, n], as reported; mean · n when None.
    effective_n: how many independent items the n are worth, and then mean · n of them succeed; None for
        independent 0/1 scores.
    scales: number of scales on the curve, for the correction of `alpha`.
    """
    count = float(round(mean * n)) if effective_n is None else min(mean, 1.0) * n
    told, p = statistics.resolved(count, n, chance, alpha, scales, min_successes, effective_n=effective_n)
    level = float(np.mean(chance))
    units = n if effective_n is None else max(int(effective_n), 1)
    against = alpha / scales if level > 0 else alpha
    floor = float(statistics.floor(n if effective_n is None else max(effective_n, 1.0), level, against))
    needed = needed_items(count * units / n, units, level, alpha / scales, min_successes)
    return Point(
        model,
        axis_value,
        mean,
        stderr,
        n,
        count if successes is None else successes,
        level,
        p,
        floor if np.isfinite(floor) else None,
        told,
        None if needed is None else int(np.ceil(needed * n / units)),
        effective_n,
    )


def needed_items(successes: float, n: int, chance: float, alpha: float, min_successes: int) -> int | None:
    """Items that would resolve the rate that is seen.

    With no success in n items the rate is below 1 - .5^(1/n) with even odds; that rate is taken, so the
    number is the least to hope for. None at or below chance, where no number of items is known to do.
    """
    rate = successes / n if successes > 0 else (0.0 if chance > 0 else 1 - 0.5 ** (1 / n))
    return statistics.items_needed(rate, chance, alpha, 0.8, min_successes)
