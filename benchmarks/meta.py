"""python benchmarks/meta.py [SUITES]: is the null of `unmirage meta` right, and what does it find?

Suites of tasks whose truth is known are simulated, cut down to a table of results (mean, standard error and
number of items), and analysed by `unmirage.meta`. Prints Markdown tables:

1. false alarms: suites of smooth tasks (the test truths), by setting, truth, metric; what the log holds;
2. power: suites in which one task in ten steps within one gap of the grid;
3. the raw score of the paper's smooth model on ever denser grids, beside its p;
4. time and peak memory on the real results in ../shared/data, where they are.

SUITES is the number of suites a setting, 1 by default (2 to 3 minutes of one core).
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

import unmirage
from unmirage import statistics
from unmirage.audit import UnmirageWarning
from unmirage.theory.model import PAPER, brier_one_sided, exact_match, token_edit_distance
from unmirage.theory.truths import even_scales, recipes

ENDS = (1e7, 1e10)
SCALES, ITEMS, SCATTER = (6, 8, 12), (100, 1000, 10_000), (0.01, 0.02, 0.05)
LENGTHS, CHOICES = (1, 4, 8), (2, 4)
METRICS = {
    "generation": ("exact_match", "token_edit_distance", "target_prob", "cross_entropy"),
    "choice": ("multiple_choice_grade", "choice_prob", "brier_mean"),
}
# Share of the loss that goes in a step, and the truths that step.
SIZES = (0.3, 0.5, 0.8)
STEPS = {"generation": "step-on-curve", "choice": "choice-step-curved"}
KNOWN = ("n, errors", "errors", "n", "neither", "items", "one scatter for all tasks")
ALPHA = 0.05
PYTHIA = Path(__file__).resolve().parents[2] / "shared" / "data" / "pythia_lm_eval.parquet"

Task = tuple[str, str, int]  # truth, kind, tokens or choices
Setting = tuple[int, int, float]  # scales, items, scatter


def smooth_tasks() -> list[Task]:
    """Every smooth truth of the test set, with targets of 1, 4 and 8 tokens, or 2 and 4 choices."""
    truths = [(name, one.kind) for name, one in recipes("test").items() if one.label == "smooth"]
    return [(name, kind, k) for name, kind in truths for k in (LENGTHS if kind == "generation" else CHOICES)]


def stepping_tasks() -> list[Task]:
    """One task in ten steps: twenty smooth ones, and a step of either kind."""
    return [*smooth_tasks()[:10], *smooth_tasks()[-8:], *((name, kind, 4) for kind, name in STEPS.items())]


def called(task: Task) -> str:
    """The name of a task in the tables."""
    truth, kind, many = task
    return f"{truth}, {many} {'choices' if kind == 'choice' else 'token' if many == 1 else 'tokens'}"


def responses(
    tasks: Sequence[Task], setting: Setting, seed: int, size: float | None = None, *, alike: bool = False
) -> Iterator[pl.DataFrame]:
    """The responses of a suite, a frame a kind; `alike`: the same models are off in all tasks."""
    scales, items, scatter = setting
    for kind in METRICS:
        yield pl.concat(
            unmirage.simulate(
                truth,
                scales=even_scales(*ENDS, scales),
                n_items=items,
                scatter=scatter,
                seed=1000 * seed + (0 if alike else place),
                task=called((truth, kind, many)),
                parameters={"size": size} if size is not None and truth in STEPS.values() else {},
                **{"length" if kind == "generation" else "choices": many},
            )
            for place, (truth, of, many) in enumerate(tasks)
            if of == kind
        )


def aggregated(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The table of results: mean, standard error and number of items of each model, task and metric."""
    parts = []
    for frame in frames:
        scores = unmirage.score(frame, list(METRICS[frame["kind"][0]]))
        means = scores.group_by("family", "model", "task", "metric", maintain_order=True).agg(
            value=pl.col("score").mean(),
            stderr=pl.col("score").std() / pl.len().sqrt(),
            n=pl.len().cast(pl.Int64),
        )
        sizes = frame.select("model", "n_params").unique(maintain_order=True)
        parts.append(means.join(sizes, on="model", maintain_order="left"))
    return pl.concat(parts)


