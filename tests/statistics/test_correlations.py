"""Row-wise correlations against scipy's, one row at a time."""

import numpy as np
import pytest
from scipy import stats

from unmirage.errors import SettingsError
from unmirage.statistics import row_correlations


def scipys(x, y):
    return np.array(
        [
            [stats.pearsonr(a, b)[0], stats.spearmanr(a, b)[0], stats.kendalltau(a, b)[0]]
            for a, b in zip(np.broadcast_to(x, y.shape), y, strict=True)
        ]
    )


def ours(x, y):
    found = row_correlations(x, y)
    return np.column_stack([found.pearson, found.spearman, found.kendall])


@pytest.mark.parametrize("m", [3, 4, 11])
def test_one_x_for_all_rows(m):
    rng = np.random.default_rng(m)
    x, y = np.log(rng.lognormal(size=m)), rng.normal(size=(40, m))
    np.testing.assert_allclose(ours(x, y), scipys(x, y), atol=1e-12)


def test_ties_in_x_and_in_y():
    rng = np.random.default_rng(0)
    x = np.array([0.0, 0.0, 1.0, 2.0, 2.0, 3.0])
    y = rng.integers(0, 3, (60, 6)).astype(float)
    y = y[np.ptp(y, axis=1) > 0]
    np.testing.assert_allclose(ours(x, y), scipys(x, y), atol=1e-12)


def test_an_x_of_each_row():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 30, 7))
    np.testing.assert_allclose(ours(x, y), scipys(x, y), atol=1e-12)


def test_size_and_place_do_not_matter():
    rng = np.random.default_rng(2)
    x, y = np.arange(5.0), rng.random((20, 5))
    np.testing.assert_allclose(ours(x, y), ours(x, 1e-200 * y), atol=1e-12)
    np.testing.assert_allclose(ours(x, y), -ours(-x, y), atol=1e-12)


def test_rows_that_do_not_vary_have_none_and_are_counted():
    found = row_correlations(np.arange(3.0), [[1, 1, 1], [0.1, 0.1 + 1e-17, 0.1], [0, 1, 1], [0, 0, 0]])
    assert found.constant.tolist() == [True, True, False, True]
    assert np.isnan(found.kendall).tolist() == [True, True, False, True]
    assert not found.infinite.any()
    assert row_correlations([1.0, 1.0, 1.0], [[1.0, 2.0, 3.0]]).constant.all()


def test_infinite_values_have_ranks_and_no_pearson():
    y = np.array([[-np.inf, -np.inf, -3.0, -1.0], [-np.inf, -2.0, np.inf, 1.0]])
    found = row_correlations(np.arange(4.0), y)
    assert np.isnan(found.pearson).all()
    assert found.infinite.all()
    ranked = np.nan_to_num(y, neginf=-100, posinf=100)
    theirs = scipys(np.arange(4.0), ranked)
    np.testing.assert_allclose(found.spearman, theirs[:, 1])
    np.testing.assert_allclose(found.kendall, theirs[:, 2])
    assert row_correlations([0.0, 1.0], [[-np.inf, -np.inf]]).constant.all()


def test_bad_input_is_refused():
    with pytest.raises(SettingsError, match="shapes"):
        row_correlations([1.0, 2.0], [[1.0, 2.0, 3.0]])
    with pytest.raises(SettingsError, match="NaN"):
        row_correlations([1.0, 2.0], [[1.0, np.nan]])
    with pytest.raises(SettingsError, match="shapes"):
        row_correlations([1.0], [[1.0]])
