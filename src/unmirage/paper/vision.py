"""What figures 7, 8 and 11 share: a vision family's curves by size, panels of them, and sentences.

Scores, intervals and verdicts are those of `unmirage.audit`; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from unmirage.counts import size_label
from unmirage.errors import SourceError
from unmirage.paper import published
from unmirage.paper.drawing import Layer, Panel, bars, level, line, points
from unmirage.verdict.outcome import ARTIFACT
from unmirage.verdict.sharpness import Sharpness, sharpness

CLAIMED = "claimed ability (redrawn)"
SQUARES = "Hollow squares, dashed: the paper's numbers, read off its drawing."
COLOURS = ("#6b7680", "#101a4d", "#d9820b", "#c4452f", "#8f2a6b", "#2b8a6e")


def of_kind(responses: pl.DataFrame, kind: str, option: str) -> pl.DataFrame:
    """The rows of the first family that has responses of a kind.

    Parameters: responses in the schema `tables.RESPONSES`; option, what names the source in the message.
    Raises SourceError where there are none.
    """
    rows = responses.filter(pl.col("kind") == kind, pl.col("family") != "pca")
    if rows.is_empty():
        there = ", ".join(map(str, responses["kind"].unique(maintain_order=True)))
        raise SourceError(
            f"there are no responses of kind {kind} (there are: {there})",
            where=option,
            hint=f"`unmirage train {option.removeprefix('--')}` makes such a family.",
        )
    return rows.filter(pl.col("family") == rows["family"][0])


def curve(curves: pl.DataFrame, task: str, metric: str) -> pl.DataFrame:
    """The models' values of a metric: model, n_params, n, value, low, high, in order of size.

    Parameters: curves in the schema `tables.CURVES`, on the axis n_params.
    """
    rows = curves.filter(pl.col("task") == task, pl.col("metric") == metric)
    return renamed(rows.rename({"mean": "value"}))


def renamed(curves: pl.DataFrame) -> pl.DataFrame:
    """Curves with the scale in `axis_value`, in the columns and the order of `curve`."""
    return curves.sort("axis_value", "model").select(
        "model", n_params="axis_value", n="n", value="value", low="low", high="high"
    )


def by_size(rows: pl.DataFrame) -> pl.DataFrame:
    """n_params, seeds, value, low, high: the mean over the models of each size.

    The interval is Student's 95% one over the models, which are trained from different seeds and tested on
    the same items; null where there is one model.
    """
    from scipy.special import stdtrit

    found = (
        rows.group_by("n_params")
        .agg(seeds=pl.len(), value=pl.col("value").mean(), spread=pl.col("value").std())
        .sort("n_params")
    )
    seeds = found["seeds"].to_numpy()
    many = np.where(seeds > 1, seeds, 2)
    half = found["spread"] * pl.Series(stdtrit(many - 1, 0.975) / np.sqrt(many))
    return found.select("n_params", "seeds", "value", low=pl.col("value") - half, high=pl.col("value") + half)


def layers(
    rows: pl.DataFrame, series: str, *, dashed: bool = False, least: float | None = None
) -> list[Layer]:
    """A line through the mean of each size; a small point a model with its interval.

    Parameters: `least`, of a logarithmic axis: what is below is left out, and intervals are cut there.
    """
    if least is not None:
        rows = rows.filter(pl.col("value") >= least).with_columns(pl.col("low").clip(least))
    means = [{"x": x, "y": y, "series": series} for x, y in by_size(rows).select("n_params", "value").rows()]
    dots = [
        {"x": x, "y": y, "low": low, "high": high, "series": series}
        for x, y, low, high in rows.select("n_params", "value", "low", "high").rows()
    ]
    if dashed:
        return [line(means, dashed=True, faint=True)]
    return [bars([dot for dot in dots if dot["low"] is not None]), line(means), points(dots, size=12)]


def squares(values: Sequence[tuple[float, float]], series: str) -> list[Layer]:
    """The paper's points (x, y) as hollow squares on a dashed line."""
    rows = [{"x": x, "y": y, "series": series} for x, y in values]
    return [line(rows, dashed=True, faint=True), points(rows, shape="square", filled=False, size=30)]


