"""Responses of a family whose truth is known: what verdicts, forecasts and plans are tested on.

The paper's model has one probability for all tokens. Here items and tokens differ in difficulty, models
scatter about the curve of their family, and what one model finds hard the others find hard too, as in real
logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.theory.frames import (
    DIGITS,
    Bools,
    Floats,
    Ints,
    Names,
    choice_frame,
    generation_frame,
    model_names,
)
from unmirage.theory.shapes import MARGIN
from unmirage.theory.truths import Shape, Truth, log_grid
from unmirage.theory.truths import truth as find

SCALES = (7.0, 10.0, 8)  # log10 of the smallest and the largest size by default, and how many there are

# Standard deviations on the log of a token's loss, beside the truth's spread over items.
TOKENS = 0.6
ITEMS_BY_MODEL = 0.15
TOKENS_BY_MODEL = 0.2
# Shares of a variance: of item difficulty that the cluster has, of choice scores that all models have.
CLUSTER_SHARE = 0.5
CHOICE_SHARE = 0.7
FORMAT_FAILURE = 0.98  # of the outputs below the scale where the format fails


def simulate(
    truth: str | Truth,
    *,
    scales: ArrayLike | None = None,
    n_items: int = 500,
    length: int = 4,
    choices: int = 4,
    scatter: float = 0.02,
    tails: Literal["normal", "t3"] = "normal",
    seeds_per_scale: int = 1,
    clusters: int | None = None,
    epochs: int = 1,
    jitter: float = 0.0,
    seed: int = 0,
    family: str = "simulated",
    task: str | None = None,
    parameters: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Responses of a simulated family, in the schema `tables.RESPONSES`, sizes in `n_params`.

    Generation. The loss of token j of item i for model m is, in nats,

        exp(curve(log10 N_m) + e_m + a_i + b_ij + c_mi + d_mij)

    with e_m ~ the scatter and Gaussian a, b, c, d of standard deviations `item_spread` (.5), .6, .15 and .2,
    each with the mean that makes its exponential average 1, so that the mean loss is exp(curve). The greedy
    output has the token right where p/(1-p) > B_ij, with B_ij ~ Beta(2, 2) for the token, the same in all
    models. With several epochs outputs are samples instead, right with probability p. Tokens are digits.

    Choice. Scores are Gaussian with standard deviation `noise`, 70% of the variance the same in all models;
    the right one gets the margin times a log-normal item factor with mean 1, the first one or a trap the
    truth's bias. `choice_logprobs` is their log-softmax; answers are balanced over the choices. Epochs
    redraw what is not shared. The scatter of the log loss counts 1.3 times on the margin.

    Parameters
    ----------
    truth: a name from `truths.recipes()`, laid on the scales, or a Truth.
    scales: (S,) sizes, increasing, above 0; 8 from 10M to 10B where None.
    n_items: items, the same for all models, at least 1.
    length: tokens of a target, at least 1 (generation). choices: at least 2 (choice).
    scatter: standard deviation of models about the curve, on log loss, at least 0.
    tails: "t3" draws the scatter from Student's t with 3 degrees of freedom, at the same standard deviation.
    seeds_per_scale: models a size; they share the curve and have their own scatter.
    clusters: how many groups the items fall into, at most n_items; half of the variance of item difficulty is
        then between them. None for no groups.
    epochs: answers of each model to each item.
    jitter: each inner scale is moved by up to this share of a gap either way, in [0, 0.5).
    seed: the same seed and options give the same table.
    family, task: names; the task is called as the truth where None.
    parameters: of a truth that is named, such as {"size": 0.3, "at": 0.4}.

    Raises
    ------
    SettingsError
        An unknown truth, or an option outside its range.

    Examples
    --------
    >>> from unmirage.theory.simulate import simulate
    >>> simulate("step", n_items=10).select("model", "target", "output").height
    80
    """
    _check(
        n_items >= 1 or ("n_items", n_items, "1 or more"),
        length >= 1 or ("length", length, "1 or more"),
        choices >= 2 or ("choices", choices, "2 or more"),
        (0 <= scatter < np.inf) or ("scatter", scatter, "0 or more"),
        tails in ("normal", "t3") or ("tails", tails, "normal or t3"),
        seeds_per_scale >= 1 or ("seeds_per_scale", seeds_per_scale, "1 or more"),
        (clusters is None or 1 <= clusters <= n_items) or ("clusters", clusters, "1 to n_items"),
        epochs >= 1 or ("epochs", epochs, "1 or more"),
        (0 <= jitter < 0.5) or ("jitter", jitter, "0 or more and below 0.5"),
        seed >= 0 or ("seed", seed, "0 or more"),
    )
    rng = np.random.default_rng(seed)
    grid = np.linspace(*SCALES) if scales is None else log_grid(scales)
    grid = _moved(grid, jitter, rng)
    if isinstance(truth, str):
        truth = find(truth, 10**grid, **dict(parameters or {}))
    elif parameters:
        raise SettingsError("only a truth that is named takes parameters", where="parameters")
    places = np.repeat(grid, seeds_per_scale)
    groups = None if clusters is None else np.sort(np.arange(n_items) % clusters)
    names = Names(
        family,
        task or truth.name,
        model_names(family, 10**grid, seeds_per_scale),
        10**places,
        groups,
        epochs,
    )
    centre = truth.shape.curve(places)
    away = scatter * _standard(rng, places.size, tails)
    difficulty = _difficulty(n_items, groups, rng)
    if truth.kind == "choice":
        answer, logprobs = _choose(truth.shape, centre - MARGIN * away, difficulty, choices, epochs, rng)
        return choice_frame(names, answer, logprobs)
    losses = _losses(truth.shape, centre + away, difficulty, length, rng)
    failing = places < truth.shape.fails_below
    target, output = _generate(losses, failing, epochs, rng)
    return generation_frame(names, target, output, -losses)


