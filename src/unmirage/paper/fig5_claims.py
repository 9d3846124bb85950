"""Figure 5B and 5C: the metrics of the tasks that were claimed emergent, beside the base rate among all
tasks, which the paper leaves out. From the tables that ship; no model's results are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from unmirage import bigbench, statistics
from unmirage.bigbench.scores import GRADE, NORMALISED
from unmirage.meta.base_rate import COLUMNS, base_rates, preferring
from unmirage.paper import published
from unmirage.report.words import number

MATCH = "exact_str_match"
BOTH = "grade or exact match"  # the two metrics that the paper counts together

# How the metric of a folder is counted. Of some programmatic tasks the source does not tell whether they have
# subtasks, and so are judged as a whole by the aggregate: none has, or all have.
DECLARED = "declared by the task and its subtasks, no other"
WHOLE = "as a whole, no programmatic task with subtasks"
WHOLE_PARTS = "as a whole, programmatic tasks with subtasks"
PAPER, NAMED = "paper", "named"  # the two lists of claimed tasks
DRAWS = 10_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """How many metrics have a claimed task.

    Attributes
    ----------
    tasks, metrics: numbers of claimed tasks, and of metrics. hit: metrics with a claimed task.
    single: metrics of one task alone, among all tasks.
    expected, low, high: of `hit`, mean and 95% range where as many tasks are drawn at random from all.
    p: share of draws that hit as few, one more counted in both.
    """

    tasks: int
    metrics: int
    hit: int
    single: int
    expected: float
    low: float
    high: float
    p: float


@cache
def named() -> pl.DataFrame:
    """The folders of the claimed tasks that are known by name, in the columns of `bigbench.folders`."""
    names = bigbench.claimed().filter(benchmark="BIG-bench")
    return bigbench.folders().join(names, on="task", how="semi", maintain_order="left")


@cache
def rates() -> pl.DataFrame:
    """The share of each metric among claimed tasks and among all, by each way of counting.

    Returns
    -------
    DataFrame
        list (`PAPER` or `NAMED`), counted (`DECLARED`, `WHOLE` or `WHOLE_PARTS`), claimed_tasks, all_tasks
        and the columns `base_rate.COLUMNS`. The paper's counts are those of tasks as a whole: with `DECLARED`
        they stand beside a base rate that is counted in another way.
    """
    parts = []
    for counted in (DECLARED, WHOLE, WHOLE_PARTS):
        everything = _counts(bigbench.folders(), counted)
        for name in (PAPER, NAMED):
            claimed = _papers() if name == PAPER else _counts(named(), counted)
            n = sum(published.claimed_metrics().values()) if name == PAPER else named().height
            size = bigbench.folders().height
            rows = {metric: k for metric, k in claimed.items() if metric in everything}
            found = base_rates(rows, everything, claimed_tasks=n, all_tasks=size)
            parts.append(
                found.select(
                    pl.lit(name).alias("list"),
                    pl.lit(counted).alias("counted"),
                    pl.lit(n).alias("claimed_tasks"),
                    pl.lit(size).alias("all_tasks"),
                    *COLUMNS,
                )
            )
    return pl.concat(parts)


def rate(of: str, counted: str, metric: str) -> Row:
    """One row of :func:`rates`."""
    return rates().row(by_predicate=_is(of, counted) & (pl.col("metric") == metric), named=True)


def at_least_one() -> Row:
    """The paper's list beside the tasks that declare at least one of the two metrics, perhaps others too."""
    both = preferring(bigbench.folders()["preferred"], (GRADE, MATCH), any_of=True)
    n, size = sum(published.claimed_metrics().values()), bigbench.folders().height
    claimed = {BOTH: _papers()[BOTH]}
    return base_rates(claimed, {BOTH: both}, claimed_tasks=n, all_tasks=size).row(0, named=True)


