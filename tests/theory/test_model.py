"""The paper's model against the paper's numbers (Figs. 2 to 4), closed forms and sampled strings."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unmirage
from unmirage import statistics
from unmirage.errors import SettingsError
from unmirage.theory import model
from unmirage.theory.model import PAPER, PAPER_SIZES, PowerLaw
from unmirage.theory.sampling import sample_strings
from unmirage.verdict.sharpness import emergence_score

P = PAPER.token_probability(PAPER_SIZES)
EXACT_MATCH = {
    1: (0.09159, 0.28928, 0.57905, 0.90484),
    2: (0.00839, 0.08369, 0.33530, 0.81873),
    3: (0.00077, 0.02421, 0.19416, 0.74082),
    4: (7.04e-5, 0.00700, 0.11243, 0.67032),
    5: (6.44e-6, 0.002026, 0.06510, 0.60653),
}


def test_the_four_models_of_figure_2():
    assert PAPER.cross_entropy(PAPER_SIZES) == pytest.approx([2.39046, 1.24035, 0.54636, 0.1], abs=1e-5)
    assert pytest.approx(EXACT_MATCH[1], abs=1e-5) == P
    assert -model.token_edit_distance(P, 5) == pytest.approx([-4.5421, -3.5536, -2.1047, -0.4758], abs=1e-4)
    assert model.multiple_choice_grade(P).tolist() == [0.5, 0.5, 1, 1]
    assert -model.brier_one_sided(P) == pytest.approx([-0.82521, -0.50512, -0.17719, -0.00906], abs=1e-5)
    assert PAPER.token_probability(1.75e11) == pytest.approx(0.89861, abs=1e-5)
    assert model.exact_match(PAPER.token_probability(1.75e11), 5) == pytest.approx(0.58595, abs=1e-5)


@pytest.mark.parametrize("length", EXACT_MATCH)
def test_exact_match_of_figures_3_and_4(length):
    assert model.exact_match(P, length) == pytest.approx(EXACT_MATCH[length], abs=1e-5)
    scaled = model.token_edit_distance(P, length)
    assert scaled == pytest.approx(model.token_edit_distance(P, 5) * length / 5, rel=1e-12)


def test_small_rates_keep_their_digits():
    assert model.exact_match(P, 4)[0] == pytest.approx(7.04e-5, rel=1e-3)
    assert model.exact_match(P, 5)[0] == pytest.approx(6.44e-6, rel=1e-3)


def test_where_half_of_the_answers_are_right():
    one, five = PAPER.scale_of_exact_match(0.5, 1), PAPER.scale_of_exact_match(0.5, 5)
    assert one == pytest.approx(4.163e9, rel=1e-4)
    assert five == pytest.approx(1.041e11, rel=1e-3)
    assert five / one == pytest.approx(25, rel=1e-12)


def test_the_emergence_scores_of_the_four_models():
    for length, score in zip(EXACT_MATCH, (2.807, 3.221, 4.354, 6.358, 9.616), strict=True):
        assert emergence_score(model.exact_match(P, length)) == pytest.approx(score, abs=5e-4)
        assert emergence_score(-model.token_edit_distance(P, length)) == pytest.approx(2.807, abs=5e-4)
    assert emergence_score(-model.brier_one_sided(P)) == pytest.approx(2.550, abs=5e-4)
    assert emergence_score(-PAPER.cross_entropy(PAPER_SIZES)) == pytest.approx(3.300, abs=5e-4)
    assert emergence_score(model.multiple_choice_grade(P)) == math.inf


def test_a_power_law_outscores_exact_match_on_a_dense_grid():
    dense = np.geomspace(1e8, 1e12, 50)
    p = PAPER.token_probability(dense)
    for curve, score in (
        (model.exact_match(p, 1), 51.0),
        (-model.token_edit_distance(p, 5), 51.0),
        (-model.brier_one_sided(p), 65.5),
        (-PAPER.cross_entropy(dense), 105.3),
        (model.exact_match(p, 5), 42.8),
        (model.exact_match(p, 20), 3654),
    ):
        assert emergence_score(curve) == pytest.approx(score, rel=2e-3)


def test_what_few_items_resolve():
    small, second = model.exact_match(P, 5)[:2]
    assert model.items_for_one_success(small) == pytest.approx(155_171, abs=1)
    assert model.items_for_some_success(float(small)) == pytest.approx(465_000, rel=1e-3)
    assert model.no_success(small, [100, 1e3, 1e4, 1e5]) == pytest.approx(
        [0.9994, 0.9936, 0.938, 0.525], abs=5e-4
    )
    assert model.no_success(second, [100, 1e3]) == pytest.approx([0.816, 0.132], abs=5e-4)
    assert model.no_success(second, 1e4) == pytest.approx(1.6e-9, rel=0.05)


def test_the_floor_of_the_statistics_is_where_no_success_has_probability_alpha():
    for n in (50, 100, 1000):
        assert model.no_success(statistics.floor(n, alpha=0.05), n) == pytest.approx(0.05, rel=1e-9)


@given(st.floats(1e-4, 0.9), st.floats(0.5, 0.99))
def test_items_for_some_success_are_the_fewest(rate, probability):
    n = model.items_for_some_success(rate, probability)
    assert 1 - model.no_success(rate, n) >= probability - 1e-9
    assert n == 1 or 1 - model.no_success(rate, n - 1) < probability + 1e-9


@given(st.floats(-1.5, -0.05), st.floats(0, 0.2), st.floats(0.01, 0.99), st.integers(1, 3))
def test_the_scale_of_a_rate_is_the_inverse(alpha, offset, rate, length):
    law = PowerLaw(1e9, alpha, offset)
    scale = law.scale_of_exact_match(rate, length)
    if math.isinf(scale):
        assert rate >= math.exp(-offset * length) * (1 - 1e-12)
    elif 0 < scale < 1e300:
        assert model.exact_match(law.token_probability(scale), length) == pytest.approx(rate, rel=1e-6)


def test_edges():
    assert model.no_success(0, 10) == 1
    assert model.no_success(1, 10) == 0
    assert model.no_success(1, 0) == 1
    assert model.items_for_one_success(0) == math.inf
    assert model.items_for_some_success(0) == math.inf
    assert model.items_for_some_success(1) == 1
    assert model.multiple_choice_grade([0.5, 0.51], 5).tolist() == [0.2, 1]
    for bad in (
        lambda: PowerLaw(0, -0.5),
        lambda: PowerLaw(1e9, 0.5),
        lambda: PowerLaw(1e9, -0.5, -1),
        lambda: PowerLaw(math.inf, -0.5),
        lambda: PAPER.cross_entropy([0]),
        lambda: PAPER.scale_of_exact_match(1, 1),
        lambda: model.exact_match(1.1, 1),
        lambda: model.exact_match(0.5, 0),
        lambda: model.multiple_choice_grade(0.5, 1),
        lambda: model.no_success(0.5, -1),
        lambda: model.items_for_some_success(0.5, 1),
        lambda: sample_strings(n_items=0),
        lambda: sample_strings(scales=[2, 1]),
    ):
        with pytest.raises(SettingsError):
            bad()


def test_sampled_strings_score_as_the_formulas_say():
    n, length = 3000, 3
    table = unmirage.score(
        sample_strings(n_items=n, length=length, seed=1),
        ["exact_match", "token_hamming", "token_edit_distance", "cross_entropy"],
    )
    means = {
        str(name[0]): part.group_by("model", maintain_order=True)
        .agg(pl.col("score").mean())["score"]
        .to_numpy()
        for name, part in table.group_by("metric", maintain_order=True)
    }
    error = 4 / math.sqrt(n)
    assert means["exact_match"] == pytest.approx(model.exact_match(P, length), abs=0.5 * error)
    assert means["token_hamming"] == pytest.approx(model.token_edit_distance(P, length), abs=0.9 * error)
    assert means["cross_entropy"] == pytest.approx(PAPER.cross_entropy(PAPER_SIZES), rel=1e-9)
    # Levenshtein is at most Hamming at equal lengths, and smaller on some outputs.
    assert (means["token_edit_distance"] < means["token_hamming"])[:3].all()
