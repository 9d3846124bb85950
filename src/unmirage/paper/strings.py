"""Sampled token sequences and their references, as figures 9 and 10 need them.

Every token is right with the probability p of the model of section 2, independently. The paper does not say
where references come from or what a wrong token is, so there are several variants.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.theory.model import PAPER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SIZES = tuple(float(x) for x in np.geomspace(1e8, 3e11, 10))  # of figures 9 and 10
REFERENCES = (1, 4, 7)
DRAWS = 500  # strings a point, as in the paper
FEWEST = 3.0  # expected strings that match, and that do not, for a point to count in the chi-square


@dataclass(frozen=True)
class Variant:
    """How references and wrong tokens are drawn.

    Attributes
    ----------
    name: of files and tables.
    words: what the chart calls it, a line each.
    vocabulary: number of tokens that targets and wrong tokens are drawn from, evenly.
    attempts: each reference has an output of its own; else one output aims at the first reference.
    shared: without attempts, the share of the first reference's tokens that each other reference has as well.
    """

    name: str
    words: tuple[str, ...]
    vocabulary: int
    attempts: bool
    shared: float = 0.0


# 2^15 tokens stand for a language model's vocabulary: a wrong token hardly ever hits by chance. Of ten, as
# digits are, one in ten does.
WIDE, DIGITS = 2**15, 10
VARIANTS = (
    Variant("attempts", ("an output for each", "reference, the best counts"), WIDE, True),
    Variant("independent", ("one output, the other", "references unrelated"), WIDE, False),
    Variant(
        "paraphrases", ("one output, the other references", "share half of its target"), WIDE, False, 0.5
    ),
    Variant("attempts-digits", ("an output for each", "reference, of ten tokens"), DIGITS, True),
    Variant("independent-digits", ("one output, unrelated", "references, of ten tokens"), DIGITS, False),
    Variant(
        "paraphrases-digits",
        ("one output, references share half", "of its target, of ten tokens"),
        DIGITS,
        False,
        0.5,
    ),
)


def matches_any(length: int, references: int, sizes: npt.ArrayLike = SIZES) -> Floats:
    """1-(1-p^L)^R: the chance that one of R independent outputs is right in all of L tokens."""
    p = PAPER.token_probability(sizes)
    return np.asarray(-np.expm1(references * np.log1p(-(p**length))), dtype=np.float64)


def sample_matches(length: int, references: int, rng: np.random.Generator, draws: int = DRAWS) -> Floats:
    """(S,) the same by sampling: the share of `draws` strings of which one of R outputs is right
    throughout."""
    p = PAPER.token_probability(SIZES)[:, None, None, None]
    right = rng.random((len(SIZES), draws, references, length)) < p
    return np.asarray(right.all(axis=-1).any(axis=-1).mean(axis=-1), dtype=np.float64)


def sample(variant: Variant, length: int, rng: np.random.Generator, draws: int = DRAWS) -> tuple[Ints, Ints]:
    """Outputs and references, the most of `REFERENCES` (R) of them.

    Returns outputs (S, draws, R, L), or without attempts (S, draws, 1, L), and references (S, draws, R, L).
    """
    many = max(REFERENCES)
    shape = (len(SIZES), draws, many, length)
    references = rng.integers(0, variant.vocabulary, shape)
    if variant.shared:
        first = references[:, :, :1]
        references = np.where(rng.random(shape) < variant.shared, first, references)
        references[:, :, :1] = first
    target = references if variant.attempts else references[:, :, :1]
    right = rng.random(target.shape) < PAPER.token_probability(SIZES)[:, None, None, None]
    wrong = (target + rng.integers(1, variant.vocabulary, target.shape)) % variant.vocabulary
    return np.where(right, target, wrong), references


@dataclass(frozen=True)
class Agreement:
    """A chi-square of rates.

    Attributes
    ----------
    statistic: the sum over points of the squared differences, in standard errors.
    points: how many count, each a degree of freedom, as nothing was fitted.
    p: chance of a larger statistic where the rates are the same.
    """

    statistic: float
    points: int
    p: float


def agreement(
    rates: npt.ArrayLike, expected: npt.ArrayLike, draws: int = DRAWS, *, sampled: bool = False
) -> Agreement:
    """Whether rates of `draws` strings agree with expected ones, within sampling error.

    With `sampled` the expected ones are rates of as many strings too, and the error is that of a difference.
    Points with fewer than `FEWEST` expected matches or failures are left out: chi-square does not hold there.

    Parameters: rates, expected (n,), in [0, 1].
    """
    from scipy.stats import chi2

    seen, mean = np.asarray(rates, dtype=float), np.asarray(expected, dtype=float)
    middle = (seen + mean) / 2 if sampled else mean
    counted = np.minimum(middle, 1 - middle) * draws >= FEWEST
    variance = middle[counted] * (1 - middle[counted]) * (2 if sampled else 1) / draws
    statistic = float((((seen - mean)[counted]) ** 2 / variance).sum())
    points = int(counted.sum())
    return Agreement(statistic, points, float(chi2.sf(statistic, points)))
