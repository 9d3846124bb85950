"""The embedded family: transformers of many sizes that were trained on the paper's two arithmetic tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

DEMO = ("multiplication", "addition")  # at temperature 0


def example(name: Literal["sizes", "checkpoints"] = "sizes") -> Path:
    """A table of responses of the embedded family, as `unmirage train arithmetic` made it.

    Parameters
    ----------
    name: "sizes" for the trained models, three of each size, on 2-digit multiplication and 4-digit addition
        at temperature 0 and 1 (tasks NAME_t1); "checkpoints" for some of the models along their training
        (axis n_tokens, flops or loss).
    """
    file = {"sizes": "arithmetic", "checkpoints": "arithmetic_checkpoints"}[name]
    return Path(__file__).parent / f"{file}.parquet"
