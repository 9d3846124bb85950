"""The embedded vision families: what they hold, and that they are what they say."""

import polars as pl
import pytest

import unmirage
from unmirage.examples import vision

LENETS = [6283 * k + 264 for k in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)]
WIDTHS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 196, 256, 384, 512, 768, 1024)


def test_they_are_small():
    files = [path for name in ("lenet", "autoencoder", "omniglot") for path in vision(name)]
    assert sum(path.stat().st_size for path in files) <= 6 * 2**20


@pytest.mark.parametrize(
    ("name", "kind", "sizes"),
    [("lenet", "choice", 14), ("autoencoder", "score", 19), ("omniglot", "generation", 5)],
)
def test_three_models_of_each_size_on_the_same_items(name, kind, sizes):
    rows = unmirage.read(unmirage.example(name))
    assert set(rows["kind"]) == {kind}
    models = rows.select("model", "n_params").unique()
    assert models.group_by("n_params").len()["len"].to_list() == [3] * sizes
    each = rows.group_by("task", "model").agg(items=pl.col("item_id").sort().str.join())
    assert (
        each.group_by("task").agg(pl.col("items").n_unique())["items"].to_list()
        == [1] * rows["task"].n_unique()
    )


def test_sizes_are_those_of_the_paper():
    lenet = unmirage.read(unmirage.example("lenet"))
    assert lenet["n_params"].unique().sort().to_list() == LENETS
    autoencoder = unmirage.read(unmirage.example("autoencoder"))
    assert autoencoder["n_params"].unique().sort().to_list() == [6145 * h + 3072 for h in WIDTHS]


def test_the_reference_is_no_part_of_the_trained_family():
    trained = unmirage.read(unmirage.example("autoencoder"))
    both = unmirage.read(vision("autoencoder"))
    assert set(trained["family"]) == {"autoencoder"}
    assert set(both["family"]) == {"autoencoder", "pca"}


def test_sequences_are_of_the_lengths_that_are_shown():
    rows = unmirage.read(unmirage.example("omniglot"))
    assert set(rows["task"]) == {
        f"{way}_{length}" for way in ("independent", "bursty") for length in (1, 3, 5)
    }
    lengths = rows.select("task", n=pl.col("target_tokens").list.len()).unique()
    assert (lengths["task"].str.split("_").list.last().cast(pl.UInt32) == lengths["n"]).all()
    # The greedy label is right where the two texts agree.
    assert (rows["greedy"] == (rows["target"] == rows["output"])).all()
