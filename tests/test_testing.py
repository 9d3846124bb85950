"""The companions of an audit tested together: what is known of the scatter, and whose p-value is whose."""

import numpy as np
import polars as pl
import pytest

from unmirage import simulate, statistics, tables
from unmirage.theory.truths import Shape, Truth
from unmirage.verdict.breaks import LOST, PRIOR, break_test, smooth_residuals
from unmirage.verdict.scatter import Scatter, combined, pooled, within

TASKS = ("late", "power-law", "mixture", "slow", "saturated", "step")


def family(tasks=TASKS, *, n_items=40, scatter=0.02, seed=0, **options):
    """Responses of one family to several tasks, named as the truths."""
    return [
        simulate(name, n_items=n_items, scatter=scatter, seed=seed + k, task=name, **options)
        for k, name in enumerate(tasks)
    ]


@pytest.fixture(scope="module")
def six(examined):
    return examined(*family())


def row_of(found, task):
    return found.breaks.row(by_predicate=pl.col("task") == task, named=True)


def test_a_row_of_the_table_is_the_test_of_a_task(six):
    assert dict(six.breaks.schema) == {
        k: v if isinstance(v, pl.DataType) else v() for k, v in tables.BREAKS.items()
    }
    assert six.breaks["task"].to_list() == sorted(TASKS)
    for case, evidence in zip(six.cases, six.evidence, strict=True):
        row, test = row_of(six, case.task), evidence.test
        assert row["p"] == test.p
        assert row["p_adjusted"] == evidence.p_adjusted
        assert row["y"] == case.response.y.tolist()
        assert row["smooth"] == test.smooth.tolist()
        assert row["broken"] == test.broken.tolist()
        assert (row["step"], row["step_share"]) == (test.step, test.step_share)
        assert row["step_from"] == case.response.axis_values[test.gap]
        assert row["step_to"] == case.response.axis_values[test.gap + 1]
        assert [gate["name"] for gate in row["gates"]] == ["p", "step", "rise", "bump"]
        assert row["headline"] == evidence.link.observed.tolist()
        assert row["link_held_out"] == evidence.link.held_out.tolist()
        assert row["link_smooth"] == evidence.link.smooth.tolist()
        assert row["p_count"] == evidence.link.p_count.tolist()
        means = [point.mean for point in case.curve.points]
        assert row["headline"] == pytest.approx(means)


def test_the_test_is_the_break_test_of_the_response(six):
    for case, evidence in zip(six.cases, six.evidence, strict=True):
        again = break_test(
            case.response.scales,
            case.response.y,
            items=case.response.items,
            known=evidence.known,
            replicates=499,
        )
        assert again.statistic == pytest.approx(evidence.test.statistic, rel=1e-9)
        assert again.p == pytest.approx(evidence.test.p, abs=0.1)


def test_six_tasks_of_a_family_share_what_they_know_of_the_scatter(six):
    residuals, sums = zip(
        *(smooth_residuals(c.response.scales, c.response.y, items=c.response.items) for c in six.cases),
        strict=True,
    )
    for k, evidence in enumerate(six.evidence):
        other = pooled(np.array(residuals), k, lost=LOST, item_sums=np.array(sums))
        assert evidence.known == combined(PRIOR, other)
        assert evidence.sources == "estimated from this curve and the family's other tasks"
    assert all(row == evidence.sources for row in six.breaks["scatter_from"])


def test_the_scatter_of_the_other_tasks_counts(examined):
    quiet, noisy = (
        examined(*family(TASKS[:5], scatter=scatter), *family(["step"])) for scatter in (0.01, 0.15)
    )
    mine = [found.evidence[[c.task for c in found.cases].index("step")] for found in (quiet, noisy)]
    assert mine[0].y.tolist() == mine[1].y.tolist()
    assert mine[0].known.sigma < 0.04 < 0.08 < mine[1].known.sigma
    assert mine[0].test.p < mine[1].test.p


def test_four_tasks_or_other_models_are_not_pooled(examined):
    few = examined(*family(TASKS[:4]))
    assert {evidence.sources for evidence in few.evidence} == {"estimated from this curve"}
    for evidence in few.evidence:
        assert (evidence.known.sigma, evidence.known.df) == pytest.approx((PRIOR.sigma, PRIOR.df))
    scales = np.geomspace(1e7, 3e10, 8)
    other = examined(*family(TASKS[:4]), *family(TASKS[4:], scales=scales))
    assert {evidence.sources for evidence in other.evidence} == {"estimated from this curve"}


def test_losses_and_margins_are_not_pooled(examined):
    found = examined(*family(TASKS[:4]), *family(["choice-smooth"]))
    assert {evidence.sources for evidence in found.evidence} == {"estimated from this curve"}
    choice = found.evidence[[case.task for case in found.cases].index("choice-smooth")]
    assert choice.known.sigma == pytest.approx(0.03 * float(np.ptp(choice.y)))
    assert choice.known.df == PRIOR.df
    assert choice.min_step == 0
    assert not choice.logged


def test_margins_are_pooled_in_shares_of_their_range(examined):
    found = examined(
        *(
            simulate("choice-smooth", n_items=60, scatter=0.05, seed=k, task=f"t{k}", choices=2 + k % 3)
            for k in range(5)
        )
    )
    responses = [case.response for case in found.cases]
    pairs = [smooth_residuals(r.scales, r.y / r.unit, items=r.items / r.unit**2) for r in responses]
    residuals, sums = (np.array(part) for part in zip(*pairs, strict=True))
    for k, (one, evidence) in enumerate(zip(responses, found.evidence, strict=True)):
        other = pooled(residuals, k, lost=LOST, item_sums=sums)
        own = Scatter(0.03 * one.unit, PRIOR.df)
        expected = own if other is None else combined(own, Scatter(other.sigma * one.unit, other.df))
        assert evidence.known.sigma == pytest.approx(expected.sigma)
        assert evidence.known.df == pytest.approx(expected.df)


