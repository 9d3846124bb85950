"""python benchmarks/meta.py [SUITES]: is the null of `unmirage meta` right, and what does it find?

Suites of tasks whose truth is known are simulated, cut down to a table of results (mean, standard error and
number of items), and analysed by `unmirage.meta`. Prints Markdown tables:

1. time and peak memory on the real results in ../shared/data, where they are;
2. false alarms: suites of smooth tasks (the test truths), by setting, truth, metric; other suites;
3. power: suites in which one task in ten steps within one gap of the grid;
4. the raw score of the paper's smooth model on ever denser grids, beside its p.

SUITES is the number of suites a setting, 1 by default (2 minutes of one core).
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

import unmirage
from unmirage import statistics
from unmirage.audit import UnmirageWarning
from unmirage.meta.found import Meta
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
LITTLE_KNOWN = (0.02, 0.05, 0.1, 0.2)  # scatter where there are too few tasks to tell it
ALPHA = 0.05
COUNTED = ("beyond", "adjusted", "line", "line_adjusted")
HEAD = (
    *("cells", "emergence score beyond", "after adjustment"),
    *("linearity below", "after adjustment"),
)
PYTHIA = Path(__file__).resolve().parents[2] / "shared" / "data" / "pythia_lm_eval.parquet"

Floats = npt.NDArray[np.float64]
Task = tuple[str, str, int]  # truth, kind, tokens or choices
Setting = tuple[int, int, float]  # scales, items, scatter


def smooth_tasks() -> list[Task]:
    """Every smooth truth of the test set, with targets of 1, 4 and 8 tokens, or 2 and 4 choices."""
    truths = [(name, one.kind) for name, one in recipes("test").items() if one.label == "smooth"]
    return [(name, kind, k) for name, kind in truths for k in (LENGTHS if kind == "generation" else CHOICES)]


def few_tasks(k: int) -> list[Task]:
    """Two tasks of each kind, others for another k: too few to tell the scatter of the models."""
    made, chosen = ([one for one in smooth_tasks() if one[1] == kind] for kind in METRICS)
    return [made[k % len(made)], made[(k + 7) % len(made)], chosen[k % 2], chosen[2 + k % 2]]


def stepping_tasks() -> list[Task]:
    """One task in ten steps: twenty smooth ones, and a step of either kind."""
    return [*smooth_tasks()[:10], *smooth_tasks()[-8:], *((name, kind, 4) for kind, name in STEPS.items())]


def called(task: Task) -> str:
    """The name of a task in the tables."""
    truth, kind, many = task
    return f"{truth}, {many} {'choices' if kind == 'choice' else 'token' if many == 1 else 'tokens'}"


def responses(
    tasks: Sequence[Task],
    setting: Setting,
    seed: int,
    size: float | None = None,
    *,
    alike: bool = False,
    tails: Literal["normal", "t3"] = "normal",
) -> Iterator[pl.DataFrame]:
    """The responses of a suite, a frame a task; `alike`: the same models are off in all tasks."""
    scales, items, scatter = setting
    for place, task in enumerate(tasks):
        truth, kind, many = task
        yield unmirage.simulate(
            truth,
            scales=even_scales(*ENDS, scales),
            n_items=items,
            scatter=scatter,
            tails=tails,
            seed=1000 * seed + (0 if alike else place),
            task=called(task),
            parameters={"size": size} if size is not None and truth in STEPS.values() else {},
            length=many if kind == "generation" else 1,
            choices=many if kind == "choice" else 2,
        )


def aggregated(frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
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


def cells(found: Meta, setting: Setting, number: int) -> pl.DataFrame:
    """What is counted of a suite: one row a tested cell, with its setting."""
    scales, items, scatter = setting
    task = pl.col("task").str.splitn(", ", 2)
    of_items = pl.col("metric").is_in(["exact_match", "multiple_choice_grade"])
    return (
        found.cells.filter(pl.col("p").is_not_null())
        .with_columns(
            scales=pl.lit(f"{scales} scales"),
            items=pl.lit(f"{items:,} items"),
            scatter=pl.lit(f"scatter {scatter:.0%}"),
            truth=task.struct[0],
            measure=pl.when(of_items).then(pl.format("{}, {}", "metric", task.struct[1])).otherwise("metric"),
            # The metrics of a task share its items and models.
            unit=pl.format(f"{number} {scales} {items} {scatter} {{}}", "task"),
            line=pl.col("p_linearity") <= ALPHA,
            line_adjusted=pl.col("p_linearity_adjusted") <= ALPHA,
        )
        .select("scales", "items", "scatter", "truth", "measure", "unit", *COUNTED)
    )


def interval(part: pl.DataFrame, column: str = "beyond") -> tuple[float, float, float]:
    """The share of cells, and its 95% interval over tasks, Korn and Graubard's."""
    flags = part[column].to_numpy().astype(np.float64)[:, None]
    units = np.unique(part["unit"].to_numpy(), return_inverse=True)[1]
    low, high = statistics.korn_graubard(
        flags.mean(axis=0),
        statistics.clustered_stderr(flags, units),
        np.array([len(flags)]),
        np.array([units.max() + 1]),
        0.95,
    )
    return float(flags.mean()), float(low[0]), float(high[0])


