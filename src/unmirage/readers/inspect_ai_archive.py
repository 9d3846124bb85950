"""The zip archive that an `.eval` log of inspect_ai is: which entries it has, and their bytes.

Entries are deflated, stored, or compressed with Zstandard (zip method 93, one or several frames; inspect_ai
writes that since 0.3.206), which Python's own zipfile does not read before 3.14. An archive without its
directory, which stands at the end, was cut off: its whole entries are found one after another. Names of
entries are never used as paths.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from zipfile import ZipInfo

from unmirage.errors import SourceError

if TYPE_CHECKING:
    import zstandard

MAX_ENTRY = 2**30  # bytes of one entry
MAX_RATIO = 1000  # bytes for one that is stored; logs are below 100, and zip bombs far above
FREE = 2**20  # an entry below is never refused for its ratio

STORED, DEFLATED, ZSTANDARD = 0, 8, 93
_LOCAL = struct.Struct("<4s5H3L2H")
_MAGIC = b"PK\x03\x04"
_ENCRYPTED, _SIZES_LATER = 1, 8


class Archive:
    """An open archive; use it in a `with` statement.

    Attributes
    ----------
    entries: name -> what the archive says of it; of several with one name the last, which is the current one.
    whole: whether the archive has its directory, that is, was not cut off.

    Raises
    ------
    SourceError
        The file cannot be read, is no archive, or holds more than a log can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as problem:
            raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
        try:
            self._length = self._file.seek(0, io.SEEK_END)
            listed = self._directory()
            self.whole = listed is not None
            found = self._walk() if listed is None else listed
            self.entries = {entry.orig_filename: entry for entry in found}
            self._refuse()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *problem: object) -> None:
        self._file.close()

    def read(self, name: str) -> bytes:
        """The bytes of an entry, checked against its size and CRC-32.

        Raises SourceError where it is damaged, encrypted, or compressed in a way that is not known.
        """
        entry = self.entries[name]
        where = f"{self.path}, entry {name!r}"
        if entry.flag_bits & _ENCRYPTED:
            raise SourceError("is encrypted", where=where, hint="Give the log as inspect_ai wrote it.")
        unpack = _METHODS.get(entry.compress_type)
        if unpack is None:
            raise SourceError(
                f"is compressed in a way that is not known (method {entry.compress_type})",
                where=where,
                hint="Known are stored, deflated and Zstandard entries.",
            )
        try:
            content = unpack(self._stored(entry), entry.file_size)
        except (zlib.error, OSError, EOFError, ValueError, struct.error) as problem:
            raise _damaged(where, str(problem)) from None
        if len(content) > entry.file_size:
            raise _damaged(where, f"it is larger than the {entry.file_size} bytes that it says")
        if len(content) < entry.file_size or zlib.crc32(content) != entry.CRC:
            raise _damaged(where, "its length or its checksum is not what it says")
        return content

    def _stored(self, entry: ZipInfo) -> bytes:
        self._file.seek(entry.header_offset)
        header = _LOCAL.unpack(self._file.read(_LOCAL.size))
        if header[0] != _MAGIC or entry.compress_size > self._length:
            raise ValueError("it is not where the directory says")
        before = header[-2] + header[-1]  # the name and the extra field
        return self._file.read(before + entry.compress_size)[before:]

    def _directory(self) -> list[ZipInfo] | None:
        """The entries that the archive's directory lists, or None where it has none that can be read."""
        try:
            with zipfile.ZipFile(self._file) as archive:
                return archive.infolist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error, OverflowError):
            return None

    def _walk(self) -> list[ZipInfo]:
        """The entries that are there whole, from the start of the file on."""
        found = []
        place = 0
        while place + _LOCAL.size <= self._length:
            self._file.seek(place)
            magic, _, flags, method, _, _, crc, stored, size, name_length, extra_length = _LOCAL.unpack(
                self._file.read(_LOCAL.size)
            )
            if magic != _MAGIC or flags & _SIZES_LATER:
                break
            name = self._file.read(name_length)
            stored, size = _long_sizes(self._file.read(extra_length), stored, size)
            end = place + _LOCAL.size + name_length + extra_length + stored
            if end > self._length:
                break
            entry = ZipInfo(name.decode(errors="replace"))
            entry.compress_type, entry.flag_bits, entry.CRC = method, flags, crc
            entry.compress_size, entry.file_size, entry.header_offset = stored, size, place
            found.append(entry)
            place = end
        if not found:
            raise SourceError("is not a log of inspect_ai: no zip archive", where=str(self.path))
        return found

    def _refuse(self) -> None:
        """Archives that would unpack to more than any log does are refused unread."""
        for entry in self.entries.values():
            size, stored = entry.file_size, entry.compress_size
            if size > MAX_ENTRY or (size > FREE and size > MAX_RATIO * stored):
                raise _bomb(f"{self.path}, entry {entry.orig_filename!r}", size, stored)
        total = sum(entry.file_size for entry in self.entries.values())
        if total > FREE * len(self.entries) and total > MAX_RATIO * self._length:
            raise _bomb(str(self.path), total, self._length)


def _bomb(where: str, size: int, stored: int) -> SourceError:
    return SourceError(
        f"says that its {stored:,} bytes unpack to {size:,}, which no log does",
        where=where,
        hint=f"Read are entries of up to {MAX_ENTRY:,} bytes, and {MAX_RATIO} times what is stored.",
    )


def _damaged(where: str, why: str) -> SourceError:
    return SourceError(
        f"is damaged: {why}", where=where, hint="Copy the log again from where it was written."
    )


def _long_sizes(extra: bytes, stored: int, size: int) -> tuple[int, int]:
    """Stored and unpacked size, which entries of 4 GiB and more have in an extra field (ZIP64)."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, place)
        if kind == 1 and size == stored == 2**32 - 1 and length >= 16 and place + 20 <= len(extra):
            size, stored = struct.unpack_from("<2Q", extra, place + 4)
        place += 4 + length
    return stored, size


def _inflate(data: bytes, size: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)


def _zstandard(data: bytes, size: int) -> bytes:
    import zstandard

    try:
        if 0 <= zstandard.frame_content_size(data) == size:
            return _decompressor().decompress(data)
        with _decompressor().stream_reader(data, read_across_frames=True) as reader:
            return reader.read(size + 1)
    except (zstandard.ZstdError, MemoryError) as problem:
        raise ValueError(str(problem)) from None


@cache
def _decompressor() -> zstandard.ZstdDecompressor:
    import zstandard

    return zstandard.ZstdDecompressor()


_METHODS: dict[int, Callable[[bytes, int], bytes]] = {
    STORED: lambda data, size: data,
    DEFLATED: _inflate,
    ZSTANDARD: _zstandard,
}
