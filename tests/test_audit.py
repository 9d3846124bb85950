"""The main path on real and made data, through the public door."""

import doctest
import importlib
import json
import warnings

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import unmirage
from unmirage import tables
from unmirage.errors import ScaleError, SettingsError

PASS_RATES = (2.18e-4, 6.75e-4, 7.93e-4, 8.18e-3, 1.01e-2, 1.20e-2, 1.33e-2, 1.29e-2, 1.09e-2)


@pytest.fixture(scope="module")
def demo(addition_logs):
    return unmirage.audit(addition_logs)


def verdict_of(a, task, family=None):
    rows = a.verdicts.filter(pl.col("task") == task)
    return (rows if family is None else rows.filter(pl.col("family") == family)).row(0, named=True)


def test_every_table_is_in_its_schema(demo):
    for name in ("verdicts", "curves", "scores", "warnings", "breaks", "fits"):
        assert dict(getattr(demo, name).schema) == {
            k: v if isinstance(v, pl.DataType) else v() for k, v in getattr(tables, name.upper()).items()
        }
    assert set(tables.RESPONSES) <= set(demo.responses.columns)


def test_the_embedded_family(demo):
    assert demo.verdicts["task"].to_list() == [
        "add1_gen",
        "add2_gen",
        "add2_mc",
        "add2_target_ll",
        "add3_gen",
    ]
    assert verdict_of(demo, "add2_gen")["verdict"] == "cannot-tell"
    assert verdict_of(demo, "add2_gen")["companion"] == "target_logprob"
    assert "target_logprob gets worse on the way" in verdict_of(demo, "add2_gen")["reasons"][0]
    assert verdict_of(demo, "add2_mc")["companion"] == "margin"
    assert verdict_of(demo, "add3_gen")["verdict"] == "resolution-limited"
    exact = demo.curves.filter(pl.col("task") == "add2_gen", pl.col("metric") == "exact_match")
    assert exact["mean"].to_list() == pytest.approx([0, 0.025, 0.95, 0.9875, 1, 1, 1, 1])
    assert (demo.recorded["equal"] == demo.recorded["n"]).all()
    assert demo.recorded.filter(pl.col("level") == "item").height >= 7


def test_numbers_that_cannot_be_had_are_null(demo):
    tested = {"add2_gen", "add2_mc", "add2_target_ll"}
    for row in demo.verdicts.iter_rows(named=True):
        assert (row["p_break"] is not None) == (row["task"] in tested)
        assert (row["step"] is not None) == (row["task"] in tested)
        assert (row["link"]["r2_held_out"] is not None) == (row["task"] in tested)
    assert set(demo.breaks["task"]) == tested
    assert set(demo.fits["task"]) == {"add2_gen", "add2_target_ll"}


def test_same_seed_same_bytes_other_seed_other_intervals(tmp_path, demo, addition_logs):
    again = unmirage.audit(addition_logs)
    for name in ("a", "b"):
        (demo if name == "a" else again).save(tmp_path / name)
    for file in sorted((tmp_path / "a").iterdir()):
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name
    other = unmirage.audit(addition_logs, seed=1)
    assert not other.curves.equals(demo.curves)
    assert_frame_equal(other.curves.select("mean"), demo.curves.select("mean"))


def test_the_saved_json_keeps_the_contract(tmp_path, demo):
    demo.save(tmp_path)
    document = json.loads((tmp_path / "audit.json").read_text())
    assert {"unmirage", "schema", "inputs", "settings", "verdicts", "curves", "warnings"} <= set(document)
    assert document["schema"] == 1
    assert set(document["inputs"][0]) == {"path", "format", "sha256", "rows"}
    assert set(document["verdicts"][0]) >= set(tables.VERDICTS)
    assert set(document["verdicts"][0]["resolution"][0]) == {
        "model",
        "axis_value",
        "n",
        "successes",
        "chance",
        "p_above_chance",
        "floor",
        "resolved",
        "n_needed",
    }
    assert {row["method"] for row in document["curves"]} >= {"clopper-pearson", "bootstrap over items"}


