"""What is said of a cell beside its verdict."""

import numpy as np
import pytest

from unmirage import metric
from unmirage.cells import Cell, Layer
from unmirage.findings import aggregates_only, never_exact, unused_chance
from unmirage.result import Settings


def cell(layers, models=("small", "large")):
    """A cell of metric name -> scores (items, models)."""
    n = len(next(iter(layers.values())))
    return Cell(
        family="f",
        task="t",
        kind="likelihood",
        models=models,
        axis_values=np.arange(1.0, len(models) + 1),
        items=tuple(str(i) for i in range(n)),
        clusters=np.arange(n),
        clustered=False,
        layers={
            name: Layer(metric(name), np.asarray(scores)[:, :, None], np.ones(len(models), dtype=bool), None)
            for name, scores in layers.items()
        },
    )


def probabilities(small, large, n=100):
    return np.tile([small, large], (n, 1))


def test_targets_that_nobody_would_reproduce_are_said_to_read_0():
    (text,) = never_exact(cell({"target_prob": probabilities(1e-12, 1e-9)}))
    assert "would read 0 at every scale" in text
    assert "even large would need one success in 10^9 samples, and there are 100 items" in text
    (none,) = never_exact(cell({"target_prob": probabilities(0.0, 0.0)}))
    assert "no success in any number" in none


@pytest.mark.parametrize(("best", "said"), [(0.00049, True), (0.00051, False), (0.3, False)])
def test_it_is_said_where_fewer_than_a_twentieth_of_a_success_is_expected(best, said):
    assert bool(never_exact(cell({"target_prob": probabilities(1e-9, best)}))) == said


@pytest.mark.parametrize("seen", ["greedy_match", "exact_match"])
def test_it_is_not_said_where_the_answers_are_there(seen):
    layers = {"target_prob": probabilities(1e-12, 1e-9), seen: probabilities(0.0, 0.0)}
    assert never_exact(cell(layers)) == []
    assert never_exact(cell({"cross_entropy": probabilities(3.0, 2.0)})) == []


def row(model, name="exact_match", task="t", chance=None):
    return {"family": "f", "task": task, "metric": name, "model": model, "chance": chance, "mean": 0.5}


def test_models_with_aggregates_only_join_the_curve_of_the_same_metric():
    mine = [row("small", chance=0.25), row("large", chance=0.25)]
    aggregated = [
        row("huge"),
        row("tiny", chance=0.1),
        row("small"),
        row("huge", "other_metric"),
        row("huge", task="t2"),
    ]
    layers = {"exact_match": probabilities(0.0, 1.0)}
    extra, (note,) = aggregates_only(cell(layers), mine, aggregated)
    assert [(r["model"], r["chance"]) for r in extra] == [("huge", 0.25), ("tiny", 0.1)]
    assert (note["code"], note["count"], note["where"]) == ("aggregates-only", 2, "f / t")
    assert "huge, tiny" in note["message"]
    assert aggregates_only(cell(layers), mine, []) == ([], [])


def test_a_chance_level_of_no_task_is_said():
    notes = unused_chance(Settings(chance={"*": 0.25, "t": 0.5, "u": 0.5}), ["t"])
    assert [note["message"] for note in notes] == [
        "a chance level is given for u, which is no task of these logs"
    ]
