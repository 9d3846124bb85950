"""Prediction 2 on families whose truth is known, on formulas and on the paper's numbers."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.errors import SettingsError
from unmirage.predictions import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, sweep_of_counts
from unmirage.theory.model import PAPER, PAPER_SIZES, exact_match

NAMES = ("350M", "1.3B", "6.7B", "200B")
SIZES = np.array(PAPER_SIZES)
RATES = exact_match(PAPER.token_probability(PAPER_SIZES), 5)


def test_the_paper_s_model_needs_a_million_items():
    found = sweep_of_counts(NAMES, SIZES, np.rint(RATES * 1e6), 10**6)
    assert found.outcome == CONFIRMED
    begins = {row["items"]: row["model"] for row in found.numbers.filter("begins").iter_rows(named=True)}
    assert begins == {100: "6.7B", 1_000: "6.7B", 10_000: "1.3B", 1_000_000: "350M"}
    few = sweep_of_counts(NAMES, SIZES, np.rint(RATES * 1e4), 10**4)
    assert few.outcome == CONFIRMED
    assert "1 remain unresolved (350M" in few.why


def test_models_that_stay_at_zero_contradict():
    right = np.rint(RATES * 1e5)
    right[:2] = 0
    found = sweep_of_counts(NAMES, SIZES, right, 10**5, predicted=RATES)
    assert found.outcome == NOT_CONFIRMED
    assert "1 stay at zero or below (1.3B)" in found.why
    assert sweep_of_counts(NAMES, SIZES, right, 10**5).outcome == NOT_TESTABLE


def test_below_chance_contradicts():
    found = sweep_of_counts(["a", "b"], [1.0, 2.0], [2, 900], 10**5, chance=2e-4)
    assert found.outcome == NOT_CONFIRMED
    assert "guessing" in found.why


def test_nothing_hidden_and_nothing_smaller():
    assert "nothing is hidden" in sweep_of_counts(["a", "b"], [1.0, 2.0], [400, 600], 1000).why
    assert "no more than the smallest size" in sweep_of_counts(["a", "b"], [1.0, 2.0], [1, 2], 50).why


def test_replicates_share_a_scale():
    found = sweep_of_counts(["a-0", "a-1", "a-2", "b"], [1.0, 1.0, 1.0, 2.0], [0, 9, 12, 900], 1000)
    assert found.outcome == CONFIRMED
    assert "a-0 (3 models)" in found.why
    assert "7 of 1,000 right" in found.why
    assert found.numbers.filter("begins")["model"].to_list()[-3:] == ["a-0", "a-1", "a-2"]


def test_a_family_with_items(paper):
    frame = paper(np.geomspace(1e8, 1e11, 6), items={5: 3000})
    (found,) = unmirage.resolution_sweep(frame, replicates=100)
    assert found.outcome == CONFIRMED
    whole = found.numbers.filter(items=3000)
    truth = frame.group_by("model").agg(right=(pl.col("target") == pl.col("output")).sum())
    joined = whole.join(truth, on="model")
    assert (joined["expected"] == joined["right"]).all()
    assert (whole["predicted"] - whole["expected"] / 3000).abs().max() < 0.03


def test_outputs_that_fail_for_another_reason_contradict(paper):
    frame = paper(np.geomspace(3e9, 1e11, 6), items={3: 1000})
    small = pl.col("n_params") < 2e10
    # The last two positions are as often right as before, the first where another is wrong.
    broken = frame.with_columns(
        output=pl.when(small & (pl.col("output") == pl.col("target")))
        .then("x" + pl.col("output").str.slice(1))
        .otherwise("output")
    ).drop("output_tokens", "target_tokens", "target_logprobs")
    (found,) = unmirage.resolution_sweep(broken, replicates=100)
    assert found.outcome == NOT_CONFIRMED
    assert "the matches of each position" in found.why


@pytest.mark.parametrize("truth", ["choice-artifact"])
def test_choices_that_stay_at_chance_contradict(truth):
    frame = unmirage.simulate(truth, n_items=1000, scales=np.geomspace(1e7, 1e10, 8))
    (found,) = unmirage.resolution_sweep(frame, replicates=100)
    assert found.outcome == NOT_CONFIRMED
    assert "the mean probability of the right choice" in found.why


def test_one_scale_in_the_middle_of_a_step_is_too_few():
    """Six scales at zero, one that gets 2% right, one that can do it: nothing is said of the small ones."""
    right = [0] * 6 + [100, 4500]
    given = {"models": list("abcdefgh"), "axis_values": np.geomspace(1e7, 1e10, 8), "n": 5000}
    step = sweep_of_counts(successes=right, **given)
    assert step.outcome == NOT_TESTABLE
    assert "1 of 7 that so many items could show" in step.why
    # A rate of one in a million is beyond 5,000 items: there that one scale is all that could be shown.
    beyond = sweep_of_counts(successes=right, predicted=[1e-6] * 6 + [0.02, 0.9], **given)
    assert beyond.outcome == CONFIRMED
    smooth = sweep_of_counts(successes=[0, 0, 0, 0, 10, 20, 45, 4500], **given)
    assert smooth.outcome == NOT_TESTABLE
    assert sweep_of_counts(successes=[0, 0, 0, 8, 10, 20, 45, 4500], **given).outcome == CONFIRMED


def test_what_cannot_be_drawn_from(paper):
    frame = paper([1e9, 1e10], items={2: 200})
    clustered = frame.with_columns(cluster=pl.col("item_id").str.slice(0, 3))
    (found,) = unmirage.resolution_sweep(clustered, replicates=100)
    assert (found.outcome, found.numbers.height) == (NOT_TESTABLE, 0)
    (other,) = unmirage.resolution_sweep(frame, metric="cross_entropy", replicates=100)
    assert "no share of right answers" in other.why


def test_bad_input_is_refused(paper):
    with pytest.raises(SettingsError):
        sweep_of_counts(["a"], [1.0, 2.0], [1, 2], 10)
    with pytest.raises(SettingsError):
        unmirage.resolution_sweep(paper([1e9, 1e10], items={2: 30}), sizes=[0], replicates=100)
