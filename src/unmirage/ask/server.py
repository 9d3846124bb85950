"""Models behind OpenAI-compatible servers: /v1/completions with `logprobs` and `echo`, and chat completions.

Checked on vLLM 0.32.0 and on `transformers serve` 5.19.0, which takes both options and ignores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from math import ceil
from typing import Any

from unmirage.ask.boundary import Boundary
from unmirage.ask.endpoint import Endpoint, Refused
from unmirage.ask.limits import Job
from unmirage.ask.options import Served
from unmirage.ask.probing import ECHO, PROBE, REFUSALS, UNSEEDED, Probe, Prompt, Ways, body_of, tokens_of
from unmirage.ask.replies import ChatChoice, Choice, Completion, Conversation, generated, in_order, scored
from unmirage.ask.requests import Abilities, Generate, Generated, Score, Scored
from unmirage.ask.usage import Usage
from unmirage.errors import UnmirageError

PROMPTS = 16  # of one request, where the server takes several


class _Server:
    """What both kinds share."""

    def __init__(self, model: Served) -> None:
        self._model = model.model
        self._endpoint = Endpoint(model)

    @property
    def usage(self) -> Usage:
        """Requests and tokens so far, those of finding out what the server can do included."""
        return self._endpoint.usage

    def close(self) -> None:
        """Let go of the connections and the thread."""
        self._endpoint.close()

    def _without_logprobs(self) -> UnmirageError:
        return UnmirageError(
            "the server gave no log-probabilities this time, which it gave before",
            where=self._endpoint.where,
            hint="Ask without them: logprobs = false in the family file.",
        )


class Completions(_Server):
    """A model on a server with /v1/completions.

    Generated tokens have the log-probabilities that the server gives; those of vLLM are the model's own at
    any temperature, unless it was started with another `--logprobs-mode`. A text is scored by `echo`; where
    its continuation starts is told in :class:`unmirage.ask.boundary.Boundary`. A logarithm of -9999 is how
    vLLM writes minus infinity, and is left so.

    Parameters: model, an entry of a family file with options as in :class:`unmirage.ask.options.Options`.
    No request is sent before `abilities`, `generate` or `score` is asked for.

    Raises
    ------
    SettingsError, MissingExtraError
        As of :class:`unmirage.ask.endpoint.Endpoint` and :class:`unmirage.ask.boundary.Boundary`.
    """

    def __init__(self, model: Served) -> None:
        super().__init__(model)
        self._boundary = Boundary(self._endpoint.options.tokenizer, model.name)

    @property
    def abilities(self) -> Abilities:
        """What the server can do: found out once, with one tiny request where it can do all."""
        return self._ways.abilities

    def generate(self, asked: Sequence[Generate]) -> list[Generated]:
        """One output a request, in their order. Raises UnmirageError where the server fails for good."""
        ways = self._ways
        wish = {"logprobs": 1} if ways.abilities.token_logprobs else {}
        groups = list(self._alike(asked, ways.lists))
        jobs = []
        for group in groups:
            first = asked[group[0]]
            jobs.append(
                self._job([asked[k].prompt for k in group], first.max_tokens, _sampling(first) | wish)
            )
        outputs: dict[int, Generated] = {}
        for group, reply in zip(groups, self._endpoint.sender.all(jobs), strict=True):
            for k, choice in zip(group, in_order(reply, len(group), self._endpoint.where), strict=True):
                outputs[k] = self._output(choice, asked[k], bool(wish))
        return [outputs[k] for k in range(len(asked))]

    def score(self, asked: Sequence[Score]) -> list[Scored]:
        """Log-probabilities of the continuations' tokens, in the order asked.

        Raises
        ------
        UnmirageError
            The server gives none of a given text, its tokens are not those of the text that was sent, or it
            fails for good.
        """
        ways, where = self._ways, self._endpoint.where
        if not ways.abilities.score:
            raise UnmirageError("a given text cannot be scored", where=where, hint=ways.abilities.why_not)
        cuts = [self._boundary.cut(one) for one in asked]
        groups = list(_chunks(range(len(asked)), self._size(len(asked), ways.lists)))
        jobs = [self._job([cuts[k][1] for k in group], ways.extra, ECHO) for group in groups]
        found: list[Scored] = []
        for group, reply in zip(groups, self._endpoint.sender.all(jobs), strict=True):
            for k, choice in zip(group, in_order(reply, len(group), where), strict=True):
                cut, sent = cuts[k]
                if isinstance(sent, list):
                    self._boundary.check(sent, choice.text)
                one = scored(choice, cut, ways.extra, where)
                found.append(replace(one, tokens=tuple(self._boundary.named(one.tokens) or one.tokens)))
        return found

    @cached_property
    def _ways(self) -> Ways:
        return Probe(self._endpoint, self._boundary, self._model).ways()

    def _output(self, choice: Choice, asked: Generate, wish: bool) -> Generated:
        given = choice.logprobs
        if wish and (given is None or given.tokens is None or given.token_logprobs is None):
            raise self._without_logprobs()
        self.usage.filtered += choice.finish_reason == "content_filter"
        tokens = self._boundary.named(given.tokens) if given and given.tokens is not None else None
        numbers = given.token_logprobs if given else None
        return generated(choice.text, choice.finish_reason, tokens, numbers, asked.stop, self._endpoint.where)

    def _job(self, prompts: Sequence[Prompt], max_tokens: int, rest: dict[str, Any]) -> Job[Completion]:
        body = body_of(self._model, prompts, max_tokens) | rest
        return self._endpoint.job(body, Completion, tokens_of(prompts, max_tokens))

    def _size(self, count: int, lists: bool) -> int:
        """Prompts a request: as many as give every worker some, and not more than PROMPTS."""
        return min(PROMPTS, max(1, ceil(count / self._endpoint.options.concurrency))) if lists else 1

    def _alike(self, asked: Sequence[Generate], lists: bool) -> Iterator[list[int]]:
        """Numbers of requests that can go together: all but the prompt is the same."""

        def settings(k: int) -> tuple[Any, ...]:
            one = asked[k]
            return one.stop, one.max_tokens, one.temperature, one.seed if one.temperature > 0 else 0

        size = self._size(len(asked), lists)
        for _, alike in groupby(sorted(range(len(asked)), key=settings), key=settings):
            yield from _chunks(list(alike), size)


class Chat(_Server):
    """A model on a server with /v1/chat/completions: the prompt is one message of the user.

    It generates, and gives log-probabilities of what it generated where the server has them. It scores
    nothing: a chat server gives no log-probability of a given text.

    Parameters and errors: as of :class:`Completions`, but that no tokenizer is used.
    """

    @property
    def abilities(self) -> Abilities:
        """What the server can do: found out once, with one tiny request where it takes all options."""
        return self._ways[0]

    def generate(self, asked: Sequence[Generate]) -> list[Generated]:
        """One output a request, in their order. Raises UnmirageError where the server fails for good."""
        abilities, limit = self._ways
        jobs = [self._job(one, abilities.token_logprobs, limit) for one in asked]
        replies = self._endpoint.sender.all(jobs)
        return [self._output(reply, one, abilities) for one, reply in zip(asked, replies, strict=True)]

    def score(self, asked: Sequence[Score]) -> list[Scored]:
        """Nothing can be scored. Raises UnmirageError, which names the metrics that cannot be computed."""
        raise UnmirageError(
            "a chat server gives no log-probability of a given text",
            where=self._endpoint.where,
            hint=f"These metrics cannot be computed: {', '.join(lost())}. A completions server with echo "
            "can give what they need.",
        )

    @cached_property
    def _ways(self) -> tuple[Abilities, str]:
        """(abilities, the option that limits the output)."""
        asked, refusal = Generate(PROBE.context, max_tokens=16), None
        wanted = self._endpoint.options.logprobs
        for logprobs in (True, False) if wanted else (False,):
            for limit in ("max_tokens", "max_completion_tokens"):  # models that reason refuse the first
                try:
                    (reply,) = self._endpoint.sender.all([self._job(asked, logprobs, limit, probing=True)])
                except Refused as problem:
                    if problem.status not in REFUSALS:
                        raise
                    refusal = problem
                    continue
                named = logprobs and _spoken(self._choice(reply)) is not None
                gone = "" if named or not wanted else "none of generated tokens either"
                why = "a chat server gives no log-probabilities of a given text"
                said = "; ".join(filter(None, (why, gone, UNSEEDED)))
                return Abilities(False, named, False, said), limit
        assert refusal is not None
        raise refusal

    def _job(self, asked: Generate, logprobs: bool, limit: str, probing: bool = False) -> Job[Conversation]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": asked.prompt}],
            limit: asked.max_tokens,
        }
        body |= _sampling(asked) | ({"logprobs": True} if logprobs else {})
        return self._endpoint.job(
            body, Conversation, tokens_of([asked.prompt], asked.max_tokens), probing=probing
        )

    def _choice(self, reply: Conversation) -> ChatChoice:
        if len(reply.choices) != 1:
            raise UnmirageError(
                f"the server gave {len(reply.choices)} outputs for one prompt", where=self._endpoint.where
            )
        return reply.choices[0]

    def _output(self, reply: Conversation, asked: Generate, abilities: Abilities) -> Generated:
        choice = self._choice(reply)
        spoken = _spoken(choice)
        if abilities.token_logprobs and spoken is None:
            raise self._without_logprobs()
        self.usage.filtered += choice.finish_reason == "content_filter"
        tokens, numbers = spoken or (None, None)
        text = choice.message.content or ""
        return generated(text, choice.finish_reason, tokens, numbers, asked.stop, self._endpoint.where)


def lost() -> tuple[str, ...]:
    """The metrics that need log-probabilities of given texts."""
    from unmirage.metrics.registry import REGISTRY

    needed = {"target_logprobs", "choice_logprobs"}
    return tuple(name for name, one in REGISTRY.items() if needed & set(one.card.inputs))


def _sampling(asked: Generate) -> dict[str, Any]:
    """Options of how an output is drawn. A seed has no part in the likeliest output, and some refuse it."""
    options: dict[str, Any] = {"temperature": asked.temperature}
    if asked.temperature > 0:
        options |= {"top_p": 1, "seed": asked.seed}
    if asked.stop:
        options["stop"] = list(asked.stop)
    return options


def _spoken(choice: ChatChoice) -> tuple[list[str], list[float | None]] | None:
    """Tokens and log-probabilities of a chat output, or None where there are none."""
    content = choice.logprobs.content if choice.logprobs else None
    if content is None:
        return None
    return [one.token for one in content], [one.logprob for one in content]


def _chunks(numbers: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(numbers), size):
        yield list(numbers[start : start + size])
