"""The paper's model by sampled strings: every token right with the same probability, independently.

The Monte-Carlo side of `model`: the responses are scored with the package's own metrics. Families whose items
differ are in `simulate`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.theory.frames import DIGITS, Names, generation_frame, model_names
from unmirage.theory.model import PAPER, PAPER_SIZES, PowerLaw
from unmirage.theory.truths import log_grid


def sample_strings(
    law: PowerLaw = PAPER,
    scales: ArrayLike = PAPER_SIZES,
    *,
    n_items: int = 1000,
    length: int = 5,
    seed: int = 0,
    family: str = "power-law",
) -> pl.DataFrame:
    """Responses of models that put the same probability on the right token everywhere (Sec. 2).

    Outputs are as long as their targets; a wrong token is any other digit. Models are drawn independently.

    Parameters: scales (S,) increasing, above 0; n_items, length >= 1.
    Returns a table in the schema `tables.RESPONSES`, S * n_items rows; the task is named by the length.
    Raises SettingsError on values outside these ranges.
    """
    if n_items < 1 or length < 1:
        raise SettingsError("one item and one token at least are needed", where="n_items, length")
    sizes = 10 ** log_grid(scales)
    rng = np.random.default_rng(seed)
    losses = np.broadcast_to(law.cross_entropy(scales)[:, None, None], (sizes.size, n_items, length))
    target = rng.integers(0, DIGITS, (n_items, length))
    right = rng.random(losses.shape) < np.exp(-losses)
    wrong = (target + rng.integers(1, DIGITS, losses.shape)) % DIGITS
    output = np.where(right, target, wrong)[:, :, None, :]
    names = Names(family, f"length-{length}", model_names(family, sizes, 1), np.asarray(scales, dtype=float))
    return generation_frame(names, target, output, -losses)
