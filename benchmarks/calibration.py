"""python benchmarks/calibration.py [TABLE.csv | quick | main [JOBS]]: error rates of the verdict.

Prints Markdown tables of a file that `unmirage calibrate` wrote, or runs a set of designs on the test truths
first: `main` takes hours. Without a word it prints the table that comes with the package. How often each
verdict is wrong, over all designs and in the worst of them; false alarms by truth, scales, items and scatter;
power on steps; how often artifacts are found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from unmirage.calibrate import calibrate
from unmirage.engine import engine
from unmirage.report.error_tables import markdown, sheets
from unmirage.theory.designs import RUNS, SETS, design_set
from unmirage.verdict.error_rates import committed, read_table


def table(arguments: list[str]) -> pl.DataFrame:
    """The table that the arguments name."""
    if not arguments:
        return committed()
    name = arguments[0]
    if name not in SETS:
        return read_table(Path(name))
    jobs = int(arguments[1]) if len(arguments) > 1 else 1
    return calibrate(design_set(name), runs=RUNS[name], engine=engine("local", jobs))


def main() -> None:
    """Print the tables."""
    for sheet in sheets(table(sys.argv[1:])):
        print(markdown(sheet))


if __name__ == "__main__":
    main()
