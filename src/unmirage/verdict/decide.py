"""The decision tree: from the headline of a task to a verdict with its reasons, and what would settle the rest.

This form of the tree knows `insufficient`, `resolution-limited`, `smooth` and `cannot-tell`. Whether a sharp headline hides a
break or was made by the metric needs the break test on the companion metric; until it is there such curves are `cannot-tell`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from unmirage.families import size_label
from unmirage.verdict.points import Floats, Point
from unmirage.verdict.sharpness import Sharpness, sharpness
from unmirage.verdict.thresholds import Thresholds

INSUFFICIENT = "insufficient"
RESOLUTION_LIMITED = "resolution-limited"
SMOOTH = "smooth"
CANNOT_TELL = "cannot-tell"
VERDICTS = (SMOOTH, "metric-artifact", RESOLUTION_LIMITED, "robust-break", CANNOT_TELL, INSUFFICIENT)


@dataclass(frozen=True)
class Curve:
    """The headline of one task of one family, ready to be judged.

    Attributes
    ----------
    points: one a model, in order of scale.
    headline: its name; `companion` the continuous metric beside it, or None.
    higher_is_better: direction of the headline.
    bounded: whether the headline lies in [0, 1], so that `min_rise` means points.
    unit: what is counted: "items" or "attempts".
    """

    points: tuple[Point, ...]
    headline: str
    companion: str | None
    higher_is_better: bool
    bounded: bool
    unit: str = "items"


@dataclass(frozen=True)
class Verdict:
    """What the evidence allows.

    Attributes
    ----------
    verdict: one of `VERDICTS`.
    sharpness: descriptions of the headline curve, or None with fewer than two scales.
    reasons: why, most important first.
    would_settle: data that would settle the question, computed from these data.
    """

    verdict: str
    sharpness: Sharpness | None
    reasons: list[str] = field(default_factory=list)
    would_settle: list[str] = field(default_factory=list)


def decide(curve: Curve, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a curve. The steps are numbered as in the documentation of the tree."""
    limits = thresholds or Thresholds()
    scales, means, errors = by_scale(curve.points)
    shape = sharpness(scales, means, higher_is_better=curve.higher_is_better) if len(scales) > 1 else None
    # 0. Too few scales for any shape.
    if shape is None or len(scales) < limits.min_scales:
        return Verdict(
            INSUFFICIENT,
            shape,
            [f"{len(scales)} scale{'s' if len(scales) != 1 else ''}; the shape of a curve needs {limits.min_scales} at least"],
            [f"results of {limits.min_scales - len(scales)} more scales of the family"],
        )
    # 1. Nothing is told from zero or from chance.
    unresolved = _unresolved(curve.points)
    if unresolved and len(unresolved) == sum(p.resolved is not None for p in curve.points):
        return Verdict(
            RESOLUTION_LIMITED,
            shape,
            [f"no scale can be told from {_ground(curve)} with these {curve.unit}, so no jump can be judged"],
            resolving(curve, unresolved, limits),
        )
    # 2. No rise to speak of.
    rise_error = float(np.hypot(errors[0], errors[-1]))
    needed = max(limits.min_rise_errors * rise_error, limits.min_rise if curve.bounded else 0.0)
    leading = _leading_unresolved(curve.points)
    if shape.rise < needed:
        return _no_rise(curve, shape, needed, leading, limits)
    # 3. (the break test on the companion metric belongs here)
    # 4. Is the headline sharp at all?
    first = (np.log10(scales[1]) - np.log10(scales[0])) / (np.log10(scales[-1]) - np.log10(scales[0]))
    sharp = (shape.width <= limits.sharp_width or shape.t10 > limits.late_start) and shape.t10 >= first - 1e-9
    if not sharp:
        return Verdict(SMOOTH, shape, [_width(curve, shape, limits)])
    reasons = [_width(curve, shape, limits)]
    # 5. Without a continuous metric only the resolution can be blamed.
    if curve.companion is None:
        if len(leading) >= 2:
            return Verdict(
                RESOLUTION_LIMITED,
                shape,
                [
                    f"the {len(leading)} smallest scales cannot be told from {_ground(curve)} with these {curve.unit}, "
                    "so the rise may have begun below what can be seen",
                    *reasons,
                ],
                resolving(curve, leading, limits),
            )
        return Verdict(
            CANNOT_TELL,
            shape,
            [*reasons, "there is no continuous metric of the same responses to hold beside it"],
            ["log-probabilities of the targets or of the choices, on the same items"],
        )
    return Verdict(
        CANNOT_TELL,
        shape,
        [*reasons, f"whether {curve.companion} breaks too needs the break test, which this version does not have"],
        [f"a break test of {curve.companion}, which is in these data", *resolving(curve, leading, limits)],
    )


