"""From arrays to a table of responses. Nothing is drawn here, and every column comes from whole arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.counts import size_label
from unmirage.tables import RESPONSES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DIGITS = 10


@dataclass(frozen=True)
class Names:
    """What every row says of where it is from; rows run over models, then items, then epochs.

    Attributes
    ----------
    family, task: one name each.
    models: (M,) names, and `n_params` (M,) their sizes.
    clusters: (n,) cluster codes of the items, or None.
    epochs: answers of each model to each item.
    """

    family: str
    task: str
    models: Sequence[str]
    n_params: Floats
    clusters: Ints | None = None
    epochs: int = 1


def model_names(family: str, sizes: Floats, seeds: int) -> list[str]:
    """ "family-10M", a name a size and seed; the place in the grid is added where labels do not differ."""
    labels = [size_label(size) for size in sizes]
    if len(set(labels)) < len(labels):
        labels = [f"{label}-{i}" for i, label in enumerate(labels)]
    marks = [f"-seed{k}" for k in range(seeds)] if seeds > 1 else [""]
    return [f"{family}-{label}{mark}" for label in labels for mark in marks]


def generation_frame(names: Names, target: Ints, output: Ints, logprobs: Floats) -> pl.DataFrame:
    """Responses of kind generation.

    Parameters
    ----------
    target: (n, L) digits 0..9.
    output: (M, n, E, L) digits 0..9, or 10 for a token that is no digit.
    logprobs: (M, n, L) log-probability of each target token, the same in every epoch.
    """
    models, n, epochs, length = output.shape
    wide = (models, n, epochs, length)
    targets = np.broadcast_to(target[None, :, None, :], wide).reshape(-1, length)
    outputs = output.reshape(-1, length)
    return _frame(
        names,
        n,
        "generation",
        target=_texts(targets),
        output=_texts(outputs),
        target_tokens=_token_lists(targets),
        output_tokens=_token_lists(outputs),
        target_logprobs=_lists(np.broadcast_to(logprobs[:, :, None, :], wide).reshape(-1, length)),
    )


def choice_frame(names: Names, answer: Ints, logprobs: Floats) -> pl.DataFrame:
    """Responses of kind choice: answer (n,) in 0..K-1, logprobs (M, n, E, K)."""
    models, n, epochs, choices = logprobs.shape
    answers = np.broadcast_to(answer[None, :, None], (models, n, epochs)).ravel()
    return _frame(
        names,
        n,
        "choice",
        choice_logprobs=_lists(logprobs.reshape(-1, choices)),
        answer=pl.Series(answers.astype(np.int32)),
    )


def _frame(names: Names, n: int, kind: str, **columns: pl.Series) -> pl.DataFrame:
    models, epochs = len(names.models), names.epochs
    rows = models * n * epochs
    item = np.tile(np.repeat(np.arange(n), epochs), models)
    width = len(str(n - 1))
    filled = {
        "family": _constant(names.family, rows, pl.String),
        "model": pl.Series(names.models, dtype=pl.String).gather(np.repeat(np.arange(models), n * epochs)),
        "task": _constant(names.task, rows, pl.String),
        "item_id": pl.Series([f"item-{i:0{width}d}" for i in range(n)]).gather(item),
        "epoch": pl.Series(np.tile(np.arange(epochs, dtype=np.int32), models * n)),
        "n_params": pl.Series(np.repeat(names.n_params, n * epochs)),
        "kind": _constant(kind, rows, RESPONSES["kind"]),
        **columns,
    }
    if names.clusters is not None:
        texts = pl.Series([f"cluster-{c}" for c in range(int(names.clusters.max()) + 1)])
        filled["cluster"] = texts.gather(names.clusters[item])
    return pl.DataFrame(
        [
            filled[name].alias(name) if name in filled else _constant(None, rows, dtype).alias(name)
            for name, dtype in RESPONSES.items()
        ]
    )


def _constant(value: str | None, rows: int, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    return pl.Series([value], dtype=dtype).new_from_index(0, rows)


def _lists(values: Floats) -> pl.Series:
    return pl.Series(np.ascontiguousarray(values)).arr.to_list()


# The eleventh sign stands for a token that is no answer.
_SIGNS = "0123456789?"


def _token_lists(digits: Ints) -> pl.Series:
    flat = pl.Series(list(_SIGNS)).gather(digits.ravel())
    return flat.reshape(digits.shape).arr.to_list()


def _texts(digits: Ints) -> pl.Series:
    """One string a row. numpy's fixed-width strings are read off the code points of the signs."""
    points = np.array([ord(sign) for sign in _SIGNS], dtype=np.uint32)[digits]
    return pl.Series(points.view(f"<U{digits.shape[1]}").ravel().tolist(), dtype=pl.String)
