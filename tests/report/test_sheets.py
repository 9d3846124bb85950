"""The CSV tables: columns, counts, joined reasons, and cells that a spreadsheet must not run."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import polars as pl
import pytest

from unmirage.report import sheets
from unmirage.result import Audit


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_columns_and_values(audit: Audit) -> None:
    rows = read(sheets.verdicts_csv(audit))
    assert list(rows[0]) == [
        "family",
        "task",
        "axis",
        "headline",
        "companion",
        "verdict",
        "p_break",
        "p_break_adjusted",
        "step",
        "width",
        "t10",
        "t90",
        "emergence_score",
        "breakthroughness",
        "linearity",
        "r2_held_out",
        "r2_smooth",
        "n_scales",
        "n_resolved",
        "n_needed",
        "reasons",
        "would_settle",
    ]
    first = rows[0]
    assert (first["family"], first["task"], first["verdict"]) == ("arith", "addition", "metric-artifact")
    assert float(first["p_break_adjusted"]) == 0.0012345678901234567
    assert (first["t90"], first["emergence_score"], first["r2_smooth"]) == ("", "", "")
    assert (first["n_scales"], first["n_resolved"], first["n_needed"]) == ("8", "4", "4605")
    assert first["reasons"] == (
        "exact match jumps at 70M, but the log-probability moves smoothly; "
        "the link fitted on the other scales predicts the headline (R² 0.97)"
    )
    assert [row["task"] for row in rows] == audit.verdicts["task"].to_list()


def test_without_resolution_entries_the_counts_come_from_the_curve(audit: Audit) -> None:
    bare = replace(
        audit,
        verdicts=audit.verdicts.with_columns(resolution=pl.lit([], audit.verdicts.schema["resolution"])),
    )
    row = read(sheets.verdicts_csv(bare))[2]
    assert (row["task"], row["n_scales"], row["n_resolved"], row["n_needed"]) == ("gaps", "7", "", "")


def test_missing_structs_are_empty_cells(audit: Audit) -> None:
    bare = replace(
        audit,
        verdicts=audit.verdicts.with_columns(
            pl.lit(None, audit.verdicts.schema[name]).alias(name)
            for name in ("sharpness", "link", "resolution", "reasons", "would_settle", "headline")
        ),
    )
    row = read(sheets.verdicts_csv(bare))[0]
    assert {row[name] for name in ("width", "linearity", "r2_held_out", "n_resolved", "reasons")} == {""}
    assert row["n_scales"] == "0"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_a_spreadsheet_would_run_starts_with_an_apostrophe(audit: Audit, start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    bad = replace(
        audit,
        verdicts=audit.verdicts.with_columns(family=pl.lit(name)),
        differences=pl.DataFrame({"task": [name], "difference": [-0.5]}),
    )
    assert read(sheets.verdicts_csv(bad))[0]["family"] == "'" + name
    assert read(sheets.differences_csv(bad)) == [{"task": "'" + name, "difference": "-0.5"}]


def test_joined_reasons_are_made_safe_too(audit: Audit) -> None:
    rows = read(sheets.verdicts_csv(audit))
    assert rows[4]["family"] == "'=HYPERLINK(1)"
    assert rows[4]["reasons"].startswith("'+three small scales")


def test_differences_are_as_they_are_with_empty_cells_for_no_number(audit: Audit) -> None:
    (row,) = read(sheets.differences_csv(audit))
    assert row["model_b"] == "say \"8\" 'b'"
    assert row["high"] == ""
    assert float(row["p"]) == 3e-9
