"""audit.json: keys, nulls, precision, order."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata

import polars as pl
import pytest

from unmirage import tables
from unmirage.report import document
from unmirage.result import Audit


def strict(data: bytes) -> dict[str, object]:
    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    read = json.loads(data, parse_constant=refuse)
    assert isinstance(read, dict)
    return read


def test_keys(audit: Audit) -> None:
    read = strict(document.to_json(audit))
    assert list(read) == [
        "unmirage",
        "schema",
        "inputs",
        "settings",
        "verdicts",
        "curves",
        "warnings",
        "differences",
        "recorded",
        "skipped",
        "breaks",
        "fits",
        "predictions",
    ]
    assert read["schema"] == 1
    assert read["inputs"] == [
        {"path": 'logs/<run> "1".jsonl', "format": "table", "sha256": "ab" * 32, "rows": 162}
    ]


def test_fields_are_those_of_the_contract(audit: Audit) -> None:
    read = document.document(audit)
    verdict = read["verdicts"][0]
    assert list(verdict) == [
        "family",
        "task",
        "axis",
        "headline",
        "companion",
        "verdict",
        "p_break",
        "p_break_adjusted",
        "step",
        "sharpness",
        "link",
        "resolution",
        "reasons",
        "would_settle",
    ]
    assert list(verdict["sharpness"]) == [
        "width",
        "t10",
        "t90",
        "emergence_score",
        "breakthroughness",
        "linearity",
    ]
    assert list(verdict["link"]) == ["r2_held_out", "r2_smooth"]
    assert list(verdict["resolution"][0]) == [
        "model",
        "axis_value",
        "n",
        "successes",
        "chance",
        "p_above_chance",
        "floor",
        "resolved",
        "n_needed",
    ]
    assert list(read["curves"][0]) == list(tables.CURVES)
    assert list(read["warnings"][0]) == list(tables.WARNINGS)
    assert read["settings"] == audit.settings.as_dict() | {"w_min": audit.w_min}


def test_what_is_no_number_is_null(audit: Audit) -> None:
    read = strict(document.to_json(audit))
    sharpness = read["verdicts"][0]["sharpness"]  # type: ignore[index]
    assert sharpness["t90"] is None
    assert sharpness["emergence_score"] is None
    void = [
        row
        for row in read["curves"]  # type: ignore[attr-defined]
        if (row["task"], row["metric"], row["model"]) == ("gaps", "target_logprob", "m4")
    ]
    assert [row["mean"] for row in void] == [None, None]
    assert {row["note"] for row in void} == {"log-probabilities are missing"}


def test_rows_keep_their_order_and_floats_their_value(audit: Audit) -> None:
    read = strict(document.to_json(audit))
    assert [row["mean"] for row in read["curves"]] == [  # type: ignore[attr-defined]
        None if x is None or x != x else x for x in audit.curves["mean"]
    ]
    assert [row["model"] for row in read["curves"]] == audit.curves["model"].to_list()  # type: ignore[attr-defined]
    assert read["verdicts"][0]["p_break_adjusted"] == 0.0012345678901234567  # type: ignore[index]


def test_an_audit_without_rows_is_still_whole(audit: Audit) -> None:
    bare = replace(
        audit,
        verdicts=tables.empty(tables.VERDICTS),
        curves=tables.empty(tables.CURVES),
        inputs=(),
        warnings=tables.empty(tables.WARNINGS),
        differences=pl.DataFrame(),
        recorded=pl.DataFrame(),
    )
    read = strict(document.to_json(bare))
    assert [read[name] for name in ("inputs", "verdicts", "curves", "differences")] == [[], [], [], []]


def test_version_is_that_of_the_distribution_or_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import unmirage

    monkeypatch.setattr(metadata, "version", lambda name: f"9.9 of {name}")
    assert document.version() == "9.9 of unmirage"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(unmirage, "__version__", "1.2.3", raising=False)
    assert document.version() == "1.2.3"
    monkeypatch.delattr(unmirage, "__version__")
    assert document.version() is None
