"""What every reader takes and gives. The formats are in modules beside this one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unmirage.errors import SourceError
from unmirage.families import Families, common_family, unsized


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
    """

    families: Families
    family: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, object] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """One file that was read: an entry of `inputs` in audit.json."""

    path: str
    format: str
    sha256: str
    rows: int


@dataclass
class Loaded:
    """What reading gives: item-level rows, aggregates, warnings, and the files that were used."""

    responses: list[pl.DataFrame] = field(default_factory=list)
    results: list[pl.DataFrame] = field(default_factory=list)
    warnings: list[dict[str, object]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)

    def extend(self, other: Loaded) -> None:
        """Add what another read gave."""
        self.responses += other.responses
        self.results += other.results
        self.warnings += other.warnings
        self.inputs += other.inputs


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


def sha256(path: Path) -> str:
    """The file's SHA-256 in hex, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line without its end) of every line that is not blank; memory is one line."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                stripped = line.strip()
                if stripped:
                    yield number, stripped
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