def test_gsm8k_pass_rates(shared_data):
    a = unmirage.audit(shared_data / "pythia_gsm8k_samples.parquet", axis="n_params")
    rates = a.curves.filter(pl.col("metric") == "pass_rate").sort("axis_value")
    assert rates["mean"].to_list() == pytest.approx(PASS_RATES, rel=4e-3)
    assert (rates["low"] < rates["mean"]).all()
    assert (rates["mean"] < rates["high"]).all()
    assert rates["method"].unique().to_list() == ["korn-graubard"]
    assert verdict_of(a, "gsm8k")["verdict"] == "smooth"
    assert all(entry["resolved"] for entry in verdict_of(a, "gsm8k")["resolution"])


@pytest.mark.parametrize("seed", range(5))
def test_gsm8k_thinned_to_one_sample_is_resolution_limited_and_says_how_many_would_do(shared_data, seed):
    a = unmirage.audit(shared_data / "pythia_gsm8k_samples.parquet", samples=1, seed=seed)
    verdict = verdict_of(a, "gsm8k")
    assert verdict["verdict"] == "resolution-limited"
    assert "a problem) for each at that rate" in verdict["would_settle"][0]
    assert [entry["n"] for entry in verdict["resolution"]] == [128] * 9
    assert all(entry["n_needed"] for entry in verdict["resolution"])


def test_gsm8k_over_tokens_is_one_curve_a_size(shared_data):
    a = unmirage.audit(shared_data / "pythia_gsm8k_samples.parquet", axis="n_tokens")
    assert a.verdicts["family"].to_list() == [
        f"pythia {s}" for s in ["14M", "70M", "160M", "410M", "1B", "1.4B", "2.8B", "6.9B", "12B"]
    ]
    assert a.curves.filter(pl.col("metric") == "pass_rate").group_by("family").len()[
        "len"
    ].unique().to_list() == [9]


def test_losses_an_item_become_choices_with_chance_and_the_syllogism_is_flagged(shared_data):
    a = unmirage.audit(shared_data / "gpt_per_example_losses.parquet")
    curves = a.curves.filter(pl.col("metric").is_in(["multiple_choice_grade", "choice_prob"]))
    assert set(curves["task"]) == {"boolq", "conjunction_fallacy", "syllogism (0-shot)", "syllogism (1-shot)"}
    assert curves["chance"].unique().to_list() == [0.5]
    source = pl.read_parquet(shared_data / "gpt_per_example_losses.parquet")
    mine = source.filter(pl.col("model") == "davinci", pl.col("task") == "boolq")
    found = {
        r["metric"]: r["mean"]
        for r in curves.filter(pl.col("model") == "davinci", pl.col("task") == "boolq").iter_rows(named=True)
    }
    assert found["multiple_choice_grade"] == pytest.approx(mine["correct"].mean(), abs=1e-12)
    assert found["choice_prob"] == pytest.approx((-mine["loss"].cast(pl.Float64)).exp().mean(), abs=1e-9)
    for verdict in a.verdicts.iter_rows(named=True):
        flagged = any("depend on each other" in reason for reason in verdict["reasons"])
        assert flagged == verdict["task"].startswith(("syllogism", "conjunction"))
        assert verdict["verdict"] == "insufficient"


def test_a_size_axis_that_is_not_all_that_changes_is_said(shared_data):
    a = unmirage.audit(shared_data / "pythia_gsm8k_gold_nll.parquet")
    assert "unequal-training" in a.warnings["code"].to_list()
    b = unmirage.audit(shared_data / "pythia_gsm8k_gold_nll.parquet", axis="flops")
    assert "unequal-training" not in b.warnings["code"].to_list()
    assert verdict_of(b, "gsm8k")["verdict"] == "smooth"


