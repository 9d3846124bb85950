"""Metrics of the target's log-probability. Choices among given answers are in choice.py."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from unmirage.metrics.cards import Alias, Card, FloatArray, Metric, column, rows_sentence, zero_chance
from unmirage.metrics.ragged import Ragged

_TOKENS = ("target_logprobs", "target_tokens")
_PER_TOKEN = (
    "Needs one log-probability a token: where a log holds only the sum over the target, it is not computable."
)
_CUT = "A log-probability that rounding left above 0 counts as 1."
_SUMMED = "Works from one log-probability a token and from a logged sum alike."


def _sums(frame: pl.DataFrame) -> FloatArray:
    logprobs = Ragged.of(frame["target_logprobs"])
    return logprobs.total(logprobs.values)


def _means(frame: pl.DataFrame) -> FloatArray:
    logprobs = Ragged.of(frame["target_logprobs"])
    return logprobs.total(logprobs.values) / logprobs.counts


def _cross_entropy(frame: pl.DataFrame) -> FloatArray:
    return column(0.0 - _means(frame))


def _token_prob(frame: pl.DataFrame) -> FloatArray:
    return column(np.minimum(np.exp(_means(frame)), 1.0))


def _target_logprob(frame: pl.DataFrame) -> FloatArray:
    return column(_sums(frame))


def _target_prob(frame: pl.DataFrame) -> FloatArray:
    return column(np.minimum(np.exp(_sums(frame)), 1.0))


def _bits_per_byte(frame: pl.DataFrame) -> FloatArray:
    size = frame["target"].str.len_bytes().cast(pl.Float64).to_numpy()
    return column((0.0 - _sums(frame)) / (math.log(2) * size))


def _greedy_match(frame: pl.DataFrame) -> FloatArray:
    return column(frame["greedy"].cast(pl.Float64).to_numpy())


def _per_token(frame: pl.DataFrame) -> str | None:
    tokens, logprobs = frame["target_tokens"].list.len(), frame["target_logprobs"].list.len()
    uneven = int((tokens != logprobs).sum())
    empty = int((tokens == 0).sum())
    return rows_sentence("as many target_logprobs as target_tokens", uneven, frame.height) or rows_sentence(
        "a target of at least one token", empty, frame.height
    )


def _bytes(frame: pl.DataFrame) -> str | None:
    empty = int((frame["target"].str.len_bytes() == 0).sum())
    return rows_sentence("a target of at least one byte", empty, frame.height) or _logged(frame)


def _logged(frame: pl.DataFrame) -> str | None:
    empty = int((frame["target_logprobs"].list.len() == 0).sum())
    return rows_sentence("at least one entry in target_logprobs", empty, frame.height)


METRICS = (
    Metric(
        Card(
            name="cross_entropy",
            title="Cross-entropy",
            group="likelihood",
            inputs=_TOKENS,
            low=0.0,
            high=math.inf,
            higher_is_better=False,
            binary=False,
            continuous=True,
            linear=False,
            unit="nats a token",
            definition="Minus the mean log-probability of the target's tokens, teacher forced. +inf when a "
            f"token has probability 0. {_PER_TOKEN}",
            source="Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 2: L_CE",
            aliases=(
                Alias("inspect", "target_perplexity", "none; the word is that of its aggregate, exp of it"),
            ),
        ),
        _cross_entropy,
        check=_per_token,
    ),
    Metric(
        Card(
            name="target_logprob",
            title="Log-probability of the target",
            group="likelihood",
            inputs=("target_logprobs",),
            low=-math.inf,
            high=0.0,
            higher_is_better=True,
            binary=False,
            continuous=True,
            linear=False,
            unit="nats",
            definition=f"Sum of the log-probabilities of the target's tokens; -inf when one is. {_SUMMED}",
            source="BIG-bench 1.0.0, log_likelihood; lm-eval 0.4.13, loglikelihood tasks",
            aliases=(
                Alias(
                    "lm-eval",
                    "perplexity",
                    "lm-eval writes this sum under that word on each sample; the word in its results is "
                    "exp(-mean of the sums), which is not a mean of item scores",
                ),
                Alias(
                    "BIG-bench", "log_likelihood", "with several targets BIG-bench adds their probabilities"
                ),
                Alias("HELM", "logprob", "HELM's separate multiple choice sums over prompt and answer"),
            ),
        ),
        _target_logprob,
        check=_logged,
    ),
    Metric(
        Card(
            name="target_prob",
            title="Probability of the target",
            group="likelihood",
            inputs=("target_logprobs",),
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=False,
            continuous=True,
            linear=False,
            unit="",
            definition="Exponential of target_logprob: the probability that one sample at temperature 1 "
            f"begins with the target. 0 when a token has probability 0. {_CUT} {_SUMMED}",
            source="Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 2: the expected accuracy p^L",
        ),
        _target_prob,
        check=_logged,
    ),
    Metric(
        Card(
            name="token_prob",
            title="Probability a token",
            group="likelihood",
            inputs=_TOKENS,
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=False,
            continuous=True,
            linear=True,
            unit="",
            definition="Geometric mean of the probabilities of the target's tokens: exp of minus "
            f"cross_entropy. It is at most the arithmetic mean. 0 when a token has probability 0. {_CUT} "
            f"{_PER_TOKEN}",
            source="Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 2: p = exp(-L_CE)",
        ),
        _token_prob,
        check=_per_token,
    ),
    Metric(
        Card(
            name="bits_per_byte",
            title="Bits a byte",
            group="likelihood",
            inputs=("target_logprobs", "target"),
            low=0.0,
            high=math.inf,
            higher_is_better=False,
            binary=False,
            continuous=True,
            linear=False,
            unit="bits a byte",
            definition="Minus target_logprob, in bits, over the UTF-8 bytes of the target as logged. A "
            "delimiter that was scored but is not in the target is not counted. +inf at probability 0. "
            f"{_SUMMED}",
            source="lm-eval 0.4.13, bits_per_byte",
            aliases=(
                Alias(
                    "lm-eval",
                    "bits_per_byte",
                    "lm-eval divides the sum over all items by all bytes; here each item counts the same",
                ),
            ),
        ),
        _bits_per_byte,
        check=_bytes,
    ),
    Metric(
        Card(
            name="greedy_match",
            title="Greedy match",
            group="likelihood",
            inputs=("greedy",),
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=True,
            continuous=False,
            linear=False,
            unit="",
            definition="1 when the target is the model's own greedy continuation, as the source tool found "
            "it; else 0. A target without its end mark is a prefix, so this can exceed exact_match.",
            source="lm-eval 0.4.13, is_greedy; LAMBADA accuracy",
            aliases=(
                Alias("lm-eval", "acc", "none; on tasks of output type loglikelihood"),
                Alias(
                    "lm-eval",
                    "exact_match",
                    "none; on multiple_choice tasks: the right choice's flag",
                    "choice",
                ),
            ),
            chance_note="0",
        ),
        _greedy_match,
        chance=zero_chance,
    ),
)
