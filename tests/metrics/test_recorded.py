"""Cards for scores that a log recorded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unmirage.metrics import metric, missing_inputs, recorded_metric, recorded_metrics


def score_rows(rows, *cells):
    return rows(
        "score", [{"recorded": [{"metric": k, "value": v} for k, v in cell.items()]} for cell in cells]
    )


def test_our_own_name_gets_our_card():
    one = recorded_metric("brier_sum", [0.2, 1.4])
    ours = metric("brier_sum").card
    assert (one.card.name, one.card.higher_is_better, one.card.definition) == (
        "brier_sum",
        False,
        ours.definition,
    )
    assert one.card.inputs == ("recorded",)
    assert one.chance is None
    assert one.card.chance_note == "none"


def test_a_word_that_means_one_metric_of_ours_gets_its_card():
    assert recorded_metric("brier_score", [0.2]).card.name == "brier_sum"
    assert recorded_metric("acc_bytes", [0, 1]).card.name == "acc_norm"


def test_a_word_that_means_several_stays_itself():
    card = recorded_metric("acc", [0, 1, 1]).card
    assert (card.name, card.group, card.binary, card.continuous) == ("acc", "score", True, False)


@pytest.mark.parametrize(
    ("name", "values"), [("bleu", [31.5]), ("perplexity", [12.0]), ("exact_match", [100.0])]
)
def test_values_outside_our_range_are_another_metric(name, values):
    card = recorded_metric(name, values).card
    assert card.group == "score"
    assert (card.low, card.high) == (-math.inf, math.inf)


def test_lm_eval_s_perplexity_of_a_sample_is_a_log_probability():
    assert recorded_metric("perplexity", [-2.8, -0.1]).card.name == "target_logprob"


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        ("log_loss", False),
        ("BLEU-like", True),
        ("edit distance", False),
        ("glossary", True),
        ("threshold(log_loss,1)", True),
        ("my_score", True),
    ],
)
def test_the_direction_is_read_from_the_name_and_said(name, higher):
    card = recorded_metric(name, [0.5, 3.0]).card
    assert card.higher_is_better is higher
    assert "taken from its name" in card.definition
    assert recorded_metric(name, [0.5], higher_is_better=not higher).card.higher_is_better is not higher


def test_the_made_card_follows_the_values():
    assert recorded_metric("x", [0, 1]).card.binary
    shares = recorded_metric("x", [0, 0.5, 1]).card
    assert (shares.binary, shares.continuous, shares.low, shares.high) == (False, True, 0, 1)


def test_components_read_the_value_of_each_row(rows):
    frame = score_rows(rows, {"x": 3.0, "y": 0.0}, {"y": 1.0, "x": -2.0})
    found = recorded_metrics(frame)
    assert list(found) == ["x", "y"]
    assert found["x"].components(frame).tolist() == [[3.0], [-2.0]]
    assert found["y"].components(frame[[1, 0]]).tolist() == [[1.0], [0.0]]


def test_a_zero_chance_is_kept(rows):
    frame = score_rows(rows, {"exact_match": 1.0}, {"exact_match": 0.0})
    assert recorded_metrics(frame)["exact_match"].chance(frame).tolist() == [0, 0]


def test_values_that_are_missing_or_doubled_are_named(rows):
    frame = score_rows(rows, {"x": 1.0, "z": 2.0}, {"x": None, "z": 3.0}, {"y": 2.0})
    found = recorded_metrics(frame)
    assert missing_inputs(found["x"], frame) == "needs a recorded x; not so on 2 of 3 rows"
    assert missing_inputs(found["z"], frame) == "needs a recorded z; not so on 1 of 3 rows"
    twice = rows("score", [{"recorded": [{"metric": "x", "value": 1.0}, {"metric": "x", "value": 2.0}]}])
    assert (
        missing_inputs(recorded_metrics(twice)["x"], twice) == "needs x recorded once; not so on all 1 rows"
    )


def test_probabilities_are_derived_from_their_logarithms(rows):
    frame = score_rows(rows, {"choice_logprob": -1.0, "target_logprob": -math.inf}, {"choice_logprob": 0.0})
    found = recorded_metrics(frame)
    prob = found["choice_prob"]
    assert prob.components(frame)[:, 0] == pytest.approx(np.exp([-1.0, 0.0]))
    assert prob.card.inputs == ("recorded",)
    assert "recorded choice_logprob" in prob.card.definition
    assert (
        missing_inputs(found["target_prob"], frame)
        == "needs a recorded target_logprob; not so on 1 of 2 rows"
    )


def test_a_recorded_probability_is_not_derived_again(rows):
    frame = score_rows(rows, {"choice_logprob": -1.0, "choice_prob": 0.9})
    assert recorded_metrics(frame)["choice_prob"].components(frame).tolist() == [[0.9]]


def test_two_words_for_one_metric_stay_apart(rows):
    frame = score_rows(rows, {"brier_score": 0.5, "brier_sum": 0.25})
    found = recorded_metrics(frame)
    assert {name: one.components(frame).item() for name, one in found.items()} == {
        "brier_sum": 0.25,
        "brier_score": 0.5,
    }


def test_other_rows_hold_no_recorded_metrics(generated):
    frame = generated(("1", "1"), recorded=[{"metric": "x", "value": 1.0}])
    assert recorded_metrics(frame) == {}


def test_a_reconstruction_error_is_a_loss_without_a_bound(rows):
    frame = score_rows(rows, {"reconstruction_error": 0.2}, {"x": 1.0, "reconstruction_error": 0.9})
    card = recorded_metrics(frame)["reconstruction_error"].card
    assert (card.low, card.high, card.higher_is_better) == (0, math.inf, False)
    for name, values in (
        ("reconstruction_error", [0.2, 0.9]),
        ("threshold(reconstruction_error,0.5)", [1, 0]),
    ):
        one = metric(name)
        assert one.components(frame)[:, 0].tolist() == values
    other = score_rows(rows, {"x": 0.1}, {"reconstruction_error": 0.2})
    assert (
        missing_inputs("reconstruction_error", other)
        == "needs a recorded reconstruction_error; not so on 1 of 2 rows"
    )


def test_groups_of_an_error_that_a_log_holds_are_better_the_higher_they_are():
    card = recorded_metric("all_of(threshold(token_edit_distance,2),3)", [0.0, 1.0]).card
    assert (card.binary, card.higher_is_better) == (True, True)
