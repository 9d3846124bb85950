"""Cards as plain text, for people. What the words mean is in cards.py."""

from __future__ import annotations

import math
import textwrap

from unmirage.metrics.cards import Card, Metric
from unmirage.metrics.registry import REGISTRY, resolve

_FORMS = (
    ("pass_at_K", "count", "pass_at_10", "at least one of K attempts passes; n_samples and n_correct"),
    (
        "threshold(METRIC,C)",
        "any",
        "threshold(brier_one_sided,0.1)",
        "an item's score is strictly better than C",
    ),
    ("all_of(METRIC,K)", "any", "all_of(exact_match,5)", "K items drawn at random are all right"),
    ("any_of(METRIC,R)", "any", "any_of(exact_match,3)", "at least one of R items drawn at random is right"),
)


def describe(metric: str | Metric) -> str:
    """A metric's card as plain text, at most 100 columns wide.

    Parameters
    ----------
    metric: a metric, its name or an expression.

    Raises
    ------
    MetricError
        The name is unknown.
    """
    one = resolve(metric, REGISTRY.get) if isinstance(metric, str) else metric
    card = one.card
    lines = [
        f"{card.name} ({card.title})",
        *_field("definition", card.definition),
        *_field("group", card.group),
        *_field("range", f"{_range(card)}{f', in {card.unit}' if card.unit else ''}"),
        *_field("better", _better(card)),
        *_field("nature", _nature(one)),
        *_field("chance", card.chance_note),
        *_field("inputs", ", ".join(card.inputs)),
        *_field("source", card.source),
    ]
    if card.extra is not None:
        lines += _field("install", f'pip install "unmirage[{card.extra}]"')
    for alias in card.aliases:
        lines += _field("also", f"{alias.tool}: {alias.name}. Difference: {alias.difference}.")
    return "\n".join(lines)


def table() -> list[dict[str, str]]:
    """One row a metric with a fixed name, then one a form with a number; all values are short strings.

    Keys: name, title, group, range, better, nature, inputs, extra. The title of a form says what it does.
    """
    rows = [
        {
            "name": name,
            "title": one.card.title,
            "group": one.card.group,
            "range": _range(one.card),
            "better": _better(one.card),
            "nature": _nature(one),
            "inputs": ", ".join(one.card.inputs),
            "extra": one.card.extra or "",
        }
        for name, one in REGISTRY.items()
    ]
    for form, group, example, meaning in _FORMS:
        one = resolve(example, REGISTRY.get)
        rows.append(
            {
                "name": form,
                "title": meaning,
                "group": group,
                "range": _range(one.card),
                "better": _better(one.card),
                "nature": _nature(one),
                "inputs": ", ".join(one.card.inputs) if group != "any" else "those of METRIC",
                "extra": "",
            }
        )
    return rows


def listing() -> str:
    """All metrics as plain text, group by group, at most 80 columns wide."""
    rows = table()
    width = max(len(row["name"]) for row in rows) + 2
    heading = {"any": "Built from other metrics (give the whole expression as the name)"}
    lines: list[str] = []
    for group in dict.fromkeys(row["group"] for row in rows):
        lines += ["", heading.get(group, f"{group.capitalize()} responses")]
        for row in (row for row in rows if row["group"] == group):
            nature = row["nature"].split(",")[0].replace("not continuous", "a step").replace(" an item", "")
            kind = "linear" if "linear" in row["nature"] else nature
            extra = f" ({row['extra']} extra)" if row["extra"] else ""
            text = (
                row["title"] + extra
                if group == "any"
                else f"{row['better']:<7} {kind:<11} {row['title']}{extra}"
            )
            lines += textwrap.wrap(
                text, 80, initial_indent=f"  {row['name']:<{width}}", subsequent_indent=" " * (width + 2)
            )
    return "\n".join(
        [
            f"  {'name':<{width}}{'better':<7} {'nature':<11} what it is",
            *lines,
            "",
            "Nature: 0 or 1 an item; a step (jumps); continuous in the model's probabilities; linear in",
            "the error a token too. `unmirage metrics NAME` gives the exact definition and other tools' "
            "names.",
        ]
    )


def _field(word: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, 100, initial_indent=f"  {word:<11} ", subsequent_indent=" " * 14, break_long_words=False
    )


def _range(card: Card) -> str:
    return f"{_bound(card.low)} to {_bound(card.high)}"


def _bound(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else ("infinity" if value > 0 else "-infinity")


def _better(card: Card) -> str:
    return "higher" if card.higher_is_better else "lower"


def _nature(one: Metric) -> str:
    card = one.card
    words = ["0 or 1 an item"] if card.binary else []
    words.append("continuous" if card.continuous else "not continuous")
    if card.linear:
        words.append("linear in the error a token")
    if one.combine is not None:
        words.append("aggregate")
    return ", ".join(words)
