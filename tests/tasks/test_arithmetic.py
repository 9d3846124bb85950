"""GPT-3's arithmetic: written as in its own data, every answer right, uniform, none twice."""

import operator
import re
from collections import Counter

import polars as pl
import pytest

from unmirage.errors import UnmirageError
from unmirage.tasks import find
from unmirage.tasks.arithmetic import arithmetic

TASKS = {one.name: one for one in arithmetic()}
WORDS = {"plus": operator.add, "minus": operator.sub, "times": operator.mul}
SIGNS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def right_answer(question: str) -> str:
    """Computed from the text of a question, not by the code that made it."""
    if found := re.fullmatch(r"What is (\d+) (plus|minus|times) (\d+)\?", question):
        a, word, b = found.groups()
        return str(WORDS[word](int(a), int(b)))
    if found := re.fullmatch(r"What is \((\d) (.) (\d)\) (.) (\d)\?", question):
        a, first, b, second, c = found.groups()
        return str(SIGNS[second](SIGNS[first](int(a), int(b)), int(c)))
    found = re.fullmatch(r"What is the sum of the digits of the number (\d+)\?", question)
    return str(sum(map(int, found[1])))


@pytest.fixture(scope="module")
def published(shared_data) -> pl.DataFrame:
    """The items of openai/gpt-3."""
    return pl.read_parquet(shared_data / "gpt3_arithmetic" / "items.parquet")


def number(name: str, prompt: str) -> int:
    """Which problem of a task a published prompt is."""
    if name == "single_digit_three_ops":
        a, first, b, second, c = re.search(r"\((\d) (.) (\d)\) (.) (\d)", prompt).groups()
        digits = (int(a) - 1) * 81 + (int(b) - 1) * 9 + int(c) - 1
        return digits * 9 + "+-*".index(first) * 3 + "+-*".index(second)
    operands = [int(one) for one in re.findall(r"\d+", prompt)]
    return (
        operands[0] if name == "sum_of_digits" else operands[0] * int(TASKS[name].space ** 0.5) + operands[1]
    )


@pytest.mark.parametrize("name", TASKS)
def test_every_published_item_is_one_of_ours_to_the_letter(name, published):
    rows = published.filter(pl.col("task") == name)
    assert rows.height >= 500
    for prompt, target in rows.select("prompt", "target").iter_rows():
        made = TASKS[name]
        problem = made.problem(number(name, prompt))
        assert made.template.asked({"prompt": problem.question}) == prompt
        assert made.template.answered(problem.answer) == target


def test_with_no_examples_a_context_is_a_published_prompt(published):
    context = find("two_digit_addition", items=1).items[0].context
    assert re.fullmatch(r"\n\nQ: What is \d+ plus \d+\?\n\nA:", context)
    assert context.startswith("\n\nQ: What is ")
    assert published["prompt"][published["task"].to_list().index("two_digit_addition")].startswith("\n\nQ: ")


@pytest.mark.parametrize("name", TASKS)
def test_answers_are_right_and_examples_are_others(name):
    task = find(name, items=400, shots=3, seed=5)
    assert (task.kind, task.shots, task.stop, len(task.items)) == ("generation", 3, ("\n",), 400)
    assert len({one.item_id for one in task.items}) == 400
    for item in task.items:
        lines = item.context.removeprefix("\n\nQ: ").split("\n\nQ: ")
        asked = [line.split("\n\nA:") for line in lines]
        assert [len(parts) for parts in asked] == [2] * 4
        assert [answer.strip() for _, answer in asked] == [right_answer(q) for q, _ in asked[:-1]] + [""]
        assert item.target == right_answer(asked[-1][0])
        assert item.continuations == (f" {item.target}",)
        assert len({question for question, _ in asked}) == 4
        assert len(item.target) + 8 <= task.max_tokens


def test_a_mirrored_sum_is_never_shown():
    task = find("two_digit_addition", items=300, shots=20)
    for item in task.items:
        pairs = re.findall(r"is (\d+) plus (\d+)", item.context)
        assert all(sorted(pair) != sorted(pairs[-1]) for pair in pairs[:-1])


def test_the_range_of_operands():
    task = find("two_digit_multiplication", items=10_000)
    pairs = {tuple(map(int, one.item_id.split("*"))) for one in task.items}
    assert pairs == {(a, b) for a in range(100) for b in range(100)}


def test_drawn_operands_are_uniform():
    task = find("six_digit_subtraction", items=5000)
    leading = Counter(int(a) // 100_000 for one in task.items for a in one.item_id.split("-"))
    # Multinomial over 10,000 operands: 1,000 each, standard deviation 30; five of them.
    assert set(leading) == set(range(10))
    assert max(abs(count - 1000) for count in leading.values()) < 150


@pytest.mark.parametrize("name", ["two_digit_addition", "five_digit_addition"])
def test_fewer_items_are_the_first_of_more_and_seeds_draw_others(name):
    few, more, other = (
        find(name, items=50, shots=2),
        find(name, items=80, shots=2),
        find(name, items=50, seed=1),
    )
    assert few.items == more.items[:50]
    assert few.digest != more.digest
    assert {one.item_id for one in few.items} != {one.item_id for one in other.items}


def test_items_that_are_not_asked_for_are_2000_or_all():
    assert len(find("four_digit_addition").items) == 2000
    assert len(find("modular_addition_7").items) == 49


def test_more_items_than_there_are():
    with pytest.raises(UnmirageError, match=r"20,000 items .* two_digit_addition has 10,000 different"):
        find("two_digit_addition", items=20_000)
