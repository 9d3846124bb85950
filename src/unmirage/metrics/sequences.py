"""The arithmetic on strings and token lists: distances, overlaps, numbers. Cards are in generation.py."""

from __future__ import annotations

import numpy as np
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray

# One rule for what a number is, here and in tokens.py. inf, nan and words are not numbers.
_NUMBER = r"^\s*[+-]?(([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_PUNCTUATION = r"[!-/:-@\[-`{-~]"


def lengths(series: pl.Series) -> FloatArray:
    """(rows,) entries of each list."""
    return np.asarray(series.list.len().cast(pl.Float64).to_numpy(), dtype=np.float64)


def _codes(target: pl.Series, output: pl.Series) -> tuple[IntArray, IntArray]:
    """Both columns' tokens laid flat as integers; equal tokens have equal integers."""
    flat = [series.filter(series.list.len() > 0).explode() for series in (target, output)]
    both = pl.concat([flat[0].alias("token"), flat[1].alias("token")])
    codes = both.rank("dense").cast(pl.Int64).to_numpy()
    return codes[: len(flat[0])], codes[len(flat[0]) :]


def _positions(counts: IntArray) -> tuple[IntArray, IntArray]:
    """For rows of these lengths laid flat: the row of each entry, and its place in the row."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def matches_in_place(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) positions at which two columns of token lists hold the same token."""
    mine, theirs = _codes(target, output)
    n, m = lengths(target).astype(np.int64), lengths(output).astype(np.int64)
    shared = np.minimum(n, m)
    row, place = _positions(shared)
    same = mine[(np.cumsum(n) - n)[row] + place] == theirs[(np.cumsum(m) - m)[row] + place]
    return np.bincount(row, weights=same, minlength=len(n)).astype(np.float64)


def bag_overlap(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) tokens that two columns of token lists have in common, counted with repeats, order ignored."""
    mine, theirs = _codes(target, output)
    rows = target.len()
    width = int(max(mine.max(initial=0), theirs.max(initial=0))) + 1
    bags = []
    for codes, series in ((mine, target), (theirs, output)):
        row, _ = _positions(lengths(series).astype(np.int64))
        bags.append(np.unique(row * width + codes, return_counts=True))
    _, at_mine, at_theirs = np.intersect1d(bags[0][0], bags[1][0], assume_unique=True, return_indices=True)
    common = np.minimum(bags[0][1][at_mine], bags[1][1][at_theirs])
    return np.bincount(bags[0][0][at_mine] // width, weights=common, minlength=rows).astype(np.float64)


def edit_distances(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) Levenshtein distances between two columns of strings (by code point) or of token lists."""
    from rapidfuzz.distance import Levenshtein

    pairs = zip(target.to_list(), output.to_list(), strict=True)
    return np.array([Levenshtein.distance(a, b) for a, b in pairs], dtype=np.float64)


def normalised(series: pl.Series) -> pl.Series:
    """Strings by the SQuAD v1.1 rule: lower case, no ASCII punctuation, no a/an/the, single spaces."""
    return (
        series.str.to_lowercase()
        .str.replace_all(_PUNCTUATION, "")
        .str.replace_all(r"\b(a|an|the)\b", " ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )


def is_number(text: pl.Expr) -> pl.Expr:
    """Whether a string is a number: sign, digits, thousands commas, decimal point, exponent, outer spaces."""
    return text.str.contains(_NUMBER)


def numbers(series: pl.Series) -> FloatArray:
    """(rows,) strings as numbers; NaN where a string is not one."""
    text = pl.col("text")
    digits = pl.when(is_number(text)).then(text.str.strip_chars().str.replace_all(",", "", literal=True))
    values = pl.DataFrame({"text": series}).select(digits.cast(pl.Float64, strict=False).fill_null(np.nan))
    return np.asarray(values.to_series().to_numpy(), dtype=np.float64)
