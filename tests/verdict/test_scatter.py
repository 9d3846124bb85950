"""Estimates of scatter, against closed forms and simulated families."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.errors import SettingsError
from unmirage.verdict.scatter import Scatter, combined, pooled, within


def test_combined_is_the_mean_of_variances_by_df():
    both = combined(Scatter(0.03, 2), Scatter(0.01, 6))
    assert both.df == 8
    assert both.sigma**2 == pytest.approx((2 * 0.03**2 + 6 * 0.01**2) / 8)
    assert combined(both) == both


def test_within_is_the_residual_of_the_one_way_layout():
    groups = [[0.1, 0.3], [1.0], [2.0, 2.2, 2.7]]
    columns = np.repeat(np.eye(3), [2, 1, 3], axis=0)
    y = np.concatenate(groups)
    rss = float(np.linalg.lstsq(columns, y)[1][0])
    got = within(groups)
    assert got.sigma == pytest.approx(np.sqrt(rss / 3))
    assert got.df == 3
    assert within([[1.0], [2.0]]) is None
    assert within([[1.0, 1.0], [2.0]]) is None


def family(rng, tasks, size, sigma=0.02):
    return sigma * rng.standard_normal((tasks, size))


def test_pooled_leaves_the_task_out():
    e = family(np.random.default_rng(0), 6, 8)
    changed = e.copy()
    changed[2] *= 100
    assert pooled(e, 2, lost=4) == pooled(changed, 2, lost=4)
    assert pooled(e, 3, lost=4) != pooled(changed, 3, lost=4)


def test_pooled_variance_and_df_of_equal_unrelated_tasks():
    e = family(np.random.default_rng(3), 41, 40)
    got = pooled(e, 0, lost=0)
    assert got.sigma == pytest.approx(np.sqrt((e[1:] ** 2).mean()))
    # 40 · 40 observations cost nothing; what is left is the spread that is always granted.
    assert got.df == pytest.approx(12, rel=0.05)


def test_pooled_is_worth_one_task_where_all_tasks_are_alike():
    one = np.random.default_rng(4).standard_normal(10)
    got = pooled(np.tile(one, (9, 1)), 0, lost=0)
    assert 1 / got.df == pytest.approx(1 / 12 + 1 / 10)


def test_pooled_is_worth_little_where_tasks_differ():
    rng = np.random.default_rng(5)
    equal = rng.standard_normal((9, 12))
    unequal = equal * np.geomspace(0.2, 5, 9)[:, None]
    assert pooled(unequal, 0, lost=4).df < pooled(equal, 0, lost=4).df / 2


def test_the_items_share_is_taken_out_and_paid_for():
    e = family(np.random.default_rng(6), 8, 8)
    whole = pooled(e, 0, lost=4)
    share = 0.5 * (e[1:] ** 2).sum(axis=1).mean()
    got = pooled(e, 0, lost=4, item_sums=np.full(8, share))
    assert got.sigma**2 == pytest.approx(0.5 * whole.sigma**2)
    assert got.df < whole.df
    assert pooled(e, 0, lost=4, item_sums=np.full(8, 3 * share)) is None


def test_pooled_needs_four_other_tasks():
    e = family(np.random.default_rng(7), 5, 8)
    assert pooled(e, 0, lost=4) is not None
    assert pooled(e[:4], 0, lost=4) is None


@given(st.floats(1e-3, 1e3), st.integers(0, 100))
def test_pooled_has_the_unit_of_the_response_and_no_order(factor, seed):
    rng = np.random.default_rng(seed)
    e = family(rng, 7, 8)
    first = pooled(e, 0, lost=4)
    other = pooled(factor * np.vstack([e[:1], rng.permutation(e[1:])]), 0, lost=4)
    assert other.sigma == pytest.approx(factor * first.sigma)
    assert other.df == pytest.approx(first.df)


@pytest.mark.parametrize(("sigma", "df"), [(0, 1), (np.nan, 1), (1, 0), (1, np.inf), (-1, 2)])
def test_bad_estimates_are_refused(sigma, df):
    with pytest.raises(SettingsError):
        Scatter(sigma, df)


@pytest.mark.parametrize(
    "call",
    [
        combined,
        lambda: within([[np.nan, 1.0]]),
        lambda: pooled(np.zeros((6, 4)), 0, lost=4),
        lambda: pooled(np.zeros((6, 8)), 6, lost=4),
        lambda: pooled(np.full((6, 8), np.nan), 0, lost=4),
        lambda: pooled(np.zeros((6, 8)), 0, lost=4, item_sums=np.zeros(5)),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(SettingsError):
        call()
