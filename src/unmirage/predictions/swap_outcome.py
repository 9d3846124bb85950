"""What a swap of metrics shows: from the curve and the break test of each metric to an outcome in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.predictions.prediction import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, Prediction
from unmirage.response import Response
from unmirage.verdict.curve import Curve, by_scale
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.sharpness import Sharpness
from unmirage.verdict.thresholds import Thresholds
from unmirage.verdict.weighing import breaks, suspected

SAYS = "On the same outputs a linear or continuous metric shows smooth progress where a nonlinear one jumps."
TEST = (
    "Sharpness of each metric by the rule of the verdicts, a break test of its own curve, and the power to "
    "have seen a step in the jump of the nonlinear one."
)

SMOOTH, BREAKS, OPEN = "smooth", "breaks", "open"

NUMBERS = {
    "metric": pl.String,
    "role": pl.String,  # "nonlinear" or "linear"
    "sharp": pl.Boolean,  # by the rule of the verdicts
    "width": pl.Float64,
    "t10": pl.Float64,
    "t90": pl.Float64,
    "emergence_score": pl.Float64,
    "p": pl.Float64,  # of a break; null where it was not tested
    "p_adjusted": pl.Float64,
    "breaks": pl.Boolean,
    "step": pl.Float64,
    "step_share": pl.Float64,
    "step_from": pl.Float64,
    "step_to": pl.Float64,
    "power": pl.Float64,  # to see a step in the jump of the nonlinear metric
    "said": pl.String,
}


@dataclass(frozen=True)
class Swapped:
    """One metric of a swap.

    Attributes
    ----------
    name: of the metric. curve: its means, or None where it has none.
    shape, sharp: its sharpness, and whether the tree calls it sharp.
    response: what a break is looked for in, or why there is none.
    evidence: the break test, or None where it was not made.
    """

    name: str
    curve: Curve | None
    shape: Sharpness | None
    sharp: bool
    response: Response | str
    evidence: Evidence | str | None = None


def jumps(head: Swapped, evidence: Evidence | str | None) -> bool:
    """Whether a nonlinear metric jumps: it is sharp by the rule of the verdicts, or rises and breaks."""
    rises = head.shape is not None and head.shape.rise > 0
    return head.sharp or (rises and isinstance(evidence, Evidence) and breaks(evidence))


def weighed(family: str, task: str, said: Sequence[Swapped], limits: Thresholds) -> Prediction:
    """The outcome. `said` is the nonlinear metric, then the others, with p-values that are adjusted."""
    head, rest = said[0], said[1:]
    broken = isinstance(head.evidence, Evidence) and breaks(head.evidence)
    jump = jumps(head, head.evidence)
    told = [_told(one, head, limits) if jump else (OPEN, "not asked", np.nan) for one in rest]
    numbers = pl.DataFrame(
        [
            _numbers(head, "nonlinear", _looks(head, broken), np.nan),
            *(_numbers(one, "linear", word, seen) for one, (_, word, seen) in zip(rest, told, strict=True)),
        ],
        schema=NUMBERS,
    )
    outcome, why = _outcome(head, _looks(head, broken), jump, rest, told, limits)
    return Prediction("metric-swap", family, task, SAYS, TEST, outcome, why, numbers)


def _outcome(
    head: Swapped,
    looks: str,
    jump: bool,
    rest: Sequence[Swapped],
    told: Sequence[tuple[str, str, float]],
    limits: Thresholds,
) -> tuple[str, str]:
    if head.curve is None:
        return NOT_TESTABLE, str(head.response)
    scales = len(head.curve.groups())
    if scales < limits.min_scales:
        return NOT_TESTABLE, f"there are {scales} scales, and a shape needs {limits.min_scales}"
    if not jump:
        return NOT_TESTABLE, f"{head.name} does not jump, so there is nothing that a swap could remove"
    if not rest:
        return NOT_TESTABLE, f"{looks}, but there is no continuous metric of the same outputs"
    words = [word for _, word, _ in told]
    if any(state == BREAKS for state, _, _ in told):
        kept = "; ".join(words)
        return NOT_CONFIRMED, f"{looks}, and a linear metric is not smooth either: {kept}"
    if all(state == SMOOTH for state, _, _ in told):
        return CONFIRMED, f"{looks}; {'; '.join(words)}"
    return NOT_TESTABLE, f"{looks}; {'; '.join(words)}"


def _looks(head: Swapped, broken: bool) -> str:
    also = " and breaks" if broken else ""
    if head.sharp and head.shape is not None:
        return (
            f"{head.name} looks sharp (10% to 90% of its rise take {head.shape.width:.0%} of the log range, "
            f"from {head.shape.t10:.0%} on){also}"
        )
    return f"{head.name} breaks" if broken else f"{head.name} does not jump"


def _told(one: Swapped, head: Swapped, limits: Thresholds) -> tuple[str, str, float]:
    """(state, words, power) of a linear metric beside a nonlinear one that jumps."""
    evidence, shape = one.evidence, head.shape
    if not isinstance(evidence, Evidence):
        return OPEN, f"whether {one.name} breaks cannot be tested: {one.response}", np.nan
    assert head.curve is not None
    assert shape is not None
    test = evidence.test
    p = f"p = {test.p:.2g}, {evidence.p_adjusted:.2g} adjusted"
    if breaks(evidence):
        t = np.log10(by_scale(head.curve)[0])
        low, high = (float(t[0] + place * (t[-1] - t[0])) for place in (shape.t10, shape.t90))
        there = "there too" if evidence.beside(low, high) else "elsewhere"
        return (
            BREAKS,
            f"{one.name} breaks {there}, between {evidence.between(test.gap)}, by {test.step_share:.0%} of "
            f"its range ({p})",
            np.nan,
        )
    if not test.monotone:
        return OPEN, f"{one.name} gets worse on the way, which is neither smooth progress nor a step", np.nan
    if test.p <= evidence.alpha:
        return OPEN, suspected(evidence), np.nan
    scales = by_scale(head.curve)[0]
    window = evidence.place_of(scales, shape.t10), evidence.place_of(scales, shape.t90)
    if not 1 <= evidence.gap_of(window) <= evidence.y.size - 3 or evidence.leaps_at():
        return (
            OPEN,
            f"at the edge of the scales a step of {one.name} cannot be told from one odd model ({p})",
            np.nan,
        )
    seen = evidence.power(window, limits.step_share)
    if seen < limits.power:
        return (
            OPEN,
            f"{one.name} shows no break ({p}), but a step would have been missed ({seen:.0%} power, "
            f"{limits.power:.0%} is asked for)",
            seen,
        )
    if one.sharp and one.shape is not None:
        return (
            OPEN,
            f"{one.name} shows no break ({p}), but is sharp by the same rule (from {one.shape.t10:.0%} of "
            "the log range on): a late bend that the metric does not make cannot be told from a smooth rise",
            seen,
        )
    return (
        SMOOTH,
        f"{one.name} is smooth through the jump ({p}), and a step would have been seen ({seen:.0%} power)",
        seen,
    )


def _numbers(one: Swapped, role: str, said: str, seen: float) -> dict[str, object]:
    row: dict[str, object] = {"metric": one.name, "role": role, "sharp": one.sharp, "said": said}
    if one.shape is not None:
        names = ("width", "t10", "t90", "emergence_score")
        row |= {name: _finite(getattr(one.shape, name)) for name in names}
    if isinstance(one.evidence, Evidence):
        test = one.evidence.test
        places = 1 / one.evidence.scales if one.curve and one.curve.falling else one.evidence.scales
        row |= {
            "p": test.p,
            "p_adjusted": one.evidence.p_adjusted,
            "breaks": breaks(one.evidence),
            "step": test.step,
            "step_share": test.step_share,
            "step_from": float(places[test.gap]),
            "step_to": float(places[test.gap + 1]),
            "power": _finite(seen),
        }
    return row


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
