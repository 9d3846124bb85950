"""Logs of lm-evaluation-harness that contradict themselves or each other, on made logs."""

from __future__ import annotations

import json

import pytest

ARGS = {"pretrained": "a/m-7b"}


def overlapping(logs, wrong):
    """Two tasks of one run over the same ten texts, "ab" after "i" and "b" after "ia"; some of the latter are
    less likely than the whole."""
    whole, end = logs.likelihood(0, 10), logs.likelihood(0, 10)
    whole.name, end.name = "whole", "end"
    for i in range(10):
        record = whole.filters["none"][i]
        record.requests, record.filtered = [[f"{i}", "ab"]], [[-4.0, False]]
        record = end.filters["none"][i]
        record.requests, record.filtered = [[f"{i}a", "b"]], [[-9.0 if i in wrong else -3.9, False]]
    return [whole, end]


@pytest.mark.parametrize(("text", "impossible"), [("a" * 4, True), ("é" * 4, False)])
def test_a_greedy_text_is_held_against_its_bytes(logs, load_all, tmp_path, text, impossible):
    # A greedy text below 1/256 a byte is seldom: four bytes are -22 nats, and eight are -44.
    task = logs.likelihood(0, 10)
    for record in task.filters["none"]:
        record.requests, record.filtered = [["q", text]], [[-40.0, True]]
    logs.run(tmp_path, "0.4.10", ARGS, [task])
    notes = [note for note in load_all(tmp_path).warnings if note["code"] == "impossible-logprob"]
    assert [note["count"] for note in notes] == ([10] if impossible else [])


@pytest.mark.parametrize("wrong", [(), (2, 5), (2, 5, 7)])
def test_one_text_with_two_log_probabilities(logs, load_all, tmp_path, wrong):
    logs.run(tmp_path, "0.4.10", ARGS, overlapping(logs, wrong))
    notes = [n for n in load_all(tmp_path).warnings if n["code"] == "impossible-logprob"]
    if len(wrong) < 3:  # a tokeniser that cuts the text elsewhere can do that to a few
        assert notes == []
        return
    (note,) = notes
    assert note["count"] == 3
    assert (
        "m-7b: 3 of 10 items of end have a log-probability that cannot be (doc_id 2, 5, 7)" in note["message"]
    )
    assert "run again with logits_cache=False" in note["message"]


def test_the_cache_is_not_blamed_where_it_was_off(logs, load_all, tmp_path):
    logs.run(tmp_path, "0.4.10", {**ARGS, "logits_cache": False}, overlapping(logs, (1, 2, 3)))
    (note,) = [n for n in load_all(tmp_path).warnings if n["code"] == "impossible-logprob"]
    assert "logits_cache" not in note["message"]


def test_two_tasks_of_different_runs_are_not_held_against_each_other(logs, load_all, tmp_path, codes):
    whole, end = overlapping(logs, (1, 2, 3))
    logs.run(tmp_path, "0.4.10", ARGS, [whole])
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-1b"}, [end])
    assert "impossible-logprob" not in codes(load_all(tmp_path))


def test_a_family_that_was_not_asked_alike(logs, load_all, tmp_path, codes):
    sizes = ("1b", "3b", "7b")
    for seed, size in enumerate(sizes):
        task = logs.choice(seed)
        if size == "7b":
            for record in task.filters["none"][:4]:
                record.requests = [[f"Question: {context}", text] for context, text in record.requests]
        folder = logs.run(tmp_path, "0.4.10", {"pretrained": f"a/m-{size}"}, [task])
        path = next(folder.glob("results_*.json"))
        document = json.loads(path.read_text())
        document["chat_template"] = None if size == "1b" else "{{ messages }}"
        document["versions"] = {task.name: 1.0}
        path.write_text(json.dumps(document))
    found = load_all(tmp_path)
    assert codes(found) == ["different-prompts", "different-settings"]
    prompts, settings = sorted(found.warnings, key=lambda note: str(note["code"]))
    assert "4 of 12 items were put to m-7b in another prompt" in prompts["message"]
    assert (
        "chat template is none for m-1b, {{ messages }} for m-3b, m-7b (tasks: my_mc)" in settings["message"]
    )


def test_the_hash_of_a_task_tells_where_there_are_no_samples(logs, load_all, tmp_path, codes):
    for seed, size in enumerate(("1b", "3b")):
        folder = logs.run(
            tmp_path, "0.4.10", {"pretrained": f"a/m-{size}"}, [logs.choice(seed)], samples=False
        )
        path = next(folder.glob("results_*.json"))
        document = json.loads(path.read_text())
        document["task_hashes"] = {"my_mc": f"{seed}" * 64}
        path.write_text(json.dumps(document))
    (note,) = [n for n in load_all(tmp_path).warnings if n["code"] == "different-settings"]
    assert "hash of 12 items is 000" in note["message"]


def test_one_model_under_two_names(logs, load_all, tmp_path, codes):
    for step in (1, 2):
        logs.run(
            tmp_path,
            "0.4.10",
            {**ARGS, "revision": f"step{step}"},
            [logs.choice(0)],
            time=f"2025-01-0{step}T00-00-00.0",
        )
    (note,) = load_all(tmp_path).warnings
    assert note["code"] == "identical-models"
    assert "m-7b@step1, m-7b@step2 have the same log-probabilities" in note["message"]
