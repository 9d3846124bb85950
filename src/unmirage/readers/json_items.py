"""The elements of a JSON array one at a time, so that memory holds one of them and not the file.

Tools write such files with an indent: there an element ends at the first line that closes it at the indent
at which it began, and is decoded in one piece. Any other layout is read by Python's own scanner.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

import msgspec

from unmirage.errors import SourceError

BLOCK = 1 << 20  # characters
LARGEST = 1 << 28  # of one element

_SPACE = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder(parse_constant=str)
T = TypeVar("T")


def items(path: Path, kind: type[T], *, key: str | None = None) -> Iterator[T]:
    """Every element of the array that a file is, or of the one that its object holds under `key`.

    Parameters
    ----------
    kind: what an element is, a type that msgspec decodes; keys that it does not name are skipped.

    Raises
    ------
    SourceError
        The file cannot be read, is cut off, is no such JSON, or an element is not of the kind.
    """
    done = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = _Text(file, msgspec.json.Decoder(kind))
            if key is None:
                text.take("[")
            else:
                text.enter(key)
            if text.next() == "]":
                return
            text.learn_indent()
            while True:
                yield text.element()
                done += 1
                if text.take(",]") == "]":
                    return
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise SourceError(f"cannot be read after {done} records: {problem}", where=str(path)) from None


class _Text(Generic[T]):
    """A window on the file: `text` from `at` on is not used yet."""

    def __init__(self, file: TextIO, decoder: msgspec.json.Decoder[T]) -> None:
        self.file, self.decoder = file, decoder
        self.text, self.at = "", 0
        self.closing: str | None = None

    def more(self) -> bool:
        """Read on; a window that grows does so by doubling. ValueError where it grows beyond all measure."""
        unused = len(self.text) - self.at
        if unused > LARGEST:
            raise ValueError(f"a record is longer than {LARGEST} characters")
        new = self.file.read(max(BLOCK, unused))
        self.text, self.at = self.text[self.at :] + new, 0
        return bool(new)

    def next(self) -> str:
        """The next character that is no space; "" at the end of the file."""
        while True:
            found = _SPACE.match(self.text, self.at)
            end = found.end() if found else self.at
            if end < len(self.text):
                self.at = end
                return self.text[end]
            if not self.more():
                return ""

    def take(self, allowed: str) -> str:
        """Step over the next character, which must be one of `allowed`."""
        found = self.next()
        if not found or found not in allowed:
            what = "it breaks off" if not found else f"{found!r} is not expected"
            raise ValueError(f"{what} where {' or '.join(allowed)} should be")
        self.at += 1
        return found

    def value(self) -> Any:
        """Step over the next value, and give it."""
        self.next()
        while True:
            try:
                found, end = _scan.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                if not self.more():
                    raise ValueError("it breaks off, or is no JSON") from None
                continue
            if end < len(self.text) or not self.more():  # a number may go on
                self.at = end
                return found

    def enter(self, key: str) -> None:
        """Step to the first element of the array under `key`."""
        self.take("{")
        while self.value() != key:
            self.take(":")
            self.value()
            self.take(",")
        self.take(":")
        self.take("[")

    def learn_indent(self) -> None:
        """Take note of what stands before the first element on its line."""
        begin = self.text.rfind("\n", 0, self.at)
        if begin >= 0 and not self.text[begin : self.at].strip(" \t\n"):
            self.closing = self.text[begin : self.at] + "}"

    def element(self) -> T:
        """Step over the next element, and give it."""
        self.next()
        end = self._end()
        if end is not None:
            try:
                found = self.decoder.decode(self.text[self.at : end])
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:
                pass  # no number of JSON's, or another layout
            else:
                self.at = end
                return found
        return self.decoder.decode(json.dumps(self.value()))

    def _end(self) -> int | None:
        """Where the element ends, by its indent."""
        if self.closing is None:
            return None
        end = self.text.find(self.closing, self.at)
        while end < 0:
            searched = len(self.text) - self.at - len(self.closing)
            if not self.more():
                self.closing = None
                return None
            end = self.text.find(self.closing, self.at + max(searched, 0))
        return end + len(self.closing)
