"""What the second pass does: which rows make which curves, with what metrics, from which columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import polars as pl

from unmirage import tables
from unmirage.errors import MetricError
from unmirage.metrics.cards import Metric
from unmirage.metrics.count import UNTIL
from unmirage.metrics.registry import REGISTRY
from unmirage.metrics.scoring import _GROUPS as GROUPS
from unmirage.metrics.scoring import _wanted as wanted_of
from unmirage.result import Settings
from unmirage.rules import NEEDS
from unmirage.streaming.table import Table
from unmirage.streaming.totals import MOST

# Columns whose entries have rules of their own, whatever the kind of the row.
RULED = ("target_logprobs", "choice_logprobs", "choice_lengths", "answer", "n_samples", "n_correct")


@dataclass(frozen=True)
class CellPlan:
    """One task of one family that has a curve.

    Attributes
    ----------
    family, task, kind: of the curve; `source` is the family that the rows name.
    models: in order of scale; `axis_values` their scales.
    recorded: rows of kind score that stand for all of the task, from which its metrics are known; else None.
    """

    family: str
    source: str
    task: str
    kind: str
    models: tuple[str, ...]
    axis_values: tuple[float, ...]
    recorded: pl.DataFrame | None = None


@dataclass(frozen=True)
class Plan:
    """What is done with each row.

    Attributes
    ----------
    groups: family, model, task, kind as the rows name them, how many `rows`, `group` (their number in the
        survey), `cell` (their place in `cells`, -1 where they have no curve) and `model_code` (their place in
        its models).
    cells: the curves.
    asked: metrics by name, or None for all that fit; `aggregates` likewise. `extra`: beside all that fit.
    columns: what is read.
    tokens: task -> how its texts are cut, empty where no metric wants that.
    checked: whether the rows are known to keep their rules.
    compared: whether recorded scores are compared with ours.
    at_once: whether all rows are scored in one process, one after another.
    """

    groups: pl.DataFrame
    cells: tuple[CellPlan, ...]
    asked: tuple[str, ...] | None
    aggregates: tuple[str, ...] | None
    extra: tuple[str, ...]
    columns: tuple[str, ...]
    tokens: Mapping[str, str]
    checked: bool
    compared: bool
    at_once: bool = True

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The groups of each cell's models, in their order."""
        placed = self.groups.filter(pl.col("cell") >= 0).sort("cell", "model_code")
        found: list[list[int]] = [[] for _ in self.cells]
        for cell, group in placed.select("cell", "group").iter_rows():
            found[cell].append(group)
        return tuple(tuple(groups) for groups in found)

    @cached_property
    def large(self) -> frozenset[int]:
        """The cells with a model of more rows than units are kept apart of."""
        rows = (
            self.groups.filter(pl.col("cell") >= 0).group_by("cell", "model_code").agg(pl.col("rows").sum())
        )
        return frozenset(rows.filter(pl.col("rows") > MOST)["cell"].to_list())

    @property
    def wants_tokens(self) -> bool:
        """Whether a metric takes texts that are cut into tokens, and the table has texts."""
        lists = {"target_tokens", "output_tokens"}
        kinds = {cell.kind for cell in self.cells} - {"score"}
        return {"target", "output"} <= set(self.columns) and any(
            lists & set(one.card.inputs) for kind in kinds for one in self.metrics(kind, None).values()
        )

    def metrics(self, kind: str, sample: pl.DataFrame | None) -> dict[str, Metric]:
        """The metrics to score rows of a kind with, of which the table has the columns; see `metrics_of`."""
        if sample is None and kind in self._known:
            return self._known[kind]
        known = {*self.columns, "target_tokens", "output_tokens"}
        found, _ = metrics_of(kind, self.asked, self.aggregates, sample)
        if self.extra:
            found = {**metrics_of(kind, self.extra, (), sample)[0], **found}
        found = {name: one for name, one in found.items() if set(one.card.inputs) <= known}
        if sample is None:
            self._known[kind] = found
        return found

    @cached_property
    def _known(self) -> dict[str, dict[str, Metric]]:
        return {}

    def __getstate__(self) -> dict[str, object]:
        """Without what is derived: metrics hold functions, which no other process can be sent."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def metrics_of(
    kind: str, asked: Sequence[str] | None, aggregates: Sequence[str] | None, sample: pl.DataFrame | None
) -> tuple[dict[str, Metric], dict[str, MetricError]]:
    """The metrics to score rows of a kind with, by name, and names that are none, with the reason.

    Parameters: asked, aggregates as in :class:`Plan`; sample as `CellPlan.recorded`.
    """
    rows = _nothing(kind) if sample is None else sample
    found: dict[str, Metric] = {}
    unknown: dict[str, MetricError] = {}
    for name, one in wanted_of(rows, None if asked is None else list(asked)):
        if isinstance(one, MetricError):
            unknown[name] = one
        elif one.combine is None:
            found.setdefault(one.card.name, one)
    if aggregates is None:
        more = [
            name
            for name, one in REGISTRY.items()
            if one.combine is not None and one.card.group in GROUPS[kind]
        ]
    else:
        more = list(aggregates)
    for name, one in wanted_of(rows, more):
        if isinstance(one, MetricError):
            unknown[name] = one
        elif one.combine is not None:
            found.setdefault(one.card.name, one)
    return found, unknown


def names_of(settings: Settings) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """The metrics that were asked for (headline and companion among them), and the aggregates; None: all."""
    named = [name for name in (settings.headline, settings.companion) if name]
    if settings.metrics is None:
        return None, None
    return tuple(dict.fromkeys([*named, *settings.metrics])), settings.metrics


def cells_of(
    kept: pl.DataFrame, order: Sequence[str], falling: bool, recorded: Mapping[tuple[str, str], pl.DataFrame]
) -> tuple[CellPlan, ...]:
    """The curves of the models that are kept.

    Parameters
    ----------
    kept: rows of a survey on the axis: family, source, model, task, kind, axis_value.
    order: the families in order.
    falling: whether scale grows as the axis value falls.
    recorded: (source family, task) -> rows as in `CellPlan.recorded`.
    """
    place = {name: i for i, name in enumerate(order)}
    found = []
    for (family, task), rows in kept.group_by(["family", "task"], maintain_order=True):
        ordered = rows.sort("axis_value", "model", descending=[falling, False])
        source, kind = str(rows["source"][0]), str(rows["kind"][0])
        found.append(
            CellPlan(
                family=str(family),
                source=source,
                task=str(task),
                kind=kind,
                models=tuple(ordered["model"].to_list()),
                axis_values=tuple(ordered["axis_value"].to_list()),
                recorded=recorded.get((source, str(task))) if kind == "score" else None,
            )
        )
    return tuple(sorted(found, key=lambda cell: (place[cell.family], cell.task)))


def groups_of(survey: pl.DataFrame, cells: Sequence[CellPlan]) -> pl.DataFrame:
    """`Plan.groups`: the rows of a survey, with their place in the cells."""
    placed = pl.DataFrame(
        [
            (cell.source, model, cell.task, cell.kind, i, j)
            for i, cell in enumerate(cells)
            for j, model in enumerate(cell.models)
        ],
        schema={
            **{name: survey.schema[name] for name in ("family", "model", "task", "kind")},
            "cell": pl.Int64,
            "model_code": pl.Int64,
        },
        orient="row",
    )
    keys = ["family", "model", "task", "kind"]
    return (
        survey.select(*keys, "rows")
        .with_row_index("group")
        .join(placed, on=keys, how="left", maintain_order="left")
        .with_columns(
            pl.col("cell").fill_null(-1), pl.col("model_code").fill_null(-1), pl.col("group").cast(pl.Int64)
        )
    )


def columns_of(
    table: Table, cells: Sequence[CellPlan], settings: Settings, kinds: Sequence[str]
) -> tuple[str, ...]:
    """The columns that scoring and checking need, of those that the table has."""
    asked, aggregates = names_of(settings)
    needed = ["family", "model", "task", "item_id", "epoch", "kind", "cluster"]
    extra = [] if asked is not None else [n for n in (settings.headline, settings.companion) if n]
    for kind in {cell.kind for cell in cells}:
        sample = next((cell.recorded for cell in cells if cell.kind == kind), None)
        found, _ = metrics_of(kind, asked, aggregates, sample)
        more, _ = metrics_of(kind, extra, (), sample) if extra else ({}, {})
        for one in (*found.values(), *more.values()):
            if set(one.card.inputs) <= set(table.columns) | {"target_tokens", "output_tokens"}:
                needed += one.card.inputs
        needed += [UNTIL] if kind == "count" else []
    if {"target_tokens", "output_tokens"} & set(needed):
        needed += ["target", "output", "target_logprobs"]
    if any(kind != "score" for kind in kinds):
        needed += ["recorded", "length_unit"] if "recorded" in table.columns else []
    if not table.checked:
        needed += [name for kind in kinds for name in NEEDS[kind]]
        needed += [*RULED, *(("greedy", "target") if "likelihood" in kinds else ())]
    return tuple(name for name in dict.fromkeys(needed) if name in table.columns)


_SAMPLE: dict[str, pl.DataType | type[pl.DataType]] = {
    name: tables.RESPONSES[name] for name in ("kind", "recorded")
}


def _nothing(kind: str) -> pl.DataFrame:
    """A row of a kind that says no more."""
    return pl.DataFrame({"kind": [kind], "recorded": [None]}, schema=dict(_SAMPLE))
