"""Steps 3 and 6 to 9 of the tree: every branch, with evidence that differs in one thing."""

import dataclasses

import numpy as np
import pytest

from unmirage.verdict.curve import by_scale
from unmirage.verdict.decide import decide
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.sharpness import sharpness
from unmirage.verdict.thresholds import Thresholds
from unmirage.verdict.weighing import breaks, robust, weigh

LIMITS = Thresholds()


def with_test(evidence, *failing, **changes):
    """The evidence with fields of its test changed, and the gates of these names failed."""
    gates = tuple(
        dataclasses.replace(gate, passed=False) if gate.name in failing else gate
        for gate in evidence.test.gates
    )
    return dataclasses.replace(evidence, test=dataclasses.replace(evidence.test, gates=gates, **changes))


def linked(evidence, **changes):
    return dataclasses.replace(evidence, link=dataclasses.replace(evidence.link, **changes))


def with_power(monkeypatch, value):
    """Every step is found with this power; more scales or models add a tenth each."""
    monkeypatch.setattr(
        Evidence, "power", lambda self, window, share, more=0, models=1: value + 0.1 * (more + models - 1)
    )


def weighed(curve, evidence):
    scales, means, _ = by_scale(curve)
    return weigh(curve, sharpness(scales, means), evidence, "so sharp", LIMITS)


def test_a_smooth_companion_that_predicts_the_jump_makes_it_an_artifact(late):
    curve, evidence = late
    verdict = weighed(curve, evidence)
    assert verdict.verdict == "metric-artifact"
    assert verdict.would_settle == []
    assert verdict.reasons[0].startswith("exact_match looks sharp, but cross_entropy moves smoothly")
    assert f"p = {evidence.test.p:.2g}" in verdict.reasons[0]
    assert f"R² {evidence.link.r2_held_out:.2f} at scales left out" in verdict.reasons[0]
    assert f"{evidence.link.r2_smooth:.2f} from the smooth curve" in verdict.reasons[0]
    scales, means, _ = by_scale(curve)
    shape = sharpness(scales, means)
    seen = evidence.power((shape.t10, shape.t90), LIMITS.step_share)
    assert "had 75% of the change of cross_entropy in the jump come at once" in verdict.reasons[1]
    assert f"({seen:.0%} power)" in verdict.reasons[1]
    assert f"less than {evidence.test.w_min:.2g} decades" in verdict.reasons[1]
    assert verdict.reasons[2] == "so sharp"
    assert decide(curve, LIMITS, evidence).verdict == "metric-artifact"


def test_a_break_is_robust_whatever_else(stepped):
    curve, evidence = stepped
    assert breaks(evidence)
    verdict = decide(curve, LIMITS, evidence)
    test = evidence.test
    assert verdict.verdict == "robust-break"
    assert "cross_entropy itself breaks between simulated-193M and simulated-518M" in verdict.reasons[0]
    assert f"a step of {test.step:.3g}, {test.step_share:.0%} of its range" in verdict.reasons[0]
    assert f"models scatter by {test.sigma:.1%}" in verdict.reasons[1]
    assert evidence.sources in verdict.reasons[1]
    assert verdict.reasons[2].startswith("so the metric did not make this jump in exact_match")
    assert decide(curve, LIMITS, linked(evidence, r2_held_out=0.1)).verdict == "robust-break"


def test_every_gate_and_the_adjusted_p_are_needed(stepped):
    _, evidence = stepped
    assert breaks(dataclasses.replace(evidence, p_adjusted=0.03))
    assert not breaks(dataclasses.replace(evidence, p_adjusted=0.0301))
    for gate in ("p", "step", "rise", "bump"):
        assert not breaks(with_test(evidence, gate))


def test_a_companion_that_gets_worse_settles_nothing(late):
    curve, evidence = late
    y = evidence.y.copy()
    y[3:] += y[2] + 0.1 - y[3]
    worse = dataclasses.replace(evidence, y=y)
    for sigma, models in ((0.001, 2), (0.1, 8), (0.15, 18)):  # 2 (2 sigma / 0.1)^2, two at least
        verdict = weighed(curve, with_test(worse, monotone=False, p=0.001, sigma=sigma))
        assert verdict.verdict == "cannot-tell"
        assert "cross_entropy gets worse on the way" in verdict.reasons[0]
        assert verdict.would_settle[0].startswith(
            f"{models} models (seeds or checkpoints) each at {evidence.names[2]} and at {evidence.names[3]}"
        )
        assert "by 10.5%" in verdict.would_settle[0]


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("step", "the step is small"),
        ("bump", "a bump that recovers explains it as well"),
    ],
)
def test_a_break_that_fails_a_gate_may_be_one(stepped, monkeypatch, gate, words):
    with_power(monkeypatch, 0.65)
    curve, evidence = stepped
    verdict = weighed(curve, with_test(evidence, gate, p=0.01))
    assert verdict.verdict == "cannot-tell"
    assert (
        "cross_entropy may break, between simulated-193M and simulated-518M (p = 0.01" in verdict.reasons[0]
    )
    assert verdict.reasons[0].endswith(f": {words}")
    assert verdict.would_settle[0].startswith("2 more scales between")
    assert "85% power" in verdict.would_settle[0]


