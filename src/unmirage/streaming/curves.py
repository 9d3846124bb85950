"""Curves without an audit: of a table of any length, in memory that its length does not grow.

    look (what is there) → choose (models on the axis) → score (sums of each task) → curves

The numbers are those of `unmirage.audit`; nothing is judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from unmirage import findings, recorded, scales, selection, tables
from unmirage.aggregate import curves_frame
from unmirage.engine import Engine
from unmirage.engine import engine as engine_of
from unmirage.engine.local import Local
from unmirage.errors import SourceError, TableError
from unmirage.metrics.tokens import rules_of
from unmirage.readers import mapping as maps
from unmirage.reported import result_rows
from unmirage.result import Progress, Settings, checked, silent
from unmirage.scales import FALLING
from unmirage.steps import Reading, Sources, canonical, load, options_of, say
from unmirage.streaming import plain
from unmirage.streaming.choose import Chosen, choose, known_scales, scales_of
from unmirage.streaming.lacking import asked_everywhere, partial
from unmirage.streaming.making import made_curves
from unmirage.streaming.passes import recorded_samples, score_table, token_rules, uneven
from unmirage.streaming.plain import NotPlain
from unmirage.streaming.plan import Plan, cells_of, columns_of, groups_of, names_of
from unmirage.streaming.regroup import Shared, regroup
from unmirage.streaming.scoring import Scored
from unmirage.streaming.survey import axes_of, survey
from unmirage.streaming.table import Table, of_frame, plain_table, read_table

Note = dict[str, object]


def curves(
    source: Sources,
    *,
    axis: str = "n_params",
    headline: str | None = None,
    companion: str | None = None,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    alpha: float = 0.05,
    confidence: float = 0.95,
    interval: str = "clopper-pearson",
    replicates: int = 2000,
    checkpoint: str = "last",
    samples: int | None = None,
    tokens: str | Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    tasks: Sequence[str] = (),
    engine: Engine | None = None,
    progress: Progress = silent,
) -> pl.DataFrame:
    """The curves of a source: the mean of each metric for each model, with intervals.

    A Parquet file in the columns of `unmirage.tables` is read in batches; memory grows with its numbers of
    tasks, models and metrics, and not with its rows. With `samples` the rows are held in memory.

    Parameters
    ----------
    source ... tasks: as in :func:`unmirage.audit`, whose curves these are: means, standard errors and exact
        intervals are equal, resampled ones up to the draws. Tasks of more than 4,096 items or clusters are
        resampled in as many groups of them.
    engine: where batches are scored, None for this process. It changes no number.
    progress: called with (step, done, total or None) as the work goes on.

    Returns
    -------
    A frame in the schema `tables.CURVES`.

    Raises
    ------
    UnmirageError
        Bad input or settings: what, where, and what to do.
    """
    reading = Reading(format, family, tuple(families), tuple(map), tuple(tasks))
    mapping = maps.parse(reading.map)
    settings = checked(
        Settings(
            axis=axis,
            headline=canonical(headline),
            companion=canonical(companion),
            metrics=None if metrics is None else tuple(metrics),
            seed=seed,
            alpha=alpha,
            confidence=confidence,
            interval=interval,
            replicates=replicates,
            checkpoint=checkpoint,
            samples=samples,
            tokens=tokens,
            chance={**mapping.chance, **maps.levels(dict(chance or {}), where="chance")},
        )
    )
    frame, notes = curves_of(source, reading, settings, engine or engine_of(), progress)
    say(tables.warnings_frame(notes).to_dicts())
    return frame


def curves_of(
    source: Sources, reading: Reading, settings: Settings, engine: Engine, progress: Progress = silent
) -> tuple[pl.DataFrame, list[Note]]:
    """:func:`curves`, with the warnings as rows of `tables.WARNINGS`."""
    if settings.samples is not None:
        return _thinned(source, reading, settings, engine, progress)
    table = plain_table(source, reading)
    # What is wrong with the rows is said by their reader, which knows where.
    with suppress(NotPlain, TableError, SourceError):
        if table is not None:
            return _curves(table, reading, settings, engine, progress)
    with TemporaryDirectory(prefix="unmirage-") as folder:
        table = read_table(source, reading, Path(folder), engine, progress)
        # No other machine sees the folder.
        here = engine if isinstance(engine, Local) else Local()
        return _curves(table, reading, settings, here, progress)


def _thinned(
    source: Sources, reading: Reading, settings: Settings, engine: Engine, progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """The curves of fewer attempts an item: which are drawn depends on all rows before, so all are held."""
    loaded = load(source, reading, progress)
    kept = selection.select(loaded, settings)
    table = of_frame(kept.responses)
    looked = survey(table, engine, progress)
    rows = looked.with_columns(source="family", axis_value=pl.col("__low_axis_value"))
    chosen = Chosen(rows, kept.results, kept.families, [*loaded.warnings, *kept.notes])
    return _measured(table, looked, chosen, settings, engine, progress, few=kept.few)


def _curves(
    table: Table, reading: Reading, settings: Settings, engine: Engine, progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    looked = survey(table, engine, progress)
    notes = list(table.notes)
    axes = axes_of(table)
    if table.checked:
        scaled = scales_of(looked, axes)
    else:
        plain.check_survey(looked, axes)
        known = known_scales(looked, axes, options_of(reading), table.where)
        if known is None:
            raise NotPlain
        scaled, more = known
        notes += more
    asked, results = _of_tasks(looked, table.results, reading.tasks)
    scaled = scaled.filter(pl.col("task").is_in(asked["task"].unique().implode()))
    chosen = choose(asked, scaled, results, settings)
    chosen = replace(chosen, notes=[*notes, *chosen.notes])
    return _measured(table, looked, chosen, settings, engine, progress)


def _of_tasks(
    looked: pl.DataFrame, results: pl.DataFrame | None, names: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The surveyed groups and the aggregates of the tasks that are asked for.

    Errors as :func:`unmirage.selection.tasks_named`.
    """
    if not names:
        return looked, results
    frames = [looked] if results is None else [looked, results]
    kept = selection.tasks_named(sorted({task for frame in frames for task in frame["task"]}), names)
    found = [frame.filter(pl.col("task").is_in(kept)) for frame in frames]
    return found[0], found[1] if results is not None and found[1].height else None


