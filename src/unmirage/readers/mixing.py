"""Logs of several tools in one reading: what two of them say of the same model is never merged in silence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from unmirage import tables
from unmirage.counts import listed

Note = dict[str, object]
Tools = Sequence[tuple[str, pl.DataFrame]]  # what people call the tool, a table of rows that it gave

_TASK = ["family", "model", "task"]
_ITEM = ["item_id", "epoch"]


def first_tool_only(parts: Tools, key: Sequence[str], what: str) -> tuple[list[pl.DataFrame], list[Note]]:
    """The tables without the rows of a model's task that an earlier tool has too.

    A later tool's rows go, all of that model and task, where they share one of `key` with an earlier tool's:
    the same outputs in two formats would contradict each other. A warning names them.

    Parameters
    ----------
    parts: in the order in which tools are preferred.
    key: the columns that tell the rows of a model's task apart.
    what: what the rows are, for the warning.
    """
    if len({tool for tool, _ in parts}) < 2:
        return [frame for _, frame in parts], []
    seen: dict[str, list[pl.DataFrame]] = {}
    kept = []
    notes = []
    for tool, frame in parts:
        others = [rows for name, group in seen.items() if name != tool for rows in group]
        mine = frame.select(*_TASK, *key)
        seen.setdefault(tool, []).append(mine)
        shared = mine.join(pl.concat(others), on=[*_TASK, *key], how="semi") if others else mine.clear()
        twice = shared.select(_TASK).unique(maintain_order=True)
        if twice.height:
            names = listed([f"{task} of {model}" for _, model, task in twice.iter_rows()])
            notes.append(
                tables.warning(
                    "two-tools",
                    f"{tool}: the {what} of {twice.height} tasks of models are in the logs of another tool "
                    f"too, which are read instead ({names})",
                    count=twice.height,
                )
            )
            frame = frame.join(twice, on=_TASK, how="anti", maintain_order="left")
        if frame.height:
            kept.append(frame)
    return kept, notes


def responses_of(parts: Tools) -> tuple[list[pl.DataFrame], list[Note]]:
    """Responses, each item of a model's task from one tool only; see :func:`first_tool_only`."""
    return first_tool_only(parts, _ITEM, "items")


def results_of(parts: Tools) -> tuple[list[pl.DataFrame], list[Note]]:
    """Aggregates, each metric of a model's task from one tool only; see :func:`first_tool_only`."""
    return first_tool_only(parts, ["metric"], "aggregates")


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