def test_a_break_that_is_lost_by_adjustment_may_be_one(stepped, monkeypatch):
    with_power(monkeypatch, 0.9)
    curve, evidence = stepped
    verdict = weighed(curve, dataclasses.replace(evidence, p_adjusted=0.2))
    assert verdict.verdict == "cannot-tell"
    assert (
        f"(p = {evidence.test.p:.2g}, 0.2 adjusted): not after adjustment over all tasks"
        in verdict.reasons[0]
    )


@pytest.mark.parametrize("change", [{"r2_held_out": 0.89}, {"r2_held_out": np.nan}])
def test_a_link_that_does_not_predict_settles_nothing(late, change):
    curve, evidence = late
    off = evidence.link.held_out.copy()
    off[6] = 0.123
    verdict = weighed(curve, linked(evidence, held_out=off, **change))
    assert verdict.verdict == "cannot-tell"
    words = verdict.reasons[0]
    assert "cross_entropy does not predict it: at simulated-3.73B" in words
    assert f"it is {evidence.link.observed[6]:.3g} where the link of the other scales says 0.123" in words
    assert "a look at the outputs of simulated-3.73B" in verdict.would_settle[0]


def test_a_smooth_curve_that_does_not_predict_is_named_as_such(late):
    curve, evidence = late
    off = evidence.link.smooth.copy()
    off[4] = 0.9
    verdict = weighed(curve, linked(evidence, smooth=off, r2_smooth=0.84))
    assert verdict.verdict == "cannot-tell"
    assert "where the smooth curve says 0.9" in verdict.reasons[0]


@pytest.mark.parametrize(("slope", "error"), [(0.4, 0.01), (1.0, 0.4), (np.nan, np.nan)])
def test_a_score_that_does_not_tell_items_apart_settles_nothing(late, slope, error):
    curve, evidence = late
    verdict = weighed(curve, linked(evidence, slope=slope, slope_error=error))
    assert verdict.verdict == "cannot-tell"
    assert "within a scale cross_entropy does not surely tell right answers" in verdict.reasons[0]


def test_without_the_smooth_check_the_held_out_one_is_enough(late):
    curve, evidence = late
    verdict = weighed(curve, linked(evidence, r2_smooth=np.nan))
    assert verdict.verdict == "metric-artifact"
    assert "from the smooth curve" not in verdict.reasons[0]


def test_a_companion_that_is_not_there_in_the_jump_settles_nothing(late):
    curve, evidence = late
    keep = np.array([0, 1, 2, 3, 4, 7])
    thinner = dataclasses.replace(
        evidence,
        scales=evidence.scales[keep],
        y=evidence.y[keep],
        names=tuple(evidence.names[k] for k in keep),
    )
    verdict = weighed(curve, thinner)
    assert verdict.verdict == "cannot-tell"
    assert (
        "cross_entropy is not there where it jumps, at simulated-1.39B, simulated-3.73B" in verdict.reasons[0]
    )


def test_a_companion_that_leaps_at_the_last_scale_settles_nothing(late):
    curve, evidence = late
    leaping = evidence.y.copy()
    leaping[-1] -= 1
    verdict = weighed(curve, dataclasses.replace(evidence, y=leaping))
    assert verdict.verdict == "cannot-tell"
    assert "leaps at the edge of the scales" in verdict.reasons[0]
    assert verdict.would_settle == ["two or more scales above simulated-10B"]


def test_a_break_that_is_not_where_the_headline_jumps_is_none_of_it(stepped):
    curve, evidence = stepped
    scales, means, _ = by_scale(curve)
    shape = sharpness(scales, means)
    here = robust(curve, shape, evidence)
    assert here.verdict == "robust-break"
    elsewhere = robust(curve, dataclasses.replace(shape, t10=0.9, t90=0.98), evidence)
    assert elsewhere.verdict == "cannot-tell"
    assert "rises elsewhere, between" in elsewhere.reasons[0]


