"""The page that shows a reproduction: Markdown with its pictures beside it. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from unmirage.paper.figure import Figure
from unmirage.paper.three import PREDICTIONS
from unmirage.report.words import printable


def index(figures: Sequence[Figure], predictions: pl.DataFrame) -> str:
    """The page. Names that come from logs are shown as text: no mark-up of theirs is kept."""
    lines = [
        "# The paper's figures and predictions",
        "",
        "Schaeffer, Miranda and Koyejo 2023, *Are Emergent Abilities of Large Language Models a Mirage?* "
        "(arXiv 2304.15004), drawn again by `unmirage reproduce`.",
        "",
        "## The three predictions",
        "",
    ]
    for name, title in PREDICTIONS.items():
        lines += _prediction(title, predictions.filter(pl.col("prediction") == name))
    for figure in figures:
        lines += _figure(figure)
    return "\n".join(lines) + "\n"


def _prediction(title: str, tested: pl.DataFrame) -> list[str]:
    if tested.is_empty():
        return []
    lines = [f"### Prediction {title}", "", tested["says"][0], ""]
    lines += ["| family | task | outcome | why |", "|---|---|---|---|"]
    lines += [
        f"| {_plain(row['family'])} | {_plain(row['task'])} | **{row['outcome']}** | {_plain(row['why'])} |"
        for row in tested.iter_rows(named=True)
    ]
    lines += ["", *(f"Test: {test}" for test in tested["test"].unique(maintain_order=True))]
    return [*lines, ""]


def _figure(figure: Figure) -> list[str]:
    lines = [f"## Figure {figure.name.removeprefix('fig')}: {figure.title}", ""]
    for stem in figure.charts:
        lines += [f"![{stem}]({stem}.png)", ""]
    lines += [f"- {_plain(sentence)}" for sentence in figure.says]
    if figure.notes:
        lines += ["", "Not as in the paper, or left out:", ""]
        lines += [f"- {_plain(sentence)}" for sentence in figure.notes]
    lines += ["", f"All numbers: [{figure.name}.csv]({figure.name}.csv)", ""]
    lines += ["| numbers of | how many | beside the paper's | largest difference |", "|---|---:|---:|---:|"]
    for group, count, compared, largest in figure.compared().iter_rows():
        difference = "" if largest is None else f"{largest:.2g}"
        lines.append(f"| {_plain(group)} | {count:,} | {compared:,} | {difference} |")
    return [*lines, ""]


def _plain(text: str) -> str:
    """Text that neither Markdown nor HTML takes for a mark."""
    shown = printable(text)
    for sign in "\\`*_[]<>|#":
        shown = shown.replace(sign, f"\\{sign}")
    return shown.replace("&", "&amp;")
