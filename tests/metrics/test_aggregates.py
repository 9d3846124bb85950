"""Expected calibration error and macro F1: hand values, definitions written out, bootstrap weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.metrics import metric

LOGS = st.lists(st.integers(-80, 0).map(lambda tenths: tenths / 10), min_size=2, max_size=5, unique=True)
ITEM = LOGS.flatmap(lambda logs: st.tuples(st.just(logs), st.integers(0, len(logs) - 1)))


def value(name, frame):
    one = metric(name)
    return float(one.combine(one.components(frame).mean(axis=0), frame.height))


def plain_ece(items):
    bins = {}
    for values, answer in items:
        p = np.exp(values) / np.exp(values).sum()
        which = next((j for j in range(15) if p.max() < (j + 1) / 15), 14)
        bins.setdefault(which, []).append((float(np.argmax(p) == answer), p.max()))
    n = len(items)
    return sum(
        len(b) / n * abs(np.mean([x[0] for x in b]) - np.mean([x[1] for x in b])) for b in bins.values()
    )


def plain_macro_f1(truth, predicted):
    scores = []
    for label in sorted(set(truth) | set(predicted)):
        hits = sum(t == p == label for t, p in zip(truth, predicted, strict=True))
        scores.append(2 * hits / (truth.count(label) + predicted.count(label)))
    return np.mean(scores)


def test_ece_of_big_bench_s_unit_test(choice):
    frame = choice([-0.1, -0.5, -3, -9], [-0.1, -0.5, -3, -9])
    assert value("ece", frame) == pytest.approx(0.4204510049762008)


def test_ece_of_the_certain_and_right_is_zero_and_of_the_certain_and_wrong_is_one(choice):
    assert value("ece", choice([0.0, -math.inf], [-math.inf, 0.0], answers=[0, 1])) == 0
    assert value("ece", choice([0.0, -math.inf], [-math.inf, 0.0], answers=[1, 0])) == 1


def test_ece_shares_ties(choice):
    # Confidence 1/2 and half a success on each item: perfectly calibrated.
    assert value("ece", choice([-1, -1], [-1, -1], answers=[0, 1])) == pytest.approx(0)


def test_bins_do_not_cancel_each_other(choice):
    # Right at confidence 0.6 (gap 0.4) and wrong at 0.9 (gap 0.9), in two bins.
    frame = choice([math.log(0.6), math.log(0.4)], [math.log(0.9), math.log(0.1)], answers=[0, 1])
    assert value("ece", frame) == pytest.approx((0.4 + 0.9) / 2)


def test_an_edge_belongs_to_the_bin_above(choice):
    # Confidence 1/3 = 5/15, wrong; and 0.3, in the bin below, right.
    third = [-1.0, -1.0, -1.0, -math.inf]
    frame = choice(third, [math.log(p) for p in (0.3, 0.25, 0.25, 0.2)], answers=[3, 0])
    assert value("ece", frame) == pytest.approx((1 / 3 + 0.7) / 2)


@given(st.lists(ITEM, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_both_against_plain_loops(choice, items):
    frame = choice(*[i[0] for i in items], answers=[i[1] for i in items])
    assert value("ece", frame) == pytest.approx(plain_ece(items), abs=1e-9)
    predicted = [int(np.argmax(i[0])) for i in items]
    assert value("macro_f1", frame) == pytest.approx(plain_macro_f1([i[1] for i in items], predicted))


def test_macro_f1_by_hand(choice):
    # Truth 0 0 1 2, predicted 0 1 1 1: F1 2/3, 1/2 and 0.
    picks = {0: [-1, -2, -3], 1: [-2, -1, -3]}
    frame = choice(picks[0], picks[1], picks[1], picks[1], answers=[0, 0, 1, 2])
    assert value("macro_f1", frame) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_macro_f1_leaves_out_classes_that_nobody_named(choice):
    frame = choice([-1, -2, -3], [-1, -2, -3], answers=[0, 0])
    assert value("macro_f1", frame) == 1


def test_macro_f1_shares_a_tied_prediction(choice):
    # Truth 0, half a prediction each for 0 and 1: F1 of class 0 is 1/(1 + 0 + 1/2), of class 1 is 0.
    assert value("macro_f1", choice([-1, -1])) == pytest.approx((1 / 1.5) / 2)


@pytest.mark.parametrize("name", ["ece", "macro_f1"])
def test_bootstrap_replicates_are_one_matrix_product(choice, name):
    rng = np.random.default_rng(7)
    items = rng.normal(size=(40, 4)) - 5
    frame = choice(*items.tolist(), answers=rng.integers(0, 4, 40).tolist())
    one = metric(name)
    drawn = rng.integers(0, 40, size=(6, 40))
    weights = np.stack([np.bincount(row, minlength=40) for row in drawn]).astype(float)
    means = weights @ one.components(frame) / weights.sum(axis=1, keepdims=True)
    replicates = one.combine(means, 40)
    assert replicates.shape == (6,)
    assert replicates == pytest.approx([value(name, frame[row.tolist()]) for row in drawn])


def test_components_of_one_model_align_with_those_of_all(choice):
    one = metric("macro_f1")
    both = choice([-1, -2], [-1, -2, -3, -4], answers=[0, 3])
    joint = one.components(both)
    assert joint.shape == (2, 12)
    assert float(one.combine(joint[:1].mean(axis=0), 1)) == value("macro_f1", both[:1])
