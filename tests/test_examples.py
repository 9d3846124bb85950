"""The embedded family: what it holds, and that its numbers are what they say."""

import operator

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.train.problems import TASKS, VOCABULARY

SIGNS = {"*": operator.mul, "+": operator.add}


@pytest.fixture(scope="module")
def sizes():
    return unmirage.read(unmirage.example())


@pytest.fixture(scope="module")
def checkpoints():
    with pytest.warns(unmirage.UnmirageWarning, match="several checkpoints"):
        return unmirage.read(unmirage.example("checkpoints"))


def test_they_are_small():
    assert sum(unmirage.example(name).stat().st_size for name in ("sizes", "checkpoints")) < 12 * 2**20


def test_three_models_of_each_size(sizes):
    models = sizes.select("model", "n_params").unique()
    assert models.group_by("n_params").len()["len"].to_list() == [3] * 14
    width = models["model"].str.extract(r"-d(\d+)-", 1).cast(pl.Float64)
    assert (models["n_params"] == 48 * width**2).all()
    assert models["n_params"].max() / models["n_params"].min() > 1e3


def test_every_model_answers_the_same_questions(sizes):
    assert set(sizes["task"]) == {"multiplication", "multiplication_t1", "addition", "addition_t1"}
    first = sizes.filter(pl.col("model") == sizes["model"][0])
    for (task,), rows in sizes.group_by("task"):
        asked = first.filter(pl.col("task") == task)["item_id"].to_list()
        for _, mine in rows.group_by("model"):
            assert mine["item_id"].to_list() == asked
        assert len(set(asked)) == len(asked)


def test_all_products_that_were_held_out_and_ten_thousand_sums_of_every_length(sizes):
    first = sizes.filter(pl.col("model") == sizes["model"][0])
    products = first.filter(pl.col("task") == "multiplication")["item_id"].str.split("*")
    asked = {tuple(map(int, pair)) for pair in products}
    multiplication = next(task for task in TASKS if task.name == "multiplication")
    a, b = (x.ravel() for x in np.meshgrid(np.arange(100), np.arange(100), indexing="ij"))
    held_out = (multiplication.part(a, b) == 2) & multiplication.order(a, b)
    assert asked == set(zip(a[held_out].tolist(), b[held_out].tolist(), strict=True))
    sums = first.filter(pl.col("task") == "addition")
    assert sums.height >= 10_000
    lengths = sums["target"].str.len_chars().value_counts().sort("target")
    assert lengths["target"].to_list() == [1, 2, 3, 4, 5]
    assert lengths.filter(pl.col("target") == 5)["count"].item() >= 2_000


def test_targets_are_the_right_answers(sizes, checkpoints):
    for frame in (sizes, checkpoints):
        items = frame.select("item_id", "target").unique()
        for name, target in items.iter_rows():
            sign = "*" if "*" in name else "+"
            a, b = name.split(sign)
            assert SIGNS[sign](int(a), int(b)) == int(target), name


def test_greedy_outputs_agree_with_the_log_probabilities(sizes):
    """Whoever finds the target by itself has given it no less than any other token had."""
    cold = sizes.filter(~pl.col("task").str.ends_with("_t1"))
    exact = cold["output"] == cold["target"]
    assert (exact == cold["greedy"]).mean() > 0.999  # ties are broken in one place only
    found = cold.filter(exact)["target_logprobs"].list.min()
    assert found.min() >= -np.log(VOCABULARY) - 1e-4  # a greedy token has at least a share of the vocabulary


def test_the_log_probabilities_are_those_of_the_model_and_not_of_the_sample(sizes):
    cold = sizes.filter(pl.col("task") == "addition").select("model", "item_id", "target_logprobs")
    warm = sizes.filter(pl.col("task") == "addition_t1").select("model", "item_id", "target_logprobs")
    both = cold.join(warm, on=["model", "item_id"], suffix="_t1")
    assert both.height == cold.height
    assert (both["target_logprobs"] == both["target_logprobs_t1"]).all()


def test_checkpoints_along_the_training():
    steps = pl.read_parquet(unmirage.example("checkpoints")).select("model", "n_tokens", "loss").unique()
    assert steps.group_by("model").len()["len"].to_list() == [11] * 6
    for _, rows in steps.group_by("model"):
        losses = rows.sort("n_tokens")["loss"]
        assert losses[-1] < losses[0]
