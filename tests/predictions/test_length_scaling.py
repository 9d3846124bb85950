"""Prediction 3 on the paper's model, on harder long targets, and on the paper's own numbers."""

import numpy as np
import pytest

import unmirage
from unmirage.errors import SettingsError
from unmirage.predictions import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, lengths_of_counts
from unmirage.theory.model import PAPER, PAPER_SIZES, exact_match, token_edit_distance

L = np.arange(1, 6)
NAMES = ("350M", "1.3B", "6.7B", "175B")
# Fig. 3 of the paper, addition at temperature 0: sizes by lengths.
ACCURACY = np.array(
    [
        [0.175, 0.0174, 0.0036, 0.0006, 4.2e-5],
        [0.421, 0.0557, 0.0067, 0.0011, 1.3e-4],
        [0.889, 0.351, 0.0709, 0.0053, 2.9e-4],
        [1.0, 1.0, 1.0, 0.9995, 0.958],
    ]
)
EDITS = np.array(
    [
        [1.95, 3.31, 3.37, 3.98, 5.07],
        [0.87, 1.78, 2.51, 2.85, 3.74],
        [0.17, 1.02, 1.58, 2.63, 3.52],
        [0, 0, 0, 0.08, 0.16],
    ]
)


def test_the_formulas_of_the_paper_confirm_it():
    p = PAPER.token_probability(PAPER_SIZES)
    rates = np.stack([exact_match(p, length) for length in L], axis=1)
    edits = np.stack([token_edit_distance(p, length) for length in L], axis=1)
    n = np.full(rates.shape, 20_000.0)
    found = lengths_of_counts(NAMES, PAPER_SIZES, L, rates * n, n, edits=edits)
    assert found.outcome == CONFIRMED, found.why
    assert found.numbers["q"].to_numpy().reshape(4, 5)[:, 0] == pytest.approx(p, rel=1e-6)


def test_the_numbers_of_the_paper_do_not():
    n = np.full(ACCURACY.shape, 20_000.0)
    found = lengths_of_counts(NAMES, [3.5e8, 1.3e9, 6.7e9, 1.75e11], L, ACCURACY * n, n, edits=EDITS)
    assert found.outcome == NOT_CONFIRMED
    rows = found.numbers.filter(model="6.7B")
    assert rows["first_said"].to_list()[1:] == ["below"] * 4
    assert rows["edits_said"][0] == "below"
    assert found.numbers.filter(model="175B")["rates_are"][0] == "ceiling"
    assert "longer targets are harder" in found.why


def test_items_of_the_model_confirm_and_harder_ones_do_not(paper):
    sizes, items = np.geomspace(2e9, 1e11, 4), {1: 1000, 2: 1000, 3: 1000, 4: 1000}
    (plain,) = unmirage.length_scaling(paper(sizes, items=items), replicates=100)
    assert plain.outcome == CONFIRMED, plain.why
    assert "as the product over positions of tokens that match" in plain.why
    (hard,) = unmirage.length_scaling(paper(sizes, items=items, harder=0.8), replicates=100)
    assert hard.outcome == NOT_CONFIRMED
    assert "longer targets are harder" in hard.why
    # Each position by itself still says how many are right.
    assert "tokens that match: none of" in hard.why


def test_without_length_one_the_best_geometric_curve_is_asked(paper):
    frame = paper(np.geomspace(3e9, 1e11, 5), items={2: 800, 3: 800, 4: 800})
    (found,) = unmirage.length_scaling(frame, replicates=100)
    assert found.outcome == CONFIRMED, found.why
    assert found.numbers["from_first"].null_count() == found.numbers.height


def test_replicates_are_models_of_their_own(paper):
    frame = paper([3e9, 1e10, 3e10], items={1: 500, 2: 500, 3: 500}, seeds=2)
    (found,) = unmirage.length_scaling(frame, replicates=100)
    assert found.numbers["model"].n_unique() == 6
    assert found.numbers["axis_value"].n_unique() == 3


def test_one_length_is_not_testable():
    (found,) = unmirage.length_scaling(unmirage.simulate("power-law", n_items=50), replicates=100)
    assert found.outcome == NOT_TESTABLE
    assert "one length (4 tokens)" in found.why


def test_ceiling_and_floor_say_nothing():
    n = np.full((2, 3), 500.0)
    found = lengths_of_counts(["a", "b"], [1.0, 2.0], [1, 2, 3], np.array([[0, 0, 0], [500, 500, 499]]), n)
    assert found.outcome == NOT_TESTABLE
    assert found.numbers["rates_are"].unique(maintain_order=True).to_list() == ["floor", "ceiling"]


def test_shapes_are_checked():
    with pytest.raises(SettingsError):
        lengths_of_counts(["a"], [1.0], [1, 2, 3], [[1, 2]], [[5, 5, 5]])
    with pytest.raises(SettingsError):
        lengths_of_counts(["a"], [1.0, 2.0], [1, 2, 3], [[1, 2, 3]], [[5, 5, 5]])


def test_a_direction_is_said_only_where_it_means_one():
    # Faster than geometric is above the fitted curve at short targets; of the long ones there are few items.
    lengths, rates, items = [2, 3, 4, 5], np.array([[0.95, 0.35, 0.0, 0.0]]), np.array([[2000, 2000, 30, 30]])
    told = lengths_of_counts(["a"], [1e9], lengths, rates * items, items)
    assert told.outcome == NOT_CONFIRMED
    assert "longer targets" not in told.why
    # From length 1 on as geometric, but the positions alone would have it far below.
    rates, items = 0.8 ** np.array([[1.0, 2, 3, 4]]), np.full((1, 4), 4000)
    seen = np.rint(rates * items)
    apart = {"matches": (np.full((1, 4), 0.1), np.full((1, 4), 0.01))}
    told = lengths_of_counts(["a"], [1e9], [1, 2, 3, 4], seen, items, products=apart)
    assert "longer targets" not in told.why
    assert "errors gather in the same answers" in told.why
