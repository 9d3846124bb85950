"""Logs of any known format as one file, however large they are.

Each file is read by itself and its rows put into a file beside the output; then all are held against each
other (:mod:`unmirage.readers.together`) and written in the order in which they were read. Memory is a few
files' rows, never all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from unmirage.engine import Engine
from unmirage.errors import OutputError
from unmirage.export import write_frames, write_table
from unmirage.readers import combined, gather
from unmirage.readers.base import Loaded
from unmirage.readers.together import Together
from unmirage.result import Progress, silent
from unmirage.selection import tasks_named
from unmirage.steps import Reading, absent, options_of


@dataclass(frozen=True)
class Converted:
    """What was written: how many rows, and the warnings met on the way."""

    rows: int
    warnings: list[dict[str, object]]


def convert(
    sources: Sequence[Path],
    out: Path,
    reading: Reading,
    *,
    table: str = "responses",
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Converted:
    """Write the responses of logs (or `table="results"`: the aggregates that they hold) to one file.

    The rows are those of :func:`unmirage.read`, in the same order.

    Parameters
    ----------
    sources: files and folders.
    out: the file to write, whole or not at all: .parquet, .csv or .jsonl. What was read waits in a folder
        beside it, which is gone at the end.
    reading: how the sources are read.
    engine: where files are read; None: in this process. It changes no byte.
    progress: called with ("reading", bytes, bytes in all), then with ("writing", rows, rows in all).

    Raises
    ------
    UnmirageError
        As :func:`unmirage.read`; the file cannot be written.
    """
    with folder_beside(out) as folder:
        loaded, one = read_flat(sources, reading, folder, engine=engine, progress=progress)
        there = {task for frame in loaded.results for task in frame["task"].unique()}
        there |= set() if one is None else {task for _, task in one.tasks()}
        kept = tasks_named(sorted(there), reading.tasks) if reading.tasks else None
        if table == "results":
            results = [_of(frame, kept) for frame in loaded.results]
            if not results or results[0].is_empty():
                raise absent("results")
            write_table(results[0], out, out.suffix.removeprefix("."))
            return Converted(results[0].height, loaded.warnings)
        if one is None or not any(kept is None or task in kept for _, task in one.tasks()):
            raise absent("responses")
        size = one.size // max(one.read, 1)
        rows = write_frames(_told(one, kept, progress), one.schema, size, out, out.suffix.removeprefix("."))
        return Converted(rows, loaded.warnings)


@contextmanager
def folder_beside(out: Path) -> Iterator[Path]:
    """A folder for what is read, beside the file that is written; it is gone at the end.

    Raises OutputError where none can be made.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".unmirage-", dir=out.parent)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(out),
            hint="Name a file in a folder that can be written.",
        ) from None
    with folder as path:
        yield Path(path)


def read_flat(
    sources: Sequence[Path],
    reading: Reading,
    folder: Path,
    *,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> tuple[Loaded, Together | None]:
    """What the sources hold, with the responses in files of `folder`, None where there are none.

    Parameters and errors: as of :func:`convert`.
    """

    def on_bytes(done: int, total: int) -> None:
        progress("reading", done, total)

    options = replace(options_of(reading, hashed=False), folder=folder, engine=engine)
    loaded, parts = gather(sources, options, format=reading.format, on_bytes=on_bytes)
    return loaded, combined(loaded, parts, folder)


def _of(frame: pl.DataFrame, tasks: Sequence[str] | None) -> pl.DataFrame:
    """The rows of the tasks; of all where none is named."""
    return frame if tasks is None else frame.filter(pl.col("task").is_in(list(tasks)))


def _told(one: Together, tasks: Sequence[str] | None, progress: Progress) -> Iterator[pl.DataFrame]:
    """The rows that are written, table by table, and how many there are so far."""
    done = 0
    for frame in one.frames():
        done += frame.height
        progress("writing", done, one.rows)
        mine = _of(frame, tasks)
        if mine.height:
            yield mine
