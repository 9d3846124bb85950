"""Options of a model on a server, and where its key comes from: the environment, and nowhere else."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import msgspec

from unmirage.errors import SettingsError

OPENAI = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"
_EXAMPLE = 'Such as base_url = "http://localhost:8000/v1".'

_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
_Price = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
_SECRET = re.compile(r"key|token|secret|passw|auth|bearer|header", re.IGNORECASE)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a model on a server.

    Attributes
    ----------
    base_url: with the "/v1" at its end that servers have.
    key_env: the environment variable that holds the key. None: OPENAI_API_KEY for OpenAI, no key for others.
    tokenizer: the model's, a path or a hub id: contexts and continuations are then cut where it cuts them.
    concurrency: requests at once.
    requests_per_minute, tokens_per_minute: limits of the account.
    timeout: seconds that an answer may take, whole.
    retries: tries after the first.
    price_in, price_out: of a million tokens.
    logprobs: whether to ask for log-probabilities of generated tokens.
    """

    base_url: str = OPENAI
    key_env: str | None = None
    tokenizer: str | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 8
    requests_per_minute: _Positive | None = None
    tokens_per_minute: _Positive | None = None
    timeout: _Positive = 60.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 6
    price_in: _Price | None = None
    price_out: _Price | None = None
    logprobs: bool = True


class Served(Protocol):
    """A model on a server: the entry of a family file."""

    @property
    def name(self) -> str:
        """Of the entry."""

    @property
    def model(self) -> str:
        """The server's name for it."""

    @property
    def options(self) -> Mapping[str, Any]:
        """As in :class:`Options`."""


def read_options(model: Served) -> Options:
    """A model's options. Raises SettingsError for a wrong one, and for a key among them, which it hides."""
    where = f"{model.name}, options"
    unknown = [name for name in model.options if name not in Options.__struct_fields__]
    if any(_SECRET.search(name) for name in unknown):
        raise SettingsError(
            "a key has no place in a family file",
            where=where,
            hint='Put it into an environment variable and name that: key_env = "MY_KEY".',
        )
    try:
        options = msgspec.convert(dict(model.options), Options)
    except msgspec.ValidationError as problem:
        raise SettingsError(
            str(problem), where=where, hint=f"Options: {', '.join(Options.__struct_fields__)}."
        ) from None
    # Names of variables are in capitals, and keys are not: a key given in the place of the name is not shown.
    if options.key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", options.key_env):
        raise SettingsError(
            "key_env is the name of an environment variable, in capitals, never the key itself",
            where=where,
            hint='Run: export MY_KEY=... and write key_env = "MY_KEY".',
        )
    return msgspec.structs.replace(options, base_url=_address(options.base_url, where))


def _address(url: str, where: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError("base_url is no address", where=where, hint=_EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SettingsError("base_url must start with http:// or https://", where=where, hint=_EXAMPLE)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            "base_url must hold no user name, password or parameters",
            where=where,
            hint="Keys come from the environment variable that key_env names.",
        )
    return url.rstrip("/")


def key_variable(options: Options) -> str | None:
    """The environment variable that holds the key, or None for a server that is asked without one."""
    return options.key_env or (OPENAI_KEY if _is_openai(options) else None)


def read_key(options: Options, name: str) -> str | None:
    """The key, or None for a server that is asked without one. Raises SettingsError where it is not there."""
    variable = key_variable(options)
    key = os.environ.get(variable, "").strip() if variable else ""
    if not key and (variable is None or (variable == OPENAI_KEY and not _is_openai(options))):
        return None
    if not key or not key.isascii() or not key.isprintable():
        raise SettingsError(
            f"the environment variable {variable} holds no key",
            where=name,
            hint=f"Run: export {variable}=... in the shell that asks.",
        )
    return key


def _is_openai(options: Options) -> bool:
    host = urlsplit(options.base_url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")
