"""Numbers, scales and names as a reader sees them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.report import words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (-float("inf"), "−∞"),
        (0.0, "0"),
        (1.0, "1"),
        (0.99996, ">0.999"),
        (-0.99996, "<−0.999"),
        (0.5, "0.5"),
        (0.123456, "0.123"),
        (-12.345, "−12.3"),
        (1319, "1,319"),
        (1319.4, "1,319"),
        (2.181818e-4, "2.18e-4"),
        (1e-4, "1e-4"),
        (-1.5e-7, "−1.5e-7"),
        (3.1e18, "3.1e18"),
        (2_000_000, "2e6"),
    ],
)
def test_number(value: float | None, expected: str) -> None:
    assert words.number(value) == expected


@given(st.floats(-1e300, 1e300))
def test_number_reads_back_within_three_digits(value: float) -> None:
    text = words.number(value).replace("−", "-").replace(",", "").lstrip("<>")
    assert math.isclose(float(text), value, rel_tol=5.001e-3)
    assert (float(text) == 0) == (value == 0)


def test_p_value_is_cut_below_1e_4() -> None:
    assert words.p_value(9.99e-5) == "<1e-4"
    assert words.p_value(0.0) == "<1e-4"
    assert words.p_value(2.181818e-4) == "2.18e-4"
    assert words.p_value(None) == "–"


def test_interval_needs_both_ends() -> None:
    assert words.interval(0.0, 0.0362) == "0 to 0.0362"
    assert words.interval(None, 0.1) == "–"
    assert words.interval(0.1, float("nan")) == "–"


def test_scale_follows_its_axis() -> None:
    assert words.scale(7e9, "n_params") == "7B"
    assert words.scale(1e4, "n_tokens") == "10K"
    assert words.scale(3.1e18, "flops") == "3.1e18"
    assert words.scale(2.1, "loss") == "2.1"
    assert words.scale(143_000.0, "step") == "143,000"
    assert words.scale(None, "n_params") == "–"


def test_axis_titles_are_human_and_a_users_column_keeps_its_name() -> None:
    titles = [words.axis_title(axis) for axis in ("n_params", "n_tokens", "flops", "loss", "my_steps")]
    assert titles == ["Parameters", "Training tokens", "Compute (FLOP)", "Pretraining loss", "my_steps"]


def test_metric_words_come_from_the_card_and_fall_back_to_the_name() -> None:
    from unmirage.metrics import metric

    card = metric("token_edit_distance").card
    assert card.unit
    assert words.metric_title("token_edit_distance") == f"{card.title} ({card.unit})"
    assert words.metric_title("exact_match") == metric("exact_match").card.title
    assert words.metric_direction("token_edit_distance") == "lower is better"
    assert words.metric_direction("exact_match") == "higher is better"
    assert words.metric_title("tool\x1b[31m_score") == "tool\ufffd[31m_score"
    assert words.metric_direction("tool_score") == ""


@given(st.text())
def test_printable_is_one_line_without_controls(text: str) -> None:
    shown = words.printable(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_every_verdict_has_a_meaning_and_a_colour_in_both_themes() -> None:
    from unmirage.report import text, themes

    six = {"smooth", "metric-artifact", "resolution-limited", "robust-break", "cannot-tell", "insufficient"}
    assert set(words.MEANINGS) == six == set(themes.TONES) == set(text.STYLES)
    for palette in themes.PALETTES.values():
        assert set(themes.TONES.values()) <= set(palette)


def test_a_unit_that_the_title_tells_is_not_told_twice() -> None:
    assert words.metric_title("bits_per_byte") == "Bits a byte"
    assert words.metric_title("target_logprob") == "Log-probability of the target (nats)"
