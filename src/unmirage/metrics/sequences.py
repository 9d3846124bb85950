"""The arithmetic on strings and token lists: distances, overlaps, numbers. Cards are in generation.py."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.metrics.cards import FloatArray, IntArray

# One rule for what a number is, here and in tokens.py. inf, nan and words are not numbers.
_NUMBER = r"^\s*[+-]?(([0-9]{1,3}(,[0-9]{3})+|[0-9]+)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
# Rows that are coded at once; tokens looked at to guess whether all are of one byte; the longest rows that
# are laid in a grid; cells of a table of counts a token.
_BLOCK = 65_536
_LOOK = 64
_SHORT = 64
_SPARSE = 8
# The largest code that can be a character of a string.
_CHARACTERS = sys.maxunicode
_UTF_32 = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
_PUNCTUATION = r"[!-/:-@\[-`{-~]"


def lengths(series: pl.Series) -> FloatArray:
    """(rows,) entries of each list."""
    return np.asarray(series.list.len().cast(pl.Float64).to_numpy(), dtype=np.float64)


@dataclass(frozen=True)
class _Coded:
    """A column of token lists as integers from 1, laid flat: equal tokens have equal integers.

    Attributes
    ----------
    codes: (total,) uint8 where they fit, else uint32.
    starts, counts: (rows,) where each row begins in `codes`, and its tokens.
    """

    codes: npt.NDArray[np.unsignedinteger[Any]]
    starts: IntArray
    counts: IntArray

    def row(self, at: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        return self.codes[self.starts[at] : self.starts[at] + self.counts[at]]

    def grid(self, rows: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """(chosen, width) codes of the chosen rows, none longer than 255, 0 behind their ends."""
        counts = self.counts[rows].astype(np.uint8)
        codes = self.codes if rows.all() else self.codes[np.repeat(rows, self.counts)]
        if (counts == width).all():
            return codes.reshape(len(counts), width)
        out = np.zeros((len(counts), width), dtype=self.codes.dtype)
        out[np.arange(width, dtype=np.uint8) < counts[:, None]] = codes
        return out

    def text(self, at: Iterable[int]) -> list[Any]:
        """Rows as bytes or strings of one character a token, which are compared fastest; else as lists."""
        starts, ends = self.starts.tolist(), (self.starts + self.counts).tolist()
        whole: Any = self.codes.tobytes()
        if self.codes.dtype != np.uint8:
            many = self.codes.max(initial=0) > _CHARACTERS
            whole = self.codes.tolist() if many else whole.decode(_UTF_32, "surrogatepass")
        return [whole[starts[k] : ends[k]] for k in at]


def _coded(target: pl.Series, output: pl.Series) -> tuple[_Coded, _Coded]:
    """Two columns under one code."""
    counts = [series.list.len().cast(pl.Int64).to_numpy() for series in (target, output)]
    # Exploding an empty list gives a null, so empty lists are left out first.
    some = [
        (series if n.all() else series.filter(pl.Series(n > 0))).explode().alias("token")
        for series, n in zip((target, output), counts, strict=True)
    ]
    flat = pl.concat(some)
    codes: npt.NDArray[np.unsignedinteger[Any]] | None = None
    if (flat.head(_LOOK).str.len_bytes() == 1).all():
        # Tokens of one byte are their own codes; others become null.
        byte = flat.cast(pl.Binary).bin.reinterpret(dtype=pl.UInt8)
        codes = byte.to_numpy() + np.uint8(1) if byte.null_count() == 0 else None
    if codes is None:
        codes = flat.cast(pl.Categorical).to_physical().cast(pl.UInt32).to_numpy() + np.uint32(1)
    first, last = np.split(codes, [int(counts[0].sum())])
    return (
        _Coded(first, np.cumsum(counts[0]) - counts[0], counts[0]),
        _Coded(last, np.cumsum(counts[1]) - counts[1], counts[1]),
    )


def _blocks(target: pl.Series, output: pl.Series) -> Iterator[tuple[slice, _Coded, _Coded]]:
    """Some rows at a time, so that what is made of them stays small."""
    for first in range(0, target.len(), _BLOCK):
        part = slice(first, min(first + _BLOCK, target.len()))
        yield part, *_coded(target[part], output[part])


def matches_in_place(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) positions at which two columns of token lists hold the same token."""
    out = np.empty(target.len())
    for part, mine, theirs in _blocks(target, output):
        shared = np.minimum(mine.counts, theirs.counts)
        longest = np.maximum(mine.counts, theirs.counts)
        short = longest <= _SHORT
        width = int(longest[short].max(initial=0))
        left, right = mine.grid(short, width), theirs.grid(short, width)
        found = out[part]
        found[short] = _row_counts((left == right) & (left > 0))
        for k in np.flatnonzero(~short).tolist():
            found[k] = np.count_nonzero(mine.row(k)[: shared[k]] == theirs.row(k)[: shared[k]])
    return out


