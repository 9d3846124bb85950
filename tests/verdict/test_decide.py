"""The decision tree, branch by branch."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from unmirage.verdict.curve import Curve, by_scale
from unmirage.verdict.decide import decide
from unmirage.verdict.outcome import VERDICTS
from unmirage.verdict.points import Point, rate_point
from unmirage.verdict.thresholds import Thresholds

SCALES = np.geomspace(1e7, 1e10, 8)
SHARP = (0, 0, 0, 0.02, 0.5, 0.95, 1, 1)


def curve(means, n=200, chance=0.0, companion="cross_entropy", scales=SCALES, **changes):
    points = tuple(
        rate_point(
            f"m{i}",
            x,
            mean,
            float(np.sqrt(mean * (1 - mean) / n)) or float("nan"),
            n,
            chance,
            scales=len(scales),
            alpha=0.05,
            min_successes=3,
        )
        for i, (x, mean) in enumerate(zip(scales, means, strict=True))
    )
    return dataclasses.replace(Curve(points, "exact_match", companion, True, True), **changes)


def test_fewer_than_five_scales_are_insufficient():
    verdict = decide(curve(SHARP[2:6], scales=SCALES[2:6]))
    assert verdict.verdict == "insufficient"
    assert "4 scales" in verdict.reasons[0]
    assert verdict.would_settle == ["results of 1 more scale of the family"]


def test_one_scale_has_no_shape():
    verdict = decide(curve([0.5], scales=SCALES[:1]))
    assert verdict.verdict == "insufficient"
    assert verdict.sharpness is None


def test_nothing_resolved_is_resolution_limited_and_says_how_many_items():
    verdict = decide(curve([0, 0, 0, 0.005, 0, 0.005, 0.01, 0.005]))
    assert verdict.verdict == "resolution-limited"
    # 5 successes in 1,600: three are expected in 960.
    assert "960 items" in verdict.would_settle[0]


def test_attempts_are_given_a_problem_too():
    few = curve([0, 0, 0, 0.005, 0, 0.005, 0.01, 0.005], unit="attempts", problems=100)
    assert "960 attempts (10 a problem) for each" in decide(few).would_settle[0]


def test_no_success_anywhere_gives_a_bound():
    verdict = decide(curve([0] * 8))
    assert verdict.verdict == "resolution-limited"
    bound = 1 - 0.05 ** (1 / 1600)
    assert f"{bound:.2g}" in verdict.would_settle[0]


def test_at_chance_everywhere_is_resolution_limited():
    verdict = decide(curve([0.25, 0.24, 0.26, 0.25, 0.27, 0.24, 0.26, 0.25], chance=0.25))
    assert verdict.verdict == "resolution-limited"
    assert "chance" in verdict.reasons[0]


def test_a_flat_resolved_curve_is_smooth():
    verdict = decide(curve([0.5, 0.5, 0.51, 0.5, 0.52, 0.5, 0.51, 0.5]))
    assert verdict.verdict == "smooth"
    assert "no jump" in verdict.reasons[0]


def test_a_small_rise_from_unresolved_scales_is_resolution_limited():
    verdict = decide(curve([0, 0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03]))
    assert verdict.verdict == "resolution-limited"
    assert "smallest scales" in verdict.reasons[0]


def test_a_gradual_rise_is_smooth():
    verdict = decide(curve(np.linspace(0.1, 0.9, 8)))
    assert verdict.verdict == "smooth"
    assert "gradually" in verdict.reasons[0]


def test_a_rise_from_the_first_scale_is_not_a_jump_out_of_nothing():
    verdict = decide(curve([0.3, 0.6, 0.95, 1, 1, 1, 1, 1]))
    assert verdict.verdict == "smooth"
    assert "first scale" in verdict.reasons[0]


def test_a_sharp_rise_whose_companion_cannot_be_tested_says_why():
    verdict = decide(curve(SHARP), None, "both are there at 4 scales only")
    assert verdict.verdict == "cannot-tell"
    assert "cross_entropy breaks cannot be tested: both are there at 4 scales only" in verdict.reasons[0]
    assert verdict.would_settle


def test_a_training_run_is_sharp_against_the_quickest_smooth_rise():
    # 31 steps over three decades: a rise that takes .7 of a decade is long there, and sharp for sizes.
    steps = np.geomspace(1e2, 1e5, 31)
    means = np.clip((np.log10(steps) - 3.2) / 0.9, 0, 1)
    run = curve(means, companion=None, scales=steps)
    assert decide(run).verdict == "resolution-limited"
    training = decide(dataclasses.replace(run, training=True))
    assert training.verdict == "smooth"
    assert "gradually" in training.reasons[0]
    quick = curve(np.clip((np.log10(steps) - 3.2) / 0.2, 0, 1), scales=steps, training=True)
    assert decide(quick, None, "why").verdict == "cannot-tell"


def test_a_sharp_rise_without_a_companion_out_of_unresolved_scales():
    verdict = decide(curve(SHARP, companion=None))
    assert verdict.verdict == "resolution-limited"
    assert verdict.would_settle


def test_a_sharp_rise_without_a_companion_out_of_resolved_scales():
    verdict = decide(curve([0.1, 0.1, 0.11, 0.1, 0.5, 0.9, 1, 1], companion=None))
    assert verdict.verdict == "cannot-tell"
    assert "no continuous metric" in verdict.reasons[0]


def test_a_falling_curve_is_no_jump():
    verdict = decide(curve(SHARP[::-1]))
    assert verdict.verdict == "smooth"


def test_lower_is_better_turns_the_curve_over():
    points = tuple(
        Point(f"m{i}", x, 3 - mean, 0.01) for i, (x, mean) in enumerate(zip(SCALES, SHARP, strict=True))
    )
    verdict = decide(Curve(points, "cross_entropy", "cross_entropy", False, False))
    assert verdict.verdict == "cannot-tell"
    assert verdict.sharpness is not None
    assert verdict.sharpness.rise == pytest.approx(1)


def test_replicates_that_agree_are_averaged_and_their_errors_shrink():
    points = (Point("a", 1.0, 0.3, 0.04), Point("b", 1.0, 0.3, 0.03), Point("c", 2.0, 0.9, 0.02))
    scales, means, errors = by_scale(Curve(points, "exact_match", None, True, True))
    assert scales.tolist() == [1, 2]
    assert means.tolist() == pytest.approx([0.3, 0.9])
    assert errors.tolist() == pytest.approx([0.05 / 2, 0.02])


def test_the_scatter_of_replicates_counts_where_it_is_more_than_the_items_say():
    points = [
        Point(f"{x}{s}", x, y + s, 0.001)
        for x, y in ((1.0, 0.2), (2.0, 0.5), (3.0, 0.9))
        for s in (-0.1, 0.1)
    ]
    _, means, errors = by_scale(Curve(tuple(points), "exact_match", None, True, True))
    assert means.tolist() == pytest.approx([0.2, 0.5, 0.9])
    # sd of each pair is .1 * sqrt(2); three degrees of freedom; two models a scale.
    expected = 0.1 * stats.t.ppf(0.975, 3) / stats.norm.ppf(0.975)
    assert errors.tolist() == pytest.approx([expected] * 3, rel=1e-4)


def test_noisy_seeds_of_a_flat_family_are_no_rise():
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(60):
        points = [
            Point(f"m{k}{s}", float(x), 0.5 + rng.normal(0, 0.03), 0.005)
            for k, x in enumerate(SCALES)
            for s in range(2)
        ]
        verdict = decide(Curve(tuple(points), "exact_match", None, True, True))
        claimed += verdict.verdict != "smooth" or not verdict.reasons[0].startswith("no jump")
    assert claimed <= 6


@pytest.mark.parametrize(
    ("values", "verdict", "words"),
    [
        ([0.1, 0.7, 0.1, 0.7, 0.1, 0.7, 0.1, 0.7], "cannot-tell", "rises and falls"),
        ([0.1, 0.1, 0.3, 0.8, 0.8, 0.3, 0.1, 0.1], "cannot-tell", "rises and falls"),
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], "smooth", "gets worse with scale"),
    ],
)
def test_curves_that_fall(values, verdict, words):
    points = tuple(
        Point(f"m{i}", float(x), y, 0.01) for i, (x, y) in enumerate(zip(SCALES, values, strict=True))
    )
    found = decide(Curve(points, "exact_match", "target_logprob", True, True))
    assert found.verdict == verdict
    assert words in found.reasons[0]


def test_no_rise_is_not_said_where_none_could_be_seen():
    points = tuple(Point(f"m{i}", float(x), 0.5, 0.16, n=10) for i, x in enumerate(SCALES))
    found = decide(Curve(points, "exact_match", None, True, True))
    assert found.verdict == "cannot-tell"
    # 4 errors of a difference are .905; seeing .3 takes (.905/.3)² times the ten items.
    assert found.would_settle[0].startswith("92 items")
    sure = tuple(Point(f"m{i}", float(x), 0.5, 0.05, n=100) for i, x in enumerate(SCALES))
    assert decide(Curve(sure, "exact_match", None, True, True)).verdict == "smooth"


def test_on_a_falling_axis_the_curve_runs_from_large_to_small_values():
    rising = decide(curve(SHARP, companion=None))
    losses = 1 / SCALES
    falling = decide(curve(SHARP, companion=None, scales=losses, falling=True))
    assert falling.verdict == rising.verdict
    assert falling.sharpness.width == pytest.approx(rising.sharpness.width)
    assert falling.reasons == rising.reasons
    assert decide(curve(SHARP, companion=None, scales=losses)).verdict == "smooth"


def test_replicates_are_counted_once_in_the_words():
    both = curve([*SHARP, *SHARP], companion=None, scales=np.concatenate([SCALES, SCALES]))
    assert "the 3 smallest scales" in decide(both).reasons[0]
    assert "the 6 unresolved models together" in decide(both).would_settle[0]


def test_every_threshold_has_a_reason_and_decides():
    limits = Thresholds()
    assert set(limits.as_dict()) == {f.name for f in dataclasses.fields(limits)}
    assert all(limits.reason(name) for name in limits.as_dict())
    wide = dataclasses.replace(limits, sharp_width=0.0, late_start=1.0)
    assert decide(curve(SHARP), wide).verdict == "smooth"
    assert decide(curve(SHARP), dataclasses.replace(limits, min_scales=9)).verdict == "insufficient"
    assert {"smooth", "cannot-tell", "insufficient", "resolution-limited"} <= set(VERDICTS)
