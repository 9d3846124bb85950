"""Answers on disk, a line a batch: what was written is there after any crash, and a cut line is no batch.

One file holds the answers of one model to one task under one set of settings, which are in its first line;
other settings are another file, so that nothing is ever mixed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmirage.errors import OutputError

FOLDER = "answers"


class Journal:
    """The batches of one model and task.

    Parameters
    ----------
    folder: the run's folder.
    name: for people, in the file's name.
    settings: all that decides the answers; plain values.

    Raises
    ------
    OutputError
        The file is there and is no journal of these settings, or cannot be read.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self.settings = json.loads(json.dumps(settings, sort_keys=True))
        digest = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()
        slug = re.sub(r"[^\w.+-]+", "_", name).strip("._-").encode()[:120].decode(errors="ignore")
        self.path = folder / FOLDER / f"{slug or '_'}-{digest[:12]}.jsonl"
        self._file: Any = None

    def batches(self) -> Iterator[Any]:
        """What was written, batch by batch; a last line that was cut off is left out."""
        if not self.path.is_file():
            return
        try:
            with self.path.open("rb") as file:
                for number, line in enumerate(file):
                    if not line.endswith(b"\n"):
                        return
                    entry = json.loads(line)
                    if number > 0:
                        yield entry
                    elif entry != self.settings:
                        raise ValueError("its first line holds other settings")
        except (OSError, ValueError) as problem:
            raise OutputError(
                f"cannot be read as answers of this run: {problem}",
                where=str(self.path),
                hint="Delete the file to ask again, or name another folder.",
            ) from None

    def open(self) -> None:
        """Make the file ready for more: a line that was cut off is taken away."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+")
            self._file.seek(0)
            kept = 0
            for line in self._file:
                kept += len(line) if line.endswith(b"\n") else 0
            self._file.truncate(kept)
            self._file.seek(kept)
            if kept == 0:
                self._write(self.settings)
        except OSError as problem:
            raise _unwritable(self.path, problem) from None

    def append(self, batch: Any) -> None:
        """Write a batch and wait until it is on disk."""
        try:
            self._write(batch)
        except OSError as problem:
            raise _unwritable(self.path, problem) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, entry: Any) -> None:
        line = json.dumps(entry, sort_keys=True, ensure_ascii=True, separators=(",", ":")) + "\n"
        self._file.write(line.encode())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the folder: a second run in it at the same time is refused.

    Raises OutputError where it is held, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".running").open("w")
    except OSError as problem:
        raise _unwritable(folder, problem) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError(
                "another run is writing here", where=str(folder), hint="Wait for it, or name another folder."
            ) from None
        yield
        (folder / ".running").unlink(missing_ok=True)


def _unwritable(path: Path, problem: OSError) -> OutputError:
    return OutputError(
        f"cannot be written: {problem.strerror or problem}",
        where=str(path),
        hint="What was answered before is kept; the same command goes on.",
    )