def test_models_that_share_a_scale_show_the_scatter(examined):
    found = examined(simulate("late", n_items=60, seeds_per_scale=3, scatter=0.2, seed=1))
    (evidence,), (case,) = found.evidence, found.cases
    seeds = within(case.response.each)
    assert seeds.df == 16
    assert seeds.sigma == pytest.approx(0.2, rel=0.5)
    assert evidence.known == combined(PRIOR, seeds)
    assert evidence.sources == "estimated from this curve and models that share a scale"
    assert evidence.sizes.tolist() == [3] * 8
    assert evidence.names[0] == "simulated-10M-seed*"


@pytest.mark.parametrize("adjust", ["bh", "holm"])
def test_p_values_are_adjusted_over_all_companions(examined, adjust):
    other = [frame.with_columns(family=pl.lit("b")) for frame in family(TASKS[:2], seed=9)]
    found = examined(*family(TASKS), *other, adjust=adjust)
    assert found.breaks.height == 8
    expected = statistics.adjust(found.breaks["p"].to_list(), adjust)
    assert found.breaks["p_adjusted"].to_list() == pytest.approx(expected.tolist())


def test_a_task_alone_or_among_others_in_any_order_has_the_same_test(examined):
    alone = row_of(examined(*family(["step"])), "step")
    others = family(TASKS[:3], seed=5)
    for frames in ([*family(["step"]), *others], [*others[::-1], *family(["step"])]):
        row = row_of(examined(*frames), "step")
        assert row | {"p_adjusted": None} == alone | {"p_adjusted": None}
    assert alone["p_adjusted"] == alone["p"]


def test_another_seed_draws_other_curves_and_changes_nothing_else(examined):
    one, other = (row_of(examined(*family(["late"]), seed=seed), "late") for seed in (0, 1))
    assert one["p"] != other["p"]
    assert one["p"] == pytest.approx(other["p"], abs=0.08)
    drawn = {"p", "p_adjusted", "gates"}
    assert {k: v for k, v in one.items() if k not in drawn} == {
        k: v for k, v in other.items() if k not in drawn
    }
    assert one == row_of(examined(*family(["late"])), "late")


def grokked(first, scales):
    """A loss that doubles over the first scales while nothing is learnt, and then is gone."""

    def curve(t):
        place = (np.asarray(t) - scales[0]) / (scales[-1] - scales[0])
        return np.log(first) + np.where(place < 0.45, 2 * np.minimum(place, 0.4), -2.5 - place)

    return Truth("grokked", "step", "generation", Shape(curve))


def test_a_run_whose_companion_gets_worse_before_anything_is_learnt_is_tested_from_its_worst(examined):
    grid = np.linspace(3, 6, 12)
    frame = simulate(grokked(2.5, grid), scales=10**grid, n_items=60, scatter=0.01, seed=0)
    sizes = examined(frame)
    assert len(sizes.evidence[0].scales) == 12
    run = frame.with_columns(n_tokens="n_params", n_params=pl.lit(1e6))
    found = examined(run, axis="n_tokens")
    (evidence,), (case,) = found.evidence, found.cases
    worst = int(case.response.y.argmax())
    assert worst > 2
    # Two scales before the jump are kept at least.
    start = 12 - len(evidence.scales)
    assert 0 < start <= worst
    assert evidence.scales.tolist() == case.response.scales[start:].tolist()
    assert len(found.breaks["headline"][0]) == 12 - start
    assert "the test starts at" in evidence.notes[-1]


def test_one_that_gets_worse_while_the_headline_does_too_is_tested_whole(examined):
    def curve(t):
        place = (np.asarray(t) - 7) / 3
        return np.log(0.3) + np.where(place < 0.4, 3 * place, 1.2 - 4 * (place - 0.4))

    truth = Truth("awake", "non-monotone", "generation", Shape(curve))
    found = examined(simulate(truth, scales=np.geomspace(1e7, 1e10, 12), n_items=60))
    (evidence,), (case,) = found.evidence, found.cases
    assert 0 < case.response.y.argmax() < 7
    assert len(evidence.scales) == 12
    assert not evidence.test.monotone


def test_why_there_is_no_test(examined):
    short = examined(simulate("late", n_items=60, scales=np.geomspace(1e7, 1e10, 4)))
    assert short.evidence == ("cross_entropy and exact_match are both there at 4 scales only",)
    assert short.breaks.height == 0
    without = simulate("late", n_items=60).with_columns(
        target_logprobs=pl.lit(None, dtype=pl.List(pl.Float32))
    )
    assert examined(without).evidence == (None,)


def test_a_headline_that_is_no_share_has_no_link(examined):
    frame = simulate("late", n_items=60)
    options = {"headline": "token_edit_distance", "companion": "cross_entropy"}
    (evidence,) = examined(frame, **options).evidence
    assert evidence.link is None
    assert evidence.why_no_link == "token_edit_distance is no share of right answers"
    (same,) = examined(frame, headline="cross_entropy").evidence
    assert (same.link, same.why_no_link) == (None, "it is the headline itself")
