"""The verdicts and warnings in a terminal, readable at 80 columns and without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unmirage.report import slices, words
from unmirage.result import Audit
from unmirage.theory.shapes import MARGIN
from unmirage.verdict.error_rates import sentence

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STYLES = {
    "smooth": "bold blue",
    "metric-artifact": "bold magenta",
    "resolution-limited": "bold yellow",
    "robust-break": "bold red",
    "cannot-tell": "bold",
    "insufficient": "bold",
}


def verdict_table(audit: Audit) -> Table:
    """One row a verdict: family, task, scales, first and last headline, verdict, first reason.

    Names come from logs: they are shown as text and cannot colour or move anything.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("family", overflow="fold", max_width=14)
    table.add_column("task", overflow="fold", max_width=20)
    table.add_column("scales", justify="right")
    table.add_column("headline", overflow="fold", max_width=14)
    table.add_column("verdict, and why", overflow="fold", min_width=20)
    for row in audit.verdicts.iter_rows(named=True):
        curve = slices.curve(audit, row["family"], row["task"], row["headline"] or "")
        word = row["verdict"] or "no verdict"
        why = Text(word, style=STYLES.get(word, "bold"))
        reason = first_reason(row)
        if reason:
            why.append(f"\n{reason}", style="default not bold")
        table.add_row(
            Text(words.printable(row["family"])),
            Text(words.printable(row["task"])),
            str(slices.scale_counts(row, curve)[0]),
            headline_range(slices.scale_means(curve)),
            why,
        )
    return table


def summary(audit: Audit, console: Console) -> None:
    """Print :func:`verdict_table`, a line on the paper's predictions where some can be tested, and a line a
    warning code: its first message, and how many more.
    """
    from rich.text import Text

    console.print(verdict_table(audit))
    tested = predictions_line(audit)
    if tested:
        console.print(Text("predictions: ", style="bold").append(tested, style="not bold"))
    for line in warning_lines(audit.warnings):
        console.print(line, soft_wrap=False)


def warning_lines(warnings: pl.DataFrame) -> list[Text]:
    """A line a warning code: its first message, and how many more there are."""
    from rich.text import Text

    lines = []
    for code, count, message in grouped_warnings(warnings):
        line = Text(f"{words.printable(code)}: ", style="yellow")
        more = f" (and {words.number(count - 1)} more)" if count > 1 else ""
        lines.append(line.append(words.printable(message) + more, style="default"))
    return lines


def predictions_line(audit: Audit) -> str:
    """How many tasks confirm each prediction of the paper, and how many do not; "" where none is tested."""
    parts = []
    for name, group in audit.predictions.group_by("prediction", maintain_order=True):
        found = group["outcome"].to_list()
        yes, no = found.count("confirmed"), found.count("not confirmed")
        if yes + no:
            parts.append(f"{name[0]} {yes} confirmed, {no} not")
    return "; ".join(parts)


def error_rates(audit: Audit, row: dict[str, Any]) -> str:
    """How often verdicts of such families are wrong in simulation; "" where the companion is not tested.

    The scatter of a margin is in nats of margin, of which the simulator gives 1.3 to one of log loss.
    """
    test = slices.tested(audit, row["family"], row["task"])
    if test is None or not test["scatter"]:
        return ""
    card = words.card(row["headline"] or "")
    kind = "choice" if card is not None and card.group == "choice" else "generation"
    items = slices.curve(audit, row["family"], row["task"], row["headline"])["n"].max()
    if not isinstance(items, int):
        return ""
    scatter = float(test["scatter"]) / (1.0 if test["logged"] else MARGIN)
    return sentence(kind, len(test["axis_values"]), items, scatter) or ""


def grouped_warnings(warnings: pl.DataFrame) -> list[tuple[str, int, str]]:
    """(code, number of warnings, first message), in the order they were met."""
    groups: dict[str, tuple[int, str]] = {}
    for row in warnings.iter_rows(named=True):
        count, message = groups.get(row["code"], (0, row["message"] or ""))
        groups[row["code"]] = (count + 1, message)
    return [(code, count, message) for code, (count, message) in groups.items()]


def headline_range(means: list[tuple[float, float]]) -> str:
    """The headline at the smallest and at the largest scale: "0 → 0.95"; "–" where there is no mean."""
    if not means:
        return words.NOTHING
    return f"{words.number(means[0][1])} → {words.number(means[-1][1])}"


def first_reason(row: dict[str, Any]) -> str:
    """The first reason of a verdict; "" where none is given."""
    reasons = row["reasons"] or []
    return words.printable(reasons[0]) if reasons else ""
