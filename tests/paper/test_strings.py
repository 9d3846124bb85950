"""Sampled strings, their references and the chi-square."""

import numpy as np
import pytest
from scipy.stats import chisquare

from unmirage.paper.fig9 import BEST, UNION, rouge
from unmirage.paper.fig10 import CORPUS, scored
from unmirage.paper.strings import SIZES, VARIANTS, agreement, matches_any, sample, sample_matches
from unmirage.paper.text_figure import largest_step, measure
from unmirage.theory.model import PAPER

BY_NAME = {variant.name: variant for variant in VARIANTS}


def test_one_of_one_token_is_the_token_itself():
    np.testing.assert_allclose(matches_any(1, 1), PAPER.token_probability(SIZES), rtol=1e-12)
    assert (np.diff([matches_any(4, r) for r in (1, 4, 7)], axis=0) > 0).all()


def test_sampled_matches_agree_with_the_formula():
    rng = np.random.default_rng(1)
    keys = [(4, 1), (4, 7), (20, 4)]
    found = agreement(
        np.concatenate([sample_matches(*key, rng, 4000) for key in keys]),
        np.concatenate([matches_any(*key) for key in keys]),
        4000,
    )
    assert found.points > 10
    assert found.p > 0.01


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_tokens_are_right_as_often_as_the_model_says(variant):
    outputs, references = sample(variant, 6, np.random.default_rng(2), 400)
    assert outputs.shape == (10, 400, 7 if variant.attempts else 1, 6)
    assert references.shape == (10, 400, 7, 6)
    assert references.max() < variant.vocabulary
    target = references if variant.attempts else references[:, :, :1]
    right = (outputs == target).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(right, PAPER.token_probability(SIZES), atol=0.04)
    alike = (references[:, :, 1:] == references[:, :, :1]).mean()
    by_chance = 1 / variant.vocabulary
    assert alike == pytest.approx(variant.shared + (1 - variant.shared) * by_chance, abs=0.01)


def test_the_real_scores_have_their_closed_forms():
    p = PAPER.token_probability(SIZES)
    outputs, references = sample(BY_NAME["attempts"], 12, np.random.default_rng(3), 800)
    mean, error = rouge(outputs, references, BY_NAME["attempts"])[BEST][1]
    assert (np.abs(mean - p) < 5 * error + 1e-3).all()
    corpus, _ = scored(outputs, references, BY_NAME["attempts"])[CORPUS][1]
    np.testing.assert_allclose(corpus, p**2.5, atol=0.02)


def test_unrelated_references_of_many_tokens_change_nothing():
    variant = BY_NAME["independent"]
    outputs, references = sample(variant, 8, np.random.default_rng(4), 100)
    found = rouge(outputs, references, variant)
    np.testing.assert_allclose(found[BEST][7][0], found[BEST][1][0], atol=0.02)
    digits = BY_NAME["independent-digits"]
    found = rouge(*sample(digits, 8, np.random.default_rng(4), 100), digits)
    assert found[UNION][7][0][0] > found[UNION][1][0][0] + 0.2


def test_the_same_seed_gives_the_same_strings():
    one, same, other = (measure(10, (8,), scored, seed) for seed in (0, 0, 1))
    assert (one.drawn[8, 4] == same.drawn[8, 4]).all()
    assert all((a[0] == b[0]).all() for a, b in zip(one.real.values(), same.real.values(), strict=True))
    assert (one.drawn[8, 4] != other.drawn[8, 4]).any()


def test_agreement_is_pearsons_chi_square():
    expected = np.array([0.2, 0.5, 0.9])
    rates = np.array([0.22, 0.47, 0.9])
    # Of successes and failures together, which is one degree of freedom a rate.
    seen = np.array([rates, 1 - rates]) * 500
    theirs = chisquare(seen, np.array([expected, 1 - expected]) * 500, axis=0).statistic.sum()
    found = agreement(rates, expected)
    assert found.statistic == pytest.approx(theirs)
    assert found.points == 3
    assert agreement([*rates, 0.0], [*expected, 1e-4]) == found  # no test of a rate that small
    sampled = agreement(rates, rates, sampled=True)
    assert (sampled.statistic, sampled.p) == (0, 1)


def test_largest_step():
    assert largest_step(np.array([0, 0.1, 0.8, 1.0])) == pytest.approx(0.7)
