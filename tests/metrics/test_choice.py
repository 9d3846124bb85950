"""Choice metrics against SciPy, BIG-bench's numbers, hand values and invariances."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.metrics import metric, missing_inputs, names

INF = math.inf
LOGS = st.lists(st.floats(-30, 0), min_size=2, max_size=6)
ITEM = LOGS.flatmap(lambda logs: st.tuples(st.just(logs), st.integers(0, len(logs) - 1)))
RENORMALISED = (
    "choice_prob",
    "choice_logprob",
    "brier_one_sided",
    "brier_sum",
    "brier_mean",
    "entropy",
)
ANY = (*RENORMALISED, "multiple_choice_grade", "margin", "reciprocal_rank", "vocab_logprob", "vocab_prob")


def item_scores(name, frame):
    return metric(name).components(frame)[:, 0].tolist()


def logs(*probabilities):
    return [math.log(p) for p in probabilities]


def test_brier_scores_of_a_known_forecast(choice):
    frame = choice(logs(0.7, 0.2, 0.1))
    assert item_scores("brier_sum", frame) == pytest.approx([0.14])
    assert item_scores("brier_mean", frame) == pytest.approx([0.14 / 3])
    assert item_scores("brier_one_sided", frame) == pytest.approx([0.09])


def test_big_bench_s_own_unit_test(choice):
    frame = choice([-0.1, -0.5, -3, -9])
    assert item_scores("choice_prob", frame) == pytest.approx([0.579549], abs=1e-6)
    assert item_scores("brier_mean", frame) == pytest.approx([0.08217880533576256])
    assert item_scores("brier_sum", frame) == pytest.approx([0.3287152], abs=1e-7)


@given(st.floats(-30, 0), st.floats(-30, 0))
@settings(max_examples=50, deadline=None)
def test_with_two_choices_the_brier_scores_are_multiples(choice, a, b):
    frame = choice([a, b])
    one = item_scores("brier_one_sided", frame)[0]
    assert item_scores("brier_mean", frame)[0] == pytest.approx(one, abs=1e-12)
    assert item_scores("brier_sum", frame)[0] == pytest.approx(2 * one, abs=1e-12)


@given(st.lists(ITEM, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_all_metrics_against_scipy_row_by_row(choice, items):
    frame = choice(*[i[0] for i in items], answers=[i[1] for i in items])
    expected = {name: [] for name in ANY}
    for values, answer in items:
        v = np.array(values)
        p, truth = scipy.special.softmax(v), np.eye(len(v))[answer]
        others = np.delete(v, answer)
        top = v == v.max()
        expected["choice_prob"].append(p[answer])
        expected["choice_logprob"].append(scipy.special.log_softmax(v)[answer])
        expected["vocab_logprob"].append(v[answer])
        expected["vocab_prob"].append(math.exp(v[answer]))
        expected["margin"].append(v[answer] - scipy.special.logsumexp(others, b=1 / len(others)))
        expected["brier_one_sided"].append((1 - p[answer]) ** 2)
        expected["brier_sum"].append(((p - truth) ** 2).sum())
        expected["brier_mean"].append(((p - truth) ** 2).mean())
        expected["entropy"].append(scipy.stats.entropy(p))
        expected["reciprocal_rank"].append(1 / scipy.stats.rankdata(-v, method="average")[answer])
        expected["multiple_choice_grade"].append(top[answer] / top.sum())
    for name in ANY:
        assert item_scores(name, frame) == pytest.approx(expected[name], abs=1e-9), name


@given(ITEM, st.floats(-50, 50))
@settings(max_examples=50, deadline=None)
def test_a_shift_of_all_logprobs_changes_nothing_that_is_renormalised(choice, item, shift):
    values, answer = item
    plain = choice(values, answers=[answer])
    moved = choice([v + shift for v in values], answers=[answer])
    for name in (*RENORMALISED, "margin"):
        assert item_scores(name, moved) == pytest.approx(item_scores(name, plain), abs=1e-9), name


@given(ITEM, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_order_of_choices_does_not_matter(choice, item, random):
    values, answer = item
    order = list(range(len(values)))
    random.shuffle(order)
    plain = choice(values, answers=[answer])
    mixed = choice([values[i] for i in order], answers=[order.index(answer)])
    for name in ANY:
        assert item_scores(name, mixed) == pytest.approx(item_scores(name, plain), abs=1e-9), name


def test_ties_share(choice):
    frame = choice([-1, -1, -2], [-1, -1, -1, -1], [-2, -1, -1], [-1, -2, -2], answers=[0, 3, 0, 0])
    assert item_scores("multiple_choice_grade", frame) == [1 / 2, 1 / 4, 0, 1]
    assert item_scores("reciprocal_rank", frame) == pytest.approx([1 / 1.5, 1 / 2.5, 1 / 3, 1])


def test_minus_infinity_is_probability_zero(choice):
    frame = choice([-INF, -1], [-1, -INF], [-INF, -1, -INF])
    assert item_scores("choice_prob", frame) == [0, 1, 0]
    assert item_scores("choice_logprob", frame) == [-INF, 0, -INF]
    assert item_scores("vocab_logprob", frame) == [-INF, -1, -INF]
    assert item_scores("vocab_prob", frame) == pytest.approx([0, math.exp(-1), 0])
    assert item_scores("margin", frame) == [-INF, INF, -INF]
    assert item_scores("brier_sum", frame) == [2, 0, 2]
    assert item_scores("brier_one_sided", frame) == [1, 0, 1]
    assert item_scores("entropy", frame) == [0, 0, 0]
    assert item_scores("multiple_choice_grade", frame) == [0, 1, 0]
    assert item_scores("reciprocal_rank", frame) == [1 / 2, 1, 1 / 2.5]


def test_very_small_probabilities_do_not_underflow(choice):
    frame = choice([-2000.0, -2001.0])
    assert item_scores("choice_prob", frame) == pytest.approx([1 / (1 + math.exp(-1))])
    assert item_scores("margin", frame) == pytest.approx([1])


def test_acc_norm_divides_by_length(rows):
    cells = [
        {"choice_logprobs": [-6.0, -5.0], "choice_lengths": [3, 2], "answer": 0, "length_unit": "characters"},
        {"choice_logprobs": [-6.0, -5.0], "choice_lengths": [2, 2], "answer": 0, "length_unit": "characters"},
        {"choice_logprobs": [-6.0, -4.0], "choice_lengths": [3, 2], "answer": 0, "length_unit": "characters"},
        {"choice_logprobs": [-6.0, -INF], "choice_lengths": [3, 2], "answer": 0, "length_unit": "characters"},
    ]
    frame = rows("choice", cells)
    assert item_scores("acc_norm", frame) == [1, 0, 1 / 2, 1]
    assert item_scores("multiple_choice_grade", frame) == [0, 0, 0, 1]


def test_acc_norm_refuses_what_it_cannot_divide(rows):
    cell = {"choice_logprobs": [-6.0, -5.0], "answer": 0, "length_unit": "bytes"}

    def reason(*cells):
        return missing_inputs("acc_norm", rows("choice", [{**cell, **other} for other in cells]))

    good = {"choice_lengths": [1, 2]}
    assert reason(good) is None
    assert reason(good, {}) == "needs choice_lengths, which is missing on 1 of 2 rows"
    assert "as many choice_lengths" in reason(good, {"choice_lengths": [1]})
    assert "choice_lengths of at least 1" in reason(good, {"choice_lengths": [1, 0]})
    mixed = reason(good, {"choice_lengths": [1, 2], "length_unit": "characters"})
    assert mixed == "needs one length_unit a task; has bytes, characters"


def test_an_answer_outside_the_choices_is_refused(choice):
    frame = choice([-1, -2], [-1, -2], [-1, -2], answers=[2, -1, 1])
    expected = "needs an answer that is the index of a choice; not so on 2 of 3 rows"
    assert missing_inputs("multiple_choice_grade", frame) == expected
    assert missing_inputs("entropy", frame) is None
    assert "at least two choices" in missing_inputs("margin", choice([-1]))


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("multiple_choice_grade", lambda k: 1 / k),
        ("acc_norm", lambda k: 1 / k),
        ("choice_prob", lambda k: 1 / k),
        ("choice_logprob", lambda k: -math.log(k)),
        ("brier_sum", lambda k: (k - 1) / k),
        ("brier_mean", lambda k: (k - 1) / k**2),
        ("brier_one_sided", lambda k: (1 - 1 / k) ** 2),
        ("reciprocal_rank", lambda k: sum(1 / j for j in range(1, k + 1)) / k),
    ],
)
def test_chance_follows_the_number_of_choices_of_each_row(choice, name, level):
    frame = choice([-1] * 2, [-1] * 5, [-1] * 4)
    assert metric(name).chance(frame) == pytest.approx([level(2), level(5), level(4)])


@pytest.mark.parametrize("name", ["multiple_choice_grade", "brier_sum", "reciprocal_rank"])
def test_chance_is_unknown_without_choices(rows, name):
    frame = rows("score", [{}, {"choice_logprobs": [-1.0, -2.0]}])
    chance = metric(name).chance(frame)
    assert math.isnan(chance[0])
    assert chance[1] > 0


@pytest.mark.parametrize(
    "name",
    ["multiple_choice_grade", "choice_prob", "choice_logprob", "brier_sum", "brier_mean", "brier_one_sided"],
)
def test_a_uniform_forecast_scores_chance(choice, name):
    frame = choice([-3.0] * 2, [-3.0] * 5, answers=[1, 2])
    assert item_scores(name, frame) == pytest.approx(metric(name).chance(frame))


def test_random_orders_score_the_chance_of_the_reciprocal_rank(choice):
    values = [-1.0, -2.0, -3.0, -4.0]
    frame = choice(*[values] * 4, answers=[0, 1, 2, 3])
    mean = np.mean(item_scores("reciprocal_rank", frame))
    assert mean == pytest.approx(metric("reciprocal_rank").chance(frame)[0])


def test_only_these_have_a_chance_level():
    with_chance = {name for name in names() if metric(name).chance is not None}
    assert with_chance == {
        *("exact_match", "exact_match_normalised", "greedy_match", "pass_rate"),
        *("multiple_choice_grade", "acc_norm", "choice_prob", "choice_logprob"),
        *("brier_one_sided", "brier_sum", "brier_mean", "reciprocal_rank"),
    }
    assert with_chance == {name for name in names() if metric(name).card.chance_note != "none"}
