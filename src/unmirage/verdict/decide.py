"""The decision tree: from the headline of a task to a verdict, its reasons, and what would settle it.

Steps 0, 1, 2, 4 and 5 ask the headline alone; 3 and 6 to 9 what its companion says, which is in `weighing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from unmirage.counts import together
from unmirage.verdict.curve import Curve, by_scale
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.outcome import (
    CANNOT_TELL,
    INSUFFICIENT,
    RESOLUTION_LIMITED,
    SMOOTH,
    Verdict,
)
from unmirage.verdict.points import Floats, Point
from unmirage.verdict.settling import ground, needed_text, resolving
from unmirage.verdict.sharpness import Sharpness, sharpness
from unmirage.verdict.thresholds import Thresholds
from unmirage.verdict.weighing import breaks, robust, weigh


def decide(
    curve: Curve, thresholds: Thresholds | None = None, evidence: Evidence | str | None = None
) -> Verdict:
    """Judge a curve. The steps are numbered as in the documentation of the tree.

    Parameters
    ----------
    curve: the headline.
    thresholds: what the tree compares with; its own where None.
    evidence: what the companion says; or why it cannot be tested, in words; None without a companion.
    """
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
            [f"no scale can be told from {ground(curve)} with these {curve.unit}, so no jump can be judged"],
            resolving(curve, unresolved, limits),
        )
    # 2. No rise to speak of, or a curve that goes both ways.
    needed = _needed_rise(curve, limits, float(np.hypot(errors[0], errors[-1])))
    leading = _leading_unresolved(curve)
    up = means if curve.higher_is_better else -means
    fall = _largest(-up, errors, curve, limits)
    if fall is not None and (shape.rise >= needed or _largest(up, errors, curve, limits) is not None):
        return _both_ways(curve, shape, fall, means)
    if shape.rise < needed:
        return _no_rise(curve, shape, needed, leading, limits, fall, means)
    how = _how(curve, shape, scales, limits)
    narrow = is_sharp(curve, shape, scales, limits)
    sharp = narrow and _flat_at_first(shape, scales)
    # 3. Does the companion itself break? The loss of a training run plunges for many reasons, so there the
    # headline must jump as well.
    if isinstance(evidence, Evidence) and breaks(evidence) and (sharp or not curve.training):
        return robust(curve, shape, evidence)
    # 4. Is the headline sharp at all?
    if not sharp:
        return Verdict(SMOOTH, shape, [_not_sharp(curve, narrow=narrow), how])
    # 5. Without a continuous metric only the resolution can be blamed.
    if curve.companion is None:
        if _scales(leading) >= 2:
            return Verdict(
                RESOLUTION_LIMITED,
                shape,
                [
                    f"the {_scales(leading)} smallest scales cannot be told from {ground(curve)} with these "
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
    if not isinstance(evidence, Evidence):
        why = f"{curve.headline} looks sharp; whether {curve.companion} breaks cannot be tested: {evidence}"
        return Verdict(CANNOT_TELL, shape, [why, how], resolving(curve, leading, limits))
    # 6 to 9. Is the jump what the metric makes of a smooth companion?
    return weigh(curve, shape, evidence, how, limits)


def is_sharp(curve: Curve, shape: Sharpness, scales: Floats, limits: Thresholds) -> bool:
    """Whether 10% to 90% of the rise take little of the log range, or the rise starts late in it.

    Along a training run, which begins anywhere, only whether they take less than three quarters of the
    quickest rise that is smooth: what .45 of the range is on the usual grid of sizes.
    """
    if not curve.training:
        return shape.width <= limits.sharp_width or shape.t10 > limits.late_start
    t = np.log10(scales)
    span = float(t[-1] - t[0])
    # The gaps where it rises count: a run may be logged sparsely elsewhere.
    inside = (t[1:] >= t[0] + shape.t10 * span - 1e-9) & (t[:-1] <= t[0] + shape.t90 * span + 1e-9)
    least = max(0.1 * span, 2.5 * float(np.diff(t)[inside].max()))
    return shape.width * span <= limits.sharp_training * least


def looks_sharp(curve: Curve, thresholds: Thresholds | None = None) -> tuple[Sharpness | None, bool]:
    """(description of a curve, whether the tree calls it sharp): steps 0, 2 and 4 without the verdict.

    A curve of fewer scales than `min_scales`, one that does not rise by more than chance, and one that rises
    and falls are not sharp. The description is None for a single scale.
    """
    limits = thresholds or Thresholds()
    scales, means, errors = by_scale(curve)
    if len(scales) < 2:
        return None, False
    shape = sharpness(scales, means, higher_is_better=curve.higher_is_better)
    up = means if curve.higher_is_better else -means
    rises = shape.rise >= _needed_rise(curve, limits, float(np.hypot(errors[0], errors[-1])))
    if len(scales) < limits.min_scales or not rises or _largest(-up, errors, curve, limits) is not None:
        return shape, False
    return shape, is_sharp(curve, shape, scales, limits) and _flat_at_first(shape, scales)


def _flat_at_first(shape: Sharpness, scales: Floats) -> bool:
    """Whether less than a tenth of the rise is made at the second scale."""
    first = (np.log10(scales[1]) - np.log10(scales[0])) / (np.log10(scales[-1]) - np.log10(scales[0]))
    return bool(shape.t10 >= first - 1e-9)


def _needed_rise(curve: Curve, limits: Thresholds, error: float) -> float:
    """The rise between two scales that is more than chance, `error` being the error of the difference."""
    return max(limits.min_rise_errors * error, limits.min_rise if curve.bounded else 0.0)


def _largest(up: Floats, errors: Floats, curve: Curve, limits: Thresholds) -> tuple[int, int] | None:
    """(i, j), i < j, of the largest rise of `up` from one scale to a later one that is more than chance.

    Nor is it the scatter of models: it is `max_fall` of the range at least.
    """
    best: tuple[float, tuple[int, int]] | None = None
    for i, j in combinations(range(len(up)), 2):
        rise, error = float(up[j] - up[i]), float(np.hypot(errors[i], errors[j]))
        enough = max(_needed_rise(curve, limits, error), limits.max_fall * float(np.ptp(up)))
        if rise > 0 and rise >= enough and (best is None or rise > best[0]):
            best = (rise, (i, j))
    return None if best is None else best[1]


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


def _both_ways(curve: Curve, shape: Sharpness, fall: tuple[int, int], means: Floats) -> Verdict:
    first, last = (together([p.model for p in curve.groups()[k]]) for k in fall)
    return Verdict(
        CANNOT_TELL,
        shape,
        [
            f"{curve.headline} rises and falls: it gets worse from {means[fall[0]]:.3g} at {first} to "
            f"{means[fall[1]]:.3g} at {last}, which no model of a rise describes"
            + ("" if curve.errors_known else "; unless that is the error of the values, which is not known")
        ],
        [f"more models or seeds near {first} and {last}, to tell the scatter of models from a real fall"],
    )


def _no_rise(
    curve: Curve,
    shape: Sharpness,
    needed: float,
    leading: list[Point],
    limits: Thresholds,
    fall: tuple[int, int] | None,
    means: Floats,
) -> Verdict:
    rise = f"the monotone curve rises by {shape.rise:.3g}, below the {needed:.3g} that a jump needs"
    if not curve.errors_known and _scales(leading) < 2:
        what = "gets worse with scale" if fall is not None else "shows no jump"
        return Verdict(
            CANNOT_TELL,
            shape,
            [
                f"{curve.headline} {what}, but nothing is known of the errors of its values, so nobody can "
                "say how large a rise would have been seen",
                rise,
            ],
        )
    if fall is not None:
        return Verdict(
            SMOOTH,
            shape,
            [
                f"no jump in {curve.headline}: it gets worse with scale, from {means[fall[0]]:.3g} to "
                f"{means[fall[1]]:.3g}"
            ],
        )
    if _scales(leading) >= 2:
        return Verdict(
            RESOLUTION_LIMITED,
            shape,
            [
                f"the {_scales(leading)} smallest scales cannot be told from {ground(curve)} with these "
                f"{curve.unit}, so a rise there would not be seen",
                rise,
            ],
            resolving(curve, leading, limits),
        )
    if curve.bounded and needed > limits.seen_rise:
        return _unseen(curve, shape, needed, limits)
    return Verdict(SMOOTH, shape, [f"no jump in {curve.headline}: {rise}"])


def _unseen(curve: Curve, shape: Sharpness, needed: float, limits: Thresholds) -> Verdict:
    """No rise was seen, and none below `needed` could have been."""
    more = (needed / limits.seen_rise) ** 2
    sizes = [p.n for p in curve.points if p.n is not None]
    wanted = f"{needed_text(curve, min(sizes) * more)} (there are {min(sizes):,}), or " if sizes else ""
    return Verdict(
        CANNOT_TELL,
        shape,
        [
            f"no rise of {curve.headline} is seen, and one of less than {min(needed, 1):.2g} could not be "
            "seen with these errors"
        ],
        [f"{wanted}{int(np.ceil(more))} times as many models a scale, to see a rise of {limits.seen_rise:g}"],
    )


def _how(curve: Curve, shape: Sharpness, scales: Floats, limits: Thresholds) -> str:
    if curve.training:
        span = float(np.log10(scales[-1] / scales[0]))
        return f"10% to 90% of the rise of {shape.rise:.3g} takes {shape.width * span:.2g} decades of the run"
    return (
        f"10% to 90% of the rise of {shape.rise:.3g} takes {shape.width:.0%} of the log range (sharp is "
        f"{limits.sharp_width:.0%} or less) and starts at {shape.t10:.0%} of it (late is after "
        f"{limits.late_start:.0%})"
    )


def _not_sharp(curve: Curve, *, narrow: bool) -> str:
    if narrow:
        return f"{curve.headline} improves from the first scale on, not out of a flat start"
    return f"{curve.headline} improves gradually over the scales"


def _counted(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"