def share(part: pl.DataFrame, column: str) -> str:
    """ "2.1% [1.0%, 3.9%]"."""
    mean, low, high = interval(part, column)
    return f"{mean:.1%} [{low:.1%}, {high:.1%}]"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")


def counts(part: pl.DataFrame) -> list[str]:
    """The cells of a row of a table, for `HEAD`."""
    return [f"{part.height:,}", *(share(part, one) for one in COUNTED)]


def false_alarms(suites: int) -> None:
    """Suites in which every task is smooth."""
    # Of 10,000 items one scatter a number of scales, in turn: they take most of the time.
    settings = [*product(SCALES, ITEMS[:-1], SCATTER)]
    settings += [(s, ITEMS[-1], x) for s, x in zip(SCALES, SCATTER, strict=True)]
    found = [
        cells(unmirage.meta(aggregated(responses(smooth_tasks(), setting, k))), setting, k)
        for setting, k in product(settings, range(suites))
    ]
    every = pl.concat(found)
    shares = [interval(one)[0] for one in found]
    print(f"\n## False alarms: {len(found)} suites of {len(smooth_tasks())} smooth tasks")
    table(("all", *HEAD), [("", *counts(every))])
    print(
        f"\nLargest share of a suite beyond: {max(shares):.1%}; suites with more than 5%: "
        f"{sum(one > ALPHA for one in shares)}; with a cell that is beyond after adjustment: "
        f"{sum(bool(one['adjusted'].any()) for one in found)}."
    )
    for by in ("scales", "items", "scatter", "truth", "measure"):
        parts = every.partition_by(by, as_dict=True, maintain_order=True)
        table((by, *HEAD), [(name, *counts(part)) for (name,), part in parts.items()])
    worst = []
    for of in (("scales", "items", "scatter"), ("truth", "measure"), ("truth", "measure", "scatter")):
        part = max(every.partition_by(of), key=lambda one: interval(one)[1])
        worst.append((" × ".join(of), ", ".join(part.select(of).row(0)), *counts(part)))
    table(("worst of, by the lower end", "at", *HEAD), worst)


def other_suites(suites: int) -> None:
    """Smooth suites with less said of their errors, with items, and with scatter that is harder to know."""
    usual = (8, 1000, 0.02)
    tried: list[tuple[str, Setting, tuple[str, ...] | None, dict[str, Any]]] = [
        ("number of items and errors known", usual, ("n", "stderr"), {}),
        ("errors known", usual, ("stderr",), {}),
        ("number of items known", usual, ("n",), {}),
        ("neither known", usual, (), {}),
        ("items in the log", usual, None, {}),
        ("models off alike in all tasks", usual, ("n", "stderr"), {"alike": True}),
        ("scatter with t-tails", usual, ("n", "stderr"), {"tails": "t3"}),
        ("scatter of 10%", (8, 1000, 0.1), ("n", "stderr"), {}),
        ("scatter of 20%", (8, 1000, 0.2), ("n", "stderr"), {}),
        *((f"few tasks, scatter of {x:.0%}", (8, 1000, x), ("n", "stderr"), {}) for x in LITTLE_KNOWN),
    ]
    rows = []
    for what, setting, columns, more in tried:
        found = []
        for k in range(2 * suites):
            tasks = few_tasks(k) if what.startswith("few") else smooth_tasks()
            frames = responses(tasks, setting, k, **more)
            if columns is None:
                wanted = [name for names in METRICS.values() for name in names]
                with warnings.catch_warnings():
                    # Each kind of responses has its own metrics; the others cannot be computed.
                    warnings.simplefilter("ignore", UnmirageWarning)
                    one = unmirage.meta(pl.concat(frames), metrics=wanted)
            else:
                results = aggregated(frames)
                one = unmirage.meta(results.drop(name for name in ("n", "stderr") if name not in columns))
            found.append(cells(one, setting, k))
        rows.append((what, *counts(pl.concat(found))))
    print("\n## Other smooth suites: 8 scales, 1,000 items, scatter 2% where nothing else is said")
    table(("suites", *HEAD), rows)


