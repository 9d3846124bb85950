"""The paper's numbers in the data files, against its formulas."""

import numpy as np
import polars as pl
import pytest

from unmirage.paper import published
from unmirage.paper.fig2 import values
from unmirage.paper.strings import SIZES, agreement, matches_any
from unmirage.theory.model import PAPER
from unmirage.verdict.sharpness import emergence_score


def test_the_model_has_the_published_values():
    rows = published.model()
    assert rows.height == 40
    for quantity, length, size, value in rows.iter_rows():
        assert float(values(quantity, size, length)) == pytest.approx(value, abs=1e-4), (quantity, length)


def test_the_smallest_rates_are_not_only_close_to_zero():
    smallest = published.model().filter(pl.col("quantity") == "exact_match", pl.col("n_params") == 3.5e8)
    for length, value in smallest.select("length", "value").iter_rows():
        assert float(values("exact_match", 3.5e8, length)) == pytest.approx(value, rel=0.01)


def test_insets_are_those_of_two_panels():
    found = published.insets()
    assert found.filter(pl.col("panel") == "C")["value"].to_list() == [0, 0, 0.10, 0.81]
    assert found.filter(pl.col("panel") == "D")["n_params"].to_list() == [1e9, 2e9, 4e9, 8e9, 2.7e10, 1.28e11]


def test_gpt3_is_whole_and_in_range():
    rows = published.gpt3()
    key = ["task", "length", "temperature", "n_params"]
    assert rows.height == (4 + 5) * 2 * 4 == rows.select(key).n_unique()
    assert rows["accuracy"].is_between(0, 1).all()
    assert (rows["neg_token_edit_distance"] <= 0).all()
    assert (rows["accuracy_error"] > 0).all()
    # An entry that figure 3 and another that figure 4 gives.
    entry = rows.filter(task="addition", length=1, temperature=0, n_params=6.7e9).row(0, named=True)
    assert (entry["accuracy"], entry["accuracy_error"]) == (0.889, 0.0005)
    entry = rows.filter(task="addition", length=5, temperature=1, n_params=3.5e8).row(0, named=True)
    assert (entry["accuracy"], entry["neg_token_edit_distance"]) == (2.8e-5, -5.99)
    assert entry["accuracy_error"] == pytest.approx(2.8e-6)


def test_chance_is_one_over_the_number_of_answers():
    assert published.chance() == {"multiplication": 1 / 10_000, "addition": 1 / 20_000}


@pytest.mark.parametrize(("figure", "curves", "statistic", "points"), [(9, 9, 34.2, 36), (10, 6, 34.5, 27)])
def test_what_is_drawn_as_a_text_score_is_exact_match_with_one_of_several(figure, curves, statistic, points):
    rows = published.text_scores(figure)
    assert rows.height == curves * len(SIZES)
    expected, rates = [], []
    for (length, references), curve in rows.group_by("length", "references", maintain_order=True):
        np.testing.assert_allclose(curve["n_params"].to_numpy(), SIZES, rtol=1e-8)
        np.testing.assert_allclose(curve["value"].to_numpy() * 500, np.rint(curve["value"] * 500), atol=1e-9)
        rates += curve["value"].to_list()
        expected += matches_any(int(length), int(references)).tolist()
    found = agreement(rates, expected)
    assert found.statistic == pytest.approx(statistic, abs=0.05)
    assert found.points == points
    assert found.p > 0.1
    # Another power of p does not fit.
    p = PAPER.token_probability(np.tile(SIZES, curves))
    assert agreement(rates, p).p < 1e-6


def test_sizes_of_the_vision_networks_are_those_of_their_formulas():
    widths = published.autoencoder().filter(pl.col("quantity") == "test_error")
    assert widths["width"].to_list()[:3] == [1, 2, 4]
    assert widths.height == 19
    both = published.autoencoder()
    assert (both["n_params"] == 6145 * both["width"] + 3072).all()
    nets = published.lenet()
    assert ((nets["n_params"] - 264) % 6283 == 0).all()
    assert nets.filter(pl.col("group_size") == 1)["n_params"].to_list() == [
        6283 * k + 264 for k in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)
    ]


def test_shares_of_groups_are_of_five_thousand():
    counts = published.lenet()["value"] * 5_000
    np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
    for _, rows in published.lenet().group_by("n_params"):
        ordered = rows.sort("group_size")["value"].to_list()
        assert ordered == sorted(ordered, reverse=True)


def test_thresholds_let_more_through_where_they_are_higher():
    rows = published.autoencoder().filter(pl.col("quantity") == "reconstruction")
    wide = rows.pivot("c", index="width", values="value")
    assert wide.columns == ["width", "0.003", "0.004"]
    assert (wide["0.003"] < wide["0.004"]).all()


def test_transformers_are_in_order_and_above_independence():
    one, three = (published.omniglot().filter(pl.col("length") == n)["value"].to_numpy() for n in (1, 3))
    assert one.size == 5
    assert (np.diff(one) > 0).all()
    assert (three > one**3).all()


@pytest.mark.parametrize(("figure", "models", "score"), [(7, 12, np.inf), (8, 4, 10.0), (11, 5, 11.7)])
def test_claimed_abilities_have_the_emergence_scores_that_were_read(figure, models, score):
    rows = published.claimed(figure)
    assert rows["order"].to_list() == list(range(1, models + 1))
    assert emergence_score(rows["value"].to_numpy()) == pytest.approx(score, rel=0.01)
    chance = {7: None, 8: pytest.approx(1 / 4), 11: pytest.approx(1 / 6, rel=1e-5)}
    assert published.claimed_chance(figure) == chance[figure]
