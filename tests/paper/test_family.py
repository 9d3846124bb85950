"""Right answers and edits of a family by length of the answer."""

import polars as pl
import pytest
from rapidfuzz.distance import Levenshtein
from scipy.stats import binomtest

from unmirage.paper.family import FEWEST_ITEMS, TASKS, arithmetic, mean_over_models


def test_counts_are_those_of_the_rows(family):
    found = arithmetic(family)
    assert found.table.height == 7 * 2 * 2 * (4 + 5)
    row = found.of("addition", 1).filter(pl.col("length") == 3).row(5, named=True)
    mine = family.filter(
        pl.col("task") == "addition_t1",
        pl.col("model") == row["model"],
        pl.col("target").str.len_chars() == 3,
    )
    assert row["n"] == mine.height == 60
    assert row["right"] == (mine["target"] == mine["output"]).sum()
    edits = [Levenshtein.distance(a, b) for a, b in mine.select("target", "output").iter_rows()]
    assert row["distance"] == pytest.approx(sum(edits) / 60)
    theirs = binomtest(int(row["right"]), 60).proportion_ci(method="exact")
    assert (row["low"], row["high"]) == pytest.approx((theirs.low, theirs.high))


def test_seeds_are_averaged(family):
    table = arithmetic(family).of("multiplication")
    means = mean_over_models(table, "accuracy")
    assert means.height == 7 * 4
    length, size, mean = means.row(9)
    mine = table.filter(pl.col("length") == length, pl.col("n_params") == size)
    assert mine.height == 2
    assert mean == pytest.approx(mine["accuracy"].mean())


def test_missing_tasks_are_said(family):
    found = arithmetic(family.filter(pl.col("task") == "addition"))
    assert found.has("addition")
    assert not found.has("addition", 1)
    assert not found.has("multiplication")
    assert [note for note in found.notes if "addition_t1" in note]
    assert [note for note in found.notes if "task multiplication:" in note]


def test_a_family_without_the_tasks_is_empty(family):
    found = arithmetic(family.with_columns(task=pl.lit("spelling")))
    assert found.table.is_empty()
    assert all(task in found.notes[0] for task in TASKS)


def test_lengths_of_few_items_are_left_out_and_said(family):
    few = pl.col("item_id").str.starts_with("5-").not_() | pl.col("item_id").str.contains("0[0-8]$")
    found = arithmetic(family.filter(pl.col("task") == "addition", few))
    assert found.table["length"].unique().sort().to_list() == [1, 2, 3, 4]
    (note,) = (note for note in found.notes if "length 5" in note)
    assert f"9 items of them (of {FEWEST_ITEMS})" in note


def test_an_epoch_is_a_part_of_its_item(family):
    once = family.filter(pl.col("task") == "multiplication")
    wrong = once.with_columns(epoch=pl.lit(1, dtype=pl.Int32), output=pl.lit("none"))
    found, twice = arithmetic(once).table, arithmetic(pl.concat([once, wrong])).table
    assert twice["n"].to_list() == found["n"].to_list()
    assert twice["accuracy"].to_list() == pytest.approx((found["accuracy"] / 2).to_list())
