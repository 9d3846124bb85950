"""A pretended model: sums and products at the end of a prompt, right as often as its skill says.

For trying a run without weights or servers. The same request always has the same answer.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Sequence

from unmirage.ask.family import Model
from unmirage.ask.requests import Abilities, Generate, Generated, Score, Scored

_QUESTION = re.compile(r"(\d+)\s*(\+|-|\*|plus|minus|times)\s*(\d+)\D*$")
_LEAST = 0.05


class Mock:
    """Answers each character of a sum or product rightly with probability .05 + .9 skill, else with a wrong
    one; says 0 to all else. Characters are its tokens. It waits `delay` seconds before each batch."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.right = _LEAST + (1 - 2 * _LEAST) * float(model.options["skill"])
        self.delay = float(model.options["delay"])
        self.abilities = Abilities(score=True, token_logprobs=True, seeded=True)

    def generate(self, asked: Sequence[Generate]) -> list[Generated]:
        """Digits one by one, each drawn from the request and its seed."""
        time.sleep(self.delay)
        return [self._one(one) for one in asked]

    def score(self, asked: Sequence[Score]) -> list[Scored]:
        """The log-probability of the right characters, and of wrong ones the ninth part of the rest."""
        time.sleep(self.delay)
        return [self._scored(one) for one in asked]

    def close(self) -> None:
        """Nothing is held."""

    def _one(self, one: Generate) -> Generated:
        answer = _answer(one.prompt)
        seed = one.seed if one.temperature > 0 else "greedy"
        text, logprobs = "", []
        for place, digit in enumerate(answer[: one.max_tokens]):
            draw = self._draw(one.prompt, str(seed), str(place))
            right = draw < self.right
            text += digit if right else str((int(digit) + 1 + int(draw * 997) % 9) % 10)
            logprobs.append(math.log(self.right if right else (1 - self.right) / 9))
        return Generated(text, tuple(text), tuple(logprobs), "stop" if len(text) >= len(answer) else "length")

    def _scored(self, one: Score) -> Scored:
        answer = _answer(one.context)
        body = one.continuation.strip()
        good = [place < len(answer) and digit == answer[place] for place, digit in enumerate(body)]
        logprobs = tuple(math.log(self.right if right else (1 - self.right) / 9) for right in good)
        return Scored(tuple(body), logprobs, all(good) and len(body) == len(answer))

    def _draw(self, *parts: str) -> float:
        digest = hashlib.sha256("\0".join((self.name, *parts)).encode()).digest()
        return int.from_bytes(digest[:7], "big") / 2**56


def _answer(prompt: str) -> str:
    found = _QUESTION.search(prompt)
    if found is None:
        return "0"
    a, sign, b = int(found[1]), found[2], int(found[3])
    value = a + b if sign in ("+", "plus") else abs(a - b) if sign in ("-", "minus") else a * b
    return str(value)
