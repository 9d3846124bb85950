"""Tables of responses on their way from a reader: in memory, or in files where they do not all fit in it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Part:
    """A table in a file of its own.

    Attributes
    ----------
    path: an Arrow file.
    rows: how many it holds.
    """

    path: Path
    rows: int


Table = pl.DataFrame | Part


def kept(frame: pl.DataFrame, folder: Path | None) -> Table:
    """The table itself, or put into a file of `folder`."""
    if folder is None:
        return frame
    return Part(put(frame, folder), frame.height)


def put(frame: pl.DataFrame, folder: Path) -> Path:
    """The path of a new Arrow file of `folder` that holds the frame."""
    handle, path = tempfile.mkstemp(prefix="part-", suffix=".arrow", dir=folder)
    with open(handle, "wb") as file:
        frame.write_ipc(file, compression="lz4")
    return Path(path)


def taken(table: Table) -> pl.DataFrame:
    """The frame of a table."""
    return pl.read_ipc(table.path) if isinstance(table, Part) else table


def rows_of(table: Table) -> int:
    """How many rows a table has."""
    return table.rows if isinstance(table, Part) else table.height
