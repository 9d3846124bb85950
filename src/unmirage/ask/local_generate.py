"""Outputs, token by token: the likeliest one, or one drawn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from unmirage.ask.local_network import Network, State
from unmirage.ask.local_score import precise, size
from unmirage.ask.local_tokens import Tokens
from unmirage.ask.requests import Generate, Generated

DROPPED = 0.75  # of the outputs that go on: from there on the others are let go
_SEEDS = 2**64


@dataclass
class Output:
    """One output as it grows.

    Attributes
    ----------
    asked, prompt: the request and its tokens.
    room: tokens that it may have.
    end: the token that ended it, with its log-probability.
    joined: its tokens as text, one after the other.
    text: without the stop text; None where there is none.
    """

    asked: Generate
    prompt: list[int]
    room: int
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    end: tuple[int, float] | None = None
    joined: str = ""
    text: str | None = None
    finish: str = "length"


def write(
    network: Network,
    tokens: Tokens,
    ends: frozenset[int],
    outputs: Sequence[Output],
    prefix: State | None,
    batch: int,
) -> None:
    """Complete outputs together.

    Parameters
    ----------
    ends: tokens that end an output.
    prefix: what was read already, with which every prompt starts.
    batch: prompts that are read at once.
    """
    state, logits = _read(network, [tuple(one.prompt) for one in outputs], prefix, batch)
    draws, heat = _draws(outputs), np.array([one.asked.temperature for one in outputs])
    held, going, step = np.arange(len(outputs)), np.ones(len(outputs), dtype=bool), 0
    while True:
        chosen, logprobs = choose(logits, heat[held], None if draws is None else draws[held, step])
        for row, token, logprob in zip(held.tolist(), chosen.tolist(), logprobs.tolist(), strict=True):
            if going[row]:
                going[row] = not _grow(outputs[row], token, logprob, tokens, ends)
        kept = np.flatnonzero(going[held])
        if not kept.size:
            return
        if kept.size <= DROPPED * held.size:
            state.select(kept.tolist())
            chosen, held = chosen[torch.from_numpy(kept).to(chosen.device)], held[kept]
        logits, step = network.step(state, chosen), step + 1


def choose(
    logits: torch.Tensor, temperatures: npt.NDArray[np.float64], draws: npt.NDArray[np.float64] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Next tokens of (B, V) logits and their log-probabilities at temperature 1.

    A token is drawn where the temperature is above 0: the first whose cumulative probability is above the
    draw, a number in [0, 1).
    """
    values = precise(logits)
    chosen = logits.argmax(-1)
    if draws is not None:
        hot = torch.from_numpy(np.flatnonzero(temperatures > 0)).to(logits.device)
        heat = torch.as_tensor(temperatures, dtype=values.dtype).to(logits.device)[hot, None]
        below = (values[hot] / heat).softmax(-1).cumsum(-1)
        at = torch.as_tensor(draws, dtype=values.dtype).to(logits.device)[hot, None] * below[:, -1:]
        chosen[hot] = torch.searchsorted(below, at, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
    logprobs = values.gather(-1, chosen[:, None])[:, 0] - values.logsumexp(-1)
    return chosen, logprobs.clamp(max=0)


def finished(one: Output, tokens: Tokens) -> Generated:
    """What is handed back. A token that the stop text starts in is cut, one that lies in it is left out."""
    whole = tokens.joined(one.joined, one.tokens)
    if one.text is None or len(one.text) == len(whole):
        return Generated(whole, tuple(map(tokens.piece, one.tokens)), tuple(one.logprobs), one.finish)
    count, over = len(one.tokens), len(whole) - len(one.text)
    while count:
        part = one.tokens[: count - 1]
        more = len(tokens.joined("".join(map(tokens.shown, part)), part)) - len(one.text)
        if more < 0:
            break
        count, over = count - 1, more
    pieces = [tokens.piece(token) for token in one.tokens[:count]]
    if over:
        pieces[-1] = pieces[-1][:-over]
    return Generated(one.text, tuple(pieces), tuple(one.logprobs[:count]), one.finish)


def _read(
    network: Network, prompts: Sequence[tuple[int, ...]], prefix: State | None, batch: int
) -> tuple[State, torch.Tensor]:
    """The state after prompts, each of which is read once, and the logits of what comes next."""
    alone = list(dict.fromkeys(prompts))
    states, parts = [], []
    for start in range(0, len(alone), batch):
        some = alone[start : start + batch]
        before = None if prefix is None else network.repeated(prefix, len(some))
        state, logits = network.read([prompt[size(prefix) :] for prompt in some], before)
        states.append(state)
        parts.append(logits)
    state, logits = network.together(states), torch.cat(parts)
    if len(alone) < len(prompts):
        rows = {prompt: k for k, prompt in enumerate(alone)}
        several = [rows[prompt] for prompt in prompts]
        state.select(several)
        logits = logits[torch.tensor(several, device=logits.device)]
    return state, logits


def _grow(one: Output, token: int, logprob: float, tokens: Tokens, ends: frozenset[int]) -> bool:
    """Add a token; whether the output has ended."""
    if token in ends:
        one.end, one.finish = (token, logprob), "stop"
        return True
    one.tokens.append(token)
    one.logprobs.append(logprob)
    piece = tokens.shown(token)
    one.joined += piece
    stops = [stop for stop in one.asked.stop if stop]
    for stop in stops:
        tail = one.joined[-len(piece) - len(stop) :]
        if stop in tail or not (tokens.joins and stop.isascii()):
            text = tokens.joined(one.joined, one.tokens)
            if stop in text:
                one.text, one.finish = min((text.split(s)[0] for s in stops), key=len), "stop"
                return True
    return len(one.tokens) >= one.room


def _draws(outputs: Sequence[Output]) -> npt.NDArray[np.float64] | None:
    """(B, room) numbers in [0, 1) that depend on the request alone; None where nothing is drawn."""
    if not any(one.asked.temperature > 0 for one in outputs):
        return None
    out = np.zeros((len(outputs), max(one.room for one in outputs)))
    for row, one in zip(out, outputs, strict=True):
        if one.asked.temperature > 0:
            seed = [one.asked.seed % _SEEDS, zlib.crc32(one.asked.prompt.encode())]
            row[: one.room] = np.random.default_rng(seed).random(one.room)
    return out