def claimed_panel(figure: int, title: str, y: str, y_domain: tuple[float, float]) -> Panel:
    """Panel A: a claimed ability from the literature, models in order of size."""
    rows = published.claimed(figure).select("order", "value").rows()
    drawn = squares(rows, CLAIMED)
    chance = published.claimed_chance(figure)
    if chance is not None:
        drawn += level(chance, "chance")
    domain = (0.5, len(rows) + 0.5)
    return Panel((f"A. {title}",), drawn, y, domain, y_domain, x="models in order of size", x_log=False)


def claimed_rows(figure: int, ability: str) -> list[dict[str, Any]]:
    """Panel A as rows of the table of numbers: there is nothing of ours beside it."""
    return [
        {
            "group": "claimed ability",
            "panel": f"A: {ability}",
            "series": f"model {order}",
            "n_params": size,
            "paper": value,
        }
        for order, size, value in published.claimed(figure).iter_rows()
    ]


def number_rows(
    rows: pl.DataFrame, group: str, panel: str, series: str, paper: Mapping[float, float] | None = None
) -> list[dict[str, Any]]:
    """Rows of the table of numbers: one a model, and the mean of each size beside the paper's value.

    Parameters: paper, n_params -> value; sizes that the family lacks get rows without a value of ours.
    """
    theirs = dict(paper or {})
    common = {"group": group, "panel": panel, "series": series}
    found: list[dict[str, Any]] = [
        {**common, "model": model, "n_params": size, "n": n, "ours": value, "low": low, "high": high}
        for model, size, n, value, low, high in rows.iter_rows()
    ]
    common["group"] = f"{group}, mean over seeds"
    found += [
        {**common, "n_params": size, "ours": value, "low": low, "high": high, "paper": theirs.pop(size, None)}
        for size, _, value, low, high in by_size(rows).iter_rows()
    ]
    return found + [{**common, "n_params": size, "paper": value} for size, value in sorted(theirs.items())]


def beside(rows: pl.DataFrame, paper: Mapping[float, float], form: str = ".3f") -> str:
    """ "6.55K .21 (.19), ...": the means by size, with the paper's in brackets where it has the size."""
    parts = []
    for size, value in by_size(rows).select("n_params", "value").iter_rows():
        theirs = f" ({paper[size]:{form}})" if size in paper else ""
        parts.append(f"{size_label(size)} {value:{form}}{theirs}")
    return ", ".join(parts)


def range_of(rows: pl.DataFrame, *more: float) -> tuple[float, float]:
    """The sizes of a family, and others, with a little room on both sides."""
    sizes = [*rows["n_params"].to_list(), *more]
    return min(sizes) / 1.25, max(sizes) * 1.25


def shape_of(rows: pl.DataFrame, *, higher_is_better: bool = True) -> Sharpness | None:
    """How sharp the mean by size looks; None for one size."""
    means = by_size(rows)
    if means.height < 2:
        return None
    return sharpness(means["n_params"], means["value"], higher_is_better=higher_is_better)


def shape_words(shape: Sharpness | None) -> str:
    """The width of a rise in words, and its emergence score."""
    if shape is None or not np.isfinite(shape.width):
        return "does not rise"
    score = "infinite" if np.isinf(shape.emergence_score) else f"{shape.emergence_score:.1f}"
    return f"takes {shape.width:.0%} of the log range from 10% to 90% of its rise (emergence score {score})"


def last_step(values: Sequence[float]) -> float:
    """The share of the range of a curve that its last step makes; NaN for a constant one."""
    reach = max(values) - min(values)
    return (values[-1] - values[-2]) / reach if reach > 0 else float("nan")


def verdict_words(row: Mapping[str, Any], what: str, *, made: bool = True) -> str:
    """What the audit says of a metric: its verdict, whether that is the expected one, and the first reason.

    Parameters: row of `tables.VERDICTS`; made, whether the metric was made to jump: `metric-artifact` is
    then expected.
    """
    found = row["verdict"]
    if not made:
        how = ""
    elif found == ARTIFACT:
        how = ", as expected of a jump that was made"
    else:
        how = f", and not {ARTIFACT} as expected of a jump that was made"
    return f"The audit's verdict on {what} is {found}{how}: {row['reasons'][0]}."


def verdict_of(verdicts: pl.DataFrame, task: str) -> dict[str, Any]:
    """The row of a task."""
    return verdicts.row(by_predicate=pl.col("task") == task, named=True)
