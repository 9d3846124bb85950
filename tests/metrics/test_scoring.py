"""From responses to scores through the public door."""

from __future__ import annotations

import math

import polars as pl
import pytest

from unmirage.errors import MetricError
from unmirage.metrics import aggregate_names, metric, score
from unmirage.tables import SCORES, check_responses


@pytest.fixture
def two_tasks(choice, generated):
    mc = choice([-1, -2], [-1, -2, -3], answers=[0, 1], task="mc")
    gen = generated(("85", "85"), ("85", "8"), task="gen")
    return pl.concat([mc, gen])


def table_of(result, task, name):
    part = result.scores.filter((pl.col("task") == task) & (pl.col("metric") == name))
    return dict(part.select("item_id", "score").iter_rows())


def test_scores_keep_the_schema_and_the_order(two_tasks):
    result = score(two_tasks, ["exact_match", "multiple_choice_grade"])
    assert dict(result.scores.schema) == SCORES
    rows = result.scores.select("task", "item_id", "metric", "score").rows()
    assert rows == [
        ("mc", "0", "multiple_choice_grade", 1.0),
        ("mc", "1", "multiple_choice_grade", 0.0),
        ("gen", "0", "exact_match", 1.0),
        ("gen", "1", "exact_match", 0.0),
    ]


def test_what_a_task_does_not_allow_is_listed_with_the_reason(two_tasks):
    result = score(two_tasks, ["exact_match", "multiple_choice_grade"])
    assert result.skipped.rows() == [
        ("mc", "exact_match", "needs target, which is missing on all 2 rows"),
        ("gen", "multiple_choice_grade", "needs choice_logprobs, which is missing on all 2 rows"),
    ]


def test_without_names_every_metric_that_fits_is_scored(two_tasks):
    result = score(two_tasks)
    by_task = {
        task: set(result.scores.filter(pl.col("task") == task)["metric"].unique()) for task in ("mc", "gen")
    }
    assert by_task["mc"] == {
        *("multiple_choice_grade", "choice_prob", "choice_logprob", "vocab_logprob", "vocab_prob", "margin"),
        *("brier_one_sided", "brier_sum", "brier_mean", "reciprocal_rank", "entropy"),
    }
    assert by_task["gen"] == {
        *("exact_match", "exact_match_normalised", "token_edit_distance", "token_hamming", "token_accuracy"),
        *("token_f1", "char_edit_distance", "numeric_error"),
    }
    assert result.skipped.rows() == [
        ("mc", "acc_norm", "needs choice_lengths, which is missing on all 2 rows")
    ]


def test_a_column_missing_on_some_rows_of_a_model_skips_the_metric_for_it(rows):
    frame = rows("likelihood", [{"target_logprobs": [-1.0], "greedy": True}, {"target_logprobs": [-2.0]}])
    result = score(frame)
    assert set(result.scores["metric"]) == {"target_logprob", "target_prob"}
    assert ("t", "greedy_match", "needs greedy, which is missing on 1 of 2 rows") in result.skipped.rows()


def test_a_column_missing_for_one_model_leaves_the_metric_to_the_others(rows):
    have = rows("likelihood", [{"target_logprobs": [-1.0], "greedy": True}] * 2)
    lack = rows("likelihood", [{"target_logprobs": [-1.0]}] * 2).with_columns(model=pl.lit("other"))
    result = score(pl.concat([have, lack]))
    mine = result.scores.filter(pl.col("metric") == "greedy_match")
    assert set(mine["model"]) == set(have["model"])
    family, model = have["family"][0], "other"
    reason = "needs greedy, which is missing on all 2 rows"
    assert result.partial.rows() == [(family, "t", "greedy_match", model, reason)]
    assert "greedy_match" not in result.skipped["metric"].to_list()


def test_likelihood_metrics_join_where_their_inputs_are_there(rows):
    cells = [{"target": "5", "output": "5", "target_logprobs": [-0.5], "greedy": True}]
    names = set(score(rows("generation", cells)).scores["metric"])
    assert {"exact_match", "target_prob", "greedy_match", "bits_per_byte"} <= names


def test_expressions_and_counts(rows, choice):
    counts = rows("count", [{"n_samples": 4, "n_correct": 1}, {"n_samples": 4, "n_correct": 0}], task="c")
    frame = pl.concat([counts, choice([-1, -2], task="mc")])
    result = score(frame, ["pass_at_2", "threshold( choice_prob , 0.5 )"])
    assert table_of(result, "c", "pass_at_2") == pytest.approx({"0": 1 - 3 / 6, "1": 0})
    assert table_of(result, "mc", "threshold(choice_prob,0.5)") == {"0": 1}


