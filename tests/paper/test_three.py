"""The predictions on the paper's model and on its GPT-3 numbers."""

import numpy as np
import polars as pl
import pytest

from unmirage import tables
from unmirage.paper import three
from unmirage.predictions import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE


def test_the_model_confirms_all_three():
    found = three.of_model()
    assert dict(found.schema) == dict(tables.PREDICTIONS)
    assert dict(found.select("prediction", "task").iter_rows()) == {
        "metric-swap": "5 tokens",
        "resolution": "5 tokens",
        "length": "1 to 5 tokens",
    }
    assert found["outcome"].to_list() == [CONFIRMED] * 3


def test_gpt3():
    found = three.of_gpt3()
    outcomes = {(one.prediction, one.task.split(",")[0]): one for one in found}
    assert len(outcomes) == 6
    for task in ("multiplication", "addition"):
        swap = outcomes["metric-swap", task]
        assert swap.outcome == NOT_TESTABLE
        assert "4 scales" in swap.why
        # Below the chance line as drawn, but of an unknown number of items: no test, no contradiction.
        assert outcomes["resolution", task].outcome == NOT_TESTABLE
        assert "but draws" in outcomes["resolution", task].why
        assert "350M" in outcomes["resolution", task].why
        assert outcomes["length", task].outcome == NOT_CONFIRMED
    assert "0.889 at length 1 predicts 0.56 at length 5, and 0.00029" in outcomes["length", "addition"].why


def test_rates_at_chance_leave_prediction_2_open(monkeypatch):
    monkeypatch.setattr(three.published, "chance", lambda: {"addition": 1e-6})
    assert three._resolution("addition").outcome == NOT_TESTABLE


def test_reading_items_have_the_error_of_reading():
    rate, error = np.array([0.3, 0.889, 4e-5]), np.array([0.0005, 0.0005, 4e-6])
    n = three.reading_items(rate, error)
    np.testing.assert_allclose(np.sqrt(rate * (1 - rate) / n), error)
    assert three.reading_items(1.0, 0.0005) == pytest.approx(2000)


def test_other_tasks_are_tested_where_the_papers_are_missing(family):
    rows = family.filter(pl.col("task") == "addition")
    both = pl.concat([rows, rows.with_columns(task=pl.lit("spelling"))])
    assert three.of_trained(both)["task"].unique().to_list() == ["addition"]
    assert three.of_trained(both.filter(pl.col("task") == "spelling"))["task"].unique().to_list() == [
        "spelling"
    ]