def steps_found(suites: int) -> None:
    """Suites in which one task in ten steps."""
    found = []
    for size, scales, k in product(SIZES, SCALES, range(2 * suites)):
        setting = (scales, 1000, 0.02)
        one = unmirage.meta(aggregated(responses(stepping_tasks(), setting, k, size)))
        found.append(cells(one, setting, k).with_columns(size=pl.lit(f"{size:.0%}")))
    every = pl.concat(found)
    steps = pl.col("truth").is_in(list(STEPS.values()))
    print("\n## Power: one task in ten steps within one gap; 1,000 items, scatter 2%")
    for title, by, rows in (
        ("steps of", ("size", "scales"), every.filter(steps)),
        ("steps of", ("size", "measure"), every.filter(steps)),
        ("smooth, beside steps of", ("size",), every.filter(~steps)),
    ):
        parts = rows.partition_by(by, as_dict=True, maintain_order=True)
        table((title, *by[1:], *HEAD), [(*names, *counts(part)) for names, part in parts.items()])


def dense_grids() -> None:
    """The paper's smooth model on ever more sizes from 1e8 to 1e12: raw score, and its p."""
    curves: dict[str, tuple[str, int | None, Callable[[Floats], Floats]]] = {
        "accuracy, 1 token": ("exact_match", None, lambda p: exact_match(p, 1)),
        "accuracy, 5 tokens": ("exact_match", None, lambda p: exact_match(p, 5)),
        "accuracy, 20 tokens": ("exact_match", None, lambda p: exact_match(p, 20)),
        "accuracy, 20 tokens, of 1,000 items": ("exact_match", 1000, lambda p: exact_match(p, 20)),
        "edit distance, 5 tokens": ("token_edit_distance", None, lambda p: token_edit_distance(p, 5)),
        "Brier score, one-sided": ("brier_one_sided", None, brier_one_sided),
        "cross-entropy": ("cross_entropy", None, lambda p: -np.log(p)),
    }
    sizes = (5, 8, 12, 25, 50, 100)
    shown: dict[str, list[str]] = {name: [] for name in curves}
    for count in sizes:
        scales = even_scales(1e8, 1e12, count)
        p = PAPER.token_probability(scales)
        rows = [
            {"family": "paper", "model": f"m{i}", "n_params": scale, "task": name, "metric": metric}
            | {"value": value, "n": n}
            for name, (metric, n, law) in curves.items()
            for i, (scale, value) in enumerate(zip(scales.tolist(), law(p).tolist(), strict=True))
        ]
        for row in unmirage.meta(pl.DataFrame(rows, infer_schema_length=None)).cells.iter_rows(named=True):
            shown[row["task"]].append(f"{row['emergence_score']:,.1f} (p = {row['p']:.2g})")
    print("\n## Raw score of the paper's smooth model, without noise, and its p")
    table(("curve", *(f"{count} sizes" for count in sizes)), [(name, *of) for name, of in shown.items()])


MEASURED = """
import resource, sys, time, unmirage
start = time.process_time()
found = unmirage.meta(sys.argv[1], axis=sys.argv[2])
print(found.cells.height, time.process_time() - start)
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
    table(("axis", "rows", "curves", "seconds of a core", "peak memory, MiB"), shown)


def main() -> None:
    """Print the tables."""
    suites = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    real_results()  # first: what a process inherits of the memory of this one would count
    false_alarms(suites)
    other_suites(suites)
    steps_found(suites)
    dense_grids()


if __name__ == "__main__":
    main()
