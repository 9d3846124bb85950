"""The embedded families: transformers trained on the paper's arithmetic tasks, and its vision networks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

DEMO = ("multiplication", "addition")  # at temperature 0

_FILES = {
    "sizes": "arithmetic",
    "checkpoints": "arithmetic_checkpoints",
    "lenet": "lenet",
    "autoencoder": "autoencoder",
    "autoencoder_pca": "autoencoder_pca",
    "omniglot": "omniglot",
}
Name = Literal["sizes", "checkpoints", "lenet", "autoencoder", "autoencoder_pca", "omniglot"]


def example(name: Name = "sizes") -> Path:
    """A table of responses of an embedded family, as `unmirage train` made it.

    Parameters
    ----------
    name: of the arithmetic transformers "sizes", the trained models, three of each size, on 2-digit
        multiplication and 4-digit addition at temperature 0 and 1 (tasks NAME_t1), or "checkpoints", some
        of the models along their training (axis n_tokens, flops or loss). Of the vision networks, three of
        each size: "lenet" (kind choice: digits), "autoencoder" (kind score: reconstruction_error of images;
        "autoencoder_pca" is its linear reference, which is not trained), "omniglot" (kind generation: the
        labels of sequences of characters).
    """
    return Path(__file__).parent / f"{_FILES[name]}.parquet"


def vision(name: str) -> list[Path]:
    """The tables of an embedded vision family: "lenet", "omniglot", or "autoencoder" with its reference."""
    reference = [example("autoencoder_pca")] if name == "autoencoder" else []
    return [Path(__file__).parent / f"{_FILES[name]}.parquet", *reference]
