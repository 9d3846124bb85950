"""Which scales of a dense run are judged."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.verdict.curve import few_scales


def test_few_scales_are_all_kept():
    assert few_scales({10.0: 1.0, 1000.0: 3.0, 100.0: 2.0}, 3) == {10.0, 100.0, 1000.0}


def test_each_stretch_of_the_log_range_keeps_its_median():
    # Two stretches, up to 10^2 and from there on; a spike in each.
    first = {10.0: 1.0, 20.0: 9.0, 40.0: 2.0}
    second = {100.0: 3.0, 500.0: -7.0, 1000.0: 4.0}
    assert few_scales({**second, **first}, 2) == {40.0, 100.0}


def test_of_two_the_lower_is_kept_and_of_equals_the_first():
    assert few_scales({1.0: 5.0, 2.0: 4.0, 100.0: 1.0}, 2) == {2.0, 100.0}
    assert few_scales({1.0: 5.0, 2.0: 5.0, 3.0: 5.0, 100.0: 1.0}, 2) == {2.0, 100.0}


@settings(max_examples=50)
@given(
    st.lists(st.floats(1, 1e6), min_size=2, max_size=60, unique=True),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
)
def test_what_is_kept_is_there_and_not_too_much(values, most, seed):
    levels = dict(zip(values, np.random.default_rng(seed).normal(size=len(values)).tolist(), strict=True))
    kept = few_scales(levels, most)
    assert kept <= set(levels)
    assert 1 <= len(kept) <= max(most, 1)
    order = list(reversed(levels.items()))
    assert few_scales(dict(order), most) == kept
