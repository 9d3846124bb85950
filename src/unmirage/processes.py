"""Calls spread over processes: what takes hours here is many calls that need nothing of each other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, TypeVar

Key = TypeVar("Key")
Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result], calls: Mapping[Key, tuple[Any, ...]], jobs: int, *, long: bool = False
) -> Iterator[tuple[Key, Result]]:
    """The result of `function(*arguments)` of each call, with its key, as they are done.

    With one job the calls are made here, in order. Else processes of one thread each take them in order; an
    interrupt, or the end of the iteration, cancels those that no process has begun, and lets those in hand
    finish, or ends them too where they are `long`.

    Parameters
    ----------
    function: importable, as are its arguments.
    calls: key -> arguments.
    jobs: processes.
    long: whether a call takes more than seconds, and goes on where it was ended.
    """
    if jobs == 1:
        for key, arguments in calls.items():
            yield key, function(*arguments)
        return
    others = set(active_children())
    # Processes are started afresh: a fork of a process whose polars has threads can hang.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_deaf) as pool:
        with _one_thread_each():
            keys: dict[Future[Result], Key] = {
                pool.submit(function, *arguments): key for key, arguments in calls.items()
            }
        try:
            for future in as_completed(keys):
                yield keys[future], future.result()
        finally:
            if long:
                for process in set(active_children()) - others:
                    process.terminate()
            # Waits for the processes; only one thread may, else each can miss that the other has met the end.
            pool.shutdown(cancel_futures=True)


def _deaf() -> None:
    """An interrupt is for the process that started this one; it lets the calls in hand finish."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile use one thread each, unless the environment says how many."""
    names = [name for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS") if name not in os.environ]
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
