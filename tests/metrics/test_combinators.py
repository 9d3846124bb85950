"""threshold, all_of and any_of against counting by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.errors import MetricError
from unmirage.metrics import metric, missing_inputs


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def value(name, frame):
    one = metric(name)
    return float(one.combine(one.components(frame).mean(axis=0), frame.height))


def matches(generated, flags):
    return generated(*[("1", "1" if flag else "2") for flag in flags])


def test_threshold_is_strict_and_follows_the_direction(generated, choice):
    frame = generated(("123", "123"), ("123", "12"), ("123", "1"))
    assert item_scores("threshold(token_edit_distance,1)", frame) == [1, 0, 0]
    assert item_scores("threshold(token_edit_distance,1.5)", frame) == [1, 1, 0]
    two = choice([-1, -1], [-1, -2], [-2, -1])
    assert item_scores("threshold(choice_prob,0.5)", two) == [0, 1, 0]


def test_reconstruction_of_a_squared_error(choice):
    frame = choice([math.log(0.9), math.log(0.1)], [math.log(0.6), math.log(0.4)])
    assert item_scores("threshold(brier_one_sided, 0.1)", frame) == [1, 0]


def test_edit_distance_below_one_is_exact_match(generated):
    frame = generated(("123", "123"), ("123", "321"), ("", ""), ("1", ""))
    assert item_scores("threshold(token_edit_distance,1)", frame) == item_scores("exact_match", frame)


@given(st.lists(st.booleans(), min_size=3, max_size=7), st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_all_of_and_any_of_are_shares_of_all_subsets(generated, flags, k):
    frame = matches(generated, flags)
    subsets = list(itertools.combinations(flags, k))
    assert value(f"all_of(exact_match,{k})", frame) == pytest.approx(np.mean([all(s) for s in subsets]))
    assert value(f"any_of(exact_match,{k})", frame) == pytest.approx(np.mean([any(s) for s in subsets]))


def test_all_of_is_unbiased_for_the_power(generated):
    # Two items, success 0.3 each: the four outcomes weighted by their probabilities give 0.3 squared.
    total = 0.0
    for flags in itertools.product([True, False], repeat=2):
        weight = math.prod(0.3 if flag else 0.7 for flag in flags)
        total += weight * value("all_of(exact_match,2)", matches(generated, flags))
    assert total == pytest.approx(0.09)


def test_weights_give_replicates(generated):
    frame = matches(generated, [True, True, False, True])
    one = metric("all_of(exact_match,2)")
    weights = np.array([[1, 1, 1, 1], [2, 2, 0, 0], [0, 0, 3, 1]], dtype=float)
    means = weights @ one.components(frame) / weights.sum(axis=1, keepdims=True)
    assert one.combine(means, 4) == pytest.approx([3 * 2 / 12, 1, 0])


def test_shared_ties_enter_through_their_sum(choice):
    frame = choice([-1, -1], [-1, -1], [-1, -2], [-2, -1])
    assert value("all_of(multiple_choice_grade,2)", frame) == pytest.approx(2 * 1 / (4 * 3))


def test_fewer_items_than_asked_for(generated):
    frame = matches(generated, [True, True])
    assert missing_inputs("all_of(exact_match,3)", frame) == "needs at least 3 items a model; the fewest is 2"
    assert missing_inputs("all_of(exact_match,2)", frame) is None
    assert math.isnan(value("all_of(exact_match,3)", frame))
    assert math.isnan(value("any_of(exact_match,3)", frame))


def test_chance(generated, choice):
    frame = choice([-1, -2], [-1, -2])
    assert metric("all_of(multiple_choice_grade,3)").chance(frame) == pytest.approx([1 / 8, 1 / 8])
    assert metric("any_of(multiple_choice_grade,2)").chance(frame) == pytest.approx([3 / 4, 3 / 4])
    assert metric("all_of(exact_match,3)").chance(matches(generated, [True])).tolist() == [0]
    assert metric("all_of(threshold(choice_prob,0.5),3)").chance is None


def test_cards_say_what_a_combination_is():
    sharp = metric("threshold(token_edit_distance,1)").card
    assert (sharp.binary, sharp.continuous, sharp.linear, sharp.higher_is_better) == (
        True,
        False,
        False,
        True,
    )
    assert sharp.inputs == ("target_tokens", "output_tokens")
    assert (sharp.low, sharp.high, sharp.unit) == (0, 1, "")
    subset = metric("all_of(exact_match,5)")
    assert subset.combine is not None
    assert not subset.card.binary
    assert metric("threshold(bleu,0.5)").card.extra == "text"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("threshold(ece,0.1)", "aggregate"),
        ("threshold(exact_match,0.5)", "0 or 1 already"),
        ("threshold(cross_entropy,nan)", "finite"),
        ("threshold(cross_entropy,inf)", "finite"),
        ("threshold(cross_entropy,much)", "not a number"),
        ("all_of(token_edit_distance,3)", "0 or 1 on an item"),
        ("all_of(all_of(exact_match,2),2)", "aggregate"),
        ("all_of(exact_match,0)", "at least 1"),
        ("all_of(exact_match,2.5)", "not a whole number"),
        ("any_of(exact_match,-1)", "not a whole number"),
    ],
)
def test_senseless_combinations_are_refused(expression, message):
    with pytest.raises(MetricError, match=message):
        metric(expression)
