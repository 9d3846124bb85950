"""What a metric is: a card for the reader and functions for the machine. No metric is defined here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

GROUPS = ("generation", "likelihood", "choice", "count", "score")


@dataclass(frozen=True)
class Alias:
    """What another tool calls the metric, and where its number can differ from ours.

    Attributes
    ----------
    tool: the tool's name, such as "lm-eval".
    name: the tool's word for the metric.
    difference: one sentence; "none" when the numbers are equal.
    group: the group of the tasks where the tool uses the word, when it is not the card's own group.
    """

    tool: str
    name: str
    difference: str
    group: str | None = None


@dataclass(frozen=True)
class Card:
    """Everything that a reader of a report needs to know about a metric.

    Attributes
    ----------
    name: canonical name.
    title: short axis title.
    group: one of `GROUPS`.
    inputs: columns of the responses table that must be non-null on a row for it to be scored.
    low, high: range of an item's score; infinite where there is no bound.
    higher_is_better: direction.
    binary: an item's score is 0 or 1 by definition (ties may give fractions: the definition says so).
    continuous: the score has no jump for a small change of the model's probabilities, or moves
        gradually over outputs.
    linear: the score is approximately linear in the error a token (Schaeffer et al. 2023, Sec. 2).
    unit: "nats", "bits a byte", "tokens", or "".
    definition: exact, with ties, empty outputs and infinite log-probabilities.
    source: paper and equation, or tool and version.
    aliases: the names that other tools use.
    extra: the optional dependency group that it needs, or None.
    chance_note: the expected score of a model without skill, in words.
    """

    name: str
    title: str
    group: str
    inputs: tuple[str, ...]
    low: float
    high: float
    higher_is_better: bool
    binary: bool
    continuous: bool
    linear: bool
    unit: str
    definition: str
    source: str
    aliases: tuple[Alias, ...] = ()
    extra: str | None = None
    chance_note: str = "none"


@dataclass(frozen=True)
class Metric:
    """A metric: its card, and how to compute it.

    The value over a set of rows is `combine(mean over rows of components, n)`, or just that mean when
    `combine` is None. A caller with bootstrap weights W of shape (replicates, rows) has every replicate as
    `combine(W @ components / W.sum(1, keepdims=True), n)`.

    Attributes
    ----------
    card: what it is.
    components: rows -> (rows, d) float64. Every input must be there on every row: ask
        :func:`unmirage.metrics.missing_inputs` first. d = 1 for an item-level metric. d may depend on the
        rows (the classes of macro_f1), so give all models of a task in one call.
    combine: (..., d) component means and the number of items -> (...). None for an item-level metric.
    chance: rows -> (rows,), the expected score of a model without skill; NaN on a row that lacks the choices
        it depends on. None when there is no such level.
    check: rows -> one sentence on why these rows cannot be scored although the inputs are there, or None.
    items: the fewest items a model that it takes.
    """

    card: Card
    components: Callable[[pl.DataFrame], FloatArray]
    combine: Callable[[FloatArray, int], FloatArray] | None = None
    chance: Callable[[pl.DataFrame], FloatArray] | None = None
    check: Callable[[pl.DataFrame], str | None] | None = None
    items: int = 1


def column(scores: npt.ArrayLike) -> FloatArray:
    """Item scores as the (rows, 1) float64 array that `components` must return."""
    return np.asarray(scores, dtype=np.float64).reshape(-1, 1)


def zero_chance(frame: pl.DataFrame) -> FloatArray:
    """The chance level of a task with too many possible answers to hit one without skill: 0 on every row."""
    return np.zeros(frame.height)


def rows_sentence(need: str, bad: int, rows: int) -> str | None:
    """`need` and how many rows break it as one sentence; None when none does."""
    if bad == 0:
        return None
    where = f"all {rows} rows" if bad == rows else f"{bad} of {rows} rows"
    return f"needs {need}; not so on {where}"
