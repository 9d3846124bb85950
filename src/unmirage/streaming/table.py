"""A table of responses of any length, as parts that are read one after another or by several processes.

A Parquet file that holds the columns of `unmirage.tables` as they are is read where it lies, a few row groups
at a time, and only the columns that are asked for. Anything else is read whole by its reader first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from unmirage import tables
from unmirage.convert import read_flat
from unmirage.engine import Engine
from unmirage.export import write_frames
from unmirage.readers import Loaded, files_of
from unmirage.readers.base import Unreadable, _parquet
from unmirage.readers.tabular import NAME as TABLE
from unmirage.readers.tabular import pattern
from unmirage.readers.tabular_meaning import ALIASES, LOSSES, SHOTS
from unmirage.result import Progress, silent
from unmirage.steps import Reading, Sources, load
from unmirage.streaming.rowgroups import row_groups

BATCH = 1 << 17  # rows that are read and scored at once, about
# Columns by which a reader gives others a meaning, or whose rows it turns into other ones.
_MEANING = (*SHOTS, *LOSSES, "target_logprob", "correct", "score")


@dataclass(frozen=True)
class Part:
    """Rows that are read at once.

    Attributes
    ----------
    source: the path of a Parquet file, or rows in memory.
    offset, rows: which rows of the file; all of those in memory.
    first: the number of the first row in the whole table, from 0.
    in_file: the number of the first row in its file, from 0.
    """

    source: str | pl.DataFrame
    offset: int
    rows: int
    first: int

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """(rows, columns) as they are stored; names that the source lacks are left out.

        Raises SourceError where the file cannot be read.
        """
        if isinstance(self.source, pl.DataFrame):
            return self.source.select([name for name in columns if name in self.source.columns])
        path = Path(self.source)
        return _parquet(lambda: self._scanned(path, columns), path)

    @property
    def where(self) -> str:
        """What messages call the source."""
        return self.source if isinstance(self.source, str) else "the table"

    def _scanned(self, path: Path, columns: Sequence[str]) -> pl.DataFrame:
        scan = pl.scan_parquet(path)
        there = scan.collect_schema().names()
        chosen = scan.select([name for name in columns if name in there])
        return chosen.slice(self.offset, self.rows).collect()


@dataclass(frozen=True)
class Table:
    """Responses, and what was said on the way to them.

    Attributes
    ----------
    parts: in the order of the rows.
    columns: name -> type, of the columns that any part has.
    checked: whether the rows are known to keep the rules of `tables.check_responses`.
    where: what messages call the table.
    results: aggregates, or None.
    notes: warnings of the reading.
    """

    parts: tuple[Part, ...]
    columns: Mapping[str, pl.DataType]
    checked: bool
    where: str
    results: pl.DataFrame | None = None
    notes: list[dict[str, object]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(part.rows for part in self.parts)


def plain_table(source: Sources, reading: Reading) -> Table | None:
    """Parquet files as they lie, of any tasks; None where the sources are anything else."""
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    paths = _plain_files(sources, reading)
    return _of_files(paths) if paths else None


def read_table(
    source: Sources, reading: Reading, folder: Path, engine: Engine, progress: Progress = silent
) -> Table:
    """The responses of sources through their readers, and their aggregates, of any tasks.

    What is in files goes to a file of `folder`. Errors as :func:`unmirage.read`.
    """
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    paths = [Path(one) for one in sources if not isinstance(one, pl.DataFrame)]
    if len(paths) < len(sources):
        return of_loaded(load(source, replace(reading, tasks=()), progress))
    loaded, one = read_flat(paths, reading, folder, engine=engine, progress=progress)
    table = of_frame(tables.empty(tables.RESPONSES))
    if one is not None:
        file = folder / "responses.parquet"
        write_frames(one.frames(), one.schema, one.size // max(one.read, 1), file, "parquet")
        table = replace(_of_files([file]), checked=True)
    results = loaded.results[0] if loaded.results else None
    return replace(table, results=results, notes=list(loaded.warnings))


def of_loaded(loaded: Loaded) -> Table:
    """What a reader gave, cut in parts."""
    frame = loaded.responses[0] if loaded.responses else tables.empty(tables.RESPONSES)
    results = loaded.results[0] if loaded.results else None
    return replace(of_frame(frame), results=results, notes=list(loaded.warnings))


def of_frame(frame: pl.DataFrame) -> Table:
    """Rows in memory that keep the rules of their schema, cut in parts."""
    parts = tuple(
        Part(rows, 0, rows.height, at)
        for at in range(0, max(frame.height, 1), BATCH)
        for rows in [frame.slice(at, BATCH)]
    )
    return Table(
        parts=parts,
        columns=dict(frame.schema),
        checked=True,
        where="the table",
    )


def conformed(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    """Rows as they are stored, in the types of `tables.RESPONSES`; further columns are numbers, NaN a gap.

    Raises TableError as `tables.conform`.
    """
    named = [name for name in ("model", "task", "item_id") if name in frame.columns]
    frame = frame.with_columns(pl.col(named).cast(pl.String))
    schema = {name: kind for name, kind in tables.RESPONSES.items() if name in frame.columns}
    frame = tables.conform(frame, schema, where=where, required=())
    others = [name for name in frame.columns if name not in tables.RESPONSES]
    axes = [name for name in tables.AXES if name in frame.columns]
    return frame.with_columns(pl.col(others).cast(pl.Float64).fill_nan(None), pl.col(axes).fill_nan(None))


def _plain_files(sources: Sequence[str | Path | pl.DataFrame], reading: Reading) -> list[Path]:
    """The Parquet files that the sources are, if they are nothing else and need no reader; else []."""
    if reading.map or reading.family is not None or reading.format not in (None, TABLE):
        return []
    found: dict[Path, Path] = {}
    unread, said = Unreadable(), Loaded()
    for source in sources:
        if isinstance(source, pl.DataFrame) or not Path(source).exists():
            return []
        if Path(source).is_file() and Path(source).suffix.lower() != ".parquet":
            return []
        for path, name in files_of(Path(source), reading.format, said, unread):
            if name != TABLE or not _is_plain(path):
                return []
            found.setdefault(path.resolve(), path)
    return [] if unread.found or said.warnings else list(found.values())


def _is_plain(path: Path) -> bool:
    """Whether a Parquet file has the columns of responses under their own names, and no other meaning."""
    if path.suffix.lower() != ".parquet":
        return False
    try:
        names = pl.scan_parquet(path).collect_schema().names()
    except (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException):
        return False  # reading says what is wrong with it
    if not {"family", "model", "task", "item_id", "kind"} <= set(names):
        return False
    if {"metric", "value"} & set(names) or any(name.startswith("score.") or pattern(name) for name in names):
        return False
    renamed = any(ours not in names and set(theirs) & set(names) for ours, theirs in ALIASES.items())
    return not renamed and not set(names) & set(_MEANING) - {"loss"}


def _of_files(paths: Sequence[Path]) -> Table:
    """Parquet files as they lie, in parts of whole row groups."""
    parts: list[Part] = []
    notes: list[dict[str, object]] = []
    columns: dict[str, pl.DataType] = {}
    first = 0
    for path in paths:
        schema = pl.scan_parquet(path).collect_schema()
        for name, kind in schema.items():
            columns.setdefault(name, kind)
        unused = [n for n, kind in schema.items() if n not in tables.RESPONSES and not kind.is_numeric()]
        notes += [tables.unused_columns(unused, where=str(path))] if unused else []
        sizes = row_groups(path)
        for offset, rows in _pieces(sizes):
            parts.append(Part(str(path.absolute()), offset, rows, first + offset))
        first += sum(sizes)
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} tables together"
    return Table(tuple(parts), columns, checked=False, where=where, notes=notes)


def _pieces(groups: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(offset, rows) of runs of row groups of about `BATCH` rows each."""
    offset = rows = 0
    for size in groups:
        if rows and rows + size > BATCH:
            yield offset, rows
            offset, rows = offset + rows, 0
        rows += size
    if rows:
        yield offset, rows
