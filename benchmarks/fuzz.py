"""Fuzz every reader: spoiled logs must give rows, warnings or an UnmirageError, whatever is in them.

    python benchmarks/fuzz.py --executions 1000000 --jobs 2 --logs ../shared/data/logs

With atheris installed (it is no dependency), inputs that reach new code are kept and spoiled further; without
it, or with --engine random, the small logs are spoiled at random. Printed are executions, what came out,
crashes by place with the inputs that made them, inputs over ten seconds, growth of memory and the slowest
input; an interrupt prints what there is. The exit code is 1 where there was a crash, a hang, or a growth over
a gigabyte.

A process makes a part of the executions and is followed by another: atheris holds every input that it keeps
in memory, which would hide what a reader holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIMIT = 10  # seconds of processor time an input: a busy machine is no hang
GROWTH = 1 << 20  # kilobytes over what the first reading of every seed takes

os.environ.setdefault("POLARS_MAX_THREADS", "1")


class Slow(BaseException):
    """An input took longer than the limit."""


def stop(signum: int, frame: object) -> None:
    raise Slow


@dataclass
class Tally:
    """What came of the executions so far."""

    folder: Path
    kept: Path
    base: int = 0
    executions: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    readers: Counter[str] = field(default_factory=Counter)
    crashes: Counter[str] = field(default_factory=Counter)
    hangs: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    growth: int = 0  # kilobytes of memory above the start, at their most
    started: float = field(default_factory=time.monotonic)
    written: Path | None = None  # where the closing lines' numbers go, for the process that adds them up

    def run(self, place: int, seed: mutations.Seed, data: bytes) -> None:  # noqa: F821 - imported in main
        """One execution: count it, and keep an input that breaks the rule."""
        from mutations import execute

        target = self.folder / str(place)
        target.mkdir(exist_ok=True)
        begun = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        try:
            outcome = execute(seed, data, target)
        except Slow:
            outcome = "hang"
            self.hangs.append(self.keep(seed, data))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as problem:
            outcome = "crash"
            frames = traceback.extract_tb(problem.__traceback__)
            ours = [f for f in frames if f"{os.sep}unmirage{os.sep}" in f.filename] or list(frames)
            where = f"{type(problem).__name__} in {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            if where not in self.crashes:
                print(f"{where}: {str(problem)[:200]}\n  kept as {self.keep(seed, data)}", flush=True)
            self.crashes[where] += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - begun
        self.slowest = max(self.slowest, (took, seed.name))
        self.executions += 1
        self.outcomes[outcome] += 1
        self.readers[seed.reader] += 1

    def keep(self, seed: mutations.Seed, data: bytes) -> str:  # noqa: F821 - imported in main
        self.kept.mkdir(parents=True, exist_ok=True)
        path = self.kept / f"{seed.reader}-{self.executions}-{seed.target}"
        path.write_bytes(data)
        return str(path)

    def add(self, part: dict[str, Any]) -> None:
        """Add what a part of the executions came to."""
        self.executions += part["executions"]
        for name in ("outcomes", "readers", "crashes"):
            getattr(self, name).update(part[name])
        self.hangs += part["hangs"]
        self.slowest = max(self.slowest, (part["slowest"][0], part["slowest"][1]))
        self.growth = max(self.growth, part["growth"])

    def end(self) -> int:
        """The end of one process: its numbers written, or printed; the exit code."""
        self.growth = max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - self.base)
        if self.written is None:
            return self.report()
        names = ("executions", "outcomes", "readers", "crashes", "hangs", "slowest", "growth")
        self.written.write_text(json.dumps({name: getattr(self, name) for name in names}))
        return 0

    def report(self) -> int:
        """Print the closing lines; the exit code."""
        seconds = time.monotonic() - self.started
        by_reader = ", ".join(f"{name} {count:,}" for name, count in sorted(self.readers.items()))
        print(f"executions: {self.executions:,} in {seconds:,.0f} s ({by_reader})")
        print("outcomes: " + ", ".join(f"{name} {count:,}" for name, count in sorted(self.outcomes.items())))
        print(f"crashes: {sum(self.crashes.values()):,} in {len(self.crashes)} places")
        for where, count in self.crashes.most_common():
            print(f"  {where}: {count:,}")
        print(f"hangs over {LIMIT} s: {len(self.hangs)}")
        print(f"growth of memory: {self.growth / 1024:,.0f} MB")
        print(f"slowest: {self.slowest[0]:.2f} s ({self.slowest[1]})")
        sys.stdout.flush()
        return int(bool(self.crashes or self.hangs or self.growth > GROWTH))


def at_random(tally: Tally, seeds: list[mutations.Seed], executions: int, seed: int) -> None:  # noqa: F821
    """Spoil the small logs in turn; the same seed gives the same inputs."""
    from mutations import spoil

    for number in range(executions):
        place = number % len(seeds)
        chance = random.Random(f"{seed} {number}")
        tally.run(place, seeds[place], spoil(seeds[place].files[seeds[place].target], chance))


def guided(tally: Tally, seeds: list[mutations.Seed], executions: int, seed: int) -> None:  # noqa: F821
    """Let atheris keep the inputs that reach new code; an input's first byte is the number of its seed."""
    import atheris
    from mutations import spoil

    def once(data: bytes) -> None:
        place = data[0] % len(seeds) if data else 0
        tally.run(place, seeds[place], data[1:])
        if tally.executions >= executions:
            os._exit(tally.end())

    def mutate(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        first, rest = (data[:1], data[1:]) if data else (b"\0", b"")
        if chance.random() < 0.3:
            return first + atheris.Mutate(rest, most - 1)
        return (first + spoil(rest, chance))[:most]

    corpus = tally.folder / "corpus"
    corpus.mkdir()
    for place, one in enumerate(seeds):
        (corpus / str(place)).write_bytes(bytes([place]) + one.files[one.target])
    flags = [f"-seed={seed + 1}", "-max_len=200000", "-rss_limit_mb=0", "-verbosity=0"]
    tally.kept.mkdir(parents=True, exist_ok=True)
    flags += [
        "-timeout=600",
        "-report_slow_units=60",
        "-handle_int=0",
        "-handle_term=0",
        f"-artifact_prefix={tally.kept}/",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *flags], once, custom_mutator=mutate)
    atheris.Fuzz()


