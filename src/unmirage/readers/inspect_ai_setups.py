"""What an inspect_ai log states of how its model was asked: the tool's version, shots, and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmirage.consistency import Setup
from unmirage.readers.base import Stated
from unmirage.readers.inspect_ai_records import Header
from unmirage.readers.inspect_ai_runs import open_log

# What tasks call the argument that says how many examples are in the prompt.
SHOTS = ("fewshot", "few_shot", "num_fewshot", "n_fewshot", "num_shots", "n_shots", "shots")
# Of the generation settings those that change no output.
HARMLESS = frozenset(
    (
        *("max_retries", "timeout", "attempt_timeout", "max_connections", "adaptive_connections", "batch"),
        *("cache_prompt", "logprobs", "top_logprobs", "prompt_logprobs"),
    )
)


def states(path: Path) -> Stated:
    """The version of inspect_ai that a log states, and its task's number of examples in the prompt."""
    header = open_log(path).header
    version, shots = version_of(header), shots_of(header)
    return Stated(
        f"inspect_ai {version}" if version else None, {} if shots is None else {header.eval.task: shots}
    )


def version_of(header: Header) -> str | None:
    """The version of inspect_ai that wrote the log, if it says so."""
    found = _table(header.eval.packages).get("inspect_ai")
    return found if isinstance(found, str) and found else None


def shots_of(header: Header) -> int | None:
    """The number of examples in the prompt, where an argument of the task says it."""
    arguments = header.eval.task_args
    values = [arguments[name] for name in SHOTS if name in arguments]
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return whole[0] if len(values) == 1 and whole else None


def setup_of(header: Header, family: str, model: str, task: str) -> Setup:
    """How a log asked its model a task; `task` is its name in the rows."""
    plan = _table(header.plan)
    steps = [_table(step) for step in plan.get("steps") or [] if isinstance(step, dict)]
    generation = {**_table(header.eval.generation), **_table(plan.get("config"))}
    arguments = header.eval.model_args
    settings = {
        "task version": _text(header.eval.version),
        "chat template": _text(arguments.get("chat_template")),
        "generation settings": _text(
            {key: value for key, value in generation.items() if value is not None and key not in HARMLESS}
        ),
        "solver": _text([[step.get("solver"), step.get("params")] for step in steps]),
        "number format": _text(arguments.get("dtype", arguments.get("torch_dtype"))),
        "inspect_ai version": version_of(header),
    }
    return Setup(family, model, task, settings)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A setting as text; None where the log does not say."""
    if value is None or value == {} or value == []:
        return None
    try:
        return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        return "nested too deeply"
