"""Our scores beside the source tool's."""

import polars as pl

from unmirage import recorded, tables
from unmirage.metrics import score


def compared(rows):
    frame, _ = tables.check_responses(pl.DataFrame(rows, infer_schema_length=None), where="test")
    return recorded.compare_items(frame, score(frame).scores)


def choice(item, logprobs, lengths, **names):
    return {
        "family": "f",
        "model": "m",
        "task": "t",
        "item_id": item,
        "kind": "choice",
        "answer": 0,
        "choice_logprobs": logprobs,
        "choice_lengths": lengths,
        "length_unit": "characters",
        "recorded": [{"metric": name, "value": value} for name, value in names.items()],
    }


def test_equal_and_differing_scores_are_counted():
    found = compared([choice("a", [-1.0, -2.0], [1, 1], acc=1.0), choice("b", [-3.0, -2.0], [1, 1], acc=1.0)])
    row = found.row(0, named=True)
    assert (row["metric"], row["recorded_as"], row["n"], row["equal"]) == (
        "multiple_choice_grade",
        "acc",
        2,
        1,
    )
    assert row["largest_difference"] == 1.0
    (warning,) = recorded.differing(found)
    assert warning["code"] == "differs-from-recorded"
    assert "1 of 2 items" in warning["message"]


def test_a_metric_by_bytes_is_not_compared_with_ours_by_characters():
    rows = [choice("a", [-4.0, -3.0], [2, 1], acc_norm=1.0, acc_bytes=0.0)]
    assert compared(rows)["recorded_as"].to_list() == ["acc_norm"]
    by_bytes = [{**rows[0], "length_unit": "bytes"}]
    assert set(compared(by_bytes)["recorded_as"]) == {"acc_norm", "acc_bytes"}


def test_what_we_have_no_metric_for_is_left_out():
    assert compared([choice("a", [-1.0, -2.0], [1, 1], acc_mutual_info=1.0)]).height == 0


def test_brier_is_compared_to_the_decimals_that_are_logged():
    found = compared([choice("a", [-1.0, -1.0], [1, 1], brier_score=0.5 + 5e-8)])
    assert found["equal"].to_list() == [1]
    found = compared([choice("a", [-1.0, -1.0], [1, 1], brier_score=0.5 + 5e-6)])
    assert found["equal"].to_list() == [0]
