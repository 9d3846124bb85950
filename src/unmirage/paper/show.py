"""A reproduction in a terminal, readable at 80 columns and without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmirage.paper.reproduce import Reproduction
from unmirage.paper.three import PREDICTIONS
from unmirage.report.words import printable

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"confirmed": "bold blue", "not confirmed": "bold red", "not testable": "bold"}


def show(made: Reproduction, console: Console) -> None:
    """Print the figures' numbers against the paper's, what they say, and the predictions with their
    reasons."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("figure")
    table.add_column("numbers of", overflow="fold")
    for name in ("how many", "beside the paper's", "largest difference"):
        table.add_column(name, justify="right")
    for figure in made.figures:
        for group, count, compared, largest in figure.compared().iter_rows():
            difference = "" if largest is None else f"{largest:.2g}"
            table.add_row(figure.name, Text(group), f"{count:,}", f"{compared:,}", difference)
    console.print(table)
    for figure in made.figures:
        console.print(Text(f"{figure.name}: {figure.title}", style="bold"))
        for sentence in (*figure.says, *figure.notes):
            console.print(Text(f"  {printable(sentence)}"))
    console.print()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("prediction", no_wrap=True)
    table.add_column("family", overflow="fold")
    table.add_column("task", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    for row in made.predictions.iter_rows(named=True):
        name, outcome = PREDICTIONS[row["prediction"]], row["outcome"]
        names = (Text(printable(row["family"])), Text(printable(row["task"])))
        table.add_row(name, *names, Text(outcome, style=STYLES[outcome]))
    console.print(table)
    for row in made.predictions.iter_rows(named=True):
        place = f"{PREDICTIONS[row['prediction']]}; {printable(row['family'])}, {printable(row['task'])}"
        console.print(Text(f"{place}: {row['outcome']}", style=STYLES[row["outcome"]]))
        console.print(Text(f"  {printable(row['why'])}"))
