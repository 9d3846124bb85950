"""The thresholds of the decision tree, as data, each with its reason.

Changing one changes verdicts and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def _threshold(value: _Number, reason: str) -> _Number:
    return field(default=value, metadata={"reason": reason})


@dataclass(frozen=True)
class Thresholds:
    """Every number that the tree compares with; `reason(name)` says why it has its value."""

    min_scales: int = _threshold(
        5, "with four scales or fewer even a step of 80% cannot be told from a smooth curve"
    )
    min_successes: int = _threshold(
        3, "with fewer successes the 95% interval of a rate reaches down to a third of it or less"
    )
    min_rise: float = _threshold(
        0.05, "a rise below five points of a 0-1 score is no jump that anyone reports"
    )
    min_rise_errors: float = _threshold(
        4.0, "a rise below four standard errors is found in flat curves when many are looked at"
    )
    seen_rise: float = _threshold(
        0.3, "that a 0-1 score does not jump is said only where a rise of thirty points would have been seen"
    )
    max_fall: float = _threshold(
        0.15, "a fall by less than 15% of the range is common where models scatter about their curve"
    )
    sharp_width: float = _threshold(
        0.45, "the rise of a smooth family with realistic items takes .6 of the range or more; .45 separates"
    )
    sharp_training: float = _threshold(
        0.75, "of the quickest smooth rise, in decades: along a training run the range is arbitrary"
    )
    late_start: float = _threshold(
        0.35, "smooth families have made a tenth of their rise by .28 of the range"
    )
    break_alpha: float = _threshold(
        0.03, "the level of the break test that keeps its false alarms below 5% on every smooth truth tried"
    )
    lost_again: float = _threshold(
        0.3,
        "of a step in a training run: loss that comes back for a while is instability, more is another thing",
    )
    step_share: float = _threshold(
        0.75, "a jump is a step if three quarters of what the companion improves in it come at once"
    )
    power: float = _threshold(0.8, "no step is said to be there only where one would have been seen")
    link_held_out: float = _threshold(
        0.9, "a link that leaves more than a tenth of the headline's variance at other scales explains it not"
    )
    link_smooth: float = _threshold(0.85, "and so does one that needs the scatter of the models to do it")
    count_odds: float = _threshold(
        1.5, "the odds of a right answer may differ from the link's by half: no link is exact"
    )
    count_alpha: float = _threshold(
        0.01, "counts beyond that, over all scales, contradict the link: outputs fail for another reason"
    )
    within_slope: float = _threshold(
        0.5, "a link holds within a scale too: right items score better there, half as clearly at the least"
    )
    early_slope: float = _threshold(
        0.5, "a companion that is slower than half its mean before the jump is late itself: a bend or a kink"
    )
    dependence: float = _threshold(
        0.2,
        "item scores in file order that correlate more than this with their neighbours come from templates",
    )
    dependence_p: float = _threshold(0.005, "and do so by chance in fewer than one task in two hundred")

    def reason(self, name: str) -> str:
        """Why a threshold has its value."""
        return str(next(f for f in fields(self) if f.name == name).metadata["reason"])

    def as_dict(self) -> dict[str, float]:
        """Name -> value, for audit.json."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