def _check(*rules: bool | tuple[str, object, str]) -> None:
    for rule in rules:
        if isinstance(rule, tuple):
            raise SettingsError(f"{rule[1]!r} is not {rule[2]}", where=rule[0])


def _moved(grid: Floats, jitter: float, rng: np.random.Generator) -> Floats:
    """The grid with its inner scales moved by up to `jitter` of the smaller gap beside them; order stays."""
    gaps = np.diff(grid)
    near = np.minimum(gaps[:-1], gaps[1:])
    inner = grid[1:-1] + near * rng.uniform(-jitter, jitter, near.size)
    return np.concatenate([grid[:1], inner, grid[-1:]])


def _standard(rng: np.random.Generator, size: int, tails: str) -> Floats:
    """Draws of standard deviation 1; that of t with 3 degrees of freedom is the square root of 3."""
    drawn = rng.standard_t(3, size) / np.sqrt(3.0) if tails == "t3" else rng.standard_normal(size)
    return np.asarray(drawn, dtype=np.float64)


def _difficulty(n: int, groups: Ints | None, rng: np.random.Generator) -> Floats:
    """(n,) standard normal; items of a group share half of the variance."""
    own = rng.standard_normal(n)
    if groups is None:
        return own
    shared = rng.standard_normal(int(groups.max()) + 1)[groups]
    mixed = np.sqrt(CLUSTER_SHARE) * shared + np.sqrt(1 - CLUSTER_SHARE) * own
    return np.asarray(mixed, dtype=np.float64)


def _losses(shape: Shape, level: Floats, difficulty: Floats, length: int, rng: np.random.Generator) -> Floats:
    """(M, n, L) nats a token about exp(level) (M,)."""
    models, n = level.size, difficulty.size
    of_item = shape.item_spread * difficulty[:, None] + TOKENS * rng.standard_normal((n, length))
    by_model = ITEMS_BY_MODEL * rng.standard_normal((models, n, 1))
    by_model = by_model + TOKENS_BY_MODEL * rng.standard_normal((models, n, length))
    variance = shape.item_spread**2 + TOKENS**2 + ITEMS_BY_MODEL**2 + TOKENS_BY_MODEL**2
    return np.asarray(np.exp(level[:, None, None] - variance / 2 + of_item + by_model), dtype=np.float64)


def _generate(losses: Floats, failing: Bools, epochs: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Targets (n, L) and outputs (M, n, E, L), as digits; 10 is no answer."""
    models, n, length = losses.shape
    wide = (models, n, epochs, length)
    target = rng.integers(0, DIGITS, (n, length))
    if epochs == 1:
        # p/(1-p) > B is the same as loss < log(1 + 1/B).
        right = (losses < np.log1p(1 / rng.beta(2.0, 2.0, (n, length))))[:, :, None, :]
    else:
        right = rng.random(wide) < np.exp(-losses)[:, :, None, :]
    wrong = (target[None, :, None, :] + rng.integers(1, DIGITS, wide)) % DIGITS
    output = np.where(right, target[None, :, None, :], wrong)
    if failing.any():
        broken = failing[:, None, None] & (rng.random((models, n, epochs)) < FORMAT_FAILURE)
        output = np.where(broken[..., None], DIGITS, output)
    return target, output


def _choose(
    shape: Shape, margin: Floats, difficulty: Floats, choices: int, epochs: int, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Answers (n,) and log-probabilities (M, n, E, K) at margins (M,)."""
    n, items = difficulty.size, np.arange(difficulty.size)
    answer = rng.permutation(items % choices)
    shared = np.sqrt(CHOICE_SHARE) * shape.noise * rng.standard_normal((n, 1, choices))
    shared[:, 0, 0] += shape.first_bias
    shared[items, 0, (answer + rng.integers(1, choices, n)) % choices] += shape.trap
    own = rng.standard_normal((margin.size, n, epochs, choices))
    scores = shared + np.sqrt(1 - CHOICE_SHARE) * shape.noise * own
    factor = np.exp(shape.item_spread * difficulty - shape.item_spread**2 / 2)
    scores[:, items, :, answer] += (margin[:, None] * factor).T[:, :, None]
    scores -= scores.max(axis=-1, keepdims=True)
    return answer, scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