def bag_overlap(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) tokens that two columns of token lists have in common, counted with repeats, order ignored."""
    out = np.empty(target.len())
    for part, mine, theirs in _blocks(target, output):
        codes = np.concatenate([mine.codes, theirs.codes])
        place = np.cumsum(np.bincount(codes, minlength=1) > 0) - 1
        codes = place[codes]
        rows, width = len(mine.counts), int(place[-1]) + 1
        keys = [
            np.repeat(np.arange(rows), one.counts) * width + code
            for one, code in zip((mine, theirs), np.split(codes, [len(mine.codes)]), strict=True)
        ]
        if rows * width <= _SPARSE * len(codes):
            bags = [np.bincount(key, minlength=rows * width).reshape(rows, width) for key in keys]
            out[part] = np.minimum(*bags).sum(axis=1)
            continue
        (own, own_count), (other, other_count) = (np.unique(key, return_counts=True) for key in keys)
        both, at_own, at_other = np.intersect1d(own, other, assume_unique=True, return_indices=True)
        common = np.minimum(own_count[at_own], other_count[at_other])
        out[part] = np.bincount(both // width, weights=common, minlength=rows)
    return out


def edit_distances(target: pl.Series, output: pl.Series) -> FloatArray:
    """(rows,) Levenshtein distances between two columns of strings (by code point) or of token lists.

    Pairs that settle it by position alone need no search: the distance is at least the difference of the
    lengths, at least 1 where the two differ, and at most the mismatches position by position.
    """
    out = np.empty(target.len())
    if target.dtype == pl.String:
        for first in range(0, target.len(), _BLOCK):
            part = slice(first, first + _BLOCK)
            out[part] = _levenshtein(target[part].to_list(), output[part].to_list())
        return out
    for part, mine, theirs in _blocks(target, output):
        longest = np.maximum(mine.counts, theirs.counts)
        short, found = longest <= _SHORT, out[part]
        long = np.flatnonzero(~short)
        if len(long) < len(short):
            width = int(longest[short].max(initial=1))
            left, right = mine.grid(short, width), theirs.grid(short, width)
            best = _row_counts(left != right)
            least = np.maximum(np.abs(mine.counts - theirs.counts)[short], best > 0)
            at = np.flatnonzero(least < best)
            best[at] = _levenshtein(_grid_text(left[at]), _grid_text(right[at]))
            found[short] = best
        found[long] = _levenshtein(mine.text(long.tolist()), theirs.text(long.tolist()))
    return out


def _row_counts(flags: npt.NDArray[np.bool_]) -> IntArray:
    """(n, width) -> (n,) flags set; a product is several times faster than counting along short rows."""
    return (flags.astype(np.float32) @ np.ones(flags.shape[1], dtype=np.float32)).astype(np.int64)


def _grid_text(grid: npt.NDArray[np.unsignedinteger[Any]]) -> list[Any]:
    """Rows of codes, padded with 0, as bytes or strings of one character a token."""
    if grid.max(initial=0) > _CHARACTERS:
        return [row[row > 0].tolist() for row in grid]
    kind = "S" if grid.dtype == np.uint8 else "U"
    return list(grid.view(f"{kind}{grid.shape[1]}")[:, 0].tolist())


def _levenshtein(these: list[Any], those: list[Any]) -> IntArray:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    if not these:
        return np.empty(0, dtype=np.int64)
    return cpdist(these, those, scorer=Levenshtein.distance, dtype=np.int64)


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
