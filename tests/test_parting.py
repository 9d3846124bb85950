"""The rows of a table by their names: the same whether rows stand together or not."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.parting import parts

NAMES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"])), max_size=30)


def table(names):
    return pl.DataFrame(names, schema={"family": pl.String, "task": pl.String}, orient="row").with_row_index()


@pytest.mark.parametrize("ordered", [True, False])
@given(names=NAMES)
def test_parts_are_those_of_polars(ordered, names):
    frame = table(sorted(names) if ordered else names)
    found = parts(frame, ("family", "task"))
    expected = frame.partition_by("family", "task", maintain_order=True, as_dict=True) if names else {}
    assert list(found) == list(expected)
    for key, rows in expected.items():
        assert found[key].equals(rows)


def test_a_table_in_several_pieces():
    pieces = [table([("a", "x")] * 3), table([]), table([("a", "x")] * 2), table([("b", "x")])]
    found = parts(pl.concat(pieces, rechunk=False), ("family", "task"))
    assert {key: rows.height for key, rows in found.items()} == {("a", "x"): 5, ("b", "x"): 1}
    mixed = pl.concat([*pieces, table([("b", "x"), ("a", "x")])], rechunk=False)
    assert {key: rows.height for key, rows in parts(mixed, ("family", "task")).items()} == {
        ("a", "x"): 6,
        ("b", "x"): 2,
    }
