"""Calls on a Ray cluster: one that is there, or one of this machine that is started for them.

Checked with Ray 2.60.0. What goes to a worker is bytes, which only a worker with the same versions opens.
"""

from __future__ import annotations

import os
import pickle
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, Self, TypeVar

from unmirage.engine import cores
from unmirage.engine.calls import Shared, Told, packed, versions
from unmirage.engine.local import AGAIN, THREADS, environment
from unmirage.errors import MissingExtraError, SettingsError, WorkError

Key = TypeVar("Key")
Result = TypeVar("Result")

SHARED_BYTES = 100_000  # an argument of several calls that is larger is sent to the cluster once
LISTENING = 0.5  # seconds between two looks at what calls say
REACHABLE = 10.0  # seconds in which the head of a cluster must answer
# Ray sends no statistics of use, leaves GPUs as they are, and does not try a call forever that memory ran
# out on.
STARTED_WITH = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_task_oom_retries": str(AGAIN),
    **dict.fromkeys(THREADS, "1"),
}


class Ray:
    """An :class:`unmirage.engine.Engine`: calls are tasks of Ray, of one CPU and one thread each.

    Parameters
    ----------
    jobs: how many calls at once; None: as many as the cluster has CPUs.
    address: HOST:PORT or "auto" of a cluster; None or "local" to start one of `jobs` CPUs on this machine.
        Where this process is connected to a cluster already, that one is used, and left as it is.

    Raises
    ------
    MissingExtraError: Ray is not installed. SettingsError: no cluster at the address, or one of other
    versions.
    """

    def __init__(self, jobs: int | None = None, address: str | None = None) -> None:
        self._ray = ray = _imported()
        self._ours = not ray.is_initialized()
        self._speak: Callable[[], None] | None = None
        started = self._ours and address in (None, "local")
        if self._ours:
            _connect(ray, None if started else address, cores() if jobs is None else jobs)
            self._speak = _hush()
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self.jobs = cpus if jobs is None else jobs
        # Where no more can run than may, the next calls wait at the cluster; else no more than may are sent.
        self._flight = 2 * cpus if jobs is None or started else jobs

    def map(
        self,
        function: Callable[..., Result],
        calls: Mapping[Key, tuple[Any, ...]],
        *,
        long: bool = False,
        told: Told | None = None,
    ) -> Iterator[tuple[Key, Result]]:
        """See :meth:`unmirage.engine.Engine.map`."""
        ray = self._ray
        call = ray.remote(num_cpus=1, max_retries=AGAIN, runtime_env=_one_thread())(_call())
        heard = None if told is None else _ears(ray)
        waiting = _sent(ray, function, calls)
        flight: dict[Any, Key] = {}
        begun = 0
        try:
            while begun < len(calls) or flight:
                while begun < len(calls) and len(flight) < self._flight:
                    key, work, shared = next(waiting)
                    flight[call.remote(versions(), os.getcwd(), heard, work, *shared)] = key
                    begun += 1
                done, _ = ray.wait(list(flight), timeout=None if heard is None else LISTENING)
                _listen(ray, heard, told)
                for reference in done:
                    key = flight.pop(reference)
                    yield key, _opened(ray, reference, key)
        finally:
            for reference in flight:
                ray.cancel(reference, force=long)
            if heard is not None:
                ray.kill(heard)

    def close(self) -> None:
        """Leave the cluster; end it where it was started here."""
        if self._ours and self._ray.is_initialized():
            self._ray.shutdown()
        if self._speak is not None:
            self._speak()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _imported() -> Any:
    try:
        with environment({"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}):
            import ray
    except ModuleNotFoundError as problem:
        if problem.name != "ray":
            raise
        raise MissingExtraError(
            "Ray is not installed",
            where="--engine ray",
            hint="Install it with: pip install 'unmirage[cluster]'",
        ) from None
    return ray


def _connect(ray: Any, address: str | None, cpus: int) -> None:
    """Connect to the cluster at the address, or start one of so many CPUs."""
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is not None:
        _reach(address)
    try:
        if address is None:
            with environment({**STARTED_WITH, "RAY_AUTH_TOKEN": _token()}):
                ray.init("local", num_cpus=cpus, include_dashboard=False, **quiet)
        else:
            with environment(STARTED_WITH):
                ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as problem:
        said = " ".join(str(problem).split())
        if address is None:
            raise SettingsError(f"Ray cannot start a cluster here: {said}", where="--engine ray") from None
        raise SettingsError(
            f"no cluster can be used here: {said}",
            where=f"--ray-address {address}",
            hint="Run this on a machine of the cluster, with the Ray and Python that it was started with; "
            "where it asks for a token, with RAY_AUTH_MODE=token and RAY_AUTH_TOKEN too.",
        ) from None


@lru_cache(maxsize=1)
def _token() -> str:
    """What a cluster that is started here asks of whoever connects; else Ray keeps one in the home folder."""
    return secrets.token_hex(32)


def _hush() -> Callable[[], None]:
    """Ray writes of every worker that dies to standard output, where tables go, and has no option for it.

    Returns what lets it speak again.
    """
    from ray._private import worker

    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_, **__: None
    return lambda: setattr(worker, "print_to_stdstream", before)


def _reach(address: str) -> None:
    """SettingsError where nothing answers at HOST:PORT; Ray itself would wait for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "/" in host or not host or not port.isdigit():
        raise SettingsError(
            "is no address of a cluster",
            where=f"--ray-address {address}",
            hint="Write HOST:PORT of its head, on a machine of the cluster, or auto.",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHABLE).close()
    except (OSError, OverflowError) as problem:
        raise SettingsError(
            f"no cluster answers: {problem}",
            where=f"--ray-address {address}",
            hint="`ray start --head --port=6379` starts one there; `ray status` says whether it is up.",
        ) from None


def _one_thread() -> dict[str, Any]:
    return {"env_vars": dict.fromkeys(THREADS, "1")}


def _call() -> Callable[..., bytes]:
    """What a worker does. Sent whole, so that it can say so where the worker has no unmirage, or another."""

    def call(known: dict[str, str], folder: str, heard: Any, work: bytes, *shared: bytes) -> bytes:
        import contextlib
        import os
        import pickle
        import socket

        try:
            from unmirage.engine.calls import outcome, versions

            found: object = versions()
        except ImportError as problem:
            found = f"{type(problem).__name__}: {problem}"
        if found != known:
            return pickle.dumps(("unlike", (socket.gethostname(), found)))
        with contextlib.suppress(OSError):
            os.chdir(folder)  # where machines share it, relative paths are what they are for the caller
        if heard is None:
            return outcome(work, None, shared)
        import ray

        last: list[Any] = [None]

        def told(message: Any) -> None:
            last[0] = heard.hear.remote(message)

        answer = outcome(work, told, shared)
        if last[0] is not None:
            ray.get(last[0])  # the actor hears them in order: all before the call is done
        return answer

    return call


def _opened(ray: Any, reference: Any, key: object) -> Any:
    """The result of a call that is done."""
    try:
        kind, value = pickle.loads(ray.get(reference))
    except ray.exceptions.RayError as problem:
        lines = str(problem).strip().splitlines() or [type(problem).__name__]
        raise WorkError(
            f"the cluster lost it, {AGAIN + 1} times: {lines[0]}",
            where=f"call {key}",
            hint="Where memory ran out, fewer calls at a time (--jobs) need less of it; "
            "else the logs of Ray on that machine say why.",
        ) from None
    if kind == "unlike":
        host, found = value
        raise SettingsError(
            f"its Python environment is another: {_unlike(versions(), found)}",
            where=f"machine {host} of the cluster",
            hint="Install the same versions on every machine of the cluster.",
        )
    if kind == "error":
        raise value
    return value


def _unlike(known: dict[str, str], found: object) -> str:
    if not isinstance(found, dict):
        return str(found)
    return ", ".join(
        f"{name} {found.get(name, 'missing')}, not {wanted}"
        for name, wanted in known.items()
        if found.get(name) != wanted
    )


def _sent(
    ray: Any, function: Callable[..., Any], calls: Mapping[Key, tuple[Any, ...]]
) -> Iterator[tuple[Key, bytes, Sequence[Any]]]:
    """Each call packed, and references to those of its arguments that are large and that others share."""
    times = Counter(id(one) for arguments in calls.values() for one in arguments)
    references: dict[int, Any] = {}
    for key, arguments in calls.items():
        shared: list[Any] = []
        sent: list[Any] = []
        for one in arguments:
            place = id(one)
            if times[place] > 1 and place not in references:
                content = ray.cloudpickle.dumps(one)
                references[place] = ray.put(content) if len(content) > SHARED_BYTES else None
            reference = references.get(place)
            sent.append(one if reference is None else Shared(len(shared)))
            if reference is not None:
                shared.append(reference)
        yield key, packed(function, sent, ray.cloudpickle.dumps), shared


def _ears(ray: Any) -> Any:
    """An actor on this machine that keeps what calls say."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    class Ears:
        def __init__(self) -> None:
            self.messages: list[Any] = []

        def hear(self, message: Any) -> None:
            self.messages.append(message)

        def take(self) -> list[Any]:
            taken, self.messages = self.messages, []
            return taken

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    lasting = {"max_restarts": -1, "max_task_retries": -1}
    return ray.remote(num_cpus=0, scheduling_strategy=here, **lasting)(Ears).remote()


def _listen(ray: Any, heard: Any, told: Told | None) -> None:
    if heard is None or told is None:
        return
    for message in ray.get(heard.take.remote()):
        told(message)
