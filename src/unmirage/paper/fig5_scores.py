"""Figure 5A: emergence scores by metric of the families that there are numbers for, and the same scores
beside those of smooth curves. Scores, null and adjustment are those of `unmirage.meta`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from unmirage import bigbench
from unmirage.bigbench.scores import RANGES
from unmirage.meta import claims
from unmirage.meta.found import Meta
from unmirage.metrics import by_alias
from unmirage.paper import published
from unmirage.report.words import number
from unmirage.result import Progress, silent
from unmirage.verdict.library import MIN_SCALES

Row = dict[str, Any]
BENCHMARK = "BIG-bench"
SHOWN = 2  # warnings of one kind that are repeated here
HEAVY = 5  # metrics that show emergence at most, as the paper says
HIGH = 10.0  # a raw score that is often read as emergence
CUTS = (50.0, 100.0, 150.0)


@dataclass(frozen=True)
class Raw:
    """The scores of the cells of one metric.

    Attributes
    ----------
    metric: in BIG-bench's words where it has one. cells: how many are tested.
    finite: those that rise and are finite, in order. infinite: how many are infinite.
    beyond, adjusted: how many are beyond those of smooth curves, and still are after adjustment.
    """

    metric: str
    cells: int
    finite: tuple[float, ...]
    infinite: int
    beyond: int
    adjusted: int

    @property
    def highest(self) -> float | None:
        """The highest finite score, None where no curve rises."""
        return self.finite[-1] if self.finite else None


def analysed(scores: pl.DataFrame, seed: int, progress: Progress = silent) -> Meta:
    """The meta-analysis of aggregates in the schema `tables.RESULTS`."""
    import unmirage

    return unmirage.meta(scores, seed=seed, progress=progress)


def word(metric: str) -> str:
    """BIG-bench's word for a metric where it has one: "exact_str_match" for "exact_match", else the name."""
    return _words().get(by_alias(BENCHMARK, metric) or metric, metric)


@cache
def _words() -> dict[str, str]:
    names = [*RANGES, *published.highest_scores()]
    return {by_alias(BENCHMARK, name) or name: name for name in names}


def tested(found: Meta) -> pl.DataFrame:
    """The cells with a score, their metric in BIG-bench's words."""
    return _spoken(found.cells.filter(pl.col("p").is_not_null()))


def _spoken(cells: pl.DataFrame) -> pl.DataFrame:
    spoken = {str(name): word(str(name)) for name in cells["metric"].unique()}
    return cells.with_columns(metric=pl.col("metric").replace_strict(spoken, return_dtype=pl.String))


def by_metric(cells: pl.DataFrame) -> list[Raw]:
    """Each metric's scores, the metric with the highest finite score first.

    Parameters: cells of :func:`tested`.
    """
    found = []
    for (name,), part in cells.group_by(["metric"], maintain_order=True):
        values = part["emergence_score"].to_numpy()
        rising = np.sort(values[(values > 0) & np.isfinite(values)])
        found.append(
            Raw(
                str(name),
                part.height,
                tuple(rising.tolist()),
                int(np.isposinf(values).sum()),
                int(part["beyond"].sum()),
                int(part["adjusted"].sum()),
            )
        )
    return sorted(found, key=lambda one: (-(one.highest or 0.0), one.metric))


def above(highest: Iterable[float | None], cut: float) -> int:
    """How many metrics have a score above a cut-off; a highest score of None is below all that are read."""
    return sum(value is not None and value > cut for value in highest)


def most(raw: Sequence[Raw]) -> list[float | None]:
    """The highest score of each metric, infinite ones counted."""
    return [np.inf if one.infinite else one.highest for one in raw]


def read_from() -> float:
    """The lowest of the paper's highest scores that were read: of lower cut-offs the count is not known."""
    return min(value for value in published.highest_scores().values() if value is not None)


def cut_says(raw: Sequence[Raw]) -> str:
    """How the number of metrics with a score above a cut-off depends on it."""
    theirs = list(published.highest_scores().values())
    low, high = _plateau(theirs, HEAVY)
    text = (
        f"The paper says that {HEAVY} of {len(theirs)} metrics at most show emergence, and gives no cut-off: "
        f"so many have a score above any from {low:.0f} to {high:.0f} (read off its drawing), "
        f"{above(theirs, read_from())} above {read_from():.0f}."
    )
    if not raw:
        return text
    ours = most(raw)
    counts = ", ".join(f"{above(ours, cut)} above {cut:.0f}" for cut in (HIGH, *CUTS))
    return f"{text} Of the {len(ours)} metrics here: {counts}."


def _plateau(highest: Sequence[float | None], count: int) -> tuple[float, float]:
    """The cut-offs that so many metrics are above."""
    ranked = sorted((value for value in highest if value is not None), reverse=True)
    return ranked[count], ranked[count - 1]


