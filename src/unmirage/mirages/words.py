"""What a made mirage shows, in sentences and as a page. Every number in them is in the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any

from unmirage.report.words import axis_title, number, printable

if TYPE_CHECKING:
    from unmirage.mirages.found import Induced, Mirage

LESSON = (
    "No model was trained, asked or changed for this: every curve is drawn from the same outputs. Only the "
    "metric is another one. A metric that gives nothing for an answer that is nearly right stays flat while "
    "a family improves, and rises when the improvement reaches what it asks for.",
    "A threshold asks every item to be good enough. A group of K asks K items to be right at once: a share p "
    "of right items becomes about p to the power K, which is near zero until p is near one.",
    "So a jump by itself says little. Ask what a continuous metric of the same outputs does there, and how "
    "many items it would take to see that small models are above zero.",
)


def sentences(found: Induced) -> tuple[str, ...]:
    """What was found, a sentence each."""
    itself = found.search.row(0, named=True)
    said = [
        f"{found.title} ({found.metric}) goes {_from_to(itself)} over {found.scales} scales; {shape(itself)}."
    ]
    for kind, what in (("threshold", "thresholds"), ("groups", "sizes of groups")):
        rows = [row for row in found.search.iter_rows(named=True) if row["made"] == kind]
        if not rows:
            continue
        able = sum(row["drawable"] for row in rows)
        sharp = sum(bool(row["drawable"] and row["looks_sharp"]) for row in rows)
        said.append(
            f"Of {len(rows)} {what} that were tried, {able} leave the largest scale at "
            f"{number(found.least)} or more, and {sharp} of these look sharp."
        )
    for one in found.mirages:
        row = one.row
        said.append(
            f"{one.metric} goes {_from_to(row)}: {zeros(row, found.scales)}, "
            f"{row['last_step']:.0%} of its range comes in the last step; {shape(row)}."
        )
        said.append(verdict(one))
    if not found.mirages:
        said.append(
            "No made metric rises and leaves the largest scale high enough, so there is no mirage to draw: "
            "lower the least value that is drawn, or choose another metric."
        )
    sharpest = found.sharpest
    if sharpest is not None:
        said.append(f"The sharpest that a paper could have drawn is {sharpest.metric}.")
    return tuple(said)


def shape(row: Mapping[str, Any]) -> str:
    """How long a curve is flat, how long it rises, and what that comes to, in words."""
    if row["sharpness"] is None:
        return "it does not rise"
    flat = row["sharpness"] * row["decades"]
    return (
        f"the first tenth of its rise takes {number(flat)} decades, the next eight {number(row['decades'])}: "
        f"sharpness {number(row['sharpness'])}, emergence score {number(row['emergence_score'])}"
    )


def _from_to(row: Mapping[str, Any]) -> str:
    return f"from {number(row['first'])} to {number(row['last'])}"


def zeros(row: Mapping[str, Any], scales: int) -> str:
    """How many scales read zero, in words."""
    n = int(row["zeros"])
    return (
        f"the {n} smallest of {scales} scales read zero"
        if n > 1
        else "the smallest scale reads zero"
        if n
        else "no scale reads zero"
    )


def verdict(one: Mirage) -> str:
    """What the audit says of a mirage, and whether that was expected."""
    found = one.verdict
    of = f"{one.judged:,} items" if one.k is None else f"{one.judged:,} disjoint groups of {one.k}"
    reason = found["reasons"][0] if found["reasons"] else ""
    beside = "no continuous metric" if one.companion is None else one.companion
    expected = "as it should" if one.unmasked else "and not metric-artifact, which was expected"
    return (
        f"The audit of {one.metric} beside {beside}, on {of}, says {found['verdict']}, {expected}: {reason}."
    )


def page(found: Induced, charts: Sequence[str]) -> str:
    """The page in Markdown; `charts` are file names without ending, the curves first."""
    lines = [
        f"# A mirage made to order: {plain(found.family)}, {plain(found.task)}",
        "",
        f"`unmirage induce` looked for the metric that makes {plain(found.title)} look like a sudden "
        f"ability, against {plain(axis_title(found.axis))}. {found.items:,} items, {found.scales} scales.",
        "",
        f"![The metric as it is and the made ones]({charts[0]}.png)",
        "",
        *(f"- {plain(sentence)}" for sentence in found.says),
        "",
        "## The outputs never changed",
        "",
        *(f"{sentence}\n" for sentence in LESSON),
        "## How sharp each choice looks",
        "",
        *(f"![Sharpness of the made metrics]({name}.png)\n" for name in charts[1:]),
        "| metric | smallest scale | largest scale | scales that read zero | in the last step "
        "| rise, decades | sharpness | emergence score |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found.search.iter_rows(named=True):
        if row["chosen"] or row["made"] == "as it is":
            step = "" if row["last_step"] is None else f"{row['last_step']:.0%}"
            numbers = (number(row[name]) for name in ("first", "last"))
            rest = (number(row[name]) for name in ("decades", "sharpness", "emergence_score"))
            cells = (plain(row["metric"]), *numbers, str(row["zeros"]), step, *rest)
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Sharpness is the decades of flat start (up to a tenth of the rise) for each decade that the next "
        "eight tenths take; the emergence score is the paper's, the range over the median step.",
        "",
        "Every metric that was tried: [search.csv](search.csv). The curves: [curves.csv](curves.csv).",
        "",
    ]
    lines += ["## What the audit says", ""]
    for one in found.mirages:
        lines += _judged(found, one)
    if found.notes:
        lines += ["## Notes", "", *(f"- {plain(note)}" for note in found.notes), ""]
    return "\n".join(lines)


def command(found: Induced, one: Mirage) -> str:
    """The command that judges a mirage again."""
    source = found.source if one.k is None else "groups.parquet"
    parts = ["unmirage", "audit", quote(source), "--headline", quote(one.metric)]
    if one.companion is not None:
        parts += ["--companion", quote(one.companion)]
    if one.k is None:
        parts += ["--task", quote(found.task)]
    if found.axis != "n_params":
        parts += ["--axis", quote(found.axis)]
    if found.seed:
        parts += ["--seed", str(found.seed)]
    return " ".join([*parts, "--chance", f"{one.chance:.17g}"])


def _judged(found: Induced, one: Mirage) -> list[str]:
    word = one.verdict["verdict"]
    said = "as expected" if one.unmasked else "metric-artifact was expected"
    lines = [f"**{plain(one.metric)}: {word}** ({said})", ""]
    lines += [f"- {plain(reason)}" for reason in one.verdict["reasons"]]
    if one.verdict["would_settle"]:
        lines += ["", "What would settle it:", ""]
        lines += [f"- {plain(text)}" for text in one.verdict["would_settle"]]
    return [*lines, "", "Judge it again:", "", f"    {printable(command(found, one))}", ""]


def plain(text: str) -> str:
    """Text that neither Markdown nor HTML takes for a mark."""
    shown = printable(text)
    for sign in "\\`*_[]<>|#":
        shown = shown.replace(sign, f"\\{sign}")
    return shown.replace("&", "&amp;")
