"""Scrambled words: the same rules hold for GPT-3's own items and for ours."""

import re

import polars as pl
import pytest

from unmirage.tasks import find
from unmirage.tasks.words import scrambles, words

TASKS = [one.name for one in scrambles()]


def follows(name: str, scrambled: str, word: str) -> bool:
    """Whether a text is what a task's name says of a word."""
    if name == "cycle_letters_in_word":
        return len(scrambled) == len(word) and scrambled in word + word
    if name == "reversed_words":
        return scrambled == word[::-1]
    if name == "random_insertion_in_word":
        return scrambled[::2] == word and bool(re.fullmatch(r"(.[ ./!])*.", scrambled))
    ends = 1 if name == "mid_word_1_anagrams" else 2
    return (
        sorted(scrambled) == sorted(word)
        and scrambled[:ends] == word[:ends]
        and scrambled[-ends:] == word[-ends:]
    )


@pytest.mark.parametrize("name", TASKS)
def test_published_items_follow_the_rules(name, shared_data):
    rows = pl.read_parquet(shared_data / "gpt3_arithmetic" / "items.parquet").filter(pl.col("task") == name)
    good = [
        follows(name, prompt[1:-2], target[1:])
        for prompt, target in rows.select("prompt", "target").iter_rows()
        if prompt.startswith("\n") and prompt.endswith(" =") and target.startswith(" ")
    ]
    assert len(good) == 500
    assert all(good)


@pytest.mark.parametrize("name", TASKS)
def test_our_items_follow_the_rules(name):
    task = find(name, shots=1)
    assert 1600 < len(task.items) <= 2000
    for item in task.items:
        shown, asked = item.context[1:].split("\n")
        scrambled, word = shown.split(" = ")
        assert follows(name, scrambled, word)
        assert asked.endswith(" =")
        assert follows(name, asked[:-2], item.target)
        assert asked[:-2] != item.target
        assert word != item.target == item.item_id
        assert item.continuations == (f" {item.target}",)


def test_a_word_is_scrambled_in_one_way_whatever_the_seed():
    asked = [
        {one.item_id: one.context for one in find("mid_word_1_anagrams", seed=seed).items} for seed in (0, 9)
    ]
    assert asked[0] == asked[1]


def test_the_list():
    found = words()
    assert len(found) == len(set(found)) == 2000
    assert list(found) == sorted(found)
    assert all(re.fullmatch("[a-z]{5,15}", word) for word in found)


def test_no_other_word_of_the_list_has_the_same_scramblings():
    found = words()
    assert len({word[0] + "".join(sorted(word[1:-1])) + word[-1] for word in found}) == len(found)
    assert len({min(word[k:] + word[:k] for k in range(len(word))) for word in found}) == len(found)