def cells(found: unmirage.meta.found.Meta, setting: Setting, number: int) -> pl.DataFrame:
    """What is counted of a suite: one row a tested cell, with its setting."""
    scales, items, scatter = setting
    task = pl.col("task").str.splitn(", ", 2)
    return (
        found.cells.filter(pl.col("p").is_not_null())
        .with_columns(
            scales=pl.lit(f"{scales} scales"),
            items=pl.lit(f"{items:,} items"),
            scatter=pl.lit(f"scatter {scatter:.0%}"),
            truth=task.struct[0],
            measure=pl.when(pl.col("metric").is_in(["exact_match", "multiple_choice_grade"]))
            .then(pl.format("{} of {}", "metric", task.struct[1]))
            .otherwise("metric"),
            suite=pl.lit(number),
            # One family of curves a task and suite: its metrics share their items and models.
            unit=pl.format("{} {} {} {} {}", pl.lit(number), pl.lit(scales), pl.lit(items), pl.lit(scatter), "task"),
        )
        .select("scales", "items", "scatter", "truth", "measure", "suite", "unit", "beyond", "adjusted")
    )


def share(part: pl.DataFrame, column: str = "beyond") -> str:
    """ "2.1% [1.0%, 3.9%] of 500": with an interval over tasks, Korn and Graubard's."""
    flags = part[column].to_numpy().astype(np.float64)[:, None]
    if not flags.size:
        return "–"
    units = part["unit"].cast(pl.Categorical).to_physical().to_numpy()
    units = np.unique(units, return_inverse=True)[1]
    low, high = statistics.korn_graubard(
        flags.mean(axis=0),
        statistics.clustered_stderr(flags, units),
        np.array([len(flags)]),
        np.array([units.max() + 1]),
        0.95,
    )
    return f"{flags.mean():.1%} [{float(low[0]):.1%}, {float(high[0]):.1%}] of {len(flags):,}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")


def false_alarms(suites: int) -> None:
    """Suites in which every task is smooth."""
    # Of 10,000 items one scatter a number of scales, in turn: they take most of the time.
    settings = [(s, n, x) for s, n, x in product(SCALES, ITEMS[:-1], SCATTER)]
    settings += [(s, ITEMS[-1], x) for s, x in zip(SCALES, SCATTER, strict=True)]
    found = []
    for setting, k in product(settings, range(suites)):
        results = aggregated(list(responses(smooth_tasks(), setting, k)))
        found.append(cells(unmirage.meta(results), setting, k))
    every = pl.concat(found)
    print("## False alarms on smooth suites, level 5%\n")
    shares = sorted((float(one["beyond"].mean() or 0.0) for one in found), reverse=True)
    over = sum(one > ALPHA for one in shares)
    print(
        f"{len(found)} suites of {len(smooth_tasks())} tasks. Beyond: {share(every)} cells; after adjustment "
        f"{int(every['adjusted'].sum())}. Largest share of a suite: {shares[0]:.1%}; "
        f"above 5%: {over} suites; any cell after adjustment: {sum(bool(one['adjusted'].any()) for one in found)} suites."
    )
    for by in ("scales", "items", "scatter", "truth", "measure"):
        parts = every.partition_by(by, as_dict=True, maintain_order=True)
        table((by, "beyond", "after adjustment"), [(k[0], share(p), share(p, "adjusted")) for k, p in parts.items()])
    for by in (("scales", "items", "scatter"), ("truth", "measure", "scatter")):
        worst = max(every.partition_by(by), key=lambda part: float(part["beyond"].mean() or 0.0))
        print(f"\nWorst of {' × '.join(by)}: {', '.join(worst.select(by).row(0))}: {share(worst)}.")


def by_what_is_known(suites: int) -> None:
    """The same smooth suites, with less and less said of their errors; with items; with one scatter."""
    setting = (8, 1000, 0.02)
    rows = []
    for what in KNOWN:
        found = []
        for k in range(suites):
            frames = list(responses(smooth_tasks(), setting, k, alike=what == KNOWN[-1]))
            if what == "items":
                wanted = [name for names in METRICS.values() for name in names]
                with warnings.catch_warnings():
                    # Each kind of responses has its own metrics; the others cannot be computed.
                    warnings.simplefilter("ignore", UnmirageWarning)
                    one = unmirage.meta(pl.concat(frames), metrics=wanted)
            else:
                results = aggregated(frames)
                keep = {"errors": ("stderr",), "n": ("n",), "neither": ()}.get(what, ("stderr", "n"))
                one = unmirage.meta(results.drop(name for name in ("stderr", "n") if name not in keep))
            found.append(cells(one, setting, k))
        every = pl.concat(found)
        rows.append((what, share(every), share(every, "adjusted")))
    print(f"\n## What the log holds: smooth suites of {setting[0]} scales, {setting[1]:,} items, scatter 2%")
    table(("known", "beyond", "after adjustment"), rows)


