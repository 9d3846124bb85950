"""Smaller test sets: against all draws counted one by one, and the paper's model."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from unmirage.errors import SettingsError
from unmirage.predictions.sweep import sweep
from unmirage.theory.model import PAPER, PAPER_SIZES, exact_match


def test_every_draw_counted():
    right = np.array([1, 1, 1, 0, 0, 0, 0, 1, 0])
    found = sweep([right.sum(), 0], right.size, [2, 5], min_successes=2)
    for k, size in enumerate((2, 5)):
        counts = np.array([right[list(draw)].sum() for draw in combinations(range(right.size), size)])
        assert found.p_zero[k, 0] == pytest.approx((counts == 0).mean(), rel=1e-12)
        assert found.p_above[k, 0] == pytest.approx((counts >= 2).mean(), rel=1e-12)
        assert found.expected[k, 0] == pytest.approx(counts.mean(), rel=1e-12)
    assert found.sizes.tolist() == [2, 5, 9]
    assert found.p_zero[:, 1].tolist() == [1, 1, 1]
    assert found.p_above[-1].tolist() == [1, 0]


def test_the_paper_s_model_reads_zero():
    n = 10**7
    rates = exact_match(PAPER.token_probability(PAPER_SIZES), 5)
    found = sweep(np.rint(rates * n), n, [100, 1_000, 10_000, 100_000])
    assert found.p_zero[:4, 0] == pytest.approx([0.9994, 0.9936, 0.938, 0.525], abs=6e-4)
    assert found.p_zero[:2, 1] == pytest.approx([0.816, 0.132], abs=6e-4)
    assert found.p_zero[2, 1] == pytest.approx(1.6e-9, rel=0.05)


def test_above_chance_is_the_exact_test_over_the_models():
    n, chance, right = 400, 0.25, np.array([100, 118, 130, 160])
    found = sweep(right, n, [50], chance=chance, alpha=0.05)
    p = binom.sf(right - 1, n, chance)
    assert found.p_value == pytest.approx(p, rel=1e-9)
    assert found.p_above[-1].tolist() == (p <= 0.05 / 4).astype(float).tolist()
    k = int(found.needed[0])
    assert binom.sf(k - 1, 50, chance) <= 0.05 / 4 < binom.sf(k - 2, 50, chance)
    assert found.p_below == pytest.approx(binom.cdf(right, n, chance), rel=1e-9)


def test_a_predicted_rate_would_be_missed():
    found = sweep([0, 0, 0], 1000, [100], predicted=[0.01, 1e-5, np.nan])
    assert found.p_missed[:2] == pytest.approx(binom.cdf(2, 1000, [0.01, 1e-5]), rel=1e-9)
    assert np.isnan(found.p_missed[2])


def test_sizes_that_are_not_smaller_are_left_out():
    assert sweep([3], 100, [1000, 100, 10]).sizes.tolist() == [10, 100]


@given(
    st.integers(1, 300),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.sampled_from([0.0, 1e-3, 0.25]),
)
def test_more_right_answers_are_told_more_often(n, shares, chance):
    right = np.sort(np.rint(np.array(shares) * n))
    found = sweep(right, n, [1, 10, 100], chance=chance)
    assert (np.diff(found.p_above, axis=1) >= -1e-9).all()
    assert (np.diff(found.p_zero, axis=1) <= 1e-9).all()
    assert np.isin(found.p_above[-1], (0, 1)).all()
    assert (found.expected[-1] == right).all()


@pytest.mark.parametrize(
    ("right", "n", "sizes", "more"),
    [
        ([1.5], 10, [2], {}),
        ([11], 10, [2], {}),
        ([1], 0, [2], {}),
        ([1], 10, [0], {}),
        ([1], 10, [2], {"predicted": [2.0]}),
        ([1], 10, [2], {"predicted": [0.1, 0.1]}),
        ([1], 10, [2], {"chance": 1.0}),
    ],
)
def test_bad_input_is_refused(right, n, sizes, more):
    with pytest.raises(SettingsError):
        sweep(right, n, sizes, **more)
