"""The family file: which models there are, how big they are, and what runs them.

TOML; models share what stands in `[defaults]`, and paths are relative to the file:

    family = "mine"

    [defaults]
    backend = "transformers"        # or "completions", "chat": servers; "mock": a pretended model
    batch = 64

    [[models]]
    name = "mine-70m"
    model = "checkpoints/70m"       # a folder or a hub id; of a server, its name for the model
    n_params = 70_426_624           # may be left out where the name is known
    n_tokens = 299_892_736_000      # optional, as are flops, loss and [models.axes]

Keys of servers never stand in it: `key_env` names the environment variable that holds one.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import msgspec

from unmirage.ask.options import Options, read_options
from unmirage.ask.requests import Backend
from unmirage.errors import ScaleError, SourceError
from unmirage.families import load as load_families

BACKENDS = ("transformers", "completions", "chat", "mock")
Kind = Literal["transformers", "completions", "chat", "mock"]


class _Local(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    device: str = "cpu"
    dtype: str = "float32"
    batch: int = 64
    trust_remote_code: bool = False


class _Mock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    skill: float = 0.5
    delay: float = 0.0
    batch: int = 64


OPTIONS: dict[str, type[msgspec.Struct]] = {
    "transformers": _Local,
    "completions": Options,
    "chat": Options,
    "mock": _Mock,
}
# Options that decide no answer: how fast, how often again, what it costs.
FREE = frozenset(
    {
        *("concurrency", "requests_per_minute", "tokens_per_minute", "timeout", "retries"),
        *("price_in", "price_out", "key_env", "delay"),
    }
)
_NAMED = ("name", "model", "revision", "backend", "n_params", "n_tokens", "flops", "loss", "axes")
_SECRET = ("api_key", "key", "token", "secret", "password", "authorization")


@dataclass(frozen=True)
class Model:
    """One model of the family.

    Attributes
    ----------
    family, name: as in the responses.
    backend: one of `BACKENDS`. model: a path, a hub id, or the server's name for it. revision: or None.
    n_params, n_tokens, flops, loss: its scale, None where it is not known.
    axes: other numbers that can be named as an axis.
    options: of the backend, all of them.
    """

    family: str
    name: str
    backend: Kind
    model: str
    revision: str | None = None
    n_params: float | None = None
    n_tokens: float | None = None
    flops: float | None = None
    loss: float | None = None
    axes: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deciding(self) -> dict[str, Any]:
        """All that decides its answers."""
        kept = {name: value for name, value in self.options.items() if name not in FREE}
        return {"backend": self.backend, "model": self.model, "revision": self.revision, "options": kept}


def read_family(path: str | Path) -> tuple[Model, ...]:
    """The models of a family file, in its order.

    Raises
    ------
    SourceError
        The file is not there, is not TOML, or an entry is wrong; the message names it.
    ScaleError
        The size of a model is neither given nor known.
    """
    path = Path(path)
    table = _load(path)
    family, defaults, entries = table.get("family"), table.get("defaults", {}), table.get("models", [])
    if not isinstance(family, str) or not family:
        raise SourceError('needs a line family = "NAME" at its top', where=str(path))
    unknown = set(table) - {"family", "defaults", "models"}
    if unknown:
        raise SourceError(f"has unknown sections: {', '.join(sorted(unknown))}", where=str(path))
    if not isinstance(entries, list) or not entries or not all(isinstance(one, dict) for one in entries):
        raise SourceError(
            "names no model", where=str(path), hint='Write [[models]] and under it name = "..."'
        )
    if not isinstance(defaults, dict):
        raise SourceError("[defaults] must be a table", where=str(path))
    models = tuple(_model(family, {**defaults, **entry}, path, k) for k, entry in enumerate(entries, start=1))
    names = [model.name for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"two models are called {twice}", where=str(path), hint="Names must differ.")
    return models


def open_backend(model: Model) -> Backend:
    """What runs the model; heavy libraries are imported here. Raises UnmirageError where it cannot run."""
    if model.backend == "transformers":
        from unmirage.ask.local import Local

        return Local(model)
    if model.backend == "mock":
        from unmirage.ask.mock import Mock

        return Mock(model)
    from unmirage.ask.server import Chat, Completions

    return Chat(model) if model.backend == "chat" else Completions(model)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SourceError(f"is not TOML: {problem}", where=str(path)) from None


def _model(family: str, entry: dict[str, Any], path: Path, number: int) -> Model:
    where = f"{path}, model {entry.get('name') or number}"
    secret = next((name for name in entry if name.lower() in _SECRET), None)
    if secret is not None:
        raise SourceError(
            f"{secret} must not stand in a file",
            where=where,
            hint='Put the key into an environment variable and name it: key_env = "MY_KEY"',
        )
    backend = entry.get("backend", "transformers")
    if backend not in BACKENDS:
        raise SourceError(
            f"there is no backend {backend!r}", where=where, hint=f"There are: {', '.join(BACKENDS)}."
        )
    name, target = entry.get("name"), entry.get("model", entry.get("name"))
    if not isinstance(name, str) or not name or not isinstance(target, str) or not target:
        raise SourceError("needs a name, and a model where that is another one", where=where)
    if backend == "transformers" and (path.parent / target).exists():
        target = str(path.parent / target)
    revision = entry.get("revision")
    if revision is not None and not isinstance(revision, str):
        raise SourceError(f"revision must be text, not {revision!r}", where=where)
    rest = {key: value for key, value in entry.items() if key not in _NAMED}
    size, tokens = _number(entry, "n_params", where), _number(entry, "n_tokens", where)
    known = load_families([]).find(target, revision) or load_families([]).find(name, revision)
    size = size or (known.n_params if known else None)
    tokens = tokens or (known.n_tokens if known else None)
    if size is None:
        raise ScaleError(
            f"the size of {name} is not known", where=where, hint="Write n_params = ... into its entry."
        )
    flops = _number(entry, "flops", where) or (6 * size * tokens if tokens else None)
    axes = entry.get("axes", {})
    if not isinstance(axes, dict):
        raise SourceError("axes must be a table of numbers", where=where)
    model = Model(
        family,
        name,
        backend,
        target,
        revision,
        size,
        tokens,
        flops,
        _number(entry, "loss", where),
        {key: value for key in axes if (value := _number(axes, key, where)) is not None},
        _options(backend, rest, where),
    )
    if backend in ("completions", "chat"):
        read_options(model)  # its rules for addresses and keys
    return model


def _options(backend: str, given: dict[str, Any], where: str) -> dict[str, Any]:
    schema = OPTIONS[backend]
    unknown = next((name for name in given if name not in schema.__struct_fields__), None)
    if unknown is not None:
        close = get_close_matches(unknown, [*schema.__struct_fields__, *_NAMED], 1)
        raise SourceError(
            f"{backend} has no option {unknown!r}",
            where=where,
            hint=f"Did you mean {close[0]}?" if close else f"It has: {', '.join(schema.__struct_fields__)}.",
        )
    try:
        found = msgspec.convert(given, schema)
    except msgspec.ValidationError as problem:
        raise SourceError(str(problem), where=where) from None
    options = {name: getattr(found, name) for name in schema.__struct_fields__}
    if not options.get("batch", 1) >= 1:
        raise SourceError(f"batch must be 1 at least, not {options['batch']!r}", where=where)
    if not 0 <= options.get("skill", 0) <= 1:
        raise SourceError("skill must lie between 0 and 1", where=where)
    return options


def _number(entry: Mapping[str, Any], name: str, where: str) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise SourceError(f"{name} must be a number above 0, not {value!r}", where=where)
    return float(value)
