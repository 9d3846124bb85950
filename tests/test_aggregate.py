"""Curves: which interval each kind of score gets, against scipy and closed forms."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage.result import Settings


def family(outputs, **more):
    """A generative family: outputs[m][i] is "1" where model m is right on item i."""
    return pl.DataFrame(
        [
            {
                "family": "f",
                "model": f"m{m}",
                "task": "t",
                "item_id": f"i{i}",
                "kind": "generation",
                "n_params": 10.0 ** (m + 6),
                "target": "1",
                "output": output,
                **{name: values[i] for name, values in more.items()},
            }
            for m, row in enumerate(outputs)
            for i, output in enumerate(row)
        ]
    )


def curve(frame, metric="exact_match", **options):
    return unmirage.audit(frame, **options).curves.filter(pl.col("metric") == metric)


def outputs_with(successes, n):
    return ["1"] * successes + ["0"] * (n - successes)


def test_zero_one_scores_get_the_exact_interval():
    found = curve(family([outputs_with(k, 40) for k in (0, 1, 20, 40)]))
    for row, k in zip(found.iter_rows(named=True), (0, 1, 20, 40), strict=True):
        exact = stats.binomtest(k, 40).proportion_ci(0.95, method="exact")
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high), abs=1e-12)
        assert row["method"] == "clopper-pearson"
        assert row["resolution"] == pytest.approx(1 - 0.05 ** (1 / 40))
    assert found["stderr"].to_list()[0] is None
    assert "standard error is not known" in found["note"][0]
    assert found["stderr"][2] == pytest.approx(np.sqrt(0.25 / 39))


def test_wilson_on_request():
    found = curve(family([outputs_with(7, 40)]), interval="wilson")
    wilson = stats.binomtest(7, 40).proportion_ci(0.95, method="wilson")
    assert (found["low"][0], found["high"][0]) == pytest.approx((wilson.low, wilson.high))
    assert found["method"][0] == "wilson"


def test_clusters_widen_the_interval():
    outputs = [outputs_with(20, 40)]
    copies = [f"c{i // 10}" for i in range(40)]
    plain, clustered = curve(family(outputs)), curve(family(outputs, cluster=copies))
    assert clustered["method"][0] == "korn-graubard"
    assert clustered["high"][0] - clustered["low"][0] > 1.5 * (plain["high"][0] - plain["low"][0])


def test_other_scores_get_the_bootstrap_of_the_same_items():
    rng = np.random.default_rng(0)
    texts = [["a" * int(rng.integers(1, 9)) for _ in range(60)]]
    found = curve(family(texts), "char_edit_distance", replicates=4000)
    scores = unmirage.score(family(texts), ["char_edit_distance"])["score"].to_numpy()
    peer = stats.bootstrap((scores,), np.mean, n_resamples=4000, method="percentile", rng=1)
    assert found["low"][0] == pytest.approx(peer.confidence_interval.low, abs=0.06)
    assert found["high"][0] == pytest.approx(peer.confidence_interval.high, abs=0.06)
    assert found["stderr"][0] == pytest.approx(scores.std(ddof=1) / np.sqrt(60))
    assert found["method"][0] == "bootstrap over items"


def test_scores_that_do_not_vary_have_no_interval_of_width_zero():
    found = unmirage.audit(family([outputs_with(30, 30)])).curves
    distance = found.filter(pl.col("metric") == "char_edit_distance").row(0, named=True)
    assert (distance["mean"], distance["stderr"], distance["low"]) == (0, None, None)
    assert "same score" in distance["note"]
    accuracy = found.filter(pl.col("metric") == "token_accuracy").row(0, named=True)
    assert accuracy["low"] == pytest.approx(0.025 ** (1 / 30))
    assert accuracy["high"] == pytest.approx(1)


def test_infinite_means_are_null_with_a_reason():
    rows = pl.DataFrame(
        [
            {
                "family": "f",
                "model": f"m{m}",
                "task": "t",
                "item_id": f"i{i}",
                "kind": "likelihood",
                "n_params": 10.0**m,
                "target_logprobs": [-np.inf if i == 0 and m == 1 else -1.0 - i],
            }
            for m in (1, 2)
            for i in range(20)
        ]
    )
    found = curve(rows, "target_logprob")
    assert found["mean"].to_list()[0] is None
    assert "1 of 20 items have an infinite score" in found["note"][0]
    assert found["mean"][1] == pytest.approx(-10.5)
    assert found["low"][1] < -10.5 < found["high"][1]


def test_one_cluster_has_no_interval_and_says_why():
    rng = np.random.default_rng(3)
    texts = [["a" * int(rng.integers(1, 9)) for _ in range(20)]]
    found = unmirage.audit(family(texts, cluster=["one"] * 20)).curves
    distance = found.filter(pl.col("metric") == "char_edit_distance").row(0, named=True)
    assert (distance["low"], distance["stderr"], distance["method"]) == (None, None, "none")
    assert "single item or cluster" in distance["note"]


def test_a_biased_aggregate_has_an_interval_around_its_value():
    rng = np.random.default_rng(2)
    rows = pl.DataFrame(
        [
            {"family": "f", "model": "m", "task": "t", "item_id": f"i{i}", "n_params": 1e6, "answer": 0,
             "choice_logprobs": np.minimum(rng.normal(-3, 1, 4), -0.01).tolist()}
            for i in range(60)
        ]
    )  # fmt: skip
    ece = unmirage.audit(rows).curves.filter(pl.col("metric") == "ece").row(0, named=True)
    assert ece["method"] == "normal, bootstrap standard error"
    assert 0 <= ece["low"] < ece["mean"] < ece["high"]
    assert "biased" in ece["note"]


def counted(passes, attempts):
    return pl.DataFrame(
        [
            {
                "family": "f",
                "model": f"m{m}",
                "task": "t",
                "item_id": f"p{i}",
                "n_params": 10.0 ** (m + 6),
                "n_samples": n,
                "n_correct": c,
            }
            for m, (row, tries) in enumerate(zip(passes, attempts, strict=True))
            for i, (c, n) in enumerate(zip(row, tries, strict=True))
        ]
    )


def test_counts_are_a_mean_over_problems_with_the_pooled_ratio_beside_it():
    a = unmirage.audit(counted([[5, 0, 1, 2] * 5], [[10, 1000, 10, 10] * 5]))
    rate = a.curves.filter(pl.col("metric") == "pass_rate").row(0, named=True)
    assert rate["mean"] == pytest.approx((0.5 + 0 + 0.1 + 0.2) / 4)
    assert rate["method"] == "bootstrap over items"
    pooled = a.curves.filter(pl.col("metric") == "pooled_rate").row(0, named=True)
    assert pooled["mean"] == pytest.approx(8 / 1030)
    assert pooled["low"] < pooled["mean"] < pooled["high"]
    assert "unequal-attempts" in a.warnings["code"].to_list()


def test_counts_without_success_print_an_upper_bound_and_few_successes_a_gamma_interval():
    found = curve(counted([[0] * 30, [1, *[0] * 29]], [[100] * 30] * 2), "pass_rate")
    assert found["low"][0] == 0
    assert found["high"][0] == pytest.approx(1 - 0.025 ** (1 / 3000))
    assert "population" in found["note"][0]
    assert found["method"][1] == "gamma over items"
    assert found["low"][1] > 0


def test_one_attempt_a_problem_is_a_binomial():
    found = curve(counted([[1, *[0] * 49]], [[1] * 50]), "pass_rate")
    exact = stats.binomtest(1, 50).proportion_ci(0.95, method="exact")
    assert (found["low"][0], found["high"][0]) == pytest.approx((exact.low, exact.high))


def test_aggregates_of_a_log_get_the_exact_interval_where_they_are_whole_counts():
    rows = [
        {
            "family": "f",
            "model": f"m{m}",
            "n_params": 10.0**m,
            "task": "t",
            "metric": "exact_match",
            "value": v,
            "stderr": s,
            "n": n,
        }
        for m, v, s, n in ((1, 0.25, 0.2, 4), (2, 0.3333, 0.01, 40), (3, 0.5, None, None))
    ]
    a = unmirage.audit(pl.DataFrame(rows))
    exact = stats.binomtest(1, 4).proportion_ci(0.95, method="exact")
    first, second, third = a.curves.iter_rows(named=True)
    assert (first["low"], first["high"]) == pytest.approx((exact.low, exact.high))
    assert second["method"] == "normal, reported standard error"
    assert second["high"] - second["low"] == pytest.approx(2 * 1.959964 * 0.01, rel=1e-6)
    assert (third["low"], third["method"]) == (None, "none")
    assert "neither items nor a standard error" in third["note"]


def test_differences_are_paired_and_adjusted_over_the_audit():
    a = unmirage.audit(family([outputs_with(k, 60) for k in (0, 3, 30, 60)]))
    found = a.differences
    assert found["difference"].to_list() == pytest.approx([0.05, 0.45, 0.5])
    # McNemar: three items change, all one way.
    assert found["p_value"][0] == pytest.approx(2 * 0.5**3)
    assert (found["p_adjusted"] >= found["p_value"]).all()
    peer = stats.false_discovery_control(found["p_value"].to_numpy())
    assert found["p_adjusted"].to_list() == pytest.approx(peer.tolist())


def test_adding_a_task_or_family_changes_no_other_number():
    rng = np.random.default_rng(1)
    frame = family([["".join(rng.choice(list("ab"), 4)) for _ in range(30)] for _ in range(3)])
    other = frame.with_columns(task=pl.lit("another"))
    alone = unmirage.audit(frame).curves
    both = unmirage.audit(pl.concat([other, frame])).curves.filter(pl.col("task") == "t")
    assert alone.equals(both)


def test_settings_are_plain():
    assert Settings().as_dict()["axis"] == "n_params"