def spread(seed: int) -> tuple[Spread, Spread]:
    """How many metrics have a claimed task: of the paper's list, and of the tasks known by name.

    As many tasks drawn at random are counted in the same way: the paper's as wholes (`WHOLE`; its number of
    metrics is that of its figure 5A), those known by name by what they and their subtasks declare.
    """
    folders, theirs = bigbench.folders(), published.claimed_metrics()
    wholes = folders.select(whole=pl.concat_list(_whole(WHOLE)))["whole"].to_list()
    declared = folders["preferred"].to_list()
    mine = {metric for names in named()["preferred"] for metric in names}
    every = {metric for names in declared for metric in names}
    rng = np.random.default_rng([seed, 5])
    return (
        _spread(wholes, sum(theirs.values()), len(theirs), len(published.highest_scores()), rng),
        _spread(declared, named().height, len(mine), len(every), rng),
    )


def _spread(
    tasks: Sequence[Sequence[str]], drawn: int, hit: int, metrics: int, rng: np.random.Generator
) -> Spread:
    size = len(tasks)
    names = sorted({metric for some in tasks for metric in some})
    judged = np.array([[metric in some for metric in names] for some in tasks], dtype=np.float32)
    expected = sum(statistics.hypergeometric_tail(1, drawn, int(k), size) for k in judged.sum(axis=0))
    picks = rng.random((DRAWS, size)).argpartition(drawn, axis=1)[:, :drawn]
    flags = np.zeros((DRAWS, size), dtype=np.float32)
    np.put_along_axis(flags, picks, np.float32(1), axis=1)
    found = (flags @ judged > 0).sum(axis=1)
    low, high = np.quantile(found, (0.025, 0.975))
    p = (1 + int((found <= hit).sum())) / (DRAWS + 1)
    single = int((judged.sum(axis=0) == 1).sum())
    return Spread(drawn, metrics, hit, single, expected, float(low), float(high), p)


def _papers() -> dict[str, int]:
    counts = published.claimed_metrics()
    return {BOTH: counts[GRADE] + counts[MATCH], **counts}


def _counts(folders: pl.DataFrame, counted: str) -> dict[str, int]:
    """Metric -> how many folders are judged by it, and by either of the two."""
    if counted == DECLARED:
        tasks = folders["preferred"].to_list()
        sets: Mapping[str, Sequence[str]] = {BOTH: (GRADE, MATCH), GRADE: (GRADE,), MATCH: (MATCH,)}
        return {name: preferring(tasks, metrics) for name, metrics in sets.items()}
    whole = folders.select(whole=_whole(counted))["whole"]
    counts = {metric: int((whole == metric).sum()) for metric in published.claimed_metrics()}
    return {BOTH: counts[GRADE] + counts[MATCH], **counts}


def _whole(counted: str) -> pl.Expr:
    """What a folder is judged by as a whole."""
    unknown = pl.lit(NORMALISED) if counted == WHOLE_PARTS else pl.col("preferred").list.first()
    return pl.coalesce("whole", unknown)


def _is(of: str, counted: str) -> pl.Expr:
    return (pl.col("list") == of) & (pl.col("counted") == counted)


def numbers_of(seed: int) -> list[Row]:
    """Rows of the table of numbers."""
    rows: list[Row] = []
    for row in rates().iter_rows(named=True):
        paper = row["list"] == PAPER
        panel = f"C: {row['counted']}"
        share = "paper" if paper else "ours"
        told = {"low": row["low"], "high": row["high"], "n": row["claimed_tasks"]}
        both = {"panel": panel, "series": row["metric"]}
        which = "claimed tasks, the paper's counts" if paper else "claimed tasks known by name"
        rows += [
            {**both, **told, "group": f"share of the {which}", share: row["claimed_share"]},
            {
                **both,
                "group": f"enrichment, {which}",
                "n": row["claimed_tasks"],
                "ours": row["enrichment"],
                "low": row["enrichment_low"],
                "high": row["enrichment_high"],
            },
            {**both, "group": f"one-sided binomial p, {which}", "ours": row["p_binomial"]},
            {**both, "group": f"one-sided hypergeometric p, {which}", "ours": row["p_hypergeometric"]},
        ]
        if paper:
            rows.append(
                {**both, "group": "share of all tasks", "n": row["all_tasks"], "ours": row["all_share"]}
            )
    for name, one in zip((PAPER, NAMED), spread(seed), strict=True):
        common = {"panel": "B", "series": f"{one.tasks} tasks", "n": one.metrics}
        value = {"paper" if name == PAPER else "ours": float(one.hit)}
        rows += [
            {**common, "group": "metrics with a claimed task", **value},
            {
                **common,
                "group": "metrics with a task, of as many tasks drawn at random",
                "ours": one.expected,
                "low": one.low,
                "high": one.high,
            },
        ]
    return rows


