"""Where work runs: in this process, in processes of this machine, or on a Ray cluster.

What takes long here is many calls that need nothing of each other. An engine makes them and gives their
results as they are done; results never depend on the engine, on the number of calls at once, or on the order
in which they end. Nothing in here knows of tables or audits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from unmirage.engine.calls import say
from unmirage.errors import SettingsError

__all__ = ["Engine", "cores", "engine", "say"]

Key = TypeVar("Key")
Result = TypeVar("Result")


class Engine(Protocol):
    """Makes calls. Used in a `with` statement, or ended by `close`.

    Attributes
    ----------
    jobs: how many calls are made at once, 1 or more.
    """

    @property
    def jobs(self) -> int: ...

    def map(
        self,
        function: Callable[..., Result],
        calls: Mapping[Key, tuple[Any, ...]],
        *,
        long: bool = False,
        told: Callable[[Any], None] | None = None,
    ) -> Iterator[tuple[Key, Result]]:
        """The result of `function(*arguments)` of each call, with its key, as they are done.

        Calls begin in order. An interrupt, or the end of the iteration, cancels those that have not begun;
        those in hand may finish, but are ended too where they are `long`. A call whose process was killed
        is made again, three times at most.

        Parameters
        ----------
        function: importable; it and its arguments can be pickled where there is more than one job.
        calls: key -> arguments.
        long: whether a call takes more than seconds, and goes on where it was ended.
        told: called here with each message that a call sends by :func:`say`, while this iterates.

        Raises
        ------
        WorkError
            A call was lost each time, or there is nothing left to make it. What a call raises is raised as
            it is; a note on it has the traceback of the process that raised it.
        """
        ...

    def close(self) -> None:
        """End what was started to make calls."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def engine(name: str = "local", jobs: int | None = None, address: str | None = None) -> Engine:
    """The engine of a name.

    Parameters
    ----------
    name: "local" for this machine, or "ray" for a Ray cluster (the extra `cluster`).
    jobs: how many calls at once, 1 or more. None is 1 for "local", where calls are then made in this
        process; for "ray" it is the cores of this machine or, with an address, all CPUs of the cluster. More
        than one local job are processes that start afresh, so a script that asks for them runs this below
        `if __name__ == "__main__":`.
    address: for "ray", HOST:PORT of the head of a cluster that this machine is a node of, or "auto" to find
        it. None is the environment's RAY_ADDRESS; where that is not set, a cluster of this machine is
        started, and ended by `close`.

    Raises
    ------
    SettingsError
        An unknown name, a number below 1, an address for "local", or no cluster at the address.
    MissingExtraError
        Ray is not installed.
    """
    if name not in ("local", "ray"):
        raise SettingsError(f"there is no engine {name!r}", where="--engine", hint="Say local or ray.")
    if jobs is not None and jobs < 1:
        raise SettingsError("must be 1 at least", where="--jobs")
    if name == "local":
        if address is not None:
            raise SettingsError(
                "needs --engine ray", where="--ray-address", hint="Leave it out to run on this machine."
            )
        from unmirage.engine.local import Local

        return Local(1 if jobs is None else jobs)
    from unmirage.engine.ray import Ray

    return Ray(jobs, address or os.environ.get("RAY_ADDRESS") or None)


def cores() -> int:
    """The cores that this process may use, 1 or more."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
