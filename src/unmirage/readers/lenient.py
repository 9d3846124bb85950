"""Reading all that can be read: what is wrong with the rest comes as a list, and not as an error.

For looking at logs. An audit reads by `read_sources`, where the first defect is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmirage import readers
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.readers.base import Loaded, Meter, Options, Reader, Unreadable, meter, size_of
from unmirage.readers.together import Together


@dataclass(frozen=True)
class Unread:
    """A file or folder that was not read, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Found:
    """What could be read.

    Attributes
    ----------
    loaded: warnings, files and setups; of the results one frame at most.
    responses: those of all readers together; None where there are none. Where rows contradict each other
        (`unread` says so) the first of a key is there.
    parts: what each reader gave, by its name.
    unread: what was not read, in the order of the sources.
    """

    loaded: Loaded
    responses: Together | None
    parts: dict[str, Loaded]
    unread: list[Unread]


def read_lenient(
    sources: Sequence[Path],
    options: Options,
    *,
    format: str | None = None,
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Read files and folders, leaving out what cannot be read; parameters as of `gather`.

    A file that an error names is left out, and the others of its folder are read without it; where an error
    names no file of a folder, the folder is left out.

    Raises
    ------
    SourceError
        There is no such format.
    """
    loaded = Loaded()
    unread: list[Unread] = []
    files: dict[str, dict[Path, Path]] = {reader.name: {} for reader in readers.READERS}
    if format is not None and format not in files:
        raise SourceError(
            f"there is no format {format!r}", where="--format", hint=f"Known are: {', '.join(files)}."
        )
    for source in sources:
        try:
            found = readers.files_of(source, format, loaded)
        except UnmirageError as problem:
            unread += [Unread(str(source), problem.what)]
            if source.is_dir():
                unread += _unknown(source, set())
            continue
        for path, name in found:
            files[name].setdefault(path.resolve(), path)
        if source.is_dir():
            unread += _unknown(source, {path for path, _ in found})
    loaded.warnings = [note for note in loaded.warnings if note["code"] != "files-not-read"]
    parts = {}
    unreadable = Unreadable(may_fail=frozenset(path for group in files.values() for path in group.values()))
    sizes = {path: size_of(path) for path in unreadable.may_fail}
    here = Meter(sizes, on_bytes)
    token = meter.set(here)
    try:
        for reader in readers.READERS:
            paths = list(files[reader.name].values())
            if paths:
                parts[reader.name], bad = _read(reader, paths, replace(options, unreadable=unreadable))
                unread += bad
            for path in paths:
                here.reach(path)
    finally:
        meter.reset(token)
    unread += [Unread(str(path), problem.what) for path, problem in sorted(unreadable.found.items())]
    for part in parts.values():
        loaded.extend(part)
    problems: list[TableError] = []
    one = readers.combined(loaded, list(parts.items()), options.folder, problems)
    unread += [Unread(problem.where or "the sources together", problem.what) for problem in problems]
    return Found(loaded, one, parts, list(dict.fromkeys(unread)))


def _unknown(folder: Path, known: set[Path]) -> list[Unread]:
    """Files of a folder that look like data and are of no format that is known."""
    try:
        return [
            Unread(str(path), "is of no format that is known")
            for path in readers.searched(folder, Loaded())
            if path not in known and path.suffix.lower() in readers.LOOKS_LIKE_DATA
        ]
    except SourceError:
        return []  # that it cannot be searched was said


def _read(reader: Reader, paths: Sequence[Path], options: Options) -> tuple[Loaded, list[Unread]]:
    def read(given: Sequence[Path]) -> Loaded:
        return readers.read_with(reader, list(given), options, lambda n: None)

    try:
        return read(paths), []
    except UnmirageError as problem:
        first = problem
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    good: dict[Path, Loaded] = {}
    whole: list[Path] = []
    unread: list[Unread] = []
    for folder, group in folders.items():
        left = group
        while left:
            try:
                good[folder] = read(left)
            except UnmirageError as problem:
                faulty = [path for path in left if str(path) in (problem.where or "")]
                unread += [Unread(str(path), problem.what) for path in faulty or [folder]]
                left = [path for path in left if path not in faulty] if faulty else []
            else:
                whole += left
                break
    if not whole:
        return Loaded(), unread
    try:
        return read(whole), unread
    except UnmirageError as problem:
        # Each folder can be read, and all of them together cannot.
        told = problem if unread else first
        unread.append(Unread(told.where or str(whole[0].parent), told.what))
    together = Loaded()
    for part in good.values():
        together.extend(part)
    return together, unread
