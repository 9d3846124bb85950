"""The arithmetic family's own tasks: the items of its table, the prompts of its training."""

import re

import polars as pl
import pytest

from unmirage.errors import UnmirageError
from unmirage.examples import example
from unmirage.tasks import find
from unmirage.train.problems import CONTEXT, TASKS, questions, text


@pytest.fixture(scope="module")
def multiplication():
    return find("multiplication", shots=2)


@pytest.mark.parametrize("name", ["multiplication", "addition"])
def test_items_are_those_of_the_embedded_family(name):
    items = find(name, shots=2).items
    rows = pl.read_parquet(example()).filter(task=name, model="arithmetic-d4-seed0")
    assert [one.item_id for one in items] == rows["item_id"].to_list()
    assert [one.target for one in items] == rows["target"].to_list()
    tokens = ["".join(one) for one in rows["target_tokens"].to_list()]
    assert [one.continuations for one in items] == [(one,) for one in tokens]


def test_two_examples_are_the_prompts_of_the_family(multiplication):
    asked = questions(TASKS[0], "test", 3100)
    assert [one.context for one in multiplication.items] == [text(row) for row in asked.prompts]


@pytest.mark.parametrize("shots", [0, 1, 3])
def test_other_numbers_of_examples(shots, multiplication):
    task = find("multiplication", items=200, shots=shots)
    assert (task.stop, task.shots, task.kind) == (("\n",), shots, "generation")
    assert [one.item_id for one in task.items] == [one.item_id for one in multiplication.items[:200]]
    for item in task.items:
        start, *examples, asked = item.context.split("\n")
        assert (start, asked, len(examples)) == ("", f"{item.item_id}=", shots)
        for line in examples:
            a, b, c = map(int, re.fullmatch(r"(\d+)\*(\d+)=(\d+)", line).groups())
            assert a * b == c
            assert {f"{a}*{b}", f"{b}*{a}"}.isdisjoint({one.item_id for one in multiplication.items})
        a, b = map(int, item.item_id.split("*"))
        assert item.target == str(a * b)
        assert len(item.context) + 8 <= CONTEXT + 16


def test_an_id_is_one_question_whatever_the_seed(multiplication):
    other = {one.item_id: one.target for one in find("multiplication", seed=1).items}
    assert all(other[one.item_id] == one.target for one in multiplication.items if one.item_id in other)


def test_what_is_refused(multiplication):
    there = len(multiplication.items)
    with pytest.raises(UnmirageError, match=f"multiplication has {there:,} items"):
        find("multiplication", items=there + 1)
    with pytest.raises(UnmirageError, match="as its models were trained"):
        find("multiplication", template="{prompt}")
