"""The verdicts by name, and what a verdict is."""

from __future__ import annotations

from dataclasses import dataclass, field

from unmirage.verdict.sharpness import Sharpness

SMOOTH = "smooth"
ARTIFACT = "metric-artifact"
RESOLUTION_LIMITED = "resolution-limited"
ROBUST_BREAK = "robust-break"
CANNOT_TELL = "cannot-tell"
INSUFFICIENT = "insufficient"
VERDICTS = (SMOOTH, ARTIFACT, RESOLUTION_LIMITED, ROBUST_BREAK, CANNOT_TELL, INSUFFICIENT)


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
