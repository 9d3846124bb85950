"""Runs of lighteval: their files, models, tasks and the names of metrics."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from unmirage.readers import lighteval_runs
from unmirage.readers.lighteval import metric_of

EM = (
    "ExactMatches(aggregation_function=max, normalize_gold=None, normalize_pred=None, strip_strings=True, "
    "type_exact_match=full)"
)
ACC = "LoglikelihoodAcc(logprob_normalization=None)"


@pytest.mark.parametrize(
    ("word", "function", "kind", "expected"),
    [
        ("acc", ACC, "choice", "multiple_choice_grade"),
        ("acc", "", None, "multiple_choice_grade"),
        ("acc", "AccGoldLikelihood()", None, "greedy_match"),
        ("acc", "AccGoldLikelihood()", "choice", "accuracy (greedy)"),
        ("acc", "", "likelihood", "greedy_match"),
        ("acc:logprob_normalization=LogProbCharNorm(ignore_first_space=False)", "", "choice", "acc_norm"),
        ("acc", "LoglikelihoodAcc(logprob_normalization=LogProbPMINorm())", "choice", "accuracy (PMI)"),
        ("acc", "LoglikelihoodAcc(LogProbTokenNorm())", "choice", "accuracy (normalised)"),
        ("acc_norm", "", "choice", "acc_norm"),
        ("em", EM, "generation", "exact_match"),
        ("em", "", None, "exact_match"),
        ("em", EM.replace("full", "prefix"), "generation", "em"),
        ("em", EM.replace("normalize_pred=None", "normalize_pred=gsm8k_normalizer"), "generation", "em"),
        ("qem", "", "generation", "qem"),
        ("bleu", "", "generation", "bleu (lighteval)"),
        ("perplexity", "", "likelihood", "perplexity (lighteval)"),
        ("rougeL", "", "generation", "rougeL"),
        ("pass@k:k=1&n=4", "", "generation", "pass@k:k=1&n=4"),
    ],
)  # fmt: skip
def test_names_of_metrics(word, function, kind, expected):
    assert metric_of(word, function, kind) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny|0", ("tiny", 0)),
        ("lighteval|arc:easy|25|0", ("lighteval|arc:easy", 25)),
        ("leaderboard|mmlu|5|1", ("leaderboard|mmlu", 5)),
        ("tiny", ("tiny", None)),
        ("3", ("3", None)),
        ("a|2024|3|0", ("a|2024", 3)),
    ],
)
def test_tasks_and_shots(name, expected):
    assert lighteval_runs.shots_of(name) == expected


def test_shots_are_kept_apart_and_means_left_out(write, load_all, lighteval):
    results = {
        "mmlu:law|0": {"acc": 0.25, "acc_stderr": 0.1},
        "mmlu:law|5": {"acc": 0.5, "acc_stderr": None, "mcc": "NaN"},
        "mmlu:_average|0": {"acc": 0.3},
        "all": {"acc": 0.3},
    }
    out = write("a/m-1b", {}, results=results)
    found = load_all(out)
    assert found.results[0].select("task", "metric", "value", "stderr", "n").rows() == [
        ("mmlu:law (0-shot)", "multiple_choice_grade", 0.25, 0.1, None),
        ("mmlu:law (5-shot)", "multiple_choice_grade", 0.5, None, None),
    ]
    assert lighteval.codes(found) == {"shots-split": 1, "missing-values": 1}


def test_models_revisions_and_checkpoints(write, load_all, lighteval):
    for step in (1000, 143000):
        config = {"revision": f"step{step}", "model_name": "EleutherAI/pythia-70m"}
        time = f"2025-03-04T05-06-07.{step:06d}"
        out = write(
            "EleutherAI/pythia-70m", {"t|0": lighteval.generation_items(step)}, config=config, time=time
        )
    frame = load_all(out).responses[0]
    ends = frame.group_by("step").agg(pl.col("n_params", "n_tokens").first(), pl.len()).sort("step")
    assert ends.rows() == [
        (1000, 70_426_624, 1000 * 2_097_152, 10),
        (143000, 70_426_624, 143000 * 2_097_152, 10),
    ]


def test_details_without_results_are_called_after_their_folder(write, load_all, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.generation_items(0)}, results={})
    frame = load_all(out).responses[0]
    assert frame.select("family", "model", "task").unique().rows() == [("m", "m-1b", "t")]


def test_the_results_of_a_file_that_was_named_are_found(write, load_all, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.generation_items(0), "u|0": lighteval.generation_items(1)})
    (path,) = out.rglob("details_t*.parquet")
    found = load_all(path)
    assert set(lighteval.rows(found, "task")) == {("t",)}
    assert set(found.results[0]["task"]) == {"t", "u"}
    assert load_all(path, format="lighteval").responses[0].equals(found.responses[0])


def test_two_models_at_one_time(write, load_all, lighteval):
    write("a/m-1b", {"t|0": lighteval.generation_items(0)})
    found = load_all(write("b/m-2b", {"t|0": lighteval.generation_items(1)}))
    assert sorted(set(lighteval.rows(found, "model"))) == [("m-1b",), ("m-2b",)]
    assert lighteval.codes(found) == {}


def test_the_newest_run_is_used(write, load_all, lighteval):
    write(
        "a/m-1b",
        {"t|0": lighteval.generation_items(0), "u|0": lighteval.generation_items(0)},
        time="2025-01-01T00-00-00.5",
    )
    out = write("a/m-1b", {"t|0": lighteval.generation_items(1)})
    found = load_all(out)
    assert lighteval.codes(found) == {"older-run": 1}
    assert found.results[0].filter(task="t")["value"].to_list() == [
        np.mean([one["metric"]["em"] for one in lighteval.generation_items(1)])
    ]
    assert sorted(found.responses[0].group_by("task").len().rows()) == [("t", 10), ("u", 10)]


def test_a_copy_of_the_results_beside_the_details(write, load_all, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.generation_items(0)})
    (path,) = out.rglob("results_*.json")
    copy = out / "details" / "a" / "m-1b" / path.name
    copy.write_bytes(path.read_bytes())
    found = load_all(out)
    assert lighteval.codes(found) == {}
    assert found.results[0].height == 1
