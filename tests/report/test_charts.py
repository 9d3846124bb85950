"""What charts show: panels, ticks, points, and images with the right bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.errors import SettingsError, TableError
from unmirage.report import charts, panels, themes
from unmirage.result import Audit

HOSTILE_TASK = "</script><b>&"
MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<svg", "pdf": b"%PDF-"}


def with_curves(audit: Audit, change: pl.Expr) -> Audit:
    return replace(audit, curves=audit.curves.with_columns(change))


def on_axis(audit: Audit, axis: str, values: pl.Expr) -> Audit:
    curves = audit.curves.with_columns(axis=pl.lit(axis), axis_value=values)
    return replace(audit, curves=curves, verdicts=audit.verdicts.with_columns(axis=pl.lit(axis)))


def x_of(spec: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        layer["encoding"]["x"]
        for panel in spec["concat"]
        for layer in panel["layer"]
        if "scale" in layer["encoding"].get("x", {})
    ]
    assert all(one == found[0] for one in found), "all panels share one x axis"
    return found[0]


def every_style(spec: dict[str, Any]) -> set[str]:
    return {layer["mark"]["style"] for panel in spec["concat"] for layer in panel["layer"]}


def test_panels_are_headline_then_companion_then_preferred(audit: Audit) -> None:
    assert charts.panels(audit, "arith", "addition") == [
        "exact_match",
        "target_logprob",
        "token_edit_distance",
    ]
    assert charts.panels(audit, "arith", HOSTILE_TASK) == [
        "multiple_choice_grade",
        "choice_prob",
        "brier_sum",
    ]


def test_panels_fill_up_with_gradual_metrics_only_and_stop_at_four(audit: Audit) -> None:
    base = audit.curves.filter(metric="exact_match", family="arith", task="addition")
    others = ("threshold(token_edit_distance,1)", "token_accuracy", "char_edit_distance", "cross_entropy")
    more = [base.with_columns(metric=pl.lit(name)) for name in others]
    wide = replace(audit, curves=pl.concat([audit.curves, *more]))
    assert charts.panels(wide, "arith", "addition") == [
        "exact_match",
        "target_logprob",
        "token_edit_distance",
        "token_accuracy",
    ]


def test_a_metric_without_points_has_no_panel(audit: Audit) -> None:
    void = pl.when(pl.col("metric") == "target_logprob").then(None).otherwise(pl.col("mean")).alias("mean")
    assert charts.panels(with_curves(audit, void), "arith", "addition") == [
        "exact_match",
        "token_edit_distance",
    ]


def test_nothing_to_draw_is_said(audit: Audit) -> None:
    empty = with_curves(audit, pl.lit(float("nan")).alias("mean"))
    assert charts.panels(empty, "arith", "addition") == []
    with pytest.raises(TableError, match="no curve has a point"):
        charts.task_chart(empty, "arith", "addition")
    with pytest.raises(TableError, match="no task"):
        charts.task_chart(audit, "arith", "unknown")


def test_points_are_the_finite_rows_and_the_line_is_the_mean_of_replicates(audit: Audit) -> None:
    means = pl.when(pl.col("model") == "m7-seed2").then(0.5).otherwise(pl.col("mean")).alias("mean")
    one = panels.panel(with_curves(audit, means), "arith", "addition", "exact_match")
    assert len(one.points) == 9
    assert len(one.line) == 8
    assert one.line[-1] == {"x": pytest.approx(7e9), "y": pytest.approx((1.0 + 0.5) / 2)}
    assert [point["y"] for point in one.points[:4]] == [0.0, 0.0, 0.0, 0.02]
    gaps = panels.panel(audit, "arith", "gaps", "target_logprob")
    assert {point["model"] for point in gaps.points} >= {"m3", "m5"}
    assert "m4" not in {point["model"] for point in gaps.points}


def test_intervals_and_unresolved_scales_come_from_the_audit(audit: Audit) -> None:
    from scipy import stats

    one = panels.panel(audit, "arith", "addition", "exact_match")
    ends = stats.binomtest(50, 100).proportion_ci(0.95, method="exact")
    middle = one.points[4]
    assert (middle["low"], middle["high"]) == (pytest.approx(ends.low), pytest.approx(ends.high))
    assert [point["resolved"] for point in one.points] == [False] * 4 + [True] * 5
    companion = panels.panel(audit, "arith", "addition", "target_logprob")
    assert all(point["resolved"] for point in companion.points)


def test_half_an_interval_is_not_drawn(audit: Audit) -> None:
    spec = charts.task_chart(with_curves(audit, pl.lit(None, pl.Float64).alias("high")), "arith", "addition")
    assert not any(style.endswith("-interval") for style in every_style(spec))
    assert {p["interval"] for p in spec["datasets"]["exact_match/point"]} == {"–"}


def test_levels_are_drawn_where_they_are_known(audit: Audit) -> None:
    assert {"chance-line", "floor-line", "headline-hollow"} <= every_style(
        charts.task_chart(audit, "arith", "addition")
    )
    without = with_curves(audit, pl.lit(None, pl.Float64).alias("chance"))
    assert "chance-line" not in every_style(charts.task_chart(without, "arith", "addition"))
    one = panels.panel(audit, "arith", "addition", "exact_match")
    assert [level["y"] for level in one.chance] == [0.0]
    assert [level["y"] for level in one.floor] == [0.03]
    assert one.crowded
    assert not panels.panel(audit, "arith", HOSTILE_TASK, "multiple_choice_grade").crowded
    varying = with_curves(audit, (0.01 * pl.col("axis_value").log10()).alias("resolution"))
    steps = panels.panel(varying, "arith", "addition", "exact_match").floor
    assert [level["y"] for level in steps] == pytest.approx(0.01 * np.log10([level["x"] for level in steps]))


def test_bounded_metrics_keep_their_range_and_others_start_from_the_data(audit: Audit) -> None:
    assert panels.panel(audit, "arith", "addition", "exact_match").domain == (0.0, 1.0)
    assert panels.panel(audit, "arith", HOSTILE_TASK, "brier_sum").domain == (0.0, 2.0)
    assert panels.panel(audit, "arith", "addition", "target_logprob").domain is None


def test_axis_titles_name_metric_unit_and_direction(audit: Audit) -> None:
    from unmirage.metrics import metric

    spec = charts.task_chart(audit, "arith", "addition")
    titles = [
        {tuple(layer["encoding"]["y"]["axis"]["title"]) for layer in panel["layer"]}
        for panel in spec["concat"]
    ]
    card = metric("token_edit_distance").card
    assert titles[2] == {(f"{card.title} ({card.unit})", "lower is better")}
    assert all(len(one) == 1 for one in titles)


@pytest.mark.parametrize("axis", ["n_params", "n_tokens", "flops", "loss", "my_column"])
def test_every_axis_validates_and_has_its_title(audit: Audit, axis: str) -> None:
    import altair as alt

    from unmirage.report.words import axis_title

    values = 4 - pl.col("axis_value").log10() / 4 if axis == "loss" else pl.col("axis_value") * 1e3
    spec = charts.task_chart(on_axis(audit, axis, values), "arith", "addition")
    alt.ConcatChart.from_dict(spec, validate=True)
    x = x_of(spec)
    assert x["axis"]["title"] == axis_title(axis)
    assert x["scale"]["type"] == "log"
    assert x["scale"]["reverse"] is (axis == "loss")


@pytest.mark.parametrize("task", ["addition", HOSTILE_TASK, "gaps"])
def test_every_chart_validates(audit: Audit, task: str) -> None:
    import altair as alt

    assert charts.SCHEMA == alt.SCHEMA_URL
    for family in ("arith", "=HYPERLINK(1)"):
        chart = alt.ConcatChart.from_dict(charts.task_chart(audit, family, task), validate=True)
        assert len(chart.concat) == 3


def test_scales_at_or_below_zero_get_a_linear_axis(audit: Audit) -> None:
    spec = charts.task_chart(on_axis(audit, "step", pl.col("axis_value") - 1e4), "arith", "addition")
    assert x_of(spec)["scale"]["type"] == "linear"
    assert charts.render(spec, "svg").startswith(b"<svg")


def test_labels_are_human(audit: Audit) -> None:
    svg = charts.render(charts.task_chart(audit, "arith", "addition"), "svg").decode()
    assert ">10K<" in svg
    assert ">10B<" in svg
    assert ">Parameters<" in svg
    flops = on_axis(audit, "flops", pl.col("axis_value") * 1e12)
    assert ">1e18<" in charts.render(charts.task_chart(flops, "arith", "addition"), "svg").decode()


def test_tooltips_hold_the_words_of_the_point(audit: Audit) -> None:
    spec = charts.task_chart(audit, "arith", "addition")
    shown = {
        one["title"] for layer in spec["concat"][0]["layer"] for one in layer["encoding"].get("tooltip", [])
    }
    assert shown == {"model", "scale", "n", "mean", "interval", "method", "chance"}
    point = spec["datasets"]["exact_match/point"][0]
    assert (point["scale"], point["n"], point["mean"], point["chance"]) == ("21.9M", "100", "0.5", "0")
    assert point["interval"] == "0.398 to 0.602"


def test_no_colour_is_in_the_definition_and_both_themes_differ(audit: Audit) -> None:
    spec = charts.task_chart(audit, "arith", "addition")
    assert "#" not in json.dumps(spec)
    assert "config" not in spec
    light, dark = (charts.render(spec, "svg", theme).decode() for theme in ("light", "dark"))
    for name in ("headline", "companion", "ink", "paper"):
        assert themes.PALETTES["light"][name] in light
        assert themes.PALETTES["dark"][name] in dark
        assert themes.PALETTES["light"][name] not in dark


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_colours_are_legible(name: str) -> None:
    palette = themes.PALETTES[name]
    for colour in set(palette) - {"paper", "page", "line", "axis"}:
        assert _contrast(palette[colour], palette["paper"]) >= 4.5, colour


@pytest.mark.parametrize("fmt", charts.FORMATS)
def test_images_have_the_bytes_of_their_format(audit: Audit, fmt: str) -> None:
    for task in ("addition", HOSTILE_TASK):
        assert charts.render(charts.task_chart(audit, "arith", task), fmt).startswith(MAGIC[fmt])


def test_a_hostile_name_is_text_in_svg(audit: Audit) -> None:
    svg = charts.render(charts.task_chart(audit, "arith", HOSTILE_TASK), "svg").decode()
    assert "</script>" not in svg
    assert "&lt;/script&gt;&lt;b&gt;&amp;" in svg


def test_unknown_format_and_theme_are_refused(audit: Audit) -> None:
    spec = charts.task_chart(audit, "arith", "addition")
    with pytest.raises(SettingsError, match="gif"):
        charts.render(spec, "gif")
    with pytest.raises(SettingsError, match="sepia"):
        charts.theme("sepia")


def test_ticks_are_round_numbers() -> None:
    assert panels.ticks(8e3, 1e10) == [1e4, 1e6, 1e8, 1e10]
    assert panels.ticks(2e8, 2e10) == [3e8, 1e9, 3e9, 1e10]
    assert panels.ticks(1.9, 5.5) == [2, 3, 4, 5]
    assert panels.ticks(2.05, 2.55) == [2.1, 2.2, 2.3, 2.4, 2.5]
    assert panels.even_ticks(0, 143_000) == [0, 50_000, 100_000]
    assert panels.even_ticks(3, 3) == [3]


@given(st.floats(-12, 24), st.floats(0.01, 14))
def test_ticks_are_few_increasing_and_inside(start: float, width: float) -> None:
    low, high = 10.0**start, 10.0 ** (start + width)
    found = panels.ticks(low, high)
    assert 2 <= len(found) <= 10
    assert all(a < b for a, b in pairwise(found))
    assert low * (1 - 1e-9) <= found[0]
    assert found[-1] <= high * (1 + 1e-9)
