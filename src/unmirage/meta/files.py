"""Writes the folder of a meta-analysis, whole or not at all. What is in each file is not decided here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from unmirage.folders import whole
from unmirage.meta.charts import charts
from unmirage.meta.found import PAGE, Meta
from unmirage.meta.page import page
from unmirage.report import sheets
from unmirage.report.charts import check_formats, render
from unmirage.report.document import plain, rows, version, written
from unmirage.report.files import parquet
from unmirage.result import Progress, silent

SCHEMA = 1
# Tables of tasks with choices: choice_NAME.csv, and in meta.json under `choices`.
CHAIN = ("curves", "swaps", "links", "losses", "masses", "says")
# Tables of meta.json and of CSV files.
TABLES = ("scores", "groups", "concentration", "claims")


def write(
    found: Meta, directory: Path, *, formats: tuple[str, ...] = (), progress: Progress = silent
) -> Path:
    """Write report.html, meta.json, cells, laws and curves as Parquet, and each table as CSV.

    Charts are `charts/NAME.FORMAT` for each of `formats`. The same result gives the same bytes (PDF
    excepted). Returns the path of the page.

    Raises
    ------
    SettingsError
        An unknown image format.
    OutputError
        The folder cannot be made or written.
    """
    check_formats(formats)
    with whole(directory, "the meta-analysis") as draft:
        progress("writing", 0, None)
        (draft / PAGE).write_bytes(page(found).encode())
        (draft / "meta.json").write_bytes(_json(found))
        for name in ("cells", "laws", "curves"):
            parquet(getattr(found, name), draft / f"{name}.parquet")
        for name in ("cells", *TABLES):
            (draft / f"{name}.csv").write_bytes(sheets.csv(getattr(found, name)))
        for name in CHAIN if found.chain is not None else ():
            (draft / f"choice_{name}.csv").write_bytes(sheets.csv(getattr(found.chain, name)))
        if formats:
            (draft / "charts").mkdir()
        for name, spec in charts(found).items() if formats else ():
            for fmt in formats:
                (draft / "charts" / f"{name}.{fmt}").write_bytes(render(spec, fmt))
    return directory / PAGE


def _json(found: Meta) -> bytes:
    return written(
        {
            "unmirage": version(),
            "schema": SCHEMA,
            "inputs": [asdict(one) for one in found.inputs],
            "settings": plain(found.settings.as_dict()),
            "says": list(found.says),
            **{name: rows(getattr(found, name)) for name in (*TABLES, "cells", "warnings")},
            "choices": None
            if found.chain is None
            else {name: rows(getattr(found.chain, name)) for name in CHAIN},
        }
    )
