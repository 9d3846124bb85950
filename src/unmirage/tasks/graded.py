"""Tasks whose difficulty is a number in their name: copy_8, sort_5, modular_addition_113, ...

Made for this package, not for any paper: each has answers that are computed, and as many problems as its
number allows. Written like GPT-3's arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from math import perm

from unmirage.tasks.generated import Generated, Problem

LETTERS = "abcdefghijklmnopqrstuvwxyz"
COUNTED = "abc"
NUMBERS = 100  # those to be sorted are below it
OPEN, CLOSED = "([{", ")]}"
FIRST_DAY, DAYS = date(1900, 1, 1), 73_049  # the 20th and 21st centuries, to 2099-12-31


@dataclass(frozen=True)
class Grade:
    """A task for each number.

    Attributes
    ----------
    name, about: of all; "N" is the number.
    low, high: of the number.
    make: number -> space, problem and characters of the longest answer, as :class:`Generated` has them.
    """

    name: str
    about: str
    low: int
    high: int
    make: Callable[[int], tuple[int, Callable[[int], Problem], int]]

    def task(self, n: int) -> Generated:
        """The task of one number."""
        space, problem, longest = self.make(n)
        about = re.sub(r"\bN\b", str(n), self.about)
        return Generated(f"{self.name}_{n}", about, space, problem, longest)


def _letters(k: int, n: int, of: str) -> str:
    """The k-th text of n letters."""
    text = ""
    for _ in range(n):
        k, letter = divmod(k, len(of))
        text += of[letter]
    return text


def _copy(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        text = _letters(k, n, LETTERS)
        return Problem(text, f"What are the letters of {text}, separated by spaces?", " ".join(text))

    return len(LETTERS) ** n, problem, 2 * n - 1


def _count(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        text = _letters(k, n, COUNTED)
        question = f"How many times is the letter a in {' '.join(text)}?"
        return Problem(text, question, str(text.count("a")))

    return len(COUNTED) ** n, problem, len(str(n))


def _sort(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        left, numbers = list(range(NUMBERS)), []
        for size in range(NUMBERS, NUMBERS - n, -1):
            k, place = divmod(k, size)
            numbers.append(left.pop(place))
        question = f"What are the numbers {' '.join(map(str, numbers))} in rising order?"
        answer = " ".join(map(str, sorted(numbers)))
        return Problem("-".join(map(str, numbers)), question, answer, alike=answer)

    return perm(NUMBERS, n), problem, 3 * n - 1


def _modular(modulus: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        a, b = divmod(k, modulus)
        return Problem(
            f"{a}+{b}",
            f"What is {a} plus {b} modulo {modulus}?",
            str((a + b) % modulus),
            alike=f"{min(a, b)}+{max(a, b)}",
        )

    return modulus**2, problem, len(str(modulus - 1))


def _parity(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        bits = _letters(k, n, "01")
        answers = ("even", "odd")
        question = f"Is the number of ones in {' '.join(bits)} even or odd?"
        return Problem(bits, question, answers[bits.count("1") % 2], choices=answers)

    return 2**n, problem, len("even")


@cache
def _openings(n: int, depth: int) -> int:
    """Ways to go on for n more brackets with so many open ones, and end with at least one open."""
    if n == 0:
        return int(depth > 0)
    return len(OPEN) * _openings(n - 1, depth + 1) + (_openings(n - 1, depth - 1) if depth else 0)


def _brackets(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        text, waiting = "", ""
        for left in range(n - 1, -1, -1):
            closed = _openings(left, len(waiting) - 1) if waiting else 0
            if k < closed:
                text, waiting = text + waiting[-1], waiting[:-1]
                continue
            kind, k = divmod(k - closed, _openings(left, len(waiting) + 1))
            text, waiting = text + OPEN[kind], waiting + CLOSED[kind]
        question = f"What closes the brackets {' '.join(text)}?"
        return Problem(text, question, " ".join(reversed(waiting)))

    return _openings(n, 0), problem, 2 * n - 1


def _date(n: int) -> tuple[int, Callable[[int], Problem], int]:
    def problem(k: int) -> Problem:
        days, place = divmod(k, DAYS)
        start = FIRST_DAY + timedelta(place)
        answer = (start + timedelta(days + 1)).isoformat()
        unit = "day" if days == 0 else "days"
        question = f"What date is {days + 1} {unit} after {start.isoformat()}?"
        return Problem(f"{start.isoformat()}+{days + 1}", question, answer)

    return DAYS * n, problem, len("2000-01-01")


GRADES = (
    Grade("copy", "the letters of a random text of N letters, one by one", 2, 64, _copy),
    Grade("count", "how often a letter is among N letters", 3, 64, _count),
    Grade("sort", "N numbers below 100 in rising order", 2, 20, _sort),
    Grade("modular_addition", "the sum of two numbers modulo N", 5, 9973, _modular),
    Grade("parity", "whether the number of ones among N bits is even or odd", 4, 64, _parity),
    Grade("brackets", "what closes a text of N brackets of three kinds", 3, 64, _brackets),
    Grade("date", "the date that is 1 to N days after another", 1, 100_000, _date),
)
