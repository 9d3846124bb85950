"""Reading: from paths or frames to the tables of `unmirage.tables`.

To add a format, write a module with `claims` and `read` (see `base.Reader`) and list it in `READERS`;
detection asks each in that order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from unmirage import tables
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.readers import (
    bigbench,
    every_eval_ever,
    helm,
    inspect_ai,
    lighteval,
    lm_eval,
    tabular,
)
from unmirage.readers.base import Input, Loaded, Meter, Options, Reader, Unreadable, meter, size_of
from unmirage.readers.combining import combine, combined

__all__ = ["READERS", "Input", "Loaded", "Options", "Reader", "combine", "combined", "gather", "read_sources"]

READERS = (
    Reader(
        lm_eval.NAME,
        "lm-evaluation-harness",
        "0.4.0 to 0.4.13",
        lm_eval.claims,
        lm_eval.read,
        lm_eval.states,
    ),
    Reader(bigbench.NAME, "BIG-bench", "1.0.0", bigbench.claims, bigbench.read),
    Reader(helm.NAME, "HELM", "crfm-helm 0.5.16", helm.claims, helm.read, helm.states),
    Reader(
        inspect_ai.NAME,
        "inspect_ai",
        "0.3.110, 0.3.285",
        inspect_ai.claims,
        inspect_ai.read,
        inspect_ai.states,
    ),
    Reader(
        lighteval.NAME, "lighteval", "0.3.0 to 0.13.0", lighteval.claims, lighteval.read, lighteval.states
    ),
    Reader(
        every_eval_ever.NAME,
        "every_eval_ever",
        "schemas 0.0.1 to 0.3.0",
        every_eval_ever.claims,
        every_eval_ever.read,
        every_eval_ever.states,
    ),
    Reader(
        tabular.NAME,
        "CSV, JSON lines or Parquet table",
        "polars 2.1, pandas 3.0",
        tabular.claims,
        tabular.read,
    ),
)
# Endings of files that a warning names where no reader takes them.
LOOKS_LIKE_DATA = (
    *(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"),
    *(".eval", ".gz", ".zst", ".feather", ".arrow", ".xlsx"),
)

Source = str | Path | pl.DataFrame


def read_sources(
    sources: Sequence[Source],
    options: Options,
    *,
    format: str | None = None,
    on_rows: Callable[[int], None] = lambda n: None,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Loaded:
    """Read files, folders (searched) and frames; one `Loaded` with one frame a table.

    Parameters: as of :func:`gather`, which reads them. Where what was read contradicts itself, warnings say
    so (:mod:`unmirage.consistency`, :mod:`unmirage.row_checks`).

    Raises
    ------
    SourceError, TableError
        As :func:`gather`, and where rows of two files contradict each other.
    """
    return combine(*gather(sources, options, format=format, on_rows=on_rows, on_bytes=on_bytes))


def gather(
    sources: Sequence[Source],
    options: Options,
    *,
    format: str | None = None,
    on_rows: Callable[[int], None] = lambda n: None,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Loaded, list[tuple[str, Loaded]]]:
    """Read files, folders (searched) and frames, each file by itself: what was read, in all and by reader.

    Parameters
    ----------
    sources: paths, or frames in (or mapped to) a schema of `unmirage.tables`. Of a folder every file that a
        reader knows is read, folders in it too, links followed; what begins with a dot is left out.
    format: the name of a reader, or None to detect it from each file.
    on_rows: called with numbers of rows as they are read, for progress.
    on_bytes: called with (bytes read, bytes in all) as files are read, for progress.

    Files of a folder that cannot be read are left out, and one warning names them all with the reasons.

    Raises
    ------
    SourceError
        A path does not exist, a folder holds nothing known, a file is of no known format; a file that was
        named cannot be read, or no file of a folder can.
    TableError
        The rows break a rule of their schema; of several such files in a folder all are named.
    """
    names = [reader.name for reader in READERS]
    if format is not None and format not in names:
        raise SourceError(
            f"there is no format {format!r}", where="--format", hint=f"Known are: {', '.join(names)}."
        )
    if not sources:
        raise SourceError("there is nothing to read", hint="Name a file or a folder of logs.")
    loaded = Loaded()
    unreadable = Unreadable()
    files: dict[str, dict[Path, Path]] = {name: {} for name in names}  # real path -> the path as it was named
    parts: list[tuple[str, Loaded]] = []  # what each tool gave
    for source in sources:
        if isinstance(source, pl.DataFrame):
            parts.append(("table", tabular.from_frame(source, options, where="the frame", stem="task")))
            continue
        for path, name in files_of(Path(source), format, loaded, unreadable):
            files[name].setdefault(path.resolve(), path)
    named = {Path(source).resolve() for source in sources if not isinstance(source, pl.DataFrame)}
    found = {path for of_format in files.values() for real, path in of_format.items() if real not in named}
    unreadable.may_fail = frozenset(found)
    here = Meter(
        {path: size_of(path) for of_format in files.values() for path in of_format.values()}, on_bytes
    )
    token = meter.set(here)
    try:
        for reader in READERS:
            paths = list(files[reader.name].values())
            if paths:
                read = read_with(reader, paths, replace(options, unreadable=unreadable), on_rows)
                parts.append((reader.name, read))
            for path in paths:
                here.reach(path)
    finally:
        meter.reset(token)
    for _, part in parts:
        loaded.extend(part)
    _say_unreadable(unreadable, loaded)
    if not loaded.tables and not loaded.results:
        raise SourceError(
            "there is no score and no response in them",
            where=", ".join(str(source) for source in sources),
            hint=" ".join(str(note["message"]) for note in loaded.warnings[:1]) or None,
        )
    return loaded, parts


def read_with(reader: Reader, paths: list[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """What a reader gives of its files, without those that it cannot read and that may be left out.

    A reader that does not go on behind a broken file by itself starts again without it.
    """
    unreadable = options.unreadable
    while paths:
        try:
            return reader.read(paths, options, on_rows)
        except SourceError as problem:
            broken = next((path for path in unreadable.may_fail if str(path) == problem.where), None)
            if broken is None:
                raise
            # Read again though it was left out: it belongs to the other files of its folder.
            folder = broken.parent if broken in unreadable.found else None
            unreadable.found.setdefault(broken, problem)
            left = [path for path in paths if path != broken and path.parent != folder]
            if len(left) == len(paths):
                raise
            paths = left
    return Loaded()


def _closed(path: Path) -> SourceError | None:
    """Why a file cannot be opened; None where it can."""
    try:
        with path.open("rb"):
            return None
    except OSError as problem:
        return SourceError(f"cannot be read: {problem.strerror}", where=str(path))


def _say_unreadable(unreadable: Unreadable, loaded: Loaded) -> None:
    """One warning that names the files that could not be read; one error for all whose rows break a rule."""
    found = sorted(unreadable.found.items())
    broken = [(path, problem) for path, problem in found if isinstance(problem, TableError)]
    if len(broken) == 1:
        raise broken[0][1]
    if broken:
        raise TableError(
            f"{len(broken)} files hold rows that break a rule:\n{_reasons(broken)}",
            hint="Mend these files, or move them elsewhere.",
        )
    if not found:
        return
    if not loaded.tables and not loaded.results:
        if len(found) == 1:
            raise found[0][1]
        raise SourceError(f"none of {len(found)} files can be read:\n{_reasons(found)}")
    loaded.warnings.append(
        tables.warning(
            "unreadable-files",
            f"{len(found)} files cannot be read and are left out: " + _reasons(found, "; "),
            count=len(found),
        )
    )


def _reasons(found: Sequence[tuple[Path, UnmirageError]], between: str = "\n  ") -> str:
    lines = [f"{path}: {problem.what}" for path, problem in found]
    return ("  " if between.startswith("\n") else "") + between.join(lines)


def files_of(
    source: Path, format: str | None, loaded: Loaded, unreadable: Unreadable | None = None
) -> list[tuple[Path, str]]:
    """The files of a source, each with the name of its reader; warnings go to `loaded`, closed files to
    `unreadable`."""
    unreadable = Unreadable() if unreadable is None else unreadable
    if not source.exists():
        raise SourceError("there is no such file or folder", where=str(source))
    if source.is_file():
        return [(source, _format_of(source, format))]
    if _is_report(source):
        raise SourceError(
            "is a report of unmirage, not a log",
            where=str(source),
            hint=f"Its responses can be read again: {source / 'responses.parquet'}",
        )
    found, left = [], []
    for path in searched(source, loaded):
        name = _detect(path) if format is None else (format if _claims(format, path) else None)
        if name is not None:
            found.append((path, name))
        elif path.suffix.lower() in LOOKS_LIKE_DATA:
            closed = _closed(path)
            if closed is None:
                left.append(path)
            else:
                unreadable.found[path] = closed
    if not found:
        raise SourceError(
            "holds no log of a format that is known",
            where=str(source),
            hint=f"Known are: {'; '.join(r.title for r in READERS)}. Name a file itself to see why it is not "
            "read.",
        )
    if left:
        names = ", ".join(path.name for path in left[:3]) + (", ..." if len(left) > 3 else "")
        loaded.warnings.append(
            tables.warning(
                "files-not-read",
                f"{len(left)} files are of no format that is known ({names})",
                where=str(source),
                count=len(left),
            )
        )
    return found


def _format_of(file: Path, format: str | None) -> str:
    """The reader of a file that was named: what was asked for if its ending allows, else what is found."""
    table = file.suffix.lower() in tabular.SUFFIXES
    if format is not None:
        logs = file.suffix in (".json", ".jsonl", ".eval") or _claims(format, file)
        allowed = table if format == tabular.NAME else logs
        if not allowed:
            raise SourceError(
                f"cannot be of the format {format}: its ending is {file.suffix!r}", where=str(file)
            )
        return format
    name = _detect(file)
    if name is None and table:
        return tabular.NAME  # its own checks say which column is missing
    if name is None:
        raise SourceError(
            "is of no format that is known",
            where=str(file),
            hint=f"Known are: {'; '.join(f'{r.title} (--format {r.name})' for r in READERS)}.",
        )
    return name


def _is_report(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("report.html", "audit.json", "verdicts.csv"))


def searched(folder: Path, loaded: Loaded) -> Iterator[Path]:
    """The files under a folder in the order of their names; what links reach twice is searched once.

    Reports that an earlier audit wrote below the folder are no logs and are left out, with a warning.
    """

    def refuse(problem: OSError) -> None:
        raise SourceError(f"cannot be searched: {problem.strerror}", where=str(problem.filename))

    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        if _is_report(Path(place)):
            loaded.warnings.append(
                tables.warning("report-not-read", "a report of unmirage is no log", where=place)
            )
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place) / name for name in sorted(names) if not name.startswith("."))


def _detect(path: Path) -> str | None:
    return next((reader.name for reader in READERS if reader.claims(path)), None)


def _claims(name: str, path: Path) -> bool:
    return next(reader for reader in READERS if reader.name == name).claims(path)
