"""What a model is asked and what it answers, whatever runs it.

A backend is any class with the methods of :class:`Backend`. One call is one batch: its answers are on disk
before the next call is made, so a call should be as large as is quick, and no larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Generate:
    """One output.

    Attributes
    ----------
    prompt: all that the model reads.
    stop: the output ends before the first of these texts.
    max_tokens: at most so many.
    temperature: 0 for the likeliest token each time.
    seed: of a sample: the same request gives the same text where the backend can.
    """

    prompt: str
    stop: tuple[str, ...] = ()
    max_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """One output.

    Attributes
    ----------
    text: without the stop text.
    tokens: as the tokenizer cuts it, or None where the backend does not say.
    logprobs: natural logarithms, one a token, of the model's own distribution at temperature 1; or None.
    finish: "stop", or "length" where `max_tokens` ended it.
    """

    text: str
    tokens: tuple[str, ...] | None
    logprobs: tuple[float, ...] | None
    finish: str


@dataclass(frozen=True)
class Score:
    """The log-probability of a text after another."""

    context: str
    continuation: str


@dataclass(frozen=True)
class Scored:
    """Log-probabilities of a continuation.

    Attributes
    ----------
    tokens: of the continuation.
    logprobs: natural logarithms, one a token.
    greedy: whether each token is the likeliest one after those before it; None where that cannot be told.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    greedy: bool | None


@dataclass(frozen=True)
class Abilities:
    """What a backend can do.

    Attributes
    ----------
    score: log-probabilities of a given text.
    token_logprobs: log-probabilities of the tokens that it generates.
    seeded: whether a seed gives the same sample again.
    why_not: why something of this cannot be had; "" where all can.
    """

    score: bool
    token_logprobs: bool
    seeded: bool
    why_not: str = ""


class Backend(Protocol):
    """Something that runs a model."""

    @property
    def abilities(self) -> Abilities:
        """What it can do."""

    def generate(self, asked: Sequence[Generate]) -> list[Generated]:
        """One output a request, in their order. Raises UnmirageError."""

    def score(self, asked: Sequence[Score]) -> list[Scored]:
        """One answer a request, in their order. Raises UnmirageError."""

    def close(self) -> None:
        """Let go of what it holds."""


@runtime_checkable
class Answering(Protocol):
    """A backend that answers outputs and scores of the same questions quicker together than apart."""

    def answer(
        self, outputs: Sequence[Generate], scores: Sequence[Score]
    ) -> tuple[list[Generated], list[Scored]]:
        """As `generate` and `score`, in one go; log-probabilities agree with those up to rounding."""
