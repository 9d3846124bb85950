"""Rows held against each other: items that come once, and the same items of two models."""

from __future__ import annotations

import polars as pl

from unmirage import tables
from unmirage.facts import Cells, facts_of
from unmirage.row_checks import ItemCounts, RowChecks


def facts(models, items, epochs=1):
    """Facts of `items` choice rows of each model."""
    rows = [
        {"family": "f", "model": model, "task": "t", "item_id": f"i{i}", "epoch": epoch, "kind": "choice",
         "choice_logprobs": [-1.0 - i, -2.0], "answer": answer}
        for answer, model in enumerate(models) for i in range(items) for epoch in range(epochs)
    ]  # fmt: skip
    frame, _ = tables.check_responses(pl.DataFrame(rows), where="x")
    cells = Cells()
    return cells, facts_of(frame, cells, 0, rest=False)[1]


def test_items_are_counted_alike_whether_or_not_they_come_once():
    for models, epochs, shared in ((["a"], 1, 3), (["a"], 2, 3), (["a", "b"], 2, 3)):
        cells, found = facts(models, 3, epochs)
        counts = ItemCounts(cells)
        counts.add(found)
        assert counts.items == {0: (3, shared, epochs)}


def test_only_items_of_several_rows_can_differ():
    cells, found = facts(["a", "b"], 3)
    checks = RowChecks(cells)
    checks.add(found)
    (note,) = [note for note in checks.notes(None, []) if note["code"] == "different-answers"]
    assert note["count"] == 3
    alone = RowChecks(cells)
    alone.add(found.filter(pl.col("cell") == 0))
    assert alone.notes(None, []) == []
