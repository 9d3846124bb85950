"""Why a metric cannot be computed: one exact sentence."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage.errors import MetricError
from unmirage.metrics import metric, missing_inputs
from unmirage.metrics.inputs import Inputs, missing
from unmirage.metrics.registry import REGISTRY


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


def test_inputs_asked_once_say_what_is_missing_for_each_metric():
    """One memory for all metrics gives what each would get alone, whatever was asked before."""
    rows = {
        "choice_logprobs": pl.Series([[-1.0, -2.0], [], [-1.0, None], None], dtype=pl.List(pl.Float64)),
        "choice_lengths": pl.Series([[1, 2], [], [0, 3], [4, 1]], dtype=pl.List(pl.Int32)),
        "length_unit": ["characters"] * 4,
        "answer": pl.Series([0, 0, 1, None], dtype=pl.Int32),
    }
    whole = pl.DataFrame(rows)
    choice = [one for one in REGISTRY.values() if one.card.group == "choice"]
    for frame in (whole, whole[:3], whole[:2], whole[:1], whole[:0]):
        inputs = Inputs(frame)
        together = [inputs.missing(one) for one in choice]
        assert together == [missing(one, frame) for one in choice]
        assert together[::-1] == [inputs.missing(one) for one in reversed(choice)]
    said = missing(REGISTRY["entropy"], whole[:3])
    assert said == "needs choice_logprobs, which has a gap in its list on 1 of 3 rows"
