"""The test set: truths for measuring error rates, never for tuning. It shares no curve with `tuning`."""

from __future__ import annotations

import numpy as np

from unmirage.theory.shapes import OCTAVE, Floats, gompertz, mixture, place, plus, power, share, sigmoid
from unmirage.theory.truths import Shape, TruthSet

TEST = TruthSet()


@TEST.add("log-linear", "smooth", "The loss falls by the same nats each decade, from 2 to 0.35.")
def _log_linear(grid: Floats) -> Shape:
    return Shape(lambda t: np.log(2.0 - 1.65 * share(grid, t)))


@TEST.add("gentle-power", "smooth", "A power law from 1.7 to 0.5 nats.")
def _gentle(grid: Floats) -> Shape:
    return Shape(power(grid, 1.7, 0.5))


@TEST.add("hyperbola", "smooth", "The loss is one over a straight line in log scale, from 2.2 to 0.3 nats.")
def _hyperbola(grid: Floats) -> Shape:
    return Shape(lambda t: -np.log((1 - share(grid, t)) / 2.2 + share(grid, t) / 0.3))


@TEST.add("three-powers", "smooth", "The sum of three power laws with different exponents.")
def _three(grid: Floats) -> Shape:
    return Shape(mixture(grid, ((1.4, 0.01), (0.9, 0.12), (0.5, 0.4))))


@TEST.add(
    "stretched", "smooth", "The log of the loss falls as the square root of log scale: fast, then slowly."
)
def _stretched(grid: Floats) -> Shape:
    return Shape(lambda t: np.log(2.8) - 1.9 * np.sqrt(0.02 + share(grid, t)))


@TEST.add("gompertz", "smooth", "The log of the loss falls along a Gompertz curve, 10-90% in 2.2 decades.")
def _gompertz(grid: Floats) -> Shape:
    centre = place(grid, 0.45)
    return Shape(lambda t: np.log(2.2) - 1.7 * gompertz(t, centre, 2.2))


@TEST.add("valley", "non-monotone", "The loss follows a cosine: down to 55% of the range, and up again.")
def _valley(grid: Floats) -> Shape:
    return Shape(lambda t: np.log(0.9) + 0.7 * np.cos(np.pi * share(grid, t) / 0.55))


@TEST.add("dent", "narrow", "A curved fall with a bump of 0.25 in the log of the loss, under a decade wide.")
def _dent(grid: Floats) -> Shape:
    centre = place(grid, 0.55)
    return Shape(plus(power(grid, 2.2, 0.45, offset=0.2), lambda t: 0.25 / np.cosh((t - centre) / 0.22) ** 2))


@TEST.add(
    "late-curved",
    "artifact",
    "The loss falls evenly in log scale and the range ends as whole answers get right.",
)
def _late_curved(grid: Floats) -> Shape:
    return Shape(lambda t: np.log(3.6 - 2.9 * share(grid, t)))


@TEST.add(
    "step-on-curve", "step", "A curved fall that loses `size` of the loss at `at`, 10-90% in an octave."
)
def _step(grid: Floats, *, size: float = 0.5, at: float = 0.5) -> Shape:
    centre = place(grid, at)
    fall = np.log(1 - size)
    base = mixture(grid, ((1.2, 0.2), (0.8, 0.5)))
    return Shape(plus(base, lambda t: fall * sigmoid(t, centre, OCTAVE)), breaks_at=centre)


@TEST.add("kink-on-curve", "kink", "A loss with an offset whose excess starts to fall steeply at `at`.")
def _kink(grid: Floats, *, at: float = 0.55) -> Shape:
    corner = place(grid, at)

    def curve(t: Floats) -> Floats:
        u = share(grid, t)
        return np.log(0.25 + 1.8 * np.exp(-0.4 * u - 4.5 * np.maximum(u - at, 0)))

    return Shape(curve, breaks_at=corner)


@TEST.add("plateau-linear", "kink", "No progress up to `at` of the range, then the same nats each decade.")
def _plateau(grid: Floats, *, at: float = 0.45) -> Shape:
    return Shape(
        lambda t: np.log(2.3 - 1.9 * np.maximum(share(grid, t) - at, 0) / (1 - at)), breaks_at=place(grid, at)
    )


@TEST.add(
    "format-failure-curved",
    "format-failure",
    "A curved fall; below `at` of the range no output is an answer.",
)
def _format(grid: Floats, *, at: float = 0.45) -> Shape:
    edge = place(grid, at)
    return Shape(lambda t: np.log(1.3 - 1.05 * share(grid, t)), breaks_at=edge, fails_below=edge)


@TEST.add(
    "jump-first-on-curve", "edge", "A curved fall, and by `size` between the first scale and the second."
)
def _jump_first(grid: Floats, *, size: float = 0.6) -> Shape:
    return _jump(grid, size, float(grid[:2].mean()))


@TEST.add(
    "jump-last-on-curve", "edge", "A curved fall, and by `size` between the last scale but one and the last."
)
def _jump_last(grid: Floats, *, size: float = 0.6) -> Shape:
    return _jump(grid, size, float(grid[-2:].mean()))


def _jump(grid: Floats, size: float, at: float) -> Shape:
    fall = np.log(1 - size)
    return Shape(plus(power(grid, 2.2, 0.9, offset=0.5), lambda t: np.where(t > at, fall, 0.0)), breaks_at=at)


@TEST.add("choice-curved", "smooth", "The margin grows fast, then slowly, from 0.2 to 3 nats.", "choice")
def _choice_curved(grid: Floats) -> Shape:
    return Shape(lambda t: 0.2 + 2.8 * np.sin(np.pi / 2 * share(grid, t)))


@TEST.add("choice-late-curved", "smooth", "The margin grows as the 1.7th power; items differ much.", "choice")
def _choice_late(grid: Floats) -> Shape:
    return Shape(lambda t: 3.0 * share(grid, t) ** 1.7, item_spread=0.7)


@TEST.add(
    "choice-trap",
    "artifact",
    "One wrong choice of each item misleads all models; the margin outgrows it in all items at once.",
    "choice",
)
def _choice_trap(grid: Floats) -> Shape:
    return Shape(lambda t: 3.4 * share(grid, t) ** 1.1, item_spread=0.12, noise=0.25, trap=2.0)


@TEST.add(
    "choice-step-curved",
    "step",
    "A curved margin that jumps at `at`, by what `size` of a loss is worth.",
    "choice",
)
def _choice_step(grid: Floats, *, size: float = 0.5, at: float = 0.5) -> Shape:
    centre = place(grid, at)
    rise = -1.2 * np.log(1 - size)
    return Shape(
        lambda t: 0.9 * np.sqrt(0.05 + share(grid, t)) + rise * sigmoid(t, centre, OCTAVE), breaks_at=centre
    )