def test_infinite_scores_stay_infinite(rows):
    frame = rows("count", [{"n_samples": 4, "n_correct": 0}])
    assert table_of(score(frame), "t", "neg_log_pass") == {"0": math.inf}


def test_a_metric_that_no_task_allows_is_an_error(two_tasks):
    with pytest.raises(MetricError) as caught:
        score(two_tasks, ["exact_match", "pass_rate"])
    reason = "on task mc it needs n_samples, which is missing on all 2 rows"
    assert caught.value.what == f"pass_rate cannot be computed on any task: {reason}"


def test_an_unknown_metric_is_an_error(two_tasks):
    with pytest.raises(MetricError, match="no metric 'exact'"):
        score(two_tasks, ["exact_match", "exact"])


def test_no_rows_are_an_error_only_for_a_name(two_tasks):
    assert score(two_tasks[:0]).scores.height == 0
    with pytest.raises(MetricError, match="no rows"):
        score(two_tasks[:0], ["exact_match"])


def test_the_same_metric_twice_is_scored_once(two_tasks):
    names = ["threshold(choice_prob,0.5)", "threshold( choice_prob, 0.50)", "threshold(choice_prob,0.5)"]
    assert score(two_tasks, names).scores.height == 2


def test_aggregates_have_no_item_scores(two_tasks):
    result = score(two_tasks, ["ece", "choice_prob", "all_of(exact_match,2)"])
    assert set(result.scores["metric"]) == {"choice_prob"}
    assert {row[1] for row in result.skipped.rows()} >= {"ece", "all_of(exact_match,2)"}
    mc, gen = two_tasks.partition_by("task", maintain_order=True)
    assert aggregate_names(mc) == ("ece", "macro_f1")
    assert aggregate_names(gen) == ()


def test_text_metrics_are_only_scored_by_name(generated):
    pytest.importorskip("sacrebleu")
    frame = generated(("a b c d", "a b c d"))
    assert "bleu" not in set(score(frame).scores["metric"])
    assert table_of(score(frame, ["bleu"]), "t", "bleu") == {"0": 1}


def test_recorded_scores_of_score_rows(rows):
    cells = [
        {"recorded": [{"metric": "exact_match", "value": 1.0}, {"metric": "log_loss", "value": 0.7}]},
        {"recorded": [{"metric": "exact_match", "value": 0.0}, {"metric": "log_loss", "value": 1.2}]},
    ]
    result = score(rows("score", cells))
    assert table_of(result, "t", "exact_match") == {"0": 1, "1": 0}
    assert table_of(result, "t", "log_loss") == {"0": 0.7, "1": 1.2}
    assert set(result.scores["metric"]) == {"exact_match", "log_loss"}


def test_recorded_scores_can_be_asked_for_and_cut(rows, choice):
    cells = [{"recorded": [{"metric": "log_loss", "value": v}]} for v in (0.7, 1.2)]
    frame = pl.concat([rows("score", cells, task="s"), choice([-1, -2], task="mc")])
    result = score(frame, ["threshold(log_loss,1)", "choice_prob"])
    assert table_of(result, "s", "threshold(log_loss,1)") == {"0": 1, "1": 0}
    assert ("mc", "threshold(log_loss,1)", "is not a score that this task recorded") in result.skipped.rows()
    assert (
        "s",
        "choice_prob",
        "needs choice_logprobs, which is missing on all 2 rows",
    ) in result.skipped.rows()


def test_recorded_scores_of_other_rows_are_never_taken(generated):
    recorded = [{"metric": "exact_match", "value": 0.0}, {"metric": "f", "value": 0.5}]
    frame = generated(("1", "1"), recorded=recorded)
    result = score(frame)
    assert table_of(result, "t", "exact_match") == {"0": 1}
    assert "f" not in set(result.scores["metric"])


def test_score_rows_mixed_with_others_are_not_read_as_recorded(rows, generated):
    frame = pl.concat([generated(("1", "1")), rows("score", [{"recorded": [{"metric": "f", "value": 0.5}]}])])
    result = score(frame)
    assert result.scores.height == 0


def test_checked_responses_are_scored_as_they_are(two_tasks):
    checked, _ = check_responses(two_tasks, where="here")
    assert score(checked).scores.equals(score(two_tasks).scores)


def test_scores_do_not_depend_on_the_order_of_rows(two_tasks):
    mixed = two_tasks[[3, 0, 2, 1]]
    key = ["task", "metric", "item_id"]
    assert score(mixed).scores.sort(key).equals(score(two_tasks).scores.sort(key))


def test_every_score_lies_in_its_card_s_range(two_tasks):
    for name, value in score(two_tasks).scores.select("metric", "score").iter_rows():
        card = metric(name).card
        assert card.low <= value <= card.high