def says(seed: int) -> list[str]:
    """B, C and the base rates, a sentence each."""
    row, least, most = (rate(PAPER, counted, BOTH) for counted in (DECLARED, WHOLE_PARTS, WHOLE))
    mine = rate(NAMED, DECLARED, BOTH)
    one = at_least_one()
    unknown = int(bigbench.folders()["whole"].null_count())
    words = [
        f"Of the {row['claimed_tasks']} claimed tasks {row['claimed']} ({row['claimed_share']:.1%}) are "
        f"judged by {GRADE} or {MATCH}. So are most tasks: {row['all']} of all {row['all_tasks']} folders "
        f"({row['all_share']:.1%}) declare these two and no other, which the paper leaves out. The "
        f"enrichment is {_times(row)}, {_p(row)}; {one['all']} declare at least one of the two (enrichment "
        f"{_times(one)}, {_p(one)}).",
        "The paper's counts are of tasks as a whole, where one with subtasks of other metrics counts for "
        f"{NORMALISED}. So counted {least['all']} to {most['all']} of {row['all_tasks']} "
        f"({least['all_share']:.1%} to {most['all_share']:.1%}) are judged by the two: of {unknown} "
        "programmatic tasks the source does not tell whether they have subtasks. The enrichment is then "
        f"{_times(most)} ({_p(most)}) to {_times(least)} ({_p(least)}).",
        f"One by one: {_one_metric(GRADE)}; {_one_metric(MATCH)}.",
        f"Of the claimed tasks {named().height} are known by name: {mine['claimed']} "
        f"({mine['claimed_share']:.1%}) declare these two metrics and no other, enrichment {_times(mine)} "
        f"({_p(mine)}).",
    ]
    whose = ("claimed tasks of the paper", "claimed tasks that are known by name")
    for which, found in zip(whose, spread(seed), strict=True):
        words.append(
            f"Of {found.metrics} metrics {found.hit} have one of the {found.tasks} {which}. But "
            f"{found.single} metrics belong to one task each: of {found.tasks} tasks drawn at random from "
            f"all and counted in the same way {found.expected:.1f} metrics would have one (95% of draws "
            f"{found.low:.0f} to {found.high:.0f}; so few: p = {number(found.p)})."
        )
    return words


def _one_metric(metric: str) -> str:
    least, most = (rate(PAPER, counted, metric) for counted in (WHOLE, WHOLE_PARTS))
    low, high = sorted((least["all_share"], most["all_share"]))
    base = f"{low:.1%} of all" if low == high else f"{low:.1%} to {high:.1%} of all"
    over = min(least["enrichment_low"], most["enrichment_low"]) > 1
    return (
        f"{metric} has {least['claimed_share']:.1%} of the claimed tasks and {base} (enrichment "
        f"{_times(least)}, {_p(least)}), "
        + ("more than its base rate" if over else "not to be told from its base rate")
    )


def _times(row: Mapping[str, Any]) -> str:
    return f"{row['enrichment']:.2f} (95% {row['enrichment_low']:.2f} to {row['enrichment_high']:.2f})"


def _p(row: Mapping[str, Any]) -> str:
    both = (number(row[name]) for name in ("p_binomial", "p_hypergeometric"))
    return "one-sided p = {} binomial, {} hypergeometric".format(*both)


def notes() -> tuple[str, ...]:
    """What B and C leave open."""
    unknown = int(named()["whole"].null_count())
    return (
        "The paper names neither its claimed tasks nor says how it counts their metrics: the counts are "
        "printed as shares. The tasks known by name are those of the list of 137 emergent abilities that it "
        "cites, whose end (of PaLM 540B) is missing here: not a random part. So the two lists are set side "
        "by side.",
        f"Of the tasks known by name {unknown} are programmatic and may count for {NORMALISED} as a whole: "
        "they are drawn as if they did not, and are in the table both ways.",
        "Intervals of an enrichment are those of the claimed share over the base rate, which is that of the "
        "whole benchmark.",
    )
