"""The link between continuous scores and the headline, by hand and against scipy's distributions."""

import dataclasses
from itertools import product

import numpy as np
import pytest
from scipy import stats

from unmirage.errors import SettingsError
from unmirage.verdict.link import BINS, LinkCheck, check_link

RNG = np.random.default_rng(0)


def check(scores, right, *, place=None, moves=None, trials=None, **options):
    scores = np.asarray(scores, dtype=float)
    place = np.arange(scores.shape[1]) if place is None else place
    size = max(place) + 1
    return check_link(
        scores,
        right,
        place,
        np.zeros(size) if moves is None else moves,
        trials=np.full(size, len(scores)) if trials is None else trials,
        **options,
    )


def columns(*parts):
    """(scores, right) of scales that are given as {score: (right items, items)}."""
    scores = [[x for x, (_, n) in part.items() for _ in range(n)] for part in parts]
    right = [[float(i < k) for k, n in part.values() for i in range(n)] for part in parts]
    return np.array(scores, dtype=float).T, np.array(right).T


def logistic_family(n=300, scales=8, seed=1):
    """Scores that grow evenly with scale, and items right with a logistic chance of their score."""
    rng = np.random.default_rng(seed)
    scores = np.linspace(-4, 4, scales) + rng.normal(0, 1, (n, scales))
    return scores, (rng.random((n, scales)) < 1 / (1 + np.exp(-2 * scores))).astype(float)


def odds(p, ratio):
    return p * ratio / (1 - p + p * ratio)


def test_the_shares_of_the_other_scales_predict_a_scale():
    # 10 items a scale; the shares grow with the score, so the monotone link is the plain shares.
    scores, right = columns({0: (1, 8), 1: (1, 2)}, {0: (2, 5), 1: (3, 5)}, {0: (0, 1), 1: (9, 9)})
    found = check(scores, right)
    assert found.observed.tolist() == [0.2, 0.5, 0.9]
    first = (8 * (2 / 6) + 2 * (12 / 14)) / 10
    second = (5 * (1 / 9) + 5 * (10 / 11)) / 10
    third = (1 * (3 / 13) + 9 * (4 / 7)) / 10
    assert found.held_out.tolist() == pytest.approx([first, second, third])
    assert found.smooth.tolist() == found.held_out.tolist()
    observed, predicted = np.array([0.2, 0.5, 0.9]), np.array([first, second, third])
    # What ten items a scale add to the squares is no misfit.
    left = ((observed - predicted) ** 2).sum() - (observed * (1 - observed) / 10).sum()
    assert found.r2_held_out == pytest.approx(1 - left / ((observed - 1.6 / 3) ** 2).sum())
    assert found.expected.tolist() == pytest.approx([10 * x for x in (first, second, third)])
    assert found.seen.tolist() == [2, 5, 9]
    assert found.furthest(found.held_out) == int(np.abs(observed - predicted).argmax())


def test_the_slope_within_scales_is_that_of_least_squares():
    scores, right = columns({0: (1, 8), 1: (1, 2)}, {0: (2, 5), 1: (3, 5)}, {0: (0, 1), 1: (9, 9)})
    found = check(scores, right)
    shares = [{0: 2 / 6, 1: 12 / 14}, {0: 1 / 9, 1: 10 / 11}, {0: 3 / 13, 1: 4 / 7}]
    x = np.array([[shares[s][value] for value in scores[:, s]] for s in range(3)])
    away = x - x.mean(axis=1, keepdims=True)
    hits = right.T - right.mean(axis=0)[:, None]
    assert found.slope == pytest.approx((away * hits).sum() / (away**2).sum())
    noise = (away**2 * x * (1 - x)).sum()
    assert found.slope_error == pytest.approx(np.sqrt(noise) / (away**2).sum())


def test_a_headline_that_has_nothing_to_do_with_the_score_has_no_slope():
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 1, (400, 6)) + np.arange(6)
    right = (rng.random((400, 6)) < np.arange(6) / 6).astype(float)
    found = check(scores, right)
    assert found.r2_held_out > 0.6
    assert abs(found.slope) < 3 * found.slope_error
    assert found.slope + 1.645 * found.slope_error < 0.5


def test_counts_cannot_be_moved():
    scores, right = columns({0: (1, 8), 1: (1, 2)}, {0: (2, 5), 1: (3, 5)}, {0: (0, 1), 1: (9, 9)})
    assert np.isnan(check_link(scores, right, np.arange(3), None, trials=np.full(3, 10.0)).r2_smooth)