def said(call):
    """(what a call gives, the texts of its warnings)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = call()
    assert all(issubclass(one.category, unmirage.UnmirageWarning) for one in caught)
    return given, [str(one.message) for one in caught]


def test_the_steps_stop_at_their_arrows(demo, addition_logs):
    responses, notes = said(lambda: unmirage.read(addition_logs))
    assert set(tables.RESPONSES) <= set(responses.columns)
    assert any("same documents" in note for note in notes)
    scores, notes = said(lambda: unmirage.score(addition_logs, ["exact_match", "token_edit_distance"]))
    assert set(scores["metric"]) == {"exact_match", "token_edit_distance"}
    assert any("add2_mc: exact_match needs target" in note for note in notes)
    curves, notes = said(lambda: unmirage.curves(addition_logs))
    names = ["family", "task", "metric", "model", "axis_value", "n", "mean", "chance", "resolution"]
    assert_frame_equal(curves.select(names), demo.curves.select(names), abs_tol=1e-12)
    assert not any("break test" in note for note in notes)
    results, _ = said(lambda: unmirage.read(addition_logs, table="results"))
    assert "add3_gen" in results["task"].to_list()


def test_a_saved_table_of_responses_gives_the_same_audit(tmp_path, demo):
    demo.save(tmp_path)
    again = unmirage.audit(tmp_path / "responses.parquet")
    mine = demo.verdicts.filter(pl.col("task").str.starts_with("add2"))
    assert_frame_equal(again.verdicts, mine)


def test_a_frame_is_a_source(demo):
    again = unmirage.audit(demo.responses)
    assert again.inputs == ()
    assert again.verdicts["task"].to_list() == ["add2_gen", "add2_mc", "add2_target_ll"]


def test_on_a_loss_axis_the_best_model_comes_last(demo):
    frame = demo.responses.with_columns(loss=10 / pl.col("n_params").log10())
    a = unmirage.audit(frame, axis="loss")
    assert verdict_of(a, "add2_gen")["verdict"] == verdict_of(demo, "add2_gen")["verdict"]
    ours, theirs = (x.differences.filter(pl.col("task") == "add2_gen") for x in (a, demo))
    assert ours["difference"].to_list() == theirs["difference"].to_list()
    assert ours["model_from"][0] == "add-6k"


def test_a_metric_that_one_model_lacks_is_judged_without_it_and_said(demo):
    frame = demo.responses.filter(pl.col("task") == "add2_gen")
    worst = frame.sort("n_params")["model"][0]
    holes = pl.when(pl.col("model") != worst).then("target_logprobs")
    a = unmirage.audit(frame.with_columns(target_logprobs=holes))
    assert verdict_of(a, "add2_gen")["companion"] == "target_logprob"
    curve = a.curves.filter(pl.col("metric") == "target_logprob")
    assert worst not in curve["model"].to_list()
    assert curve.height == frame["model"].n_unique() - 1
    note = a.warnings.filter(pl.col("code") == "partial-metric")
    assert worst in note["message"][0]
    assert "target_logprob" in note["message"][0]
    named = unmirage.audit(frame.with_columns(target_logprobs=holes), companion="target_prob")
    assert verdict_of(named, "add2_gen")["companion"] == "target_prob"


def test_a_headline_without_item_scores_cannot_be_judged_and_says_so(demo):
    a = unmirage.audit(demo.responses.filter(pl.col("task") == "add2_mc"), headline="ece")
    assert "no scores of items" in verdict_of(a, "add2_mc")["reasons"][0]
    assert (a.curves["metric"] == "ece").any()


def test_a_recorded_score_without_a_chance_level_says_how_to_give_it():
    rows = [
        {
            "family": "f",
            "model": f"m{m}",
            "task": "t",
            "item_id": f"i{i}",
            "n_params": 10.0 ** (m + 6),
            "kind": "score",
            "recorded": [{"metric": "correct", "value": float(i < right)}],
        }
        for m, right in enumerate((12, 13, 15, 30, 45))
        for i in range(50)
    ]
    unknown = verdict_of(unmirage.audit(pl.DataFrame(rows)), "t")
    assert any("--chance t=" in line for line in unknown["would_settle"])
    known = verdict_of(unmirage.audit(pl.DataFrame(rows), chance={"t": 0.25}), "t")
    assert [point["resolved"] for point in known["resolution"]] == [False, False, False, True, True]
    assert not any("--chance" in line for line in known["would_settle"])


def test_a_score_that_only_the_log_knows_can_be_asked_for():
    rows = [
        {
            "family": "f",
            "model": f"m{size}",
            "n_params": 10.0**size,
            "task": "t",
            "kind": "score",
            "item_id": str(item),
            "recorded": [{"metric": "style", "value": (size + item) / 20}],
        }
        for size in range(5)
        for item in range(6)
    ]
    found = unmirage.audit(
        pl.DataFrame(rows, schema_overrides={"recorded": tables.RECORDED}), metrics=["style"]
    )
    assert found.curves["metric"].unique().to_list() == ["style"]
    assert found.curves["mean"].to_list() == pytest.approx([(size + 2.5) / 20 for size in range(5)])


def test_headline_and_companion_can_be_named(addition_logs):
    a = unmirage.audit(addition_logs, headline="token_accuracy", companion="token_edit_distance")
    assert verdict_of(a, "add2_gen")["headline"] == "token_accuracy"
    assert verdict_of(a, "add2_gen")["companion"] == "token_edit_distance"
    assert "cannot be computed" in verdict_of(a, "add2_mc")["reasons"][0]


def test_combinators_make_sharp_metrics(addition_logs):
    a = unmirage.audit(
        addition_logs,
        metrics=[
            "exact_match",
            "threshold(token_edit_distance,1)",
            "all_of(exact_match,5)",
            "any_of(exact_match,3)",
        ],
    )
    means = {
        name: a.curves.filter(pl.col("task") == "add2_gen", pl.col("metric") == name)["mean"].to_list()
        for name in a.curves.filter(pl.col("task") == "add2_gen")["metric"].unique()
    }
    right = 152  # add-13k: .95 of 160
    expected = 1.0
    for i in range(5):
        expected *= (right - i) / (160 - i)
    assert means["all_of(exact_match,5)"][2] == pytest.approx(expected)
    assert means["any_of(exact_match,3)"][1] == pytest.approx(1 - (156 * 155 * 154) / (160 * 159 * 158))
    assert all(
        loose >= exact
        for loose, exact in zip(means["threshold(token_edit_distance,1)"], means["exact_match"], strict=True)
    )


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"alpha": 0}, "--alpha"),
        ({"confidence": 1.5}, "--confidence"),
        ({"replicates": 3}, "--replicates"),
        ({"seed": -1}, "--seed"),
        ({"interval": "wald"}, "--interval"),
        ({"adjust": "none"}, "--adjust"),
        ({"samples": 1}, "--samples"),
        ({"checkpoint": "best"}, "--checkpoint"),
        ({"chance": {"t": 2}}, "chance"),
    ],
)
def test_settings_out_of_range_are_refused(options, where, addition_logs):
    with pytest.raises(SettingsError) as caught:
        unmirage.audit(addition_logs, **options)
    assert caught.value.where == where


def test_an_unknown_axis_names_the_known_ones(addition_logs):
    with pytest.raises(ScaleError, match="n_params"):
        unmirage.audit(addition_logs, axis="depth")


def test_progress_is_told(demo, addition_logs):
    seen = []
    unmirage.audit(addition_logs, progress=lambda step, done, total: seen.append((step, done, total)))
    # Three tasks have items; two have aggregates only.
    assert ("averaging", 2, 3) in seen
    assert ("testing", 3, 3) in seen
    assert ("judging", 5, 5) in seen
    reading = [(done, total) for step, done, total in seen if step == "reading"]
    size = sum(path.stat().st_size for path in addition_logs.rglob("*.json*"))
    assert reading[-1] == (size, size)
    assert reading == sorted(reading)
    assert len(reading) > 10


def test_saving_tells_its_progress(demo, tmp_path):
    seen = []
    demo.save(tmp_path, progress=lambda step, done, total: seen.append((step, done, total)))
    assert seen == [("drawing", i, 5) for i in range(1, 6)]


def test_the_example_of_the_docstring_runs():
    found = doctest.testmod(importlib.import_module("unmirage.audit"))
    assert (found.attempted, found.failed) == (3, 0)


def test_the_public_names_are_what_they_say():
    for name in unmirage.__all__:
        assert getattr(unmirage, name) is not None
    assert set(unmirage.__all__) == set(dir(unmirage))
    with pytest.raises(AttributeError):
        _ = unmirage.nothing
    # Loading the module of the same name must not hide the function.
    importlib.import_module("unmirage.audit")
    assert callable(unmirage.audit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unmirage.metric("exact_match").card.binary
