"""What the predictions are tested on: the tasks of an audit, each with its scores and its responses.

An audit is made where there is none. Nothing is tested here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from unmirage.cells import Cell, cells
from unmirage.choosing import COMPANIONS, HEADLINES
from unmirage.errors import SettingsError
from unmirage.judge import Case, prepare
from unmirage.metrics import names
from unmirage.parting import parts
from unmirage.result import Audit
from unmirage.scales import FALLING
from unmirage.verdict.thresholds import Thresholds

if TYPE_CHECKING:
    from unmirage.steps import Sources


@dataclass(frozen=True)
class Subject:
    """One task of one family.

    Attributes
    ----------
    family, task: its names.
    case: its headline and companion, as the audit judges them; None where it is not known.
    cell: the scores of its items; None where there are aggregates only. rows: its responses, or None.
    """

    family: str
    task: str
    case: Case | None
    cell: Cell | None
    rows: pl.DataFrame | None


def audited(source: Sources | Audit, axis: str | None, seed: int | None, options: dict[str, Any]) -> Audit:
    """The audit of a source, or the audit that was given.

    Parameters
    ----------
    axis, seed: None for the audit's own, or the defaults of :func:`unmirage.audit`.
    options: further ones of :func:`unmirage.audit`.

    Raises
    ------
    SettingsError
        An audit was made with other settings than are asked for.
    UnmirageError
        As :func:`unmirage.audit`.
    """
    asked = {name: value for name, value in (("axis", axis), ("seed", seed)) if value is not None} | options
    if not isinstance(source, Audit):
        from unmirage.audit import audit

        return audit(source, **asked)
    for name, value in asked.items():
        if name not in vars(source.settings) or getattr(source.settings, name) != value:
            raise SettingsError(
                f"the audit was not made with {name}={value!r}",
                where=name,
                hint="Give the source instead of its audit, or leave the option out.",
            )
    return source


# What the tests look at beside the headline and companion of each task; a cell of all metrics takes long.
_LOOKED_AT = {
    *(name for names in (*HEADLINES.values(), *COMPANIONS.values()) for name in names),
    *("token_edit_distance", "char_edit_distance", "brier_sum", "choice_prob"),
}


def subjects(audit: Audit, named: Collection[str] = ()) -> list[Subject]:
    """The tasks of an audit, in the order of its verdicts, with the metrics that the tests look at.

    Parameters: named, further metrics.
    """
    settings, limits = audit.settings, Thresholds()
    scales = audit.curves.select("family", "model", "axis_value").unique()
    rows = audit.responses.join(scales, on=["family", "model"], maintain_order="left")
    chosen = audit.verdicts.select(pl.concat_list("headline", "companion").explode())["headline"].to_list()
    spare = set(names()) - _LOOKED_AT - {*named, *chosen}
    found = cells(
        rows,
        audit.scores.filter(~pl.col("metric").is_in(spare)),
        order=rows["family"].unique(maintain_order=True).to_list(),
        falling=settings.axis in FALLING,
        chance=settings.chance,
        wanted=[],
    )
    cases = [(cell, prepare(cell, [], settings, limits, None)) for cell in found]
    itemised = {(one.family, one.task): one for one in paired(cases, rows)}
    order = audit.verdicts.select("family", "task").iter_rows()
    return [itemised.get((f, t)) or Subject(f, t, None, None, None) for f, t in order]


def paired(cases: Sequence[tuple[Cell, Case]], rows: pl.DataFrame) -> list[Subject]:
    """Cells and their cases with the responses that they were made from."""
    groups = parts(rows, ("family", "task"))
    return [
        Subject(cell.family, cell.task, case, cell, groups[cell.family, cell.task]) for cell, case in cases
    ]


NO_ITEMS = "there are aggregates only, and the responses of the items are needed"