def by_scale(points: Sequence[Point]) -> tuple[Floats, Floats, Floats]:
    """(scales, means, standard errors) with replicates at one scale averaged; unknown errors of rates are estimated.

    A rate of 0 or 1 has no standard error of its own; Agresti and Coull's (two successes and two failures added) stands in.
    """
    values = sorted({p.axis_value for p in points})
    means, errors = [], []
    for value in values:
        group = [p for p in points if p.axis_value == value]
        means.append(float(np.mean([p.mean for p in group])))
        squares = [_variance(p) for p in group]
        errors.append(float(np.sqrt(sum(squares))) / len(group))
    return np.array(values), np.array(means), np.array(errors)


def _variance(point: Point) -> float:
    if np.isfinite(point.stderr):
        return point.stderr**2
    if point.n is None or point.successes is None:
        return 0.0
    rate = (point.successes + 2) / (point.n + 4)
    return rate * (1 - rate) / (point.n + 4)


def _unresolved(points: Sequence[Point]) -> list[Point]:
    return [p for p in points if p.resolved is False]


def _leading_unresolved(points: Sequence[Point]) -> list[Point]:
    """The unresolved models at the smallest scales, up to the first scale that has a resolved one."""
    leading: list[Point] = []
    for value in sorted({p.axis_value for p in points}):
        group = [p for p in points if p.axis_value == value]
        if any(p.resolved is not False for p in group):
            break
        leading += group
    return leading


def _no_rise(
    curve: Curve, shape: Sharpness, needed: float, leading: list[Point], limits: Thresholds
) -> Verdict:
    rise = f"the monotone curve rises by {shape.rise:.3g}, below the {needed:.3g} that a jump needs"
    if len({p.axis_value for p in leading}) >= 2:
        return Verdict(
            RESOLUTION_LIMITED,
            shape,
            [
                f"the {len(leading)} smallest scales cannot be told from {_ground(curve)} with these {curve.unit}, "
                "so a rise there would not be seen",
                rise,
            ],
            resolving(curve, leading, limits),
        )
    return Verdict(SMOOTH, shape, [f"no jump in {curve.headline}: {rise}"])


def _width(curve: Curve, shape: Sharpness, limits: Thresholds) -> str:
    narrow = shape.width <= limits.sharp_width
    late = shape.t10 > limits.late_start
    looks = "looks sharp" if narrow or late else "rises gradually"
    return (
        f"{curve.headline} {looks}: 10% to 90% of its rise of {shape.rise:.3g} takes {shape.width:.0%} of the log range "
        f"(sharp is {limits.sharp_width:.0%} or less), from {shape.t10:.0%} on (late is after {limits.late_start:.0%})"
    )


def _ground(curve: Curve) -> str:
    return "chance" if any(p.chance for p in curve.points) else "zero"


def resolving(curve: Curve, points: Sequence[Point], limits: Thresholds) -> list[str]:
    """How many items (or attempts) would tell the given models from zero or from chance."""
    if not points:
        return []
    known = [p for p in points if p.n_needed is not None and p.n is not None and p.successes]
    lines = []
    if known:
        most = max(known, key=lambda p: p.n_needed or 0)
        lines.append(
            f"{most.n_needed:,} {curve.unit} (there are {most.n:,}) would resolve {most.model} ({size_label(most.axis_value)}) "
            f"at the rate that it shows, {_rate(most):.2g}"
        )
    silent = [p for p in points if not p.successes and not p.chance and p.n]
    if silent:
        most = max(silent, key=lambda p: p.n or 0)
        pooled = _pooled_rate(curve.points, points)
        names = f"{len(silent)} models without a success" if len(silent) > 1 else f"{silent[0].model}, without a success,"
        needed = f"{most.n_needed:,} {curve.unit}" if most.n_needed else f"more {curve.unit}"
        lines.append(
            f"{names} {'need' if len(silent) > 1 else 'needs'} {needed} at least, for a rate as high as {most.n} "
            f"{curve.unit} hide as often as not" + (f"; {pooled}" if pooled else "")
        )
    at_chance = [p for p in points if p.chance and p.n_needed is None]
    if at_chance and not known:
        n = max(p.n or 0 for p in at_chance)
        floor = max((p.floor or 0.0) for p in at_chance)
        lines.append(
            f"{n:,} {curve.unit} show a score above {floor:.3g}; models at chance need more {curve.unit}, or a continuous "
            "metric that moves below chance"
        )
    return lines


def _rate(point: Point) -> float:
    return (point.successes or 0.0) / (point.n or 1)


def _pooled_rate(everyone: Sequence[Point], points: Sequence[Point]) -> str:
    """The rate of the unresolved scales together, and three successes at a tenth of it."""
    n = sum(p.n or 0 for p in points)
    successes = sum(p.successes or 0.0 for p in points)
    if not successes:
        return ""
    rate = successes / n
    return (
        f"together the unresolved scales show {successes:g} in {n:,}, a rate of {rate:.2g}: at that rate {int(np.ceil(3 / rate)):,} "
        f"do for each, and at a tenth of it {int(np.ceil(30 / rate)):,}"
    )
