"""The records of a samples file of lm-evaluation-harness, in batches, with the line that each starts on.

JSON lines since 0.4.3; before, one JSON array with an indent of two. Memory is one batch, and one record where
a record is longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import head, reached
from unmirage.readers.lm_eval_records import LAYOUTS, Layout, NotARecord

BATCH = 500  # records of an array
# What values that are laid out in another way raise.
UNKNOWN = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError)
PIECE = 1 << 18  # bytes: many records, and still in the processor's cache while they are decoded


class Decoding:
    """The records of one file as they are decoded.

    Attributes
    ----------
    in_pieces: whether the file is read by `pieces`, and not an array.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.in_pieces = not head(path, 64).lstrip().startswith(b"[")
        self._path, self._config = path, config
        self._layout: Layout | None = None
        self._broken: tuple[int, str] | None = None

    @property
    def layout(self) -> Layout:
        """How the records are laid out; known once there is one."""
        assert self._layout is not None
        return self._layout

    @property
    def truncated(self) -> str | None:
        """Where the last record breaks off, if it does; known at the end."""
        return None if self._broken is None else f"line {self._broken[0]}"

    def empty(self) -> SourceError:
        """The error where there was no record."""
        what = "is empty" if self._broken is None else f"line {self._broken[0]} is not a record: {self._broken[1]}"
        return SourceError(f"there is no complete record in it ({what})", where=str(self._path), hint=LAYOUTS)

    def batches(self, seen: Callable[[memoryview], object]) -> Iterator[tuple[Sequence[int], list[Any]]]:
        """(line of each record, records), never none; `seen` as of `pieces`.

        Raises SourceError where a record is broken that is not the last, or is laid out in an unknown way.
        """
        if self.in_pieces:
            batches = (self._piece(*piece) for piece in pieces(self._path, seen))
        else:
            texts = elements(self._path)
            batches = (self._texts(batch) for batch in iter(lambda: list(islice(texts, BATCH)), []))
        return (batch for batch in batches if batch[1])

    def _piece(self, number: int, count: int, piece: memoryview) -> tuple[Sequence[int], list[Any]]:
        if self._layout is None:
            first = next(lines(number, piece), None)
            with suppress(NotARecord, *UNKNOWN):  # it is met again, and said, below
                self._layout = None if first is None else Layout.of(first[1], self._config)
        if self._layout is not None and self._broken is None:
            records = self._layout.records(piece, count)
            if records is not None:
                return range(number, number + count), records
        return self._texts(lines(number, piece))

    def _texts(self, texts: Iterable[tuple[int, bytes]]) -> tuple[Sequence[int], list[Any]]:
        numbers, records = [], []
        for number, text in texts:
            if self._broken is not None:
                raise SourceError(
                    f"line {self._broken[0]} is not a record of lm-evaluation-harness: {self._broken[1]}",
                    where=str(self._path),
                )
            try:
                self._layout = self._layout or Layout.of(text, self._config)
                records.append(self._layout.record(text))
                numbers.append(number)
            except NotARecord as problem:
                self._broken = number, str(problem)
            except UNKNOWN as problem:
                raise unknown_layout(self._path, number, problem) from None
        return numbers, records


def unknown_layout(path: Path, line: int, problem: Exception) -> SourceError:
    """The error where a record is laid out in a way that is not known."""
    return SourceError(
        f"line {line} has a layout that is not known ({type(problem).__name__}: {problem})",
        where=str(path),
        hint=LAYOUTS,
    )


def pieces(path: Path, seen: Callable[[memoryview], object]) -> Iterator[tuple[int, int, memoryview]]:
    """(number of the first line from 1, how many lines, their text) of whole lines, the last as it is.

    A text is overwritten by the next; `seen` is called with each first: together they are the file.
    Raises SourceError where the file cannot be read.
    """
    buffer = bytearray(PIECE)
    number, offset, held = 1, 0, 0
    try:
        with path.open("rb", buffering=0) as file:
            while True:
                got = file.readinto(memoryview(buffer)[held:])
                size = held + got
                end = buffer.rfind(b"\n", held, size) + 1 if got else size
                if end:
                    count = place = 0
                    while place := buffer.find(b"\n", place, end) + 1:  # of long lines faster than count
                        count += 1
                    count += buffer[end - 1] != _LINE_END
                    piece = memoryview(buffer)[:end]
                    seen(piece)
                    yield number, count, piece
                    number, offset = number + count, offset + end
                    reached(path, offset)
                if not got:
                    return
                held = size - end
                if held == len(buffer):
                    buffer = buffer + bytearray(held)
                else:
                    buffer[:held] = buffer[end:size]
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None


_LINE_END = ord("\n")


def lines(number: int, piece: memoryview) -> Iterator[tuple[int, bytes]]:
    """(line number, line) of the lines of a piece that are not blank; `number` is that of the first."""
    for i, line in enumerate(bytes(piece).split(b"\n"), start=number):
        if line and not line.isspace():
            yield i, line


def elements(path: Path) -> Iterator[tuple[int, bytes]]:
    """The elements of an indented array, with the line that each starts on.

    JSON strings hold no line break, so an element ends exactly where a line is a closing brace at an indent
    of two. An array that is laid out in another way is decoded whole.
    """
    start = 0
    parts: list[bytes] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith(b"  {"):
                start, parts = number, []
            parts.append(line)
            if start == 0 and number > 1 and line.strip():
                break
            if line.rstrip() in (b"  }", b"  },"):
                yield start, b"".join(parts).rstrip().removesuffix(b",")
                parts = []
    if start == 0:
        try:
            records = msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as problem:
            raise SourceError(f"is not a whole JSON array: {problem}", where=str(path), hint=LAYOUTS) from None
        yield from enumerate(map(bytes, records), start=1)
        return
    leftover = b"".join(parts).strip()
    if leftover not in (b"", b"]"):
        yield start, leftover
