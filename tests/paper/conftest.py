"""A family on the paper's tasks, made from its model: what the trained one looks like."""

import numpy as np
import polars as pl
import pytest

from unmirage import tables
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
    # All seeds are asked the same: the targets are those of the first, with the same digits right.
    first = np.random.default_rng(key - 10 * seed).integers(0, 10, (drawn["item_id"].n_unique(), length))
    first = np.tile(first, (drawn.height // len(first), 1))
    target, output = (np.array([list(map(int, text)) for text in drawn[c]]) for c in ("target", "output"))
    return drawn.with_columns(
        target=pl.Series(_texts(first)),
        output=pl.Series(_texts((output - target + first) % 10)),
        family=pl.lit("arithmetic"),
        task=pl.lit(task + ("_t1" if temperature else "")),
        item_id=pl.lit(f"{length}-") + pl.col("item_id"),
        model=pl.col("model").str.replace("power-law", "arithmetic") + f"-seed{seed}",
        target_logprobs=pl.Series(losses).arr.to_list(),
        target_tokens=pl.lit(None, dtype=pl.List(pl.String)),
        output_tokens=pl.lit(None, dtype=pl.List(pl.String)),
    )


def _texts(digits):
    return ["".join(map(str, row)) for row in digits]


@pytest.fixture(scope="session")
def family():
    """The responses of a small family."""
    return arithmetic_family()


def choice_family(ks=(1, 2, 3, 6, 16, 64), n_items=400, seeds=2, rng=0):
    """Classifiers of ten classes with the sizes of the LeNets, whose accuracy goes smoothly from .2 to .96.

    Each image has a difficulty that all models share, and logits of its own in every model.
    """
    rng = np.random.default_rng(rng)
    answer = rng.integers(0, 10, n_items)
    hard = rng.normal(size=n_items)
    rows = []
    for k in ks:
        for seed in range(seeds):
            skill = 1.4 * np.log(k + 0.35) + 0.6 + rng.normal(scale=0.05)
            logits = rng.normal(size=(n_items, 10))
            logits[np.arange(n_items), answer] += skill - 0.7 * hard
            logits -= logits.max(axis=1, keepdims=True)
            logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            rows.append(
                pl.DataFrame(
                    {
                        "family": "lenet",
                        "model": f"lenet-k{k}-seed{seed}",
                        "task": "mnist",
                        "item_id": [str(i) for i in range(n_items)],
                        "n_params": 6283.0 * k + 264,
                        "kind": "choice",
                        "choice_logprobs": logprobs.round(2).tolist(),
                        "answer": answer,
                    }
                )
            )
    return _checked(rows)


def error_family(widths=(1, 4, 16, 64, 256, 512, 1024), n_items=200, seeds=2, rng=0, pca=False):
    """Autoencoders with the widths of the paper's whose error is about its; images differ in difficulty."""
    from unmirage.paper import published

    rng = np.random.default_rng(rng)
    paper = published.autoencoder().filter(pl.col("quantity") == "test_error")
    hard = rng.lognormal(-0.3, 0.75, n_items)
    rows = []
    for width in widths:
        size = 6145.0 * width + 3072
        mean = float(np.interp(np.log(size), paper["n_params"].log(), paper["value"].log()))
        for seed in range(1 if pca else seeds):
            value = np.exp(mean + rng.normal(scale=0.02)) * hard * rng.lognormal(0, 0.05, n_items)
            name = "pca" if pca else "autoencoder"
            rows.append(
                pl.DataFrame(
                    {
                        "family": name,
                        "model": f"pca-h{width}" if pca else f"autoencoder-h{width}-seed{seed}",
                        "task": "cifar",
                        "item_id": [str(i) for i in range(n_items)],
                        "n_params": size,
                        "kind": "score",
                        "recorded": [[{"metric": "reconstruction_error", "value": float(v)}] for v in value],
                    }
                )
            )
    return _checked(rows)


def sequence_family(
    sizes=(8e3, 1.2e4, 2e4, 7e4, 7e5), n_items=300, seeds=2, lengths=(1, 3), shared=0.8, rng=0
):
    """Transformers on sequences of characters; in bursty ones a part of the difficulty is shared."""
    rng = np.random.default_rng(rng)
    rows = []
    for sequences in ("independent", "bursty"):
        for length in lengths:
            labels = rng.integers(0, 242, (n_items, length))
            common = shared if sequences == "bursty" else 0.0
            hard = np.sqrt(common) * rng.normal(size=(n_items, 1)) + np.sqrt(1 - common) * rng.normal(
                size=(n_items, length)
            )
            for size in sizes:
                for seed in range(seeds):
                    logit = 1.1 * np.log(size / 3e4) + rng.normal(scale=0.05) - 1.2 * hard
                    logprob = -np.log1p(np.exp(-logit))
                    right = rng.random((n_items, length)) < np.exp(logprob)
                    out = np.where(right, labels, (labels + 1) % 242)
                    rows.append(
                        pl.DataFrame(
                            {
                                "family": "omniglot",
                                "model": f"omniglot-n{size:.0f}-seed{seed}",
                                "task": f"{sequences}_{length}",
                                "item_id": [str(i) for i in range(n_items)],
                                "n_params": size,
                                "kind": "generation",
                                "target": [" ".join(map(str, row)) for row in labels],
                                "output": [" ".join(map(str, row)) for row in out],
                                "target_tokens": [list(map(str, row)) for row in labels],
                                "output_tokens": [list(map(str, row)) for row in out],
                                "target_logprobs": logprob.round(2).tolist(),
                                "greedy": right.all(axis=1),
                            }
                        )
                    )
    return _checked(rows)


def _checked(rows):
    return tables.check_responses(pl.concat(rows), where="test")[0]


@pytest.fixture(scope="session")
def lenet():
    """The responses of a small family of classifiers."""
    return choice_family()


@pytest.fixture(scope="session")
def autoencoder():
    """The responses of a small family of autoencoders, and of a linear reference."""
    return pl.concat([error_family(), error_family(pca=True)])


@pytest.fixture(scope="session")
def omniglot():
    """The responses of a small family of transformers on sequences of images."""
    return sequence_family()


@pytest.fixture(scope="session")
def with_little_data():
    """chart -> the definition with two panels and one row a layer: checking all takes a minute."""

    def little(chart):
        panels = [
            {
                **panel,
                "layer": [{**one, "data": {"values": one["data"]["values"][:1]}} for one in panel["layer"]],
            }
            for panel in (chart["concat"][0], chart["concat"][-1])
        ]
        return {**chart, "concat": panels}

    return little
