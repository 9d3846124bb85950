"""Figure 8: joint accuracy of sequences beside independence."""

import altair as alt
import numpy as np
import polars as pl
import pytest

from unmirage import statistics
from unmirage.errors import SourceError
from unmirage.paper import published
from unmirage.paper.fig8 import fig8, mean_surplus
from unmirage.paper.figure import NUMBERS


@pytest.fixture(scope="module")
def figure(omniglot):
    return fig8(omniglot)


def test_the_chart_and_numbers_keep_their_forms(figure, with_little_data):
    assert dict(figure.numbers.schema) == NUMBERS
    alt.Chart.from_dict(with_little_data(figure.charts["fig8"]))
    assert [panel["title"]["text"][0][0] for panel in figure.charts["fig8"]["concat"]] == list("ABCDEF")


def test_joint_accuracy_is_exact_match_and_the_surplus_what_is_left(figure, omniglot):
    numbers = figure.numbers.filter(pl.col("series") == "bursty_3", pl.col("model").is_not_null())
    wide = numbers.pivot("group", index="model", values="ours")
    exact = (
        omniglot.filter(pl.col("task") == "bursty_3")
        .group_by("model")
        .agg(exact=(pl.col("target") == pl.col("output")).mean())
    )
    both = wide.join(exact, on="model")
    assert both.height == omniglot["model"].n_unique()
    np.testing.assert_allclose(both["joint accuracy"], both["exact"])
    np.testing.assert_allclose(both["surplus"], both["joint accuracy"] - both["independence"])


def test_shared_difficulty_shows_and_independence_does_not(figure):
    said = {
        task: next(s for s in figure.says if s.startswith(task)) for task in ("independent_3", "bursty_3")
    }
    assert "all right more often than independence" in said["bursty_3"]
    assert "neither more nor less" in said["independent_3"]


def test_the_papers_models_are_set_beside_in_order(figure):
    rows = figure.numbers.filter(pl.col("group") == "accuracy, mean over seeds").sort("n_params")
    theirs = published.omniglot().filter(pl.col("length") == 1).sort("order")
    assert rows["paper"].to_list() == theirs["value"].to_list()
    assert rows["ours"].null_count() == 0


def test_another_number_of_sizes_is_not_compared(omniglot):
    few = omniglot.filter(pl.col("n_params") < 1e5)
    figure = fig8(few)
    assert figure.compared()["compared"].sum() == 0


def test_tasks_that_are_missing_are_left_out_and_said(omniglot):
    figure = fig8(omniglot.filter(pl.col("task") == "bursty_3"))
    assert any("no responses to independent_3" in note for note in figure.notes)
    assert not any("independent" in sentence and "audit" in sentence for sentence in figure.says)
    with pytest.raises(SourceError, match="no task independent_3"):
        fig8(omniglot.filter(pl.col("task") == "bursty_1"))


def test_the_mean_surplus_is_the_mean_of_the_models_and_its_interval_covers():
    rng = np.random.default_rng(0)
    hit = 0
    for _ in range(40):
        shared = rng.random((300, 1)) < 0.5  # all positions of a sequence are hard, or none is
        right = {
            (f"m{i}", 1e4): (rng.random((300, 3)) < np.where(shared, 0.9, 0.3)).astype(float)
            for i in range(2)
        }
        mean, low, high = mean_surplus(right, seed=1)
        each = [statistics.joint_accuracy(one).surplus for one in right.values()]
        assert mean == pytest.approx(np.mean(each))
        truth = (0.9**3 + 0.3**3) / 2 - 0.6**3
        hit += low <= truth <= high
    assert hit >= 34  # 95% of 40, less three standard errors
