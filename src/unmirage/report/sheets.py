"""verdicts.csv and differences.csv: flat tables for a spreadsheet. Programs should read audit.json."""

from __future__ import annotations

from typing import Any

import polars as pl

from unmirage.report import slices
from unmirage.result import Audit

VERDICT_COLUMNS: dict[str, type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "axis": pl.String,
    "headline": pl.String,
    "companion": pl.String,
    "verdict": pl.String,
    "p_break": pl.Float64,
    "p_break_adjusted": pl.Float64,
    "step": pl.Float64,
    "width": pl.Float64,
    "t10": pl.Float64,
    "t90": pl.Float64,
    "emergence_score": pl.Float64,
    "breakthroughness": pl.Float64,
    "linearity": pl.Float64,
    "r2_held_out": pl.Float64,
    "r2_smooth": pl.Float64,
    "n_scales": pl.Int64,
    "n_resolved": pl.Int64,
    "n_needed": pl.Int64,
    "reasons": pl.String,
    "would_settle": pl.String,
}


def verdicts_csv(audit: Audit) -> bytes:
    """One line a verdict, columns as in `VERDICT_COLUMNS`; a number that cannot be computed is an empty cell.

    `n_scales` counts distinct scales, `n_resolved` those at which some model can be told from zero or chance,
    and `n_needed` is the largest number of items that a scale needs for that. Several reasons are joined by
    "; ". Texts are made safe as in :func:`safe`.
    """
    rows = [_flat(audit, row) for row in audit.verdicts.iter_rows(named=True)]
    return csv(pl.DataFrame(rows, schema=VERDICT_COLUMNS))


def differences_csv(audit: Audit) -> bytes:
    """The differences table as it is, its texts made safe as in :func:`safe`."""
    return csv(audit.differences)


def safe(column: str) -> pl.Expr:
    """The text column with an apostrophe before each cell that a spreadsheet would run as a formula.

    Those are the cells that start with = + - @, a tab or a carriage return. The apostrophe tells a
    spreadsheet that text follows; a program that reads the file must take it off again.
    """
    text = pl.col(column)
    return pl.when(text.str.contains(r"^[=+\-@\t\r]")).then(pl.lit("'") + text).otherwise(text).alias(column)


def _flat(audit: Audit, row: dict[str, Any]) -> dict[str, Any]:
    headline = slices.curve(audit, row["family"], row["task"], row["headline"] or "")
    n_scales, n_resolved = slices.scale_counts(row, headline)
    flat = {**row, **(row["sharpness"] or {}), **(row["link"] or {})}
    flat |= {"n_scales": n_scales, "n_resolved": n_resolved, "n_needed": slices.needed(row)}
    flat |= {name: "; ".join(row[name] or []) for name in ("reasons", "would_settle")}
    return {name: flat.get(name) for name in VERDICT_COLUMNS}


def csv(frame: pl.DataFrame) -> bytes:
    """A flat table for a spreadsheet: texts made safe as in :func:`safe`, no infinities."""
    texts = [name for name, dtype in frame.schema.items() if not dtype.is_numeric() and dtype != pl.Boolean]
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    written = frame.with_columns(pl.col(texts).cast(pl.String)).with_columns(
        *(safe(name) for name in texts),
        *(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats),
    )
    return written.write_csv(line_terminator="\n").encode()
