"""What `unmirage inspect` prints: what logs hold, readable at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unmirage import tables
from unmirage.counts import listed, size_label
from unmirage.inspection import Inspection
from unmirage.report import words
from unmirage.report.text import warning_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

NOTHING = "–"
_SHOWN = 12  # names of metrics on a line


def show(found: Inspection, console: Console) -> None:
    """Print tools, models, tasks and metrics, then warnings, then what was not read, all together.

    Names come from logs: they are shown as text and cannot colour or move anything.
    """
    from rich.text import Text

    if found.tools:
        console.print(_tools(found))
        console.print(_families(found))
        console.print(_tasks(found))
        for line in _metrics(found):
            console.print(line)
    for line in warning_lines(tables.warnings_frame(found.warnings)):
        console.print(line)
    if found.unread:
        console.print(Text(f"\nNot read: {len(found.unread)}", style="bold red"))
        for row in found.unread:
            told = f"{words.printable(row['path'])}: {words.printable(row['reason'])}"
            console.print(Text(told), soft_wrap=True)


def _table(*columns: tuple[str, bool]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, right in columns:
        table.add_column(name, overflow="fold", justify="right" if right else "left")
    return table


def _cells(*values: object) -> list[Text]:
    from rich.text import Text

    return [Text(NOTHING if value is None else words.printable(str(value))) for value in values]


def _tools(found: Inspection) -> Table:
    table = _table(("logs of", False), ("version", False), ("files", True), ("rows", True))
    for row in found.tools:
        stated = ", ".join(row["stated"]) or f"not stated (checked on {row['checked']})"
        table.add_row(*_cells(row["title"], stated, row["files"], f"{row['rows']:,}"))
    return table


def _families(found: Inspection) -> Table:
    table = _table(("family", False), ("models", True), ("sizes", False), ("models, by size", False))
    for family in dict.fromkeys(row["family"] for row in found.models):
        mine = [row for row in found.models if row["family"] == family]
        sizes = [row["n_params"] for row in mine if row["n_params"] is not None]
        unknown = len(mine) - len(sizes)
        text = f"{size_label(min(sizes))} to {size_label(max(sizes))}" if sizes else ""
        text += (", " if text and unknown else "") + (f"unknown: {unknown}" if unknown else "")
        table.add_row(*_cells(family, len(mine), text, listed([row["model"] for row in mine], _SHOWN)))
    return table


def _tasks(found: Inspection) -> Table:
    table = _table(
        *(("family", False), ("task", False), ("kind", False), ("models", True), ("items", True)),
        *(("epochs", True), ("shots", True), ("recorded", True)),
    )
    for row in found.tasks:
        items = row["items"]
        if items and row["shared"] < items:
            items = f"{items} ({row['shared']} shared)"
        aggregated = row["aggregated"] or None
        kinds = ", ".join(row["kinds"]) or None
        counts = (row["models"], items, row["epochs"]) if kinds else (None, None, None)
        table.add_row(*_cells(row["family"], row["task"], kinds, *counts, row["shots"], aggregated))
    return table


def _metrics(found: Inspection) -> list[Text]:
    """Which metrics can be computed, which cannot and which are recorded, once for all tasks alike in it."""
    from rich.text import Text

    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in found.tasks:
        missing = tuple((one["metric"], one["reason"]) for one in row["missing"])
        key = (tuple(row["metrics"]), tuple(row["partial"]), missing, tuple(sorted(row["aggregates"])))
        groups.setdefault(key, []).append(row["task"])
    lines = []
    for (metrics, partial, missing, aggregates), names in groups.items():
        line = Text(words.printable(listed(names, 6)), style="bold")
        if metrics:
            line.append(f"\n  can be computed: {_names(metrics)}", style="not bold")
        if partial:
            line.append(f"\n  for some models only: {_names(partial)}", style="not bold")
        reasons: dict[str, list[str]] = {}
        for metric, reason in missing:
            reasons.setdefault(reason, []).append(metric)
        for reason, without in reasons.items():
            line.append(f"\n  cannot: {_names(without)}: {words.printable(reason)}", style="not bold")
        if aggregates:
            line.append(f"\n  recorded of whole models: {_names(aggregates)}", style="not bold")
        lines.append(line)
    return lines


def _names(names: Sequence[str]) -> str:
    return words.printable(", ".join(names))
