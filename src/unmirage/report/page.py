"""report.html: one file that works offline, in light and dark, on a phone and on paper.

The template and its style and script lie beside this module. Every name and text of a log goes through the
template's escaping; chart definitions are JSON blocks in which "<" cannot occur, and no script runs but the
two whose hashes the page's own policy lists.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.report import charts, grids, items, slices, text, themes, words
from unmirage.report.document import version
from unmirage.report.grids import Grid
from unmirage.result import Audit, Progress, silent

_HERE = Path(__file__).parent


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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    sections = []
    for number, row in enumerate(audit.verdicts.iter_rows(named=True), start=1):
        sections.append(_section(audit, number, row))
        progress("drawing", number, audit.verdicts.height)
    scripts = [_library(), (_HERE / "page.js").read_text(encoding="utf-8")]
    return environment.get_template("page.html.j2").render(
        version=version(),
        policy=_policy(scripts),
        scripts=scripts,
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        font=themes.FONT,
        palettes=themes.PALETTES,
        config=_json(themes.page_theme()),
        sections=sections,
        strip=items.strip,
        bar=items.BAR,
        counts=_counts(audit),
        read=_read(audit),
        axes=_axes(audit),
        checkpoint=audit.settings.checkpoint,
        checkpoint_notes=_checkpoint_notes(audit),
        inputs=grids.input_grid(audit),
        predictions=grids.prediction_grids(audit),
        says=audit.predictions.select("prediction", "says").unique(maintain_order=True).rows(),
        warnings=grids.frame_grid(audit.warnings, "Warnings"),
        skipped=grids.frame_grid(audit.skipped, "Metrics that could not be computed"),
        recorded=grids.frame_grid(audit.recorded, "Our scores against those that the source tool recorded"),
        settings=grids.settings_grid(audit),
        meanings=[(word, themes.TONES[word], meaning) for word, meaning in words.MEANINGS.items()],
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script."""
    import vl_convert

    # Inside a script element only "</script" and "<!--" are special; within the strings of JavaScript a
    # backslash changes neither. A lone carriage return would be changed by the browser and break the hash of
    # the policy.
    bundle = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--").replace("\r", "\n")


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: Any) -> str:
    """JSON for a script element: no character in it can end the element or start a comment."""
    plain = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
        chart=None if spec is None else _json(spec),
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