def says(found: Meta, cells: pl.DataFrame, raw: Sequence[Raw]) -> list[str]:
    """The scores and what smooth curves make of them, a sentence each."""
    if cells.is_empty():
        return []
    n, beyond, adjusted = cells.height, int(cells["beyond"].sum()), int(cells["adjusted"].sum())
    endless = [one for one in raw if one.infinite]
    text = (
        f"A, on the scores that were given: {n:,} curves of {cells['family'].n_unique()} families, "
        f"{cells['task'].n_unique()} tasks and {len(raw)} metrics. {beyond:,} have a score beyond that of "
        f"{1 - found.settings.alpha:.0%} of smooth curves on the same scales with the same errors "
        f"(up to {found.settings.alpha * n:.1f} would, were all smooth), {adjusted:,} after adjustment for "
        "the number of curves."
    )
    high = [one for one in raw if one.highest is not None and one.highest > HIGH]
    named = ", ".join(
        f"{one.metric} {number(one.highest)} ({one.beyond} of {one.cells} beyond smooth curves)"
        for one in high[:HEAVY]
    )
    out = [text]
    if named:
        out.append(f"Highest raw scores above {HIGH:.0f}: {named}.")
    if endless:
        total = sum(one.infinite for one in endless)
        where = ", ".join(f"{one.metric} {one.infinite}" for one in endless)
        out.append(
            f"Infinite for {total:,} curves, half of whose steps or more are flat ({where}): not drawn, and "
            "above every cut-off."
        )
    out.append(_beside(raw))
    return [*out, *_rates(found)]


def _beside(raw: Sequence[Raw]) -> str:
    mine = {one.metric: one for one in raw}
    theirs = published.highest_scores()
    heavy = sorted((n for n, v in theirs.items() if v is not None), key=lambda n: -(theirs[n] or 0))[:HEAVY]
    parts = [
        f"{name} {theirs[name]:.0f} in the paper, "
        + (f"{number(mine[name].highest)} here" if name in mine else "not here")
        for name in heavy
    ]
    return (
        f"The metrics with the highest scores in the paper: {'; '.join(parts)}. These are other families and "
        "tasks, with other numbers of scales, which the score depends on: no agreement is to be expected."
    )


def _rates(found: Meta) -> list[str]:
    """The base rate once more, among the tasks of BIG-bench in the scores."""
    there = _spoken(found.cells).filter(
        pl.col("task").is_in(bigbench.folders()["task"].to_list()),
        pl.col("metric").is_in(list(_words().values())),
    )
    rows = claims.rates(there, claims.names(None), found.settings.confidence)
    if rows.is_empty():
        return []
    parts = [
        f"{row['metric']} {row['claimed_share']:.0%} of the claimed and {row['all_share']:.0%} of all"
        for row in rows.iter_rows(named=True)
    ]
    judged = there.filter("preferred")["task"].unique()
    claimed = judged.is_in(list(claims.names(None))).sum()
    return [
        f"Of {len(judged)} tasks of BIG-bench among these scores {claimed} were claimed. By the metric that "
        f"they are judged by: {'; '.join(parts)}."
    ]


def notes(found: Meta, cells: pl.DataFrame) -> list[str]:
    """What of the scores is not drawn, and what is to be known of them."""
    left = found.cells.height - cells.height
    out = []
    if left:
        out.append(
            f"A: {left:,} of {found.cells.height:,} curves have no score here: one needs {MIN_SCALES} "
            "scales, whose means are known and differ."
        )
    out.append(
        "A: a score is held beside the least favourable of the smooth laws that fit its curve. So fewer "
        "smooth curves than the level says are beyond, and a curve that is not beyond may have a break all "
        "the same: `unmirage audit` judges curves one by one."
    )
    falls = int((cells["emergence_score"] < 0).sum())
    if falls:
        out.append(f"A: {falls:,} curves that fall have a score below 0 and are in the table, not drawn.")
    for (_code,), part in found.warnings.group_by(["code"], maintain_order=True):
        told = part["message"].to_list()
        rest = len(told) - SHOWN
        more = f" (and {rest} more warnings of this kind, which `unmirage meta` lists)" if rest > 0 else ""
        out.append(f"Scores: {'; '.join(told[:SHOWN])}{more}.")
    return out


def numbers_of(cells: pl.DataFrame, raw: Sequence[Raw]) -> list[Row]:
    """Rows of the table of numbers: the paper's highest scores and ours, then every cell."""
    mine = {one.metric: one for one in raw}
    theirs = published.highest_scores()
    highest = "A: highest emergence score of a metric"
    rows: list[Row] = [
        {"group": f"{highest}, in the paper", "panel": "A", "series": name, "paper": theirs[name]}
        for name in theirs
    ]
    rows += [
        {"group": highest, "panel": "A", "series": name, "n": one.cells, "ours": one.highest}
        for name, one in mine.items()
    ]
    for one in raw:
        common = {"panel": "A", "series": one.metric, "n": one.cells}
        for what, count in (
            ("infinite scores", one.infinite),
            ("scores beyond smooth curves", one.beyond),
            ("scores beyond smooth curves after adjustment", one.adjusted),
        ):
            rows.append({**common, "group": f"A: {what}", "ours": float(count)})
    for row in cells.iter_rows(named=True):
        task = row["task"] if row["shots"] is None else f"{row['task']} ({row['shots']}-shot)"
        common = {"panel": row["metric"], "series": f"{row['family']}, {task}"}
        rows.append({**common, "group": "A: emergence score", "ours": row["emergence_score"]})
        rows.append({**common, "group": "A: score over that of 95% of smooth curves", "ours": _ratio(row)})
    return rows


def _ratio(row: Row) -> float | None:
    return row["guarded_score"] / row["null_high"] if row["null_high"] > 0 else None
