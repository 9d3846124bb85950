"""Items of HELM runs: which are kept, and what their rows hold."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage.errors import SourceError

TYPOS = {"name": "typos", "computed_on": "perturbed"}


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_generations(write, tmp_path, load_all, indent, helm):
    states = [
        helm.state(helm.instance(1, "12"), " 12\n"),
        helm.state(helm.instance(2, "one", "1", "no", right=(0, 1)), "1"),
        helm.state(helm.instance(3, "14"), "13"),
    ]
    records = [
        helm.record(1, exact_match=1, quasi_exact_match=1, logprob=-3.0),
        helm.record(2, exact_match=1, quasi_exact_match=1),
        helm.record(3, exact_match=0, quasi_exact_match=0),
        helm.record(3, f1_score=0.25),
    ]
    folder = write(states, records, indent=indent)
    found = load_all(tmp_path)
    assert helm.rows(found, "model", "task", "item_id", "epoch", "kind", "target", "output") == [
        ("m-1b", "t", "id1", 0, "generation", "12", "12"),
        ("m-1b", "t", "id2", 0, "generation", "1", "1"),
        ("m-1b", "t", "id3", 0, "generation", "14", "13"),
    ]
    last = helm.scores_of(found.responses[0]["recorded"][-1].to_list())
    assert last == {"exact_match": 0.0, "exact_match_normalised": 0.0, "token_f1": 0.25}
    assert helm.codes(found) == {"own-text": 1}
    assert {entry.path: entry.rows for entry in found.inputs} == {
        str(folder / "run_spec.json"): 0,
        str(folder / "stats.json"): 3,
        str(folder / "scenario_state.json"): 3,
        str(folder / "per_instance_stats.json"): 4,
    }


def test_trials_are_epochs_and_the_aggregate_is_that_of_helm(write, tmp_path, sizes, helm):
    right = {(i, trial): (i * 7 + trial * 3) % 5 < 2 for i in range(7) for trial in range(3)}
    states = [
        helm.state(helm.instance(i, "12"), "12" if hit else "13", trial=trial)
        for (i, trial), hit in right.items()
    ]
    records = [helm.record(i, trial, exact_match=int(hit)) for (i, trial), hit in right.items()]
    write(states, records)
    a, found = helm.compared(tmp_path / "runs", sizes)
    assert a.responses["epoch"].to_list() == [trial for _, trial in right]
    assert found["exact_match", "item"]["n"] == found["exact_match", "item"]["equal"] == 21
    assert found["exact_match", "aggregate"]["largest_difference"] < 1e-9


def test_perturbed_instances_and_other_splits_are_left_out(write, tmp_path, load_all, helm):
    states = [
        helm.state(helm.instance(1, "12"), "12"),
        helm.state(helm.instance(1, "12", perturbation=TYPOS), "13"),
        helm.state(helm.instance(2, "12", split="valid"), "12"),
        helm.state(helm.instance(3, "12", sub_split="hard"), "12"),
    ]
    perturbed = {**helm.record(1, exact_match=0), "perturbation": TYPOS}
    records = [helm.record(1, exact_match=1), perturbed, helm.record(2, split="valid", exact_match=1)]
    write(states, records)
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "output") == [("id1", "12")]
    assert found.responses[0]["recorded"][0].to_list() == [{"metric": "exact_match", "value": 1.0}]
    assert helm.codes(found) == {"splits": 1}


def test_modelled_language(write, tmp_path, load_all, helm):
    first = [("The", 0.0), (" cat", -2.0), (" sat", -3.0)]
    second = [(" cat", -9.0), (" sat", -9.0), (" down", -4.0)]
    one = helm.instance(1)
    states = [
        helm.state(one, "", tokens=first),
        helm.state(one, "", tokens=second, num_conditioning_tokens=2),
        helm.state(helm.instance(2), "", tokens=[("Hi", -1.0)]),
    ]
    records = [helm.record(1, logprob=-5.0), helm.record(1, logprob=-4.0), helm.record(2, logprob=-1.0)]
    write(states, records, method="language_modeling")
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "kind", "target", "target_logprobs") == [
        ("id1", "likelihood", "The cat sat down", [0.0, -2.0, -3.0, -4.0]),
        ("id2", "likelihood", "Hi", [-1.0]),
    ]
    assert [helm.scores_of(row) for row in found.responses[0]["recorded"].to_list()] == [
        {"target_logprob": -9.0},
        {"target_logprob": -1.0},
    ]
    assert found.responses[0]["target_tokens"].to_list() == [["The", " cat", " sat", " down"], ["Hi"]]
    assert helm.codes(found) == {}


def test_modelled_language_of_zeros(write, tmp_path, load_all, helm):
    write(
        [helm.state(helm.instance(1), "", tokens=[("a", 0.0)])],
        [helm.record(1, logprob=0)],
        method="language_modeling",
    )
    with pytest.raises(SourceError, match="no score and no response") as caught:
        load_all(tmp_path)
    assert "all 0" in str(caught.value)


def test_outputs_that_are_missing_or_several(write, tmp_path, load_all, helm):
    states = [
        helm.state(helm.instance(1, "12"), "12", "13"),
        helm.state(helm.instance(2, "12")),
        helm.state(helm.instance(3, "12", right=()), "12"),
        helm.state(helm.instance(4, "12"), ""),
    ]
    states[0]["result"]["completions"].reverse()
    write(states, [helm.record(i, exact_match=0) for i in (1, 3, 4)])
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "output") == [("id1", "12"), ("id4", "")]
    assert helm.codes(found) == {"several-outputs": 1, "no-output": 1, "no-answer": 1}


def test_either_file_alone(write, tmp_path, load_all, helm):
    write(None, [helm.record(1, exact_match=1)], model="a/m-1b")
    write([helm.state(helm.instance(1, "12"), "12")], None, model="a/m-2b")
    frame = load_all(tmp_path).responses[0]
    assert frame.select("model", "kind", pl.col("recorded").list.len()).rows() == [
        ("m-1b", "score", 1),
        ("m-2b", "generation", 0),
    ]
    write(
        [helm.state(helm.instance(1, "a", "b"), "A")],
        None,
        model="a/m-3b",
        method="multiple_choice_joint",
        task="u",
    )
    assert helm.codes(load_all(tmp_path)) == {"items-not-read": 1, "results-without-items": 1}


def test_the_same_run_twice_is_read_once(write, tmp_path, load_all, helm):
    states, records = [helm.state(helm.instance(1, "12"), "12")], [helm.record(1, exact_match=1)]
    folder = write(states, records)
    folder.rename(tmp_path / "runs" / "first")
    write(states, records)
    found = load_all(tmp_path)
    assert found.responses[0].height == 1
    assert helm.codes(found) == {"duplicate-runs": 1}
