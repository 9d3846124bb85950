"""The terminal summary at 80 columns, without colour, with hostile names."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import polars as pl
from rich.console import Console

from unmirage import tables
from unmirage.report import text
from unmirage.result import Audit


def printed(audit: Audit, *, width: int = 80, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    text.summary(audit, console)
    return out.getvalue()


def test_everything_is_there_at_80_columns_without_colour(audit: Audit) -> None:
    out = printed(audit)
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines()) <= 80
    for word in (
        "metric-artifact",
        "robust-break",
        "cannot-tell",
        "smooth",
        "resolution-limited",
        "insufficient",
    ):
        assert word in out
    assert "0.25 → 0.95" in out
    flat = " ".join(out.split())
    assert "duplicate-rows: 3 rows repeat an earlier row" in flat
    assert "last-checkpoint: the last checkpoint of m1 is used" in flat


def test_one_line_on_the_predictions_where_some_can_be_tested(audit: Audit) -> None:
    assert "predictions: resolution 1 confirmed, 0 not\n" in printed(audit)
    untested = audit.predictions.filter(outcome="not testable")
    assert "predictions" not in printed(replace(audit, predictions=untested))


def test_a_row_holds_scales_headline_and_reason(audit: Audit) -> None:
    row = next(line for line in printed(audit, width=160).splitlines() if "addition" in line)
    assert row.split() == ["arith", "addition", "8", "0", "→", "1", "metric-artifact"]
    assert "exact match jumps at 70M, but the log-probability moves smoothly" in printed(audit, width=160)


def test_verdicts_are_coloured_on_a_terminal(audit: Audit) -> None:
    assert "\x1b[1;31mrobust-break" in printed(audit, colour=True)


def test_markup_and_escapes_in_names_are_shown_not_run(
    audit_of: Callable[[list[tuple[str, str, str, str]]], Audit],
) -> None:
    audit = audit_of([("[red]f[/red]", "a\x1b[2Jb", "smooth", "[bold]why[/bold]\x07")])
    out = printed(audit, width=120)
    assert "[red]f[/red]" in out
    assert "a\ufffd[2Jb" in out
    assert "[bold]why[/bold]\ufffd" in out
    assert "\x1b" not in out


def test_warnings_of_one_code_are_one_line(audit: Audit) -> None:
    rows = [
        tables.warning("a", "first", count=2),
        tables.warning("b", "x"),
        tables.warning("a", "second", count=3),
    ]
    many = replace(audit, warnings=tables.warnings_frame(rows))
    assert text.grouped_warnings(many.warnings) == [("a", 2, "first"), ("b", 1, "x")]


def test_on_a_loss_axis_the_largest_scale_has_the_smallest_value(audit: Audit) -> None:
    falling = replace(
        audit,
        curves=audit.curves.with_columns(
            axis=pl.lit("loss"), axis_value=5 - pl.col("axis_value").log10() / 4
        ),
    )
    row = next(line for line in printed(falling, width=160).splitlines() if "addition" in line)
    assert "0 → 1" in row


def test_a_verdict_without_a_curve_has_no_range(audit: Audit) -> None:
    bare = replace(audit, curves=tables.empty(tables.CURVES))
    row = next(line for line in printed(bare, width=160).splitlines() if "addition" in line)
    assert row.split() == ["arith", "addition", "8", "–", "metric-artifact"]
