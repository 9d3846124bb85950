"""One table to one file, whole or not at all: what `read`, `score` and `curves` write."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl

from unmirage.errors import OutputError

KINDS = ("parquet", "csv", "jsonl")
GROUP_ROWS = 1 << 16
GROUP_BYTES = 1 << 25


def write_table(frame: pl.DataFrame, target: Path | BinaryIO, kind: str) -> None:
    """Write a table; in CSV a list is JSON text, which the table reader turns back into a list.

    Parameters
    ----------
    target: a path (written beside itself and moved into place), or an open binary stream.
    kind: one of `KINDS`.

    Raises
    ------
    OutputError
        An unknown kind, or a path that cannot be written.
    """
    _check(kind, target)
    if not isinstance(target, Path):
        _dump(frame, target, kind)
        return
    with _draft(target) as draft, draft.open("wb") as file:
        _dump(frame, file, kind)


def write_frames(
    frames: Iterable[pl.DataFrame], schema: pl.Schema, size: int, target: Path, kind: str
) -> int:
    """Write a table that comes in frames and never is in memory whole; how many rows it had.

    Parameters
    ----------
    frames: in the one schema, none of them empty.
    size: bytes of a row in memory, about; row groups of Parquet hold as many rows as fit in GROUP_BYTES.
    target, kind, errors: as of :func:`write_table`.
    """
    _check(kind, target)
    rows = 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal rows
        for frame in frames:
            rows += frame.height
            yield frame

    with _draft(target) as draft:
        if kind == "parquet":
            _sink(counted(), schema, max(1, min(GROUP_ROWS, GROUP_BYTES // max(size, 1))), draft)
        else:
            with draft.open("wb") as file:
                for place, frame in enumerate(counted()):
                    _dump(frame, file, kind, header=place == 0)
    return rows


def _check(kind: str, target: object) -> None:
    if kind not in KINDS:
        raise OutputError(f"the ending must be {', '.join('.' + k for k in KINDS)}", where=str(target))


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A file beside the target that takes its place at the end; OutputError where it cannot."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".unmirage-", dir=target.parent)
        os.close(handle)
        draft = Path(name)
        try:
            yield draft
            draft.chmod(0o644)
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(target),
            hint="Name a file in a folder that can be written: --out FILE",
        ) from None


def _sink(frames: Iterator[pl.DataFrame], schema: pl.Schema, rows: int, path: Path) -> None:
    """Frames as one Parquet file with row groups of so many rows."""
    from polars.io.plugins import register_io_source

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch: int | None
    ) -> Iterator[pl.DataFrame]:
        return frames

    register_io_source(source, schema=schema).sink_parquet(
        path, compression="zstd", statistics=False, row_group_size=rows, engine="streaming"
    )


def _has_infinity(frame: pl.DataFrame) -> bool:
    floats = [frame[n] for n, dtype in frame.schema.items() if dtype.is_float()]
    floats += [frame[n].explode() for n, dtype in frame.schema.items() if dtype == pl.List(pl.Float64)]
    return any(column.is_infinite().any() for column in floats)


def _dump(frame: pl.DataFrame, file: BinaryIO, kind: str, *, header: bool = True) -> None:
    if kind == "parquet":
        frame.write_parquet(file, compression="zstd", statistics=False)
    elif kind == "jsonl":
        if _has_infinity(frame):
            # As Python and evaluation tools write it: JSON has no word for it, and null means another thing.
            file.writelines(f"{json.dumps(row)}\n".encode() for row in frame.iter_rows(named=True))
        else:
            frame.write_ndjson(file)
    else:
        nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
        texts = {
            name: [None if v is None else json.dumps(v) for v in frame[name].to_list()] for name in nested
        }
        frame.with_columns(
            pl.Series(name, values, dtype=pl.String) for name, values in texts.items()
        ).write_csv(file, line_terminator="\n", include_header=header)
