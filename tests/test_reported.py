"""Aggregates without items: counts behind rounded shares, direction, range and chance."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage.errors import TableError
from unmirage.reported import counted, successes_of


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


RISE = [0.0, 0.0, 0.0, 0.0, 0.25, 0.8]
LOSSES = [2.0, 1.7, 1.445, 1.22, 1.04, 0.885]


def family(headline, companion=None, metric="exact_match", **more):
    """Results of one family on six sizes; `more` are columns of the headline, c_... of the companion."""
    mine = {name: value for name, value in more.items() if not name.startswith("c_")}
    frames = [results(headline, metric, **mine)]
    if companion is not None:
        theirs = {name[2:]: value for name, value in more.items() if name.startswith("c_")}
        frames.append(results(companion, "cross_entropy", **theirs))
    return pl.concat(frames, how="diagonal")


def errors(values, n):
    return [(v * (1 - v) / (n - 1)) ** 0.5 for v in values]


def judged(frame, **options):
    row = unmirage.audit(frame, **options).verdicts.row(0, named=True)
    assert any(reason.startswith("the log holds aggregates only") for reason in row["reasons"])
    return row


def holds(row, *texts):
    return all(any(text in line for line in row["reasons"] + row["would_settle"]) for text in texts)


def test_with_counts_the_scales_are_tested_and_the_items_blamed():
    row = judged(family(RISE, n=40))
    assert row["verdict"] == "resolution-limited"
    assert [p["resolved"] for p in row["resolution"]] == [False] * 4 + [True] * 2
    assert holds(row, "4 smallest scales cannot be told from zero", "only, with numbers of items")
    assert holds(row, "records of the items, to see whether the log-probabilities of right answers tell")


@pytest.mark.parametrize("below", [39, 40])
def test_standard_errors_tell_the_number_of_items(below):
    values = [0.05, 0.1, 0.2, 0.3, 0.4, 1.0]
    a = unmirage.audit(family(values, stderr=errors(values, below + 1)))  # n - 1 or n below the line
    exact = stats.binomtest(2, 40).proportion_ci(0.95, method="exact")
    row = a.curves.row(0, named=True)
    assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high))
    assert row["note"] == "n is not in the log; it follows from the value and its standard error"
    assert [p["n"] for p in a.verdicts["resolution"][0]] == [40] * 6


def test_errors_that_fit_no_number_of_items_tell_none():
    values = [0.05, 0.1, 0.2, 0.3, 0.4, 1.0]
    for stderr in ([round(e, 3) for e in errors(values, 41)], [1.1 * e for e in errors(values, 40)]):
        a = unmirage.audit(family(values, stderr=stderr))
        assert a.curves["n"].null_count() == 6
        assert set(a.curves["method"]) <= {"normal, reported standard error", "none"}
    two = errors(values[:3], 40) + errors(values[3:], 80)
    assert unmirage.audit(family(values, stderr=two)).curves["n"].null_count() == 6
    unclear = unmirage.audit(family(values, metric="bleu", stderr=errors(values, 40)))
    assert unclear.curves["n"].null_count() == unclear.curves.height


def test_the_numbers_of_items_of_real_results_follow_from_their_errors(shared_data):
    table = pl.read_parquet(shared_data / "pythia_lm_eval.parquet").filter(metric="acc", step=143000)
    table = table.with_columns(task=pl.format("{} {}", "task", "shots"), n=pl.lit(None, dtype=pl.Int64))
    found = counted(table, ["acc"])
    assert found["n"].null_count() == 0
    assert (found["n"] == found["n_items"]).all()


def test_standard_errors_alone_say_what_rises():
    flat = judged(family([0.30, 0.31, 0.29, 0.32, 0.30, 0.33], stderr=0.03, metric="bleu"))
    assert flat["verdict"] == "smooth"
    assert holds(flat, "no jump in bleu", "only, with standard errors")
    blind = judged(family([0.30, 0.31, 0.29, 0.32, 0.30, 0.33], stderr=0.2, metric="bleu"))
    assert blind["verdict"] == "cannot-tell"
    assert holds(blind, "could not be seen with these errors")


def test_without_errors_no_jump_is_not_said():
    row = judged(family([0.30, 0.31, 0.29, 0.32, 0.30, 0.33], metric="accuracy"))
    assert row["verdict"] == "cannot-tell"
    assert holds(row, "nothing is known of the errors", "neither numbers of items nor standard errors")
    assert holds(row, "n, the number of items of each value of accuracy, or its standard error")
    falling = judged(family([0.50, 0.45, 0.40, 0.35, 0.30, 0.25], metric="accuracy"))
    assert (falling["verdict"], "gets worse" in falling["reasons"][0]) == ("cannot-tell", True)
    both = judged(family([0.10, 0.50, 0.20, 0.60, 0.30, 0.70], metric="accuracy"))
    assert holds(both, "rises and falls", "unless that is the error of the values, which is not known")


def test_without_errors_a_gradual_rise_is_taken_as_it_stands():
    row = judged(family([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], metric="accuracy"))
    assert row["verdict"] == "smooth"
    assert holds(row, "improves gradually", "its values are taken as they stand")


def test_no_number_of_items_tells_zeros_from_zero():
    row = judged(family([0.0] * 6))
    assert row["verdict"] == "resolution-limited"
    assert holds(row, "no scale can be told from zero")
    assert judged(family(RISE))["verdict"] == "resolution-limited"
    assert judged(family(RISE, metric="accuracy"))["verdict"] == "cannot-tell"  # 0 may not be its chance


def test_the_chance_level_makes_zeros_or_guesses_of_the_first_scales():
    rise = [0.25, 0.24, 0.26, 0.25, 0.5, 0.9]
    assert judged(family(rise, metric="acc", n=100))["verdict"] == "cannot-tell"
    row = judged(family(rise, metric="acc", n=100), chance={"t": 0.25})
    assert (row["verdict"], [p["resolved"] for p in row["resolution"]][:4]) == (
        "resolution-limited",
        [False] * 4,
    )


def test_a_smooth_companion_makes_no_artifact_without_items():
    row = judged(family(RISE, LOSSES, n=400, c_stderr=0.01))
    assert (row["verdict"], row["companion"]) == ("cannot-tell", "cross_entropy")
    assert holds(
        row,
        "no item links cross_entropy to exact_match, so no jump is called the metric's own",
        "records of the items, to see whether cross_entropy tells, item by item",
    )


@pytest.mark.parametrize("known", [{"n": 400, "c_stderr": 0.01}, {}])
def test_a_companion_that_breaks_is_a_break_with_and_without_errors(known):
    wide = [0.0, 0.01, 0.02, 0.03, 0.6, 0.7, 0.75, 0.8]
    broken = [2.0, 1.9, 1.8, 1.7, 0.35, 0.33, 0.31, 0.3]
    row = judged(family(wide, broken, **known))
    assert row["verdict"] == "robust-break"
    assert not any("records of the items" in line for line in row["would_settle"])


def test_one_range_of_a_metric_serves_all_families():
    small = results([0.030, 0.031, 0.030, 0.032, 0.033], "bleu", stderr=0.001)
    large = results([10, 20, 30, 40, 60], "bleu", stderr=1.0).with_columns(family=pl.lit("g"))
    assert "below the 0.05 that a jump needs" in judged(small)["reasons"][0]
    row = unmirage.audit(pl.concat([small, large])).verdicts.filter(family="f").row(0, named=True)
    assert "below the 0.00566 that a jump needs" in row["reasons"][0]


def test_a_task_with_spaces_is_quoted_in_the_advice():
    frame = family([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], metric="acc").with_columns(task=pl.lit("boolq (5-shot)"))
    assert holds(judged(frame), "--chance 'boolq (5-shot)'=LEVEL")
