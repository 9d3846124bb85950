"""From what a server says to outputs and log-probabilities: which tokens belong to what, and nothing guessed.

Formats: OpenAI's completions with `logprobs` and `echo` as vLLM 0.32.0 gives them, and chat completions with
`logprobs`. A list that is too short, a token without a number, or a text that cannot be found again is an
error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec

from unmirage.ask.endpoint import Reply
from unmirage.ask.requests import Generated, Scored
from unmirage.errors import UnmirageError

# Rounding of a server's arithmetic may put a log-probability this far above 0.
ABOVE_ZERO = 0.01
LEADING = 2  # special tokens that a server may put before a prompt
UNPRINTED = "\ufffd"  # stands for a part of a character
AS_ID = re.compile(r"token_id:\d+")

USE_TOKENIZER = (
    'Give the model\'s tokenizer in the family file, tokenizer = "PATH or hub id": tokens are then found '
    "by their number, and the boundary is where lm-evaluation-harness puts it."
)


class Logprobs(msgspec.Struct, frozen=True):
    """Of a completion: one entry a token, the prompt's before the output's where it is echoed."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    text_offset: list[int] | None = None


class Choice(msgspec.Struct, frozen=True):
    """One output of a completion."""

    index: int
    text: str
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class Completion(Reply, frozen=True):
    """A reply of /v1/completions."""

    choices: tuple[Choice, ...] = ()


class Spoken(msgspec.Struct, frozen=True):
    """A token of a chat output."""

    token: str
    logprob: float


class SpokenList(msgspec.Struct, frozen=True):
    """The tokens of a chat output."""

    content: list[Spoken] | None = None


class Message(msgspec.Struct, frozen=True):
    """A chat output; content is null in a refusal."""

    content: str | None = None


class ChatChoice(msgspec.Struct, frozen=True):
    """One output of a chat completion."""

    message: Message
    index: int = 0
    logprobs: SpokenList | None = None
    finish_reason: str | None = None


class Conversation(Reply, frozen=True):
    """A reply of /v1/chat/completions."""

    choices: tuple[ChatChoice, ...] = ()


@dataclass(frozen=True)
class Cut:
    """Where a prompt's continuation starts.

    Attributes
    ----------
    prompt: context and continuation.
    start: the character of the prompt at which the continuation starts; or its token, where `size` is given.
    size: tokens of the prompt, where it is sent as tokens.
    """

    prompt: str
    start: int
    size: int | None = None


def in_order(reply: Completion, prompts: int, where: str) -> list[Choice]:
    """The outputs of a completion, one a prompt. UnmirageError where they are fewer or more."""
    found = sorted(reply.choices, key=lambda choice: choice.index)
    if [choice.index for choice in found] != list(range(prompts)):
        raise UnmirageError(
            f"the server gave {len(found)} outputs for {prompts} prompts, numbered "
            f"{[choice.index for choice in found[:8]]}",
            where=where,
        )
    return found


def generated(
    text: str,
    finish: str | None,
    tokens: Sequence[str] | None,
    logprobs: Sequence[float | None] | None,
    stop: Sequence[str],
    where: str,
) -> Generated:
    """One output, ended before the first of `stop` also where the server leaves it in.

    Tokens are those of the text: one in which the stop text begins is cut there, and has the log-probability
    of the whole. They are None where the server names none, or where they do not spell the text.
    """
    ends = [at for one in stop if one and (at := text.find(one)) >= 0]
    kept = text[: min(ends)] if ends else text
    finish = "length" if finish == "length" and not ends else "stop"
    if tokens is None or logprobs is None:
        return Generated(kept, None, None, finish)
    if len(tokens) != len(logprobs):
        raise UnmirageError(
            f"the server gave {len(logprobs)} log-probabilities for {len(tokens)} tokens", where=where
        )
    if not "".join(tokens).startswith(kept):
        return Generated(kept, None, None, finish)
    starts = [start for start in _starts(tokens) if start < len(kept)]
    pieces = [token[: len(kept) - start] for start, token in zip(starts, tokens, strict=False)]
    return Generated(kept, tuple(pieces), _numbers(logprobs[: len(pieces)], tokens, where), finish)


def scored(choice: Choice, cut: Cut, extra: int, where: str) -> Scored:
    """Log-probabilities of the continuation of an echoed prompt.

    Parameters: extra, tokens that the server was asked to generate after the prompt, 0 or 1. They are cut.

    Raises
    ------
    UnmirageError
        As of :func:`echoed`; or a token holds the end of the context and the start of the continuation, the
        continuation has no token, or one of its tokens no log-probability.
    """
    starts = echoed(choice, cut, extra, where)
    assert choice.logprobs is not None
    tokens, logprobs, tops = (
        choice.logprobs.tokens,
        choice.logprobs.token_logprobs,
        choice.logprobs.top_logprobs,
    )
    assert tokens is not None
    assert logprobs is not None
    size = len(starts)
    first = sum(start < cut.start for start in starts)
    ahead = starts[first] if first < size else len(cut.prompt)
    rest = f"of {_short(cut.prompt)}" if cut.size is not None else _short(cut.prompt[cut.start :])
    if cut.size is None and ahead > cut.start:
        raise UnmirageError(
            f"the token {_short(tokens[first - 1])} holds the end of the context and the start of the "
            f"continuation {rest}",
            where=where,
            hint=f"{USE_TOKENIZER} Or let the context end where a word ends.",
        )
    if first >= size:
        raise UnmirageError(f"the continuation {rest} has no token of its own", where=where)
    numbers = _numbers(logprobs[first:size], tokens[first:size], where)
    return Scored(tuple(tokens[first:size]), numbers, greedy(numbers, tops[first:size] if tops else None))


