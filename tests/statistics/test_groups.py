"""Groups against the hypergeometric expectation and enumeration; joint accuracy against a bootstrap."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import hypergeom

from unmirage.errors import SettingsError
from unmirage.statistics import drawn_groups, joint_accuracy, subset_accuracy


def test_drawn_groups_agree_with_the_hypergeometric_expectation():
    scores = np.zeros((5, 200))
    for row, right in enumerate((0, 120, 180, 196, 200)):
        scores[row, :right] = 1
    for k in (1, 6, 10):
        expected = hypergeom.pmf(k, 200, scores.sum(axis=1).astype(int), k)
        drawn = drawn_groups(scores, k, 40_000, 0)
        error = np.sqrt(expected * (1 - expected) / 40_000)
        assert (np.abs(drawn - expected) <= 4 * error + 1e-12).all()
        np.testing.assert_allclose(expected, subset_accuracy(scores.sum(axis=1), 200, k), rtol=1e-9)


def test_drawn_groups_agree_with_groups_of_items_drawn_one_by_one():
    scores = np.array([1, 1, 0, 1, 1, 1, 0, 1])
    every = [scores[list(chosen)].all() for chosen in combinations(range(8), 3)]
    assert drawn_groups(scores, 3, 200_000, 1) == pytest.approx(np.mean(every), abs=0.005)


def test_drawn_groups_are_fresh_for_each_model_and_the_same_for_a_seed():
    scores = np.tile(np.arange(50) < 40, (30, 1))
    first = drawn_groups(scores, 5, 100, 3)
    assert len(set(first.tolist())) > 5
    np.testing.assert_array_equal(first, drawn_groups(scores, 5, 100, 3))
    np.testing.assert_allclose(first * 100, np.rint(first * 100), atol=1e-9)
    assert drawn_groups(scores[0], 5, 100, 3).shape == ()


@pytest.mark.parametrize(
    ("scores", "k", "groups", "says"),
    [
        ([0, 1, 0.5], 2, 10, "0.5 is neither 0 nor 1"),
        ([0, np.nan], 1, 10, "nan is neither"),
        ([0, 1], 3, 10, "3 distinct items cannot be drawn from 2"),
        ([0, 1], 0, 10, "at least 1"),
        ([0, 1], 1, 0, "at least 1"),
        ([], 1, 1, "models, items"),
    ],
)
def test_drawn_groups_refuse_what_cannot_be_drawn(scores, k, groups, says):
    with pytest.raises(SettingsError, match=says):
        drawn_groups(scores, k, groups, 0)


def _sequences(n, seed, shared):
    """Three positions that are right more often together, by what they share."""
    rng = np.random.default_rng(seed)
    luck = rng.random((n, 1))
    own = rng.random((n, 3))
    return (shared * luck + (1 - shared) * own < np.array([0.7, 0.5, 0.6])).astype(float)


def test_joint_accuracy_by_hand():
    right = np.array([[1, 1], [1, 1], [1, 0], [0, 0]])
    found = joint_accuracy(right)
    assert (found.joint, found.product, found.n) == (0.5, 0.75 * 0.5, 4)
    assert found.surplus == 0.125
    # Every sequence of two independent fair positions once: no surplus.
    assert joint_accuracy(list(product([0, 1], repeat=2))).surplus == 0


def test_joint_accuracy_interval_agrees_with_a_bootstrap():
    right = _sequences(800, 0, 0.5)
    found = joint_accuracy(right)
    rng = np.random.default_rng(1)
    drawn = right[rng.integers(0, 800, (4000, 800))]
    surplus = drawn.min(axis=2).mean(axis=1) - drawn.mean(axis=1).prod(axis=1)
    assert found.low > 0
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(surplus.std(), rel=0.05)
    np.testing.assert_allclose([found.low, found.high], np.quantile(surplus, [0.025, 0.975]), atol=0.006)


def test_joint_accuracy_interval_holds_no_surplus_as_often_as_it_says():
    held = [
        found.low <= 0 <= found.high
        for seed in range(400)
        for found in [joint_accuracy(_sequences(300, seed, 0.0), 0.9)]
    ]
    assert np.mean(held) == pytest.approx(0.9, abs=0.045)


def test_joint_accuracy_of_one_position_and_of_sequences_that_are_alike():
    one = joint_accuracy([[1], [0], [1]])
    assert (one.joint, one.surplus, one.low, one.high) == (2 / 3, 0, 0, 0)
    for right in (np.ones((5, 3)), np.zeros((5, 3)), [[1, 0], [0, 0], [1, 0]], [[1, 1]]):
        found = joint_accuracy(right)
        assert np.isnan([found.low, found.high]).all()
        assert found.surplus == 0


@pytest.mark.parametrize("right", [[1, 0], np.zeros((0, 2)), np.zeros((3, 0)), [[1, 2]]])
def test_joint_accuracy_refuses_other_arrays(right):
    with pytest.raises(SettingsError):
        joint_accuracy(right)
