"""The decision tree: from the headline of a task to a verdict, its reasons, and what would settle it.

This form of the tree knows `insufficient`, `resolution-limited`, `smooth` and `cannot-tell`. Whether a sharp
headline hides a break or was made by the metric needs the break test on the companion metric; until it is
there such curves are `cannot-tell`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

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
    points: one a model, in any order.
    headline: its name; `companion` the continuous metric beside it, or None.
    higher_is_better: direction of the headline.
    bounded: whether the headline lies in [0, 1], so that `min_rise` means points.
    unit: what is counted: "items" or "attempts".
    problems: how many problems the attempts are made at, or None where items are counted.
    falling: whether scale grows as the axis value falls, as a loss does.
    """

    points: tuple[Point, ...]
    headline: str
    companion: str | None
    higher_is_better: bool
    bounded: bool
    unit: str = "items"
    problems: int | None = None
    falling: bool = False

    def groups(self) -> list[list[Point]]:
        """The points of each scale, from the smallest model to the largest; several are replicates."""
        values = sorted({point.axis_value for point in self.points}, reverse=self.falling)
        return [[point for point in self.points if point.axis_value == value] for value in values]


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
    scales, means, errors = by_scale(curve)
    shape = sharpness(scales, means, higher_is_better=curve.higher_is_better) if len(scales) > 1 else None
    # 0. Too few scales for any shape.
    if shape is None or len(scales) < limits.min_scales:
        return Verdict(
            INSUFFICIENT,
            shape,
            [f"{_counted(len(scales), 'scale')}; the shape of a curve needs {limits.min_scales} at least"],
            [f"results of {_counted(limits.min_scales - len(scales), 'more scale')} of the family"],
        )
    # 1. Nothing is told from zero or from chance.
    unresolved = _unresolved(curve.points)
    if len(unresolved) == len(curve.points):
        return Verdict(
            RESOLUTION_LIMITED,
            shape,
            [f"no scale can be told from {_ground(curve)} with these {curve.unit}, so no jump can be judged"],
            resolving(curve, unresolved, limits),
        )
    # 2. No rise to speak of.
    rise_error = float(np.hypot(errors[0], errors[-1]))
    needed = max(limits.min_rise_errors * rise_error, limits.min_rise if curve.bounded else 0.0)
    leading = _leading_unresolved(curve)
    if shape.rise < needed:
        return _no_rise(curve, shape, needed, leading, limits)
    # 3. (the break test on the companion metric belongs here)
    # 4. Is the headline sharp at all?
    first = (np.log10(scales[1]) - np.log10(scales[0])) / (np.log10(scales[-1]) - np.log10(scales[0]))
    sharp = (shape.width <= limits.sharp_width or shape.t10 > limits.late_start) and shape.t10 >= first - 1e-9
    how = _how(shape, limits)
    if not sharp:
        return Verdict(SMOOTH, shape, [_not_sharp(curve, shape, first - 1e-9, limits), how])
    # 5. Without a continuous metric only the resolution can be blamed.
    if curve.companion is None:
        if _scales(leading) >= 2:
            return Verdict(
                RESOLUTION_LIMITED,
                shape,
                [
                    f"the {_scales(leading)} smallest scales cannot be told from {_ground(curve)} with these "
                    f"{curve.unit}, so the sharp rise of {curve.headline} may have begun below what can be "
                    "seen",
                    how,
                ],
                resolving(curve, leading, limits),
            )
        return Verdict(
            CANNOT_TELL,
            shape,
            [
                f"{curve.headline} looks sharp, and there is no continuous metric of the same responses to "
                "hold beside it",
                how,
            ],
            ["log-probabilities of the targets or of the choices, on the same items"],
        )
    return Verdict(
        CANNOT_TELL,
        shape,
        [
            f"{curve.headline} looks sharp; whether {curve.companion} breaks too needs the break test, "
            "which this version does not have",
            how,
        ],
        [f"a break test of {curve.companion}, which is in these data", *resolving(curve, leading, limits)],
    )


def by_scale(curve: Curve) -> tuple[Floats, Floats, Floats]:
    """(scales, means, standard errors) from small to large models, with replicates averaged.

    Scales increase: on a falling axis they are the reciprocals, which keeps distances on the log axis. A
    rate of 0 or 1 has no standard error of its own; Agresti and Coull's (two successes and two failures
    added) stands in.
    """
    groups = curve.groups()
    values = np.array([group[0].axis_value for group in groups])
    means = [float(np.mean([point.mean for point in group])) for group in groups]
    errors = [float(np.sqrt(sum(_variance(point) for point in group))) / len(group) for group in groups]
    return 1 / values if curve.falling else values, np.array(means), np.array(errors)


