"""The panels of figure 6 from a user's own items: grade, Brier score, skill, and the chain to accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from unmirage.paper.drawing import Layer, Panel, bars, grid, level, line, points
from unmirage.predictions.choice_chain import ChoiceChain
from unmirage.predictions.choice_links import CORRELATIONS, SCALE, links_of
from unmirage.predictions.choice_tasks import HEADLINE
from unmirage.verdict.thresholds import Thresholds

BRIER = "brier_mean"
COLOURS = ("#101a4d", "#d9820b", "#8f2a6b", "#2b8a6e", "#c4452f", "#6b7680")
MOST_TASKS = 6
CHAIN = "1 log p of the right text, 2 p of it, 3 p among the choices, 4 minus Brier, 5 grade"


@dataclass(frozen=True)
class Part:
    """What a part adds to a figure: charts, rows of its numbers, sentences and notes."""

    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    says: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def items_part(found: ChoiceChain | None) -> Part:
    """The choice tasks of the user's; without them a note says how to give them."""
    if found is None:
        return Part(
            notes=(
                "The same panels from items, and the chain from log-probability to accuracy, are not drawn: "
                "they need the log-probabilities of the choices item by item, which the paper does not give. "
                "Give responses of kind choice with --choices PATH.",
            )
        )
    tasks = found.curves["task"].unique().sort().to_list()
    families = found.curves["family"].unique(maintain_order=True).to_list()
    drawn, shown = tasks[:MOST_TASKS], families[: len(COLOURS)]
    beyond = {f"tasks beyond the first {MOST_TASKS}": tasks[MOST_TASKS:]}
    beyond[f"families beyond the first {len(COLOURS)}"] = families[len(COLOURS) :]
    notes = [
        f"Not drawn, but in the table: {what} ({', '.join(rest)})." for what, rest in beyond.items() if rest
    ]
    about = pl.col("about")
    heads = found.swaps.filter(pl.col("metric") == HEADLINE)
    judged = heads.filter(pl.col("sharp").is_not_null()).select("family", "task")
    unjudged = heads.filter(pl.col("sharp").is_null())["family"].unique(maintain_order=True).to_list()
    if unjudged:
        notes.append(
            f"Sharpness cannot be judged on items of {', '.join(unjudged)}: there are fewer than "
            f"{Thresholds().min_scales} scales. Their emergence scores are in the table."
        )
    told = found.says.filter(about == "swap").join(
        judged, on=["family", "task"], how="semi", maintain_order="left"
    )
    told = pl.concat([told, found.says.filter(about.is_in(["skill", "worse", "chain", "left out"]))])
    say = told.sort(
        pl.col("task"), pl.col("family").replace_strict(families, range(len(families))), maintain_order=True
    )
    general = found.says.filter(about.is_in(["dependent", "coarse"]))["says"].unique(maintain_order=True)
    return Part(
        {"fig6_items": _chart(found, drawn, shown)},
        _rows(found),
        tuple(f"{family}, {task}: {words}" for family, task, _, words in say.iter_rows()),
        (*notes, *(str(words) for words in general)),
    )


def _rows(found: ChoiceChain) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "group": f"items, {row['metric']}",
            "panel": row["task"],
            "series": row["family"],
            "model": row["model"],
            "n_params": row["axis_value"],
            "n": row["n"],
            "ours": row["mean"],
            "low": row["low"],
            "high": row["high"],
        }
        for row in found.curves.iter_rows(named=True)
    ]
    for row in found.swaps.filter(pl.col("emergence_score").is_not_null()).iter_rows(named=True):
        rows.append(
            {
                "group": "items, emergence score",
                "panel": row["task"],
                "series": f"{row['family']}, {row['metric']}",
                "ours": row["emergence_score"],
            }
        )
    for row in found.links.filter(pl.col("against") == SCALE).iter_rows(named=True):
        rows.append(
            {
                "group": f"items, mean correlation with log scale ({row['correlation']})",
                "panel": row["task"],
                "series": f"{row['family']}, {row['link']}",
                "n": row["items"],
                "ours": row["mean"],
                "low": row["low"],
                "high": row["high"],
            }
        )
    return rows


