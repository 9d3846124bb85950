"""Logs of several tools in one reading: what two of them say of the same model is never merged in silence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from unmirage import tables
from unmirage.counts import listed

Note = dict[str, object]
Tools = Sequence[tuple[str, pl.DataFrame]]  # what people call the tool, a table of rows that it gave

CELL = ["family", "model", "task"]


def in_two(rows: pl.DataFrame, cell: Sequence[str], key: Sequence[str]) -> pl.DataFrame:
    """The models' tasks of a tool of which an earlier tool has a row too: frame of `tool` and `cell`.

    Parameters
    ----------
    rows: with `tool`, the place of the tool in the order in which they are preferred.
    cell: the columns that tell models' tasks apart. key: those that tell their rows apart.
    """
    both = [*cell, *key]
    first = rows.group_by(both).agg(first=pl.col("tool").min())
    again = rows.join(first, on=both, how="left", maintain_order="left").filter(
        pl.col("tool") > pl.col("first")
    )
    return again.select("tool", *cell).unique(maintain_order=True)


def two_tools(lost: Sequence[tuple[str, str, str]], tool: str, what: str) -> Note:
    """The warning of models' tasks of a tool that are left out, since an earlier tool's are read.

    Parameters
    ----------
    lost: (family, model, task) of each.
    what: what the rows are.
    """
    names = listed([f"{task} of {model}" for _, model, task in lost])
    return tables.warning(
        "two-tools",
        f"{tool}: the {what} of {len(lost)} tasks of models are in the logs of another tool too, which are "
        f"read instead ({names})",
        count=len(lost),
    )


def results_of(parts: Tools) -> tuple[list[pl.DataFrame], list[Note]]:
    """Aggregates, each metric of a model's task from one tool only.

    A later tool's rows go, all of that model and task, where they share a metric with an earlier tool's: the
    same outputs in two formats would contradict each other. A warning a tool names them.
    """
    tools = list(dict.fromkeys(tool for tool, _ in parts))
    if len(tools) < 2:
        return [frame for _, frame in parts], []
    rows = pl.concat(frame.select(*CELL, "metric", tool=tools.index(tool)) for tool, frame in parts)
    lost = in_two(rows, CELL, ["metric"])
    kept = []
    for tool, frame in parts:
        left = lost.filter(pl.col("tool") == tools.index(tool))
        frame = frame.join(left, on=CELL, how="anti", maintain_order="left") if left.height else frame
        if frame.height:
            kept.append(frame)
    notes = []
    for place, tool in enumerate(tools):
        mine = lost.filter(pl.col("tool") == place).select(CELL).rows()
        if mine:
            notes.append(two_tools(mine, tool, "aggregates"))
    return kept, notes


def same_models(parts: Tools) -> list[Note]:
    """Warnings of models that the logs of two tools name alike.

    `same-model`: family and name are the same, and rows of both make one model. `same-name`: the names are
    the same but for case and folders, and families or spellings are not; they stay two models.
    """
    tools: dict[tuple[str, str], list[str]] = {}
    for tool, frame in parts:
        for pair in frame.select("family", "model").unique(maintain_order=True).iter_rows():
            group = tools.setdefault(pair, [])
            if tool not in group:
                group.append(tool)
    notes = []
    one = {pair: found for pair, found in tools.items() if len(found) > 1}
    if one:
        names = [f"{model} ({' and '.join(found)})" for (_, model), found in one.items()]
        message = f"{len(one)} models are in the logs of several tools and are taken for one each: "
        notes.append(tables.warning("same-model", message + listed(names), count=len(one)))
    alike: dict[str, list[tuple[str, str]]] = {}
    for pair in tools:
        alike.setdefault(_plain(pair[1]), []).append(pair)
    two = [
        pairs for pairs in alike.values() if len(pairs) > 1 and len({t for p in pairs for t in tools[p]}) > 1
    ]
    if two:
        names = [
            " and ".join(f"{family} / {model} ({', '.join(tools[family, model])})" for family, model in pairs)
            for pairs in two
        ]
        message = f"{len(two)} models are named alike by several tools and are kept apart: {listed(names)}"
        notes.append(
            tables.warning("same-name", message + "; --family gives all models one family", count=len(two))
        )
    return notes


def _plain(model: str) -> str:
    return re.sub(r"[-_ .]+", "-", re.split(r"[/\\]|__", model)[-1].lower())
