"""Exact match, distances, overlaps and numbers, against hand values, a textbook recursion and invariances."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.metrics import metric, missing_inputs

WORDS = st.lists(st.sampled_from(["a", "b", "cc", "é"]), max_size=7)


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def textbook_levenshtein(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def token_rows(rows, *pairs):
    return rows("generation", [{"target_tokens": t, "output_tokens": o} for t, o in pairs])


def test_edit_distances_of_the_known_pairs(generated):
    pairs = [("12345", "12345"), ("12345", "1234"), ("12345", "123456"), ("12345", "54321"), ("abc", "")]
    frame = generated(*pairs)
    assert item_scores("token_edit_distance", frame) == [0, 1, 1, 4, 3]
    assert item_scores("char_edit_distance", frame) == [0, 1, 1, 4, 3]


def test_a_shifted_output_is_two_edits_but_five_mismatches(generated):
    frame = generated(("12345", "51234"))
    assert item_scores("token_edit_distance", frame) == [2]
    assert item_scores("token_hamming", frame) == [5]


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_token_metrics_agree_with_plain_python(rows, pairs):
    frame = token_rows(rows, *pairs)
    back = token_rows(rows, *[(o, t) for t, o in pairs])
    ted = item_scores("token_edit_distance", frame)
    hamming = item_scores("token_hamming", frame)
    assert ted == [textbook_levenshtein(t, o) for t, o in pairs]
    assert ted == item_scores("token_edit_distance", back)
    assert hamming == [
        sum(x != y for x, y in zip(t, o, strict=False)) + abs(len(t) - len(o)) for t, o in pairs
    ]
    for (t, o), edits, mismatches in zip(pairs, ted, hamming, strict=True):
        assert edits <= mismatches <= max(len(t), len(o))
        assert (edits == 0) == (t == o)
    overlap = [sum((Counter(t) & Counter(o)).values()) for t, o in pairs]
    f1 = [2 * c / (len(t) + len(o)) if t or o else 1.0 for c, (t, o) in zip(overlap, pairs, strict=True)]
    assert item_scores("token_f1", frame) == pytest.approx(f1)
    hits = [sum(x == y for x, y in zip(t, o, strict=False)) for t, o in pairs]
    accuracy = [h / len(t) if t else float(not o) for h, (t, o) in zip(hits, pairs, strict=True)]
    assert item_scores("token_accuracy", frame) == pytest.approx(accuracy)


def test_empty_lists_have_written_rules(rows):
    frame = token_rows(rows, ([], []), ([], ["a"]), (["a"], []))
    assert item_scores("token_accuracy", frame) == [1, 0, 0]
    assert item_scores("token_f1", frame) == [1, 0, 0]
    assert item_scores("token_hamming", frame) == [0, 1, 1]
    assert item_scores("token_edit_distance", frame) == [0, 1, 1]


def test_a_token_is_compared_whole(rows):
    frame = token_rows(rows, (["ab", "c"], ["a", "bc"]))
    assert item_scores("token_edit_distance", frame) == [2]
    assert item_scores("token_f1", frame) == [0]


def test_exact_match_ignores_nothing(generated):
    frame = generated(("82", "82"), ("82", " 82"), ("Yes", "yes"), ("", ""), ("82", ""))
    assert item_scores("exact_match", frame) == [1, 0, 0, 1, 0]


@given(st.text(max_size=6), st.text(max_size=6))
@settings(max_examples=60, deadline=None)
def test_exact_match_is_edit_distance_zero(generated, a, b):
    frame = generated((a, b), (a, a))
    exact = item_scores("exact_match", frame)
    assert exact == [float(d == 0) for d in item_scores("char_edit_distance", frame)]
    assert exact == [float(d == 0) for d in item_scores("token_edit_distance", frame)]


def test_normalised_match_follows_squad(generated):
    frame = generated(
        ("The  Cat.", "cat"),
        ("a dog's\tday", "DOGS DAY"),
        ("theatre", "atre"),
        ("the", ""),
        ("cat", "cats"),
        ("U.S.", "us"),
    )
    assert item_scores("exact_match_normalised", frame) == [1, 1, 0, 1, 0, 1]


def test_numeric_error_is_relative_and_capped(generated):
    frame = generated(
        ("100", "90"), ("-100", "-90"), ("100", "250"), ("0", "0.25"), ("0.5", "0.75"), ("1,000", " 1e3 ")
    )
    assert item_scores("numeric_error", frame) == pytest.approx([0.1, 0.1, 1, 0.25, 0.25, 0])


@pytest.mark.parametrize("output", ["", "about 5", "5 apples", "inf", "nan", "1,2", "5,", "1e999", "٥"])
def test_what_is_not_a_number_has_the_largest_numeric_error(generated, output):
    assert item_scores("numeric_error", generated(("5", output))) == [1]


@pytest.mark.parametrize("text", ["5.", "+5", " 5 ", "5.0", "5e0", "05"])
def test_ways_to_write_five(generated, text):
    assert item_scores("numeric_error", generated((text, "5"), ("5", text))) == [0, 0]


def test_numeric_error_needs_numeric_targets(generated):
    frame = generated(("5", "5"), ("five", "5"), ("1e999", "5"))
    assert missing_inputs("numeric_error", frame) == "needs a target that is a number; not so on 2 of 3 rows"


def test_chance_of_an_exact_match_is_zero_and_of_a_distance_is_nothing(generated):
    frame = generated(("82", "82"), ("82", "8"))
    assert metric("exact_match").chance(frame).tolist() == [0, 0]
    assert metric("exact_match_normalised").chance(frame).tolist() == [0, 0]
    assert metric("token_edit_distance").chance is None


def test_scores_keep_the_order_of_rows(generated):
    frame = generated(("1", "1"), ("12", "1"), ("123", "1"), ("1234", "1"))
    order = [2, 0, 3, 1]
    for name in ("token_edit_distance", "token_hamming", "token_accuracy", "token_f1"):
        straight = np.array(item_scores(name, frame))
        assert item_scores(name, frame[order]) == straight[order].tolist()
        assert len(set(straight)) == 4
