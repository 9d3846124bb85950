"""Which metrics a task is judged by."""

import dataclasses

import numpy as np
import pytest

from unmirage import metric
from unmirage.cells import Cell, Layer
from unmirage.choosing import can_accompany, choose, choose_reported
from unmirage.metrics.combinators import threshold
from unmirage.metrics.recorded import aggregate_card, recorded_metric
from unmirage.result import Settings


def cell(kind, *names, lacking=()):
    """A cell of a kind with these metrics; of those that are `lacking` one model has no score."""
    layers = {
        name: Layer(metric(name), np.zeros((3, 2, 1)), np.array([name not in lacking, True]), None)
        for name in names
    }
    return Cell(
        "f", "t", kind, ("a", "b"), np.array([1.0, 2.0]), ("x", "y", "z"), np.arange(3), False, layers
    )


@pytest.mark.parametrize(
    ("kind", "names", "headline", "companion"),
    [
        ("generation", ("target_logprob", "exact_match", "cross_entropy"), "exact_match", "cross_entropy"),
        ("generation", ("exact_match", "target_logprob"), "exact_match", "target_logprob"),
        ("generation", ("exact_match",), "exact_match", None),
        ("choice", ("margin", "multiple_choice_grade", "brier_sum"), "multiple_choice_grade", "margin"),
        ("likelihood", ("cross_entropy", "greedy_match"), "greedy_match", "cross_entropy"),
        ("likelihood", ("cross_entropy", "target_logprob"), "cross_entropy", "cross_entropy"),
        ("count", ("pass_rate",), "pass_rate", None),
    ],
)
def test_headline_and_companion_go_by_the_kind(kind, names, headline, companion):
    found = choose(cell(kind, *names), Settings())
    assert (found.headline, found.companion, found.why_not) == (headline, companion, None)


def test_a_companion_that_every_model_has_comes_before_one_that_some_lack():
    names = ("exact_match", "cross_entropy", "target_logprob")
    assert choose(cell("generation", *names), Settings()).companion == "cross_entropy"
    some = cell("generation", *names, lacking=("cross_entropy",))
    assert choose(some, Settings()).companion == "target_logprob"
    all_lack = cell("generation", *names, lacking=("cross_entropy", "target_logprob"))
    assert choose(all_lack, Settings()).companion == "cross_entropy"


def test_metrics_that_are_named_are_taken_or_missed():
    here = cell("generation", "exact_match", "cross_entropy", "token_edit_distance")
    named = Settings(headline="token_edit_distance", companion="cross_entropy")
    assert (choose(here, named).headline, choose(here, named).companion) == (
        "token_edit_distance",
        "cross_entropy",
    )
    other = choose(here, Settings(companion="margin"))
    assert other.companion == "cross_entropy"
    assert other.remark == "margin cannot be computed on this task; cross_entropy is taken"
    same = choose(here, Settings(companion="exact_match"))
    assert same.remark == "exact_match is no continuous metric; cross_entropy is taken"
    missing = choose(here, Settings(headline="margin"))
    assert missing.headline is None
    assert missing.why_not == "margin cannot be computed on this task"
    assert "none of exact_match" in choose(cell("generation", "margin"), Settings()).why_not


def test_an_aggregate_metric_cannot_be_judged():
    here = cell("choice", "multiple_choice_grade", "margin", "ece")
    assert "cannot be judged" in choose(here, Settings(headline="ece")).why_not


CARDS = {
    name: aggregate_card(name, values)
    for name, values in (("acc", [0.1, 0.9]), ("other_accuracy", [0.1, 0.9]), ("test_loss", [2.0, 1.0]))
}


def test_of_aggregates_the_known_share_and_the_loss_are_taken():
    found = choose_reported(CARDS, Settings())
    assert (found.headline, found.companion) == ("acc", "test_loss")
    without = {name: card for name, card in CARDS.items() if name != "acc"}
    assert choose_reported(without, Settings()).headline == "other_accuracy"
    assert choose_reported({"acc": CARDS["acc"]}, Settings()).companion is None
    only = choose_reported({"test_loss": CARDS["test_loss"]}, Settings())
    assert (only.headline, only.companion) == ("test_loss", "test_loss")


def test_aggregates_that_are_named_are_taken_or_missed():
    named = choose_reported(CARDS, Settings(headline="other_accuracy", companion="acc"))
    assert (named.headline, named.companion) == ("other_accuracy", "test_loss")
    assert named.remark == "acc is no continuous metric; test_loss is taken"
    assert choose_reported(CARDS, Settings(companion="bleu")).companion == "test_loss"
    missing = choose_reported(CARDS, Settings(headline="bleu"))
    assert missing.headline is None
    assert "bleu is not among the aggregates: acc, other_accuracy, test_loss" in missing.why_not


@pytest.mark.parametrize(
    ("name", "able"),
    [
        ("reconstruction_error", True),
        ("mean_squared_error", True),
        ("mean absolute error", True),
        ("val_mse", True),
        ("word_error_rate", False),
        ("error", False),
        ("reconstruction", False),
        ("squared_accuracy", False),
    ],
)
def test_an_error_accompanies_where_its_name_says_that_it_is_a_distance(name, able):
    card = recorded_metric(name, [0.2, 0.31, 0.7]).card
    assert can_accompany(card) is able
    cut = threshold(recorded_metric(name, [0.2, 0.31, 0.7]), 0.3)
    assert not can_accompany(cut.card)


def test_a_share_is_no_loss_even_if_lower_is_better():
    error = dataclasses.replace(CARDS["acc"], name="error", higher_is_better=False)
    assert choose_reported({"acc": CARDS["acc"], "error": error}, Settings()).companion is None
