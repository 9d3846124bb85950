"""Curves of aggregates: of logs that hold scores of models and no items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import polars as pl

from unmirage import statistics
from unmirage.errors import TableError
from unmirage.metrics.cards import Card
from unmirage.metrics.recorded import aggregate_card, zero_floor
from unmirage.result import Settings
from unmirage.summary import quantile

# A value with so many decimals at most was rounded by the tool that wrote it.
ROUNDED = 6
EXACT = 1e-6  # relative: a share that went through 32 bits

COUNTED = "of the aggregate"
FOUND = "n is not in the log; it follows from the value and its standard error"
WHOLE = 1e-3  # how near a number of items must come to a whole one to be it


def result_rows(results: pl.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Curve rows of aggregates; `results` in the schema `tables.RESULTS`, with `axis_value`.

    A share of right items whose value is a whole number out of n, as far as its decimals go, gets the exact
    interval of that number; any other value the one from the standard error that the tool reported; without
    either there is none. Where the log gives no n, :func:`counted` may find it.

    Raises
    ------
    TableError
        A value is outside the range of its metric.
    """
    parts = results.group_by(["metric"], maintain_order=True)
    cards = {str(name): aggregate_card(str(name), part["value"].to_numpy()) for (name,), part in parts}
    group = ("family", "task", "metric")
    scales = {key: part["axis_value"].n_unique() for key, part in results.group_by(group)}
    return [
        _row(row, cards[row["metric"]], scales[row["family"], row["task"], row["metric"]], settings)
        for row in counted(results, [name for name, card in cards.items() if card.binary]).iter_rows(
            named=True
        )
    ]


def cards_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Card]:
    """Metric name -> its card, from all values in the curve rows: one range for all families and tasks."""
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(str(row["metric"]), []).extend([] if row["mean"] is None else [row["mean"]])
    return {name: aggregate_card(name, means) for name, means in values.items()}


def counted(results: pl.DataFrame, shares: Sequence[str]) -> pl.DataFrame:
    """The same rows with n where standard errors tell it, and `n_found`, whether they did.

    The standard error of a mean of zeros and ones is sqrt(v (1 - v) / (n - 1)), as lm-eval computes it, or
    has n below the line. Where all rows of a family, task and metric that have one give the same whole n by
    one of the two, and every value is a whole number out of it, that is the n. Bootstrapped, clustered and
    rounded errors give none.

    Parameters: results as in :func:`result_rows`; shares the metrics that are 0 or 1 on an item.
    """
    value, squared = pl.col("value"), pl.col("stderr") ** 2
    asked = pl.col("n").is_null() & pl.col("metric").is_in(list(shares)) & pl.col("stderr").is_not_null()
    telling = asked & (value > 0) & (value < 1) & (squared > 0)
    group = ["family", "task", "metric"]
    found = pl.lit(None, dtype=pl.Int64)
    for more in (0, 1):  # the last one that is tried is the first that counts
        n = value * (1 - value) / squared + more
        whole = n.round()
        fits = (n - whole).abs().le(WHOLE) & (value * whole - (value * whole).round()).abs().le(WHOLE)
        told = pl.when(telling & fits & whole.is_between(2, 2**53)).then(whole)
        alike = (told.min() == told.max()) & (told.count() == telling.sum())
        found = pl.when(alike.over(group)).then(told.max().over(group).cast(pl.Int64)).otherwise(found)
    filled = results.with_columns(n_found=asked & found.is_not_null(), found=found)
    return filled.with_columns(n=pl.when("n_found").then("found").otherwise("n")).drop("found")


def successes_of(value: float, n: int) -> int | None:
    """The whole number of successes out of n that a share means; None where no number comes near enough.

    A share of six decimals or fewer was rounded to them, so that n times it is rarely whole: .0008 of 1,319
    items is 1. Where several numbers round to the share the nearest is given.
    """
    k = round(value * n)
    decimals = -int(Decimal(repr(value)).as_tuple().exponent)
    width = 0.5 * 10.0**-decimals * (1 + 1e-9) if decimals <= ROUNDED else 0.0
    return k if abs(value - k / n) <= max(width, EXACT * value) else None


