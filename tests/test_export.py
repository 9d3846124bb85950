"""One table to one file."""

import io

import polars as pl
import pytest

import unmirage
from unmirage.errors import OutputError
from unmirage.export import write_table

FRAME = pl.DataFrame({"name": ["a,b", None], "values": [[-1.5, 2.0], None], "n": [1, 2]})


def test_parquet_and_json_lines_keep_lists(tmp_path):
    write_table(FRAME, tmp_path / "new" / "t.parquet", "parquet")
    write_table(FRAME, tmp_path / "t.jsonl", "jsonl")
    assert pl.read_parquet(tmp_path / "new" / "t.parquet").equals(FRAME)
    assert pl.read_ndjson(tmp_path / "t.jsonl").equals(FRAME)


def test_minus_infinity_survives_json_lines(tmp_path):
    frame = pl.DataFrame(
        {
            "model": ["m"],
            "item_id": ["i"],
            "n_params": [1e6],
            "answer": [0],
            "choice_logprobs": [[-1.0, float("-inf")]],
        }
    )
    write_table(frame, tmp_path / "t.jsonl", "jsonl")
    again = unmirage.audit(tmp_path / "t.jsonl").responses
    assert again["choice_logprobs"].to_list() == [[-1.0, float("-inf")]]


def test_csv_writes_lists_as_json_text():
    stream = io.BytesIO()
    write_table(FRAME, stream, "csv")
    assert stream.getvalue().decode().splitlines() == ["name,values,n", '"a,b","[-1.5, 2.0]",1', ",,2"]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "t.csv"
    target.write_text("before")
    with pytest.raises(OutputError, match=r"\.parquet"):
        write_table(FRAME, target, "xlsx")
    with pytest.raises(OutputError):
        write_table(FRAME, target / "below.csv", "csv")
    assert target.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