def test_shares_that_fall_with_the_score_are_pooled():
    scores, right = columns({0: (2, 4), 1: (1, 4), 2: (3, 4)}, {0: (0, 4), 1: (0, 4), 2: (4, 4)})
    # Of the first scale 2/4 and 1/4 are pooled to 3/8; the second has 0, 0, 1.
    found = check(scores, right)
    assert found.held_out.tolist() == pytest.approx([4 / 12, (3 / 8 + 3 / 8 + 3 / 4) / 3])


def test_moves_shift_the_scores_onto_other_shares():
    scores, right = columns({0: (0, 10), 1: (5, 10)}, {0: (0, 10), 1: (5, 10)})
    assert check(scores, right, moves=[1, 0]).smooth.tolist() == pytest.approx([0.5, 0.25])
    assert check(scores, right, moves=[0, -1]).smooth.tolist() == pytest.approx([0.25, 0.0])
    assert check(scores, right, moves=[1, 0]).held_out.tolist() == pytest.approx([0.25, 0.25])


def test_there_are_so_many_bins_of_equal_counts():
    # One item a score, right in the upper half: the bin at the middle holds 2 of the 120 of each scale.
    scores = np.tile(np.arange(2.0 * BINS), (2, 1)).T
    right = (scores >= BINS + 1).astype(float)
    expected = right.copy()
    expected[BINS : BINS + 2] = 0.5
    found = check(scores, right)
    assert found.held_out.tolist() == pytest.approx(expected.mean(axis=0).tolist())
    one_more = right.copy()
    one_more[BINS, 1] = 1.0
    assert check(scores, one_more).held_out[0] == pytest.approx((right[:, 0].sum() + 1) / len(right))


@pytest.mark.parametrize("scale", range(8))
def test_a_scale_is_left_out_of_its_own_prediction(scale):
    scores, right = logistic_family()
    found, other = check(scores, right), right.copy()
    other[:, scale] = 1 - other[:, scale]
    changed = check(scores, other)
    assert changed.held_out[scale] == found.held_out[scale]
    assert changed.smooth[scale] == found.smooth[scale]
    assert changed.expected[scale] == found.expected[scale]
    assert changed.observed[scale] == pytest.approx(1 - found.observed[scale])


def test_replicates_of_a_scale_are_left_out_together():
    scores, right = logistic_family(scales=10)
    place = [0, 0, 1, 2, 3, 4, 5, 6, 7, 7]
    found = check(scores, right, place=place)
    assert found.observed[0] == pytest.approx(right[:, :2].mean())
    other = right.copy()
    other[:, 1] = 1.0
    assert check(scores, other, place=place).held_out[0] == found.held_out[0]


def test_a_link_that_holds_predicts_and_one_that_does_not_does_not():
    scores, right = logistic_family()
    found = check(scores, right)
    assert found.r2_held_out > 0.99
    assert found.p_count.min() * 8 > 0.05
    assert check(scores, right[:, ::-1]).r2_held_out < 0


def test_a_headline_that_does_not_vary_has_no_r2():
    found = check(RNG.normal(size=(20, 5)), np.ones((20, 5)))
    assert np.isnan(found.r2_held_out)
    assert found.p_count.tolist() == [1.0] * 5


@pytest.mark.parametrize("seen", [0, 3, 8, 12, 13, 20, 27, 40])
@pytest.mark.parametrize("tolerance", [1.0, 1.5, 3.0])
def test_with_equal_shares_the_count_is_binomial(seen, tolerance):
    # All scores are equal, so the share is that of the other scale: 24 of 80.
    right = np.zeros((40, 3))
    right[:seen, 0] = right[:10, 1] = right[:14, 2] = 1
    below = stats.binom(40, odds(0.3, 1 / tolerance))
    above = stats.binom(40, odds(0.3, tolerance))
    expected = min(1.0, 2 * min(below.cdf(seen), above.sf(seen - 1)))
    found = check(np.zeros((40, 3)), right, tolerance=tolerance)
    assert found.p_count[0] == pytest.approx(expected, rel=1e-9)
    assert found.worst == int(found.p_count.argmin())


@pytest.mark.parametrize("seen", [0, 1, 4, 9])
def test_with_unequal_shares_the_count_is_poisson_binomial(seen):
    scores, right = columns({0: (0, 6), 1: (0, 4)}, {0: (1, 5), 1: (3, 5)})
    right[:seen, 0] = 1
    shares = [0.2] * 6 + [0.6] * 4
    below = above = 0.0
    for outcome in product((0, 1), repeat=10):
        chances = [
            np.prod(
                [
                    odds(p, ratio) if hit else 1 - odds(p, ratio)
                    for p, hit in zip(shares, outcome, strict=True)
                ]
            )
            for ratio in (1 / 1.5, 1.5)
        ]
        below += chances[0] * (sum(outcome) <= seen)
        above += chances[1] * (sum(outcome) >= seen)
    assert check(scores, right).p_count[0] == pytest.approx(min(1.0, 2 * min(below, above)), rel=1e-9)


