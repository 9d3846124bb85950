"""How fast it is, as ratios against named peers on the same rows.

    python benchmarks/speed.py [--rows 100000 1000000] [--huge] [--tasks 20] [--harness-rows N]
        [--bootstrap-rows N] [--only path edits choices fits start reading]

Each number is of a process of its own: processor seconds (its own and those of processes it waited for),
wall seconds and peak memory as the kernel counts them. `--huge` adds 16,000,000 rows. The harness takes about
80 s of CPU per 100,000 rows and scipy's bootstrap about 10, so they are measured up to `--harness-rows` and
`--bootstrap-rows`. Peers that this Python cannot import are named as such: run it where lm_eval, pandas,
scipy and torch are installed.
"""

from __future__ import annotations

import argparse

from speed import kernels, laws, pipeline, start
from speed.measure import BENCHMARKS, facts, run

HUGE = 16_000_000
PARTS = ("path", "edits", "choices", "fits", "start", "reading")


def print_reading() -> None:
    """Print the table of benchmarks/reading.py."""
    print("## Reading logs\n")
    print(run([str(BENCHMARKS / "reading.py")]).out)


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--huge", action="store_true", help=f"also {HUGE:,} rows")
    parser.add_argument(
        "--tasks", type=int, default=20, help="of the whole path, for ten models of two families"
    )
    parser.add_argument("--harness-rows", type=int, default=100_000)
    parser.add_argument("--bootstrap-rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="some of the tables")
    asked = parser.parse_args()
    sizes = sorted({*asked.rows, *([HUGE] if asked.huge else [])})
    parts = {
        "path": lambda: pipeline.measure(sizes, asked.tasks, asked.harness_rows, asked.bootstrap_rows),
        "edits": kernels.print_edits,
        "choices": kernels.print_choices,
        "fits": laws.print_fits,
        "start": start.print_start,
        "reading": print_reading,
    }
    print(facts() + "\n", flush=True)
    for name in asked.only:
        parts[name]()


if __name__ == "__main__":
    main()
