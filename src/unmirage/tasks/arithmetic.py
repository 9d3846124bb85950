"""GPT-3's arithmetic: sums, differences and products of integers, three operations, sums of digits.

Brown et al. 2020 (arXiv 2005.14165), Sec. 3.9.1; written as in the data of openai/gpt-3, spaces and new lines
included. Operands are uniform from 0 on, without leading zeros, so "two digits" are at most two. Schaeffer
et al. 2023 (arXiv 2304.15004), Sec. 3, ask `two_digit_multiplication` and `four_digit_addition` with two
examples.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from unmirage.tasks.generated import Generated, Problem

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six")
_BINARY: dict[str, tuple[str, str, Callable[[int, int], int]]] = {
    "addition": ("plus", "+", operator.add),
    "subtraction": ("minus", "-", operator.sub),
    "multiplication": ("times", "*", operator.mul),
}
_SIGNS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_SUM_OF_DIGITS = 10_000  # numbers are below it


def arithmetic() -> Iterator[Generated]:
    """The thirteen tasks."""
    for digits in range(2, 7):
        for name in ("addition", "subtraction"):
            yield _binary(name, digits)
    yield _binary("multiplication", 2)
    yield Generated(
        "single_digit_three_ops",
        "two operations on three digits from 1 to 9, as in (9 + 8) * 2",
        9**4,
        _three_ops,
        longest=3,
    )
    yield Generated(
        "sum_of_digits", "the sum of the digits of a number below 10,000", _SUM_OF_DIGITS, _sum_of_digits, 2
    )


def _binary(name: str, digits: int) -> Generated:
    word, sign, operation = _BINARY[name]
    operands = 10**digits

    def problem(k: int) -> Problem:
        a, b = divmod(k, operands)
        mirrored = (min(a, b), max(a, b)) if sign != "-" else (a, b)
        return Problem(
            f"{a}{sign}{b}",
            f"What is {a} {word} {b}?",
            str(operation(a, b)),
            alike=f"{mirrored[0]}{sign}{mirrored[1]}",
        )

    noun = {"+": "sums", "-": "differences", "*": "products"}[sign]
    return Generated(
        f"{_DIGITS[digits]}_digit_{name}",
        f"{noun} of two integers of at most {_DIGITS[digits]} digits",
        operands**2,
        problem,
        longest=2 * digits if sign == "*" else digits + 1,
    )


def _three_ops(k: int) -> Problem:
    k, outer = divmod(k, 9)
    a, b, c = k // 81 + 1, k // 9 % 9 + 1, k % 9 + 1
    signs = list(_SIGNS)
    first, second = signs[outer // 3], signs[outer % 3]
    value = _SIGNS[second](_SIGNS[first](a, b), c)
    asked = f"({a} {first} {b}) {second} {c}"
    return Problem(asked.replace(" ", ""), f"What is {asked}?", str(value))


def _sum_of_digits(k: int) -> Problem:
    return Problem(
        str(k),
        f"What is the sum of the digits of the number {k}?",
        str(sum(int(digit) for digit in str(k))),
    )
