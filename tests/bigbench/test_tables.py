"""The shipped tables of BIG-bench's tasks and of the tasks that were claimed emergent."""

import polars as pl
import pytest

from unmirage import bigbench

GRADE, MATCH = "multiple_choice_grade", "exact_str_match"


def one(task, subtask=""):
    return bigbench.tasks().filter(task=task, subtask=subtask).row(0, named=True)


def test_every_folder_and_subtask_is_there_once():
    rows = bigbench.tasks()
    assert rows.select("task", "subtask").n_unique() == rows.height == 1083
    assert dict(rows["kind"].value_counts().iter_rows()) == {
        "json": 127,
        "container": 40,
        "subtask": 874,
        "programmatic": 42,
    }
    assert bigbench.folders().height == 209
    assert bigbench.folders(templates=False).height == 204
    templates = bigbench.folders().filter("template")["task"].to_list()
    assert all(name.startswith("simple_arithmetic") for name in templates)


def test_the_preferred_metrics_of_the_folders():
    preferred = [set(names) for names in bigbench.folders()["preferred"]]
    assert all(preferred)
    assert sum(names == {GRADE} for names in preferred) == 116
    assert sum(names == {MATCH} for names in preferred) == 39
    assert sum(names == {GRADE, MATCH} for names in preferred) == 2
    assert sum(names <= {GRADE, MATCH} for names in preferred) == 157
    assert sum(bool(names & {GRADE, MATCH}) for names in preferred) == 160


def test_a_source_that_assigns_its_metric_overrides_its_dictionaries():
    assert one("question_answer_creation")["preferred_score"] == ["creativity_and_consistency_score"]


def test_items_choices_and_chance_are_those_of_the_loader():
    swahili = one("swahili_english_proverbs")
    assert (swahili["n_items"], swahili["choices"], swahili["binary"]) == (153, 4, True)
    assert swahili["chance"] == pytest.approx(1 / 4)
    assert one("irony_identification")["n_items"] == 99
    assert one("logical_args")["choices"] == 5
    assert one("sports_understanding")["n_items"] == 986  # of 1,000, 14 are repeated
    assert one("emojis_emotion_prediction")["binary"] is False
    parts = bigbench.tasks().filter(task="logical_deduction", kind="subtask")
    assert parts["chance"].to_list() == pytest.approx([1 / 5, 1 / 7, 1 / 3])
    assert one("logical_deduction")["chance"] == pytest.approx(parts["chance"].mean())
    assert one("arithmetic", "1_digit_addition")["metrics"] == [MATCH, GRADE]


def test_chance_and_choices_are_where_a_choice_is_graded():
    rows = bigbench.tasks().filter(pl.col("kind").is_in(["json", "subtask"]))
    graded = rows["metrics"].list.contains(GRADE)
    assert (rows["chance"].is_not_null() == graded).all()
    assert (rows["choices"].is_not_null() == graded).all()
    assert rows["chance"].drop_nulls().is_between(0, 1, closed="none").all()
    assert (rows["n_items"] > 0).all()


def test_what_a_folder_is_judged_by_as_a_whole():
    rows = dict(bigbench.folders().select("task", "whole").iter_rows())
    assert rows["logical_deduction"] == GRADE
    assert rows["modified_arithmetic"] == "normalized_aggregate_score"
    assert rows["codenames"] == "bleu"
    assert rows["self_evaluation_tutoring"] is None


def test_the_claimed_tasks_are_tasks():
    rows = bigbench.claimed()
    assert dict(rows["benchmark"].value_counts().iter_rows()) == {"BIG-bench": 47, "MMLU": 46}
    named = rows.filter(benchmark="BIG-bench").join(bigbench.folders(), on="task", how="left")
    assert named["preferred"].null_count() == 0
    assert named["task"].n_unique() == 47
    assert named["whole"].to_list().count("bleu") == 2  # as in figure 5C


def test_agrees_with_an_earlier_extraction(shared_data):
    theirs = pl.read_csv(shared_data / "bigbench_tasks.csv").with_columns(pl.col("subtask").fill_null(""))
    both = theirs.join(bigbench.tasks(), on=["task", "subtask"], suffix="_ours")
    assert both.height == 1056  # it calls 27 subtasks by their folders
    told = both.filter(pl.col("kind") != "programmatic")
    ours = told["preferred_score_ours"].list.join("|")
    assert (told["preferred_score"] == ours).all()
    assert (told["n_examples"] >= told["n_items"]).all()  # it counts repeated examples
    assert told.filter(pl.col("n_examples") != pl.col("n_items")).height == 90
