"""Metrics of a generated output against its target. BLEU and ROUGE, which need an extra, are in text.py."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl

from unmirage.metrics.cards import Alias, Card, FloatArray, Metric, column, rows_sentence, zero_chance
from unmirage.metrics.sequences import (
    bag_overlap,
    edit_distances,
    lengths,
    matches_in_place,
    normalised,
    numbers,
)

_STRINGS = ("target", "output")
_TOKENS = ("target_tokens", "output_tokens")
_PAPER = "Schaeffer et al. 2023 (arXiv 2304.15004)"


def _exact_match(frame: pl.DataFrame) -> FloatArray:
    return column((frame["target"] == frame["output"]).to_numpy())


def _exact_match_normalised(frame: pl.DataFrame) -> FloatArray:
    return column((normalised(frame["target"]) == normalised(frame["output"])).to_numpy())


def _token_edit_distance(frame: pl.DataFrame) -> FloatArray:
    return column(edit_distances(frame["target_tokens"], frame["output_tokens"]))


def _char_edit_distance(frame: pl.DataFrame) -> FloatArray:
    return column(edit_distances(frame["target"], frame["output"]))


def _token_hamming(frame: pl.DataFrame) -> FloatArray:
    target, output = frame["target_tokens"], frame["output_tokens"]
    return column(np.maximum(lengths(target), lengths(output)) - matches_in_place(target, output))


def _token_accuracy(frame: pl.DataFrame) -> FloatArray:
    target, output = frame["target_tokens"], frame["output_tokens"]
    size = lengths(target)
    share = matches_in_place(target, output) / np.maximum(size, 1.0)
    return column(np.where(size > 0, share, lengths(output) == 0))


def _token_f1(frame: pl.DataFrame) -> FloatArray:
    target, output = frame["target_tokens"], frame["output_tokens"]
    size = lengths(target) + lengths(output)
    f1 = 2.0 * bag_overlap(target, output) / np.maximum(size, 1.0)
    return column(np.where(size > 0, f1, 1.0))


def _numeric_error(frame: pl.DataFrame) -> FloatArray:
    target, output = numbers(frame["target"]), numbers(frame["output"])
    error = np.abs(output - target) / np.maximum(np.abs(target), 1.0)
    return column(np.where(np.isnan(error), 1.0, np.minimum(error, 1.0)))


def _numeric_targets(frame: pl.DataFrame) -> str | None:
    words = int((~np.isfinite(numbers(frame["target"]))).sum())
    return rows_sentence("a target that is a number", words, frame.height)


def _metric(
    name: str,
    title: str,
    components: Callable[[pl.DataFrame], FloatArray],
    definition: str,
    source: str,
    *,
    inputs: tuple[str, ...],
    high: float = 1.0,
    error: bool = False,
    exact: bool = False,
    linear: bool = False,
    unit: str = "",
    aliases: tuple[Alias, ...] = (),
    check: Callable[[pl.DataFrame], str | None] | None = None,
) -> Metric:
    card = Card(
        name=name,
        title=title,
        group="generation",
        inputs=inputs,
        low=0.0,
        high=high,
        higher_is_better=not error,
        binary=exact,
        continuous=not exact,
        linear=linear,
        unit=unit,
        definition=definition,
        source=source,
        aliases=aliases,
        chance_note="0" if exact else "none",
    )
    return Metric(card, components, chance=zero_chance if exact else None, check=check)


METRICS = (
    _metric(
        "exact_match",
        "Exact match",
        _exact_match,
        "1 when output and target are the same string, code point by code point: nothing is stripped, folded "
        "or ignored. Two empty strings match.",
        f"{_PAPER}, Sec. 2; lm-eval 0.4.13, exact_match without ignore flags",
        inputs=_STRINGS,
        exact=True,
        aliases=(
            Alias(
                "lm-eval",
                "exact_match",
                "none without ignore flags; a task may ignore case, punctuation or regexes",
            ),
            Alias("BIG-bench", "exact_str_match", "BIG-bench accepts any of several targets"),
            Alias("HELM", "exact_match", "HELM strips spaces at both ends and scores an empty output 0"),
        ),
    ),
    _metric(
        "exact_match_normalised",
        "Exact match, normalised",
        _exact_match_normalised,
        "1 when output and target are equal after lower case, removal of ASCII punctuation, removal of the "
        "words a, an and the, and collapse of white space. Two strings of which nothing is left match.",
        "SQuAD v1.1 evaluation script, normalize_answer",
        inputs=_STRINGS,
        exact=True,
        aliases=(
            Alias("SQuAD", "exact_match", "SQuAD accepts any of several targets"),
            Alias("HELM", "quasi_exact_match", "HELM scores an empty output 0"),
            Alias(
                "inspect",
                "exact",
                "inspect_ai also cuts at hyphens, reads numbers (85 equals 85.0), accepts any of several "
                "targets, and never matches a target of which nothing is left",
            ),
        ),
    ),
    _metric(
        "token_edit_distance",
        "Token edit distance",
        _token_edit_distance,
        "Levenshtein distance: the fewest insertions, deletions and substitutions of one token that turn the "
        "output into the target. An empty output is as many edits as the target has tokens. At most the "
        "longer length; 0 only for equal lists.",
        f"{_PAPER}, Sec. 2 and App. A.2; rapidfuzz, Levenshtein.distance",
        inputs=_TOKENS,
        high=math.inf,
        error=True,
        linear=True,
        unit="tokens",
    ),
    _metric(
        "token_hamming",
        "Token mismatches",
        _token_hamming,
        "Positions of the shared length at which the tokens differ, plus the difference of the lengths. At "
        "least token_edit_distance.",
        "Hamming 1950; for unequal lengths as rapidfuzz, Hamming.distance with pad",
        inputs=_TOKENS,
        high=math.inf,
        error=True,
        linear=True,
        unit="tokens",
    ),
    _metric(
        "token_accuracy",
        "Token accuracy",
        _token_accuracy,
        "Share of the target's positions at which the output holds the same token; a missing token is wrong, "
        "tokens after the target's end are not counted. With an empty target: 1 for an empty output, else 0.",
        f"{_PAPER}, Sec. 2: per-token accuracy p",
        inputs=_TOKENS,
        linear=True,
        aliases=(
            Alias(
                "BIG-bench",
                "sequence_f1",
                "despite its name a token accuracy: cut at single spaces, 0 to 100, and missing tokens count "
                "as 'O'",
            ),
        ),
    ),
    _metric(
        "token_f1",
        "Token F1",
        _token_f1,
        "Twice the tokens in common (with repeats, order ignored) over the tokens of both. 0 when just one "
        "of the two is empty, 1 when both are.",
        "SQuAD v1.1 and v2.0 evaluation scripts, f1",
        inputs=_TOKENS,
        linear=True,
        aliases=(
            Alias("SQuAD", "f1", "SQuAD normalises the strings first and takes the best of several targets"),
            Alias("HELM", "f1_score", "HELM normalises the strings first and ignores repeats"),
        ),
    ),
    _metric(
        "char_edit_distance",
        "Character edit distance",
        _char_edit_distance,
        "Levenshtein distance between output and target by Unicode code point, as logged. 0 only where "
        "exact_match is 1.",
        "Levenshtein 1966; rapidfuzz, Levenshtein.distance",
        inputs=_STRINGS,
        high=math.inf,
        error=True,
        linear=True,
        unit="characters",
    ),
    _metric(
        "numeric_error",
        "Relative numeric error",
        _numeric_error,
        "|output - target| / max(|target|, 1), at most 1. The whole output must be a number (sign, digits, "
        "thousands commas, decimal point, exponent, spaces around); anything else, an empty output too, "
        "scores 1, the largest error. Not computable where a target is not a number.",
        "relative error with the guard of BIG-bench 1.0.0, numeric_match_with_0_1_relative_error, which "
        "threshold(numeric_error,0.1) meets for targets of at least 1, except at an error of exactly 0.1",
        inputs=_STRINGS,
        error=True,
        check=_numeric_targets,
    ),
)
