"""Tables of many files as one, against the same in memory and by hand."""

from __future__ import annotations

import random

import polars as pl
import pytest

from unmirage import facts, tables
from unmirage.errors import TableError
from unmirage.readers.parts import kept
from unmirage.readers.together import EVERYWHERE, together

SCHEMA = ["family", "model", "task", "item_id", "epoch", "output"]


def table(rows, **columns):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    frame = frame.with_columns(kind=pl.lit("generation"), target=pl.lit("7"), **columns)
    return tables.check_responses(frame, where="rows")[0]


def drawn(seed, spoiled):
    """Tables that share keys; rows of one key differ only where `spoiled`."""
    dice = random.Random(seed)
    out = []
    for place in range(dice.randint(2, 6)):
        rows = {}
        for _ in range(dice.randint(1, 30)):
            key = ("f", dice.choice("ab"), dice.choice("tu"), str(dice.randint(1, 40)), dice.randint(0, 1))
            odd = spoiled and dice.random() < 0.02
            rows[key] = (*key, f"{key[3]}{' ' * odd}")
        extra = {"step": pl.lit(1.0)} if place % 2 and spoiled else {}
        out.append(table(list(rows.values()), **extra))
    return out


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_repeated_rows_are_those_that_a_check_of_all_finds(seed, flat, tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "AT_ONCE", 9)
    given = drawn(seed, spoiled=seed % 3 == 0)
    folder = tmp_path if flat else None
    one, notes = together([("tool", kept(frame, folder)) for frame in given], folder)
    whole = pl.concat(given, how="diagonal")
    if one.problem is not None:
        with pytest.raises(TableError) as problem:
            tables.check_responses(whole, where=EVERYWHERE)
        assert str(one.problem) == str(problem.value)
        return
    whole, told = tables.check_responses(whole, where=EVERYWHERE)
    assert notes == told
    assert pl.concat(list(one.frames())).equals(whole)
    assert (one.rows, one.read) == (whole.height, sum(frame.height for frame in given))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_task_of_a_model_is_of_one_tool(seed, flat, tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "AT_ONCE", 9)
    given = drawn(seed, spoiled=False)
    tools = sorted(random.Random(seed).choices(["first", "second", "third"], k=len(given)))
    folder = tmp_path if flat else None
    one, notes = together(
        [(tool, kept(frame, folder)) for tool, frame in zip(tools, given, strict=True)], folder
    )
    keys = [set(frame.select(tables.KEY).rows()) for frame in given]
    expected, lost = set(), {}
    for tool in dict.fromkeys(tools):
        before = set().union(*(keys[i] for i, name in enumerate(tools) if name < tool), set())
        mine = set().union(*(keys[i] for i, name in enumerate(tools) if name == tool))
        lost[tool] = {key[:3] for key in mine & before}
        expected |= {key for key in mine if key[:3] not in lost[tool]}
    found = pl.concat(list(one.frames()))
    assert set(found.select(tables.KEY).rows()) == expected
    assert found.height == len(expected) == one.rows
    said = {
        str(note["message"]).split(":")[0]: note["count"] for note in notes if note["code"] == "two-tools"
    }
    assert said == {tool: len(cells) for tool, cells in lost.items() if cells}


def test_tasks_and_models_are_those_that_are_left():
    mine, theirs = table([("f", "a", "t", "1", 0, "x")]), table([("f", "a", "t", "1", 0, "y")])
    other = table([("f", "a", "u", "1", 0, "y")], step=pl.lit(2.0))
    one, _ = together([("first", mine), ("second", theirs), ("second", other)])
    assert one.tasks() == {("f", "t"), ("f", "u")}
    assert one.schema.names()[-1] == "step"
    assert [frame["output"].to_list() for frame in one.frames()] == [["x"], ["y"]]
    assert [tool for tool, _ in one.models()] == ["first", "second", "second"]
    gone, _ = together([("first", mine), ("second", theirs.with_columns(step=pl.lit(2.0)))])
    assert "step" not in gone.schema.names()  # no row that is left has it


def test_items_are_counted_by_task():
    rows = [("f", "a", "t", str(i), e, "") for i in range(5) for e in range(1 + i % 3)]
    one, _ = together(
        [("tool", table(rows)), ("tool", table([("f", "b", "t", str(i), 0, "") for i in (3, 4, 5)]))]
    )
    (counts,) = one.counts.items.values()
    assert counts == (6, 2, 3)


def scored(rows):
    frame = pl.DataFrame(
        rows, schema=["model", "task", "item_id", "kind", "target", "output", "logprobs"], orient="row"
    )
    frame = frame.with_columns(
        family=pl.lit("f"),
        target_logprobs=pl.when(pl.col("logprobs").is_not_null()).then(pl.concat_list("logprobs")),
    )
    return tables.check_responses(frame.drop("logprobs"), where="rows")[0]


def test_a_generation_takes_over_from_a_task_in_another_file(tmp_path):
    generated = [
        scored([(m, task, str(i), "generation", f"{i} ", "", None) for i in range(4)])
        for m in "ab"
        for task in ("gen,first", "gen,last")
    ]
    likelihoods = [
        scored([(m, "ll", str(i), "likelihood", f" {i}", None, -float(i + (m == "b"))) for i in range(5)])
        for m in "ab"
    ]
    short = scored([("a", "few", str(i), "likelihood", str(i), None, -9.0) for i in range(3)])
    given = [generated[0], likelihoods[0], short, *generated[1:], likelihoods[1]]
    one, notes = together([("tool", kept(frame, tmp_path)) for frame in given], tmp_path)
    assert [note["where"] for note in notes] == ["f / gen,first", "f / gen,last"]
    rows = pl.concat(list(one.frames())).filter(kind="generation")
    assert rows.select("model", "item_id", pl.col("target_logprobs").list.first()).unique().sort(
        "model", "item_id"
    ).rows() == [(m, str(i), -float(i + (m == "b"))) for m in "ab" for i in range(4)]
    assert rows.height == 16
