"""Sums that no order changes, against math.fsum and fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.streaming import exact

WIDE = st.floats(-1e18, 1e18).map(lambda x: x if x == 0 or abs(x) > 1e-15 else 0.0)


def sums_of(values):
    """level -> (1,) sums in quanta, and the exponent."""
    x = np.array(values, dtype=np.float64)
    exponent = exact.exponents(np.array([np.abs(x).max(initial=0.0)]))
    found = exact.parts(x, exponent)
    return {
        level: np.array([(p / exact.quantum(level)).sum()], dtype=np.int64) for level, p in found
    }, exponent


@given(st.lists(WIDE, min_size=1, max_size=60))
def test_sums_are_those_of_fsum_to_half_a_last_place_of_the_largest(values):
    sums, exponent = sums_of(values)
    cut = len(values) * 2.0 ** float(max(exponent[0], -900) - 54)
    found = exact.total(sums, (1,))[0]
    assert abs(found - math.fsum(values)) <= cut + abs(found) * 2**-52


@given(st.lists(st.integers(-(2**40), 2**40).map(float), min_size=1, max_size=60))
def test_sums_of_whole_numbers_are_exact(values):
    sums, _ = sums_of(values)
    assert exact.total(sums, (1,))[0] == sum(values)


@pytest.mark.parametrize(
    "value", [1.0, 0.1, -1e-300, 512.0, 513.0, 1e299, 2.0**999, 5e-297, 1 / 3, -(2.0**9)]
)
def test_a_number_is_the_sum_of_its_parts(value):
    sums, exponent = sums_of([value])
    assert exact.total(sums, (1,))[0] == pytest.approx(value, rel=2**-53, abs=2.0**-982)
    levels = range(exact.highest(int(exponent[0])), int(exact.lowest(exponent)[0]) - 1, -1)
    assert set(sums) <= set(levels)
    assert len(levels) <= 3
    assert all(abs(int(part[0])) <= 2**31 for part in sums.values())


def test_scores_need_two_levels_and_small_whole_numbers_one():
    rng = np.random.default_rng(0)
    assert set(sums_of(rng.random(100))[0]) == {0, -1}
    assert set(sums_of(rng.integers(0, 500, 100))[0]) == {0}
    assert sums_of(np.zeros(3))[0] == {}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.floats(0, 1e6))
def test_variances_are_exact_where_the_mean_is_far_larger(values, shift):
    x = np.array(values) + shift
    sums, squares = sums_of(x)[0], sums_of(x * x)[0]
    n = np.array([len(x)])
    mean = sum(map(Fraction, x.tolist())) / len(x)
    true = float(sum((Fraction(v) - mean) ** 2 for v in x.tolist()) / (len(x) - 1))
    # What is lost is the rounding of each square.
    assert exact.variances(sums, squares, n)[0] == pytest.approx(true, rel=1e-9, abs=4e-16 * float(x @ x))


def test_one_number_has_no_variance():
    sums, _ = sums_of([3.0])
    assert np.isnan(exact.variances(sums, sums, np.array([1]))).all()
