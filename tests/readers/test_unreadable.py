"""Files of a folder that cannot be read: the others are read, and all of these are said at the end."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage.errors import SourceError, TableError
from unmirage.families import load
from unmirage.readers import READERS, Loaded, Options, Reader, read_sources, tabular

TABLE = "family,model,n_params,task,item_id,score\nf,{0},1,t,i,0.5\nf,{0},1,t,j,1\n"


def good(folder, *names):
    for name in names:
        (folder / f"{name}.csv").write_text(TABLE.format(name))


@pytest.fixture
def broken(tmp_path):
    """Two good tables and two that begin well."""
    good(tmp_path, "a", "z")
    (tmp_path / "m.csv").write_bytes(b"model,item_id,score\n\xff\xfe,1,2\n")
    (tmp_path / "n.jsonl").write_text('{"model": "a", "item_id": 1}\n{"mod\n{"model": "b"}\n')
    return tmp_path


def test_the_others_are_read_and_the_bad_ones_named_together(broken, load_all):
    found = load_all(broken)
    assert sorted(found.responses[0]["model"].unique()) == ["a", "z"]
    (note,) = [note for note in found.warnings if note["code"] == "unreadable-files"]
    assert note["count"] == 2
    message = str(note["message"])
    assert message.startswith(f"2 files cannot be read and are left out: {broken / 'm.csv'}: ")
    assert f"{broken / 'n.jsonl'}: line 2 is not a JSON object" in message


def test_a_file_that_is_named_is_an_error(broken, load_all):
    with pytest.raises(SourceError, match="line 2 is not a JSON object"):
        load_all(broken, broken / "n.jsonl")


def test_nothing_left_is_an_error_that_names_all(broken, load_all):
    for name in "az":
        (broken / f"{name}.csv").unlink()
    with pytest.raises(SourceError, match="none of 2 files can be read") as caught:
        load_all(broken)
    assert "m.csv: " in str(caught.value)
    assert "n.jsonl: " in str(caught.value)


def test_rows_that_break_a_rule_are_refused_together(tmp_path, load_all):
    good(tmp_path, "a")
    (tmp_path / "b.csv").write_text("model,item_id,n_params,score,kind\nm,i,-1,1,score\n")
    with pytest.raises(TableError, match="n_params is negative"):
        load_all(tmp_path)
    (tmp_path / "c.csv").write_text("model,item_id,n_params,score,epoch\nm,i,1,1,-1\n")
    with pytest.raises(TableError, match="2 files hold rows that break a rule") as caught:
        load_all(tmp_path)
    assert "b.csv: n_params is negative" in str(caught.value)
    assert "c.csv: epoch is negative" in str(caught.value)


def test_a_file_that_cannot_be_opened(tmp_path, load_all):
    good(tmp_path, "a")
    (tmp_path / "gone.parquet").symlink_to(tmp_path / "nothing")
    (note,) = [n for n in load_all(tmp_path).warnings if n["code"] == "unreadable-files"]
    assert "gone.parquet: cannot be read: No such file or directory" in str(note["message"])


def test_a_broken_results_file_leaves_its_samples(tmp_path, logs, load_all, codes):
    folder = logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(0)])
    other = logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-1b"}, [logs.choice(1)])
    path = next(folder.glob("results_*.json"))
    path.write_text(path.read_text()[:-20])
    found = load_all(tmp_path)
    assert found.responses[0]["model"].n_unique() == 2
    assert {"unreadable-files", "no-results-file"} <= set(codes(found))
    sample = next(other.glob("samples_*"))
    sample.write_text("{}\n" + sample.read_text())
    found = load_all(tmp_path)
    (note,) = [n for n in found.warnings if n["code"] == "unreadable-files"]
    assert note["count"] == 2
    assert found.responses[0]["model"].unique().to_list() == ["m-7b"]
    assert found.results[0]["model"].unique().to_list() == ["m-1b"]


def test_of_two_runs_the_older_serves_where_the_newest_cannot_be_read(tmp_path, logs, load_all):
    times = ("2025-01-01T00-00-00.0", "2025-01-02T00-00-00.0")
    for i, time in enumerate(times):
        logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(i)], time=time)
    newest = next(tmp_path.rglob(f"samples_*{times[1]}.jsonl"))
    newest.write_bytes(b"")
    expected = [[pair[0] for pair in record.filtered] for record in logs.choice(0).filters["none"]]
    assert load_all(tmp_path).responses[0]["choice_logprobs"].to_list() == expected


def test_a_reader_that_stops_at_the_first_bad_file_starts_again(broken, monkeypatch):
    def read(paths, options, on_rows):
        loaded = Loaded()
        for path in paths:
            loaded.extend(tabular.read([path], Options(families=load()), on_rows))
        return loaded

    strict = Reader(tabular.NAME, "", "", tabular.claims, read)
    monkeypatch.setattr("unmirage.readers.READERS", (*READERS[:-1], strict))
    found = read_sources([broken], Options(families=load()))
    assert sorted(found.responses[0]["model"].unique()) == ["a", "z"]
    assert [n["count"] for n in found.warnings if n["code"] == "unreadable-files"] == [2]


def test_a_run_of_helm_goes_with_its_broken_file(tmp_path, shared_data, load_all):
    import shutil

    for source in sorted((shared_data / "logs" / "helm").iterdir()):
        if source.is_dir():
            shutil.copytree(source, tmp_path / source.name)
    runs = sorted(tmp_path.iterdir())
    (runs[0] / "stats.json").write_bytes((runs[0] / "stats.json").read_bytes()[:-100])
    found = load_all(tmp_path)
    whole = load_all(*runs[1:])
    assert found.results[0].equals(whole.results[0])
    (note,) = [n for n in found.warnings if n["code"] == "unreadable-files"]
    assert "stats.json" in str(note["message"])


def test_progress_in_bytes_ends_at_the_whole(broken):
    seen = []
    read_sources([broken], Options(families=load()), on_bytes=lambda done, total: seen.append((done, total)))
    total = sum(path.stat().st_size for path in broken.iterdir())
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_a_parquet_file_that_breaks_off_is_named_with_the_reason(tmp_path, load_all):
    good(tmp_path, "a")
    frame = tabular.from_frame(
        pl.read_csv(tmp_path / "a.csv"), Options(families=load()), where="", stem="t"
    ).responses[0]
    frame.write_parquet(tmp_path / "b.parquet")
    whole = (tmp_path / "b.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[:-50])
    (note,) = [n for n in load_all(tmp_path).warnings if n["code"] == "unreadable-files"]
    assert "b.parquet: cannot be read as parquet" in str(note["message"])
