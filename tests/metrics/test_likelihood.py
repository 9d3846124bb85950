"""Metrics of the target's log-probability against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.metrics import metric, missing_inputs

LOGS = st.lists(st.floats(-20, 0), min_size=1, max_size=6)


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def target_rows(rows, *logprobs, **common):
    cells = [{"target_logprobs": list(x), "target_tokens": ["x"] * len(x)} for x in logprobs]
    return rows("likelihood", cells, **common)


@given(st.lists(LOGS, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_closed_forms_for_lists_of_any_length(rows, logprobs):
    frame = target_rows(rows, *logprobs)
    assert item_scores("target_logprob", frame) == pytest.approx([math.fsum(x) for x in logprobs])
    assert item_scores("target_prob", frame) == pytest.approx([math.exp(math.fsum(x)) for x in logprobs])
    assert item_scores("cross_entropy", frame) == pytest.approx([-np.mean(x) for x in logprobs])
    geometric = [math.prod(math.exp(v) for v in x) ** (1 / len(x)) for x in logprobs]
    assert item_scores("token_prob", frame) == pytest.approx(geometric)


def test_the_paper_s_four_models(rows):
    # Schaeffer et al. 2023, Fig. 2: cross-entropy, per-token probability and five-token accuracy.
    entropy = [2.39046, 1.24035, 0.54636, 0.10000]
    frame = target_rows(rows, *[[-h] * 5 for h in entropy])
    assert item_scores("cross_entropy", frame) == pytest.approx(entropy)
    assert item_scores("token_prob", frame) == pytest.approx([0.09159, 0.28928, 0.57905, 0.90484], abs=1e-5)
    assert item_scores("target_prob", frame) == pytest.approx([6.44e-6, 0.002026, 0.06510, 0.60653], rel=1e-3)


def test_probability_zero(rows):
    frame = target_rows(rows, [-1.0, -math.inf])
    assert item_scores("target_logprob", frame) == [-math.inf]
    assert item_scores("target_prob", frame) == [0]
    assert item_scores("token_prob", frame) == [0]
    assert item_scores("cross_entropy", frame) == [math.inf]


def test_rounding_above_zero_is_probability_one(rows):
    frame = target_rows(rows, [1e-7])
    assert item_scores("target_prob", frame) == [1]
    assert item_scores("token_prob", frame) == [1]


def test_bits_per_byte_counts_utf8_bytes(rows):
    cells = [
        {"target": "abcd", "target_logprobs": [-4 * math.log(2)]},
        {"target": "é", "target_logprobs": [-math.log(2), -math.log(2)]},
        {"target": "ab", "target_logprobs": [-math.inf]},
    ]
    assert item_scores("bits_per_byte", rows("likelihood", cells)) == pytest.approx([1, 1, math.inf])


def test_a_logged_sum_has_no_cross_entropy(rows):
    frame = rows("likelihood", [{"target": "85", "target_logprobs": [-2.0]}])
    assert item_scores("target_logprob", frame) == [-2]
    expected = "needs target_tokens, which is missing on all 1 rows"
    assert missing_inputs("cross_entropy", frame) == expected
    assert missing_inputs("token_prob", frame) == expected


def test_uneven_or_empty_lists_are_refused(rows):
    cells = [
        {"target_tokens": ["8", "5"], "target_logprobs": [-2.0]},
        {"target_tokens": ["8"], "target_logprobs": [-2.0]},
    ]
    expected = "needs as many target_logprobs as target_tokens; not so on 1 of 2 rows"
    assert missing_inputs("cross_entropy", rows("likelihood", cells)) == expected
    empty = rows("likelihood", [{"target": "", "target_tokens": [], "target_logprobs": []}])
    assert "at least one token" in missing_inputs("token_prob", empty)
    assert "at least one entry" in missing_inputs("target_prob", empty)
    assert "at least one byte" in missing_inputs("bits_per_byte", empty)


def test_greedy_match_is_the_flag(rows):
    frame = rows("likelihood", [{"greedy": True}, {"greedy": False}])
    assert item_scores("greedy_match", frame) == [1, 0]
    assert metric("greedy_match").chance(frame).tolist() == [0, 0]
