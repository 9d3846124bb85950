"""How many rows each row group of a Parquet file has, from its footer: what is read without its neighbours.

Only the numbers of rows are read (format 2.x, Thrift compact protocol); columns are polars' work.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unmirage.errors import SourceError

_MAGIC = b"PAR1"
_ALL_ROWS, _ROW_GROUPS = 3, 4  # fields of FileMetaData
_ROWS = 3  # field of RowGroup
_LARGEST_FOOTER = 1 << 30

# Types of the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)


def row_groups(path: Path) -> list[int]:
    """Rows of each row group in the order of the file; [] for a file without rows.

    Raises SourceError where the file cannot be read or is no Parquet file.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < 12:
                raise ValueError
            file.seek(size - 8)
            tail = file.read(8)
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != _MAGIC or length > min(size - 12, _LARGEST_FOOTER):
                raise ValueError
            file.seek(size - 8 - length)
            return _Footer(file.read(length)).rows()
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
    except (ValueError, IndexError, RecursionError):
        raise SourceError("cannot be read as parquet: its metadata are spoiled", where=str(path)) from None


class _Footer:
    """A reader of FileMetaData that keeps the rows of row groups and skips all else."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def rows(self) -> list[int]:
        found: list[int] = []
        total = -1
        for field, kind in self.fields():
            if field == _ALL_ROWS and kind == _I64:
                total = self.zigzag()
            elif field == _ROW_GROUPS and kind == _LIST:
                count, _ = self.items()
                found += [self.group() for _ in range(count)]
            else:
                self.skip(kind)
        if total != sum(found):
            raise ValueError
        return found

    def group(self) -> int:
        rows = -1
        for field, kind in self.fields():
            if field == _ROWS and kind == _I64:
                rows = self.zigzag()
            else:
                self.skip(kind)
        if rows < 0:
            raise ValueError
        return rows

    def fields(self) -> Iterator[tuple[int, int]]:
        """(number, type) of the fields of a struct, one after another; the caller reads or skips each."""
        last = 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.zigzag()
            yield last, head & 15

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            part = self.byte()
            value |= (part & 127) << shift
            if part < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def items(self) -> tuple[int, int]:
        """(number of entries, their type) of a list."""
        head = self.byte()
        return (self.varint() if head >> 4 == 15 else head >> 4), head & 15

    def skip(self, kind: int) -> None:
        if kind in (_BYTE, _DOUBLE):
            self.at += 1 if kind == _BYTE else 8
        elif kind in (_I16, _I32, _I64):
            self.varint()
        elif kind == _BINARY:
            length = self.varint()
            self.at += length
        elif kind in (_LIST, _SET):
            count, inner = self.items()
            for _ in range(count):
                self.skip(_BYTE if inner in (_TRUE, _FALSE) else inner)
        elif kind == _MAP:
            count = self.varint()
            kinds = self.byte() if count else 0
            for _ in range(count):
                self.skip(kinds >> 4)
                self.skip(kinds & 15)
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind not in (_TRUE, _FALSE):
            raise ValueError
        if self.at > len(self.data):
            raise ValueError
