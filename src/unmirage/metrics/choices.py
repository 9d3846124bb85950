"""Arithmetic on the choices of an item: probabilities, ties, ranks. Metrics and cards are in choice.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray, rows_sentence
from unmirage.metrics.ragged import Ragged


@dataclass(frozen=True)
class Choices:
    """The choices of all rows laid flat; the number of choices K may differ from row to row.

    Attributes
    ----------
    logprobs: (total,) log-probabilities with their offsets. At least one on each row is finite.
    right: (rows,) where each row's right choice is in the flat array.
    """

    logprobs: Ragged
    right: IntArray

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Choices:
        """From `choice_logprobs` and `answer`."""
        logprobs = Ragged.of(frame["choice_logprobs"])
        return cls(logprobs, logprobs.starts + frame["answer"].cast(pl.Int64).to_numpy())

    def one_hot(self) -> FloatArray:
        """(total,) 1 at the right choices, else 0."""
        truth = np.zeros(len(self.logprobs.values))
        truth[self.right] = 1.0
        return truth


def log_softmax(logprobs: Ragged) -> FloatArray:
    """(total,) log-probabilities renormalised over each row's choices; -inf stays -inf."""
    shifted = logprobs.values - logprobs.spread(logprobs.largest(logprobs.values))
    normaliser: FloatArray = np.log(logprobs.total(np.exp(shifted)))
    return np.asarray(shifted - logprobs.spread(normaliser), dtype=np.float64)


def softmax(logprobs: Ragged) -> FloatArray:
    """(total,) probabilities over each row's choices; exp(-inf) = 0."""
    weights = np.exp(logprobs.values - logprobs.spread(logprobs.largest(logprobs.values)))
    return np.asarray(weights / logprobs.spread(logprobs.total(weights)), dtype=np.float64)


def top_shares(logprobs: Ragged, values: FloatArray) -> FloatArray:
    """(total,) the pick of each row's largest value: 1 for it, 1/m for each of m exact ties, else 0."""
    top = (values == logprobs.spread(logprobs.largest(values))).astype(np.float64)
    return np.asarray(top / logprobs.spread(logprobs.total(top)), dtype=np.float64)


def average_rank(choices: Choices) -> FloatArray:
    """(rows,) rank of the right choice from 1, the largest; those that tie get the mean of their ranks."""
    rows = choices.logprobs
    mine = rows.spread(rows.values[choices.right])
    above = rows.total((rows.values > mine).astype(np.float64))
    level = rows.total((rows.values == mine).astype(np.float64))
    return np.asarray(above + (level + 1.0) / 2.0, dtype=np.float64)


def log_mean_exp_of_others(choices: Choices) -> FloatArray:
    """(rows,) log of the mean probability of the wrong choices; -inf when all have 0. Needs K >= 2."""
    rows = choices.logprobs
    others = rows.values.copy()
    others[choices.right] = -np.inf
    top = rows.largest(others)
    shift = np.where(np.isfinite(top), top, 0.0)
    total = rows.total(np.exp(others - rows.spread(shift)))
    with np.errstate(divide="ignore"):
        return np.asarray(shift + np.log(total) - np.log(rows.counts - 1.0), dtype=np.float64)


def needs_choices(frame: pl.DataFrame) -> str | None:
    """Why these rows have no distribution over choices, or None."""
    counts = frame["choice_logprobs"].list.len()
    return rows_sentence("at least one choice", int((counts == 0).sum()), frame.height)


def needs_answer(frame: pl.DataFrame) -> str | None:
    """Why `answer` does not name one of the choices, or None."""
    answer, counts = frame["answer"], frame["choice_logprobs"].list.len()
    wrong = int(((answer < 0) | (answer >= counts)).sum())
    return rows_sentence("an answer that is the index of a choice", wrong, frame.height)


def needs_two(frame: pl.DataFrame) -> str | None:
    """Why these rows have no wrong choice to compare with, or None."""
    few = int((frame["choice_logprobs"].list.len() < 2).sum())
    return needs_answer(frame) or rows_sentence("at least two choices", few, frame.height)


def needs_lengths(frame: pl.DataFrame) -> str | None:
    """Why log-probabilities cannot be divided by lengths on these rows, or None."""
    lengths = frame["choice_lengths"]
    uneven = int((lengths.list.len() != frame["choice_logprobs"].list.len()).sum())
    zero = int((lengths.list.min() < 1).sum())
    units = frame["length_unit"].unique().sort().to_list()
    mixed = f"needs one length_unit a task; has {', '.join(units)}" if len(units) > 1 else None
    return (
        needs_answer(frame)
        or rows_sentence("as many choice_lengths as choice_logprobs", uneven, frame.height)
        or rows_sentence("choice_lengths of at least 1", zero, frame.height)
        or mixed
    )
