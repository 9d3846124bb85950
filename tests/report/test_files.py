"""The folder: whole or not at all, the same bytes each time, nothing of others touched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from unmirage.errors import OutputError, SettingsError
from unmirage.report import files
from unmirage.result import Audit

Cells = list[tuple[str, str, str, str]]
ALWAYS = {
    "report.html",
    "audit.json",
    "responses.parquet",
    "scores.parquet",
    "curves.parquet",
    "verdicts.csv",
    "differences.csv",
}


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small(audit_of: Callable[[Cells], Audit]) -> Audit:
    return audit_of([("arith", "addition", "smooth", "no sharp rise"), ("a/../b", "..", "smooth", "none")])


def test_files_and_their_names(small: Audit, tmp_path: Path) -> None:
    target = tmp_path / "new" / "deeper"
    assert files.write(small, target, formats=("svg", "pdf")) == target / "report.html"
    charts = {f"charts/{name}.{fmt}" for name in ("arith-addition", "a_.._b-_") for fmt in ("svg", "pdf")}
    assert set(contents(target)) == ALWAYS | charts
    assert not [name for name in os.listdir(target) if name.startswith(".")]


def test_tables_read_back_as_they_were(small: Audit, tmp_path: Path) -> None:
    small.save(tmp_path)
    for name in ("responses", "scores", "curves"):
        assert pl.read_parquet(tmp_path / f"{name}.parquet").equals(getattr(small, name), null_equal=True)


def test_the_same_audit_gives_the_same_bytes(audit: Audit, tmp_path: Path) -> None:
    files.write(audit, tmp_path / "one", formats=("png", "svg"))
    files.write(audit, tmp_path / "two", formats=("png", "svg"))
    assert len(contents(tmp_path / "one")) == len(ALWAYS) + 2 * audit.verdicts.height
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_earlier_output_is_replaced_and_other_files_stay(small: Audit, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "report.html").write_text("old")
    files.write(small, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert "<!doctype html>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(contents(tmp_path)) == ALWAYS | {"mine.txt"}


@pytest.mark.parametrize("below", ["", "sub/dir"])
def test_a_file_in_the_way_is_an_error_that_leaves_nothing(small: Audit, tmp_path: Path, below: str) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("kept")
    with pytest.raises(OutputError) as caught:
        files.write(small, blocker / below)
    assert caught.value.where == str(blocker / below)
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["file"]
    assert blocker.read_text() == "kept"


def test_a_folder_where_a_file_should_go_puts_everything_back(small: Audit, tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text("earlier")
    (tmp_path / "verdicts.csv").mkdir()
    with pytest.raises(OutputError, match=r"verdicts\.csv is a folder"):
        files.write(small, tmp_path)
    assert (tmp_path / "audit.json").read_text() == "earlier"
    assert sorted(os.listdir(tmp_path)) == ["audit.json", "verdicts.csv"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_while_moving_leaves_the_folder_as_it_was(
    small: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "audit.json").write_text("earlier")
    before = contents(earlier)
    replace_file = os.replace

    def full(source: Path, target: Path) -> None:
        if Path(target).name == "responses.parquet":
            raise failure
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", full)
    expected = OutputError if isinstance(failure, OSError) else KeyboardInterrupt
    for folder in (earlier, tmp_path / "new" / "deep"):
        with pytest.raises(expected):
            files.write(small, folder)
    assert contents(earlier) == before
    assert os.listdir(tmp_path) == ["earlier"]


def test_a_full_disk_while_building_is_said(
    small: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: pl.DataFrame, *args: object, **more: object) -> None:
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(OutputError, match="No space left"):
        files.write(small, tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_an_unknown_format_is_refused_before_anything_is_made(small: Audit, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="gif"):
        files.write(small, tmp_path / "out", formats=("png", "gif"))
    assert not (tmp_path / "out").exists()


def test_names_that_would_collide_get_a_number(audit_of: Callable[[Cells], Audit]) -> None:
    cells = [("f", task, "smooth", "") for task in ("a/b", "a b", "A_B", "加法", "é" * 300)]
    names = [name for _, _, name in files.chart_names(audit_of(cells))]
    assert names == ["f-a_b", "f-a_b-2", "f-A_B-3", "f-加法", "f-" + "é" * 50]


def test_a_task_without_points_has_no_chart_and_the_rest_is_written(small: Audit, tmp_path: Path) -> None:
    void = pl.when(pl.col("task") == "addition").then(None).otherwise(pl.col("mean")).alias("mean")
    files.write(replace(small, curves=small.curves.with_columns(void)), tmp_path, formats=("svg",))
    assert os.listdir(tmp_path / "charts") == ["a_.._b-_.svg"]
