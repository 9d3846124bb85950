"""What every reader takes and gives. The formats are in modules beside this one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
import polars as pl

from unmirage.consistency import Setup
from unmirage.engine import Engine
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.families import Families, common_family, unsized
from unmirage.readers.parts import Part, Table, kept

BUFFER = 1 << 20  # bytes; lines of logs are often longer than Python's own buffer


@dataclass
class Unreadable:
    """Files of a folder that cannot be read: they are left out, and said together at the end.

    Attributes
    ----------
    may_fail: the files that were found in a folder; one that was named itself is an error at once.
    found: path -> what is wrong with it.
    """

    may_fail: frozenset[Path] = frozenset()
    found: dict[Path, UnmirageError] = field(default_factory=dict)

    def attempt(self, path: Path) -> Attempt:
        """Read `path` in a `with` block; what is wrong with it is noted, and the reader goes on behind it."""
        return Attempt(self, path)


@dataclass(frozen=True)
class Attempt:
    """One file's block of :meth:`Unreadable.attempt`."""

    unreadable: Unreadable
    path: Path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> bool:
        noted = isinstance(problem, SourceError | TableError) and self.path in self.unreadable.may_fail
        if noted and isinstance(problem, UnmirageError):
            self.unreadable.found.setdefault(self.path, problem)
        return noted


@dataclass(frozen=True)
class Options:
    """What the user said about how to read.

    Attributes
    ----------
    families: known model families, the user's files among them.
    family: one family name for every model, known or not; None: each model's own.
    columns: target column -> source column or SQL expression over the source columns (tables only).
    constants: target column -> a value for every row (tables only).
    chance: task (or "*") -> chance level of its headline metric.
    unreadable: where a reader notes files that it cannot read; see :meth:`Unreadable.attempt`.
    folder: where the responses that were read are put into files; None: they stay in memory.
    engine: where files are read; None: in this process.
    hashed: whether anyone asks for `Input.sha256`; it may be left empty where nobody does.
    """

    families: Families
    family: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    unreadable: Unreadable = field(default_factory=Unreadable)
    folder: Path | None = None
    engine: Engine | None = None
    hashed: bool = True


@dataclass(frozen=True)
class Input:
    """One file that was read: an entry of `inputs` in audit.json. `sha256` is "" where none was asked for."""

    path: str
    format: str
    sha256: str
    rows: int


