"""Cells: scores laid out as item × model arrays."""

import numpy as np
import polars as pl
import pytest

from unmirage import tables
from unmirage.cells import cells
from unmirage.metrics import score


def laid_out(rows, chance=None, wanted=None):
    frame, _ = tables.check_responses(pl.DataFrame(rows, infer_schema_length=None), where="test")
    scored = score(frame)
    values = {f"m{i}": float(10**i) for i in range(5)}
    on_axis = frame.with_columns(axis_value=pl.col("model").replace_strict(values, return_dtype=pl.Float64))
    order = frame["family"].unique(maintain_order=True).to_list()
    return list(cells(on_axis, scored.scores, order=order, chance=chance or {}, wanted=wanted))


def row(model, item, output, **more):
    return {
        "family": "f",
        "model": model,
        "task": "t",
        "item_id": item,
        "kind": "generation",
        "target": "1",
        "output": output,
        **more,
    }


def test_scores_are_placed_by_item_and_model_in_order_of_scale():
    rows = [row("m2", "a", "1"), row("m2", "b", "0"), row("m1", "b", "1"), row("m1", "a", "0")]
    (cell,) = laid_out(rows)
    assert cell.models == ("m1", "m2")
    assert cell.items == ("a", "b")
    assert cell.layers["exact_match"].scores.tolist() == [[0, 1], [1, 0]]
    assert cell.layers["exact_match"].exact
    assert not cell.clustered


def test_epochs_are_averaged_and_are_no_longer_exact():
    rows = [
        row("m1", "a", "1", epoch=0),
        row("m1", "a", "0", epoch=1),
        row("m1", "b", "1", epoch=0),
        row("m1", "b", "1", epoch=1),
    ]
    (cell,) = laid_out(rows)
    assert cell.layers["exact_match"].scores[:, 0].tolist() == [0.5, 1]
    assert not cell.layers["exact_match"].exact


def test_clusters_are_coded_in_order():
    rows = [row("m1", item, "1", cluster=cluster) for item, cluster in (("a", "x"), ("b", "y"), ("c", "x"))]
    (cell,) = laid_out(rows)
    assert cell.clusters.tolist() == [0, 1, 0]
    assert cell.clustered


def test_a_chance_level_of_the_user_replaces_the_metrics_own():
    rows = [row("m1", "a", "1"), row("m1", "b", "0")]
    (cell,) = laid_out(rows, chance={"t": 0.5})
    assert cell.layers["exact_match"].chance.tolist() == [0.5, 0.5]
    (cell,) = laid_out(rows)
    assert cell.layers["exact_match"].chance.tolist() == [0, 0]


def test_choice_chance_is_an_items_own_and_aggregates_are_added():
    def choice(item, logprobs):
        return {
            "family": "f",
            "model": "m1",
            "task": "t",
            "item_id": item,
            "kind": "choice",
            "choice_logprobs": logprobs,
            "answer": 0,
        }

    (cell,) = laid_out([choice("a", [-1.0, -2.0]), choice("b", [-1.0, -2.0, -3.0, -4.0])])
    assert cell.layers["multiple_choice_grade"].chance.tolist() == [0.5, 0.25]
    assert cell.layers["ece"].metric.combine is not None
    assert cell.layers["ece"].components.shape == (2, 1, 15)


def test_counts_keep_their_attempts():
    rows = [
        {
            "family": "f",
            "model": m,
            "task": "t",
            "item_id": i,
            "kind": "count",
            "n_samples": n,
            "n_correct": c,
        }
        for m, i, n, c in (("m1", "a", 10, 1), ("m1", "b", 20, 4), ("m2", "a", 5, 5), ("m2", "b", 1, 0))
    ]
    (cell,) = laid_out(rows)
    assert cell.attempts.tolist() == [[10, 5], [20, 1]]
    assert cell.passes.tolist() == [[1, 5], [4, 0]]
    assert cell.layers["pass_rate"].scores == pytest.approx(np.array([[0.1, 1], [0.2, 0]]))


def test_recorded_scores_have_no_chance_of_a_metric_that_needs_choices():
    rows = [
        {
            "family": "f",
            "model": "m1",
            "task": "t",
            "item_id": i,
            "kind": "score",
            "recorded": [{"metric": "multiple_choice_grade", "value": v}],
        }
        for i, v in (("a", 1.0), ("b", 0.0))
    ]
    (cell,) = laid_out(rows)
    assert cell.layers["multiple_choice_grade"].chance is None
    (cell,) = laid_out(rows, chance={"*": 0.25})
    assert cell.layers["multiple_choice_grade"].chance.tolist() == [0.25, 0.25]
