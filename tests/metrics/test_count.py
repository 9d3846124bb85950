"""Passes out of attempts, against binomial coefficients."""

from __future__ import annotations

import math

import polars as pl
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


def until(rows, *triples):
    frame = counts(rows, *[pair for *pair, _ in triples])
    return frame.with_columns(until=pl.Series([rule for *_, rule in triples], dtype=pl.Float64))


def test_attempts_that_went_on_until_so_many_passes_are_not_c_over_n(rows):
    frame = until(rows, (9, 3, 3), (9, 2, 3), (9, 3, None), (9, 3, 0), (3, 3, 3))
    assert item_scores("pass_rate", frame) == pytest.approx([2 / 8, 2 / 9, 3 / 9, 3 / 9, 1])
    assert item_scores("pass_at_1", frame) == pytest.approx(item_scores("pass_rate", frame))
    assert item_scores("neg_log_pass", frame) == pytest.approx(
        [sum(1 / j for j in range(3, 9)), -math.log(2 / 9), math.log(3), math.log(3), 0]
    )
    fail = math.comb(8 - 2, 2) / math.comb(8, 2)
    assert item_scores("pass_at_2", frame)[0] == pytest.approx(1 - fail)


def test_a_column_until_without_a_rule_changes_no_bit(rows):
    frame = counts(rows, (10, 3), (7, 5), (3, 0))
    for none in (None, 0.0, math.nan):
        ruled = frame.with_columns(until=pl.lit(none, dtype=pl.Float64))
        for name in ("pass_rate", "neg_log_pass", "pass_at_3"):
            assert metric(name).components(ruled).tobytes() == metric(name).components(frame).tobytes()


def test_items_that_stopped_early_have_a_pass_at_any_k(rows):
    frame = until(rows, (3, 3, 3), (4, 3, 3), (60, 1, 3))
    assert missing_inputs("pass_at_50", frame) is None
    assert item_scores("pass_at_50", frame) == pytest.approx([1, 1, 50 / 60])
    assert "at least 70 attempts; not so on 1 of 3 rows" in missing_inputs("pass_at_70", frame)


@pytest.mark.parametrize(
    ("row", "says"),
    [((5, 4, 3), "at most until"), ((5, 1, 1), "at least 2"), ((5, 1, 2.5), "whole"), ((5, 1, -3), "whole")],
)
def test_a_rule_that_the_counts_break(rows, row, says):
    assert says in missing_inputs("pass_rate", until(rows, row, (9, 3, 3)))