def _variance(point: Point) -> float:
    if np.isfinite(point.stderr):
        return point.stderr**2
    if point.n is None or point.successes is None:
        return 0.0
    rate = (point.successes + 2) / (point.n + 4)
    return rate * (1 - rate) / (point.n + 4)


def _unresolved(points: Sequence[Point]) -> list[Point]:
    return [p for p in points if p.resolved is False]


def _leading_unresolved(curve: Curve) -> list[Point]:
    """The unresolved models at the smallest scales, up to the first scale that has a resolved one."""
    leading: list[Point] = []
    for group in curve.groups():
        if any(point.resolved is not False for point in group):
            break
        leading += group
    return leading


def _scales(points: Sequence[Point]) -> int:
    return len({point.axis_value for point in points})


def _no_rise(
    curve: Curve, shape: Sharpness, needed: float, leading: list[Point], limits: Thresholds
) -> Verdict:
    rise = f"the monotone curve rises by {shape.rise:.3g}, below the {needed:.3g} that a jump needs"
    if _scales(leading) >= 2:
        return Verdict(
            RESOLUTION_LIMITED,
            shape,
            [
                f"the {_scales(leading)} smallest scales cannot be told from {_ground(curve)} with these "
                f"{curve.unit}, so a rise there would not be seen",
                rise,
            ],
            resolving(curve, leading, limits),
        )
    return Verdict(SMOOTH, shape, [f"no jump in {curve.headline}: {rise}"])


def _how(shape: Sharpness, limits: Thresholds) -> str:
    return (
        f"10% to 90% of the rise of {shape.rise:.3g} takes {shape.width:.0%} of the log range (sharp is "
        f"{limits.sharp_width:.0%} or less) and starts at {shape.t10:.0%} of it (late is after "
        f"{limits.late_start:.0%})"
    )


def _not_sharp(curve: Curve, shape: Sharpness, first: float, limits: Thresholds) -> str:
    if shape.width > limits.sharp_width and shape.t10 <= limits.late_start:
        return f"{curve.headline} rises gradually over the scales"
    return f"{curve.headline} rises from the first scale on, not out of a flat start"


def _counted(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _ground(curve: Curve) -> str:
    return "chance" if any(p.chance for p in curve.points) else "zero"


def resolving(curve: Curve, points: Sequence[Point], limits: Thresholds) -> list[str]:
    """How many items (or attempts) would tell the given models from zero or from chance."""
    counted = [p for p in points if p.n is not None and p.successes is not None]
    if not counted:
        return []
    if any(p.chance for p in counted):
        return [_above_chance(curve, counted)]
    n, successes = sum(p.n or 0 for p in counted), sum(p.successes or 0.0 for p in counted)
    alone = len(counted) == 1
    who = counted[0].model if alone else f"the {len(counted)} unresolved models together"
    many = f"{successes:g} success{'' if successes == 1 else 'es'}"
    seen = f"{who} {'shows' if alone else 'show'} {many} in {n:,} {curve.unit}"
    each = "" if alone else " for each"
    wanted = f"to expect {limits.min_successes} successes takes"
    if not successes:
        bound = 1 - 0.05 ** (1 / n)
        needed = _needed(curve, limits.min_successes / bound)
        return [f"{seen}, so the rate is below {bound:.2g} (95%): {wanted} more than {needed}{each}"]
    rate = successes / n
    here, lower = (_needed(curve, limits.min_successes / r) for r in (rate, rate / 10))
    return [
        f"{seen}, a rate of {rate:.2g}: {wanted} {here}{each} at that rate, {lower} at a tenth of it "
        f"(now {max(p.n or 0 for p in counted):,})"
    ]


def _needed(curve: Curve, amount: float) -> str:
    """ "768 attempts (6 a problem)", rounded up."""
    whole = int(np.ceil(amount * (1 - 1e-12)))
    each = f" ({int(np.ceil(whole / curve.problems)):,} a problem)" if curve.problems else ""
    return f"{whole:,} {curve.unit}{each}"


def _above_chance(curve: Curve, points: Sequence[Point]) -> str:
    known = [p for p in points if p.n_needed is not None]
    if known:
        most = max(known, key=lambda p: p.n_needed or 0)
        return (
            f"{most.n_needed:,} {curve.unit} (there are {most.n:,}) would tell {most.model} from chance, if "
            f"its score is the {most.mean:.3g} that it shows (80% power)"
        )
    n, floor = max(p.n or 0 for p in points), max(p.floor or 0.0 for p in points)
    return (
        f"{n:,} {curve.unit} tell a score above {floor:.3g} from chance; models at or below chance need a "
        "continuous metric that moves there (log-probabilities of the choices)"
    )
