"""Metrics of repeated attempts at an item: passes out of attempts. Intervals are in statistics."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from unmirage.metrics.cards import Card, FloatArray, Metric, column, rows_sentence, zero_chance

_INPUTS = ("n_samples", "n_correct")


def _counts(frame: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
    n = frame["n_samples"].cast(pl.Float64).to_numpy()
    return n, frame["n_correct"].cast(pl.Float64).to_numpy()


def _pass_rate(frame: pl.DataFrame) -> FloatArray:
    n, c = _counts(frame)
    return column(c / n)


def _neg_log_pass(frame: pl.DataFrame) -> FloatArray:
    n, c = _counts(frame)
    with np.errstate(divide="ignore"):
        return column(np.log(n) - np.log(c))


def _pooled(frame: pl.DataFrame) -> FloatArray:
    n, c = _counts(frame)
    return np.column_stack([c, n])


def _ratio(means: FloatArray, items: int) -> FloatArray:
    return np.asarray(means[..., 0] / means[..., 1], dtype=np.float64)


def _attempts(frame: pl.DataFrame, at_least: int = 1) -> str | None:
    n, c = frame["n_samples"], frame["n_correct"]
    few = int((n < at_least).sum())
    wrong = int(((c < 0) | (c > n)).sum())
    plural = "" if at_least == 1 else "s"
    return rows_sentence(f"at least {at_least} attempt{plural}", few, frame.height) or rows_sentence(
        "n_correct between 0 and n_samples", wrong, frame.height
    )


def pass_at(k: int) -> Metric:
    """The metric `pass_at_K` for K = `k` attempts, k >= 1."""

    def components(frame: pl.DataFrame) -> FloatArray:
        from unmirage.statistics.counts import pass_at_k

        return column(pass_at_k(frame["n_samples"].to_numpy(), frame["n_correct"].to_numpy(), k))

    card = Card(
        name=f"pass_at_{k}",
        title=f"Pass at {k}",
        group="count",
        inputs=_INPUTS,
        low=0.0,
        high=1.0,
        higher_is_better=True,
        binary=False,
        continuous=True,
        linear=False,
        unit="",
        definition=f"Unbiased estimate of the probability that at least one of {k} attempts passes: "
        f"1 - C(n-c, {k}) / C(n, {k}) from c passes in n attempts; 1 when n-c < {k}. Needs n >= {k}.",
        source="Chen et al. 2021 (arXiv 2107.03374), Eq. 1",
        chance_note="0",
    )
    return Metric(card, components, chance=zero_chance, check=lambda frame: _attempts(frame, k))


METRICS = (
    Metric(
        Card(
            name="pass_rate",
            title="Pass rate",
            group="count",
            inputs=_INPUTS,
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=False,
            continuous=True,
            linear=False,
            unit="",
            definition="Passes over attempts, c/n: pass_at_1. Items count the same whatever their attempts.",
            source="Chen et al. 2021 (arXiv 2107.03374), Eq. 1 with k = 1",
            chance_note="0",
        ),
        _pass_rate,
        chance=zero_chance,
        check=_attempts,
    ),
    Metric(
        Card(
            name="pooled_rate",
            title="Pooled pass rate",
            group="count",
            inputs=_INPUTS,
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=False,
            continuous=True,
            linear=False,
            unit="",
            definition="All passes over all attempts: every attempt counts the same. Where hard items were "
            "given more attempts it is far below pass_rate, and it estimates something else. An aggregate: "
            "a value for a model.",
            source="ratio estimator; compare Hu et al. 2023 (arXiv 2310.03262)",
        ),
        _pooled,
        combine=_ratio,
        check=_attempts,
    ),
    Metric(
        Card(
            name="neg_log_pass",
            title="Minus log pass rate",
            group="count",
            inputs=_INPUTS,
            low=0.0,
            high=math.inf,
            higher_is_better=False,
            binary=False,
            continuous=True,
            linear=False,
            unit="nats",
            definition="-log(c/n). +inf on an item without a pass, however many attempts it had: the mean "
            "over items is then infinite too, so use pass_rate there.",
            source="Hu et al. 2023 (arXiv 2310.03262), PassUntil; Schaeffer et al. 2025 (arXiv 2502.17578)",
        ),
        _neg_log_pass,
        check=_attempts,
    ),
)
