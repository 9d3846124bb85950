"""Processor time, wall time and peak memory of a process, and the facts of the machine."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent.parent
PACKAGES = ("unmirage", "numpy", "polars", "scipy", "rapidfuzz", "pandas", "lm_eval", "torch")
# As most users run it: compiled modules are kept.
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """What a process took, the processes that it started and waited for included.

    Attributes
    ----------
    cpu, wall: seconds.
    peak: largest resident memory, MB (10^6 bytes).
    out: standard output.
    """

    cpu: float
    wall: float
    peak: float
    out: str


def run(command: Sequence[str], **environment: str) -> Run:
    """Run a command to its end; RuntimeError with what it said where it fails."""
    path = os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        env={**os.environ, **KEPT, **ONE_THREAD, "PYTHONPATH": path, **environment},
    )
    assert child.stdout is not None
    out = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}: {out[-2000:]}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024 / 1e6, out)


def part(name: str, *arguments: object, **environment: str) -> tuple[Any, Run]:
    """Run a module of this folder and read the JSON that is its last line."""
    done = run(["-m", f"speed.{name}", *map(str, arguments)], **environment)
    return json.loads(done.out.splitlines()[-1]), done


def cpu() -> float:
    """Processor seconds of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def spent(work: Callable[[], object], repeats: int = 1) -> float:
    """Median processor seconds of a call."""
    found = []
    for _ in range(repeats):
        start = cpu()
        work()
        found.append(cpu() - start)
    return statistics.median(found)


def in_turn(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median processor seconds of each call, all measured in turn so that a slow spell hits each alike."""
    rounds = [[spent(work) for work in works] for _ in range(repeats)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def facts() -> str:
    """One line on the machine and the versions."""
    model = platform.processor() or platform.machine()
    details = Path("/proc/cpuinfo")
    if details.exists():
        named = [line for line in details.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":")[1].strip() if named else model
    versions = []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}; "
        f"{', '.join(versions)}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table; the first column is text, the others are numbers."""
    print("| " + " | ".join(head) + " |")
    print("|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)
