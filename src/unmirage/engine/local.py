"""Calls on this machine: in this process, or in several that are started afresh."""

from __future__ import annotations

import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from unmirage.engine.calls import Told, made, outcome, packed
from unmirage.errors import WorkError

Key = TypeVar("Key")
Result = TypeVar("Result")

AGAIN = 3  # times that a call is made again after its process was killed
THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")


class Local:
    """An :class:`unmirage.engine.Engine`: `jobs` processes of one thread each; this one where it is 1.

    A process whose call kills it (the system does, where memory runs out) is followed by a fresh one, which
    makes that call again; the other calls go on.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.jobs = jobs

    def map(
        self,
        function: Callable[..., Result],
        calls: Mapping[Key, tuple[Any, ...]],
        *,
        long: bool = False,
        told: Told | None = None,
    ) -> Iterator[tuple[Key, Result]]:
        """See :meth:`unmirage.engine.Engine.map`."""
        jobs = min(self.jobs, len(calls))
        if jobs <= 1:
            for key, arguments in calls.items():
                yield key, made(function, arguments, told)
            return
        waiting, lost = deque(calls), Counter[Key]()
        busy: dict[Any, tuple[_Process, Key]] = {}  # by the end of the pipe that is here
        idle: list[_Process] = []
        try:
            while waiting or busy:
                while waiting and len(busy) < jobs:
                    key = waiting.popleft()
                    process = idle.pop() if idle else _Process()
                    busy[process.here] = process, key
                    process.send(packed(function, calls[key]))
                for ready in wait(list(busy)):
                    process, key = busy[ready]
                    answer = process.receive()
                    if answer is None:
                        del busy[ready]
                        lost[key] += 1
                        process.end()
                        if lost[key] > AGAIN:
                            raise _lost(key, process.code)
                        waiting.appendleft(key)
                        continue
                    kind, value = answer
                    if kind == "said":
                        if told is not None:
                            told(value)
                        continue
                    del busy[ready]
                    idle.append(process)
                    if kind == "error":
                        raise value
                    yield key, value
        finally:
            processes = [*idle, *(process for process, _ in busy.values())]
            for process in processes:
                process.leave(now=long)
            for process in processes:
                process.end()

    def close(self) -> None:
        """Nothing is kept between two maps."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Process:
    """A process that makes one call after another, and this end of the pipe to it."""

    def __init__(self) -> None:
        # Started afresh: a fork of a process whose polars has threads can hang.
        context = get_context("spawn")
        self.here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,))
        with one_thread_each():
            self._process.start()
        there.close()

    @property
    def code(self) -> int | None:
        """How it ended."""
        return self._process.exitcode

    def send(self, call: bytes) -> None:
        """Give it a call; that it is gone is met when its answer is awaited."""
        with suppress(OSError):
            self.here.send_bytes(call)

    def receive(self) -> tuple[str, Any] | None:
        """("said", message), ("result", value) or ("error", exception); None where it is gone."""
        try:
            answer: tuple[str, Any] = pickle.loads(self.here.recv_bytes())
        except (EOFError, OSError):
            return None
        return answer

    def leave(self, *, now: bool) -> None:
        """Let it end when the call in hand is done, or now."""
        if now:
            self._process.terminate()
        self.here.close()

    def end(self) -> None:
        """Wait for its end."""
        self.here.close()
        self._process.join()


def _serve(there: Connection) -> None:
    """Make calls until nobody asks any more."""
    # An interrupt is for the process that started this one; it lets the calls in hand finish.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def told(message: Any) -> None:
        with suppress(OSError):
            there.send_bytes(pickle.dumps(("said", message)))

    with suppress(EOFError, OSError):
        while True:
            there.send_bytes(outcome(there.recv_bytes(), told))


def _lost(key: object, code: int | None) -> WorkError:
    how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
    return WorkError(
        f"its process {how}, {AGAIN + 1} times",
        where=f"call {key}",
        hint="Where memory ran out, fewer --jobs need less of it.",
    )


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile use one thread each, unless the environment says how many."""
    with environment(dict.fromkeys(THREADS, "1")):
        yield


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The values are in the environment meanwhile, but for names that are there already."""
    names = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in names})
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
