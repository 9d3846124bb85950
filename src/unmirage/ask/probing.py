"""What a completions server can do, found out with tiny requests: some take options and ignore them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from unmirage.ask.boundary import Boundary
from unmirage.ask.endpoint import Endpoint, Refused
from unmirage.ask.limits import Job
from unmirage.ask.replies import USE_TOKENIZER, Completion, echoed, in_order
from unmirage.ask.requests import Abilities, Score
from unmirage.errors import UnmirageError

PROBE = Score("1+1=", "2")
CHARACTERS = 4  # a token, for the pace before the server has counted
REFUSALS = frozenset((400, 422, 500, 501))
ECHO: dict[str, Any] = {"echo": True, "logprobs": 1, "temperature": 0}  # log-probabilities of the prompt
UNSEEDED = "the same seed need not give the same sample on a server"


@dataclass(frozen=True)
class Ways:
    """How a server is asked.

    Attributes
    ----------
    abilities: what it can do.
    lists: whether a request may hold several prompts.
    extra: tokens that are generated after a prompt that is scored: 0, or 1 where the server refuses 0.
    """

    abilities: Abilities
    lists: bool
    extra: int = 0


Prompt = str | list[int]


def body_of(model: str, prompts: Sequence[Prompt], max_tokens: int) -> dict[str, Any]:
    """A request for completions of one prompt or several."""
    prompt = prompts[0] if len(prompts) == 1 else list(prompts)
    return {"model": model, "prompt": prompt, "max_tokens": max_tokens}


def tokens_of(prompts: Sequence[Prompt], max_tokens: int) -> int:
    """About how many tokens a request takes at most."""
    read = sum(ceil(len(one) / CHARACTERS) if isinstance(one, str) else len(one) for one in prompts)
    return read + len(prompts) * max_tokens


class Probe:
    """Finds the ways of one server. One request where it can do all; about six where it can do little."""

    def __init__(self, endpoint: Endpoint, boundary: Boundary, model: str) -> None:
        self._endpoint, self._boundary, self._model = endpoint, boundary, model
        self._refusal: Refused | None = None

    def ways(self) -> Ways:
        """Raises UnmirageError where the server answers nothing, or refuses the plainest request."""
        why = "logprobs = false in the family file"
        if self._endpoint.options.logprobs:
            for extra in (0, 1):
                found, why = self._echo(extra)
                if found is not None:
                    return found
        lists, named, lost = self._generation()
        reasons = (f"no log-probabilities of a given text: {why}", lost, UNSEEDED)
        return Ways(Abilities(False, named, False, "; ".join(filter(None, reasons))), lists)

    def _echo(self, extra: int) -> tuple[Ways | None, str]:
        cut, sent = self._boundary.cut(PROBE)
        for count in (2, 1):
            reply = self._send([sent] * count, body_of(self._model, [sent] * count, extra) | ECHO)
            if reply is None or len(reply.choices) != count:
                continue
            choice = in_order(reply, count, self._endpoint.where)[0]
            given = choice.logprobs.tokens if choice.logprobs else None
            whole = cut.size is not None and len(given or ()) in (cut.size, cut.size + extra)
            if PROBE.context not in choice.text and not whole:
                return None, "the server ignores echo" + ("" if given else " and logprobs")
            try:
                echoed(choice, cut, extra, self._endpoint.where)
                if isinstance(sent, list):
                    self._boundary.check(sent, choice.text)
            except UnmirageError as problem:
                return None, problem.what + (f". {problem.hint}" if problem.hint else "")
            return Ways(Abilities(True, True, False, UNSEEDED), count > 1, extra), ""
        if self._refusal is None:
            return None, "the server gives other outputs than prompts"
        hint = ". Leave tokenizer out where a server takes no token numbers" if isinstance(sent, list) else ""
        return None, self._refusal.what + hint

    def _generation(self) -> tuple[bool, bool, str]:
        """(whether lists are taken, whether tokens have log-probabilities, why they have none)."""
        wanted = self._endpoint.options.logprobs
        for wish in [{"logprobs": 1}, {}] if wanted else [{}]:
            for count in (2, 1):
                prompts = [PROBE.context] * count
                reply = self._send(prompts, body_of(self._model, prompts, 1) | wish)
                if reply is None or len(reply.choices) != count:
                    continue
                given = reply.choices[0].logprobs
                if not wanted:
                    return count > 1, False, ""
                if not wish or given is None or given.tokens is None or given.token_logprobs is None:
                    return count > 1, False, "the server gives no log-probabilities of generated tokens"
                if self._boundary.named(given.tokens) is None:
                    return count > 1, False, f"the server names tokens by number. {USE_TOKENIZER}"
                return count > 1, True, ""
        if self._refusal is not None:
            raise self._refusal
        raise UnmirageError("the server gives no output", where=self._endpoint.where)

    def _send(self, prompts: Sequence[Prompt], body: dict[str, Any]) -> Completion | None:
        """The reply, or None where the server refuses the request as it stands."""
        job: Job[Completion] = self._endpoint.job(
            body, Completion, tokens_of(prompts, body["max_tokens"]), probing=True
        )
        try:
            return self._endpoint.sender.all([job])[0]
        except Refused as problem:
            if problem.status not in REFUSALS:
                raise
            self._refusal = problem
            return None
