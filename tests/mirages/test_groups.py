"""Items made of groups, by hand."""

import numpy as np
import polars as pl
import pytest

from unmirage.mirages.groups import groups_table


def test_groups_are_disjoint_and_right_where_all_their_items_are():
    rng = np.random.default_rng(0)
    items = [f"i{n}" for n in range(11)]
    keys = [{"family": "f", "model": m, "task": "t", "item_id": i, "epoch": 0} for m in "ab" for i in items]
    rows = pl.DataFrame([{**key, "n_params": 1.0 + (key["model"] == "b")} for key in keys])
    right = {(k["model"], k["item_id"]): float(rng.random() < 0.7) for k in keys}
    scores = pl.DataFrame(
        [
            {**key, "metric": name, "score": value}
            for key in keys
            for name, value in (("x", right[key["model"], key["item_id"]]), ("y", float(key["item_id"][1:])))
        ]
    )
    table = groups_table(rows, scores, "x", "all_of(x,3)", "y", 3, np.random.default_rng(7))
    assert table["item_id"].n_unique() == 3
    order = np.random.default_rng(7).permutation(11)[:9].reshape(3, 3)
    for row in table.iter_rows(named=True):
        members = [items[i] for i in order[int(row["item_id"].removeprefix("group-"))]]
        made, mean = (entry["value"] for entry in row["recorded"])
        assert made == min(right[row["model"], item] for item in members)
        assert mean == pytest.approx(np.mean([float(item[1:]) for item in members]))
        assert row["n_params"] == 1.0 + (row["model"] == "b")


def test_a_tie_is_not_right():
    rows = pl.DataFrame({"family": "f", "model": "m", "task": "t", "item_id": ["0", "1"], "n_params": 1.0})
    scores = pl.DataFrame({"model": "m", "item_id": ["0", "1"], "epoch": 0, "metric": "x"})
    rng = np.random.default_rng(0)
    for values, all_right in (([1.0, 0.5], 0.0), ([1.0, 1.0], 1.0)):
        scored = scores.with_columns(score=pl.Series(values))
        (group,) = groups_table(rows, scored, "x", "both", None, 2, rng).iter_rows(named=True)
        assert group["recorded"] == [{"metric": "both", "value": all_right}]
