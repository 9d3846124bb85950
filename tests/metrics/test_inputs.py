"""Why a metric cannot be computed: one exact sentence."""

from __future__ import annotations

import pytest

from unmirage.errors import MetricError
from unmirage.metrics import metric, missing_inputs


def test_a_column_missing_on_all_or_some_rows(choice, rows):
    frame = choice(*[[-1, -2]] * 160)
    assert missing_inputs("acc_norm", frame) == "needs choice_lengths, which is missing on all 160 rows"
    some = rows(
        "generation", [{"target": "1", "output": "1"}, {"target": "1"}, {"target": "1", "output": ""}]
    )
    assert missing_inputs("exact_match", some) == "needs output, which is missing on 1 of 3 rows"


def test_an_absent_column(choice):
    frame = choice([-1, -2]).drop("choice_lengths")
    assert missing_inputs("acc_norm", frame) == "needs choice_lengths, a column that the table lacks"


def test_a_gap_inside_a_list(rows):
    cells = [
        {"target_logprobs": [None, -1.0], "target_tokens": ["a", "b"]},
        {"target_logprobs": [-1.0], "target_tokens": ["a"]},
    ]
    expected = "needs target_logprobs, which has a gap in its list on 1 of 2 rows"
    assert missing_inputs("cross_entropy", rows("likelihood", cells)) == expected


def test_no_rows(choice):
    assert missing_inputs("choice_prob", choice([-1, -2])[:0]) == "there are no rows"


def test_none_when_all_is_there(choice):
    assert missing_inputs("choice_prob", choice([-1, -2])) is None
    assert missing_inputs(metric("choice_prob"), choice([-1, -2])) is None
    assert missing_inputs(" choice_prob ", choice([-1, -2])) is None


def test_a_combination_needs_what_its_metric_needs(choice):
    expected = "needs target_tokens, which is missing on all 1 rows"
    assert missing_inputs("all_of(threshold(token_edit_distance,1),2)", choice([-1, -2])) == expected


def test_an_unknown_name_raises(choice):
    with pytest.raises(MetricError, match="no metric"):
        missing_inputs("nonsense", choice([-1, -2]))
