"""Run folders of HELM, made in the layout of crfm-helm 0.5.16, and its own where they are there."""

from __future__ import annotations

import json

import pytest

import unmirage
from unmirage.errors import ScaleError, SourceError
from unmirage.readers.helm import is_score

WORST = {"name": "robustness", "robustness": True, "fairness": False, "computed_on": "worst"}


def stat(name, *trials, split="test", **more):
    """A statistic over trials as `Stat.add` leaves it; without a value it has a count of 0 and no mean."""
    out = {"name": {"name": name, "split": split, **more}, "count": len(trials), "sum": sum(trials)}
    if trials:
        mean = sum(trials) / len(trials)
        variance = sum((one - mean) ** 2 for one in trials) / len(trials)
        out |= {"mean": mean, "variance": variance, "stddev": variance**0.5}
    return out


def scores(match, *, n=40, split="test", **more):
    """What HELM writes of a generative run, with the doubles that it makes where nothing is perturbed."""
    plain = [
        stat("num_references", 1.0, split=split),
        stat("training_co2_cost", split=split),
        stat("inference_runtime", 0.01, split=split),
        stat("finish_reason_unknown", 1.0, split=split),
        stat("exact_match", match, split=split),
        stat("quasi_exact_match", match, split=split),
        *(stat(name, value, split=split) for name, value in more.items()),
    ]
    doubled = [{**one, "name": {**one["name"], "perturbation": WORST}} for one in plain]
    return [*plain, *doubled, stat("num_instances", float(n), split=split)]


@pytest.fixture
def run(tmp_path):
    """(model, stats, ...) -> the folder of a run below tmp_path."""

    def write(
        model,
        stats,
        *,
        task="boolq",
        arguments="",
        shots=5,
        method="generation",
        suite="v1",
        perturbations=(),
    ):
        shown = model.replace("/", "_")
        name = f"{task}:{arguments}model={shown}"
        folder = tmp_path / "runs" / suite / name
        folder.mkdir(parents=True)
        spec = {
            "name": name,
            "scenario_spec": {"class_name": "helm.Scenario", "args": {}},
            "adapter_spec": {"method": method, "max_train_instances": shots, "model": model},
            "metric_specs": [],
            "data_augmenter_spec": {"perturbation_specs": list(perturbations)},
            "groups": [task],
        }
        (folder / "run_spec.json").write_text(json.dumps(spec, indent=2))
        (folder / "stats.json").write_text(json.dumps(stats, indent=2))
        return folder

    return write


def codes(loaded):
    return {note["code"]: note["count"] for note in loaded.warnings}


def test_scores_become_rows_and_bookkeeping_does_not(run, tmp_path, load_all):
    folder = run("EleutherAI/pythia-70m", scores(0.25, f1_score=0.3, prefix_exact_match=0.5))
    found = load_all(tmp_path)
    (frame,) = found.results
    rows = {row["metric"]: row for row in frame.iter_rows(named=True)}
    assert {name: row["value"] for name, row in rows.items()} == {
        "exact_match": 0.25,
        "exact_match_normalised": 0.25,
        "token_f1": 0.3,
        "prefix_exact_match": 0.5,
    }
    row = rows["exact_match"]
    assert (row["family"], row["model"], row["task"]) == ("Pythia", "pythia-70m", "boolq")
    assert (row["n_params"], row["n"], row["stderr"], row["chance"]) == (70_426_624, 40, None, None)
    assert found.warnings == []
    assert [(entry.path, entry.rows) for entry in found.inputs] == [
        (str(folder / "run_spec.json"), 0),
        (str(folder / "stats.json"), 4),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, False) for name in ("num_prompt_tokens", "num_bytes", "finish_reason_stop", "batch_size")),
        *((name, False) for name in ("inference_denoised_runtime", "training_energy_cost", "max_prob")),
        *((name, False) for name in ("predicted_index", "platt_coef", "estimated_num_tokens_cost")),
        *((name, True) for name in ("exact_match", "ece_10_bin", "rouge_l", "math_equiv", "logprob")),
    ],
)
def test_which_statistics_are_scores(name, expected):
    assert is_score(name) is expected


def test_the_spread_over_trials_is_no_standard_error(run, tmp_path, load_all):
    stats = [stat("exact_match", 0.2, 0.3, 0.25), stat("num_instances", 40.0, 40.0, 40.0)]
    run("a/m-7b", stats)
    row = load_all(tmp_path).results[0].row(0, named=True)
    assert row["value"] == pytest.approx(0.25)
    assert (row["n"], row["stderr"]) == (40, None)


