"""What the figures of vision networks share: means by size, sentences, and what is refused."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from unmirage.errors import SourceError
from unmirage.paper import vision


def table(sizes, values):
    """The columns of a curve, a model a value."""
    none = [None] * len(sizes)
    return pl.DataFrame(
        {"model": [f"m{i}" for i in range(len(sizes))], "n_params": sizes, "n": [100] * len(sizes)}
        | {"value": values, "low": none, "high": none},
        schema_overrides={"low": pl.Float64, "high": pl.Float64},
    )


def test_the_interval_over_seeds_is_students():
    found = vision.by_size(table([1e4] * 3 + [1e5, 1e5, 1e6], [0.1, 0.2, 0.4, 0.5, 0.9, 0.7]))
    assert found["n_params"].to_list() == [1e4, 1e5, 1e6]
    assert found["seeds"].to_list() == [3, 2, 1]
    for row, group in zip(found.rows(named=True)[:2], ([0.1, 0.2, 0.4], [0.5, 0.9]), strict=True):
        low, high = stats.t.interval(0.95, len(group) - 1, np.mean(group), stats.sem(group))
        assert (row["low"], row["high"]) == pytest.approx((low, high))
        assert row["value"] == pytest.approx(np.mean(group))
    assert found.row(2)[2:] == (pytest.approx(0.7), None, None)


def test_rows_set_means_beside_the_paper_and_keep_what_only_it_has():
    rows = vision.number_rows(table([1e4, 1e4, 1e5], [0.1, 0.3, 0.5]), "g", "p", "s", {1e4: 0.25, 1e6: 0.9})
    assert [row["model"] for row in rows if "model" in row] == ["m0", "m1", "m2"]
    assert all("paper" not in row for row in rows if "model" in row)
    means = [(row["n_params"], row.get("ours"), row["paper"]) for row in rows if "model" not in row]
    assert means == [(1e4, pytest.approx(0.2), 0.25), (1e5, 0.5, None), (1e6, None, 0.9)]
    assert vision.beside(table([1e4, 1e5], [0.2, 0.5]), {1e4: 0.25}) == "10K 0.200 (0.250), 100K 0.500"


def test_shapes_in_words():
    flat = table([1e3, 1e4, 1e5, 1e6], [0.0, 0.0, 0.0, 1.0])
    said = vision.shape_words(vision.shape_of(flat))
    assert f"takes {0.8 / 3:.0%} of the log range" in said
    assert "infinite" in said
    assert vision.shape_words(vision.shape_of(table([1e3, 1e4], [0.5, 0.5]))) == "does not rise"
    assert vision.shape_of(flat.head(1)) is None
    assert vision.last_step([0.0, 0.1, 0.5]) == pytest.approx(0.8)
    assert np.isnan(vision.last_step([0.5, 0.5]))


@pytest.mark.parametrize(
    ("found", "made", "said"),
    [
        ("metric-artifact", True, "is metric-artifact, as expected"),
        ("smooth", True, "is smooth, and not metric-artifact as expected"),
        ("smooth", False, "is smooth: because"),
    ],
)
def test_a_verdict_that_is_not_the_expected_one_is_said(found, made, said):
    assert said in vision.verdict_words({"verdict": found, "reasons": ["because"]}, "it", made=made)


def test_a_family_without_the_kind_is_refused(lenet, autoencoder):
    with pytest.raises(SourceError, match="no responses of kind generation") as refused:
        vision.of_kind(lenet, "generation", "--omniglot")
    assert "unmirage train omniglot" in str(refused.value)
    assert set(vision.of_kind(autoencoder, "score", "--autoencoder")["family"]) == {"autoencoder"}
