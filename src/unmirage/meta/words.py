"""What a meta-analysis found, a sentence each. Every number in them is in a table of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from unmirage.counts import listed
from unmirage.meta.shapes import RULES
from unmirage.predictions.choice_chain import ChoiceChain
from unmirage.report.words import interval, number, p_said
from unmirage.result import Settings

# A raw score that is often read as emergence; the paper gives no limit.
RAW = 10.0
NAMED = 3


def sentences(
    cells: pl.DataFrame,
    scores: pl.DataFrame,
    groups: pl.DataFrame,
    concentration: pl.DataFrame,
    claims: pl.DataFrame,
    chain: ChoiceChain | None,
    settings: Settings,
) -> tuple[str, ...]:
    """The findings, the plainest first; see `found.Meta` for the tables."""
    emergence, line = scores.rows(named=True)
    says = ["No curve can be tested: five scales are needed, and means that are known and differ."]
    if emergence["tested"]:
        says = [_beyond(emergence, cells, settings), _raw(cells)]
        says += [_linearity(line, settings), _shapes(cells)]
        # Where smooth curves alone would give as many, it means nothing which they are.
        counted = ["adjusted", "beyond"] if emergence["beyond"] > emergence["expected"] else ["adjusted"]
        if len(counted) > 1:
            says.append(_groups(groups))
        says += [_concentrated(concentration, by, counted) for by in ("metric", "task", "family")]
    return tuple(one for one in (*says, _claims(claims), _lost(chain)) if one)


def _beyond(row: dict[str, Any], cells: pl.DataFrame, settings: Settings) -> str:
    left = row["cells"] - row["tested"]
    untested = f" ({left:,} more are not tested; cells.csv says why)" if left else ""
    many = "" if row["beyond"] > row["expected"] else ", so there are no more than chance makes"
    return (
        f"Of {row['tested']:,} curves{untested} {row['beyond']:,} ({_percent(row, settings)}) have an "
        f"emergence score beyond that of {1 - settings.alpha:.0%} of smooth curves on the same scales with "
        f"the same errors; up to {number(row['expected'])} would, were all smooth{many}. After adjustment "
        f"for the number of curves ({settings.adjust}) {row['adjusted']:,} are."
    )


def _percent(row: dict[str, Any], settings: Settings) -> str:
    ends = f"{row['low']:.1%} to {row['high']:.1%}"
    return f"{row['share']:.1%}, {settings.confidence:.0%} interval {ends}"


def _raw(cells: pl.DataFrame) -> str:
    high = cells.filter(pl.col("p").is_not_null(), pl.col("emergence_score") > RAW)
    if high.is_empty():
        return ""
    infinite = int(high["emergence_score"].is_infinite().sum())
    endless = f" (infinite for {infinite:,}: half of their steps or more are flat)" if infinite else ""
    return (
        f"The raw score is above {RAW:g} for {high.height:,} curves{endless}; for "
        f"{high.height - int(high['beyond'].sum()):,} of these a smooth curve would score as high, since the "
        "score grows with the number of scales and where ordinary steps are small."
    )


def _linearity(row: dict[str, Any], settings: Settings) -> str:
    return (
        f"Linearity is below that of {1 - settings.alpha:.0%} of smooth curves for {row['beyond']:,} "
        f"({row['share']:.1%}), {row['adjusted']:,} after adjustment."
    )


def _groups(groups: pl.DataFrame) -> str:
    parts = []
    for by in ("metric", "family"):
        some = groups.filter(pl.col("by") == by, pl.col("beyond") > 0)
        if groups.filter(pl.col("by") == by).height < 2 or some.is_empty():
            continue
        named = [
            f"{r['group']} ({r['beyond']} of {r['tested']}, interval of the share "
            f"{interval(r['low'], r['high'])})"
            for r in some.head(NAMED).iter_rows(named=True)
        ]
        parts.append(f"by {by}: {listed(named)}")
    return f"Most often beyond, {'; '.join(parts)}." if parts else ""


def _shapes(cells: pl.DataFrame) -> str:
    known = cells["shape"].drop_nulls()
    counts = [(name, int((known == name).sum())) for name in RULES]
    parts = [f"{name} {n:,}" for name, n in sorted(counts, key=lambda one: -one[1]) if n]
    return f"Shapes: {', '.join(parts)}." if parts else ""


def _concentrated(table: pl.DataFrame, by: str, which: Sequence[str]) -> str:
    """On the first kind of cells of which there are enough: "adjusted" or "beyond"."""
    for counted in which:
        rows = {
            r["measure"]: r
            for r in table.filter(pl.col("by") == by, pl.col("counted") == counted).iter_rows(named=True)
            if r["value"] is not None
        }
        if not rows:
            continue
        many, two = rows["effective number"], rows["two largest shares"]
        plural = {"metric": "metrics", "task": "tasks", "family": "families"}[by]
        beyond = "beyond after adjustment" if counted == "adjusted" else "beyond"
        return (
            f"The {many['cells']:,} curves {beyond} are spread as over {number(many['value'])} {plural} of "
            f"equal share ({interval(many['low'], many['high'])}), all tested curves as over "
            f"{number(many['base'])}; two {plural} have {two['value']:.0%} of them, "
            f"{two['by_chance']:.0%} if they fell by chance ({p_said(two['p'])})."
        )
    return ""


def _claims(claims: pl.DataFrame) -> str:
    if claims.is_empty():
        return ""
    row = claims.row(0, named=True)
    return (
        f"Of the tasks that were claimed emergent {row['claimed_share']:.0%} are judged by {row['metric']}, "
        f"of all tasks here {row['all_share']:.0%}: {number(row['enrichment'])} times as many "
        f"({interval(row['enrichment_low'], row['enrichment_high'])}, "
        f"{p_said(row['p_hypergeometric'])})."
    )


def _lost(chain: ChoiceChain | None) -> str:
    """Where along the chain most tasks lose the scale, by Pearson's correlation."""
    if chain is None or chain.losses.is_empty():
        return ""
    rows = chain.losses.filter(pl.col("correlation") == "pearson")
    tasks = rows.select("family", "task").unique().height
    most = rows.filter("largest").group_by("from", "to").len().sort("len", "from", descending=[True, False])
    if most.is_empty():
        return f"Of {tasks} choice tasks none loses its correlation with scale at one step of the chain."
    parts = [f"{start} to {end} in {n}" for start, end, n in most.rows()]
    return (
        f"Of {tasks} choice tasks (of a family each) the items' scores lose most of their correlation with "
        f"scale from {', '.join(parts)}."
    )