def test_instances_that_differ_by_trial_are_no_number(run, tmp_path, load_all):
    run("a/m-7b", [stat("exact_match", 0.2, 0.3), stat("num_instances", 40.0, 41.0)])
    assert load_all(tmp_path).results[0]["n"].to_list() == [None]


def test_test_before_valid_and_no_parts_of_a_split(run, tmp_path, load_all):
    both = [*scores(0.5, split="valid", n=10), *scores(0.25), stat("exact_match", 0.9, sub_split="toxic")]
    run("a/m-1b", both)
    run("a/m-2b", scores(0.75, split="valid", n=10))
    found = load_all(tmp_path)
    frame = found.results[0].filter(metric="exact_match").sort("model")
    assert frame.select("model", "value", "n").rows() == [("m-1b", 0.25, 40), ("m-2b", 0.75, 10)]
    assert codes(found) == {"splits": 1, "sub-splits": 1}


def test_perturbed_instances_are_left_out_and_said(run, tmp_path, load_all):
    typos = {"name": "typos", "computed_on": "perturbed", "robustness": True}
    run(
        "a/m-1b",
        [*scores(0.25), stat("exact_match", 0.1, perturbation=typos)],
        perturbations=[{"class_name": "Typos", "args": {}}],
    )
    found = load_all(tmp_path)
    assert found.results[0].filter(metric="exact_match")["value"].to_list() == [0.25]
    assert codes(found) == {"perturbed": 1}


def test_likelihoods_of_the_models_own_text_are_no_scores(run, tmp_path, load_all):
    run("a/m-1b", scores(0.0, logprob=0.0, perplexity=1.0, bits_per_byte=0.0, max_prob=1.0))
    run("a/m-2b", scores(0.5, logprob=-3.0, perplexity=2.0, bits_per_byte=1.0))
    found = load_all(tmp_path)
    assert set(found.results[0]["metric"]) == {"exact_match", "exact_match_normalised"}
    assert codes(found) == {"zero-logprobs": 1, "own-text": 1}


def test_language_modelling_keeps_them(run, tmp_path, load_all):
    stats = [stat("logprob", -900.0), stat("perplexity", 12.5), stat("bits_per_byte", 0.9)]
    run("a/m-1b", stats, task="the_pile", method="language_modeling", shots=0)
    run("a/m-2b", [stat("logprob", 0.0)], task="the_pile", method="language_modeling", shots=0)
    found = load_all(tmp_path)
    rows = dict(found.results[0].select("metric", "value").iter_rows())
    assert rows == {"target_logprob": -900.0, "perplexity": 12.5, "bits_per_byte": 0.9}
    assert codes(found) == {"zero-logprobs": 1, "no-aggregates": 1}


def test_multiple_choice_is_no_exact_match_of_a_text(run, tmp_path, load_all):
    run("a/m-1b", scores(0.25), method="multiple_choice_joint", task="mmlu", arguments="subject=law,")
    found = load_all(tmp_path)
    assert found.results[0]["task"].unique().to_list() == ["mmlu:subject=law"]
    assert set(found.results[0]["metric"]) == {"multiple_choice_grade", "accuracy (quasi_exact_match)"}
    a = unmirage.audit(tmp_path, families=[sizes(tmp_path, "m-1b")])
    assert a.curves["chance"].null_count() == a.curves.height
    assert a.curves["method"].unique().to_list() == ["clopper-pearson of the aggregate"]


def sizes(folder, *models):
    path = folder / "sizes.toml"
    path.write_text(
        "".join(f'[models."{m}"]\nn_params = {i + 1}e6\nfamily = "m"\n' for i, m in enumerate(models))
    )
    return path


def test_methods_and_shots_are_kept_apart(run, tmp_path, load_all):
    joint = {"method": "multiple_choice_joint", "arguments": "method=multiple_choice_joint,"}
    run("a/m-1b", scores(0.25), **joint)
    run("a/m-1b", scores(0.5), shots=0, suite="zero", **joint)
    run("a/m-1b", scores(0.75))
    run("a/m-1b", scores(0.1), task="piqa", arguments="max_train_instances=3,", shots=3)
    found = load_all(tmp_path)
    shares = found.results[0].filter(~found.results[0]["metric"].str.contains("quasi|normalised"))
    assert dict(shares.select("task", "value").iter_rows()) == {
        "boolq (multiple_choice_joint) (5-shot)": 0.25,
        "boolq (multiple_choice_joint) (0-shot)": 0.5,
        "boolq (generation)": 0.75,
        "piqa": 0.1,
    }
    assert codes(found) == {"methods-split": 1, "shots-split": 1}


