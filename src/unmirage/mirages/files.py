"""Writes the folder of a made mirage, whole or not at all. What is in each file is not decided here."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from unmirage.folders import whole
from unmirage.mirages.charts import charts
from unmirage.mirages.found import INDEX, Induced
from unmirage.mirages.words import page
from unmirage.report.sheets import safe
from unmirage.result import Progress, silent

FORMATS = ("png", "svg")


def write(found: Induced, directory: Path, progress: Progress = silent) -> Path:
    """Write the page, charts and tables; the same result gives the same bytes. Errors as `Induced.save`."""
    from unmirage.report.charts import render

    drawn = charts(found)
    with whole(directory, "the mirage") as folder:
        for done, (name, spec) in enumerate(drawn.items()):
            progress("drawing", done, len(drawn))
            for fmt in FORMATS:
                (folder / f"{name}.{fmt}").write_bytes(render(spec, fmt))
        progress("drawing", len(drawn), len(drawn))
        _csv(found.search, folder / "search.csv")
        _csv(found.curves, folder / "curves.csv")
        _csv(_verdicts(found), folder / "verdicts.csv")
        for one in found.mirages:
            if one.responses is not None:
                one.responses.write_parquet(folder / "groups.parquet", compression="zstd", statistics=False)
        (folder / INDEX).write_text(page(found, list(drawn)), encoding="utf-8")
    return directory / INDEX


def _verdicts(found: Induced) -> pl.DataFrame:
    """One line a mirage: what was judged, and what the audit says."""
    schema = {
        "metric": pl.String,
        "companion": pl.String,
        "judged": pl.Int64,
        "verdict": pl.String,
        "p_break": pl.Float64,
        "reasons": pl.String,
        "would_settle": pl.String,
    }
    rows = [
        {
            "metric": one.metric,
            "companion": one.companion,
            "judged": one.judged,
            "verdict": one.verdict["verdict"],
            "p_break": one.verdict["p_break"],
            **{name: "; ".join(one.verdict[name] or []) for name in ("reasons", "would_settle")},
        }
        for one in found.mirages
    ]
    return pl.DataFrame(rows, schema=schema)


def _csv(frame: pl.DataFrame, path: Path) -> None:
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    try:
        frame.with_columns(safe(name) for name in texts).write_csv(path, line_terminator="\n")
    except pl.exceptions.ComputeError as problem:
        # The library's word for a full disk.
        raise OSError(str(problem)) from None
