"""A table of error rates, put together for people: how often verdicts are wrong, and how often right.

What is counted where is in `verdict.error_rates`. Here are the groups and the words, once for the terminal
and for Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from unmirage.report.words import NOTHING
from unmirage.verdict.error_rates import NO_BREAK, percent, plain, rates

if TYPE_CHECKING:
    from rich.console import Console

BREAK, ARTIFACT = "robust-break", "metric-artifact"
WRONG = (
    (BREAK, NO_BREAK, "smooth truths"),
    (BREAK, ("artifact",), "artifacts"),
    (BREAK, ("kink",), "kinks"),
    (BREAK, ("edge",), "jumps at an edge"),
    (BREAK, ("format-failure",), "format failures"),
    (ARTIFACT, ("step",), "steps"),
    (ARTIFACT, ("kink",), "kinks"),
    (ARTIFACT, ("edge",), "jumps at an edge"),
    (ARTIFACT, ("format-failure",), "format failures"),
)
SMOOTH = f"Smooth truths are those of the classes {', '.join(NO_BREAK[:-1])} and {NO_BREAK[-1]}"
# Columns whose values make the groups of false alarms, and how a value is said.
GROUPS = {
    "truth": "{}",
    "n_scales": "{} scales",
    "n_items": "{:,} items",
    "scatter": "scatter {:g}",
    "tails": "{} tails",
    "jitter": "jitter {:g}",
    "decades": "{:g} decades",
    "tasks": "{} tasks",
}


@dataclass(frozen=True)
class Sheet:
    """One table of text.

    Attributes
    ----------
    title: what it shows, and how to read it.
    columns: names; the first is text, the others are numbers.
    rows: one text a column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sheets(table: pl.DataFrame) -> list[Sheet]:
    """The tables of a calibration, those that have rows; `table` as in `verdict.error_rates.COLUMNS`."""
    found = [_wrong(table), _false_alarms(table), _power(table), _artifacts(table)]
    return [sheet for sheet in found if sheet.rows]


def markdown(sheet: Sheet) -> str:
    """The sheet as a Markdown table under its title."""
    lines = [
        f"{sheet.title}\n",
        f"| {' | '.join(sheet.columns)} |",
        "|".join(["", "---", *["---:"] * (len(sheet.columns) - 1), ""]),
        *(f"| {' | '.join(row)} |" for row in sheet.rows),
    ]
    return "\n".join(lines) + "\n"


def show(found: Sequence[Sheet], console: Console) -> None:
    """Print the sheets in a terminal."""
    from rich import box
    from rich.table import Table

    for sheet in found:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for place, name in enumerate(sheet.columns):
            grid.add_column(name, justify="right" if place else "left", overflow="fold")
        for row in sheet.rows:
            grid.add_row(*row)
        console.print(sheet.title)
        console.print(grid)


def _wrong(table: pl.DataFrame) -> Sheet:
    rows = []
    for verdict, labels, words in WRONG:
        cells = table.filter(pl.col("label").is_in(labels))
        if cells.is_empty():
            continue
        pooled = rates(cells, verdict).row(0, named=True)
        each = rates(cells.with_row_index("cell"), verdict, ["cell"])
        worst = each.sort("low", "rate", descending=True).row(0, named=True)
        rows.append(
            (
                f"{verdict} on {words}",
                f"{pooled['cells']:,}",
                f"{pooled['runs']:,}",
                _share(pooled),
                percent(worst["low"]),
                f"{worst['count']} of {worst['runs']:,}: {_named(cells.row(worst['cell'], named=True))}"
                if worst["count"]
                else NOTHING,
            )
        )
    title = (
        f"Wrong verdicts, with 95% Clopper-Pearson intervals over runs. {SMOOTH}. The worst design is the "
        "one whose own interval has the highest lower end; among many, one is high by chance."
    )
    return Sheet(
        title,
        ("verdict", "designs", "runs", "rate (95%)", "lower end", "worst design"),
        tuple(rows),
    )


def _false_alarms(table: pl.DataFrame) -> Sheet:
    calm = table.filter(pl.col("label").is_in(NO_BREAK))
    rows = []
    for column, words in GROUPS.items():
        if column == "truth" or calm[column].n_unique() > 1:
            rows += [
                (words.format(row[column]), f"{row['runs']:,}", str(row["count"]), _share(row))
                for row in rates(calm, BREAK, [column]).iter_rows(named=True)
            ]
    title = f"False alarms: robust-break on smooth truths. {SMOOTH}."
    return Sheet(title, ("families with", "runs", "false alarms", "rate (95%)"), tuple(rows))


def _power(table: pl.DataFrame) -> Sheet:
    steps = table.filter(label="step")
    scatters = sorted(steps["scatter"].unique())
    by = ["kind", "size", "n_scales", "tasks"]
    found = {
        (*(row[name] for name in by), row["scatter"]): row
        for row in rates(steps, BREAK, [*by, "scatter"]).iter_rows(named=True)
    }
    keys = sorted({key[:-1] for key in found}, key=lambda key: (key[0] == "choice", *key[1:]))
    rows = tuple(
        (
            f"{size:.0%}, {kind}",
            str(scales),
            str(tasks),
            *(
                _share(found[place]) if (place := (kind, size, scales, tasks, s)) in found else NOTHING
                for s in scatters
            ),
        )
        for kind, size, scales, tasks in keys
    )
    title = "Power: robust-break on steps, over items and places of the step (95%)"
    return Sheet(title, ("share of the loss", "scales", "tasks", *(f"scatter {s:g}" for s in scatters)), rows)


def _artifacts(table: pl.DataFrame) -> Sheet:
    by = ["truth", "n_scales", "n_items", "scatter"]
    cells = plain(table).filter(label="artifact")
    rows = tuple(
        (
            row["truth"],
            str(row["n_scales"]),
            f"{row['n_items']:,}",
            f"{row['scatter']:g}",
            f"{row['runs']:,}",
            _share(row),
        )
        for row in rates(cells, ARTIFACT, by).iter_rows(named=True)
    )
    title = "Artifacts found: metric-artifact on truths whose headline alone jumps"
    return Sheet(title, ("truth", "scales", "items", "scatter", "runs", "rate (95%)"), rows)


def _named(row: dict[str, Any]) -> str:
    """A design by what mostly tells it from others."""
    size = "" if row["size"] is None else f" {row['size']:.0%}"
    return f"{row['truth']}{size}, {row['n_scales']} scales, {row['n_items']:,} items, {row['scatter']:g}"


def _share(row: dict[str, Any]) -> str:
    """ "4.5% (2.1 to 8.4)"; all three are percentages."""
    low, high = (percent(row[end]).removesuffix("%") for end in ("low", "high"))
    return f"{percent(row['rate'])} ({low} to {high})"
