"""Loading a model of transformers, and finding out early what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from unmirage.ask.family import Model
from unmirage.ask.local_network import Network, is_causal
from unmirage.ask.local_tokens import Tokens
from unmirage.errors import SettingsError, SourceError

DTYPES = ("float32", "float64", "bfloat16", "float16")
_UNLIMITED = 1e20  # a tokenizer without a limit says more


def load(model: Model) -> tuple[Network, Tokens, frozenset[int]]:
    """The network, its tokenizer, and the tokens that end a text. Raises SourceError and SettingsError."""
    device, dtype = _device(model), model.options["dtype"]
    if dtype not in DTYPES:
        raise SettingsError(
            f"there is no dtype {dtype!r}", where=model.name, hint=f"There are: {', '.join(DTYPES)}."
        )
    if _is_path(model.model) and not Path(model.model).is_dir():
        raise SourceError("there is no such folder", where=f"{model.name}: {model.model}")
    given: dict[str, Any] = {"trust_remote_code": bool(model.options["trust_remote_code"])}
    if model.revision is not None:
        given["revision"] = model.revision
    with _quiet():
        network, report = _loaded(
            model,
            AutoModelForCausalLM,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            **given,
        )
        tokenizer = _loaded(model, AutoTokenizer, **given)
    lost = sorted(report["missing_keys"])
    if lost:
        raise SourceError(
            f"weights are missing: {', '.join(lost[:3])}{' and others' if len(lost) > 3 else ''}",
            where=_where(model),
            hint="It is not a whole causal language model; transformers would fill them with random numbers.",
        )
    found = Network(network.to(device).eval(), _context(network, tokenizer))
    if not is_causal(found):
        raise SourceError("is not a causal language model: it reads to the right", where=_where(model))
    return found, Tokens(tokenizer, found.vocabulary, model.name), _ends(network, tokenizer)


def _loaded(model: Model, kind: Any, **given: Any) -> Any:
    try:
        return kind.from_pretrained(model.model, **given)
    except Exception as problem:
        said = str(problem)
        if "Unrecognized configuration class" in said:
            what = f"is not a causal language model: {said.splitlines()[0]}"
        else:
            first = next((line.strip() for line in said.splitlines() if line.strip()), type(problem).__name__)
            what = f"cannot be loaded: {first}"
        raise SourceError(
            what, where=_where(model), hint="Name a folder that transformers wrote, or a hub id."
        ) from None


def _where(model: Model) -> str:
    at = f" at {model.revision}" if model.revision else ""
    return f"{model.name}: {model.model}{at}"


def _is_path(target: str) -> bool:
    return target.startswith((".", "/", "~")) or target.count("/") > 1 or "\\" in target


def _device(model: Model) -> torch.device:
    try:
        device = torch.device(model.options["device"])
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise SettingsError(
            f"there is no device {model.options['device']!r} here: {str(problem).splitlines()[0]}",
            where=model.name,
            hint='device = "cpu" is always there, "cuda" where PyTorch finds a GPU.',
        ) from None
    return device


def _context(network: PreTrainedModel, tokenizer: Any) -> int | None:
    """As lm-evaluation-harness 0.4.13 finds it (`resolve_max_length`), but None where nothing says it."""
    config = getattr(network.config, "text_config", None) or network.config
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        value = getattr(config, name, None)
        if value is not None:
            return int(value)
    value = getattr(tokenizer, "model_max_length", None)
    return int(value) if value is not None and value < _UNLIMITED else None


def _ends(network: PreTrainedModel, tokenizer: Any) -> frozenset[int]:
    settings = getattr(network, "generation_config", None)
    more = getattr(settings, "eos_token_id", None)
    more = [] if more is None else [more] if isinstance(more, int) else list(more)
    own = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return frozenset([*own, *more])


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no advice while a model is loaded; the settings of others come back."""
    logging: Any = transformers_logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
