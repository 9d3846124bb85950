"""BLEU and ROUGE-L of token sequences with several references, for many sequences at once, in NumPy.

For outputs that are as long as their references, as the paper's appendix draws them: no brevity penalty,
and precision, recall and F-measure of ROUGE-L are the same number. Equal to sacrebleu (no smoothing) and
rouge-score on such sequences; for texts use the metrics `bleu` and `rouge_lsum`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ORDERS = (1, 2, 3, 4)


def ngram_matches(output: Ints, references: Ints) -> Ints:
    """Matching n-grams of each order: clipped to the most that one reference has (Papineni et al. 2002).

    Parameters: output (..., L) tokens below 2^15; references (..., R, L); L >= 4.
    Returns (..., 4): matches of order 1 to 4; an output has L - n + 1 n-grams of order n.
    """
    several = np.broadcast_to(references, (*output.shape[:-1], *references.shape[-2:]))
    # Tokens come first, so that each step runs through all outputs side by side.
    tokens = np.ascontiguousarray(output.reshape(-1, output.shape[-1]).T, dtype=np.int64)
    others = np.ascontiguousarray(several.reshape(-1, *references.shape[-2:]).T, dtype=np.int64)
    mine, theirs, found = tokens, others, []
    for n in ORDERS:
        if n > 1:
            # Orders up to 4 in 15 bits a token stay below 2^60: equal codes are equal n-grams.
            mine = (mine[:-1] << 15) | tokens[n - 1 :]
            theirs = (theirs[:-1] << 15) | others[n - 1 :]
        matches = np.zeros(mine.shape[1], dtype=np.int64)
        for place, gram in enumerate(mine):
            # An n-gram counts while fewer equal ones stand before it than some reference has.
            earlier = _times(gram, mine[:place])
            most = np.max([_times(gram, theirs[:, r]) for r in range(theirs.shape[1])], axis=0)
            matches += earlier < most
        found.append(matches.reshape(output.shape[:-1]))
    return np.stack(found, axis=-1)


def _times(gram: Ints, grams: Ints) -> Ints:
    """How many of the grams (K, N) equal the gram (N,)."""
    total = np.zeros(gram.shape, dtype=np.int64)
    for other in grams:
        total += other == gram
    return total


def bleu(matches: Ints, length: int, segments: int = 1) -> Floats:
    """BLEU to 4-grams without smoothing, from 0 to 1: the geometric mean of the n-gram precisions.

    Parameters: matches (..., 4), as :func:`ngram_matches` gives, or summed over `segments` outputs of
    `length` tokens for the BLEU of a corpus. Returns (...); 0 where an order has no match.
    """
    totals = segments * (length + 1 - np.array(ORDERS))
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(np.log(matches / totals).mean(axis=-1)), dtype=np.float64)


def common_positions(output: Ints, reference: Ints) -> Bools:
    """Which positions of the output are in its longest common subsequence with the reference.

    Of several longest ones that which rouge-score's backtracking takes.

    Parameters: output, reference (..., L), of shapes that broadcast. Returns (..., L); its sum is the length.
    """
    a, b = np.broadcast_arrays(output, reference)
    shape, length = a.shape[:-1], a.shape[-1]
    a, b = a.reshape(-1, length), b.reshape(-1, length)
    rows = np.arange(a.shape[0])
    first, second = (np.ascontiguousarray(tokens.T, dtype=np.int32) for tokens in (a, b))
    table = np.zeros((length + 1, length + 1, rows.size), dtype=np.int8 if length < 128 else np.int32)
    for i in range(length):
        for j in range(length):
            longer = np.maximum(table[i, j + 1], table[i + 1, j])
            np.maximum(longer, table[i, j] + (first[i] == second[j]), out=table[i + 1, j + 1])
    kept = np.zeros(a.shape, dtype=bool)
    at, of = np.full(rows.size, length), np.full(rows.size, length)
    while True:
        open_ = (at > 0) & (of > 0)
        if not open_.any():
            return kept.reshape(*shape, length)
        here, there = np.maximum(at, 1), np.maximum(of, 1)
        same = open_ & (a[rows, here - 1] == b[rows, there - 1])
        left = open_ & ~same & (table[here, there - 1, rows] > table[here - 1, there, rows])
        up = open_ & ~same & ~left
        kept[rows[same], at[same] - 1] = True
        at, of = at - (same | up), of - (same | left)
