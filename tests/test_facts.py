"""Facts of rows, and frames that are cut into parts."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage import facts, tables
from unmirage.facts import PARTED, Cells, Parted, facts_of, row_of, table_of


def responses(rows, **columns):
    frame = pl.DataFrame(rows, schema=["family", "model", "task", "item_id", "output"], orient="row")
    frame = frame.with_columns(epoch=pl.lit(0), kind=pl.lit("generation"), target=pl.lit(" 7 "), **columns)
    return tables.check_responses(frame, where="rows")[0]


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(facts, "AT_ONCE", 7)


@pytest.mark.usefixtures("small_parts")
def test_equal_values_are_in_one_part_and_rows_keep_their_order(tmp_path):
    blocks = [
        pl.DataFrame({"key": [f"k{(i * j) % 13}" for i in range(5)], "at": [100 * j + i for i in range(5)]})
        for j in range(9)
    ]
    parted = Parted(45, "key", tmp_path)
    for block in blocks:
        parted.add(block)
    assert parted.parts == 7
    for _ in range(2):  # it can be gone through again
        parts = list(parted)
        assert len(parts) > 1
        seen = [set(part["key"]) for part in parts]
        assert sum(map(len, seen)) == len(set().union(*seen)) == 13
        assert all(part["at"].is_sorted() for part in parts)
        assert pl.concat(parts).sort("at").equals(pl.concat(blocks))


def test_in_memory_there_is_one_part():
    parted = Parted(10**9, "key", None)
    assert list(parted) == []
    parted.add(pl.DataFrame({"key": [1]}))
    parted.add(pl.DataFrame({"key": [2]}))
    assert [part["key"].to_list() for part in parted] == [[1, 2]]


@pytest.mark.usefixtures("small_parts")
def test_two_in_one_folder_do_not_mix(tmp_path):
    first, second = Parted(20, "key", tmp_path), Parted(20, "key", tmp_path)
    for i in range(20):
        first.add(pl.DataFrame({"key": [i]}))
        second.add(pl.DataFrame({"key": [-i]}))
    assert sorted(pl.concat(list(first))["key"]) == list(range(20))
    assert sorted(pl.concat(list(second))["key"]) == list(range(-19, 1))


def test_facts_say_where_a_row_is_and_which_task_it_is_of():
    cells = Cells()
    frame = responses(
        [
            ("f", "a", "t", "1", "x"),
            ("f", "b", "t", "1", "y"),
            ("f", "a", "t", "2", "x"),
            ("g", "a", "u", "1", ""),
        ]
    )
    met, found = facts_of(frame, cells, 3)
    assert dict(found.schema) == dict(PARTED)
    assert [(cells.cells[one.code], one.kind, one.rows) for one in met] == [
        (("f", "a", "t"), "generation", 2),
        (("f", "b", "t"), "generation", 1),
        (("g", "a", "u"), "generation", 1),
    ]
    assert cells.tasks == [("f", "t"), ("g", "u")]
    assert found["cell"].to_list() == [0, 1, 0, 2]
    assert found["task"].to_list() == [0, 0, 0, 1]
    places = found.select(table_of(pl.col("at")).alias("table"), row_of(pl.col("at")).alias("row"))
    assert places.rows() == [(3, 0), (3, 1), (3, 2), (3, 3)]
    assert found["target"].n_unique() == found["trimmed"].n_unique() == 1
    assert found["target"][0] != found["trimmed"][0]
    again, _ = facts_of(frame, cells, 4)
    assert [one.code for one in again] == [0, 1, 2]


def test_the_rest_of_a_row_is_what_is_no_key():
    cells = Cells()

    def rest(output="x", **columns):
        return facts_of(responses([("f", "a", "t", "1", output)], **columns), cells, 0)[1]["rest"][0]

    assert rest() == rest()
    assert rest() == rest(step=pl.lit(None, dtype=pl.Float64))  # null is as good as absent
    values = [rest(), rest("y"), rest(step=pl.lit(1.0)), rest(other=pl.lit(1.0)), rest(n_params=pl.lit(1.0))]
    assert len(set(values)) == len(values)
    both = [{"step": pl.lit(1.0), "other": pl.lit(2.0)}, {"other": pl.lit(2.0), "step": pl.lit(1.0)}]
    assert rest(**both[0]) == rest(**both[1])
