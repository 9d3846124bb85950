"""Several files to one folder, all or none. What is in them is not decided here; one file: `export`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unmirage.errors import OutputError


@contextmanager
def whole(directory: Path, what: str) -> Iterator[Path]:
    """A draft folder whose files are moved into `directory` at the end, all or none.

    The draft is hidden inside `directory` (so on the same disk, even where `directory` is a mount point).
    Files of the same names are replaced, other files stay. On any failure what was there before is put back,
    and folders made on the way are removed.

    Parameters: directory, made where it is missing; what, the thing that errors say cannot be written.
    Raises OutputError where the folder cannot be made or written.
    """
    made: list[Path] = []
    try:
        _make(directory, made)
        draft = Path(tempfile.mkdtemp(prefix=".unmirage-", dir=directory))
        try:
            yield draft
            _move(draft, directory, made)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as problem:
        _unmake(made)
        raise OutputError(
            f"{what} cannot be written here: {problem.strerror or problem}",
            where=str(directory),
            hint="Nothing was changed. Name a folder that can be written, on a disk with room: --out DIR",
        ) from None
    except BaseException:
        _unmake(made)
        raise


def _move(draft: Path, directory: Path, made: list[Path]) -> None:
    """Move every file of `draft` to its place in `directory`; on failure put back what was there."""
    kept = Path(tempfile.mkdtemp(prefix="kept-", dir=draft))
    moves = sorted(
        path.relative_to(draft) for path in draft.rglob("*") if path.is_file() and kept not in path.parents
    )
    undo: list[tuple[Path, Path | None]] = []
    try:
        for number, name in enumerate(moves):
            target = directory / name
            _make(target.parent, made)
            if target.is_dir():
                raise IsADirectoryError(21, f"{name} is a folder")
            earlier = kept / str(number) if target.is_symlink() or target.exists() else None
            if earlier is not None:
                os.replace(target, earlier)
            undo.append((target, earlier))
            os.replace(draft / name, target)
    except BaseException:
        for target, earlier in reversed(undo):
            if earlier is not None:
                os.replace(earlier, target)
            else:
                target.unlink(missing_ok=True)
        raise


def _make(directory: Path, made: list[Path]) -> None:
    """Make a folder and its parents, and note the new ones in `made`."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir()
        made.append(one)
    if not directory.is_dir():
        raise NotADirectoryError(20, "it is a file, not a folder")


def _unmake(made: list[Path]) -> None:
    for one in reversed(made):
        # A folder that another program has filled meanwhile is not ours to remove.
        if one.is_dir() and not any(one.iterdir()):
            one.rmdir()
