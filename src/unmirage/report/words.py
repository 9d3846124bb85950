"""How numbers, scales, metrics and verdicts are put into words: on the page, in charts and in the terminal.

Not for files that machines read: those keep full precision (`document.py`, `sheets.py`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from unmirage.counts import size_label
from unmirage.errors import MetricError

if TYPE_CHECKING:
    from unmirage.metrics.cards import Card

NOTHING = "–"

MEANINGS = {
    "smooth": "The headline metric has no sharp rise out of a flat start: there is no jump to explain.",
    "metric-artifact": (
        "The headline metric looks sharp, but a companion metric of the same outputs moves smoothly through "
        "the jump and predicts it."
    ),
    "resolution-limited": (
        "With this many items the small scales cannot be told from zero or from chance, so no jump can be "
        "judged."
    ),
    "robust-break": (
        "The companion metric itself steps, by more than smooth curves, sampled items and the scatter of "
        "models explain, after adjustment for the number of tasks."
    ),
    "cannot-tell": (
        "The evidence fits more than one reading; the reasons say why, and what data would settle it."
    ),
    "insufficient": "Too few scales to judge the shape of a curve: five are needed.",
}

AXIS_TITLES = {
    "n_params": "Parameters",
    "n_tokens": "Training tokens",
    "flops": "Compute (FLOP)",
    "loss": "Pretraining loss",
}

# C0 and C1 controls, among them the escape that starts a terminal's codes, and marks that reorder text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` on one line; controls and direction overrides become U+FFFD, so that a name can run nothing."""
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))


def number(value: float | int | None) -> str:
    """A number for reading: three significant digits, whole numbers in full with thousands separated.

    None and NaN give "–". Below 1e-3 and from 1e6 on: "2.18e-4". A value below 1 is never shown as 1, nor one
    above 0 as 0.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size < 1e-3 or size >= 1e6:
        mantissa, exponent = f"{size:.2e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    elif size >= 1000:
        text = f"{size:,.0f}"
    elif 0.9995 <= size < 1:
        text = ">0.999"
    else:
        text = f"{size:.3g}"
    if value >= 0:
        return text
    return "<−0.999" if text.startswith(">") else f"−{text}"


def p_value(value: float | None) -> str:
    """A p-value for reading: "<1e-4" below that, else as :func:`number`."""
    if value is not None and value < 1e-4:
        return "<1e-4"
    return number(value)


def p_said(value: float | None) -> str:
    """A p-value in a sentence: "p = 0.031", "p < 1e-4"."""
    text = p_value(value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval for reading; "–" when one is missing."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return NOTHING
    return f"{number(low)} to {number(high)}"


def scale(value: float | None, axis: str) -> str:
    """A scale for reading: "7B" on n_params and n_tokens, "3.1e18" on flops, else as :func:`number`."""
    if value is None or math.isnan(value):
        return NOTHING
    if axis in ("n_params", "n_tokens") and 0 <= value < math.inf:
        return size_label(value)
    return number(value)


def axis_title(axis: str) -> str:
    """What people call an axis; a column that the user named keeps its name."""
    return AXIS_TITLES.get(axis, printable(axis))


def card(name: str) -> Card | None:
    """The metric's card; None for a score that only the source tool knows."""
    from unmirage.metrics import metric

    try:
        return metric(name).card
    except MetricError:
        return None


def metric_title(name: str) -> str:
    """The metric's title and unit: "Token edit distance (tokens)"; the name itself where there is no card."""
    found = card(name)
    if found is None:
        return printable(name)
    told = not found.unit or found.unit in found.title.lower()
    return found.title if told else f"{found.title} ({found.unit})"


def metric_direction(name: str) -> str:
    """ "higher is better" or "lower is better"; "" where there is no card."""
    found = card(name)
    if found is None:
        return ""
    return "higher is better" if found.higher_is_better else "lower is better"
