"""Which reader takes which file, and what is said of those that none takes."""

from __future__ import annotations

import polars as pl
import pytest

import unmirage
from unmirage.errors import SourceError, TableError

TABLE = "family,model,n_params,task,item_id,score\nf,a,1,t,i,0.5\nf,b,2,t,i,1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


def test_folders_are_searched_and_other_files_named(folder, load_all):
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "more.csv").write_text(TABLE.replace(",t,", ",u,"))
    (folder / "stats.json").write_text('[{"name": "exact_match"}]')
    (folder / "2025_task.eval").write_bytes(b"PK\x03\x04")
    (folder / "notes.csv").write_text("what,when\nx,y\n")
    (folder / "README.md").write_text("model")
    found = load_all(folder)
    assert sorted(found.responses[0]["task"].unique()) == ["t", "u"]
    (note,) = found.warnings
    assert (note["code"], note["count"], note["where"]) == ("files-not-read", 3, str(folder))
    for name in ("stats.json", "2025_task.eval", "notes.csv"):
        assert name in note["message"]


def test_the_same_file_is_read_once(folder, load_all, monkeypatch):
    (folder / "link").symlink_to(folder, target_is_directory=True)
    monkeypatch.chdir(folder)
    found = load_all(folder, folder / "table.csv", "table.csv", folder / "link")
    assert found.responses[0].height == 2
    assert len(found.inputs) == 1
    assert found.warnings == []


def test_links_to_folders_are_followed_and_hidden_folders_left_out(folder, load_all, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "more.csv").write_text(TABLE.replace(",t,", ",u,"))
    (folder / "link").symlink_to(other, target_is_directory=True)
    hidden = folder / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "table-checkpoint.csv").write_text(TABLE.replace(",t,", ",v,"))
    assert sorted(load_all(folder).responses[0]["task"].unique()) == ["t", "u"]


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="there is no such file or folder") as caught:
        unmirage.read(tmp_path / "nothing")
    assert caught.value.where == str(tmp_path / "nothing")


def test_nothing_to_read():
    with pytest.raises(SourceError, match="nothing to read"):
        unmirage.read([])


def test_an_empty_folder(tmp_path):
    with pytest.raises(SourceError, match="holds no log of a format that is known") as caught:
        unmirage.read(tmp_path)
    assert "lm-evaluation-harness" in str(caught.value)


def test_a_file_of_another_tool(tmp_path):
    path = tmp_path / "stats.json"
    path.write_text('{"version": 2, "results": {}}')
    with pytest.raises(SourceError, match="of no format that is known") as caught:
        unmirage.read(path)
    assert "--format lm-eval" in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "json", "parquet"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\xfe\xff" * 50, b"\xff\xfeab\n\xff", b"[" * 100_000])
def test_files_that_are_not_what_they_are_called(tmp_path, ending, content):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(content)
    with pytest.raises(unmirage.errors.UnmirageError) as caught:
        unmirage.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xfe\xff" * 50, b'{"doc_id": 1}\n', b"[\n  {\n", b"{}"])
def test_sample_files_that_are_not(tmp_path, content):
    path = tmp_path / "samples_t_2025-01-01T00-00-00.000001.jsonl"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="no complete record") as caught:
        unmirage.read(path)
    assert str(path) in str(caught.value)


def test_an_empty_table_with_a_heading(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("family,model,n_params,task,item_id,kind\n")
    with pytest.raises(TableError, match="there are no rows"):
        unmirage.read(path)


def test_a_format_that_is_named(folder, logs, load_all):
    logs.run(folder, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(0)])
    assert load_all(folder, format="table").responses[0]["task"].unique().to_list() == ["t"]
    assert load_all(folder, format="lm-eval").responses[0]["task"].unique().to_list() == ["my_mc"]
    with pytest.raises(SourceError, match="there is no format 'other'") as caught:
        unmirage.read(folder, format="other")
    assert "lm-eval, bigbench, helm, inspect, lighteval, every-eval-ever, table" in str(caught.value)
    with pytest.raises(SourceError, match="cannot be of the format inspect"):
        unmirage.read(folder / "table.csv", format="inspect")
    with pytest.raises(SourceError, match="cannot be of the format lm-eval"):
        unmirage.read(folder / "table.csv", format="lm-eval")
    path = folder / "x.json"
    path.write_text("model\n1\n")
    with pytest.raises(SourceError, match="cannot be of the format table"):
        unmirage.read(path, format="table")


def test_a_users_table_that_begins_with_doc_id_is_a_table(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"doc_id": 3, "model": "a", "family": "f", "task": "t", "score": 1}\n')
    assert unmirage.read(path)["item_id"].to_list() == ["3"]


def test_endings_in_capitals(tmp_path):
    path = tmp_path / "TABLE.CSV"
    path.write_text(TABLE)
    assert unmirage.read(path).height == 2


@pytest.mark.parametrize("ending", ["jsonl", "ndjson"])
def test_a_truncated_last_line(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    pl.read_csv(TABLE.encode()).write_ndjson(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.warns(unmirage.UnmirageWarning, match="breaks off at line 2; the 1 records before it"):
        assert unmirage.read(path)["model"].to_list() == ["a"]
    path.write_bytes(whole[: len(whole) // 2 - 10] + b"\n" + whole)
    with pytest.raises(SourceError, match="line 1 is not a JSON object"):
        unmirage.read(path)


def test_progress_counts_every_row(logs, tmp_path):
    from unmirage.families import load
    from unmirage.readers import Options, read_sources

    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(0, 2500)])
    seen = []
    read_sources([tmp_path], Options(families=load()), on_rows=seen.append)
    assert sum(seen) == 2500
    assert len(seen) > 1


def test_an_earlier_report_below_the_logs_is_no_log(tmp_path):
    table = tmp_path / "logs" / "t.csv"
    table.parent.mkdir()
    table.write_text(
        "family,model,task,item_id,n_params,target,output\n"
        + "".join(f"f,m{m},t,i{i},{10 ** (m + 6)},1,1\n" for m in range(3) for i in range(4))
    )
    first = unmirage.audit(tmp_path / "logs")
    first.save(tmp_path / "logs" / "report")
    again = unmirage.audit(tmp_path / "logs")
    assert again.curves.equals(first.curves)
    assert "report-not-read" in again.warnings["code"].to_list()
    with pytest.raises(SourceError, match=r"responses\.parquet"):
        unmirage.audit(tmp_path / "logs" / "report")


def test_a_table_without_items_or_values_in_a_folder_is_left_out(tmp_path):
    (tmp_path / "sizes.csv").write_text("model,layers\na,12\n")
    with pytest.raises(SourceError, match="holds no log"):
        unmirage.audit(tmp_path)
    with pytest.raises(TableError, match="item_id is missing; there are: model, layers"):
        unmirage.audit(tmp_path / "sizes.csv")
