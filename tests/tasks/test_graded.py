"""Graded tasks: every answer computed again from the text, in another way."""

import re
from collections import Counter
from datetime import date

import pytest

from unmirage.errors import UnmirageError
from unmirage.tasks import find, names
from unmirage.tasks.graded import GRADES


def right_answer(name: str, question: str) -> str:
    """From the text alone."""
    if name == "copy":
        return " ".join(re.search(r"letters of ([a-z]+),", question)[1])
    if name == "count":
        return str(sum(letter == "a" for letter in re.search(r" in (.*)\?", question)[1].split()))
    if name == "sort":
        return " ".join(sorted(re.search(r"numbers (.*) in", question)[1].split(), key=int))
    if name == "modular_addition":
        a, b, modulus = map(int, re.findall(r"\d+", question))
        return str(divmod(a + b, modulus)[1])
    if name == "parity":
        return "odd" if question.count("1") & 1 else "even"
    if name == "brackets":
        text, partner = (
            re.search(r"brackets (.*)\?", question)[1].replace(" ", ""),
            dict(zip("([{", ")]}", strict=True)),
        )
        while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", text)) != text:
            text = shorter
        assert not set(text) & set(")]}")
        return " ".join(partner[one] for one in reversed(text))
    days, start = re.search(r"is (\d+) days? after (.*)\?", question).groups()
    return date.fromordinal(date.fromisoformat(start).toordinal() + int(days)).isoformat()


SIZES = [
    (one, n) for one in GRADES for n in sorted({one.low, one.low + 3, min(one.high, 40)}) if n >= one.low
]


@pytest.mark.parametrize(("grade", "n"), SIZES, ids=lambda value: getattr(value, "name", str(value)))
def test_answers_are_right(grade, n):
    space = grade.task(n).space
    task = find(f"{grade.name}_{n}", items=min(150, space), shots=2)
    assert len({one.item_id for one in task.items}) == len(task.items)
    for item in task.items:
        *shown, asked = [
            part.split("\n\nA:") for part in item.context.removeprefix("\n\nQ: ").split("\n\nQ: ")
        ]
        assert item.target == right_answer(grade.name, asked[0])
        assert [answer.strip() for _, answer in shown] == [right_answer(grade.name, one) for one, _ in shown]
        assert asked[0] not in [question for question, _ in shown]
        assert len(item.target) + 8 <= task.max_tokens
        if task.kind == "choice":
            assert item.choices[item.answer] == item.target
            assert item.continuations == tuple(f" {one}" for one in item.choices)


@pytest.mark.parametrize(
    "name", ["brackets_5", "count_5", "parity_7", "sort_2", "copy_2", "modular_addition_5"]
)
def test_numbered_problems_are_all_different(name):
    task = find(name, items=2)
    grade = next(one for one in GRADES if name.startswith(f"{one.name}_"))
    made = grade.task(int(name.rpartition("_")[2]))
    assert len({made.problem(k).question for k in range(made.space)}) == made.space
    assert task.name == name


def test_the_space_of_brackets_is_all_texts_that_leave_some_open():
    made = next(one for one in GRADES if one.name == "brackets").task(4)
    texts = {""}
    for _ in range(4):
        texts = {text + one for text in texts for one in "([{)]}"}

    def open_ones(text: str) -> str | None:
        waiting = ""
        for one in text:
            if one in "([{":
                waiting += one
            elif not waiting or "([{".index(waiting[-1]) != ")]}".index(one):
                return None
            else:
                waiting = waiting[:-1]
        return waiting

    assert {made.problem(k).item_id for k in range(made.space)} == {text for text in texts if open_ones(text)}


def test_both_answers_of_parity_are_as_frequent():
    counts = Counter(one.answer for one in find("parity_16", items=2000).items)
    assert abs(counts[0] - 1000) < 112  # five standard deviations


def test_dates_span_two_centuries_and_leap_days():
    made = next(one for one in GRADES if one.name == "date").task(3)
    first, last = made.problem(0), made.problem(made.space - 1)
    assert (first.item_id, first.answer) == ("1900-01-01+1", "1900-01-02")
    assert (last.item_id, last.answer) == ("2099-12-31+3", "2100-01-03")
    assert right_answer("date", "What date is 1 day after 2000-02-28?") == "2000-02-29"


@pytest.mark.parametrize("name", ["copy_1", "copy_65", "sort_21", "modular_addition_4"])
def test_a_number_out_of_range(name):
    with pytest.raises(UnmirageError, match="must be from"):
        find(name)


@pytest.mark.parametrize("name", ["copy", "copy_x", "copy_08", "two_digit_adition", "nothing_of_the_kind"])
def test_an_unknown_name(name):
    with pytest.raises(UnmirageError, match="there is no task") as caught:
        find(name)
    assert ".jsonl" in caught.value.hint
    if name == "two_digit_adition":
        assert "two_digit_addition" in caught.value.hint


def test_every_name_can_be_asked():
    for name, about in names():
        if name in ("addition", "multiplication"):
            continue
        task = find(re.sub("N$", "7", name), items=3, shots=1)
        assert len(task.items) == 3
        assert about
