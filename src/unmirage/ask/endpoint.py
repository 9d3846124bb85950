"""One OpenAI-compatible server: a request to it gives a checked reply or an error.

The `openai` client sends the requests, with its own retries off. Keys come from the environment, and go
nowhere but into the header of a request: no message, file or repr holds one.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from unmirage.ask.limits import Job, Limits, Sender, TryAgain
from unmirage.ask.options import Served, key_variable, read_key, read_options
from unmirage.ask.usage import Usage
from unmirage.errors import MissingExtraError, UnmirageError

if TYPE_CHECKING:
    import openai

T = TypeVar("T")

NO_KEY = "none"  # the client must send something to servers that need no key
LINE = 240  # characters of a server's own message that are shown

# A request that is answered so may be answered otherwise later.
PASSING = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529))


class Counts(msgspec.Struct, frozen=True):
    """Tokens of a request, as the server counts them."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Reply(msgspec.Struct, frozen=True):
    """What every reply has."""

    usage: Counts | None = None


R = TypeVar("R", bound=Reply)


class Refused(UnmirageError):
    """The server refuses what is asked of it. `status` is that of HTTP."""

    def __init__(
        self, what: str, *, where: str | None = None, hint: str | None = None, status: int = 0
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status


class Endpoint:
    """A model's server.

    Attributes
    ----------
    where: the model and the address, for messages.
    options: see :class:`unmirage.ask.options.Options`.
    usage: what was asked so far.

    Raises
    ------
    SettingsError
        An option is wrong, a key or a password stands in one, or the variable that should hold the key is
        empty.
    MissingExtraError
        The `openai` package is not there.
    """

    def __init__(self, model: Served) -> None:
        self.options = read_options(model)
        self.where = f"{model.name} ({self.options.base_url})"
        self.usage = Usage()
        self._key = read_key(self.options, model.name)
        self._client: openai.AsyncOpenAI | None = None
        limits = Limits(
            self.options.concurrency,
            self.options.requests_per_minute,
            self.options.tokens_per_minute,
            self.options.retries,
        )
        self.sender = Sender(limits, self._retried)
        try:
            import openai  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtraError(
                "asking a server needs openai",
                where=model.name,
                hint="Install it with: pip install 'unmirage[api]'",
            ) from None

    def job(self, body: dict[str, Any], kind: type[R], tokens: float, *, probing: bool = False) -> Job[R]:
        """A request as a job.

        Parameters
        ----------
        body: of "/completions" or, where it has messages, of "/chat/completions".
        kind: what the reply must look like.
        tokens: about how many it takes, prompt and output.
        probing: the third answer of 500 means that the server cannot do this, for some say so.
        """
        faults = 0

        async def ask() -> R:
            nonlocal faults
            try:
                content = await self._send(body)
            except TryAgain as failed:
                faults += isinstance(failed.problem, Refused) and failed.problem.status == 500
                if probing and faults > 2:
                    raise failed.problem from None
                raise
            reply = self._read(content, kind)
            counts = reply.usage or Counts()
            self.usage.add(counts.prompt_tokens, counts.completion_tokens)
            if counts.prompt_tokens is not None:
                self.sender.tokens.correct(counts.prompt_tokens + (counts.completion_tokens or 0) - tokens)
            return reply

        return Job(ask, tokens)

    def close(self) -> None:
        """Let go of the connections and the thread."""
        client, self._client = self._client, None
        if client is not None:
            self.sender.run(client.close())
        self.sender.close()

    def _retried(self) -> None:
        self.usage.retries += 1

    async def _send(self, body: dict[str, Any]) -> bytes:
        import openai

        if self._client is None:
            self._client = openai.AsyncOpenAI(
                base_url=self.options.base_url,
                api_key=self._key or NO_KEY,
                max_retries=0,
                timeout=self.options.timeout,
            )
        resource = self._client.chat.completions if "messages" in body else self._client.completions
        create: Any = resource.with_raw_response.create
        try:
            # The client's own limit is for each piece of an answer, this one for the whole.
            async with asyncio.timeout(self.options.timeout):
                reply = await create(**body)
        except (TimeoutError, openai.APITimeoutError):
            raise TryAgain(
                UnmirageError(
                    f"gave no answer within {self.options.timeout:g} seconds",
                    where=self.where,
                    hint="Raise timeout, or lower concurrency, in the family file.",
                )
            ) from None
        except openai.APIStatusError as problem:
            raise self._refusal(problem) from None
        except openai.APIConnectionError as problem:
            raise TryAgain(
                UnmirageError(
                    f"the connection failed: {self._line(str(problem.__cause__ or problem))}",
                    where=self.where,
                    hint="Does the server run, and is base_url its address?",
                )
            ) from None
        content: bytes = reply.http_response.content
        return content

    def _refusal(self, problem: openai.APIStatusError) -> Exception:
        status, body = problem.status_code, problem.body
        said = body.get("message") if isinstance(body, dict) else None
        code = str(body.get("code") or body.get("type") or "") if isinstance(body, dict) else ""
        line = self._line(said if isinstance(said, str) else problem.response.text)
        error = Refused(
            f"the server answers {status}" + (f": {line}" if line else ""),
            where=self.where,
            hint=self._advice(status, code),
            status=status,
        )
        if status not in PASSING or "insufficient_quota" in code:
            return error
        return TryAgain(error, retry_after(problem.response.headers))

    def _advice(self, status: int, code: str) -> str:
        if "insufficient_quota" in code:
            return "The account has no credit left; the same command continues once it has."
        if status in (401, 403):
            named = key_variable(self.options)
            if named is None:
                return 'No key is sent: name the environment variable that holds one, key_env = "MY_KEY".'
            return f"The key in the environment variable {named} is not taken."
        if status == 404:
            return (
                "Is the model called so on this server, and does base_url end in /v1? "
                f"{self.options.base_url}/models lists its models."
            )
        if status == 429:
            return "Lower requests_per_minute, tokens_per_minute or concurrency; the same command continues."
        if status in PASSING:
            return "See the server's log; the same command continues where this one ended."
        return "The server takes no request of this form; its message says which part."

    def _line(self, text: str) -> str:
        """What a server says, as one short printable line without the key."""
        if self._key:
            text = text.replace(self._key, "***")
        text = "".join(c if c.isprintable() else " " for c in text[: 20 * LINE])
        text = " ".join(text.split())
        return text if len(text) <= LINE else text[: LINE - 1] + "…"

    def _read(self, content: bytes, kind: type[R]) -> R:
        try:
            return msgspec.convert(json.loads(content), kind)
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise TryAgain(
                UnmirageError(
                    f"the reply is not JSON: {self._line(content[: 4 * LINE].decode(errors='replace'))}",
                    where=self.where,
                    hint="Is base_url the address of an OpenAI-compatible server, with /v1 at its end?",
                )
            ) from None
        except msgspec.ValidationError as problem:
            raise UnmirageError(
                f"the reply is not one of an OpenAI-compatible server: {problem}", where=self.where
            ) from None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: Retry-After in seconds or as a date, or retry-after-ms. Or None."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if seconds >= 0:  # false for NaN
            return seconds
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(when.timestamp() - time.time(), 0.0)