def _chart(found: ChoiceChain, tasks: Sequence[str], families: Sequence[str]) -> dict[str, Any]:
    sizes = found.curves["axis_value"]
    reach = (float(sizes.min()) / 1.25, float(sizes.max()) * 1.25)  # type: ignore[arg-type]
    panels = []
    for task in tasks:
        mine = found.curves.filter(pl.col("task") == task, pl.col("family").is_in(families))
        for metric, title, y, ground in (
            (HEADLINE, "multiple-choice grade", "grade", "chance"),
            (BRIER, "Brier score (lower is better)", "mean Brier score", "uniform forecast"),
            (f"{BRIER} skill", "Brier skill", "1 - Brier / uniform", "uniform forecast"),
        ):
            rows = mine.filter(pl.col("metric") == metric, pl.col("mean").is_not_null())
            drawn = _layers(rows, "axis_value", ground)
            domain = _domain(rows)
            if domain is not None and metric == HEADLINE:
                domain = max(domain[0], 0.0), min(domain[1], 1.0)
            panels.append(Panel((task, title), drawn, y, reach, domain))
        panels.append(_chain_panel(found, task, families))
    return grid(
        panels,
        columns=4,
        title="Figure 6 on items: grade, Brier score, skill, and where along the chain scale is lost",
        subtitle=(
            "Points: models with 95% intervals over items. Grey: a forecast without skill.",
            f"Right: mean per-item {CORRELATIONS[0]} correlation with log scale: {CHAIN}.",
        ),
        series=list(families),
        legend="",
        colours=COLOURS,
    )


def _layers(rows: pl.DataFrame, x: str, ground: str) -> list[Layer]:
    drawn = [
        {"x": row[x], "y": row["mean"], "low": row["low"], "high": row["high"], "series": row["family"]}
        for row in rows.iter_rows(named=True)
    ]
    lines = rows["reference"].drop_nulls().unique().to_list()
    below = level(float(lines[0]), ground) if len(lines) == 1 else []
    return [*below, bars([one for one in drawn if one["low"] is not None]), line(drawn), points(drawn)]


def _domain(rows: pl.DataFrame) -> tuple[float, float] | None:
    """The range of the values, their intervals and the reference."""
    seen = [v for name in ("mean", "low", "high", "reference") for v in rows[name].drop_nulls().to_list()]
    return round_range(seen) if seen else None


def round_range(values: Sequence[float]) -> tuple[float, float]:
    """A range from one round number to another, with a little room: panels line up by their last tick."""
    low, high = min(values), max(values)
    room = 0.03 * (high - low or 1.0)
    step = 10.0 ** np.floor(np.log10((high - low or 1.0) / 2))
    step *= next((m for m in (1, 2, 5) if (high - low) / (m * step) <= 6), 10)
    return float(step * np.floor((low - room) / step)), float(step * np.ceil((high + room) / step))


def _chain_panel(found: ChoiceChain, task: str, families: Sequence[str]) -> Panel:
    place = {name: i + 1 for i, name in enumerate(links_of(BRIER))}
    rows = found.links.filter(
        pl.col("task") == task,
        pl.col("family").is_in(families),
        pl.col("against") == SCALE,
        pl.col("correlation") == CORRELATIONS[0],
        pl.col("link").is_in(list(place)),
        pl.col("mean").is_not_null(),
    ).with_columns(x=pl.col("link").replace_strict(place, return_dtype=pl.Int64), reference=pl.lit(0.0))
    return Panel(
        (task, "the chain to accuracy"),
        _layers(rows, "x", ""),
        "mean correlation",
        (0.5, len(place) + 0.5),
        (-1.0, 1.0),
        x="link",
        x_log=False,
    )
