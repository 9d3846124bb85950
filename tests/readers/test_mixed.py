"""A folder that mixes formats, and reading what can be read of logs that are half wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage.families import load
from unmirage.readers import Options
from unmirage.readers.lenient import read_lenient

FIXTURES = Path(__file__).parents[1] / "data"
EEE = FIXTURES / "every_eval_ever"
TABLE = "family,model,n_params,task,item_id,target,output\n"


def notes(loaded):
    return {str(note["code"]): str(note["message"]) for note in loaded.warnings}


def lenient(*sources, **more):
    return read_lenient([Path(source) for source in sources], Options(families=load(), **more))


@pytest.fixture
def mixed(tmp_path, shared_data):
    """Logs of three tools of the same models in one folder."""
    for name in ("lm_eval/models__add-10k", "lm_eval/models__add-13k", "bigbench_schema"):
        shutil.copytree(shared_data / "logs" / name, tmp_path / name)
    shutil.copytree(EEE, tmp_path / "eee")
    return tmp_path


def test_one_command_reads_all_and_merges_nothing_in_silence(mixed, load_all):
    loaded = load_all(mixed)
    assert {one.format for one in loaded.inputs} == {"lm-eval", "bigbench", "every-eval-ever"}
    said = notes(loaded)
    assert "add-10k (lm-eval and every-eval-ever)" in said["same-model"]
    assert "add / add-10k (lm-eval, every-eval-ever) and tiny-add / add-10k (bigbench)" in said["same-name"]
    two = [str(note["message"]) for note in loaded.warnings if note["code"] == "two-tools"]
    assert len(two) == 2
    assert "the items of 7 tasks of models are in the logs of another tool too" in two[0]
    # What the harness's own logs hold is read from these, with their choices.
    own = load_all(mixed / "lm_eval").responses[0]
    tasks = own["task"].unique().to_list()
    kept = loaded.responses[0].filter(pl.col("task").is_in(tasks), pl.col("family") == "add")
    key = ["model", "task", "item_id"]
    assert kept.sort(key).select(own.columns).equals(own.sort(key))


def test_one_family_for_all_makes_models_of_two_tools_one(mixed, load_all):
    loaded = load_all(mixed / "lm_eval", mixed / "bigbench_schema", family="f")
    assert "same-name" not in notes(loaded)
    assert "add-10k (lm-eval and bigbench)" in notes(loaded)["same-model"]


def test_other_tasks_of_the_same_model_stay(tmp_path, logs, load_all):
    logs.run(tmp_path, "0.4.10", {"pretrained": "org/m-7b"}, [logs.generation(0)], n_params=7)
    table = tmp_path / "more.csv"
    table.write_text(TABLE + "m,m-7b,7,other,1,1,1\n")
    loaded = load_all(tmp_path)
    assert sorted(loaded.responses[0]["task"].unique()) == ["my_gen", "other"]
    assert list(notes(loaded)) == ["same-model"]
    table.write_text(TABLE + "m,M_7B,7,other,1,1,1\n")
    assert notes(load_all(tmp_path))["same-name"].startswith("1 models are named alike by several tools")


def test_tools_apart_say_nothing(load_all, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(TABLE + "f,m,7,t,1,1,1\n")
    assert notes(load_all(table, table)) == {}
    assert set(notes(load_all(table, EEE))) == {"joined-likelihood"}


def test_what_cannot_be_read_is_listed_and_the_rest_is_read(mixed):
    whole = lenient(mixed)
    assert whole.unread == []
    broken = mixed / "bigbench_schema" / "scores_tiny-add_add-6k.json"
    broken.write_bytes(broken.read_bytes()[:-100])
    (results,) = (mixed / "lm_eval" / "models__add-13k").glob("results_*.json")
    results.write_bytes(results.read_bytes()[:5000])
    (mixed / "notes.json").write_text("{}")
    found = lenient(mixed, mixed / "gone")
    said = {one.path: one.reason.split(":")[0] for one in found.unread}
    harness = "is not a results file of lm-evaluation-harness"
    assert said == {
        str(mixed / "gone"): "there is no such file or folder",
        str(mixed / "notes.json"): "is of no format that is known",
        str(broken): "is not a results file of BIG-bench",
        str(results): harness,
    }
    assert "no-results-file" in notes(found.loaded)  # its samples are read without it
    models = {model for _, model, _ in found.responses.cells.cells} | set(found.loaded.results[0]["model"])
    assert {"add-10k", "add-20k"} <= models
    bigbench = found.parts["bigbench"].results[0]
    assert bigbench["model"].n_unique() == 7


def test_sources_that_contradict_each_other_are_shown_all_the_same(tmp_path):
    for name, output in (("a", "1"), ("b", "2")):
        (tmp_path / f"{name}.csv").write_text(TABLE + f"f,m,7,t,1,1,{output}\n")
    found = lenient(tmp_path)
    assert (found.responses.rows, found.responses.read) == (1, 2)
    (one,) = found.unread
    assert "rows that contradict each other" in one.reason
    with pytest.raises(unmirage.UnmirageError, match="contradict"):
        unmirage.read(tmp_path)


def test_a_file_of_a_report_is_no_log(tmp_path):
    for name in ("report.html", "audit.json", "verdicts.csv"):
        (tmp_path / name).write_text("")
    (one, *_) = lenient(tmp_path).unread
    assert one.reason == "is a report of unmirage, not a log"
