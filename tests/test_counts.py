"""Counts as text, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.counts import count, size_label, together
from unmirage.errors import SettingsError


@pytest.mark.parametrize(
    ("n_params", "label"),
    [
        (0, "0"),
        (0.5, "0.5"),
        (7, "7"),
        (999, "999"),
        (999.6, "1K"),
        (1000, "1K"),
        (3_400, "3.4K"),
        (70e6, "70M"),
        (70_426_624, "70.4M"),
        (999_499, "999K"),
        (999_500, "1M"),
        (1.4e9, "1.4B"),
        (1_414_647_808, "1.41B"),
        (175e9, "175B"),
        (15e12, "15T"),
        (1.234e16, "12300T"),
    ],
)
def test_size_label(n_params: float, label: str) -> None:
    assert size_label(n_params) == label


@given(n_params=st.floats(1e3, 1e15))
def test_a_label_reads_back_to_three_digits(n_params: float) -> None:
    assert count(size_label(n_params)) == pytest.approx(n_params, rel=0.0051)
    for wrong in (-n_params, float("nan"), float("inf")):
        with pytest.raises(SettingsError):
            size_label(wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70m", 70e6),
        ("1.4B", 1.4e9),
        ("143k", 143e3),
        ("6e9", 6e9),
        ("6E+9", 6e9),
        ("2T", 2e12),
        (" 7b ", 7e9),
        ("2.3m", 2_300_000),
        ("1_000", 1000),
        ("0", 0),
        *(
            (text, None)
            for text in (
                "",
                "b",
                "-7b",
                "7bb",
                "1b1",
                "1e3k",
                "1,5m",
                "nan",
                "inf",
                "1e400",
                "٣m",
                "1.",
                ".5b",
                "7 b",
                "_7",
                "6e-9",
            )
        ),
    ],
)
def test_count(text: str, value: float | None) -> None:
    assert count(text) == value


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (["d12-seed0"], "d12-seed0"),
        (["d12-seed0", "d12-seed1", "d12-seed10"], "d12-seed*"),
        (["a-Run_1-last", "a-Run_2-last"], "a-Run_*-last"),
        (["pythia-70m", "pythia-70m-deduped"], "pythia-70m, pythia-70m-deduped"),
        (["d12-seed0", "d14-seed0"], "d12-seed0, d14-seed0"),
        (["seed1-70m", "seed2-160m"], "seed1-70m, seed2-160m"),
    ],
)
def test_seeds_of_one_scale_are_named_once(models, words):
    assert together(models) == words
