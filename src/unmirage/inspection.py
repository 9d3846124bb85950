"""What logs hold, without scoring anything: tools, models, tasks, and which metrics can be computed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import __version__, tables
from unmirage.errors import UnmirageError
from unmirage.metrics import available, tokenise
from unmirage.readers import READERS
from unmirage.readers.base import Reader, Stated
from unmirage.readers.lenient import Found, Unread, read_lenient
from unmirage.result import Progress, silent
from unmirage.selection import only_tasks
from unmirage.steps import Reading, options_of

Row = dict[str, Any]
_SHOTS = re.compile(r" \((-?\d+)-shot\)$")


@dataclass(frozen=True)
class Inspection:
    """What is there. Every row is a dict that JSON can hold; null is what the logs do not say.

    Attributes
    ----------
    tools: format, title, checked (the versions that the reader was checked on), stated (those that the files
        state), files, rows.
    models: family, model, n_params, n_tokens, formats, tasks.
    tasks: family, task, kinds, models (with items), items, shared (items that all these models answered),
        epochs (the most of an item), shots, metrics (that can be computed, of these `partial` for some models
        only), missing ([{metric, reason}]), aggregates (names of recorded ones), aggregated (models that have
        these).
    warnings: code, message, where, count.
    unread: path, reason.
    """

    tools: list[Row]
    models: list[Row]
    tasks: list[Row]
    warnings: list[Row]
    unread: list[Row]

    def as_json(self) -> Row:
        """All of it, with the version of unmirage."""
        return {
            "unmirage": __version__,
            "schema": 1,
            "tools": self.tools,
            "models": self.models,
            "tasks": self.tasks,
            "warnings": self.warnings,
            "unread": self.unread,
        }


def inspect(sources: Sequence[Path], reading: Reading, progress: Progress = silent) -> Inspection:
    """Look at logs: what is there, and what can be made of it. No scale has to be known.

    Parameters
    ----------
    sources: files and folders. What cannot be read is listed in `unread`.
    reading: how they are read.
    progress: called with ("reading", rows, None).

    Raises
    ------
    SettingsError
        An option cannot be read, or names a task that no log has.
    """
    done = 0

    def on_rows(n: int) -> None:
        nonlocal done
        done += n
        progress("reading", done, None)

    found = read_lenient(sources, options_of(reading), format=reading.format, on_rows=on_rows)
    loaded = only_tasks(found.loaded, reading.tasks) if found.parts else found.loaded
    responses = loaded.responses[0] if loaded.responses else tables.empty(tables.RESPONSES)
    results = loaded.results[0] if loaded.results else tables.empty(tables.RESULTS)
    stated, unread = _stated(found)
    shots = {task: n for states in stated.values() for one in states for task, n in one.shots.items()}
    return Inspection(
        tools=[_tool(reader, found, stated[reader.name]) for reader in READERS if reader.name in found.parts],
        models=_models(responses, results, found),
        tasks=_tasks(responses, results, shots),
        warnings=tables.warnings_frame(loaded.warnings).to_dicts(),
        unread=[{"path": one.path, "reason": one.reason} for one in dict.fromkeys([*found.unread, *unread])],
    )


def _stated(found: Found) -> tuple[dict[str, list[Stated]], list[Unread]]:
    """What the files that were read state of their runs, by reader."""
    stated: dict[str, list[Stated]] = {}
    unread = []
    for reader in READERS:
        group = stated.setdefault(reader.name, [])
        for one in found.parts[reader.name].inputs if reader.name in found.parts else ():
            try:
                group.append(reader.states(Path(one.path)))
            except UnmirageError as problem:
                unread.append(Unread(one.path, problem.what))
    return stated, unread


def _tool(reader: Reader, found: Found, stated: Sequence[Stated]) -> Row:
    inputs = found.parts[reader.name].inputs
    return {
        "format": reader.name,
        "title": reader.title,
        "checked": reader.versions,
        "stated": sorted({one.tool for one in stated if one.tool}),
        "files": len({one.path for one in inputs}),
        "rows": sum(one.rows for one in inputs),
    }


def _models(responses: pl.DataFrame, results: pl.DataFrame, found: Found) -> list[Row]:
    formats: dict[tuple[str, str], dict[str, None]] = {}
    for name, part in found.parts.items():
        for frame in (*part.responses, *part.results):
            for pair in frame.select("family", "model").unique(maintain_order=True).iter_rows():
                formats.setdefault(pair, {})[name] = None
    columns = ("family", "model", "task", "n_params", "n_tokens")
    rows = pl.concat([responses.select(columns), results.select(columns)])
    models = rows.group_by("family", "model", maintain_order=True).agg(
        pl.col("n_params", "n_tokens").drop_nulls().first(), tasks=pl.col("task").n_unique()
    )
    models = models.sort("family", "n_params", "model", nulls_last=True)
    return [
        {**row, "formats": list(formats.get((row["family"], row["model"]), {}))}
        for row in models.iter_rows(named=True)
    ]


def _tasks(responses: pl.DataFrame, results: pl.DataFrame, shots: dict[str, int]) -> list[Row]:
    group = ["family", "task"]
    pairs = pl.concat([responses.select(group), results.select(group)]).unique().sort(group)
    items = {
        (str(part["family"][0]), str(part["task"][0])): part
        for part in tokenise(responses).partition_by(group, maintain_order=True)
    }
    aggregates = {
        (str(part["family"][0]), str(part["task"][0])): part
        for part in results.partition_by(group, maintain_order=True)
    }
    rows = []
    for family, task in pairs.iter_rows():
        mine, theirs = items.get((family, task)), aggregates.get((family, task))
        row: Row = {"family": family, "task": task}
        row |= _items(mine) if mine is not None else _no_items()
        row["shots"] = _shots(task, shots, [frame for frame in (mine, theirs) if frame is not None])
        row["aggregates"] = [] if theirs is None else theirs["metric"].unique(maintain_order=True).to_list()
        row["aggregated"] = 0 if theirs is None else theirs["model"].n_unique()
        rows.append(row)
    return rows


def _no_items() -> Row:
    empty: Row = {"kinds": [], "models": 0, "items": 0, "shared": 0, "epochs": 0}
    return {**empty, "metrics": [], "partial": [], "missing": []}


def _items(frame: pl.DataFrame) -> Row:
    by_item = frame.group_by("item_id").agg(pl.col("model").n_unique())
    models = frame["model"].n_unique()
    attempts = frame.group_by("model", "item_id").agg(pl.col("epoch").n_unique())
    can, partial, cannot = available(frame)
    return {
        "kinds": sorted(str(kind) for kind in frame["kind"].unique()),
        "models": models,
        "items": by_item.height,
        "shared": by_item.filter(pl.col("model") == models).height,
        "epochs": attempts["epoch"].max(),
        "metrics": can,
        "partial": partial,
        "missing": [{"metric": metric, "reason": reason} for metric, reason in cannot.items()],
    }


def _shots(task: str, stated: dict[str, int], frames: Sequence[pl.DataFrame]) -> int | None:
    """The number of examples in the prompt: of the task's name, a column `shots`, or what its file states."""
    named = _SHOTS.search(task)
    if named:
        return int(named[1])
    for frame in frames:
        values = frame["shots"].drop_nulls().unique().to_list() if "shots" in frame.columns else []
        if len(values) == 1:
            return int(values[0])
    return stated.get(task, stated.get(task.split(",", 1)[0]))
