"""All predictions of the tasks of an audit, as the audit shows them."""

from __future__ import annotations

from collections.abc import Sequence

from unmirage.predictions.by_length import by_length
from unmirage.predictions.length_scaling import scaled
from unmirage.predictions.metric_swap import swaps
from unmirage.predictions.prediction import Prediction
from unmirage.predictions.resolution_sweep import swept
from unmirage.predictions.subjects import Subject
from unmirage.result import Settings
from unmirage.verdict.evidence import Evidence


def all_of(
    found: Sequence[Subject], evidence: Sequence[Evidence | str | None], settings: Settings
) -> list[Prediction]:
    """Three predictions a task, with the evidence of the companions that the verdicts rest on."""
    out: list[Prediction] = []
    for one, swap in zip(found, swaps(found, evidence, settings), strict=True):
        groups = by_length(one, settings)
        out += [swap, swept(one, settings, groups=groups), scaled(one, settings, groups)]
    return out
