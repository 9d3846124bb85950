from collections import Counter

import numpy as np
import polars as pl
import pytest
from rapidfuzz.distance import Hamming, Levenshtein

from unmirage.metrics import sequences
from unmirage.metrics.sequences import bag_overlap, edit_distances, matches_in_place

ALPHABETS = {
    "digits": "0123456789",
    "bytes with nul": ["\0", "a", "b", "\x7f"],
    "letters of many bytes": ["é", "z", "日", "🙂", "\ue000"],
    "words": ["", "a", "aa", "ab", "a b", "日本", "\0", "\0\0"],
}


def pairs(rng, alphabet, rows, longest):
    lists = []
    for _ in range(rows):
        target = list(rng.choice(alphabet, rng.integers(0, longest + 1)))
        output = list(target)
        for _ in range(rng.integers(0, 4)):
            at = int(rng.integers(0, len(output) + 1))
            output[at : at + int(rng.integers(0, 2))] = list(rng.choice(alphabet, rng.integers(0, 2)))
        lists.append((target, output if rng.random() < 0.8 else []))
    return lists


def as_columns(lists):
    return tuple(pl.Series([pair[k] for pair in lists], dtype=pl.List(pl.String)) for k in (0, 1))


def check(lists):
    """Against rapidfuzz on the lists themselves and counting with Counter, pair by pair."""
    columns = as_columns(lists)
    assert edit_distances(*columns).tolist() == [Levenshtein.distance(t, o) for t, o in lists]
    longest = [max(len(t), len(o)) for t, o in lists]
    mismatches = [Hamming.distance(t, o) for t, o in lists]
    assert (np.array(longest) - matches_in_place(*columns)).tolist() == mismatches
    assert bag_overlap(*columns).tolist() == [(Counter(t) & Counter(o)).total() for t, o in lists]


@pytest.mark.parametrize("name", ALPHABETS)
@pytest.mark.parametrize("longest", [0, 1, 6, 90])
def test_token_lists_against_a_loop(name, longest):
    rng = np.random.default_rng(longest)
    check(pairs(rng, list(ALPHABETS[name]), 150, longest))


def test_rows_of_several_blocks(monkeypatch):
    monkeypatch.setattr(sequences, "_BLOCK", 7)
    check(pairs(np.random.default_rng(1), list(ALPHABETS["words"]), 50, 12))


@pytest.mark.parametrize("limit", [sequences._CHARACTERS, 60_000])
def test_more_distinct_tokens_than_a_string_has_characters(monkeypatch, limit):
    """Codes fall on the surrogates, or beyond what a character can be."""
    monkeypatch.setattr(sequences, "_CHARACTERS", limit)
    rng = np.random.default_rng(2)
    words = [f"word {k}" for k in rng.permutation(70_000)]
    lists = [(words[k : k + 40], [*words[k + 1 : k + 40], "end"]) for k in range(0, 69_900, 40)]
    lists += [(words[-100:], words[-90:])]
    columns = as_columns(lists)
    assert edit_distances(*columns).tolist() == [2] * (len(lists) - 1) + [10]


def test_lists_in_chunks():
    t, o = as_columns([(["a", "b"], ["b"]), ([], ["c"]), (["xy"], ["xy"])])
    two = pl.concat([t, t], rechunk=False), pl.concat([o, o], rechunk=False)
    assert edit_distances(*two).tolist() == [1, 1, 0] * 2
    assert matches_in_place(*two).tolist() == [0, 0, 1] * 2


def test_no_rows():
    columns = as_columns([])
    for kernel in (edit_distances, matches_in_place, bag_overlap):
        assert kernel(*columns).shape == (0,)
    text = pl.Series([], dtype=pl.String)
    assert edit_distances(text, text).shape == (0,)


def test_strings_by_code_point(monkeypatch):
    monkeypatch.setattr(sequences, "_BLOCK", 2)
    target, output = ["", "é1", "🙂🙂", "abc", "x"], ["a", "e1", "🙂", "abc", ""]
    found = edit_distances(pl.Series(target), pl.Series(output))
    assert found.tolist() == [Levenshtein.distance(t, o) for t, o in zip(target, output, strict=True)]
