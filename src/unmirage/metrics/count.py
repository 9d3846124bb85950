"""Metrics of repeated attempts at an item: passes out of attempts. Intervals are in statistics.

Where the table has the numeric column `until`, attempts at an item went on until that many passes; rows with
0 or null there had a fixed number of attempts. The estimates of `unmirage.statistics.until` are taken then.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from unmirage.metrics.cards import Card, FloatArray, Metric, column, rows_sentence, zero_chance

_INPUTS = ("n_samples", "n_correct")
UNTIL = "until"


def _counts(frame: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
    n = frame["n_samples"].cast(pl.Float64).to_numpy()
    return n, frame["n_correct"].cast(pl.Float64).to_numpy()


def _rule(frame: pl.DataFrame) -> FloatArray | None:
    """(rows,) the passes that ended the attempts, 0 for a fixed number; None where no row has any."""
    if UNTIL not in frame.columns:
        return None
    rule = frame[UNTIL].cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()
    return rule if rule.any() else None


def _pass_rate(frame: pl.DataFrame) -> FloatArray:
    from unmirage.statistics.until import until_rate

    n, c = _counts(frame)
    rule = _rule(frame)
    return column(c / n if rule is None else until_rate(c, n, rule))


def _neg_log_pass(frame: pl.DataFrame) -> FloatArray:
    from unmirage.statistics.until import until_neg_log

    n, c = _counts(frame)
    rule = _rule(frame)
    if rule is not None:
        return column(until_neg_log(c, n, rule))
    with np.errstate(divide="ignore"):
        return column(np.log(n) - np.log(c))


def _pooled(frame: pl.DataFrame) -> FloatArray:
    n, c = _counts(frame)
    return np.column_stack([c, n])


def _ratio(means: FloatArray, items: int) -> FloatArray:
    return np.asarray(means[..., 0] / means[..., 1], dtype=np.float64)


def _attempts(frame: pl.DataFrame, at_least: int = 1) -> str | None:
    n, c = _counts(frame)
    rule = _rule(frame)
    rule = np.zeros_like(n) if rule is None else rule
    few = int(((n < at_least) & ((c < rule) | (rule == 0) | (n < 1))).sum())
    plural = "" if at_least == 1 else "s"
    return (
        rows_sentence(f"at least {at_least} attempt{plural}", few, frame.height)
        or rows_sentence("n_correct between 0 and n_samples", int(((c < 0) | (c > n)).sum()), frame.height)
        or rows_sentence(
            "until to be a whole number of at least 2, or 0 where attempts were fixed",
            int(((rule < 0) | (rule == 1) | (rule != np.floor(rule))).sum()),
            frame.height,
        )
        or rows_sentence(
            "n_correct of at most until, which ends the attempts",
            int(((rule > 0) & (c > rule)).sum()),
            frame.height,
        )
    )


def pass_at(k: int) -> Metric:
    """The metric `pass_at_K` for K = `k` attempts, k >= 1."""

    def components(frame: pl.DataFrame) -> FloatArray:
        from unmirage.statistics.counts import pass_at_k
        from unmirage.statistics.until import until_pass_at_k

        n, c = _counts(frame)
        rule = _rule(frame)
        return column(pass_at_k(n, c, k) if rule is None else until_pass_at_k(c, n, rule, k))

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
        f"1 - C(n-c, {k}) / C(n, {k}) from c passes in n attempts; 1 when n-c < {k}. Needs n >= {k}. "
        f"Where attempts went on until c passes (column until), 1 - C(n-1-{k}, c-1) / C(n-1, c-1).",
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
            definition="Passes over attempts, c/n: pass_at_1. Items count the same whatever their attempts. "
            "Where attempts went on until c passes (column until), (c-1)/(n-1): c/n is too high there.",
            source="Chen et al. 2021 (arXiv 2107.03374), Eq. 1 with k = 1; Haldane 1945 (Biometrika 33, 222)",
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
            "over items is then infinite too, so use pass_rate there. Where attempts went on until c passes "
            "(column until), the unbiased 1/c + 1/(c+1) + ... + 1/(n-1).",
            source="Hu et al. 2023 (arXiv 2310.03262), PassUntil; Schaeffer et al. 2025 (arXiv 2502.17578)",
        ),
        _neg_log_pass,
        check=_attempts,
    ),
)