def _row(row: dict[str, Any], card: Card, scales: int, settings: Settings) -> dict[str, Any]:
    value, n, stderr = row["value"], row["n"], row["stderr"]
    infinite = math.isinf(value)
    if not infinite:
        _in_range(row, card)
    chance = settings.chance.get(row["task"], settings.chance.get("*", row["chance"]))
    if chance is None and zero_floor(row["metric"]):
        chance = 0.0
    low = high = resolution = None
    method, note = "none", "the log holds neither items nor a standard error"
    successes = successes_of(value, n) if n and card.binary and not infinite else None
    if infinite:
        note = "the aggregate is infinite"
    elif n and successes is not None:
        interval = statistics.wilson if settings.interval == "wilson" else statistics.clopper_pearson
        bounds = interval(successes, n, settings.confidence)
        low, high = float(bounds[0]), float(bounds[1])
        method = f"{settings.interval} {COUNTED}"
        note = FOUND if row["n_found"] else "" if stderr else "the log gives no standard error above 0"
        if chance is not None:
            level = settings.alpha / scales if chance > 0 else settings.alpha
            floor = _floor(n, chance, level)
            resolution = floor if math.isfinite(floor) else None
    elif stderr:
        half = quantile(settings.confidence) * stderr
        low, high = max(value - half, card.low), min(value + half, card.high)
        method, note = "normal, reported standard error", ""
    elif stderr == 0:
        note = "the reported standard error is 0: the scores do not vary"
    elif n and card.binary:
        note = f"the value is no whole number of {n:,} items, and the log gives no standard error"
    elif n:
        note = "a mean of scores other than 0 and 1, of which the log gives no standard error"
    return {
        "family": row["family"],
        "task": row["task"],
        "metric": row["metric"],
        "model": row["model"],
        "axis": settings.axis,
        "axis_value": row["axis_value"],
        "n": n,
        "mean": None if infinite else value,
        "stderr": stderr or None,
        "low": low,
        "high": high,
        "chance": chance,
        "resolution": resolution,
        "method": method,
        "note": note or None,
    }


@lru_cache(maxsize=1024)
def _floor(n: int, chance: float, level: float) -> float:
    """Logs of aggregates repeat a few test sets thousands of times."""
    return float(statistics.floor(n, chance, level))


def _in_range(row: dict[str, Any], card: Card) -> None:
    if card.low - 1e-9 <= row["value"] <= card.high + 1e-9:
        return
    percent = card.high == 1 and 1 < row["value"] <= 100
    raise TableError(
        f"{row['metric']} of {row['model']} on {row['task']} is {row['value']:g}, outside {card.low:g} to "
        f"{card.high:g}",
        where="results",
        hint="Percentages are divided by 100 first." if percent else "See `unmirage metrics` for its range.",
    )


def known_errors(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is known of the errors of a metric's curve rows: "counts" (n of a 0/1 metric), "errors", or ""."""
    if any(row["method"].endswith(COUNTED) for row in rows):
        return "counts"
    return "errors" if any(row["stderr"] or row["low"] is not None for row in rows) else ""


def said(headline: str, companion: str | None, errors: str) -> str:
    """What a verdict says of a log of aggregates: what it holds, and what can therefore not be said."""
    holds = {
        "counts": "with numbers of items",
        "errors": "with standard errors",
        "": "with neither numbers of items nor standard errors, and its values are taken as they stand",
    }[errors]
    beside = companion is not None and companion != headline
    why = (
        f": no item links {companion} to {headline}, so no jump is called the metric's own" if beside else ""
    )
    return f"the log holds aggregates only, {holds}{why}"


def asked(headline: str, companion: str | None, errors: str) -> list[str]:
    """What would tell more, where a verdict on aggregates is open: errors, and the records of the items."""
    n = [] if errors else [f"n, the number of items of each value of {headline}, or its standard error"]
    beside = companion is not None and companion != headline
    what = f"{companion} tells" if beside else "the log-probabilities of right answers tell"
    return [*n, f"records of the items, to see whether {what}, item by item, which answers are right"]
