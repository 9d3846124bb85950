"""Families of the paper's model with targets of several lengths, as responses."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from unmirage.theory.model import PAPER


def paper_family(
    sizes,
    *,
    items: dict[int, int],
    harder: float = 0.0,
    seeds: int = 1,
    spread: float = 0.3,
    seed: int = 0,
    task: str = "digits",
    family: str = "paper",
) -> pl.DataFrame:
    """Digits as targets; tokens are right independently, with p = exp(-difficulty (N/c)^alpha).

    Parameters: items length -> number; harder adds that share of the loss at each further position; spread is
    the standard deviation of the log difficulty of a token.
    """
    rng = np.random.default_rng(seed)
    lengths = np.repeat(list(items), list(items.values()))
    n, most = lengths.size, max(items)
    target = rng.integers(0, 10, (n, most))
    difficulty = np.exp(spread * rng.normal(size=(n, most)) - spread**2 / 2) * (1 + harder * np.arange(most))
    frames = []
    for size in sizes:
        for k in range(seeds):
            luck = np.exp(0.02 * rng.normal() + 0.1 * rng.normal(size=(n, most)))
            logp = -PAPER.cross_entropy(size) * difficulty * luck
            wrong = (target + rng.integers(1, 10, (n, most))) % 10
            output = np.where(rng.random((n, most)) < np.exp(logp), target, wrong)
            told = [
                ["".join(map(str, row[:size])) for row, size in zip(t, lengths, strict=True)]
                for t in (target, output)
            ]
            frames.append(
                pl.DataFrame(
                    {
                        "family": family,
                        "model": f"m{size:.3g}-{k}",
                        "task": task,
                        "item_id": [f"i{i}" for i in range(n)],
                        "n_params": float(size),
                        "target": told[0],
                        "output": told[1],
                        "target_tokens": [list(text) for text in told[0]],
                        "output_tokens": [list(text) for text in told[1]],
                        "target_logprobs": [
                            row[:size].tolist() for row, size in zip(logp, lengths, strict=True)
                        ],
                    }
                )
            )
    return pl.concat(frames)


@pytest.fixture(scope="session")
def paper() -> Callable[..., pl.DataFrame]:
    return paper_family