def in_parts(options: argparse.Namespace) -> int:
    """The executions in processes of a part each, some at once; the closing lines of all."""
    command = [sys.executable, __file__, "--keep", str(options.keep)]
    command += ["--engine", options.engine] if options.engine else []
    command += ["--logs", str(options.logs)] if options.logs else []
    parts = -(-options.executions // options.part)
    with tempfile.TemporaryDirectory() as folder:
        whole = Tally(Path(folder), options.keep)

        def run(part: int) -> None:
            count = min(options.part, options.executions - part * options.part)
            written = Path(folder) / f"{part}.json"
            flags = [
                "--executions",
                str(count),
                "--seed",
                str(options.seed + part),
                "--written",
                str(written),
            ]
            with (Path(folder) / f"{part}.txt").open("w") as said:
                subprocess.run([*command, *flags], stdout=said, stderr=subprocess.STDOUT)
            if not written.exists():
                tail = (Path(folder) / f"{part}.txt").read_text(errors="replace")[-2000:]
                whole.crashes[f"a process that ended by itself (seed {options.seed + part})"] += 1
                print(tail, flush=True)
                return
            whole.add(json.loads(written.read_text()))
            print(f"{whole.executions:,} executions, {len(whole.crashes)} places of crashes", flush=True)

        with ThreadPoolExecutor(options.jobs) as pool:
            try:
                list(pool.map(run, range(parts)))
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
        return whole.report()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--executions", type=int, default=100_000, help="in all, over the processes")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with a seed of its own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("atheris", "random"), help="default: atheris where installed")
    parser.add_argument("--logs", type=Path, help="real logs, whose small files are used too")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="where inputs that break go")
    parser.add_argument("--part", type=int, default=50_000, help="executions of one process")
    parser.add_argument("--written", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.written is None and (options.jobs > 1 or options.executions > options.part):
        return in_parts(options)
    engine = options.engine
    if engine is None:
        try:
            import atheris

            engine = "atheris"
        except ImportError:
            engine = "random"
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["unmirage"]):
            from mutations import seeds
    else:
        from mutations import seeds
    signal.signal(signal.SIGPROF, stop)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        tally = Tally(Path(folder), options.keep, written=options.written)
        shipped = Path(__file__).parents[1] / "tests" / "data" / "every_eval_ever"
        logs = seeds(shipped, *([options.logs] if options.logs else []), every=True)
        print(f"{len(logs)} small logs, engine {engine}, seed {options.seed}", flush=True)
        for place, one in enumerate(logs):
            tally.run(place, one, one.files[one.target])
        for ended in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ended, lambda number, frame: os._exit(tally.end()))
        tally.base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        (guided if engine == "atheris" else at_random)(tally, logs, options.executions, options.seed)
        return tally.end()


if __name__ == "__main__":
    sys.exit(main())
