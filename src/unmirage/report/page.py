"""report.html of an audit: what is on the page. How pages are made is in `html`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from unmirage.report import charts, grids, items, slices, text, themes, words
from unmirage.report.grids import Grid
from unmirage.report.html import json_block, render
from unmirage.result import Audit, Progress, silent


@dataclass(frozen=True)
class Section:
    """One task of one family on the page.

    Attributes
    ----------
    anchor: the id of its part of the page; made of a number, never of a name.
    family, task, verdict, tone, why: the words of the summary table; tone is the colour of the badge.
    scales, headline: number of scales, and the headline from the smallest to the largest.
    title: the headline metric's title.
    reasons, would_settle: all of them.
    chart: the chart's definition as JSON for a script block, or None where nothing can be drawn.
    label: what the chart shows, for readers who cannot see it.
    hollow: whether the chart has hollow points. fits: what its long dashes are, if there are any.
    rates: how often verdicts of such families are wrong, or "".
    grids: tables that are folded. shelves: items as images, where there are any.
    """

    anchor: str
    family: str
    task: str
    verdict: str
    tone: str
    why: str
    scales: int
    headline: str
    title: str
    reasons: list[str]
    would_settle: list[str]
    chart: str | None
    label: str
    hollow: bool
    fits: str
    rates: str
    grids: list[Grid]
    shelves: tuple[items.Shelf, ...]


def page(audit: Audit, progress: Progress = silent) -> str:
    """The whole page; the same audit gives the same text. `progress` is told of each task drawn."""
    sections = []
    for number, row in enumerate(audit.verdicts.iter_rows(named=True), start=1):
        sections.append(_section(audit, number, row))
        progress("drawing", number, audit.verdicts.height)
    return render(
        "page.html.j2",
        sections=sections,
        strip=items.strip,
        bar=items.BAR,
        counts=_counts(audit),
        read=_read(audit),
        axes=_axes(audit),
        checkpoint=audit.settings.checkpoint,
        checkpoint_notes=_checkpoint_notes(audit),
        inputs=grids.input_grid(audit.inputs),
        predictions=grids.prediction_grids(audit),
        says=audit.predictions.select("prediction", "says").unique(maintain_order=True).rows(),
        warnings=grids.frame_grid(audit.warnings, "Warnings"),
        skipped=grids.frame_grid(audit.skipped, "Metrics that could not be computed"),
        recorded=grids.frame_grid(audit.recorded, "Our scores against those that the source tool recorded"),
        settings=grids.settings_grid(audit.settings.as_dict()),
        meanings=[(word, themes.TONES[word], meaning) for word, meaning in words.MEANINGS.items()],
    )


def _section(audit: Audit, number: int, row: dict[str, Any]) -> Section:
    family, task = row["family"], row["task"]
    curve = slices.curve(audit, family, task, row["headline"] or "")
    spec = charts.task_chart(audit, family, task) if charts.panels(audit, family, task) else None
    tables = [
        grids.figures_grid(row, slices.tested(audit, family, task)),
        grids.curve_grid(audit, family, task),
        grids.resolution_grid(row),
        _differences(audit, family, task),
    ]
    word = row["verdict"] or "no verdict"
    return Section(
        anchor=f"task-{number}",
        family=words.printable(family),
        task=words.printable(task),
        verdict=words.printable(word),
        tone=themes.TONES.get(word, "open"),
        why=text.first_reason(row),
        scales=slices.scale_counts(row, curve)[0],
        headline=text.headline_range(slices.scale_means(curve)),
        title=words.metric_title(row["headline"]) if row["headline"] else words.NOTHING,
        reasons=[words.printable(reason) for reason in row["reasons"] or []],
        would_settle=[words.printable(one) for one in row["would_settle"] or []],
        chart=None if spec is None else json_block(spec),
        label="" if spec is None else spec["description"],
        fits=charts.fits(audit, family, task),
        rates=text.error_rates(audit, row),
        hollow=any(entry["resolved"] is False for entry in row["resolution"] or []),
        grids=[grid for grid in tables if grid.rows],
        shelves=items.shelves(audit, family, task),
    )


def _differences(audit: Audit, family: str, task: str) -> Grid:
    frame = audit.differences
    for column, value in (("family", family), ("task", task)):
        if column in frame.columns:
            frame = frame.filter(pl.col(column) == value)
    caption = "Paired differences between neighbouring scales"
    return grids.frame_grid(frame, caption, leave_out=("family", "task"))


def _counts(audit: Audit) -> list[tuple[str, str, int]]:
    """(verdict, tone, how many tasks) of the verdicts that occur, in the order of the six words."""
    found = audit.verdicts["verdict"].to_list()
    return [(word, themes.TONES[word], found.count(word)) for word in words.MEANINGS if word in found]


def _read(audit: Audit) -> list[tuple[int, str]]:
    """(how many, of what) was read; the curves know the tasks and models that have aggregates only, too."""
    curves, responses = audit.curves, audit.responses
    counts = [(len(audit.inputs), "file"), (curves["family"].n_unique(), "family")]
    counts.append((curves.select("family", "model").unique().height, "model"))
    counts.append((curves["task"].n_unique(), "task"))
    if responses.height:
        counts.append((responses.select("task", "item_id").unique().height, "item"))
        counts.append((responses.height, "response"))
    return [(n, what if n == 1 else "families" if what == "family" else f"{what}s") for n, what in counts]


def _axes(audit: Audit) -> list[str]:
    """What the curves are drawn against: nearly always one title."""
    used = audit.verdicts["axis"].drop_nulls().unique(maintain_order=True).to_list() or [audit.settings.axis]
    return [words.axis_title(axis) for axis in used]


def _checkpoint_notes(audit: Audit) -> list[str]:
    """The warnings that say which checkpoint stands for a run."""
    about = audit.warnings.filter(pl.col("code").str.contains("checkpoint"))
    return [words.printable(message or "") for message in about["message"]]
