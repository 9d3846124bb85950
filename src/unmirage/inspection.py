"""What logs hold, without scoring anything: tools, models, tasks, and which metrics can be computed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from unmirage import __version__, facts, tables
from unmirage.engine import Engine
from unmirage.errors import UnmirageError
from unmirage.metrics import available, tokenise
from unmirage.metrics.available import available_in
from unmirage.readers import READERS
from unmirage.readers.base import Reader, Stated
from unmirage.readers.lenient import Found, Unread, read_lenient
from unmirage.readers.together import Together
from unmirage.result import Progress, silent
from unmirage.selection import tasks_named
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


def inspect(
    sources: Sequence[Path],
    reading: Reading,
    *,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Inspection:
    """Look at logs: what is there, and what can be made of it. No scale has to be known.

    What was read waits in a temporary folder (TMPDIR), so that memory does not grow with the logs.

    Parameters
    ----------
    sources: files and folders. What cannot be read is listed in `unread`.
    reading: how they are read.
    engine: where files are read; None: in this process.
    progress: called with ("reading", bytes, bytes in all).

    Raises
    ------
    SettingsError
        An option cannot be read, or names a task that no log has.
    """

    def on_bytes(done: int, total: int) -> None:
        progress("reading", done, total)

    with TemporaryDirectory(prefix="unmirage-") as folder:
        options = replace(options_of(reading, hashed=False), folder=Path(folder), engine=engine)
        found = read_lenient(sources, options, format=reading.format, on_bytes=on_bytes)
        return _inspection(found, reading)


def _inspection(found: Found, reading: Reading) -> Inspection:
    one = found.responses
    results = found.loaded.results[0] if found.loaded.results else tables.empty(tables.RESULTS)
    there = set(results["task"].unique()) | ({task for _, task in one.tasks()} if one else set())
    if reading.tasks and found.parts:
        there = set(tasks_named(sorted(there), reading.tasks))
        results = results.filter(pl.col("task").is_in(sorted(there)))
    stated, unread = _stated(found)
    counts: dict[str, set[int]] = {}
    for states in stated.values():
        for file in states:
            for task, n in file.shots.items():
                counts.setdefault(task, set()).add(n)
    shots = {task: min(found) for task, found in counts.items() if len(found) == 1}
    models = _Models(found)
    models.add(results)
    pairs = {(family, task) for family, task in results.select("family", "task").unique().iter_rows()}
    pairs |= {pair for pair in (one.tasks() if one else ()) if pair[1] in there}
    tasks = []
    for family, task in sorted(pairs):
        mine = _Itemised(one, family, task, models) if one else None
        theirs = results.filter(family=family, task=task)
        frames = [theirs] if theirs.height else []
        row: Row = {"family": family, "task": task}
        row |= mine.row() if mine is not None and mine.places else _no_items()
        told = mine.shots if mine is not None else set()
        row["shots"] = _shots(task, shots, told | _column(frames))
        row["aggregates"] = theirs["metric"].unique(maintain_order=True).to_list()
        row["aggregated"] = theirs["model"].n_unique()
        tasks.append(row)
    return Inspection(
        tools=[_tool(reader, found, stated[reader.name]) for reader in READERS if reader.name in found.parts],
        models=models.rows(),
        tasks=tasks,
        warnings=tables.warnings_frame(found.loaded.warnings).to_dicts(),
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


class _Models:
    """The models that are met, with sizes, tools and tasks."""

    def __init__(self, found: Found) -> None:
        self._sizes: dict[tuple[str, str], list[float | None]] = {}
        self._tasks: dict[tuple[str, str], set[str]] = {}
        self._formats: dict[tuple[str, str], dict[str, None]] = {}
        one = found.responses
        tables = [] if one is None else one.models()
        tables += [(name, frame) for name, part in found.parts.items() for frame in part.results]
        for reader in READERS:
            for name, frame in tables:
                if name == reader.name:
                    for pair in frame.select("family", "model").unique(maintain_order=True).iter_rows():
                        self._formats.setdefault(pair, {})[name] = None

    def add(self, rows: pl.DataFrame) -> None:
        """Take responses, or aggregates."""
        met = rows.group_by("family", "model", maintain_order=True).agg(
            pl.col("n_params", "n_tokens").drop_nulls().first(), tasks=pl.col("task").unique()
        )
        for family, model, n_params, n_tokens, tasks in met.iter_rows():
            sizes = self._sizes.setdefault((family, model), [None, None])
            for place, value in enumerate((n_params, n_tokens)):
                sizes[place] = value if sizes[place] is None else sizes[place]
            self._tasks.setdefault((family, model), set()).update(tasks)

    def rows(self) -> list[Row]:
        """A row a model, families together and small models first."""
        found: list[Row] = [
            {
                "family": family,
                "model": model,
                "n_params": n_params,
                "n_tokens": n_tokens,
                "tasks": len(self._tasks[family, model]),
                "formats": list(self._formats.get((family, model), {})),
            }
            for (family, model), (n_params, n_tokens) in self._sizes.items()
        ]
        return sorted(
            found,
            key=lambda row: (
                row["family"],
                float("inf") if row["n_params"] is None else row["n_params"],
                row["model"],
            ),
        )


class _Itemised:
    """The rows of one task of a family."""

    def __init__(self, one: Together, family: str, task: str, models: _Models) -> None:
        self._one, self._task = one, pl.all_horizontal(pl.col("family") == family, pl.col("task") == task)
        self._code = one.cells.tasks.index((family, task)) if (family, task) in one.tasks() else -1
        self._met = [
            (place, cell)
            for place, met in enumerate(one.met)
            for cell in met
            if one.cells.task_of[cell.code] == self._code and (place, cell.code) not in one.lost
        ]
        self.places = list(dict.fromkeys(place for place, _ in self._met))
        self.shots: set[float] = set()
        self._kinds: set[str] = set()
        self._known = models

    def row(self) -> Row:
        """What the table of tasks says of it."""
        models = {cell.code for _, cell in self._met}
        if sum(cell.rows for _, cell in self._met) <= facts.AT_ONCE:
            can, partial, cannot = available(self._rows(self.places))
        else:
            can, partial, cannot = available_in(self._by_model(sorted(models)))
        items, shared, epochs = self._one.counts.items[self._code]
        return {
            "kinds": sorted(self._kinds),
            "models": len(models),
            "items": items,
            "shared": shared,
            "epochs": epochs,
            "metrics": can,
            "partial": partial,
            "missing": [{"metric": metric, "reason": reason} for metric, reason in cannot.items()],
        }

    def _by_model(self, codes: Sequence[int]) -> Iterator[pl.DataFrame]:
        for code in codes:
            places = [place for place, cell in self._met if cell.code == code]
            yield self._rows(places, model=self._one.cells.cells[code][1])

    def _rows(self, places: Sequence[int], **only: str) -> pl.DataFrame:
        frame = pl.concat([self._one.frame(place).filter(self._task, **only) for place in places])
        self._known.add(frame)
        self.shots |= _column([frame])
        self._kinds |= {str(kind) for kind in frame["kind"].unique()}
        return tokenise(frame)


def _column(frames: Sequence[pl.DataFrame]) -> set[float]:
    """The numbers of examples in the prompt that rows state."""
    stating = [frame["shots"] for frame in frames if "shots" in frame.columns]
    return {value for column in stating for value in column.drop_nulls().unique()}


def _no_items() -> Row:
    empty: Row = {"kinds": [], "models": 0, "items": 0, "shared": 0, "epochs": 0}
    return {**empty, "metrics": [], "partial": [], "missing": []}


def _shots(task: str, stated: dict[str, int], told: set[float]) -> int | None:
    """The number of examples in the prompt: of the task's name, a column `shots`, or what its files state."""
    named = _SHOTS.search(task)
    if named:
        return int(named[1])
    if len(told) == 1:
        return int(next(iter(told)))
    plain = [task, task.split(",", 1)[0], task.split(" (", 1)[0]]
    return next((stated[name] for name in plain if name in stated), None)
