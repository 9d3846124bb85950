"""Item-level metrics of multiple-choice items. Arithmetic is in choices.py, aggregates in aggregates.py."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from unmirage.metrics.cards import Alias, Card, FloatArray, Metric
from unmirage.metrics.choices import (
    Choices,
    needs_answer,
    needs_choices,
    needs_lengths,
    needs_two,
    top_shares,
)
from unmirage.metrics.shared import Shared

_BOTH = ("choice_logprobs", "answer")
_P = "p is the right choice's probability after renormalising over the choices (softmax of choice_logprobs)"
_TIES = "Exact ties share: 1/m when m choices tie for the largest and the right one is among them."
_SHARP = "Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 2"


def _margin(choices: Choices) -> FloatArray:
    return choices.right - choices.log_mean_exp_of_others


_grade = Shared(Choices.parts, lambda choices: choices.share_of_right)
_acc_norm = Shared(Choices.parts, lambda choices: choices.right_of(top_shares(choices.by_length)))
_choice_prob = Shared(Choices.parts, lambda choices: choices.right_prob)
_choice_logprob = Shared(Choices.parts, lambda choices: choices.right_of(choices.log_softmax))
_vocab_logprob = Shared(Choices.parts, lambda choices: choices.right)
_vocab_prob = Shared(Choices.parts, lambda choices: np.minimum(np.exp(choices.right), 1.0))
_brier_one_sided = Shared(Choices.parts, lambda choices: (1.0 - choices.right_prob) ** 2)
_brier_sum = Shared(Choices.parts, lambda choices: choices.squares)
_brier_mean = Shared(Choices.parts, lambda choices: choices.squares / choices.k)
_reciprocal_rank = Shared(Choices.parts, lambda choices: 1.0 / choices.average_rank)


def _uniform(of_k: Callable[[FloatArray], FloatArray]) -> Callable[[pl.DataFrame], FloatArray]:
    def chance(frame: pl.DataFrame) -> FloatArray:
        count = frame["choice_logprobs"].list.len()
        if count.null_count() == 0 and frame.height and count.min() == count.max() != 0:
            return np.full(frame.height, of_k(np.array([count[0]], dtype=np.float64))[0])
        k = count.cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = k >= 1
        return np.asarray(np.where(known, of_k(np.where(known, k, 1.0)), np.nan), dtype=np.float64)

    return chance


def _harmonic_mean_rank(k: FloatArray) -> FloatArray:
    harmonic = np.cumsum(1.0 / np.arange(1, int(k.max(initial=1.0)) + 1))
    return np.asarray(harmonic[k.astype(np.int64) - 1] / k, dtype=np.float64)


def _metric(
    card: Card,
    components: Callable[[pl.DataFrame], FloatArray],
    check: Callable[[pl.DataFrame], str | None] = needs_answer,
    chance: Callable[[FloatArray], FloatArray] | None = None,
) -> Metric:
    return Metric(card, components, chance=None if chance is None else _uniform(chance), check=check)


def _card(
    name: str,
    title: str,
    definition: str,
    source: str,
    *,
    low: float = 0.0,
    high: float = 1.0,
    higher_is_better: bool = True,
    binary: bool = False,
    continuous: bool = True,
    unit: str = "",
    inputs: tuple[str, ...] = _BOTH,
    aliases: tuple[Alias, ...] = (),
    chance_note: str = "none",
) -> Card:
    # None of the choice metrics is linear in the error a token: an answer is one event, not a run of tokens.
    return Card(
        name=name,
        title=title,
        group="choice",
        inputs=inputs,
        low=low,
        high=high,
        higher_is_better=higher_is_better,
        binary=binary,
        continuous=continuous,
        linear=False,
        unit=unit,
        definition=definition,
        source=source,
        aliases=aliases,
        chance_note=chance_note,
    )


_FIRST = "a tie goes to the first choice in lm-eval; here it is shared"

METRICS = (
    _metric(
        _card(
            "multiple_choice_grade",
            "Multiple-choice accuracy",
            f"1 when the right choice has the largest summed log-probability, else 0. {_TIES}",
            f"{_SHARP}; BIG-bench 1.0.0, multiple_choice_grade",
            binary=True,
            continuous=False,
            aliases=(
                Alias("lm-eval", "acc", _FIRST),
                Alias("inspect", "choice", "the letter that the model wrote; several may be right"),
                Alias(
                    "BIG-bench",
                    "multiple_choice_grade",
                    "BIG-bench breaks ties by a hash and adds the chosen option's target score, "
                    "which may be a fraction",
                ),
                Alias(
                    "HELM",
                    "exact_match",
                    "HELM takes the letter that was put out; where each choice was a request of its own, its "
                    "exact_match is acc_norm",
                ),
                Alias(
                    "lighteval",
                    "acc",
                    "a tie goes to the first choice in lighteval, and a task may divide by lengths first",
                ),
            ),
            chance_note="1/K with K choices",
        ),
        _grade,
        chance=lambda k: 1.0 / k,
    ),
    _metric(
        _card(
            "acc_norm",
            "Length-normalised accuracy",
            "1 when the right choice has the largest log-probability a unit of length, else 0. The unit is "
            f"the task's length_unit. {_TIES}",
            "lm-eval 0.4.13, acc_norm and acc_bytes",
            binary=True,
            continuous=False,
            inputs=("choice_logprobs", "choice_lengths", "length_unit", "answer"),
            aliases=(
                Alias("lm-eval", "acc_norm", f"lengths must be in characters; {_FIRST}"),
                Alias("lm-eval", "acc_bytes", f"lengths must be in UTF-8 bytes; {_FIRST}"),
                Alias(
                    "HELM",
                    "exact_match of multiple_choice_separate_original",
                    "lengths must be in tokens; HELM takes as many from the end as the choice behind a space "
                    "has, which may count a token of the question",
                ),
            ),
            chance_note="1/K with K choices",
        ),
        _acc_norm,
        check=needs_lengths,
        chance=lambda k: 1.0 / k,
    ),
    _metric(
        _card(
            "choice_prob",
            "Probability of the right choice",
            f"p, where {_P}. 0 when the right choice has log-probability -inf.",
            "Schaeffer et al. 2024 (arXiv 2406.04391): p_choices(correct)",
            chance_note="1/K with K choices: the uniform forecast",
        ),
        _choice_prob,
        chance=lambda k: 1.0 / k,
    ),
    _metric(
        _card(
            "choice_logprob",
            "Log-probability of the right choice",
            f"log p, where {_P}. -inf when the right choice has log-probability -inf.",
            "logarithm of p_choices(correct), Schaeffer et al. 2024 (arXiv 2406.04391)",
            low=-math.inf,
            high=0.0,
            unit="nats",
            chance_note="-log K with K choices: the uniform forecast",
        ),
        _choice_logprob,
        chance=lambda k: -np.log(k),
    ),
    _metric(
        _card(
            "vocab_logprob",
            "Log-probability of the right text",
            "Summed log-probability of the right choice over the whole vocabulary, not renormalised over "
            "choices.",
            "Schaeffer et al. 2024 (arXiv 2406.04391): log p_vocab(correct)",
            low=-math.inf,
            high=0.0,
            unit="nats",
        ),
        _vocab_logprob,
    ),
    _metric(
        _card(
            "vocab_prob",
            "Probability of the right text",
            "Exponential of vocab_logprob; 0 when it is -inf, 1 when rounding left it above 0.",
            "Schaeffer et al. 2024 (arXiv 2406.04391): p_vocab(correct)",
        ),
        _vocab_prob,
    ),
    _metric(
        _card(
            "margin",
            "Margin of the right choice",
            "Log-probability of the right choice minus the log of the mean probability of the other choices. "
            "+inf when all others have probability 0, -inf when the right one has. Needs at least two "
            "choices.",
            "log-odds form of p_choices(correct), Schaeffer et al. 2024 (arXiv 2406.04391)",
            low=-math.inf,
            high=math.inf,
            unit="nats",
        ),
        Shared(Choices.parts, _margin),
        check=needs_two,
    ),
    _metric(
        _card(
            "brier_one_sided",
            "Brier score, one-sided",
            f"(1 - p)^2, where {_P}. With two choices it equals brier_mean.",
            f"{_SHARP}, Fig. 2",
            higher_is_better=False,
            chance_note="(1 - 1/K)^2 with K choices: the uniform forecast, which a small model may well "
            "exceed",
        ),
        _brier_one_sided,
        chance=lambda k: (1.0 - 1.0 / k) ** 2,
    ),
    _metric(
        _card(
            "brier_sum",
            "Brier score, summed",
            "Sum over the choices of (p_j - t_j)^2: p_j by softmax of choice_logprobs, t_j 1 for the right "
            "choice.",
            "Brier 1950; lm-eval 0.4.13, brier_score",
            high=2.0,
            higher_is_better=False,
            aliases=(
                Alias(
                    "lm-eval",
                    "brier_score",
                    "none; lm-eval fails where the number of choices differs by item",
                ),
            ),
            chance_note="(K-1)/K with K choices: the uniform forecast, which a small model may well exceed",
        ),
        _brier_sum,
        chance=lambda k: (k - 1.0) / k,
    ),
    _metric(
        _card(
            "brier_mean",
            "Brier score, mean over choices",
            "brier_sum divided by the number of choices.",
            f"{_SHARP} and Fig. 6; BIG-bench 1.0.0, calibration_multiple_choice_brier_score",
            higher_is_better=False,
            aliases=(
                Alias(
                    "BIG-bench",
                    "calibration_multiple_choice_brier_score",
                    "BIG-bench pools all (item, choice) pairs, so items with more choices weigh more; equal "
                    "where the number of choices is the same on every item",
                ),
            ),
            chance_note="(K-1)/K^2 with K choices: the uniform forecast, which a small model may well exceed",
        ),
        _brier_mean,
        chance=lambda k: (k - 1.0) / k**2,
    ),
    _metric(
        _card(
            "reciprocal_rank",
            "Reciprocal rank",
            "1 over the rank of the right choice by summed log-probability. Choices that tie get the mean of "
            "their ranks, so K choices that all tie score 2/(K+1), below chance.",
            "Voorhees 1999 (TREC-8 question answering)",
            continuous=False,
            chance_note="H_K/K with K choices and H_K = 1 + 1/2 + ... + 1/K: a random order",
        ),
        _reciprocal_rank,
        chance=_harmonic_mean_rank,
    ),
    _metric(
        _card(
            "entropy",
            "Entropy over choices",
            "Entropy of the softmax of choice_logprobs. It tells how undecided the model is, not whether it "
            "is right; lower is called better only to give it a direction. At most log K.",
            "Shannon 1948",
            high=math.inf,
            higher_is_better=False,
            unit="nats",
            inputs=("choice_logprobs",),
        ),
        Shared(Choices.parts, lambda choices: choices.entropy),
        check=needs_choices,
    ),
)