def test_the_limits_of_the_link_themselves_pass(late):
    curve, evidence = late
    assert weighed(curve, linked(evidence, r2_held_out=0.9, r2_smooth=0.85)).verdict == "metric-artifact"


def test_counts_that_contradict_the_link_name_their_scale(late):
    curve, evidence = late
    p = np.ones(8)
    p[4] = 0.01 / 8 * 0.99
    verdict = weighed(curve, linked(evidence, p_count=p))
    assert verdict.verdict == "cannot-tell"
    assert "at simulated-518M" in verdict.reasons[0]
    p[4] = 0.01 / 8 * 1.01
    assert weighed(curve, linked(evidence, p_count=p)).verdict == "metric-artifact"


def test_without_a_link_that_is_said(late):
    curve, evidence = late
    verdict = weighed(curve, dataclasses.replace(evidence, link=None, why_no_link="aggregates have no items"))
    assert verdict.verdict == "cannot-tell"
    assert (
        "whether cross_entropy predicts it cannot be tested: aggregates have no items" in verdict.reasons[0]
    )


def test_a_companion_that_is_late_itself_may_have_a_kink(late):
    curve, evidence = late
    smooth = evidence.test.smooth[0] - np.array([0, 0, 0, 0.05, 0.1, 0.5, 1.0, 1.5])
    bent = with_test(evidence, smooth=smooth)
    verdict = weighed(curve, bent)
    assert verdict.verdict == "cannot-tell"
    scales, means, _ = by_scale(curve)
    early = bent.early_slope(sharpness(scales, means).t10)
    assert early < 0.5
    assert "cross_entropy is late too" in verdict.reasons[0]
    assert f"moves at {early:.0%} of its mean speed (50% or more" in verdict.reasons[0]
    # The corner is at the fifth scale.
    assert "between simulated-193M and simulated-1.39B" in verdict.would_settle[0]


def test_without_power_no_artifact(late, monkeypatch):
    with_power(monkeypatch, 0.75)
    curve, evidence = late
    verdict = weighed(curve, evidence)
    assert verdict.verdict == "cannot-tell"
    assert "a step in cross_entropy would have been missed: 75% power, 80% is asked for" in verdict.reasons[0]
    assert "2 more scales" in verdict.would_settle[0]
    with_power(monkeypatch, 0.8)
    assert weighed(curve, evidence).verdict == "metric-artifact"


@pytest.mark.parametrize(("seen", "verdict"), [(0.85, "smooth"), (0.3, "cannot-tell")])
def test_a_headline_that_is_its_own_companion_needs_no_link(late, monkeypatch, seen, verdict):
    with_power(monkeypatch, seen)
    curve, evidence = late
    own = dataclasses.replace(curve, companion=curve.headline)
    found = weighed(own, dataclasses.replace(evidence, link=None, why_no_link="it is the headline itself"))
    assert found.verdict == verdict
    assert f"{seen:.0%}" in found.reasons[0]
    if verdict == "smooth":
        assert "a smooth curve explains it" in found.reasons[0]
        assert found.would_settle == []
    else:
        assert "whether it is a step cannot be told" in found.reasons[0]
        assert found.would_settle


def test_the_questions_are_asked_in_order(late, monkeypatch):
    with_power(monkeypatch, 0.0)
    curve, evidence = late
    late_too = evidence.test.smooth[0] - np.array([0, 0, 0, 0.05, 0.1, 0.5, 1.0, 1.5])
    everything = linked(with_test(evidence, monotone=False, p=0.01, smooth=late_too), r2_smooth=0.0)
    steps = []
    for mended in (
        {},
        {"monotone": True},
        {"monotone": True, "p": 0.5},
    ):
        steps.append(weighed(curve, with_test(everything, **mended)).reasons[0])
    good_link = linked(with_test(everything, monotone=True, p=0.5), r2_smooth=0.99)
    steps.append(weighed(curve, good_link).reasons[0])
    steps.append(weighed(curve, with_test(good_link, smooth=evidence.test.smooth)).reasons[0])
    words = ("gets worse", "may break", "does not predict", "late too", "would have been missed")
    assert [next(word for word in words if word in step) for step in steps] == list(words)


def test_along_a_training_run_a_break_needs_a_sharp_headline(stepped):
    curve, evidence = stepped
    gradual = dataclasses.replace(
        curve,
        points=tuple(dataclasses.replace(point, mean=0.1 + 0.1 * k) for k, point in enumerate(curve.points)),
    )
    assert decide(gradual, LIMITS, evidence).verdict == "robust-break"
    assert decide(dataclasses.replace(gradual, training=True), LIMITS, evidence).verdict == "smooth"
