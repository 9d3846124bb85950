"""The tuning set: truths that rules and thresholds may be tuned on. The test set is in `held_out`."""

from __future__ import annotations

import numpy as np

from unmirage.theory.shapes import (
    MARGIN,
    OCTAVE,
    Floats,
    hinge,
    mixture,
    place,
    plus,
    power,
    ramp,
    share,
    sigmoid,
)
from unmirage.theory.truths import Shape, TruthSet

TUNING = TruthSet()


@TUNING.add("power-law", "smooth", "The loss falls as a power of scale, from 3 to 0.2 nats a token.")
def _power(grid: Floats) -> Shape:
    return Shape(power(grid, 3.0, 0.2))


@TUNING.add("power-law-offset", "smooth", "A power law from 3 to 0.6 nats that ends at an offset of 0.4.")
def _offset(grid: Floats) -> Shape:
    return Shape(power(grid, 3.0, 0.6, offset=0.4))


@TUNING.add("mixture", "smooth", "The sum of a steep and a flat power law.")
def _mixture(grid: Floats) -> Shape:
    return Shape(mixture(grid, ((2.4, 0.03), (0.8, 0.25))))


@TUNING.add("slow", "smooth", "A flat power law, from 2 to 1.2 nats.")
def _slow(grid: Floats) -> Shape:
    return Shape(power(grid, 2.0, 1.2))


@TUNING.add("saturated", "smooth", "A steep power law that is at its offset of 0.5 nats by mid-range.")
def _saturated(grid: Floats) -> Shape:
    return Shape(power(grid, 2.5, 0.505, offset=0.5))


@TUNING.add("logistic", "smooth", "The log of the loss falls along a logistic curve, 10-90% in two decades.")
def _logistic(grid: Floats) -> Shape:
    top, fall = np.log(2.5), np.log(2.5 / 0.3)
    return Shape(lambda t: top - fall * sigmoid(t, place(grid, 0.5), 2.0))


@TUNING.add("u-shape", "non-monotone", "The loss falls, turns at 60% of the range, and rises again.")
def _u_shape(grid: Floats) -> Shape:
    return Shape(lambda t: np.log(0.5) + 4.5 * (share(grid, t) - 0.6) ** 2)


@TUNING.add("bump", "narrow", "A power law with a bump of 0.2 in the log of the loss, under a decade wide.")
def _bump(grid: Floats) -> Shape:
    centre = place(grid, 0.5)
    return Shape(plus(power(grid, 2.5, 0.4), lambda t: 0.2 * np.exp(-(((t - centre) / 0.25) ** 2) / 2)))


@TUNING.add(
    "late",
    "artifact",
    "A power law whose last scales are the first to get whole answers right: exact match jumps.",
)
def _late(grid: Floats) -> Shape:
    return Shape(power(grid, 6.0, 0.7))


@TUNING.add(
    "step", "step", "A power law that loses `size` of its loss within an octave, at `at` of the range."
)
def _step(grid: Floats, *, size: float = 0.5, at: float = 0.5) -> Shape:
    centre = place(grid, at)
    fall = np.log(1 - size)
    return Shape(plus(power(grid, 2.5, 0.8), lambda t: fall * ramp(t, centre, OCTAVE)), breaks_at=centre)


@TUNING.add("kink", "kink", "A flat power law that turns into a steep one at `at` of the range.")
def _kink(grid: Floats, *, at: float = 0.5) -> Shape:
    line = hinge(grid, at, -0.5, -4.0)
    return Shape(lambda t: np.log(2.0) + line(t), breaks_at=place(grid, at))


@TUNING.add("plateau", "kink", "No progress up to `at` of the range, then a power law.")
def _plateau(grid: Floats, *, at: float = 0.5) -> Shape:
    line = hinge(grid, at, 0.0, -4.0)
    return Shape(lambda t: np.log(2.0) + line(t), breaks_at=place(grid, at))


@TUNING.add(
    "format-failure", "format-failure", "A power law; below `at` of the range the output is not an answer."
)
def _format(grid: Floats, *, at: float = 0.5) -> Shape:
    edge = place(grid, at)
    return Shape(power(grid, 1.5, 0.2), breaks_at=edge, fails_below=edge)


@TUNING.add("jump-first", "edge", "The loss falls by `size` between the first scale and the second.")
def _jump_first(grid: Floats, *, size: float = 0.5) -> Shape:
    return _jump(grid, size, float(grid[:2].mean()))


@TUNING.add("jump-last", "edge", "The loss falls by `size` between the last scale but one and the last.")
def _jump_last(grid: Floats, *, size: float = 0.5) -> Shape:
    return _jump(grid, size, float(grid[-2:].mean()))


def _jump(grid: Floats, size: float, at: float) -> Shape:
    fall = np.log(1 - size)
    return Shape(plus(power(grid, 2.5, 0.8), lambda t: np.where(t > at, fall, 0.0)), breaks_at=at)


@TUNING.add(
    "choice-smooth", "smooth", "The margin of the right choice grows evenly from 0 to 3.5 nats.", "choice"
)
def _choice_smooth(grid: Floats) -> Shape:
    return Shape(lambda t: MARGIN * np.log(3.0 / 0.2) * share(grid, t))


@TUNING.add(
    "choice-late",
    "smooth",
    "The margin grows ever faster; items differ, so accuracy does not jump.",
    "choice",
)
def _choice_late(grid: Floats) -> Shape:
    return Shape(lambda t: 2.5 * share(grid, t) ** 2)


@TUNING.add(
    "choice-artifact",
    "artifact",
    "All models prefer the first choice; the margin grows evenly and outgrows that in all items at once.",
    "choice",
)
def _choice_artifact(grid: Floats) -> Shape:
    return Shape(lambda t: 4.0 * share(grid, t), item_spread=0.1, noise=0.3, first_bias=2.4)


@TUNING.add(
    "choice-step",
    "step",
    "The margin grows evenly, and by what `size` of a loss is worth within an octave.",
    "choice",
)
def _choice_step(grid: Floats, *, size: float = 0.5, at: float = 0.5) -> Shape:
    centre = place(grid, at)
    rise = -MARGIN * np.log(1 - size)
    return Shape(
        lambda t: 0.3 + MARGIN * np.log(2.0) * share(grid, t) + rise * ramp(t, centre, OCTAVE),
        breaks_at=centre,
    )
