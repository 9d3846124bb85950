"""The passes over a table, each by an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from unmirage.engine import Engine
from unmirage.engine.local import Local
from unmirage.metrics.tokens import numeric_targets, rules_of
from unmirage.result import Progress, Settings
from unmirage.streaming.keys import Keys
from unmirage.streaming.plain import NotPlain
from unmirage.streaming.plan import Plan
from unmirage.streaming.scoring import Scored, batch_of, score_parts
from unmirage.streaming.table import Part, Table
from unmirage.streaming.totals import Totals

SPAN = 32  # parts that are scored in one call at most
CALLS = 4  # calls a job, so that none is left for the end


def score_table(table: Table, plan: Plan, engine: Engine, progress: Progress) -> Scored:
    """Score all rows.

    Raises NotPlain where rows that no reader has checked break a rule, or contradict each other.
    """
    size = max(1, min(SPAN, -(-len(table.parts) // (engine.jobs * CALLS)) if engine.jobs > 1 else SPAN))
    spans = [table.parts[at : at + size] for at in range(0, len(table.parts), size)]
    alone = isinstance(engine, Local) and engine.jobs == 1
    plan = replace(plan, at_once=alone)
    done = 0

    def told(rows: int) -> None:
        nonlocal done
        done += rows
        progress("scoring", done, table.rows)

    out = Scored()
    calls = {i: (span, plan, out if alone else None) for i, span in enumerate(spans)}
    with Keys() as keys:
        for _, scored in engine.map(score_parts, calls, told=told):
            if scored.broken:
                raise NotPlain
            for hashes in scored.keys:
                keys.add(hashes)
            scored.keys = []
            if not alone:
                out.merge(scored)
        if len(keys.repeated()):
            raise NotPlain
    return out


def token_rules(
    table: Table, plan: Plan, settings: Settings, engine: Engine, progress: Progress
) -> Mapping[str, str]:
    """task -> how its texts are cut, for the tasks that have a curve; see `unmirage.metrics.tokenise`."""
    tasks = list(dict.fromkeys(cell.task for cell in plan.cells))

    def numeric() -> Mapping[str, bool]:
        found = dict.fromkeys(tasks, True)
        there = dict.fromkeys(tasks, False)
        reduced = replace(plan, columns=("family", "model", "task", "kind", "target"))
        calls = {i: (part, reduced) for i, part in enumerate(table.parts)}
        done = 0
        for at, one in engine.map(_numeric, calls):
            for task, (every, some) in one.items():
                found[task] &= every
                there[task] |= some
            done += table.parts[at].rows
            progress("looking at texts", done, table.rows)
        return {task: found[task] and there[task] for task in tasks}

    return rules_of(tasks, settings.tokens, numeric)


def recorded_samples(table: Table, kept: pl.DataFrame, engine: Engine) -> dict[tuple[str, str], pl.DataFrame]:
    """(family as the rows name it, task) -> a row that stands for all of kind score: of each recorded name
    the smallest value, the largest and one between them.

    Parameters: kept as `Chosen.kept`.
    """
    wanted = kept.filter(pl.col("kind") == "score").select(family="source", model="model", task="task")
    if wanted.height == 0:
        return {}
    calls = {i: (part, wanted) for i, part in enumerate(table.parts)}
    parts = sorted(engine.map(_recorded, calls), key=lambda one: one[0])
    merged = _extremes(pl.concat([part for _, part in parts]))
    out = {}
    for (family, task), rows in merged.group_by("family", "task", maintain_order=True):
        entries = [
            {"metric": row["metric"], "value": row[name]}
            for row in rows.iter_rows(named=True)
            for name in ("low", "high", "other")
            if row[name] is not None
        ]
        schema = {"kind": kept.schema["kind"], "recorded": table.columns["recorded"]}
        out[str(family), str(task)] = pl.DataFrame({"kind": ["score"], "recorded": [entries]}, schema=schema)
    return out


def uneven(totals: Totals, kind: str) -> bool:
    """Whether the models of a task answered other items, or some items more often than others.

    So too where attempts have to be summed over epochs, or where models name clusters otherwise.
    """
    there = totals.answers > 0
    if len(set(zip(totals.answers[there].tolist(), totals.prints[there].tolist(), strict=True))) > 1:
        return True
    epochs = there.sum(axis=1)
    if kind == "count" and (epochs > 1).any():
        return True
    return bool((totals.rows // epochs[:, None] != totals.rows[0] // epochs[0]).any())


def _numeric(part: Part, plan: Plan) -> dict[str, tuple[bool, bool]]:
    """task -> whether all targets are numbers, and whether there is one."""
    batch = batch_of(part, plan)
    frame = batch.frame.filter(pl.Series(batch.cells >= 0), pl.col("target").is_not_null())
    return {task: (every, True) for task, every in numeric_targets(frame).items()}


def _recorded(part: Part, wanted: pl.DataFrame) -> pl.DataFrame:
    frame = part.read(["family", "model", "task", "recorded"])
    rows = frame.join(wanted, on=["family", "model", "task"], how="semi", maintain_order="left")
    long = (
        rows.filter(pl.col("recorded").list.len() > 0)
        .explode("recorded")
        .unnest("recorded")
        .drop_nulls("value")
        .select("family", "task", "metric", low="value", high="value", other="value")
    )
    return _extremes(long)


def _extremes(rows: pl.DataFrame) -> pl.DataFrame:
    between = pl.col("other").filter(~pl.col("other").is_in([0.0, 1.0]))
    return rows.group_by("family", "task", "metric", maintain_order=True).agg(
        pl.col("low").min(), pl.col("high").max(), between.min()
    )