def echoed(choice: Choice, cut: Cut, extra: int, where: str) -> list[int]:
    """Where each token of an echoed prompt starts: -1 for special ones before the text.

    Characters of the prompt; or tokens, where it was sent as tokens. As many as the prompt has tokens.

    Raises
    ------
    UnmirageError
        No log-probabilities, lists of different lengths, or other tokens than were sent.
    """
    given = choice.logprobs or Logprobs()
    tokens = given.tokens
    if tokens is None or given.token_logprobs is None:
        raise UnmirageError("the server gave no log-probabilities of the prompt", where=where)
    for name, other in (
        ("token_logprobs", given.token_logprobs),
        ("top_logprobs", given.top_logprobs),
        ("text_offset", given.text_offset),
    ):
        if other is not None and len(other) != len(tokens):
            raise UnmirageError(
                f"the server's lists differ in length: {len(tokens)} tokens, {len(other)} {name}", where=where
            )
    if cut.size is not None:
        if len(tokens) not in (cut.size, cut.size + extra):
            raise UnmirageError(
                f"the server gave log-probabilities of {len(tokens)} tokens for a prompt of {cut.size}",
                where=where,
                hint="Is the tokenizer of the family file that of this model?",
            )
        return list(range(cut.size))
    if tokens and all(AS_ID.fullmatch(token) for token in tokens):
        raise UnmirageError("the server names tokens by number", where=where, hint=USE_TOKENIZER)
    # A token that was generated comes last; one that ends the text is left out by some servers.
    for size in dict.fromkeys((len(tokens) - extra, len(tokens))):
        starts = _spelled(tokens[:size], cut.prompt)
        if starts is None and given.text_offset:
            starts = _offset(tokens[:size], given.text_offset[:size], cut.prompt)
        if starts is not None:
            return starts
    raise UnmirageError(
        f"the server's tokens {_short(''.join(tokens))} do not spell the prompt {_short(cut.prompt)}",
        where=where,
        hint=USE_TOKENIZER,
    )


def greedy(logprobs: Sequence[float], tops: Sequence[dict[str, float] | None] | None) -> bool | None:
    """Whether each token is the likeliest one, from the likeliest ones that the server names beside it.

    None where it names none, and where two are equally likely and no token is less likely than the best: a
    greedy model takes one of them, and which is not said.
    """
    if tops is None or any(not top for top in tops):
        return None
    tie = False
    for logprob, top in zip(logprobs, tops, strict=True):
        assert top is not None
        best = max(top.values())
        if logprob < best:
            return False
        tie = tie or sum(value == best for value in top.values()) > 1
    return None if tie else True


def _starts(tokens: Sequence[str]) -> list[int]:
    return list(accumulate(map(len, tokens[:-1]), initial=0)) if tokens else []


def _spelled(tokens: Sequence[str], prompt: str) -> list[int] | None:
    """The character at which each token starts, -1 for special ones before the text; None if they differ."""
    for skipped in range(min(LEADING, len(tokens)) + 1):
        if "".join(tokens[skipped:]) == prompt:
            return [-1] * skipped + _starts(tokens[skipped:])
    return None


def _offset(tokens: Sequence[str], offsets: Sequence[int], prompt: str) -> list[int] | None:
    """As :func:`_spelled`, from the server's offsets where tokens hold parts of characters; None if wrong."""
    if not tokens or offsets[0] != 0 or offsets[-1] > len(prompt):
        return None
    for token, (start, end) in zip(tokens, pairwise([*offsets, len(prompt)]), strict=True):
        partial = UNPRINTED in token or token.startswith("bytes:")
        if end < start or not (partial or prompt[start:end] == token):
            return None
    return list(offsets)


def _numbers(logprobs: Sequence[float | None], tokens: Sequence[str], where: str) -> tuple[float, ...]:
    """At most 0 each, with no gap."""
    for k, value in enumerate(logprobs):
        if value is None:
            raise UnmirageError(
                f"the token {_short(tokens[k])} has no log-probability",
                where=where,
                hint="The first token that a model reads has none: let a context come before it."
                if k == 0
                else None,
            )
        if math.isnan(value) or value > ABOVE_ZERO:
            raise UnmirageError(
                f"the log-probability of the token {_short(tokens[k])} is {value}", where=where
            )
    return tuple(min(value, 0.0) for value in logprobs if value is not None)


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:19]}…{text[-19:]}")
