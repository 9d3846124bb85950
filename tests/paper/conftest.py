"""A family on the paper's tasks, made from its model: what the trained one looks like."""

import numpy as np
import polars as pl
import pytest

from unmirage.paper.family import LENGTHS
from unmirage.theory.model import PowerLaw
from unmirage.theory.sampling import sample_strings

SIZES = (2e3, 6e3, 2e4, 6e4, 2e5, 6e5, 2e6)


def arithmetic_family(sizes=SIZES, n_items=60, seeds=2, tasks=("multiplication", "addition"), hot=True):
    """Responses to the tasks at both temperatures; `n_items` of each length of the answer."""
    parts = []
    for place, task in enumerate(tasks):
        for temperature in (0, 1) if hot else (0,):
            law = PowerLaw(c=4e4 * (1 + temperature / 4), alpha=-0.6)
            for seed in range(seeds):
                for length in range(1, LENGTHS[task] + 1):
                    key = 1000 * place + 100 * temperature + 10 * seed + length
                    drawn = sample_strings(law, sizes, n_items=n_items, length=length, seed=key)
                    parts.append(_named(drawn, task, temperature, seed, length, key))
    return pl.concat(parts)


def _named(drawn, task, temperature, seed, length, key):
    # Tokens differ in difficulty, and a model that ends its answer with a newline logs one more.
    factors = np.random.default_rng(key).lognormal(0, 0.4, (drawn.height, length + 1))
    losses = np.array(drawn["target_logprobs"].to_list())
    losses = np.hstack([losses, np.full((drawn.height, 1), -0.001)]) * factors
    return drawn.with_columns(
        family=pl.lit("arithmetic"),
        task=pl.lit(task + ("_t1" if temperature else "")),
        item_id=pl.lit(f"{length}-") + pl.col("item_id"),
        model=pl.col("model").str.replace("power-law", "arithmetic") + f"-seed{seed}",
        target_logprobs=pl.Series(losses).arr.to_list(),
        target_tokens=pl.lit(None, dtype=pl.List(pl.String)),
        output_tokens=pl.lit(None, dtype=pl.List(pl.String)),
    )


@pytest.fixture(scope="session")
def family():
    """The responses of a small family."""
    return arithmetic_family()