def test_a_revision_is_a_checkpoint(run, tmp_path, load_all):
    for step in (1000, 143000):
        run(f"EleutherAI/pythia-70m@step{step}", scores(0.25))
    frame = load_all(tmp_path).results[0].filter(metric="exact_match").sort("step")
    assert frame["step"].to_list() == [1000, 143000]
    assert frame["n_tokens"].to_list() == [1000 * 2_097_152, 143000 * 2_097_152]


def test_the_same_run_in_two_suites(run, tmp_path, load_all):
    run("a/m-1b", scores(0.25))
    run("a/m-1b", scores(0.25), suite="v2")
    found = load_all(tmp_path)
    assert found.results[0].height == 2
    assert codes(found) == {"duplicate-runs": 1}
    run("a/m-1b", scores(0.5), suite="v3")
    with pytest.raises(SourceError, match=r"m-1b has two runs of boolq with different scores") as caught:
        load_all(tmp_path)
    assert "v3" in str(caught.value.where)


def test_the_other_files_of_a_run_are_known_and_not_read(run, tmp_path, load_all):
    folder = run("a/m-1b", scores(0.25))
    for name in ("instances.json", "scenario.json", "display_requests.json"):
        (folder / name).write_text("[]")
    assert codes(load_all(tmp_path)) == {}
    (tmp_path / "scenario.json").write_text("[]")
    assert codes(load_all(tmp_path)) == {"files-not-read": 1}
    assert load_all(folder / "stats.json").results[0].height == 2


def test_a_run_that_has_not_ended(run, tmp_path, load_all):
    (run("a/m-1b", []) / "stats.json").unlink()
    with pytest.raises(SourceError, match="no score and no response") as caught:
        load_all(tmp_path)
    assert "have no stats.json: boolq:model=a_m-1b" in str(caught.value)
    run("a/m-2b", scores(0.25))
    assert codes(load_all(tmp_path)) == {"unfinished-run": 1}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("stats.json", lambda text: text[: len(text) // 2], "is not a stats.json of HELM"),
        ("stats.json", lambda text: text.replace("0.25", '"many"'), "is not a stats.json of HELM"),
        ("stats.json", lambda text: text.replace("0.25", "[1]"), "is not a stats.json of HELM"),
        (
            "stats.json",
            lambda text: text.replace('"count": 1', '"count": null'),
            "is not a stats.json of HELM",
        ),
        ("stats.json", lambda text: "{}", "is not a stats.json of HELM"),
        ("run_spec.json", lambda text: text.replace('"model"', '"engine"'), "`model`"),
        ("run_spec.json", lambda text: text.replace("5", '"five"'), "max_train_instances"),
        ("run_spec.json", lambda text: text[:-10], "is not a run_spec.json of HELM"),
    ],
)
def test_broken_files_are_named(run, tmp_path, load_all, name, change, words):
    path = run("a/m-b", scores(0.25)) / name
    path.write_text(change(path.read_text()))
    with pytest.raises(SourceError) as caught:
        load_all(tmp_path)
    assert words in str(caught.value)
    assert caught.value.where == str(path)


def test_statistics_without_a_run_spec(run, tmp_path, load_all):
    folder = run("a/m-1b", scores(0.25))
    (folder / "run_spec.json").unlink()
    with pytest.raises(SourceError, match=r"there is no run_spec\.json beside it"):
        load_all(tmp_path)


def test_not_a_number_is_left_out_by_name(run, tmp_path, load_all):
    path = run("a/m-1b", scores(0.25)) / "stats.json"
    path.write_text(path.read_text().replace("0.25", "NaN", 3))
    found = load_all(tmp_path)
    assert codes(found) == {"missing-values": 1}


def test_models_of_unknown_size_are_asked_for(run, tmp_path):
    run("huggingface/add-70k", scores(0.25))
    with pytest.raises(ScaleError, match="the scale of add-70k is not known"):
        unmirage.audit(tmp_path)


def test_runs_that_helm_wrote(shared_data, load_all):
    found = load_all(shared_data / "logs" / "helm")
    frame = found.results[0].select("model", "task", "metric", "value", "n")
    assert set(frame.filter(metric="exact_match").rows()) == {
        ("add-6k", "tiny_add", "exact_match", 0.0, 20),
        ("add-70k", "tiny_add", "exact_match", 1.0, 20),
    }
    assert frame.filter(task="tiny_add_mc").rows() == [("add-70k", "tiny_add_mc", "acc_norm", 1.0, 20)]
    assert codes(found) == {"zero-logprobs": 2}
