"""Every rule of the responses and results tables: what is said, where, and what to do."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage import tables
from unmirage.errors import TableError
from unmirage.rules import kept, response_rules

BASE = {"family": "f", "model": "m", "task": "t", "item_id": "i", "epoch": 0}
GOOD = {
    "generation": {"target": "a", "output": ""},
    "choice": {"choice_logprobs": [-1.0, -2.0], "answer": 0},
    "likelihood": {"target_logprobs": [-1.0, float("-inf")]},
    "count": {"n_samples": 5, "n_correct": 0},
    "score": {"recorded": [{"metric": "x", "value": 0.5}]},
}


def rows(kind, *changes, **common):
    """One row a change, each an item of its own unless it says otherwise."""
    full = [
        {**BASE, "item_id": f"i{i}", "kind": kind, **GOOD[kind], **common, **change}
        for i, change in enumerate(changes or ({},))
    ]
    return pl.DataFrame(full, infer_schema_length=None)


def check(frame):
    return tables.check_responses(frame, where="x.csv")


@pytest.mark.parametrize("kind", tables.KINDS)
def test_good_rows_of_each_kind_pass_unchanged(kind):
    frame, notes = check(rows(kind, {}, {}))
    assert notes == []
    assert frame.columns == list(tables.RESPONSES)
    assert dict(frame.schema) == dict(pl.DataFrame(schema=tables.RESPONSES).schema)
    for name, value in GOOD[kind].items():
        assert frame[name].to_list() == [value, value]
    again, notes = check(frame)
    assert again.equals(frame)
    assert notes == []


@pytest.mark.parametrize("kind", tables.KINDS)
def test_rules_that_are_not_asked_of_rows_are_none_that_they_break(kind):
    full = {**GOOD[kind], "choice_lengths": None, "target_logprobs": None, "n_params": None}
    frame = tables.conform(rows(kind, full, full), tables.RESPONSES, where="", required=())
    frame = frame.with_columns(pl.lit(None, dtype=tables.RESPONSES["greedy"]).alias("greedy"))
    asked = {rule for rule, _, _ in response_rules(frame)}
    left = [test for rule, test, _ in response_rules() if rule not in asked]
    assert left
    assert all(kept(frame, left))


BROKEN = [
    ("generation", {"family": None}, "family is empty"),
    ("generation", {"model": None}, "model is empty"),
    ("generation", {"task": None}, "task is empty"),
    ("generation", {"item_id": None}, "item_id is empty"),
    ("generation", {"target": None}, "a row of kind generation needs target"),
    ("generation", {"output": None}, "a row of kind generation needs output"),
    ("choice", {"choice_logprobs": None}, "a row of kind choice needs choice_logprobs"),
    ("choice", {"answer": None}, "a row of kind choice needs answer"),
    ("likelihood", {"target_logprobs": None}, "a row of kind likelihood needs target_logprobs"),
    ("likelihood", {"target_logprobs": []}, "a row of kind likelihood needs target_logprobs"),
    ("count", {"n_samples": None}, "a row of kind count needs n_samples"),
    ("count", {"n_correct": None}, "a row of kind count needs n_correct"),
    ("score", {"recorded": None}, "a row of kind score needs recorded"),
    ("score", {"recorded": []}, "a row of kind score needs recorded"),
    ("score", {"recorded": [{"metric": "x", "value": float("nan")}]}, "a recorded score is NaN or missing"),
    ("score", {"recorded": [{"metric": "x", "value": None}]}, "a recorded score is NaN or missing"),
    ("likelihood", {"target_logprobs": [-1.0, float("nan")]}, "target_logprobs holds NaN"),
    ("likelihood", {"target_logprobs": [None, -1.0]}, "target_logprobs holds a missing value"),
    ("likelihood", {"target_logprobs": [-1.0, 0.5]}, "target_logprobs holds a value above 0"),
    ("choice", {"choice_logprobs": [-1.0, float("nan")]}, "choice_logprobs holds NaN"),
    ("choice", {"choice_logprobs": [-1.0, None]}, "choice_logprobs holds a missing value"),
    ("choice", {"choice_logprobs": [0.1, -1.0]}, "choice_logprobs holds a value above 0"),
    ("choice", {"choice_logprobs": [float("-inf")] * 2}, "every choice has log-probability -inf"),
    ("choice", {"choice_logprobs": [-1.0]}, "a choice row needs two choices at least"),
    ("choice", {"answer": 2}, "answer is outside the choices"),
    ("choice", {"answer": -1}, "answer is outside the choices"),
    ("choice", {"choice_lengths": [1]}, "choice_lengths and choice_logprobs differ in number"),
    ("choice", {"choice_lengths": [1, 0]}, "choice_lengths holds a length below 1"),
    ("count", {"n_samples": 0}, "n_samples is below 1"),
    ("count", {"n_correct": -1}, "n_correct is outside 0..n_samples"),
    ("count", {"n_correct": 6}, "n_correct is outside 0..n_samples"),
    ("count", {"epoch": -1}, "epoch is negative"),
    ("count", {"n_params": -1.0}, "n_params is negative"),
    ("count", {"n_tokens": -1.0}, "n_tokens is negative"),
    ("count", {"flops": -1.0}, "flops is negative"),
    ("count", {"flops": float("inf")}, "flops is infinite"),
    ("count", {"loss": float("inf")}, "loss is infinite"),
]


@pytest.mark.parametrize(("kind", "change", "rule"), BROKEN)
def test_each_rule_names_the_source_and_the_row(kind, change, rule):
    good = rows(kind, {}, {"item_id": "i9"})
    bad = rows(kind, {**change, **({} if "item_id" in change else {"item_id": "bad"})})
    frame = pl.concat([good, bad, good.with_columns(item_id=pl.col("item_id") + "x")], how="diagonal_relaxed")
    with pytest.raises(TableError, match=rf"^x\.csv: {rule}") as caught:
        check(frame)
    assert "1 of 5 rows; first: row 3, model " in caught.value.what


def test_a_likelihood_row_may_hold_the_greedy_flag_alone():
    frame, _ = check(rows("likelihood", {"target_logprobs": None, "greedy": True}))
    assert frame["greedy"].to_list() == [True]


def test_rounding_above_zero_is_let_through():
    check(rows("choice", {"choice_logprobs": [1e-7, -1.0]}))


def test_missing_columns_say_how_to_map_them():
    with pytest.raises(TableError, match="columns task, item_id are missing; there are: family") as caught:
        check(rows("count").drop("task", "item_id"))
    assert caught.value.hint == "Name the column that holds it: --map YOUR_COLUMN=task"


def test_no_rows():
    with pytest.raises(TableError, match="there are no rows"):
        check(rows("count").clear())


def test_rows_that_repeat_exactly_are_kept_once():
    one = rows("choice", {"item_id": "a"}, {"item_id": "b"})
    frame, (note,) = check(pl.concat([one, one.head(1), one.head(1)]))
    assert frame["item_id"].to_list() == ["a", "b"]
    assert (note["code"], note["count"]) == ("duplicate-rows", 2)


@pytest.mark.parametrize(
    "change", [{"answer": 1}, {"choice_logprobs": [-1.0, -2.0000001]}, {"n_params": 7.0}, {"greedy": False}]
)
def test_rows_that_contradict_are_refused(change):
    frame = pl.concat([rows("choice"), rows("choice", change)], how="diagonal_relaxed")
    with pytest.raises(
        TableError, match=r"1 keys .* contradict .* first: model m, task t, item i0"
    ) as caught:
        check(frame)
    assert "two model names" in str(caught.value.hint)


def test_row_numbers_count_the_rows_of_the_source():
    """Also behind rows that were left out as duplicates."""
    frame = pl.concat([rows("count"), rows("count"), rows("count", {"item_id": "z", "n_correct": 9})])
    with pytest.raises(TableError, match=r"1 of 3 rows; first: row 3, .* item z"):
        check(frame)


def test_an_epoch_makes_a_key():
    frame, notes = check(rows("count", {"item_id": "a"}, {"item_id": "a", "epoch": 1}))
    assert frame.height == 2
    assert notes == []
    without, _ = check(rows("count").drop("epoch"))
    assert without["epoch"].to_list() == [0]


def test_whole_numbers_are_not_cut():
    with pytest.raises(TableError, match=r"column answer must hold whole numbers, not 0\.9"):
        check(rows("choice", {"answer": 0.9}))
    assert check(rows("choice", {"answer": 1.0}))[0]["answer"].to_list() == [1]


def test_a_type_that_does_not_fit_names_the_column():
    with pytest.raises(TableError, match="column n_samples cannot be read as numbers"):
        check(rows("count", {"n_samples": "five"}))
    with pytest.raises(TableError, match="column greedy cannot be read as Boolean"):
        check(rows("likelihood", {"greedy": "perhaps"}))


def test_not_a_number_on_an_axis_is_no_value():
    frame, _ = check(rows("count", {"n_params": float("nan"), "width": float("nan")}))
    assert frame.select("n_params", "width").rows() == [(None, None)]


RESULT = {"family": "f", "model": "m", "task": "t", "metric": "acc", "value": 0.5}


def results(*changes):
    frame = pl.DataFrame([{**RESULT, **change} for change in changes], infer_schema_length=None)
    return tables.check_results(frame, where="r.csv")


def test_good_results():
    frame, notes = results({}, {"model": "n", "n": 3.0, "chance": 0.25})
    assert notes == []
    assert dict(frame.schema) == dict(pl.DataFrame(schema=tables.RESULTS).schema)
    assert frame["n"].to_list() == [None, 3]


def test_results_without_a_value_are_left_out_and_counted():
    frame, (note,) = results({}, {"model": "n", "value": None}, {"model": "o", "value": float("nan")})
    assert frame["model"].to_list() == ["m"]
    assert (note["code"], note["count"]) == ("missing-values", 2)
    assert "(models: n, o)" in note["message"]


@pytest.mark.parametrize("name", ["family", "model", "task", "metric"])
def test_results_need_their_key(name):
    with pytest.raises(TableError, match="1 rows lack one of family, model, task, metric"):
        results({}, {name: None})


def test_the_same_result_twice_and_two_values_of_one():
    assert results({}, {})[0].height == 1
    with pytest.raises(TableError, match=r"^r\.csv: m has several values of acc on t") as caught:
        results({}, {"value": 0.75})
    assert "checkpoints and seeds names of their own" in str(caught.value.hint)


def test_no_results():
    with pytest.raises(TableError, match="there are no rows"):
        tables.check_results(pl.DataFrame(schema=tables.RESULTS), where="r.csv")
    with pytest.raises(TableError, match="the column value is missing"):
        tables.check_results(pl.DataFrame([RESULT]).drop("value"), where="r.csv")


def test_a_warning_is_listed_once():
    one = tables.warning("a", "text", where="x", count=2)
    frame = tables.warnings_frame([one, tables.warning("b", "text"), one])
    assert frame["code"].to_list() == ["a", "b"]
    assert dict(frame.schema) == dict(pl.DataFrame(schema=tables.WARNINGS).schema)
    assert tables.warnings_frame([]).height == 0
