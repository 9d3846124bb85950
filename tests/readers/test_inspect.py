"""Logs of inspect_ai: made ones in every layout, and the real ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage.errors import SourceError
from unmirage.readers.inspect_ai_records import number_of

LAYOUTS = [("a.eval", {}), ("a.eval", {"frames": 3}), ("a.eval", {"method": 8}), ("a.eval", {"method": 0})]


def recorded(frame: pl.DataFrame, place: int = 0) -> dict[str, float]:
    return {entry["metric"]: entry["value"] for entry in frame["recorded"][place]}


def notes(loaded, code: str) -> list[str]:
    return [str(note["message"]) for note in loaded.warnings if note["code"] == code]


@pytest.mark.parametrize(("name", "how"), [*LAYOUTS, ("a.json", {})])
def test_a_log_in_every_layout(tmp_path, inspect_logs, load_all, name, how):
    samples = [
        inspect_logs.sample("x", " 4\n", scores={"exact": "C", "judge": 0.25}),
        inspect_logs.sample(7, "5", scores={"exact": "I", "judge": True}),
    ]
    results = {
        "total_samples": 2,
        "completed_samples": 2,
        "scores": [
            {
                "name": "exact",
                "scorer": "exact",
                "scored_samples": 2,
                "metrics": {
                    "mean": {"name": "mean", "value": 0.5},
                    "stderr": {"name": "stderr", "value": 0.35},
                },
            }
        ],
    }
    path = inspect_logs.log(tmp_path / name, inspect_logs.header(results=results), samples, **how)
    loaded = load_all(path)
    (frame,) = loaded.responses
    assert frame.select("model", "task", "item_id", "epoch", "kind", "target", "output").rows() == [
        ("m-1b", "sums", "x", 0, "generation", "4", "4"),
        ("m-1b", "sums", "7", 0, "generation", "4", "5"),
    ]
    assert recorded(frame) == {"exact_match_normalised": 1.0, "judge": 0.25}
    assert recorded(frame, 1) == {"exact_match_normalised": 0.0, "judge": 1.0}
    (table,) = loaded.results
    assert table.select("metric", "value", "stderr", "n").rows() == [("exact_match_normalised", 0.5, 0.35, 2)]
    assert [(entry.path, entry.format, entry.rows) for entry in loaded.inputs] == [(str(path), "inspect", 2)]
    assert notes(loaded, "stripped-text") == [
        "1 samples of sums by m-1b have white space at the ends of outputs or targets; it is left out, as "
        "inspect_ai's scorers do"
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *(("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), (True, 1.0), (False, 0.0), (3, 3.0), (-0.5, -0.5)),
        *(("Yes", 1.0), ("TRUE", 1.0), ("no", 0.0), ("false", 0.0), (" 2.5 ", 2.5), ("1e3", 1000.0)),
        *(("blue", None), ("c", None), ("", None), ("nan", None), ("inf", None), ("٣", None), (None, None)),
        *((math.nan, None), (math.inf, math.inf), ([], None), ({}, None), (10**400, None)),
    ],
)
def test_what_a_score_is_as_a_number(value, number):
    assert number_of(value) == number


def test_lists_and_dicts_of_scores_epochs_and_reducers(tmp_path, inspect_logs, load_all):
    samples = [
        inspect_logs.sample(
            item,
            epoch=epoch,
            scores={"judge": {"value": {"a": a, "b": None}}, "both": [1, "I"], "match": letter},
        )
        for item, epoch, a, letter in [(1, 1, 0.5, "C"), (1, 2, 1.0, "I"), (2, 1, 0.0, "C"), (2, 2, 0.0, "C")]
    ]
    accuracy = {"name": "accuracy", "value": 0.75}
    scores = [
        {
            "name": "a",
            "scorer": "judge",
            "reducer": "mean",
            "metrics": {"mean": {"name": "mean", "value": 0.375}},
        },
        {"name": "match", "scorer": "match", "reducer": "mean", "metrics": {"accuracy": accuracy}},
        {
            "name": "match",
            "scorer": "match",
            "reducer": "at_least_1",
            "scored_samples": 2,
            "metrics": {"accuracy": {"name": "accuracy", "value": 1.0}, "f1": {"name": "f1", "value": 0.5}},
        },
    ]
    reductions = [
        {
            "scorer": "match",
            "reducer": "mean",
            "samples": [{"value": 0.5, "sample_id": 1}, {"value": 0.9, "sample_id": 2}],
        },
        {"scorer": "match", "reducer": "at_least_1", "samples": [{"value": 0, "sample_id": 1}]},
    ]
    header = inspect_logs.header(scorers=[{"name": "judge"}, {"name": "both"}], results={"scores": scores})
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", header, samples, reductions=reductions))
    (frame,) = loaded.responses
    assert frame["epoch"].to_list() == [0, 1, 0, 1]
    assert set(frame["kind"]) == {"score"}
    assert recorded(frame) == {"judge.a": 0.5, "both.1": 1.0, "both.2": 0.0, "match": 1.0}
    assert loaded.results[0].select("metric", "value").rows() == [
        ("judge.a", 0.375),
        ("match", 0.75),
        ("match (at_least_1)", 1.0),
        ("match (at_least_1, f1)", 0.5),
    ]
    assert notes(loaded, "aggregate-differs") == []
    assert [n["count"] for n in loaded.warnings if n["code"] == "reductions-differ"] == [1]


def test_an_aggregate_that_is_not_the_mean_of_the_samples(tmp_path, inspect_logs, load_all):
    scores = [{"name": "j", "scorer": "j", "metrics": {"mean": {"name": "mean", "value": 0.5}}}]
    header = inspect_logs.header(scorers=[{"name": "j"}], results={"scores": scores})
    edited = {"value": 1.0, "history": [{"value": 0.0}, {"value": 1.0}]}
    samples = [inspect_logs.sample(1, scores={"j": 1.0}), inspect_logs.sample(2, scores={"j": edited})]
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", header, samples))
    (message,) = notes(loaded, "aggregate-differs")
    assert "the log's own j is 0.5, the mean over its samples 1;" in message
    assert notes(loaded, "edited-scores") == [
        "1 samples of sums by m-1b have scores that were edited after the run; the last edit is used"
    ]


def test_samples_that_are_left_out_are_counted(tmp_path, inspect_logs, load_all):
    sample = inspect_logs.sample
    samples = [
        sample(1, scores={"j": 1.0, "colour": "blue"}),
        sample(2, scores={"j": math.nan}),
        sample(3, scores={"j": 0.0}, invalidation={"author": "me", "reason": "wrong target"}),
        sample(4, error={"message": "boom", "traceback": "..."}),
        sample(5, scores={"j": 0.5}, error={"message": "late"}),
    ]
    path = inspect_logs.log(tmp_path / "a.eval", inspect_logs.header(scorers=[{"name": "j"}]), samples)
    loaded = load_all(path)
    assert loaded.responses[0]["item_id"].to_list() == ["1", "5"]
    counts = {note["code"]: note["count"] for note in loaded.warnings}
    assert counts == dict.fromkeys(
        ("unscored-samples", "invalidated-samples", "failed-samples", "scores-not-numbers"), 1
    )


def test_of_several_runs_the_newest_success(tmp_path, inspect_logs, load_all):
    log, header = inspect_logs.log, inspect_logs.header
    days = [f"2026-01-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    for name, day, status, value in [
        ("first", days[0], "error", 0.1),
        ("second", days[1], "success", 0.2),
        ("third", days[2], "started", 0.3),
    ]:
        head = header(created=day, status=status, scorers=[{"name": "j"}])
        log(tmp_path / f"{name}.eval", head, [inspect_logs.sample(1, scores={"j": value})])
    copy = header(created=days[1], scorers=[{"name": "j"}])
    log(tmp_path / "copy.json", copy, [inspect_logs.sample(1, scores={"j": 0.2})])
    loaded = load_all(tmp_path)
    assert recorded(loaded.responses[0]) == {"j": 0.2}
    (message,) = notes(loaded, "duplicate-runs")
    assert message.endswith("scored again, and are left out: second.eval (for copy.json)")
    first, third = sorted(notes(loaded, "older-run"), reverse=True)
    assert "sums of m-1b was retried: copy.json (success, 2026-01-02" in first
    assert "this one (started, 2026-01-03" in first + third


def test_a_running_log_is_read_as_far_as_it_is(tmp_path, inspect_logs, load_all):
    head = inspect_logs.header(status="started", scorers=[{"name": "j"}])
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", head, [inspect_logs.sample(1, scores={"j": 1})]))
    assert loaded.responses[0].height == 1
    (message,) = notes(loaded, "unfinished-run")
    assert message.endswith("did not come to its end (status started): 1 samples are in the log")


def test_a_log_without_samples_gives_its_aggregates(tmp_path, inspect_logs, load_all, codes):
    scores = [{"name": "j", "scorer": "j", "metrics": {"mean": {"name": "mean", "value": 0.5}}}]
    header = inspect_logs.header(scorers=[{"name": "j"}], results={"scores": scores})
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", header, []))
    assert not loaded.responses
    assert loaded.results[0].select("metric", "value").rows() == [("j", 0.5)]
    assert codes(loaded) == ["no-samples"]


def test_arguments_and_models_are_told_apart(tmp_path, inspect_logs, load_all):
    sample = inspect_logs.sample(1, scores={"exact": "C"})
    for i, (model, shots, arguments) in enumerate(
        [
            ("hf/EleutherAI/pythia-70m", 0, {"revision": "step1000"}),
            ("hf/EleutherAI/pythia-70m", 5, {}),
            ("hf/local", 5, {"model_path": "out/mine-10m/checkpoint-500"}),
            ("vllm/other-20m", 5, {}),
        ]
    ):
        head = inspect_logs.header(
            model=model,
            task_args={"shots": shots, "same": 1},
            model_args=arguments,
            metadata={"n_params": 5e6 + i},
        )
        head["eval"]["eval_id"] = str(i)
        inspect_logs.log(tmp_path / f"{i}.eval", head, [sample])
    loaded = load_all(tmp_path)
    rows = set(loaded.responses[0].select("family", "model", "task", "n_params", "step").rows())
    assert rows == {
        ("Pythia", "pythia-70m@step1000", "sums (shots=0)", 5e6, 1000.0),
        ("Pythia", "pythia-70m", "sums (shots=5)", 5e6 + 1, None),
        ("mine", "mine-10m@checkpoint-500", "sums (shots=5)", 5e6 + 2, 500.0),
        ("other", "other-20m", "sums (shots=5)", 5e6 + 3, None),
    }
    assert notes(loaded, "task-args-split") == [
        "tasks that were run with several arguments are kept apart by them: sums"
    ]


def test_tokens_are_kept_where_they_spell_the_output(tmp_path, inspect_logs, load_all):
    sample, scores = inspect_logs.sample, {"exact": "C"}
    samples = [
        sample(1, "1 2\n", logprobs=[("1", -0.1), ("Ġ2", -0.2), ("Ċ", 0.0), ("9", -3.0)], scores=scores),
        sample(2, " ab", logprobs=[("▁a", -0.1), ("b", -0.1), ("</s>", -0.1)], scores=scores),
        sample(3, "13", logprobs=[("1", -0.1), ("2", -1.0)], scores=scores),
        sample(4, "", logprobs=[("</s>", -0.1)], scores=scores),
        sample(5, "7", scores=scores),
    ]
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", inspect_logs.header(), samples))
    assert loaded.responses[0]["output_tokens"].to_list() == [["1", " 2", "\n"], [" a", "b"], None, [], None]
    counts = {note["code"]: note["count"] for note in loaded.warnings}
    assert counts == {"stripped-text": 2, "own-text": 4, "tokens-differ": 1}


def test_perplexity_of_the_prompts_end_is_a_likelihood(tmp_path, inspect_logs):
    tokens = [("2", -5.0), ("+", -4.0), ("4", -0.5), ("\n", -0.25)]
    value = {"value": 0.375, "metadata": {"num_tokens": 2, "sum_log_probs": -0.75}}
    samples = [
        inspect_logs.sample(1, prompt_logprobs=tokens, scores={"target_perplexity": value}),
        inspect_logs.sample(2, scores={"target_perplexity": math.nan}),
    ]
    header = inspect_logs.header(scorers=[{"name": "target_perplexity"}])
    path = inspect_logs.log(tmp_path / "a.eval", header, samples)
    with pytest.warns(unmirage.UnmirageWarning, match="1 samples of sums by m-1b have no score"):
        frame = unmirage.read(path)
    assert frame.select("kind", "target_tokens", "target_logprobs").rows() == [
        ("likelihood", ["4", "\n"], [-0.5, -0.25])
    ]
    with pytest.warns(unmirage.UnmirageWarning):
        scores = unmirage.score(path, ["cross_entropy"])
    assert scores["score"].to_list() == [recorded(frame)["cross_entropy"]] == [0.375]


def test_several_targets_and_messages_in_parts(tmp_path, inspect_logs, load_all):
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "four"}]
    sample = inspect_logs.sample(1, target=["4", "four"], scores={"exact": "C"})
    sample["output"]["choices"][0]["message"]["content"] = parts
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", inspect_logs.header(), [sample]))
    assert loaded.responses[0].select("target", "output").rows() == [("four", "four")]


def test_letters_of_choices_have_a_chance_level_that_is_asked_for(tmp_path, inspect_logs, load_all):
    sample = inspect_logs.sample(
        "q", "ANSWER: A", target="A", choices=["w", "x", "y"], scores={"choice": "C"}
    )
    header = inspect_logs.header(scorers=[{"name": "choice"}])
    loaded = load_all(inspect_logs.log(tmp_path / "a.eval", header, [sample]))
    assert loaded.responses[0]["kind"].to_list() == ["score"]
    assert recorded(loaded.responses[0]) == {"multiple_choice_grade": 1.0}
    assert '--chance "sums=0.3333"' in notes(loaded, "chance-not-given")[0]


def test_halves_of_surrogate_pairs_and_markup(tmp_path, inspect_logs, load_all):
    bad = "<script>alert(1)</script>\x00"
    sample = inspect_logs.sample(f"../../{bad}", bad, scores={"exact": "I"})
    path = inspect_logs.log(tmp_path / "a.eval", inspect_logs.header(model=f"hf/{bad}"), [sample])
    row = load_all(path).responses[0].row(0, named=True)
    assert (row["item_id"], row["output"]) == (f"../../{bad}", bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.eval"]
    broken = json.dumps(inspect_logs.sample("\ud83d", scores={"exact": "I"})).encode()
    head = json.dumps(inspect_logs.header()).encode()
    inspect_logs.archive(path, [("header.json", head), ("samples/1.json", broken)])
    with pytest.raises(SourceError, match=r"entry 'samples/1.json': is not what inspect_ai writes"):
        load_all(path)


# The real logs.

RUNS = {"add2_generate (n=30)": 4, "add2_epochs (n=30)": 3, "add2_choice": 4, "add2_epochs (n=4)": 1}


@pytest.fixture(scope="module")
def real(shared_data, load_all):
    return load_all(shared_data / "logs" / "inspect")


def test_every_real_log_is_read(real, shared_data):
    frame = real.responses[0]
    assert dict(frame.group_by("task").agg(pl.col("model").n_unique()).iter_rows()) == RUNS
    folder = shared_data / "logs" / "inspect"
    assert {entry.path for entry in real.inputs} == {
        str(path) for path in folder.rglob("*") if path.suffix in (".eval", ".json")
    }
    codes = {note["code"] for note in real.warnings}
    assert not codes & {"aggregate-differs", "reductions-differ"}


def test_our_means_are_the_logs_own(real):
    """Of each metric whose items are logged; those of other reducers are no means of items."""
    items = real.responses[0].explode("recorded").unnest("recorded")
    means = (
        items.group_by("model", "task", "metric", "item_id")
        .agg(pl.col("value").mean())
        .group_by("model", "task", "metric")
        .agg(pl.col("value").mean().alias("ours"), pl.len().cast(pl.Int64).alias("items"))
    )
    both = real.results[0].join(means, on=["model", "task", "metric"], how="left")
    others = both.filter(pl.col("ours").is_null())["metric"].unique().sort().to_list()
    assert others == ["match (at_least_1)", "match (pass_at_2)"]
    compared = both.drop_nulls("ours")
    assert compared.height == 4 * 3 + 3 + 4 + 1
    assert (compared["ours"] - compared["value"]).abs().max() <= 1e-9
    assert compared["items"].equals(compared["n"].rename("items"))


def test_other_reducers_follow_from_the_epochs(real):
    frame = real.responses[0].filter(pl.col("task") == "add2_epochs (n=30)")
    passed = (
        frame.explode("recorded").unnest("recorded").group_by("model", "item_id").agg(pl.col("value").sum())
    )
    two = passed.with_columns(
        once=(pl.col("value") > 0).cast(pl.Float64),
        # Of three epochs two are drawn: none passes in one draw of three where one passed.
        two=pl.when(pl.col("value") >= 2).then(1.0).when(pl.col("value") == 1).then(2 / 3).otherwise(0.0),
    )
    means = two.group_by("model").agg(pl.col("once", "two").mean())
    for column, metric in (("once", "match (at_least_1)"), ("two", "match (pass_at_2)")):
        theirs = real.results[0].filter(pl.col("metric") == metric, pl.col("task") == "add2_epochs (n=30)")
        both = theirs.join(means, on="model")
        assert both.height == 3
        assert (both[column] - both["value"]).abs().max() <= 1e-9


def test_the_models_wrote_what_lm_eval_logged(real, shared_data):
    for model in ("add-6k", "add-10k", "add-20k", "add-220k"):
        (path,) = Path(shared_data / "logs" / "lm_eval" / f"models__{model}").glob(
            "samples_add2_gen_20*.jsonl"
        )
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        theirs = {f"add2-{r['doc_id']}": r["filtered_resps"][0].strip() for r in lines}
        mine = real.responses[0].filter(pl.col("model") == model, pl.col("task") == "add2_generate (n=30)")
        found = dict(mine.select("item_id", "output").iter_rows())
        assert len(found) == 30
        assert found.items() <= theirs.items()
