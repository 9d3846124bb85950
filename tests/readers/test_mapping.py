"""`--map`: entries and TOML files, and what they do to a table."""

from __future__ import annotations

import math

import polars as pl
import pytest

import unmirage
from unmirage.errors import SettingsError, TableError
from unmirage.readers.mapping import parse

FRAME = pl.DataFrame(
    {"who": ["m-1b", "m-2b"], "n": [1e9, 2e9], "q": ["007", "007"], "nll_sum": [2.0, 0.5], "p": [0.5, 0.25]}
)


def read(*entries, frame=FRAME):
    return unmirage.read(frame, family="f", map=entries)


BASE = ("who=model", "n=n_params", "q=item_id")


@pytest.fixture(autouse=True)
def _quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", unmirage.UnmirageWarning)
        yield


def test_entries_rename_and_compute():
    rows = read(*BASE, "-nll_sum=target_logprob", "ln(p)=score.log_p")
    assert rows["target_logprobs"].to_list() == [[-2.0], [-0.5]]
    assert rows.select("model", "n_params", "item_id").rows() == [("m-1b", 1e9, "007"), ("m-2b", 2e9, "007")]
    assert rows["kind"].unique().to_list() == ["score"]
    assert [row[0]["value"] for row in rows["recorded"].to_list()] == pytest.approx(
        [math.log(0.5), math.log(0.25)], rel=1e-15
    )


def test_the_last_sign_splits_an_entry():
    assert parse(["CASE WHEN p = 1 THEN 1 ELSE 0 END=correct"]).columns == {
        "correct": "CASE WHEN p = 1 THEN 1 ELSE 0 END"
    }


def test_later_entries_win():
    assert parse(["a=item_id", "b=item_id"]).columns == {"item_id": "b"}


@pytest.mark.parametrize("entry", ["", "x", "=item_id", "x=", " = "])
def test_entries_that_are_none(entry):
    with pytest.raises(SettingsError, match="cannot read") as caught:
        parse([entry])
    assert caught.value.where == "--map"


TOML = """
[columns]
model = "who"
n_params = "n"
item_id = "q"
target_logprob = "-nll_sum"

[constants]
task = "mine"
cluster = "c"

[chance]
mine = 0.25
"""


def test_a_file_of_columns_constants_and_chance(tmp_path):
    path = tmp_path / "map.toml"
    path.write_text(TOML)
    rows = read(str(path))
    assert rows.select("task", "cluster").unique().rows() == [("mine", "c")]
    assert rows["target_logprobs"].to_list() == [[-2.0], [-0.5]]
    assert parse([str(path)]).chance == {"mine": 0.25}
    assert read(str(path), "p=target_logprobs_of_p", "0 - p=target_logprob")["target_logprobs"].to_list() == [
        [-0.5],
        [-0.25],
    ]


def test_the_chance_level_of_a_file_reaches_the_curves(tmp_path):
    path = tmp_path / "map.toml"
    right = '"score.accuracy" = "CASE WHEN p > 0.3 THEN 1 ELSE 0 END"'
    path.write_text(TOML.replace('target_logprob = "-nll_sum"', right))
    audit = unmirage.audit(FRAME, family="f", map=(str(path),))
    curves = audit.curves.filter(pl.col("metric") == audit.verdicts["headline"][0])
    assert curves["chance"].to_list() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[colums]\na = 1", "unknown sections: colums"),
        ("a = ", "is not TOML"),
        ("[chance]\nt = 1.0", r"chance level of t must be a number in \[0, 1\)"),
        ("[chance]\nt = true", "chance level of t"),
        ("[chance]\nt = '0.5'", "chance level of t"),
        ("columns = 3", "columns must be a table"),
        ("[columns]\nepoch = 0", "source of the column epoch must be text, not 0"),
        ("[constants]\ntask = ['a']", "constant task must be text, a number"),
    ],
)
def test_files_that_break_a_rule(tmp_path, text, what):
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=what) as caught:
        parse([str(path)])
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        parse([str(tmp_path / "no.toml")])


@pytest.mark.parametrize("source", ["no_such", "-who", "SELECT", "p +"])
def test_expressions_that_cannot_be_made(source):
    with pytest.raises(TableError, match="mapped column cannot be made") as caught:
        read(*BASE, f"{source}=target_logprob")
    assert "who, n, q, nll_sum, p" in str(caught.value)


def test_a_source_column_may_be_used_twice():
    rows = read(*BASE, "q=cluster", "-nll_sum=target_logprob")
    assert rows.select("item_id", "cluster").unique().rows() == [("007", "007")]


def test_mapped_text_of_a_csv_stays_text(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("model,n_params,q,gold,said\nm,1,007,1.0,1\n")
    rows = unmirage.read(path, family="f", map=("q=item_id", "gold=target", "said=output"))
    assert rows.select("item_id", "target", "output").rows() == [("007", "1.0", "1")]
