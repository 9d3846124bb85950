"""Which metrics a task's chart shows, and the points, lines and ticks of each. Nothing is drawn here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import polars as pl

from unmirage.metrics import Card
from unmirage.report import slices, words
from unmirage.result import Audit
from unmirage.verdict.outcome import ROBUST_BREAK

MOST = 4
PREFERRED = ("token_edit_distance", "choice_prob", "brier_sum")
MOST_TICKS = 6
# A bounded axis shows its whole range where the values use more of it than this.
SMALL = 0.25

Row = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One metric against scale, ready to be drawn.

    Attributes
    ----------
    metric: its name.
    role: "headline" or "companion".
    title: lines of the y-axis title: title and unit, then the direction where it is known.
    points: one a model: x, y, low and high (both or neither null), resolved, and the texts of the tooltip.
    line: x, y: the mean over the models of each scale, in order of scale.
    chance, floor: x, y where they are known, in order of scale; a single entry where the level is the same
        everywhere.
    domain: (low, high) of the y axis where the metric is bounded on both sides, else None; see `_domain`.
    crowded: chance and floor lie so close that their labels must make way for each other.
    fit: x, y: what was fitted to the metric, or predicted of it, in order of scale; may be empty.
    fit_words: what that is, for the caption and for readers who cannot see it.
    """

    metric: str
    role: str
    title: list[str]
    points: list[Row]
    line: list[Row]
    chance: list[Row]
    floor: list[Row]
    domain: tuple[float, float] | None
    crowded: bool
    fit: list[Row]
    fit_words: str


def panels(audit: Audit, family: str, task: str) -> list[str]:
    """The metrics to draw for a task, four at most: headline, the verdict's companion, other gradual metrics.

    Among the others, token_edit_distance, choice_prob and brier_sum come first, then every metric whose card
    says continuous or linear, in the order of the curves. A metric without one finite point is left out; the
    list is empty where nothing can be drawn.

    Raises
    ------
    TableError
        The audit has no such task.
    """
    row = slices.verdict(audit, family, task)
    there = slices.drawable(slices.curve(audit, family, task))["metric"].unique(maintain_order=True).to_list()
    wanted = [row["headline"], row["companion"], *PREFERRED]
    for name in there:
        found = words.card(name)
        if found is not None and (found.continuous or found.linear):
            wanted.append(name)
    chosen = [name for name in dict.fromkeys(wanted) if name in there]
    return (chosen or there)[:MOST]


def panel(audit: Audit, family: str, task: str, metric: str) -> Panel:
    """The panel of one metric of a task, which :func:`panels` must have named."""
    row = slices.verdict(audit, family, task)
    rows = slices.drawable(slices.curve(audit, family, task, metric))
    role = "headline" if metric == row["headline"] else "companion"
    unresolved = (
        {e["model"] for e in row["resolution"] or [] if e["resolved"] is False}
        if role == "headline"
        else set()
    )
    points = [_point(r, r["model"] not in unresolved) for r in rows.iter_rows(named=True)]
    chance, floor = _level(rows, "chance"), _level(rows, "resolution")
    card = words.card(metric)
    domain = _domain(card, points, floor)
    direction = words.metric_direction(metric)
    return Panel(
        metric=metric,
        role=role,
        title=[words.metric_title(metric), *([direction] if direction else [])],
        points=points,
        line=[{"x": x, "y": y} for x, y in slices.scale_means(rows)],
        chance=chance,
        floor=floor,
        domain=domain,
        crowded=_crowded(points, chance, floor, domain),
        **_fit(audit, row, metric, card),
    )


def ticks(low: float, high: float) -> list[float]:
    """Positions of three to six labels on a logarithmic axis from `low` to `high`, both above 0.

    Whole decades where there are enough of them, then 1-3-10, 1-2-5-10, every digit, and for a short axis
    even steps.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10))):
        found = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / MOST_TICKS)]
    return even_ticks(low, high)


def even_ticks(low: float, high: float) -> list[float]:
    """Positions of three to six labels in even steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 2))
    for step in (5 * power, 2 * power, power, power / 2, power / 5):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first >= 2:
            # A product and a quotient of whole numbers keep 2.4 from being 2.4000000000000004.
            return [n * step if step >= 1 else n / round(1 / step) for n in range(first, last + 1)]
    return [low, high]


