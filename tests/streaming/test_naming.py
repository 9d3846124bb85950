"""Names that were met before have the same hashes as names that were not."""

import numpy as np
import polars as pl
import pytest

from unmirage.streaming.hashing import hash_names
from unmirage.streaming.naming import Names


def named(items, clusters=None):
    rows = {"item_id": pl.Series(items, dtype=pl.String)}
    if clusters is not None:
        rows["cluster"] = pl.Series(clusters, dtype=pl.String)
    return pl.DataFrame(rows)


ITEMS = [f"question {k}" for k in range(200)]
CLUSTERS = [f"text {k // 3}" if k < 150 else None for k in range(200)]


@pytest.mark.parametrize("clusters", [None, CLUSTERS, [None] * 200])
def test_hashes_are_those_of_the_names(clusters):
    # Twice the same run, then runs that are cut or moved by one, of the same task and of another.
    cuts = [(0, 200), (0, 200), (0, 120), (80, 200), (1, 199), (0, 200)]
    frame = pl.concat([named(ITEMS, clusters)[a:b] for a, b in cuts])
    ends = np.cumsum([b - a for a, b in cuts])
    starts, cells = np.append(0, ends[:-1]), np.array([3, 3, 3, 3, 3, 8])
    units = pl.coalesce([name for name in ("cluster", "item_id") if name in frame.columns])
    names = Names()
    for _ in range(2):
        items, of_units = names.hashes(frame, starts, cells)
        assert items.tolist() == hash_names(frame["item_id"]).tolist()
        assert of_units.tolist() == hash_names(frame.select(units).to_series()).tolist()


def test_items_of_the_same_names_in_other_clusters_are_not_taken_for_the_same():
    names, starts, cells = Names(), np.array([0]), np.array([0])
    for clusters in (CLUSTERS, CLUSTERS[::-1], [None] * 200):
        _, units = names.hashes(named(ITEMS, clusters), starts, cells)
        wanted = [c or i for c, i in zip(clusters, ITEMS, strict=True)]
        assert units.tolist() == hash_names(pl.Series(wanted)).tolist()


def test_short_runs_are_hashed_together():
    frame = named(ITEMS)
    items, units = Names().hashes(frame, np.arange(0, 200, 2), np.zeros(100, dtype=np.int64))
    assert items.tolist() == units.tolist() == hash_names(frame["item_id"]).tolist()
