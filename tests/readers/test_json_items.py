"""Arrays read an element at a time, against `json.loads` of the whole file."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmirage.errors import SourceError
from unmirage.readers import json_items
from unmirage.readers.json_items import items

floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8"))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
elements = st.lists(st.dictionaries(st.text(max_size=3), values, max_size=4), max_size=6)


@given(elements, st.sampled_from([None, 0, 2, 4]), st.integers(1, 40), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_elements_are_those_of_the_whole_file(tmp_path_factory, rows, indent, block, keyed, ascii):
    path = tmp_path_factory.getbasetemp() / "x.json"
    whole = {"before": {"deep": [1, "]}"]}, "rows": rows, "after": 2} if keyed else rows
    path.write_text(json.dumps(whole, indent=indent, ensure_ascii=ascii), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "BLOCK", block)
        assert list(items(path, dict[str, Any], key="rows" if keyed else None)) == rows


def test_a_layout_that_changes_within_the_file(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[\n  {"a": {\n  "b": 1}},\n  {"a": 2\n  },{"a":\n3},   {"a": NaN}]')
    assert list(items(path, dict[str, Any])) == [{"a": {"b": 1}}, {"a": 2}, {"a": 3}, {"a": "NaN"}]


class Row(msgspec.Struct):
    a: int


@pytest.mark.parametrize("indent", [None, 2])
def test_cut_off_anywhere(tmp_path, indent):
    path = tmp_path / "x.json"
    whole = json.dumps({"x": 15, "rows": [{"a": 1}, {"a": 22}]}, indent=indent)
    for end in range(whole.rindex("]")):
        path.write_text(whole[:end])
        with pytest.raises(SourceError, match=r"cannot be read after [012] records: it breaks off"):
            list(items(path, Row, key="rows"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "recursion"),
        ('[{"a": ' + "[" * 100_000, "recursion"),
        ('[{"a": 1}, {"a": "one"}]', r"after 1 records: Expected `int`, got `str`"),
        ('[\n  {"a": 1e400}\n]', "after 0 records"),
        ('[{"a": ' + "9" * 5000 + "}]", "after 0 records"),
        ('[{"a": 1} {"a": 2}]', "after 1 records: '{' is not expected"),
        ('["\\ud800"]', "after 0 records"),
        ("{}", "'{' is not expected"),
        ("", "breaks off"),
    ],
)
def test_what_is_no_such_array(tmp_path, text, words):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=f"(?i){words}") as caught:
        list(items(path, Row))
    assert caught.value.where == str(path)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b'[{"a": 1}, {"a": "\xff"}]')
    with pytest.raises(SourceError, match="decode byte"):
        list(items(path, Row))
    with pytest.raises(SourceError, match="cannot be read"):
        list(items(tmp_path, Row))


def test_an_element_beyond_all_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(json_items, "LARGEST", 1000)
    monkeypatch.setattr(json_items, "BLOCK", 100)
    path = tmp_path / "x.json"
    path.write_text('[{"a": "' + "x" * 5000)
    with pytest.raises(SourceError, match="a record is longer than 1000 characters"):
        list(items(path, Row))
