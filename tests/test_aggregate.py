"""Curves: which interval each kind of score gets, against scipy and closed forms."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage.result import Settings
from unmirage.statistics import clustered_stderr, korn_graubard, until_rate


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
    assert rate["method"] == "korn-graubard"
    pooled = a.curves.filter(pl.col("metric") == "pooled_rate").row(0, named=True)
    assert pooled["mean"] == pytest.approx(8 / 1030)
    assert pooled["low"] < pooled["mean"] < pooled["high"]
    assert "unequal-attempts" in a.warnings["code"].to_list()


def test_counts_all_of_one_kind_are_bounded_for_the_population_and_the_note_bounds_these_problems():
    passes = [[0] * 30, [100] * 30, [50] * 30, [1, *[0] * 29]]
    found = curve(counted(passes, [[100] * 30] * 4), "pass_rate")
    beyond = 1 - 0.025 ** (1 / 30)
    assert (found["low"][0], found["high"][0]) == (0, pytest.approx(beyond))
    assert (found["low"][1], found["high"][1]) == (pytest.approx(1 - beyond), 1)
    assert (found["low"][2], found["high"][2]) == pytest.approx((0.5 - beyond / 2, 0.5 + beyond / 2))
    assert f"below {1 - 0.025 ** (1 / 3000):.3g}" in found["note"][0]
    assert f"above {0.025 ** (1 / 3000):.6g}" in found["note"][1]
    assert found["stderr"][:3].null_count() == 3
    assert 0 < found["low"][3] < 1 / 3000 < found["high"][3] < beyond


def test_intervals_of_pass_rates_cover_over_unlike_problems_and_few_clusters():
    rng = np.random.default_rng(3)

    def covers(rates, clusters):
        most = 64 * rates.size
        error = clustered_stderr(rates[:, None], clusters)[0]
        low, high = korn_graubard(rates.mean(), error, rates.size, clusters.max() + 1, most=most)
        return low, high

    for mean, spread, size in ((0.05, 1, 1), (0.3, 0.1, 1), (0.97, 1, 1), (0.5, 10, 10)):
        held = 0
        for _ in range(200):
            p = rng.beta(mean * spread, (1 - mean) * spread, 100 // size).repeat(size)
            low, high = covers(rng.binomial(64, p) / 64, np.arange(100 // size).repeat(size))
            held += low <= mean <= high
        assert held >= 0.9 * 200, (mean, spread, size)


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


def test_one_infinite_model_leaves_the_other_models_numbers_alone():
    def rows(worst):
        return pl.DataFrame(
            [
                {
                    "family": "f",
                    "model": f"m{m}",
                    "task": "t",
                    "item_id": f"i{i}",
                    "kind": "likelihood",
                    "n_params": 10.0 ** (m + 6),
                    "target_logprobs": [worst if (m, i) == (0, 3) else -1.0 - 0.1 * ((i * 7 + m) % 10)],
                }
                for m in range(3)
                for i in range(20)
            ]
        )

    broken, whole = (
        curve(rows(worst), "target_logprob").select("mean", "stderr", "low", "high", "method", "note")
        for worst in (-np.inf, -2.0)
    )
    assert broken[1:].equals(whole[1:])
    assert broken.row(0)[:4] == (None,) * 4
    assert "1 of 20 items have an infinite score" in broken["note"][0]


def test_a_single_cluster_has_no_standard_error_and_says_so():
    found = curve(family([outputs_with(7, 20)], cluster=["c"] * 20))
    assert found["stderr"][0] is None
    assert "single" in found["note"][0]
    assert found["low"][0] < 7 / 20 < found["high"][0]


def test_rates_over_epochs_are_intervals_of_trials_not_of_resamples():
    once = family([outputs_with(2, 50)])
    twice = pl.concat([once.with_columns(epoch=pl.lit(e, pl.Int32)) for e in (0, 1)])
    found = curve(twice)
    assert found["method"][0] == "korn-graubard"
    # Twice the same answers are worth no more than once.
    exact = stats.binomtest(2, 50).proportion_ci(0.95, method="exact")
    assert (found["low"][0], found["high"][0]) == pytest.approx((exact.low, exact.high), rel=1e-6)


def test_the_floor_of_the_curve_is_that_of_the_verdict():
    clusters = [f"c{i // 4}" for i in range(80)]
    frames = [
        family([outputs_with(k, 80) for k in (2, 5, 20, 40, 60)], cluster=clusters),
        counted([[0] * 30, [1, *[0] * 29], [3] * 30, [5, 1] * 15, [9] * 30], [[100] * 30] * 5),
    ]
    for frame in frames:
        a = unmirage.audit(frame)
        headline = a.verdicts["headline"][0]
        floors = a.curves.filter(pl.col("metric") == headline)["resolution"].to_list()
        points = a.verdicts["resolution"][0].to_list()
        assert [point["floor"] for point in points] == pytest.approx(floors)


def test_successes_of_one_problem_do_not_resolve_a_scale():
    spread = [[1] * 10 + [0] * 20, [2] * 30, [5] * 30, [8] * 30, [10] * 30]
    alone = [[10] + [0] * 29, *spread[1:]]
    for passes, resolved in ((spread, True), (alone, False)):
        a = unmirage.audit(counted(passes, [[100] * 30] * 5))
        point = a.verdicts["resolution"][0].to_list()[0]
        assert (point["successes"], point["n"], point["resolved"]) == (10, 3000, resolved)


def test_a_chance_level_counts_for_pass_rates_too():
    a = unmirage.audit(counted([[25, 20, 30] * 10] * 5, [[100] * 30] * 5), chance={"t": 0.25, "typo": 0.5})
    point = a.verdicts["resolution"][0].to_list()[0]
    assert (point["chance"], point["resolved"]) == (0.25, False)
    note = a.warnings.filter(pl.col("code") == "unused-chance")
    assert "typo" in note["message"].item()


def test_pass_at_k_is_resolved_over_problems():
    frame = counted([[0] * 30, [1, *[0] * 29], [3] * 30, [5] * 30, [9] * 30], [[10] * 30] * 5)
    a = unmirage.audit(frame, headline="pass_at_5", metrics=["pass_at_5"])
    points = a.verdicts["resolution"][0].to_list()
    assert [point["n"] for point in points] == [30] * 5
    assert [point["resolved"] for point in points] == [False, False, True, True, True]


def pass_until(rates, items=40, passes=5, cap=10**6, seed=0):
    """Counts of attempts until `passes`: (n_correct, n_samples), each (models, items), and the table."""
    at = np.random.default_rng(seed).geometric(rates, (passes, items, len(rates))).cumsum(axis=0).T
    c = (at <= cap).sum(axis=2)
    n = np.where(c == passes, at[:, :, -1], cap)
    return c, n, counted(c.tolist(), n.tolist()).with_columns(until=pl.lit(passes))


def test_attempts_until_so_many_passes_resolve_small_rates_without_bias(tmp_path):
    rates = np.geomspace(1e-5, 0.5, 8)
    c, n, frame = pass_until(rates)
    frame.write_parquet(tmp_path / "responses.parquet")
    a = unmirage.audit(tmp_path / "responses.parquet")
    found = a.curves.filter(pl.col("metric") == "pass_rate")
    assert found["mean"].to_list() == pytest.approx(until_rate(c, n, 5).mean(axis=1).tolist())
    assert (found["method"] == "korn-graubard").all()
    assert ((found["low"].to_numpy() < rates) & (rates < found["high"].to_numpy())).all()
    assert all(point["resolved"] for point in a.verdicts["resolution"][0])
    assert not np.allclose(found["mean"], (c / n).mean(axis=1), rtol=0.1)


def test_attempts_until_that_reach_their_cap_without_a_pass_are_bounded():
    c, _, frame = pass_until([1e-12, 1e-4, 1e-3, 1e-2, 1e-1], cap=2000)
    a = unmirage.audit(frame)
    found = a.curves.filter(pl.col("metric") == "pass_rate")
    assert (c[0].sum(), found["mean"][0], found["stderr"][0]) == (0, 0, None)
    assert "no success in 80,000 attempts" in found["note"][0]
    first = a.verdicts["resolution"][0].to_list()[0]
    assert (first["resolved"], first["n"], first["successes"]) == (False, 80_000, 0)
    assert first["floor"] == pytest.approx(1 - 0.05 ** (1 / 80_000))
    assert found["mean"][1] == pytest.approx(c[1].sum() / 80_000)
