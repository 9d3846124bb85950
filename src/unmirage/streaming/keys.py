"""Whether a key (family, model, task, item, epoch) stands twice in a table of any length.

Each key is a 64-bit hash. Hashes go to files by their first bits, and each file is sorted by itself, so that
memory is that of one file. Two keys that share a hash by chance are taken for one: whoever asks then looks at
the rows themselves.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from unmirage.streaming.hashing import Hashes

_BITS = 6  # of a hash that name its file
IN_MEMORY = 1 << 20  # hashes that are kept before they go to files


class Keys:
    """Hashes of keys; used in a `with` statement, at whose end its files are gone."""

    def __init__(self) -> None:
        self._held: list[Hashes] = []
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, hashes: Hashes) -> None:
        """Note (n,) hashes."""
        self._held.append(hashes)
        self._count += len(hashes)
        if self._count > IN_MEMORY:
            self._spill()

    def repeated(self) -> Hashes:
        """The hashes that were noted more than once, ascending."""
        if not self._files:
            return _twice(np.concatenate(self._held)) if self._held else np.empty(0, dtype=np.uint64)
        self._spill()
        found = []
        for file in self._files:
            file.flush()
            file.seek(0)
            found.append(_twice(np.frombuffer(file.read(), dtype=np.uint64)))
        return np.concatenate(found)

    def _spill(self) -> None:
        if not self._held:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="unmirage-keys-")
            place = Path(self._folder.name)
            self._files = [(place / f"{number:02x}").open("w+b") for number in range(1 << _BITS)]
        hashes = np.sort(np.concatenate(self._held))
        edges = np.arange(1, 1 << _BITS, dtype=np.uint64) << np.uint64(64 - _BITS)
        for file, part in zip(self._files, np.split(hashes, np.searchsorted(hashes, edges)), strict=True):
            file.write(part.tobytes())
        self._held, self._count = [], 0


def _twice(hashes: Hashes) -> Hashes:
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
