"""Logs as one file: the same rows, warnings and errors as reading them in memory, however they are cut."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage import export, facts
from unmirage.convert import convert
from unmirage.engine import engine
from unmirage.errors import OutputError, SettingsError, SourceError
from unmirage.inspection import inspect
from unmirage.readers import ahead, gather
from unmirage.steps import Reading, options_of

DATA = Path(__file__).parent / "data"
SHARED = (
    *("lm_eval_short", "lm_eval_api_vllm", "lm_eval_logits_cache_bug", "inspect", "helm", "lighteval"),
    "bigbench_schema",
)
HEAD = "family,model,task,item_id,target,output\n"


def told(note):
    return f"{note['where']}: {note['message']}" if note["where"] else str(note["message"])


def read(sources, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = unmirage.read(sources, **options)
    return frame, [str(one.message) for one in caught]


@pytest.fixture
def parts(monkeypatch):
    """Facts of rows are cut in small parts."""
    monkeypatch.setattr(facts, "AT_ONCE", 100)


def same_as_in_memory(sources, out, **options):
    frame, said = read(sources, **options)
    done = convert(sources, out, Reading(**options))
    found = pl.read_parquet(out)
    assert found.equals(frame)
    assert found.schema == frame.schema
    assert done.rows == frame.height
    assert [told(note) for note in done.warnings] == said
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("name", SHARED)
def test_a_tool_is_converted_as_it_is_read(shared_data, tmp_path, name):
    same_as_in_memory([shared_data / "logs" / name], tmp_path / "out.parquet")


@pytest.mark.usefixtures("parts")
def test_all_tools_together_are_converted_as_they_are_read(shared_data, tmp_path):
    logs = shared_data / "logs"
    sources = [logs / name for name in ("lm_eval", "bigbench_schema", "helm", "inspect", "lighteval")]
    same_as_in_memory([*sources, DATA / "every_eval_ever"], tmp_path / "out.parquet", family="add")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("name", ["every_eval_ever", "addition_logs"])
def test_what_ships_is_converted_as_it_is_read(tmp_path, name):
    same_as_in_memory([DATA / name], tmp_path / "out.parquet")


def test_several_files_at_once_give_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "PAYS", 0)
    outs = []
    for jobs in (1, 2):
        outs.append(tmp_path / f"{jobs}.parquet")
        with engine("local", jobs) as running:
            done = convert([DATA / "addition_logs"], outs[-1], Reading(), engine=running)
    assert done.rows > 0
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_no_row_stays_in_memory(shared_data, tmp_path):
    logs, folder = shared_data / "logs", tmp_path / "parts"
    folder.mkdir()
    options = options_of(Reading())
    given = [*(logs / name for name in SHARED), DATA / "every_eval_ever"]
    (tmp_path / "t.csv").write_text(HEAD + "f,m,t,1,x,x\n")
    loaded, parts = gather(
        [*given, tmp_path / "t.csv"], type(options)(families=options.families, folder=folder)
    )
    assert {name for name, part in parts if part.stored} == {
        *("lm-eval", "bigbench", "helm", "inspect", "lighteval", "every-eval-ever", "table")
    }
    assert loaded.responses == []
    assert all(isinstance(setup.prompts, Path | None) for setup in loaded.setups)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_text_is_written_piece_by_piece_and_read_again(tmp_path, ending):
    source = DATA / "addition_logs"
    frame, _ = read([source])
    out = tmp_path / f"out.{ending}"
    convert([source], out, Reading())
    again, _ = read([out])
    assert again.equals(frame)
    if ending == "csv":
        assert out.read_text().count("family,model") == 1


def test_infinities_are_kept_in_json(tmp_path):
    for name, value in (("a", -1.5), ("b", float("-inf"))):
        row = {"family": "f", "model": name, "task": "t", "item_id": "1", "kind": "likelihood"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({**row, "target_logprobs": [value]}) + "\n")
    out = tmp_path / "out" / "all.jsonl"
    convert([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], out, Reading())
    assert unmirage.read(out)["target_logprobs"].to_list() == [[-1.5], [float("-inf")]]


def test_row_groups_hold_few_rows_where_rows_are_long(tmp_path, monkeypatch):
    for name in "ab":
        rows = (f"f,{name},t,{i},x,{'y' * 1000}\n" for i in range(100))
        (tmp_path / f"{name}.csv").write_text(HEAD + "".join(rows))
    out = tmp_path / "out" / "all.parquet"
    footers = []
    for size in (1 << 25, 5_000):
        monkeypatch.setattr(export, "GROUP_BYTES", size)
        convert([tmp_path / "a.csv", tmp_path / "b.csv"], out, Reading())
        frame = pl.read_parquet(out)
        assert frame["model"].to_list() == ["a"] * 100 + ["b"] * 100
        assert frame["item_id"].to_list() == [*map(str, range(100))] * 2
        footers.append(int.from_bytes(out.read_bytes()[-8:-4], "little"))
    assert footers[1] > 8 * footers[0]  # which says where each row group is


def test_tasks_and_tables_can_be_named(tmp_path):
    source = [DATA / "every_eval_ever"]
    frame, _ = read(source, tasks=("add2*",))
    done = convert(source, tmp_path / "some.parquet", Reading(tasks=("add2*",)))
    assert pl.read_parquet(tmp_path / "some.parquet").equals(frame)
    assert done.rows == frame.height
    results, _ = read(source, table="results")
    convert(source, tmp_path / "results.parquet", Reading(), table="results")
    assert pl.read_parquet(tmp_path / "results.parquet").equals(results)
    with pytest.raises(SettingsError, match="there is no task"):
        convert(source, tmp_path / "none.parquet", Reading(tasks=("nothing",)))


def test_what_is_not_there_and_what_is_wrong_leave_nothing_behind(tmp_path):
    out = tmp_path / "out" / "all.parquet"
    (tmp_path / "a.csv").write_text(HEAD + "f,m,t,1,x,1\n")
    (tmp_path / "b.csv").write_text(HEAD + "f,m,t,1,x,2\n")
    with pytest.raises(SettingsError, match="holds no results"):
        convert([tmp_path / "a.csv"], out, Reading(), table="results")
    with pytest.raises(unmirage.UnmirageError, match="contradict each other"):
        convert([tmp_path / "a.csv", tmp_path / "b.csv"], out, Reading())
    with pytest.raises(SourceError, match="no such file"):
        convert([tmp_path / "gone"], out, Reading())
    assert list(out.parent.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        convert([tmp_path / "a.csv"], tmp_path / "file" / "all.parquet", Reading())


def test_progress_is_in_bytes_and_then_in_rows(tmp_path):
    seen = {}
    source = DATA / "addition_logs"
    convert(
        [source],
        tmp_path / "out.parquet",
        Reading(),
        progress=lambda step, done, total: seen.setdefault(step, []).append((done, total)),
    )
    (size,) = {total for _, total in seen["reading"]}
    assert seen["reading"][-1] == (size, size)
    assert size == sum(path.stat().st_size for path in source.rglob("*.json*"))
    assert (
        seen["writing"][-1][0] == seen["writing"][-1][1] == pl.read_parquet(tmp_path / "out.parquet").height
    )


def test_tasks_of_any_size_are_inspected_alike(monkeypatch):
    small = inspect([DATA / "addition_logs"], Reading())
    monkeypatch.setattr(facts, "AT_ONCE", 300)
    large = inspect([DATA / "addition_logs"], Reading())
    assert large.models == small.models
    assert [{**row, "metrics": sorted(row["metrics"])} for row in large.tasks] == [
        {**row, "metrics": sorted(row["metrics"])} for row in small.tasks
    ]


def test_the_metrics_that_only_some_models_allow(tmp_path, monkeypatch):
    rows = [f"f,{m},t,{i},{i},{i},{'[-1.0]' if m == 'a' else ''}\n" for m in "ab" for i in range(5)]
    text = HEAD.strip() + ",target_logprobs\n" + "".join(rows).replace("[-1.0]", '"[-1.0]"')
    (tmp_path / "t.csv").write_text(text)
    small = inspect([tmp_path / "t.csv"], Reading())
    monkeypatch.setattr(facts, "AT_ONCE", 4)
    large = inspect([tmp_path / "t.csv"], Reading())
    assert "target_logprob" in large.tasks[0]["partial"]
    assert large.tasks[0]["missing"] == small.tasks[0]["missing"]
    assert sorted(large.tasks[0]["partial"]) == sorted(small.tasks[0]["partial"])


def test_inspecting_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    shutil.copytree(DATA / "every_eval_ever", tmp_path / "logs")
    inspect([tmp_path / "logs"], Reading())
    assert list((tmp_path / "tmp").iterdir()) == []
