"""Passes out of attempts, against binomial coefficients."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.metrics import metric, missing_inputs


def counts(rows, *pairs):
    return rows("count", [{"n_samples": n, "n_correct": c} for n, c in pairs])


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def test_rates(rows):
    frame = counts(rows, (10, 3), (4, 4), (8, 0))
    assert item_scores("pass_rate", frame) == pytest.approx([0.3, 1, 0])
    assert item_scores("neg_log_pass", frame) == pytest.approx([-math.log(0.3), 0, math.inf])


def test_pooled_rate_counts_attempts_and_pass_rate_counts_items(rows):
    frame = counts(rows, (10, 5), (1000, 0))
    pooled = metric("pooled_rate")
    value = pooled.combine(pooled.components(frame).mean(axis=0), frame.height)
    assert value == pytest.approx(5 / 1010)
    assert sum(item_scores("pass_rate", frame)) / 2 == pytest.approx(0.25)


def test_pass_at_five_of_the_known_case(rows):
    frame = counts(rows, (10, 3), (10, 0), (10, 6))
    assert item_scores("pass_at_5", frame) == pytest.approx([1 - 21 / 252, 0, 1])


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
@settings(max_examples=60, deadline=None)
def test_pass_at_k_against_binomial_coefficients(rows, case):
    n, c, k = case
    expected = 1 - math.comb(n - c, k) / math.comb(n, k)
    assert item_scores(f"pass_at_{k}", counts(rows, (n, c))) == pytest.approx([expected])


def test_pass_at_one_is_the_pass_rate(rows):
    frame = counts(rows, (10, 3), (7, 5), (3, 0))
    assert item_scores("pass_at_1", frame) == pytest.approx(item_scores("pass_rate", frame))
    assert metric("pass_at_1").chance(frame).tolist() == [0, 0, 0]


def test_too_few_attempts(rows):
    frame = counts(rows, (10, 3), (4, 1))
    assert missing_inputs("pass_at_5", frame) == "needs at least 5 attempts; not so on 1 of 2 rows"
    assert missing_inputs("pass_at_4", frame) is None
    assert "at least 1 attempt;" in missing_inputs("pass_rate", counts(rows, (0, 0)))
    assert "n_correct between" in missing_inputs("pass_rate", counts(rows, (2, 3)))
