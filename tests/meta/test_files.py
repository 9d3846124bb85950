"""The folder of a meta-analysis: whole or not at all, the same bytes each time, safe in a spreadsheet."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage.errors import OutputError, SettingsError
from unmirage.meta import files

ALWAYS = {
    *("report.html", "meta.json", "cells.parquet", "laws.parquet", "curves.parquet"),
    *("cells.csv", "scores.csv", "groups.csv", "concentration.csv", "claims.csv"),
}
KEYS = (
    *("unmirage", "schema", "inputs", "settings", "says", "scores", "groups", "concentration", "claims"),
    *("cells", "warnings", "choices"),
)
CHOICES = ("curves", "swaps", "links", "losses", "masses", "says")


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory):
    out = tmp_path_factory.mktemp("meta") / "new" / "deeper"
    assert made.save(out, formats=("svg", "png")) == out / "report.html"
    return out


def test_files_and_their_names(folder):
    drawn = {
        f"charts/{name}.{fmt}" for name in ("curves", "scores", "shares", "shapes") for fmt in ("svg", "png")
    }
    assert set(contents(folder)) == ALWAYS | drawn
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_tables_read_back_as_they_were(made, folder):
    for name in ("cells", "laws", "curves"):
        assert pl.read_parquet(folder / f"{name}.parquet").equals(getattr(made, name), null_equal=True)
    for name in ("cells", "scores", "groups", "concentration", "claims"):
        rows = list(csv.reader(io.StringIO((folder / f"{name}.csv").read_text())))
        frame = getattr(made, name)
        assert rows[0] == frame.columns
        assert len(rows) == frame.height + 1


def test_the_document_has_its_keys_and_no_infinity(made, folder):
    document = json.loads((folder / "meta.json").read_text())
    assert tuple(document) == KEYS
    assert document["schema"] == files.SCHEMA == 1
    assert document["choices"] is None
    assert document["unmirage"] == unmirage.__version__
    assert document["says"] == list(made.says)
    assert document["settings"]["axis"] == "n_params"
    assert len(document["cells"]) == made.cells.height
    assert document["cells"][0] == made.cells.row(0, named=True)
    assert {tuple(row) for row in document["groups"]} == {tuple(made.groups.columns)}


def test_choice_tasks_have_tables_of_their_own(choosing, tmp_path):
    choosing.save(tmp_path)
    assert set(contents(tmp_path)) == ALWAYS | {f"choice_{name}.csv" for name in CHOICES}
    told = json.loads((tmp_path / "meta.json").read_text())["choices"]
    assert tuple(told) == CHOICES
    for name in CHOICES:
        frame = getattr(choosing.chain, name)
        assert len(told[name]) == frame.height > 0
        rows = list(csv.reader(io.StringIO((tmp_path / f"choice_{name}.csv").read_text())))
        assert rows[0] == frame.columns
        assert len(rows) == frame.height + 1


def test_an_infinite_score_is_null_in_text_files_and_itself_in_parquet(results, tmp_path):
    zeros = [0, 0, 0, 0, 0, 0, 0.02, 0.6]
    unmirage.meta(results({("f", "t", "exact_match"): zeros}, n=500)).save(tmp_path)
    (cell,) = json.loads((tmp_path / "meta.json").read_text())["cells"]
    assert cell["emergence_score"] is None
    assert "infinite" in cell["note"]
    assert pl.read_parquet(tmp_path / "cells.parquet")["emergence_score"].to_list() == [float("inf")]
    assert pl.read_csv(tmp_path / "cells.csv")["emergence_score"].to_list() == [None]


def test_no_cell_of_a_spreadsheet_is_a_formula(folder):
    for path in folder.glob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text())):
            for cell in row:
                try:
                    float(cell)
                except ValueError:
                    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (path.name, cell)
    assert "'=HYPERLINK(1)" in (folder / "cells.csv").read_text()


def test_the_same_result_gives_the_same_bytes(made, folder, tmp_path):
    files.write(made, tmp_path, formats=("svg", "png"))
    assert contents(tmp_path) == contents(folder)


def test_inputs_are_named_with_their_digest(results, tmp_path):
    path = tmp_path / "results.csv"
    results({("f", "t", "exact_match"): [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}, n=10).write_csv(path)
    unmirage.meta(path).save(tmp_path / "out")
    (one,) = json.loads((tmp_path / "out" / "meta.json").read_text())["inputs"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert one == {"path": str(path), "format": "table", "sha256": digest, "rows": 8}


def test_earlier_output_is_replaced_and_other_files_stay(made, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "meta.json").write_text("old")
    made.save(tmp_path)
    assert set(contents(tmp_path)) == ALWAYS | {"mine.txt"}
    assert json.loads((tmp_path / "meta.json").read_text())["schema"] == 1


@pytest.mark.parametrize("below", ["", "sub/dir"])
def test_a_file_in_the_way_is_an_error_that_leaves_nothing(made, tmp_path, below):
    blocker = tmp_path / "file"
    blocker.write_text("kept")
    with pytest.raises(OutputError, match="the meta-analysis cannot be written") as caught:
        made.save(blocker / below)
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["file"]
    assert blocker.read_text() == "kept"


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_moving_leaves_the_folder_as_it_was(made, tmp_path, monkeypatch, failure):
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "cells.csv").write_text("earlier")
    before = contents(earlier)
    replace_file = os.replace

    def full(source, target):
        if Path(target).name == "laws.parquet":
            raise failure
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", full)
    expected = OutputError if isinstance(failure, OSError) else KeyboardInterrupt
    for out in (earlier, tmp_path / "new" / "deep"):
        with pytest.raises(expected):
            made.save(out)
    assert contents(earlier) == before
    assert os.listdir(tmp_path) == ["earlier"]


def test_an_unknown_format_is_refused_before_anything_is_made(made, tmp_path):
    with pytest.raises(SettingsError, match="gif"):
        made.save(tmp_path / "out", formats=("png", "gif"))
    assert not (tmp_path / "out").exists()
