"""Arithmetic on the choices of an item: probabilities, ties, ranks. Metrics and cards are in choice.py."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray, rows_sentence
from unmirage.metrics.ragged import Ragged
from unmirage.metrics.shared import Parts, Rows


class Choices:
    """Rows with the same number K of choices; a column of an array is a row of the table.

    Attributes
    ----------
    k: choices of each.
    logs: (K, n) log-probabilities. At least one on each row is finite.
    """

    def __init__(self, table: _Table, rows: Rows) -> None:
        self._table = table
        self._rows = rows
        self.logs = table.logprobs.columns(rows)
        self.k = len(self.logs)

    @classmethod
    def parts(cls, frame: pl.DataFrame) -> Parts[Choices]:
        """From `choice_logprobs`; also from `answer` and `choice_lengths` where a metric asks for them."""
        table = _Table(frame)
        for rows in table.logprobs.by_length():
            yield rows, cls(table, rows)

    @cached_property
    def _right(self) -> IntArray:
        """Where the right choices are in a (K, n) array laid flat."""
        n = self.logs.shape[1]
        return np.asarray(self._table.answer[self._rows] * n + np.arange(n))

    def right_of(self, values: FloatArray) -> FloatArray:
        """(K, n) -> (n,) the values at the right choices."""
        return np.asarray(values.reshape(-1).take(self._right))

    @cached_property
    def one_hot(self) -> FloatArray:
        """(K, n) 1 at the right choices, else 0."""
        truth = np.zeros(self.logs.shape)
        truth.reshape(-1)[self._right] = 1.0
        return truth

    @cached_property
    def right(self) -> FloatArray:
        """(n,) log-probability of the right choice."""
        return self.right_of(self.logs)

    @cached_property
    def by_length(self) -> FloatArray:
        """(K, n) log-probability a unit of length."""
        return np.asarray(self.logs / self._table.lengths.columns(self._rows), dtype=np.float64)

    @cached_property
    def _largest(self) -> FloatArray:
        return np.asarray(self.logs.max(axis=0))

    @cached_property
    def _shifted(self) -> FloatArray:
        return np.asarray(self.logs - self._largest)

    @cached_property
    def _weights(self) -> FloatArray:
        return np.exp(self._shifted)

    @cached_property
    def _total(self) -> FloatArray:
        return total(self._weights)

    @cached_property
    def log_softmax(self) -> FloatArray:
        """(K, n) log-probabilities renormalised over each row's choices; -inf stays -inf."""
        return np.asarray(self._shifted - np.log(self._total))

    @cached_property
    def softmax(self) -> FloatArray:
        """(K, n) probabilities over each row's choices; exp(-inf) = 0."""
        return self._weights / self._total

    @cached_property
    def right_prob(self) -> FloatArray:
        """(n,) softmax at the right choice."""
        return self.right_of(self.softmax)

    @cached_property
    def squares(self) -> FloatArray:
        """(n,) squared distance of the probabilities from the truth."""
        wrong_by = self.softmax.copy()
        wrong_by.reshape(-1)[self._right] -= 1.0
        return total(wrong_by**2)

    @property
    def share_of_right(self) -> FloatArray:
        """(n,) `top_shares` of the log-probabilities at the right choice."""
        return np.asarray((self.right == self._largest) / _count(self.logs == self._largest))

    @property
    def entropy(self) -> FloatArray:
        """(n,) entropy of the probabilities, nats."""
        # p log p tends to 0 with p, while 0 * -inf would be NaN.
        logs = self.log_softmax
        terms = np.exp(logs)
        terms *= logs if logs.min() > -np.inf else np.where(np.isfinite(logs), logs, 0.0)
        return 0.0 - total(terms)

    @property
    def average_rank(self) -> FloatArray:
        """(n,) rank of the right choice from 1, the largest; those that tie get the mean of their ranks."""
        above, level = _count(self.logs > self.right), _count(self.logs == self.right)
        return np.asarray(above + (level + 1.0) / 2.0)

    @property
    def log_mean_exp_of_others(self) -> FloatArray:
        """(n,) log of the mean probability of the wrong choices; -inf when all have 0. Needs K >= 2."""
        others = self.logs.copy()
        others.reshape(-1)[self._right] = -np.inf
        top = others.max(axis=0)
        shift = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(shift + np.log(total(np.exp(others - shift))) - np.log(self.k - 1.0))


def top_shares(values: FloatArray) -> FloatArray:
    """(K, n) the pick of each column's largest value: 1 for it, 1/m for each of m exact ties, else 0."""
    top = values == values.max(axis=0)
    return np.asarray(top / _count(top))


def total(values: FloatArray) -> FloatArray:
    """(K, n) -> (n,) sums from the first to the last, whatever n is: NumPy's own order depends on it."""
    out: FloatArray = values[0].copy()
    for row in values[1:]:
        out += row
    return out


def _count(flags: npt.NDArray[np.bool_]) -> FloatArray:
    """(K, n) -> (n,) how many are set in each column."""
    small = np.uint16 if len(flags) < 2**16 else np.uint32
    return np.asarray(flags.sum(axis=0, dtype=small), dtype=np.float64)


class _Table:
    """The columns that choices are taken from, laid flat when they are asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.logprobs = Ragged.of(frame["choice_logprobs"])

    @cached_property
    def answer(self) -> IntArray:
        return self._frame["answer"].cast(pl.Int64).to_numpy()

    @cached_property
    def lengths(self) -> Ragged:
        return Ragged.of(self._frame["choice_lengths"])


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
    least = lengths.explode().min()
    zero = int((lengths.list.min() < 1).sum()) if isinstance(least, int) and least < 1 else 0
    unit = frame["length_unit"]
    units = [] if (unit == unit.first()).all() else sorted(unit.unique().to_list())
    mixed = f"needs one length_unit a task; has {', '.join(units)}" if len(units) > 1 else None
    return (
        needs_answer(frame)
        or rows_sentence("as many choice_lengths as choice_logprobs", uneven, frame.height)
        or rows_sentence("choice_lengths of at least 1", zero, frame.height)
        or mixed
    )
