"""The run: its table, what it refuses, and that no kill loses more than a batch."""

import json
import random
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

import unmirage
from unmirage.ask.run import ask, plan
from unmirage.errors import OutputError, SettingsError
from unmirage.tables import check_responses

RUN = sys.modules["unmirage.ask.run"]  # the package has a function of the name

FAMILY = """
family = "pretended"
[defaults]
backend = "mock"
batch = {batch}
delay = {delay}
[[models]]
name = "small"
n_params = 1e6
skill = 0.3
[[models]]
name = "large"
n_params = 1e8
skill = 0.9
[models.axes]
depth = 12
"""


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.toml"
    path.write_text(FAMILY.format(batch=2, delay=0))
    return path


@pytest.fixture
def choices(tmp_path):
    path = tmp_path / "choices.jsonl"
    rows = [
        {"id": f"q{k}", "prompt": f"{k}+{k}=", "choices": [str(2 * k), str(2 * k + 1)], "answer": 0}
        for k in range(5)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_table_is_one_that_the_audit_reads(family, choices, tmp_path):
    asked = ask(family, ["two_digit_addition", str(choices)], items=5, shots=2, out=tmp_path / "out")
    frame = pl.read_parquet(asked.responses)
    checked, notes = check_responses(frame, where="asked")
    assert notes == []
    assert checked.height == 2 * (5 + 5)
    generated = checked.filter(pl.col("kind") == "generation")
    assert set(generated["family"]) == {"pretended"}
    assert generated["target_logprobs"].list.len().min() >= 1
    assert (generated["target_tokens"].list.len() == generated["target_logprobs"].list.len()).all()
    assert generated["output_tokens"].null_count() == 0
    chosen = checked.filter(pl.col("kind") == "choice")
    assert chosen["choice_logprobs"].list.len().to_list() == [2] * 10
    assert set(chosen["answer"]) == {0}
    assert checked.filter(pl.col("model") == "large")["depth"].unique().to_list() == [12.0]
    scores = unmirage.score(asked.responses, ["exact_match", "cross_entropy"], tasks=["two_digit_addition"])
    means = dict(
        scores.group_by("model", "metric")
        .agg(pl.col("score").mean())
        .filter(pl.col("metric") == "cross_entropy")
        .select("model", "score")
        .rows()
    )
    assert means["large"] < means["small"]


def test_the_same_call_gives_the_same_bytes_and_asks_nothing_again(family, tmp_path, monkeypatch):
    first = ask(family, ["copy_4"], items=7, out=tmp_path / "a").responses.read_bytes()
    again = ask(family, ["copy_4"], items=7, out=tmp_path / "b").responses.read_bytes()
    assert first == again
    monkeypatch.setattr(RUN, "open_backend", lambda model: pytest.fail("asked again"))
    assert ask(family, ["copy_4"], items=7, out=tmp_path / "a").responses.read_bytes() == first


def test_other_settings_are_kept_apart(family, tmp_path):
    out = tmp_path / "out"
    first = ask(family, ["two_digit_addition"], items=4, out=out).responses.read_bytes()
    warm = ask(family, ["two_digit_addition"], items=4, temperature=1.0, out=out).responses.read_bytes()
    assert warm != first
    assert len(list((out / "answers").iterdir())) == 4
    assert ask(family, ["two_digit_addition"], items=4, out=out).responses.read_bytes() == first


def test_epochs_are_rows_of_their_own(family, tmp_path):
    asked = ask(family, ["two_digit_addition"], items=3, temperature=1.0, epochs=4, out=tmp_path / "out")
    frame = pl.read_parquet(asked.responses)
    assert frame.height == 2 * 3 * 4
    assert sorted(frame["epoch"].unique()) == [0, 1, 2, 3]
    assert (
        frame.filter(model="small").group_by("item_id").agg(pl.col("output").n_unique())["output"].max() > 1
    )


def test_progress_counts_every_request(family, tmp_path):
    seen = []
    ask(
        family,
        ["two_digit_addition"],
        items=9,
        out=tmp_path / "out",
        progress=lambda step, done, total: seen.append((step, done, total)),
    )
    assert seen[-1] == ("asking", 36, 36)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1.0}, "--temperature"),
        ({"epochs": 0}, "--epochs"),
        ({"epochs": 2}, "all the same"),
        ({"seed": -1}, "--seed"),
        ({"max_tokens": 0}, "--max-tokens"),
        ({"until": 1, "temperature": 1.0}, "--until"),
        ({"until": 5}, "all the same"),
        ({"until": 5, "attempts": 5, "temperature": 1.0}, "cannot stand beside"),
        ({"until": 5, "cap": 3, "temperature": 1.0}, "--cap"),
        ({"attempts": 0, "temperature": 1.0}, "--attempts"),
        ({"budget": 100}, "needs --until"),
        ({"attempts": 3, "epochs": 2, "temperature": 1.0}, "--epochs"),
    ],
)
def test_settings_that_cannot_be(family, tmp_path, options, words):
    with pytest.raises(SettingsError, match=words):
        ask(family, ["two_digit_addition"], items=3, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_no_task_and_two_of_one_name(family, tmp_path):
    with pytest.raises(SettingsError, match="name a task"):
        ask(family, [], out=tmp_path / "out")
    with pytest.raises(SettingsError, match="two tasks are called copy_4"):
        ask(family, ["copy_4", "copy_4"], out=tmp_path / "out")


def test_a_plan_opens_no_model(family, monkeypatch):
    monkeypatch.setattr(RUN, "open_backend", lambda model: pytest.fail("opened"))
    loads = plan(family, ["two_digit_addition"], items=10)
    assert [(load.model.name, load.requests) for load in loads] == [("small", 20), ("large", 20)]
    loads = plan(family, ["copy_4"], items=10, until=5, cap=100, budget=500, temperature=1.0)
    assert [load.requests for load in loads] == [250, 250]


def test_a_folder_that_cannot_be_written(family, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        ask(family, ["copy_4"], items=2, out=tmp_path / "file")


def command(family, out, *more):
    return [
        *(sys.executable, "-m", "unmirage", "ask", str(family), "--task", "two_digit_addition"),
        *("--items", "60", "--out", str(out), "--quiet", *more),
    ]


@pytest.mark.parametrize(
    ("delay", "more"), [(0.02, ()), (0.1, ("--until", "3", "--temperature", "1", "--cap", "300"))]
)
def test_killed_at_random_moments_the_run_ends_as_if_it_had_not_been(tmp_path, delay, more):
    family = tmp_path / "slow.toml"
    family.write_text(FAMILY.format(batch=1, delay=delay))
    whole = tmp_path / "whole"
    subprocess.run(command(family, whole, *more), check=True, capture_output=True)
    out, rng, kills = tmp_path / "killed", random.Random(0), 0
    for _ in range(10):
        run = subprocess.Popen(command(family, out, *more), stdout=subprocess.DEVNULL)
        try:
            run.wait(timeout=0.4 + 0.4 * rng.random())
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            kills += 1
    assert kills >= 2
    subprocess.run(command(family, out, *more), check=True, capture_output=True)
    assert (out / "responses.parquet").read_bytes() == (whole / "responses.parquet").read_bytes()


def test_an_interrupted_run_says_where_its_answers_are(tmp_path):
    family = tmp_path / "slow.toml"
    family.write_text(FAMILY.format(batch=1, delay=0.1))
    run = subprocess.Popen(command(family, tmp_path / "out"), stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out" / "answers").is_dir():
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=20)
    assert run.returncode == 130
    assert f"what was answered is in {tmp_path / 'out'}" in said
    assert not (tmp_path / "out" / "responses.parquet").exists()