@dataclass
class Loaded:
    """What reading gives: item-level rows, aggregates, warnings, the files that were used, and how the models
    were asked as far as the logs say it. The rows are in `responses`, or in files (`stored`)."""

    responses: list[pl.DataFrame] = field(default_factory=list)
    stored: list[Part] = field(default_factory=list)
    results: list[pl.DataFrame] = field(default_factory=list)
    warnings: list[dict[str, object]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    setups: list[Setup] = field(default_factory=list)

    @property
    def tables(self) -> list[Table]:
        """The item-level rows, wherever they are."""
        return [*self.responses, *self.stored]

    def keep(self, frame: pl.DataFrame, folder: Path | None) -> None:
        """Add checked item-level rows, in a file of `folder` if there is one."""
        table = kept(frame, folder)
        if isinstance(table, Part):
            self.stored.append(table)
        else:
            self.responses.append(table)

    def extend(self, other: Loaded) -> None:
        """Add what another read gave."""
        self.responses += other.responses
        self.stored += other.stored
        self.results += other.results
        self.warnings += other.warnings
        self.inputs += other.inputs
        self.setups += other.setups


@dataclass(frozen=True)
class Stated:
    """What a file says of the run that it is of, beside scores and outputs.

    Attributes
    ----------
    tool: the tool and its version, "lm_eval 0.4.13"; None where it says neither.
    shots: task -> number of examples in the prompt.
    """

    tool: str | None = None
    shots: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """A format.

    Attributes
    ----------
    name: the word for `--format`.
    title: what people call it.
    versions: the tool versions it was checked on.
    claims: (path) -> whether the file is of this format; looks at the name and the first bytes only.
    read: (paths of this format, options, on_rows) -> Loaded; `on_rows(n)` is called as rows are read.
    states: (path) -> what a file of the format states of its run, for `unmirage inspect`.
    """

    name: str
    title: str
    versions: str
    claims: Callable[[Path], bool]
    read: Callable[[Sequence[Path], Options, Callable[[int], None]], Loaded]
    states: Callable[[Path], Stated] = lambda path: Stated()


def families_of(names: Iterable[str], fallback: str) -> dict[str, str]:
    """Model name -> family, for models that no list knows.

    Where every name holds a size, the family is the name without it ("alpha-1b", "alpha-7b", "beta-1b" are
    two); else what all names begin with; else `fallback`.
    """
    unknown = sorted(set(names))
    own = {name: unsized(name) for name in unknown}
    if all(own.values()):
        return {name: str(family) for name, family in own.items()}
    return dict.fromkeys(unknown, common_family(unknown) or fallback)


@dataclass
class Meter:
    """How many bytes of the files have been read.

    Attributes
    ----------
    sizes: path -> its bytes; other files do not count.
    tell: called with (bytes read, bytes in all), each time that another hundredth or megabyte is.
    """

    sizes: Mapping[Path, int]
    tell: Callable[[int, int], None]
    at: dict[Path, int] = field(default_factory=dict)
    done: int = 0
    told: int = 0
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.total = sum(self.sizes.values())

    def reach(self, path: Path, offset: int | None = None) -> None:
        """`path` has been read up to `offset`, or whole."""
        size = self.sizes.get(path)
        if size is None:
            return
        before = self.at.get(path, 0)
        now = max(before, min(size if offset is None else offset, size))
        self.at[path] = now
        self.done += now - before
        if (
            self.done - self.told >= min(1 << 20, max(self.total // 100, 1))
            or self.done == self.total > self.told
        ):
            self.told = self.done
            self.tell(self.done, self.total)


class Reaching(Protocol):
    """Takes how far files have been read."""

    def reach(self, path: Path, offset: int | None = None) -> None:
        """`path` has been read up to `offset`, or whole."""
        ...


meter: ContextVar[Reaching | None] = ContextVar("meter", default=None)


def reached(path: Path, offset: int | None = None) -> None:
    """Tell the progress that a file has been read up to `offset` bytes, or whole."""
    here = meter.get()
    if here is not None:
        here.reach(path, offset)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex, read in blocks."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    reached(path)
    return digest


def size_of(path: Path) -> int:
    """The bytes of a file; 0 where that cannot be told."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file; b"" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def lenient_json(text: bytes) -> bytes:
    """The same JSON with Python's NaN and Infinity as strings that `float` reads.

    Raises ValueError where it is not JSON even so.
    """
    return json.dumps(json.loads(text, parse_constant=str)).encode()


_T = TypeVar("_T")


def json_file(path: Path, kind: type[_T], title: str) -> _T:
    """A JSON file of this type, NaN and Infinity in it too; SourceError says that it is not `title`."""
    try:
        content = path.read_bytes()
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError:
            return msgspec.json.decode(lenient_json(content), type=kind)
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise SourceError(f"is not {title}: {problem}", where=str(path)) from None


def parquet_columns(path: Path) -> list[str]:
    """The names of a Parquet file's columns; SourceError where it cannot be read."""
    return _parquet(lambda: pl.scan_parquet(path).collect_schema().names(), path)


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A Parquet file, or some columns of it; SourceError where it cannot be read."""
    return _parquet(lambda: pl.read_parquet(path, columns=None if columns is None else list(columns)), path)


def _parquet(read: Callable[[], _T], path: Path) -> _T:
    try:
        return read()
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
    except (pl.exceptions.PolarsError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise SourceError(f"cannot be read as parquet: {reason}", where=str(path)) from None
    except pl.exceptions.PanicException:
        raise SourceError("cannot be read as parquet: its metadata are spoiled", where=str(path)) from None


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line with its end) of every line that is not blank; memory is one line."""
    offset = 0
    try:
        with path.open("rb", buffering=BUFFER) as file:
            for number, line in enumerate(file, start=1):
                offset += len(line)
                if not line.isspace():
                    yield number, line
                if not number % 64:
                    reached(path, offset)
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
