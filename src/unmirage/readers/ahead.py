"""Files that other processes read before they are asked for.

A reader asks for its files one after another, in an order that may depend on what it found in them. Which
it will ask for can mostly be told beforehand: these are read by the engine meanwhile, and each is given when
its turn comes. What is read, and in which order, does not depend on the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from unmirage.engine import say
from unmirage.errors import UnmirageError
from unmirage.readers.base import Options, meter, size_of

PAYS = 16 << 20  # bytes of files below which processes are not worth their start
TELL = 1 << 20  # bytes between two words of a process on how far it is

Key = TypeVar("Key")
Result = TypeVar("Result")
OnRows = Callable[[int], None]


class Ahead(Generic[Key, Result]):
    """Calls of one function, each reading a file or a few. Used in a `with` statement.

    Parameters
    ----------
    options: `engine` makes the calls; with one job, or None, they are made here when they are asked for.
    function: importable; (on_rows, *arguments) -> result. It may raise an UnmirageError.
    calls: key -> arguments of the calls that will be asked for, in that order; all can be pickled.
    files: the files that these read.
    on_rows: called with numbers of rows as they are read.
    """

    def __init__(
        self,
        options: Options,
        function: Callable[..., Result],
        calls: Mapping[Key, tuple[Any, ...]],
        files: Sequence[Path],
        on_rows: OnRows,
    ) -> None:
        self._function = function
        self._on_rows = on_rows
        self._done: dict[Key, tuple[Result | None, UnmirageError | None]] = {}
        self._coming: Iterator[tuple[Key, tuple[Result | None, UnmirageError | None]]] | None = None
        self._left: set[Key] = set()
        self._meter = meter.get()
        engine = options.engine
        if engine is None or engine.jobs == 1 or len(calls) < 2 or sum(map(size_of, files)) < PAYS:
            return
        self._left = set(calls)
        wrapped = {key: (function, *arguments) for key, arguments in calls.items()}
        self._coming = engine.map(_made, wrapped, told=self._told)

    def get(self, key: Key, *arguments: Any) -> Result:
        """The result of a call, made here if it is none of those that were told beforehand."""
        while key in self._left and self._coming is not None:
            other, outcome = next(self._coming)
            self._left.discard(other)
            self._done[other] = outcome
        if key not in self._done:
            return self._function(self._on_rows, *arguments)
        result, problem = self._done.pop(key)
        if problem is not None:
            raise problem
        assert result is not None
        return result

    def _told(self, message: tuple[str, int | None] | int) -> None:
        if isinstance(message, int):
            self._on_rows(message)
        elif self._meter is not None:
            self._meter.reach(Path(message[0]), message[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._coming, "close", None)
        if close is not None:
            with suppress(StopIteration):
                close()


def _made(function: Callable[..., Result], *arguments: Any) -> tuple[Result | None, UnmirageError | None]:
    """The result of a call, or what was wrong with its files; how far it is is said meanwhile."""
    token = meter.set(_Teller())
    try:
        return function(say, *arguments), None
    except UnmirageError as problem:
        return None, problem
    finally:
        meter.reset(token)


class _Teller:
    """Says how far files have been read, in another process than the one that shows it."""

    def __init__(self) -> None:
        self._said: dict[Path, int] = {}

    def reach(self, path: Path, offset: int | None = None) -> None:
        """`path` has been read up to `offset`, or whole."""
        if offset is None or offset - self._said.get(path, 0) >= TELL:
            self._said[path] = offset or 0
            say((str(path), offset))
