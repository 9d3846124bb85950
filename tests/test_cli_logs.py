"""`unmirage inspect` and `unmirage convert`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage.cli import main

EEE = Path(__file__).parent / "data" / "every_eval_ever"
TABLE = "family,model,task,item_id,target,output\n"


@pytest.fixture
def inspected(capsys):
    """inspected(source, ..., code=0) -> the JSON that `unmirage inspect --json` prints, and stderr."""

    def run(*arguments, code=0):
        assert main(["inspect", *map(str, arguments), "--json"]) == code
        out, error = capsys.readouterr()
        return json.loads(out), error

    return run


def task(found, name):
    (row,) = (row for row in found["tasks"] if row["task"] == name)
    return row


def test_inspect_says_what_is_there(shared_data, inspected):
    logs = shared_data / "logs"
    found, error = inspected(logs / "lm_eval", logs / "bigbench_schema")
    assert error == ""
    assert found["unmirage"] == unmirage.__version__
    assert [(row["format"], row["stated"]) for row in found["tools"]] == [
        ("lm-eval", ["lm_eval 0.4.13"]),
        ("bigbench", []),
    ]
    assert len(found["models"]) == 16
    assert found["models"][0] == {
        "family": "add", "model": "add-6k", "n_params": 3392.0, "n_tokens": None, "tasks": 6,
        "formats": ["lm-eval"],
    }  # fmt: skip
    choice = task(found, "add2_mc")
    assert (choice["kinds"], choice["models"], choice["items"], choice["shared"]) == (["choice"], 8, 160, 160)
    assert (choice["epochs"], choice["shots"], choice["aggregated"]) == (1, 0, 8)
    assert {"multiple_choice_grade", "ece", "macro_f1"} <= set(choice["metrics"])
    likelihood = task(found, "add2_target_ll")
    assert likelihood["missing"] == [
        {"metric": name, "reason": "needs target_tokens, which is missing on all 1280 rows"}
        for name in ("cross_entropy", "token_prob")
    ]
    assert task(found, "add2_gen_multi,first")["shots"] == 2
    assert task(found, "tiny_addition:tiny_addition_one_digit (2-shot)")["shots"] == 2
    only = task(found, "add1_gen")
    assert (only["kinds"], only["items"], only["aggregates"]) == ([], 0, ["exact_match"])
    assert "same-name" in {note["code"] for note in found["warnings"]}
    assert found["unread"] == []


def test_the_metrics_are_those_that_an_audit_scores(shared_data, inspected):
    logs = shared_data / "logs" / "lm_eval"
    found, _ = inspected(logs)
    audit = unmirage.audit(logs)
    scored = audit.scores.group_by("task").agg(pl.col("metric").unique()).rows()
    aggregates = {"ece", "macro_f1"}
    assert {task: set(names) for task, names in scored} == {
        row["task"]: set(row["metrics"]) - aggregates for row in found["tasks"] if row["kinds"]
    }
    skipped = {(row["task"], row["metric"]): row["reason"] for row in audit.skipped.iter_rows(named=True)}
    told = {(row["task"], one["metric"]): one["reason"] for row in found["tasks"] for one in row["missing"]}
    assert skipped == told


def test_sizes_need_not_be_known(shared_data, inspected, capsys):
    logs = shared_data / "logs" / "lm_eval_api_vllm"
    found, _ = inspected(logs)
    assert [row["n_params"] for row in found["models"]] == [None]
    with pytest.raises(unmirage.errors.ScaleError):
        unmirage.audit(logs)
    assert main(["inspect", str(logs)]) == 0
    assert "unknown: 1" in capsys.readouterr().out


def test_epochs_and_items_that_models_do_not_share(tmp_path, inspected):
    path = tmp_path / "t.csv"
    path.write_text(
        "family,model,task,item_id,epoch,target,output\n"
        "f,a,t,1,0,x,x\nf,a,t,1,1,x,y\nf,a,t,2,0,x,x\nf,b,t,2,0,x,x\nf,b,t,3,0,x,x\n"
    )
    row = task(inspected(path)[0], "t")
    assert (row["models"], row["items"], row["shared"], row["epochs"], row["shots"]) == (2, 3, 1, 2, None)
    assert "numeric_error" in {one["metric"] for one in row["missing"]}


def test_what_cannot_be_read_comes_last_all_together(tmp_path, inspected, capsys):
    shutil.copytree(EEE, tmp_path / "logs")
    broken = sorted((tmp_path / "logs").rglob("*.json"))[:2]
    for path in broken:
        path.write_text(path.read_text()[:400])
    (tmp_path / "logs" / "x.json").write_text("[1]")
    found, error = inspected(tmp_path / "logs")
    assert error == ""
    assert sorted(row["path"] for row in found["unread"]) == sorted(
        [*map(str, broken), str(tmp_path / "logs" / "x.json")]
    )
    assert main(["inspect", str(tmp_path / "logs")]) == 0
    text = capsys.readouterr().out
    assert "Not read: 3" in text
    assert text.index("can be computed") < text.index("Not read: 3") < text.index("is of no format")


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_nothing_that_can_be_read_is_exit_code_2(tmp_path, capsys, json_too):
    (tmp_path / "a.json").write_text("{")
    assert main(["inspect", str(tmp_path), str(tmp_path / "gone"), *json_too]) == 2
    out, error = capsys.readouterr()
    assert "nothing could be read" in error
    assert "is of no format that is known" in out
    assert main(["inspect"]) == 2


def test_a_family_and_tasks_can_be_named(inspected):
    found, _ = inspected(EEE, "--family", "mine", "--task", "add2*")
    assert {row["family"] for row in found["models"]} == {"mine"}
    assert [row["task"] for row in found["tasks"]] == ["add2_gen", "add2_mc", "add2_target_ll"]
    assert main(["inspect", str(EEE), "--task", "nothing"]) == 2


def test_names_from_logs_are_text(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(TABLE + '[red]f[/red],"\x1b[31mm",<script>alert(1)</script>,1,x,x\n')
    assert main(["inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[red]f[/red]" in out
    assert main(["inspect", str(path), "--json"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_convert_writes_what_can_be_read_again(tmp_path, capsys, shared_data):
    logs = shared_data / "logs"
    out = tmp_path / "all.parquet"
    sources = [str(logs / "lm_eval"), str(logs / "bigbench_schema"), str(EEE)]
    assert main(["convert", *sources, str(out)]) == 0
    printed, error = capsys.readouterr()
    assert printed == ""
    assert "rows are in" in error
    assert "note: " in error
    with pytest.warns(unmirage.UnmirageWarning):
        whole = unmirage.read([Path(source) for source in sources])
    assert pl.read_parquet(out).equals(whole)
    again = unmirage.read(out)
    assert again.equals(whole)
    results = tmp_path / "results.jsonl"
    assert main(["convert", *sources, str(results), "--table", "results"]) == 0
    assert unmirage.read(results, table="results").height > 100


def test_the_same_bytes_twice(tmp_path, capsys):
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert main(["convert", str(EEE), str(first)]) == main(["convert", str(EEE), str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()


def test_convert_writes_over_nothing(tmp_path, capsys):
    source, out = tmp_path / "t.csv", tmp_path / "out.parquet"
    source.write_text(TABLE + "f,m,t,1,x,x\n")
    out.write_text("mine")
    assert main(["convert", str(source), str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["convert", str(source), str(source)]) == 2
    assert main(["convert", str(source), str(source), "--overwrite"]) == 2
    assert out.read_text() == "mine"
    assert main(["convert", str(source), str(out), "--overwrite"]) == 0
    assert pl.read_parquet(out).height == 1


@pytest.mark.parametrize("arguments", [["t.csv"], ["t.csv", "out.xlsx"], ["t.csv", "."], []])
def test_convert_needs_a_file_to_write(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(TABLE + "f,m,t,1,x,x\n")
    assert main(["convert", *arguments]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


def test_a_bad_log_leaves_nothing_behind(tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    assert main(["convert", str(path), str(tmp_path / "out.parquet")]) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