def test_a_share_of_nothing_is_known_to_half_an_item():
    right = np.zeros((50, 3))
    right[:4, 0] = 1
    found = check(np.zeros((50, 3)), right)
    assert found.p_count[0] == pytest.approx(2 * stats.binom.sf(3, 50, odds(0.5 / 100, 1.5)), rel=1e-9)
    turned = check(np.zeros((50, 3)), 1 - right)
    assert turned.p_count[0] == pytest.approx(found.p_count[0], rel=1e-9)


def test_odds_within_the_tolerance_are_no_contradiction():
    scores, right = logistic_family(n=2000)
    likely = 1 / (1 + np.exp(-2 * scores))
    for ratio, contradicted in ((1.0, False), (1.4, False), (2.5, True)):
        other = right.copy()
        other[:, 4] = np.random.default_rng(3).random(2000) < odds(likely[:, 4], ratio)
        assert (check(scores, other).p_count[4] < 0.001) == contradicted


@pytest.mark.parametrize("scale", [3, 4, 5, 6, 7])
def test_outputs_that_fail_are_caught_at_every_scale_where_some_should_be_right(scale):
    scores, right = logistic_family()
    right[:, scale] *= np.random.default_rng(scale).random(len(right)) < 0.02
    found = check(scores, right)
    assert found.worst == scale
    assert found.p_count[scale] < 1e-4


def test_outputs_that_fail_below_a_scale_are_caught():
    scores, right = logistic_family()
    right[:, :5] = 0
    found = check(scores, right)
    assert found.p_count[3:5].max() < 1e-6
    assert found.seen[:5].tolist() == [0] * 5
    # Where hardly any should be right, none is no surprise.
    assert found.p_count[0] > 0.05


@pytest.mark.parametrize("trials", [300, 150, 40, 12, 1])
def test_counts_are_reduced_to_the_independent_items(trials):
    scores, right = logistic_family()
    found = check(scores, right, trials=np.full(8, trials))
    whole = check(scores, right)
    assert found.seen.tolist() == pytest.approx((whole.observed * trials).tolist(), abs=0.5)
    assert found.expected.tolist() == pytest.approx((whole.held_out * trials).tolist(), abs=1)
    assert (found.held_out == whole.held_out).all()


def test_fewer_independent_items_contradict_less():
    scores, right = logistic_family()
    right[:, 4] = 0
    p = [check(scores, right, trials=np.full(8, n)).p_count[4] for n in (300, 100, 30, 2)]
    assert p == sorted(p)
    assert p[2] < 1e-3 < p[3]


@pytest.mark.parametrize("change", [np.exp, lambda x: x**3, lambda x: 5 * x - 7])
def test_any_monotone_transform_of_the_scores_does(change):
    scores, right = logistic_family()
    same(check(scores, right), check(change(scores), right))


def test_the_order_of_items_does_not_matter_nor_does_the_unit():
    scores, right = logistic_family()
    moves = np.linspace(-0.3, 0.2, 8)
    order = np.random.default_rng(5).permutation(len(scores))
    found = check(scores, right, moves=moves)
    same(found, check(scores[order], right[order], moves=moves))
    same(found, check(4 * scores, right, moves=4 * moves))


def same(one: LinkCheck, other: LinkCheck):
    for name, value in dataclasses.asdict(one).items():
        assert np.asarray(getattr(other, name)) == pytest.approx(np.asarray(value), rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"right": np.zeros((4, 2))}, "one row an item"),
        ({"scores": np.zeros(3), "right": np.zeros(3)}, "one row an item"),
        ({"place": [0, 1]}, "one row an item"),
        ({"moves": [0.0, 0.0]}, "one row an item"),
        ({"scores": np.full((4, 3), np.inf)}, "finite"),
        ({"moves": [0.0, np.nan, 0.0]}, "finite"),
        ({"trials": [4.0, 0.5, 4.0]}, "1 or more"),
        ({"right": np.full((4, 3), 1.5)}, r"\[0, 1\]"),
        ({"right": np.full((4, 3), np.nan)}, r"\[0, 1\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, words):
    given = {"scores": np.zeros((4, 3)), "right": np.zeros((4, 3)), "place": [0, 1, 2]}
    given |= {"moves": np.zeros(3), "trials": np.full(3, 4.0)} | change
    with pytest.raises(SettingsError, match=words):
        check_link(**given)
