"""The options that say where work runs, for all commands whose work can be spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from unmirage.cli_options import _option

if TYPE_CHECKING:
    from unmirage.engine import Engine

RUNNING = Group("Running", sort_key=3)


@Parameter(name="*")
@dataclass
class EngineOptions:
    """Where the work runs."""

    jobs: Annotated[
        int | None,
        _option(
            RUNNING,
            "How many parts of the work are done at once. By default one, in this process, which has all "
            "cores for it: more pay where the work takes longer than to start processes and send them the "
            "rows. With --engine ray by default all CPUs.",
        ),
    ] = None
    engine: Annotated[
        Literal["local", "ray"],
        _option(
            RUNNING, "This machine, or a Ray cluster (needs `unmirage[cluster]`); the numbers are the same."
        ),
    ] = "local"
    ray_address: Annotated[
        str | None,
        _option(
            RUNNING,
            "HOST:PORT of the head of the cluster, of which this machine is part, or auto; by default "
            "RAY_ADDRESS, or else a cluster of this machine that is started and ended.",
        ),
    ] = None

    def started(self) -> Engine:
        """The engine, to be used in a `with` statement."""
        from unmirage.engine import engine

        return engine(self.engine, self.jobs, self.ray_address)


@Parameter(name="*")
@dataclass
class LongEngineOptions(EngineOptions):
    """Where work runs that takes long, and uses all cores by itself."""

    jobs: Annotated[
        int | None,
        _option(
            RUNNING,
            "How many calls at once, each a process of one thread; by default the cores of this machine, or "
            "all CPUs of the cluster.",
        ),
    ] = None

    def started(self) -> Engine:
        """The engine, to be used in a `with` statement."""
        from unmirage.engine import cores, engine

        jobs = cores() if self.jobs is None and self.engine == "local" else self.jobs
        return engine(self.engine, jobs, self.ray_address)


@Parameter(name="*")
@dataclass
class ReadingEngineOptions(EngineOptions):
    """Where logs are read."""

    jobs: Annotated[
        int | None,
        _option(
            RUNNING,
            "How many files are read at once, each by a process. By default one and in this process; more "
            "pay from about 100 MB on. With --engine ray: all CPUs.",
        ),
    ] = None