def span(shown: list[Panel], *, logarithmic: bool) -> tuple[float, float]:
    """The x-axis from the smallest to the largest scale of all panels, with room for the outer points."""
    xs = [point["x"] for one in shown for point in one.points]
    low, high = min(xs), max(xs)
    if logarithmic:
        room = max((high / low) ** 0.05, 1.1 if high > low else 2.0)
        return low / room, high * room
    room = 0.05 * (high - low) or max(abs(low) * 0.5, 1.0)
    return low - room, high + room


def _fit(audit: Audit, row: Row, metric: str, card: Card | None) -> Row:
    """`fit` and `fit_words`: of a companion its smooth curve or break; of a headline what the link says."""
    test = slices.tested(audit, row["family"], row["task"])
    if test is None or (metric != test["companion"] and metric != row["headline"]):
        return {"fit": [], "fit_words": ""}
    if metric == test["companion"]:
        broken = row["verdict"] == ROBUST_BREAK
        rising = card is not None and card.higher_is_better
        ys = [_mean_of(y, test, rising) for y in test["broken" if broken else "smooth"]]
        what = "the best trend and step" if broken else "the best smooth curve"
    else:
        ys = test["link_held_out"] or []
        what = f"what {words.printable(test['companion'])} predicts by the link"
    return {
        "fit": [{"x": x, "y": y} for x, y in zip(test["axis_values"], ys, strict=False)],
        "fit_words": what if ys else "",
    }


def _mean_of(response: float, test: Row, rising: bool) -> float:
    """The metric's mean from the response of the break test, which falls as models improve."""
    level = math.exp(response) - test["floor"] if test["logged"] else response
    return -level if rising else level


def _point(row: Row, resolved: bool) -> Row:
    low, high = slices.finite(row["low"]), slices.finite(row["high"])
    both = low is not None and high is not None
    return {
        "x": row["axis_value"],
        "y": row["mean"],
        "low": low if both else None,
        "high": high if both else None,
        "resolved": resolved,
        "model": words.printable(row["model"]),
        "scale": words.scale(row["axis_value"], row["axis"]),
        "n": words.number(row["n"]),
        "mean": words.number(row["mean"]),
        "interval": words.interval(low, high),
        "method": words.printable(row["method"] or words.NOTHING),
        "chance": words.number(slices.finite(row["chance"])),
    }


def _level(rows: pl.DataFrame, column: str) -> list[Row]:
    known = rows.filter(pl.col(column).is_finite())
    by_scale = known.group_by("axis_value").agg(pl.col(column).mean()).sort("axis_value")
    levels = [{"x": x, "y": y} for x, y in by_scale.iter_rows()]
    return levels[:1] if len({level["y"] for level in levels}) == 1 else levels


def _domain(card: Card | None, points: list[Row], floor: list[Row]) -> tuple[float, float] | None:
    """The y axis of a metric that is bounded on both sides: its range, or the lower part that is used.

    A pass rate of one in a hundred on an axis up to 1 would be a line along the bottom.
    """
    if card is None or not (math.isfinite(card.low) and math.isfinite(card.high)):
        return None
    ys = [p[k] for p in points for k in ("y", "low", "high") if p[k] is not None]
    top = max([*ys, *(level["y"] for level in floor)], default=card.high) - card.low
    if top <= 0 or top > SMALL * (card.high - card.low):
        return card.low, card.high
    return card.low, card.low + 1.1 * top


def _crowded(
    points: list[Row], chance: list[Row], floor: list[Row], domain: tuple[float, float] | None
) -> bool:
    if not chance or not floor:
        return False
    ys = [p[k] for p in points for k in ("y", "low", "high") if p[k] is not None]
    ys += [level["y"] for level in (*chance, *floor)]
    low, high = domain or (min(ys), max(ys))
    return bool(abs(floor[-1]["y"] - chance[-1]["y"]) < 0.08 * (high - low or 1.0))
