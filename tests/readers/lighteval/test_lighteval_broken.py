"""Files of lighteval that are broken or hostile."""

from __future__ import annotations

import contextlib
import random

import polars as pl
import pytest

from unmirage.errors import SourceError, TableError, UnmirageError


def test_not_a_number_is_refused(write, load_all, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.choice_items(0, 1)}, layout="written")
    (path,) = out.rglob("*.parquet")
    frame = pl.read_parquet(path).with_columns(predictions=pl.lit("[(nan, False), -1.0, -2.0, -3.0]"))
    frame.write_parquet(path)
    with pytest.raises(TableError, match="choice_logprobs holds NaN"):
        load_all(out)


@pytest.mark.parametrize("column", ["predictions", "choices", "metrics"])
@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('echo no')",
        "[" * 100_000,
        "(" * 50 + "1",
        "9" * 5000,
        "lambda: 1",
        "[1,",
        "-" * 9999 + "1",
    ],
)
def test_text_that_is_no_value_is_an_error_and_is_not_run(write, load_all, column, text, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.choice_items(0, 2)}, layout="written")
    (path,) = out.rglob("*.parquet")
    frame = pl.read_parquet(path).with_columns(pl.Series(column, [text] * 2))
    frame.write_parquet(path)
    with pytest.raises(SourceError, match=r"row 1: .* is no value that Python wrote") as caught:
        load_all(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: {"a": 1},
        lambda row: {"doc": 1, "model_response": 1, "metric": 1},
        lambda row: {**row, "doc": {"choices": [1]}},
        lambda row: {**row, "doc": {"id": "1", "choices": [["a"], ["b"]]}},
        lambda row: {**row, "doc": {"id": "1", "gold_index": "first"}},
        lambda row: {**row, "model_response": {"logprobs": [float("nan"), -1.0, -2.0, -3.0]}},
        lambda row: {**row, "model_response": {"logprobs": [3.0, -1.0, -2.0, -3.0]}},
        lambda row: {"predictions": 10**18, "metrics": None},
    ],
)
def test_files_of_another_kind(write, load_all, change, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.choice_items(0, 2)}, results={})
    (path,) = out.rglob("*.parquet")
    pl.DataFrame([change(lighteval.structs(lighteval.choice_items(0)[0]))]).write_parquet(path)
    with pytest.raises(UnmirageError) as caught:
        load_all(out)
    assert str(path) in str(caught.value) or "no score and no response" in str(caught.value)


@pytest.mark.parametrize("layout", ["structs", "written"])
def test_broken_parquet_is_an_error(write, load_all, layout, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.choice_items(0, 2)}, layout=layout, results={})
    (path,) = out.rglob("*.parquet")
    whole = path.read_bytes()
    for end in range(4, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError):
            load_all(out)
    random_ = random.Random(0)
    for _ in range(150):
        at, bit = random_.randrange(4, len(whole)), 1 << random_.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with contextlib.suppress(UnmirageError):
            load_all(out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "is not a results file of lighteval"),
        (
            lambda text: text.replace('"em": 1.0', '"em": ' + "[" * 50_000),
            "is not a results file of lighteval",
        ),
        (lambda text: text.replace('"t|0"', '"\\ud800"', 1), "is not a results file of lighteval"),
        (
            lambda text: text.replace('"results": {', '"results": [{').replace("]}}", "]}]}"),
            "is not a results",
        ),
    ],
)
def test_broken_results_are_an_error(write, load_all, change, words, lighteval):
    out = write("a/m-1b", {"t|0": [lighteval.item(0, ["1"], texts=["1"], em=1)]})
    (path,) = out.rglob("*.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(SourceError, match=words) as caught:
        load_all(out)
    assert caught.value.where == str(path)


def test_strange_names_and_texts_are_kept_as_they_are(write, load_all, lighteval):
    text = "<script>alert(1)</script>\x00../../x"
    out = write(
        "..", {"t|0": [lighteval.item(0, [text], texts=[text], em=1)]}, config={"model_name": "../../<b>m-1b"}
    )
    (path,) = out.rglob("*.json")
    path.write_text(path.read_text().replace('"model_name": ".."', '"model_name": "../../<b>m-1b"', 1))
    found = load_all(out)
    assert lighteval.rows(found, "model", "target", "output") == [("<b>m-1b", text, text)]


def test_a_number_beyond_all_measure_is_a_value_that_is_missing(write, load_all, lighteval):
    out = write("a/m-1b", {}, results={"t|0": {"em": 0.5, "f": "1" * 400, "g": "nan"}})
    found = load_all(out)
    assert found.results[0].height == 2
    assert lighteval.codes(found) == {"missing-values": 1}
