"""The page that shows a reproduction: Markdown with its pictures beside it. Nothing is computed here."""

from __future__ import annotations

from collections.abc import Sequence

from unmirage.paper.figure import Figure
from unmirage.paper.three import PREDICTIONS
from unmirage.predictions import Prediction
from unmirage.report.words import printable


def index(figures: Sequence[Figure], predictions: Sequence[Prediction]) -> str:
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
        lines += _prediction(title, [one for one in predictions if one.prediction == name])
    for figure in figures:
        lines += _figure(figure)
    return "\n".join(lines) + "\n"


def _prediction(title: str, tested: Sequence[Prediction]) -> list[str]:
    if not tested:
        return []
    lines = [f"### Prediction {title}", "", tested[0].says, "", f"Test: {tested[0].test}", ""]
    lines += ["| family | task | outcome | why |", "|---|---|---|---|"]
    lines += [
        f"| {_plain(one.family)} | {_plain(one.task)} | **{one.outcome}** | {_plain(one.why)} |"
        for one in tested
    ]
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
