"""What a trained model answers: log-probabilities of the right answers, outputs at temperature 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from unmirage.train.problems import END, PAD, Bools, Ints, Questions, Tokens
from unmirage.train.transformer import Transformer

LONGEST = 8  # tokens of an output: a sum of 4-digit integers has 6 with its end
BATCH = 1024


@dataclass(frozen=True)
class Answers:
    """Of n questions.

    Attributes
    ----------
    logprobs: (n, A) log-probability of each token of the right answer, teacher forced; nan after its end.
    greedy: (n,) whether the right answer is what greedy decoding gives.
    """

    logprobs: npt.NDArray[np.float64]
    greedy: Bools


@torch.no_grad()
def forced(model: Transformer, asked: Questions) -> Answers:
    """The right answers, read with the model."""
    n, width = asked.answers.shape
    logprobs, greedy = np.full((n, width), np.nan), np.ones(n, dtype=bool)
    for rows in _batches(np.argsort(asked.prompt_lengths + asked.answer_lengths, kind="stable")):
        tokens, place = _joined(asked, rows)
        scores = torch.log_softmax(model(_tensor(model, tokens[:, :-1])).double(), -1).cpu().numpy()
        there = np.arange(width) < asked.answer_lengths[rows, None]
        at = np.minimum(place[:, None] - 1 + np.arange(width), scores.shape[1] - 1)
        said = scores[np.arange(rows.size)[:, None], at]
        right = asked.answers[rows].astype(np.int64)
        values = np.take_along_axis(said, np.where(there, right, 0)[..., None], -1)[..., 0]
        logprobs[rows] = np.where(there, values, np.nan)
        greedy[rows] = ((said.argmax(-1) == right) | ~there).all(axis=1)
    return Answers(logprobs, greedy)


@torch.no_grad()
def outputs(
    model: Transformer, asked: Questions, temperature: float, seed: int = 0, known: Bools | None = None
) -> list[Tokens]:
    """The tokens that the model puts out for each question, to the first end and with it, at most LONGEST.

    Parameters
    ----------
    temperature: 0 for the likeliest token each time, or 1 for one sample of the model's distribution.
    seed: of the sample.
    known: questions whose greedy output is known to be the right answer (`Answers.greedy`).
    """
    n = asked.a.size
    out = np.full((n, LONGEST), PAD, dtype=np.uint8)
    todo = np.arange(n) if known is None else np.flatnonzero(~known)
    generator = torch.Generator().manual_seed(seed)
    for length in np.unique(asked.prompt_lengths[todo]):
        # Prompts of one length need no padding.
        for rows in _batches(todo[asked.prompt_lengths[todo] == length]):
            past, shown = model.nothing(), asked.prompts[rows, :length]
            for k in range(LONGEST):
                logits = model(_tensor(model, shown), past)[:, -1].cpu()
                out[rows, k] = _next(logits, temperature, generator)
                shown = out[rows, k : k + 1]
                if (out[rows] == END).any(axis=1).all():
                    break
    if known is not None:
        width = min(LONGEST, asked.answers.shape[1])
        out[known, :width] = asked.answers[known, :width]
    return [row[row != PAD] if END not in row else row[: int(np.argmax(row == END)) + 1] for row in out]


def _next(logits: torch.Tensor, temperature: float, generator: torch.Generator) -> Tokens:
    if temperature == 0:
        token = logits.argmax(-1)
    else:
        token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)[:, 0]
    return np.asarray(token.numpy(), dtype=np.uint8)


def _joined(asked: Questions, rows: Ints) -> tuple[Tokens, Ints]:
    """Prompts with the right answers behind them, and where the answers start."""
    starts = asked.prompt_lengths[rows]
    whole = np.full((rows.size, int((starts + asked.answer_lengths[rows]).max())), PAD, dtype=np.uint8)
    width = min(asked.prompts.shape[1], whole.shape[1])
    whole[:, :width] = asked.prompts[rows][:, :width]
    for k in range(asked.answers.shape[1]):
        those = np.flatnonzero(k < asked.answer_lengths[rows])
        whole[those, starts[those] + k] = asked.answers[rows[those], k]
    return whole, starts


def _batches(rows: Ints) -> list[Ints]:
    return [rows[k : k + BATCH] for k in range(0, rows.size, BATCH)]


def _tensor(model: Transformer, tokens: Tokens) -> torch.Tensor:
    return torch.from_numpy(tokens.astype(np.int64)).to(model.lm_head.weight.device)
