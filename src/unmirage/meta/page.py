"""report.html of a meta-analysis: what is on the page. How pages are made is in `report.html`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from unmirage.meta.charts import CURVES, charts
from unmirage.meta.concentration import GROUPINGS, MEASURES
from unmirage.meta.found import Meta
from unmirage.meta.shapes import RULES
from unmirage.report import grids, words
from unmirage.report.grids import Grid
from unmirage.report.html import json_block, render

# Curves in the page's own table, those that stand out most; cells.csv holds all.
LISTED = 200
MEANINGS = {
    "emergence score": "largest minus smallest value, with the sign of the direction, over the root median "
    "square of the steps; BIG-bench calls it breakthroughness. It grows with the number of scales, and is "
    "infinite where half of the steps are flat.",
    "guarded score": "the same, where an ordinary step smaller than the items can tell from none counts as "
    "the smallest that they can; this one is tested.",
    "null": "scores of curves drawn about the smooth laws that fit this curve, on its scales, with its "
    "errors and the scatter of models that the family's other tasks show. p is the share of them that score "
    "as high.",
    "beyond": "p is at most the level (alpha). Among smooth curves as many are beyond by chance.",
    "adjusted": "beyond after adjustment for the number of curves that were tested.",
    "linearity": "range over the number of steps times their root mean square: 1 for an even climb.",
    "support": "share of curves drawn about the means, within their errors, that have the same shape.",
}
SHORT = (
    *("family", "task", "shots", "metric", "first", "last", "emergence_score", "guarded_score"),
    *("null_high", "p", "p_adjusted", "linearity", "shape", "support", "note"),
)


@dataclass(frozen=True)
class Part:
    """One part of the page.

    Attributes
    ----------
    anchor, title, lead: its name for links, its heading, what to know of it.
    chart: its definition as JSON for a script block, or None.
    open, folded: its tables.
    """

    anchor: str
    title: str
    lead: str
    chart: str | None
    open: tuple[Grid, ...] = ()
    folded: tuple[Grid, ...] = ()


def page(found: Meta) -> str:
    """The whole page; the same result gives the same text."""
    return render(
        "meta.html.j2",
        curves=found.cells.height,
        says=[words.printable(one) for one in found.says],
        scores=grids.frame_grid(found.scores, "Scores beyond their null"),
        parts=_parts(found),
        meanings=list(MEANINGS.items()),
        shapes=list(RULES.items()),
        warnings=grids.frame_grid(found.warnings, "Warnings"),
        inputs=grids.input_grid(found.inputs),
        settings=grids.settings_grid(_settings(found)),
    )


def _settings(found: Meta) -> dict[str, object]:
    """Those that decide something here."""
    used = ("axis", "metrics", "seed", "alpha", "confidence", "adjust", "checkpoint", "tokens", "chance")
    values = found.settings.as_dict()
    return {name: values[name] for name in used}


def _parts(found: Meta) -> list[Part]:
    drawn = {name: json_block(spec) for name, spec in charts(found).items()}
    tested = found.cells.filter(pl.col("p").is_not_null())
    parts = [] if tested.is_empty() else _tested(found, tested, drawn)
    if found.claims.height:
        parts.append(
            Part(
                "claims",
                "Metrics of tasks that were claimed emergent",
                "Share of a metric among the claimed tasks of this source, beside its share among all.",
                None,
                open=(grids.frame_grid(found.claims, "Base rates"),),
            )
        )
    return parts + _choices(found, drawn.get("choices"))


def _tested(found: Meta, tested: pl.DataFrame, drawn: Mapping[str, str]) -> list[Part]:
    """What there is where curves can be tested."""
    groups = {by: found.groups.filter(pl.col("by") == by) for by in GROUPINGS}
    shares = {by: grids.frame_grid(part, f"By {by}", leave_out=("by", *RULES)) for by, part in groups.items()}
    classes = {
        by: grids.frame_grid(part.select("group", "tested", *RULES), f"Shapes by {by}")
        for by, part in groups.items()
    }
    top = tested.sort("p", maintain_order=True).select(SHORT).head(LISTED)
    rest = found.cells.height - top.height
    more = f"; {rest:,} more are in cells.csv" if rest else ""
    return [
        Part(
            "curves",
            "The curves that stand out most",
            f"The {min(CURVES, tested.height)} with the smallest p. Points: means; long dashes: the smooth "
            "law that fits best.",
            drawn.get("curves"),
            folded=(grids.frame_grid(top, f"Curves in the order of p{more}"),),
        ),
        Part(
            "shares",
            "By metric and by family",
            "Share of the tested curves whose score is beyond its null, with intervals that count that "
            "curves of one task go together. Dashed: what smooth curves alone would give.",
            drawn.get("shares"),
            open=(shares["metric"],),
            folded=(shares["family"], shares["task"]),
        ),
        Part(
            "scores",
            "Raw scores, and beside their null",
            "Bars hold the middle half of the curves that rise, thin lines 90%, ticks the median. Right of "
            "the dashed line a score is beyond that of 95% of smooth curves. Raw scores do not compare over "
            "grids.",
            drawn.get("scores"),
        ),
        Part(
            "shapes",
            "Shapes",
            "By the rules below; each class with the number of curves.",
            drawn.get("shapes"),
            folded=(classes["metric"], classes["family"], classes["task"]),
        ),
        *_concentration(found),
    ]


def _concentration(found: Meta) -> list[Part]:
    """None where nothing can be said of where so few curves are."""
    rows = found.concentration.filter(pl.col("value").is_not_null())
    if rows.is_empty():
        return []
    lead = (
        "Of the curves beyond their null, and of those that are after adjustment; beside all tested curves "
        "(base), and beside as many drawn from these by chance. "
        + " ".join(f"{name[0].upper()}{name[1:]}: {meaning}." for name, meaning in MEASURES.items())
    )
    grid = grids.frame_grid(rows, "Concentration", leave_out=("note",))
    return [Part("concentration", "How concentrated they are", lead, None, open=(grid,))]


def _choices(found: Meta, chart: str | None) -> list[Part]:
    """Tasks with choices under other metrics; none where the source has no such items."""
    chain = found.chain
    if chain is None:
        return []
    says = chain.says.select("family", "task", "says")
    return [
        Part(
            "choices",
            "Choice tasks under other metrics, and where scale is lost",
            "Along the chain from the log-probability of the right answer to accuracy: how a score goes with "
            "the log of scale, item by item (Pearson's correlation, mean over items, with intervals). Where "
            "a step takes much of it away, the mass on wrong choices decides.",
            chart,
            folded=(
                grids.frame_grid(says, "What was found, task by task"),
                grids.frame_grid(chain.losses, "What each step of the chain changes"),
                grids.frame_grid(
                    chain.links.filter(pl.col("against") == "scale"), "Correlations along the chain"
                ),
                grids.frame_grid(chain.swaps, "How sharp each metric is"),
            ),
        )
    ]
