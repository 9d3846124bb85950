"""GPT-3's word scrambling: a word is to be found again in its scrambled letters.

Brown et al. 2020 (arXiv 2005.14165), Sec. 3.9.2; written as in the data of openai/gpt-3. The words are 2,000
common ones that come with the package (`words.txt`, which says from where); one word is one problem,
scrambled in the same way whatever the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from random import Random

from unmirage.tasks.generated import Generated, Problem
from unmirage.tasks.template import Template

LINE = Template("\n{prompt} =", separator="", stop=("\n",))
MARKS = " ./!"  # what is put between letters
LONGEST = 15  # letters


def scrambles() -> Iterator[Generated]:
    """The five tasks."""
    for name, (about, scramble, able) in _KINDS.items():
        yield _task(name, about, scramble, able)


@cache
def words() -> tuple[str, ...]:
    """The words in alphabetical order."""
    text = files("unmirage.tasks").joinpath("words.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


def _task(
    name: str, about: str, scramble: Callable[[str, Random], str], able: Callable[[str], bool]
) -> Generated:
    mine = tuple(word for word in words() if able(word))

    def problem(k: int) -> Problem:
        word, rng = mine[k], Random(f"{name} {mine[k]}")
        while (scrambled := scramble(word, rng)) == word:
            pass
        return Problem(word, scrambled, word)

    return Generated(name, about, len(mine), problem, LONGEST, LINE)


def _cycled(word: str, rng: Random) -> str:
    place = rng.randrange(1, len(word))
    return word[place:] + word[:place]


def _shuffled(ends: int) -> Callable[[str, Random], str]:
    """Letters in another order, but for so many at each end."""

    def scramble(word: str, rng: Random) -> str:
        inner = list(word[ends:-ends])
        rng.shuffle(inner)
        return word[:ends] + "".join(inner) + word[-ends:]

    return scramble


def _inserted(word: str, rng: Random) -> str:
    """A mark between each letter and the next."""
    return "".join(letter + rng.choice(MARKS) for letter in word[:-1]) + word[-1]


def _reversed(word: str, rng: Random) -> str:
    return word[::-1]


def _differ(ends: int) -> Callable[[str], bool]:
    return lambda word: len(set(word[ends:-ends])) > 1


_KINDS: dict[str, tuple[str, Callable[[str, Random], str], Callable[[str], bool]]] = {
    "cycle_letters_in_word": ("a word whose letters are cycled", _cycled, lambda word: True),
    "mid_word_1_anagrams": (
        "a word whose letters but the first and last are shuffled",
        _shuffled(1),
        _differ(1),
    ),
    "mid_word_2_anagrams": (
        "a word whose letters but the first two and last two are shuffled",
        _shuffled(2),
        _differ(2),
    ),
    "random_insertion_in_word": ("a word with a mark after each letter", _inserted, lambda word: True),
    "reversed_words": ("a word that is written backwards", _reversed, lambda word: word != word[::-1]),
}
