"""One table to one file, whole or not at all: what `read`, `score` and `curves` write."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import BinaryIO

import polars as pl

from unmirage.errors import OutputError

KINDS = ("parquet", "csv", "jsonl")


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
    if kind not in KINDS:
        raise OutputError(f"the ending must be {', '.join('.' + k for k in KINDS)}", where=str(target))
    if not isinstance(target, Path):
        _dump(frame, target, kind)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(prefix=".unmirage-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                _dump(frame, file, kind)
            Path(draft).chmod(0o644)
            os.replace(draft, target)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as problem:
        raise OutputError(
            f"cannot be written: {problem.strerror or problem}",
            where=str(target),
            hint="Name a file in a folder that can be written: --out FILE",
        ) from None


def _has_infinity(frame: pl.DataFrame) -> bool:
    floats = [frame[n] for n, dtype in frame.schema.items() if dtype.is_float()]
    floats += [frame[n].explode() for n, dtype in frame.schema.items() if dtype == pl.List(pl.Float64)]
    return any(column.is_infinite().any() for column in floats)


def _dump(frame: pl.DataFrame, file: BinaryIO, kind: str) -> None:
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
        ).write_csv(file, line_terminator="\n")