def _measured(
    table: Table,
    looked: pl.DataFrame,
    chosen: Chosen,
    settings: Settings,
    engine: Engine,
    progress: Progress,
    few: frozenset[tuple[str, str]] | None = None,
) -> tuple[pl.DataFrame, list[Note]]:
    """Score the rows of what was chosen, and make curves of the sums."""
    notes = list(chosen.notes)
    plan = _plan(table, looked, chosen, settings, engine, progress)
    scored = score_table(table, plan, engine, progress) if plan.cells else Scored()
    if not table.checked:
        plain.check_models(scored.facts, plan)
        notes = [*plain.choice_counts(scored.facts, plan), *notes]
    shared = _even(table, plan, scored)
    notes += _different_items(plan, looked, shared)
    there = [i for i in range(len(plan.cells)) if i not in shared or shared[i].common]
    if plan.cells and not there:
        raise scales.no_common_item()
    if few is None:
        few, more = _few(plan, there, chosen)
        notes += more
    asked_everywhere(table, plan, scored, settings, there)
    aggregated = [] if chosen.results is None else result_rows(chosen.results, settings)
    made = made_curves(plan, scored, there, few, settings, aggregated, progress)
    notes += findings.partial_metrics(partial(table, plan, scored, looked, there)) + made.notes
    frame = curves_frame(made.rows)
    compared = [scored.compared.frame(plan.cells)]
    if chosen.results is not None:
        compared.append(recorded.compare_aggregates(chosen.results, frame))
    return frame, [*notes, *recorded.differing(pl.concat(compared))]


def _plan(
    table: Table,
    looked: pl.DataFrame,
    chosen: Chosen,
    settings: Settings,
    engine: Engine,
    progress: Progress,
) -> Plan:
    kept = chosen.kept
    samples = recorded_samples(table, kept, engine)
    cells = cells_of(kept, chosen.families, settings.axis in FALLING, samples)
    asked, aggregates = names_of(settings)
    kinds = [str(kind) for kind in looked["kind"].unique(maintain_order=True)]
    plan = Plan(
        groups=groups_of(looked, cells),
        cells=cells,
        asked=asked,
        aggregates=aggregates,
        extra=() if asked is not None else tuple(n for n in (settings.headline, settings.companion) if n),
        columns=columns_of(table, cells, settings, kinds),
        tokens={},
        checked=table.checked,
        compared="recorded" in table.columns,
    )
    if plan.wants_tokens and cells:
        return replace(plan, tokens=token_rules(table, plan, settings, engine, progress))
    if settings.tokens is not None:
        rules_of(list(dict.fromkeys(cell.task for cell in cells)), settings.tokens, dict)
    return plan


def _even(table: Table, plan: Plan, scored: Scored) -> dict[int, Shared]:
    """Score the tasks again whose models answered different items, or some more often than others; what the
    models of each such cell share."""
    again = {cell for cell, totals in scored.totals.items() if uneven(totals, plan.cells[cell].kind)}
    groups = plan.groups
    mine = groups.filter(pl.col("cell").is_in(list(again)))
    wanted = set(mine["group"].to_list())
    if not table.checked:
        tasks = mine.select("family", "task").unique()
        wanted = set(groups.join(tasks, on=["family", "task"], how="semi")["group"].to_list())
        wanted |= plain.suspects(scored.facts, plan)
    if not wanted:
        return {}
    found, shared = regroup(table, plan, wanted)
    scored.replace(found, set(shared), wanted)
    return shared


def _different_items(plan: Plan, looked: pl.DataFrame, shared: Mapping[int, Shared]) -> list[Note]:
    first = {
        (family, model, task): at
        for family, model, task, at in looked.select("family", "model", "task", "first").iter_rows()
    }
    notes = []
    for cell, items in shared.items():
        one = plan.cells[cell]
        met = sorted(one.models, key=lambda model: first[one.source, model, one.task])
        fewest = min(met, key=lambda model: items.answered[model])
        most = max(items.answered.values())
        if not items.common == most == items.answered[fewest]:
            notes.append(
                scales.other_items(
                    one.family,
                    one.task,
                    models=len(met),
                    fewest=(fewest, items.answered[fewest]),
                    most=most,
                    common=items.common,
                )
            )
    return notes


def _few(plan: Plan, there: Sequence[int], chosen: Chosen) -> tuple[frozenset[tuple[str, str]], list[Note]]:
    """As `selection.few_items`, of the cells that are there."""
    if not there or chosen.results is None:
        return frozenset(), []
    rows = [
        (one.family, one.task, model, value)
        for one in (plan.cells[cell] for cell in there)
        for model, value in zip(one.models, one.axis_values, strict=True)
    ]
    logged = pl.DataFrame(rows, schema=["family", "task", "model", "axis_value"], orient="row")
    return selection.few_items(logged, chosen.results)