def found_steps(suites: int) -> None:
    """Suites in which one task in ten steps."""
    print("\n## Power: one task in ten steps, 1,000 items, scatter 2%")
    rows = []
    for size, scales in product(SIZES, SCALES):
        setting = (scales, 1000, 0.02)
        found = []
        for k in range(2 * suites):
            results = aggregated(list(responses(stepping_tasks(), setting, k, size)))
            found.append(cells(unmirage.meta(results), setting, k))
        every = pl.concat(found)
        steps = every.filter(pl.col("truth").is_in(list(STEPS.values())))
        others = every.filter(~pl.col("truth").is_in(list(STEPS.values())))
        for measure, part in sorted(steps.partition_by("measure", as_dict=True).items()):
            rows.append((f"{size:.0%}", scales, measure[0], share(part), share(part, "adjusted")))
        rows.append((f"{size:.0%}", scales, "all that step", share(steps), share(steps, "adjusted")))
        rows.append((f"{size:.0%}", scales, "all others", share(others), share(others, "adjusted")))
    table(("loss that goes", "scales", "cells", "beyond", "after adjustment"), rows)


def dense_grids() -> None:
    """The paper's smooth model on ever more sizes from 1e8 to 1e12: raw score, and p without any error."""
    curves: Mapping[str, tuple[str, object]] = {
        "accuracy, 1 token": ("exact_match", lambda p: exact_match(p, 1)),
        "accuracy, 5 tokens": ("exact_match", lambda p: exact_match(p, 5)),
        "accuracy, 20 tokens": ("exact_match", lambda p: exact_match(p, 20)),
        "edit distance, 5 tokens": ("token_edit_distance", lambda p: token_edit_distance(p, 5)),
        "Brier score, one-sided": ("brier_one_sided", brier_one_sided),
        "cross-entropy": ("cross_entropy", lambda p: -np.log(p)),
    }
    sizes = (5, 8, 12, 25, 50, 100)
    shown: dict[str, list[str]] = {name: [] for name in curves}
    for count in sizes:
        scales = even_scales(1e8, 1e12, count)
        p = PAPER.token_probability(scales)
        rows = [
            {"family": "paper", "model": f"m{i}", "n_params": x, "task": name, "metric": metric, "value": y}
            for name, (metric, law) in curves.items()
            for i, (x, y) in enumerate(zip(scales.tolist(), law(p).tolist(), strict=True))
        ]
        found = unmirage.meta(pl.DataFrame(rows)).cells
        for row in found.iter_rows(named=True):
            shown[row["task"]].append(f"{row['emergence_score']:,.1f} (p = {row['p']:.2g})")
    print("\n## Raw score of the paper's smooth model on ever more sizes, and its p under the null")
    table(("curve", *(f"{count} sizes" for count in sizes)), [(name, *cells) for name, cells in shown.items()])


MEASURED = """
import resource, sys, time, unmirage
start = time.perf_counter()
found = unmirage.meta(sys.argv[1], axis=sys.argv[2])
print(found.cells.height, time.perf_counter() - start)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def real_results() -> None:
    """Time and memory of a process that reads and analyses the Pythia models' results."""
    print("\n## Time and memory: results of the Pythia models (lm-evaluation-harness)")
    if not PYTHIA.is_file():
        print("\nThe file is not here.")
        return
    rows = pl.scan_parquet(PYTHIA).select(pl.len()).collect().item()
    shown = []
    for axis in ("n_params", "n_tokens"):
        command = [sys.executable, "-W", "ignore", "-c", MEASURED, str(PYTHIA), axis]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        count, seconds, memory = done.stdout.split()
        shown.append((axis, f"{rows:,}", f"{int(count):,}", f"{float(seconds):.1f}", f"{float(memory):,.0f}"))
    table(("axis", "rows", "curves", "seconds", "peak memory, MiB"), shown)


def main() -> None:
    """Print the tables."""
    suites = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    false_alarms(suites)
    by_what_is_known(suites)
    found_steps(suites)
    dense_grids()
    real_results()


if __name__ == "__main__":
    main()
