"""Reading: from paths or frames to the tables of `unmirage.tables`.

To add a format, write a module with `claims` and `read` (see `base.Reader`) and list it in `READERS`; detection asks each in that order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from unmirage import tables
from unmirage.errors import SourceError
from unmirage.readers import lm_eval, tabular
from unmirage.readers.base import Input, Loaded, Options, Reader
from unmirage.readers.joining import join_likelihoods

__all__ = ["READERS", "Input", "Loaded", "Options", "Reader", "read_sources"]

READERS = (
    Reader(lm_eval.NAME, "lm-evaluation-harness", "0.4.0 to 0.4.13", lm_eval.claims, lm_eval.read),
    Reader(
        tabular.NAME,
        "CSV, JSON lines or Parquet table",
        "polars 2.1, pandas 3.0",
        tabular.claims,
        tabular.read,
    ),
)
LOOKS_LIKE_DATA = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")

Source = str | Path | pl.DataFrame


def read_sources(
    sources: Sequence[Source],
    options: Options,
    *,
    format: str | None = None,
    on_rows: Callable[[int], None] = lambda n: None,
) -> Loaded:
    """Read files, folders (searched) and frames; one `Loaded` with one frame a table.

    Parameters
    ----------
    sources: paths, or frames in (or mapped to) a schema of `unmirage.tables`.
    format: the name of a reader, or None to detect it from each file.
    on_rows: called with numbers of rows as they are read, for progress.

    Raises
    ------
    SourceError
        A path does not exist, a folder holds nothing known, a file is of no known format.
    TableError
        The rows break a rule of their schema.
    """
    names = [reader.name for reader in READERS]
    if format is not None and format not in names:
        raise SourceError(
            f"there is no format {format!r}", where="--format", hint=f"Known are: {', '.join(names)}."
        )
    if not sources:
        raise SourceError("there is nothing to read", hint="Name a file or a folder of logs.")
    loaded = Loaded()
    files: dict[str, list[Path]] = {name: [] for name in names}
    for source in sources:
        if isinstance(source, pl.DataFrame):
            loaded.extend(tabular.from_frame(source, options, where="the frame", stem="task"))
            continue
        for path, reader in _files(Path(source), format, loaded):
            if path not in files[reader]:
                files[reader].append(path)
    for reader in READERS:
        if files[reader.name]:
            loaded.extend(reader.read(files[reader.name], options, on_rows))
    return _combine(loaded)


def _files(source: Path, format: str | None, loaded: Loaded) -> list[tuple[Path, str]]:
    if not source.exists():
        raise SourceError("there is no such file or folder", where=str(source))
    if source.is_file():
        reader = format or _detect(source)
        if reader is None and source.suffix in tabular.SUFFIXES:
            reader = tabular.NAME  # its own checks say which column is missing
        if reader is None:
            raise SourceError(
                "is of no format that is known",
                where=str(source),
                hint=f"Known are: {'; '.join(f'{r.title} (--format {r.name})' for r in READERS)}.",
            )
        return [(source, reader)]
    found, left = [], []
    for folder, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            reader = _detect(path) if format is None else (format if _claims(format, path) else None)
            if reader is not None:
                found.append((path, reader))
            elif path.suffix in LOOKS_LIKE_DATA:
                left.append(path)
    if not found:
        raise SourceError(
            "holds no log of a format that is known",
            where=str(source),
            hint=f"Known are: {'; '.join(r.title for r in READERS)}. Name a file itself to see why it is not read.",
        )
    if left:
        loaded.warnings.append(
            tables.warning(
                "files-not-read",
                f"{len(left)} files are of no format that is known ({', '.join(p.name for p in left[:3])}{', ...' if len(left) > 3 else ''})",
                where=str(source),
                count=len(left),
            )
        )
    return found


def _detect(path: Path) -> str | None:
    return next((reader.name for reader in READERS if reader.claims(path)), None)


def _claims(name: str, path: Path) -> bool:
    return next(reader for reader in READERS if reader.name == name).claims(path)


def _combine(loaded: Loaded) -> Loaded:
    """One responses and one results frame; keys must be unique over all sources."""
    if loaded.responses:
        frame = pl.concat(loaded.responses, how="diagonal")
        if len(loaded.responses) > 1:
            frame, notes = tables.check_responses(frame, where=f"{len(loaded.responses)} tables together")
            loaded.warnings += notes
        frame, notes = join_likelihoods(frame)
        loaded.responses = [frame]
        loaded.warnings += notes
    if loaded.results:
        frame = pl.concat(loaded.results, how="diagonal")
        if len(loaded.results) > 1:
            frame, notes = tables.check_results(frame, where=f"{len(loaded.results)} tables together")
            loaded.warnings += notes
        loaded.results = [frame]
    return loaded
