"""Aggregates without items: counts behind rounded shares, direction, range and chance."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage.errors import TableError
from unmirage.reported import successes_of


def results(values, metric="exact_match", **more):
    return pl.DataFrame(
        [
            {
                "family": "f",
                "model": f"m{m}",
                "n_params": 10.0 ** (m + 6),
                "task": "t",
                "metric": metric,
                "value": float(value),
                **{name: one[m] if isinstance(one, list) else one for name, one in more.items()},
            }
            for m, value in enumerate(values)
        ]
    )


@pytest.mark.parametrize(
    ("value", "n", "expected"),
    [
        (0.0008, 1319, 1),
        (round(700 / 1319, 4), 1319, 700),
        (1 / 3, 1319, None),  # 439.67
        (0.25, 4, 1),
        (0.3333, 3, 1),
        (0.5, 3, None),
        (float(np.float32(700 / 1319)), 1319, 700),
        (123_456 / 500_000, 500_000, 123_456),
        (0.0, 50, 0),
        (1.0, 50, 50),
    ],
)
def test_the_count_behind_a_share(value, n, expected):
    assert successes_of(value, n) == expected


def test_every_count_is_found_again_from_its_share_with_four_digits():
    for n in (7, 100, 1319, 4000):
        for k in range(n + 1):
            assert abs(successes_of(round(k / n, 4), n) - k) <= 0.5e-4 * n + 1


def test_a_rounded_share_gets_the_exact_interval_and_its_resolution():
    a = unmirage.audit(results([0.0, 0.0008, 0.01, 0.2, 0.6], n=1319))
    exact = stats.binomtest(1, 1319).proportion_ci(0.95, method="exact")
    row = a.curves.row(1, named=True)
    assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))
    assert row["resolution"] == pytest.approx(1 - 0.05 ** (1 / 1319))
    assert [p["resolved"] for p in a.verdicts["resolution"][0]] == [False, False, True, True, True]


def test_a_mean_of_partial_scores_is_no_count():
    row = unmirage.audit(results([0.25, 0.5], "rouge_l", n=4)).curves.row(0, named=True)
    assert (row["low"], row["method"]) == (None, "none")
    assert "scores other than 0 and 1" in row["note"]


@pytest.mark.parametrize("name", ["perplexity", "val_loss", "word_error_rate", "brier_score"])
def test_errors_are_better_when_they_fall(name):
    a = unmirage.audit(results([0.9, 0.8, 0.6, 0.4, 0.2], name, stderr=0.01))
    assert a.verdicts["sharpness"][0]["linearity"] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stderr": float("inf")}, "stderr is infinite or negative"),
        ({"stderr": -0.1}, "stderr is infinite or negative"),
        ({"n": -5}, "n is below 1"),
        ({"chance": 1.5}, "chance is outside"),
        ({"metric": "accuracy", "values": [43.2, 50.0]}, "divided by 100"),
        ({"metric": "exact_match", "values": [-0.1, 0.5]}, "outside 0 to 1"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(change, words):
    with pytest.raises(TableError) as problem:
        unmirage.audit(results(**{"values": [0.1, 0.2], **change}))
    assert words in str(problem.value)
    assert "m0" in str(problem.value)


def test_not_a_number_for_a_standard_error_is_none():
    a, b = (unmirage.audit(results([0.1, 0.2], "bleu", stderr=gap)) for gap in (float("nan"), None))
    assert a.curves.equals(b.curves)


def test_an_infinite_value_is_null_with_a_reason():
    a = unmirage.audit(results([float("-inf"), -3.0, -2.0], "loglikelihood"))
    assert a.curves["mean"].to_list() == [None, -3, -2]
    assert a.curves["note"][0] == "the aggregate is infinite"
    assert "infinite for m0" in a.verdicts["reasons"][0][0]


def test_without_a_chance_level_the_verdict_says_how_to_give_it():
    rising = [0.25, 0.26, 0.3, 0.5, 0.8]
    unknown = unmirage.audit(results(rising, "acc", n=400))
    assert any("chance level of acc is not known" in reason for reason in unknown.verdicts["reasons"][0])
    assert any("--chance t=" in line for line in unknown.verdicts["would_settle"][0])
    known = unmirage.audit(results(rising, "acc", n=400), chance={"t": 0.25})
    assert [p["resolved"] for p in known.verdicts["resolution"][0]] == [False, False, False, True, True]
    level = stats.binom.isf(0.05 / 5, 400, 0.25) + 1
    assert known.curves["resolution"].to_list() == pytest.approx([level / 400] * 5)
