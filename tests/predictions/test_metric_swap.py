"""Prediction 1 on families whose truth is known, on formulas, and in the audit."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.errors import SettingsError
from unmirage.predictions import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, swap_of_means, swap_outcome
from unmirage.theory.model import PAPER, PAPER_SIZES, exact_match, token_edit_distance
from unmirage.verdict.thresholds import Thresholds

SCALES = np.geomspace(1e7, 1e10, 12)


@pytest.fixture(scope="module")
def audits():
    """Truth -> the audit of a family of it."""
    return {
        truth: unmirage.audit(unmirage.simulate(truth, n_items=600, scales=SCALES), replicates=100)
        for truth in (
            "late",
            "step",
            "power-law",
            "plateau",
            "choice-artifact",
            "choice-step",
            "format-failure",
        )
    }


@pytest.mark.parametrize(
    ("truth", "outcome", "says"),
    [
        ("late", CONFIRMED, "cross_entropy is smooth through the jump"),
        ("choice-artifact", CONFIRMED, "margin is smooth through the jump"),
        ("step", NOT_CONFIRMED, "cross_entropy breaks there too"),
        ("choice-step", NOT_CONFIRMED, "margin breaks there too"),
        ("power-law", NOT_TESTABLE, "does not jump"),
        ("plateau", NOT_TESTABLE, "is sharp by the same rule"),
        ("format-failure", NOT_TESTABLE, "token_edit_distance"),
    ],
)
def test_truths(audits, truth, outcome, says):
    (found,) = unmirage.metric_swap(audits[truth])
    assert found.outcome == outcome, found.why
    assert says in found.why
    assert found.numbers["role"].to_list()[0] == "nonlinear"


@pytest.mark.parametrize("truth", ["late", "step", "choice-step"])
def test_the_companion_has_the_test_of_the_verdict(audits, truth):
    (found,) = unmirage.metric_swap(audits[truth])
    broken = audits[truth].breaks.row(0, named=True)
    row = found.numbers.filter(metric=broken["companion"]).row(0, named=True)
    for name in ("p", "step", "step_share", "step_from", "step_to"):
        assert row[name] == broken[name]
    assert row["p_adjusted"] >= broken["p_adjusted"]
    shape = audits[truth].verdicts["sharpness"][0]
    assert found.numbers["width"][0] == pytest.approx(shape["width"])


def test_the_audit_says_the_same(audits, addition_logs):
    # The logs have several tasks, of which two have aggregates only.
    for made in (*audits.values(), unmirage.audit(addition_logs, replicates=100)):
        calls = (unmirage.metric_swap, unmirage.resolution_sweep, unmirage.length_scaling)
        told = {(one.task, one.prediction): (one.outcome, one.why) for call in calls for one in call(made)}
        rows = made.predictions.select("task", "prediction", "outcome", "why").iter_rows()
        assert {(task, name): (outcome, why) for task, name, outcome, why in rows} == told


def test_a_source_does_as_well_as_its_audit(audits):
    (mine,) = unmirage.metric_swap(unmirage.simulate("late", n_items=600, scales=SCALES), replicates=100)
    (other,) = unmirage.metric_swap(audits["late"])
    assert (mine.why, mine.outcome) == (other.why, other.outcome)
    assert mine.numbers.equals(other.numbers)


def test_metrics_of_the_user(audits):
    (found,) = unmirage.metric_swap(audits["late"], linear=["token_accuracy", "margin"])
    assert found.numbers["metric"].to_list() == ["exact_match", "token_accuracy", "margin"]
    assert "margin cannot be computed here" in found.why
    (other,) = unmirage.metric_swap(audits["late"], nonlinear="no_such_metric")
    assert other.outcome == NOT_TESTABLE
    with pytest.raises(SettingsError):
        unmirage.metric_swap(audits["late"], linear=["exact_match"])


def test_an_audit_made_otherwise_is_refused(audits):
    with pytest.raises(SettingsError, match="seed"):
        unmirage.metric_swap(audits["late"], seed=5)
    with pytest.raises(SettingsError, match="axis"):
        unmirage.metric_swap(audits["late"], axis="loss")
    assert unmirage.metric_swap(audits["late"], axis="n_params", seed=0)


def test_the_paper_s_model():
    x = np.geomspace(3.5e8, 2e11, 12)
    p = PAPER.token_probability(x)
    curves = {"token_edit_distance": token_edit_distance(p, 5), "cross_entropy": PAPER.cross_entropy(x)}
    found = swap_of_means(x, ("exact_match", exact_match(p, 5)), curves)
    assert found.outcome == CONFIRMED
    few = np.array(PAPER_SIZES)
    p = PAPER.token_probability(few)
    four = swap_of_means(few, ("exact_match", exact_match(p, 5)), {"cross_entropy": PAPER.cross_entropy(few)})
    assert four.outcome == NOT_TESTABLE
    assert "4 scales" in four.why
    assert np.isfinite(four.numbers["emergence_score"].to_numpy()).all()
    stepped = np.where(x > 8e9, 0.3, 1.0) * PAPER.cross_entropy(x)
    broken = swap_of_means(
        x,
        ("exact_match", np.exp(-5 * stepped)),
        {"cross_entropy": stepped},
        errors={"cross_entropy": stepped / 1e3},
    )
    assert broken.outcome == NOT_CONFIRMED, broken.why


def test_shapes_are_checked():
    with pytest.raises(SettingsError):
        swap_of_means([1.0, 2.0], ("exact_match", [0.1]), {})


def test_checkpoints():
    frame = unmirage.simulate("late", n_items=200, scales=SCALES)
    steps = (pl.col("n_params") / 1e6).cast(pl.Int64).cast(pl.String)
    frame = frame.with_columns(n_tokens="n_params", n_params=1e6, model="run@step" + steps)
    (found,) = unmirage.metric_swap(frame, axis="n_tokens", replicates=100)
    assert found.outcome in (CONFIRMED, NOT_TESTABLE)


def test_a_metric_that_is_zero_at_the_scales_that_are_judged_is_not_tested():
    """Of 40 scales 32 at most are judged, and the one model that is ever right is at another."""
    frame = unmirage.simulate("late", n_items=40, scales=np.geomspace(1e7, 1e10, 40), seed=1)
    wrong = {"output": pl.lit("x"), "output_tokens": pl.lit(["x"])}
    made = unmirage.audit(frame.with_columns(**wrong), replicates=100)
    judged = made.breaks["axis_values"][0].to_list()
    other = next(scale for scale in frame["n_params"].unique() if scale not in judged)
    right = pl.col("n_params") == other
    mixed = frame.with_columns(
        output=pl.when(right).then("target").otherwise(wrong["output"]),
        output_tokens=pl.when(right).then("target_tokens").otherwise(wrong["output_tokens"]),
    )
    (found,) = unmirage.metric_swap(mixed, replicates=100)
    assert found.outcome == "not testable"


def test_a_break_elsewhere_is_not_said_to_be_the_jump():
    head = SimpleNamespace(curve=SimpleNamespace(groups=lambda: range(6)))
    told = [(swap_outcome.BREAKS, "cross_entropy breaks elsewhere", np.nan)]
    outcome, why = swap_outcome._outcome(head, "exact_match looks sharp", True, ["one"], told, Thresholds())
    assert outcome == NOT_CONFIRMED
    assert "the jump does not go" not in why
