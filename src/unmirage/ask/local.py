"""Models of transformers, run here: a folder or a hub id, on CPU or GPU.

Matched to the `hf` model of lm-evaluation-harness 0.4.13 at float32: the same tokens, log-likelihoods within
1e-4 and greedy outputs, without its logits cache, which mixes up continuations of different lengths. No chat
template is applied: a prompt is read as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from unmirage.ask.family import Model
from unmirage.ask.requests import Abilities, Generate, Generated, Score, Scored
from unmirage.errors import MissingExtraError, SettingsError, UnmirageError

try:
    import torch
    import transformers  # noqa: F401
except ModuleNotFoundError as problem:
    raise MissingExtraError(
        f"models of transformers need {problem.name}",
        where='backend = "transformers"',
        hint="Install it with: pip install 'unmirage[models]'",
    ) from None

from unmirage.ask import local_generate, local_score
from unmirage.ask.local_load import load
from unmirage.ask.local_network import State
from unmirage.ask.local_score import SHARED, Text

CONTINUED = 4  # times as many outputs grow together as prompts are read at once
T = TypeVar("T")
# Of prompts, by their tokens: the likeliest tokens after them and the one that ended them, with logprobs.
Said = dict[tuple[int, ...], tuple[list[int], list[float]]]


class Local:
    """A causal language model.

    Log-probabilities are normalised in double precision from the model's logits. A sample of a request
    depends on its prompt and its seed, up to rounding, and not on what else is in its batch. Where a GPU has
    not enough memory the batch is halved.

    Parameters
    ----------
    model: an entry of a family file; its options are device, dtype, batch (texts at once, at most) and
        trust_remote_code.

    Raises
    ------
    MissingExtraError
        PyTorch or transformers is not installed.
    SourceError
        No such folder or hub id, not a causal language model, weights that are missing.
    SettingsError
        A device or number format that is not to be had.
    """

    abilities = Abilities(score=True, token_logprobs=True, seeded=True)

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self._rows = int(model.options["batch"])
        self._network, self._tokens, self._ends = load(model)

    def generate(self, asked: Sequence[Generate]) -> list[Generated]:
        """One output a request, in their order.

        A token that ends a text ends an output, as does the end of what the model can read ("length"). Its
        tokens are those of its text: neither a token that ends it nor the stop text is among them, and a
        token that the stop text starts in is cut there; their log-probabilities are those of the whole
        tokens.

        Raises
        ------
        UnmirageError
            A prompt fills the model's context; max_tokens or temperature out of range.
        """
        return self._outputs(asked)[0]

    def score(self, asked: Sequence[Score]) -> list[Scored]:
        """Log-probabilities of exactly the continuations' tokens, in their order.

        Raises
        ------
        UnmirageError
            A continuation has no token of its own; a text is longer than the model's context.
        """
        return self._scores(asked, {})

    def answer(
        self, outputs: Sequence[Generate], scores: Sequence[Score]
    ) -> tuple[list[Generated], list[Scored]]:
        """Both in one call, in which a continuation that was just put out is not read again.

        Its log-probabilities are those it was put out with, which are those of :meth:`score` up to rounding;
        so the two belong into one durable batch.
        """
        found, said = self._outputs(outputs)
        return found, self._scores(scores, said)

    def close(self) -> None:
        """Free the memory of the model; it cannot be asked any more."""
        del self._network
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _outputs(self, asked: Sequence[Generate]) -> tuple[list[Generated], Said]:
        prompts = self._tokens.prompts([one.prompt for one in asked])
        jobs = [
            (k, one, prompt, self._room(one, prompt))
            for k, (one, prompt) in enumerate(zip(asked, prompts, strict=True))
        ]
        jobs.sort(key=lambda job: (-len(job[2]), job[2]))
        found: dict[int, Generated] = {}
        said: Said = {}

        def run(some: Sequence[tuple[int, Generate, list[int], int]]) -> None:
            outputs = [local_generate.Output(one, prompt, room) for _, one, prompt, room in some]
            local_generate.write(self._network, self._tokens, self._ends, outputs, prefix, self._rows)
            for (k, *_), output in zip(some, outputs, strict=True):
                found[k] = local_generate.finished(output, self._tokens)
                self._sane(found[k].logprobs)
                if output.asked.temperature == 0:
                    ended = () if output.end is None else (output.end,)
                    each = (*zip(output.tokens, output.logprobs, strict=True), *ended)
                    said[tuple(output.prompt)] = ([token for token, _ in each], [p for _, p in each])

        with torch.inference_mode():
            prefix = self._prefix([prompt[:-1] for prompt in prompts])
            sizes = [(len(prompt) + room, 1) for _, _, prompt, room in jobs]
            self._batched(jobs, sizes, run, CONTINUED if self._network.shares else 1)
        return [found[k] for k in range(len(asked))], said

    def _scores(self, asked: Sequence[Score], said: Said) -> list[Scored]:
        pairs = self._tokens.pairs(asked)
        for one, (context, after) in zip(asked, pairs, strict=True):
            self._fits(one.context, len(context) + len(after) - 1, 0)
        found = known(pairs, said)
        texts = local_score.texts(pairs, [k for k in range(len(pairs)) if k not in found])
        with torch.inference_mode():
            prefix = self._prefix([one.tokens[: one.low] for one in texts])
            skip = local_score.size(prefix)
            ways = (local_score.read_whole, local_score.read_shared)
            for way, made in zip(ways, local_score.plan(self._network, texts, skip), strict=True):

                def run(some: Sequence[Text], way: Callable[..., list[local_score.Found]] = way) -> None:
                    of = local_score.asked_of(some)
                    found.update(zip(of, way(self._network, some, pairs, prefix), strict=True))

                sizes = [(len(one.tokens) - skip, len(one.tokens) - one.low) for one in made]
                self._batched(made, sizes, run)
        out = []
        for k, (_, after) in enumerate(pairs):
            logprobs, greedy = found[k]
            self._sane(logprobs)
            out.append(Scored(tuple(map(self._tokens.piece, after)), tuple(logprobs), greedy))
        return out

    def _batched(
        self,
        items: Sequence[T],
        sizes: Sequence[tuple[int, int]],
        run: Callable[[Sequence[T]], None],
        times: int = 1,
    ) -> None:
        """Run items together, as many as so many batches and the memory hold."""
        start = 0
        while start < len(items):
            count = local_score.fill(sizes[start:], times * self._rows, self._network.vocabulary)
            try:
                run(items[start : start + count])
                start += count
                continue
            except torch.cuda.OutOfMemoryError:
                pass
            if count == 1:
                raise UnmirageError(
                    f"the GPU has not enough memory for one text of {sizes[start][0]} tokens",
                    where=self.name,
                    hint='Set dtype = "bfloat16", or device = "cpu".',
                )
            self._rows = max(1, min(self._rows, count) // 2)
            times = 1
            torch.cuda.empty_cache()

    def _prefix(self, rows: Sequence[Sequence[int]]) -> State | None:
        """What all rows start with, read once, where that pays."""
        if len(rows) < 2 or not self._network.shares:
            return None
        length = local_score.common(rows)
        return self._network.read([rows[0][:length]])[0] if length >= SHARED else None

    def _room(self, one: Generate, prompt: Sequence[int]) -> int:
        if one.max_tokens < 1 or not 0 <= one.temperature < float("inf"):
            raise SettingsError("max_tokens must be 1 at least and temperature 0 at least", where=self.name)
        self._fits(one.prompt, len(prompt), 1)
        context = self._network.context
        return one.max_tokens if context is None else min(one.max_tokens, context - len(prompt))

    def _fits(self, text: str, tokens: int, more: int) -> None:
        context = self._network.context
        if context is not None and tokens + more > context:
            raise UnmirageError(
                f"a text of {tokens} tokens is too long for a model that reads {context}: {text[:40]!r}...",
                where=self.name,
                hint="Ask with fewer shots, or leave the long items out.",
            )

    def _sane(self, logprobs: Sequence[float] | None) -> None:
        if any(value != value for value in logprobs or ()):
            raise UnmirageError(
                "the model gives probabilities that are no numbers",
                where=self.name,
                hint='Its weights or its number format do not hold; try dtype = "float32".',
            )


def known(pairs: Sequence[local_score.Pair], said: Said) -> dict[int, local_score.Found]:
    """Pairs whose continuation was put out, token by token."""
    found = {}
    for k, (context, after) in enumerate(pairs):
        tokens, logprobs = said.get(tuple(context), ([], []))
        if tokens[: len(after)] == [*after]:
            found[k] = (logprobs[: len(after)], True)
    return found
