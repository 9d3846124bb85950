"""One call, as every engine makes it: what goes to another process and what comes back are bytes."""

from __future__ import annotations

import pickle
import platform
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from unmirage import __version__

Told = Callable[[Any], None]
_told: Told | None = None


@dataclass(frozen=True)
class Shared:
    """Stands for an argument that several calls have, and that is sent beside them."""

    place: int


def say(message: Any) -> None:
    """From within a call: tell whoever iterates over the results. Nothing where nobody listens."""
    if _told is not None:
        _told(message)


def made(function: Callable[..., Any], arguments: Sequence[Any], told: Told | None) -> Any:
    """The call's result; what it says goes to `told`."""
    global _told
    before, _told = _told, told
    try:
        return function(*arguments)
    finally:
        _told = before


def packed(
    function: Callable[..., Any], arguments: Sequence[Any], dumps: Callable[[Any], bytes] = pickle.dumps
) -> bytes:
    """A call, to be sent."""
    return dumps((function, tuple(arguments)))


def outcome(call: bytes, told: Told | None, shared: Sequence[bytes] = ()) -> bytes:
    """Make a call that was packed: ("result", value) or ("error", what it raised), pickled.

    Parameters
    ----------
    call: of :func:`packed`. told: takes what the call says.
    shared: the arguments that :class:`Shared` stands for, each pickled.
    """
    try:
        function, arguments = pickle.loads(call)
        arguments = [pickle.loads(shared[one.place]) if isinstance(one, Shared) else one for one in arguments]
        return pickle.dumps(("result", made(function, arguments, told)))
    except Exception as problem:
        problem.add_note(f"In the process that made the call:\n{traceback.format_exc()}")
        with suppress(Exception):
            pickle.loads(answer := pickle.dumps(("error", problem)))
            return answer
        return pickle.dumps(("error", RuntimeError(f"a call failed:\n{traceback.format_exc()}")))


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """What must be the same wherever calls are made, for the same numbers: package -> version."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"unmirage": __version__, "Python": python} | {n: version(n) for n in ("numpy", "polars", "scipy")}
