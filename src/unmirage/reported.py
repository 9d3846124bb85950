"""Curves of aggregates: of logs that hold scores of models and no items."""

from __future__ import annotations

import math
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


def result_rows(results: pl.DataFrame, settings: Settings) -> list[dict[str, Any]]:
    """Curve rows of aggregates; `results` in the schema `tables.RESULTS`, with `axis_value`.

    A share of right items whose value is a whole number out of n, as far as its decimals go, gets the exact
    interval of that number; any other value the one from the standard error that the tool reported; without
    either there is none.

    Raises
    ------
    TableError
        A value is outside the range of its metric.
    """
    cards = {
        str(name): aggregate_card(str(name), part["value"].to_numpy())
        for (name,), part in results.group_by(["metric"], maintain_order=True)
    }
    group = ("family", "task", "metric")
    scales = {key: part["axis_value"].n_unique() for key, part in results.group_by(group)}
    return [
        _row(row, cards[row["metric"]], scales[row["family"], row["task"], row["metric"]], settings)
        for row in results.iter_rows(named=True)
    ]


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
        note = "" if stderr else "the log gives no standard error above 0"
        if chance is not None:
            level = settings.alpha / scales if chance > 0 else settings.alpha
            floor = _floor(n, chance, level)
            resolution = floor if math.isfinite(floor) else None
    elif stderr:
        half = quantile(settings.confidence) * stderr
        low, high = max(value - half, card.low), min(value + half, card.high)
        method, note = "normal, reported standard error", ""
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
