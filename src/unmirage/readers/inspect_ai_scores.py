"""The aggregates in an inspect_ai log as rows of the results schema, and their agreement with its samples."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.readers.inspect_ai_records import Header, Reduction, Scored, entries, number_of

# Means over items of the scores themselves; what says how much these vary is no score.
MEANS = ("accuracy", "mean")
SPREADS = ("stderr", "bootstrap_stderr", "std", "var")
TOLERANCE = 1e-9

Note = dict[str, object]


@cache
def ours(name: str, kind: str) -> str:
    """Our name of a score of inspect_ai's on rows of a kind, else its own name."""
    from unmirage.metrics import by_alias

    return by_alias("inspect", name, None if kind == "score" else kind) or name


def results_of(header: Header, kind: str) -> list[dict[str, Any]]:
    """metric, value, stderr and n of each aggregate of a log.

    A mean over items has the name of the item score. Any other aggregate, and what other reducers than the
    mean make of several epochs, stands behind it: "match (at_least_1)", "match (pass_at_2, f1)".
    """
    rows: dict[str, dict[str, Any]] = {}
    for scored in header.results.scores if header.results else ():
        name = _name(scored, kind)
        reducer = [] if scored.reducer in (None, "mean") else [str(scored.reducer)]
        mean = next((key for key in MEANS if key in scored.metrics), None)
        for key, metric in scored.metrics.items():
            if metric.name in SPREADS or key in SPREADS:
                continue
            words = reducer + ([] if key == mean else [key])
            label = f"{name} ({', '.join(words)})" if words else name
            stderr = scored.metrics.get("stderr") if key == mean else None
            rows.setdefault(
                label,
                {
                    "metric": label,
                    "value": None if metric.value is None else float(metric.value),
                    "stderr": None if stderr is None or stderr.value is None else float(stderr.value),
                    "n": scored.scored_samples or None,
                },
            )
    return list(rows.values())


def _name(scored: Scored, kind: str) -> str:
    own = scored.name if scored.scorer in ("", scored.name) else f"{scored.scorer}.{scored.name}"
    return ours(own, kind)


def compared(
    frame: pl.DataFrame,
    kind: str,
    aggregates: Sequence[dict[str, Any]],
    reductions: Sequence[Reduction],
    task: str,
    where: str,
) -> list[Note]:
    """Warnings where the log's own means, of items over epochs and over items, are not those of its samples.

    Parameters
    ----------
    frame: `item_id` and `recorded` of the samples. kind: of the rows.
    aggregates: what `results_of` gave. reductions: of the log.
    """
    items = (
        frame.select("item_id", "recorded")
        .explode("recorded")
        .drop_nulls("recorded")
        .unnest("recorded")
        .group_by("metric", "item_id", maintain_order=True)
        .agg(pl.col("value").mean())
    )
    means = dict(items.group_by("metric").agg(pl.col("value").mean()).iter_rows())
    notes = []
    for row in aggregates:
        mine, theirs = means.get(row["metric"]), row["value"]
        if mine is not None and theirs is not None and not _equal(mine, theirs):
            message = (
                f"{task}: the log's own {row['metric']} is {theirs:.6g}, the mean over its samples "
                f"{mine:.6g}; the samples are used (edited scores, and samples that were left out, make such "
                "a difference)"
            )
            notes.append(tables.warning("aggregate-differs", message, where=where))
    per_item = {(metric, item): value for metric, item, value in items.iter_rows()}
    differing = 0
    for reduction in reductions:
        if reduction.reducer not in (None, "mean"):
            continue
        for sample in reduction.samples:
            for key, value in entries(reduction.scorer, sample.value):
                mine, theirs = per_item.get((ours(key, kind), str(sample.sample_id))), number_of(value)
                differing += mine is not None and theirs is not None and not _equal(mine, theirs)
    if differing:
        message = (
            f"{task}: {differing} items have another mean over their epochs than the log's own reductions "
            "say; the samples are used"
        )
        notes.append(tables.warning("reductions-differ", message, where=where, count=differing))
    return notes


def _equal(one: float, other: float) -> bool:
    return one == other or abs(one - other) <= TOLERANCE * max(1.0, abs(other))
