"""Sharp metrics built from smooth ones: threshold, all_of, any_of. Expressions are read in registry.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl

from unmirage.errors import MetricError
from unmirage.metrics.cards import FloatArray, Metric, column

_PAPER = "Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 5"


def plain(number: float) -> str:
    """A number as canonical names write it: the shortest that reads back equal, without a needless .0."""
    return repr(float(number) + 0.0).removesuffix(".0")


def threshold(inner: Metric, cut: float) -> Metric:
    """1 where an item's score is strictly better than `cut`, else 0: the paper's Reconstruction_c.

    Strictly better is below `cut` for an error and above it for a score where higher is better.

    Raises
    ------
    MetricError
        `inner` is an aggregate or already 0/1, or `cut` is not finite.
    """
    card = inner.card
    if inner.combine is not None:
        raise MetricError(
            f"threshold needs a score an item, and {card.name} is an aggregate", where=card.name
        )
    if card.binary:
        raise MetricError(f"threshold does nothing on {card.name}, which is 0 or 1 already", where=card.name)
    if not math.isfinite(cut):
        raise MetricError(f"the cut must be a finite number; got {cut}", where=f"threshold({card.name}, ...)")
    sign, side = (1.0, "above") if card.higher_is_better else (-1.0, "below")
    shown = plain(cut)

    def components(frame: pl.DataFrame) -> FloatArray:
        return column(sign * inner.components(frame) > sign * cut)

    return Metric(
        replace(
            card,
            name=f"threshold({card.name},{shown})",
            title=f"{card.title} {side} {shown}",
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=True,
            continuous=False,
            linear=False,
            unit="",
            definition=f"1 when {card.name} is strictly {side} {shown}, else 0. {card.name}: "
            f"{card.definition}",
            source=f"{_PAPER}: Reconstruction_c; {card.source}",
            aliases=(),
            chance_note="none",
        ),
        components,
        check=inner.check,
    )


def all_of(inner: Metric, k: int) -> Metric:
    """The probability that `k` distinct items drawn at random are all right: the paper's subset accuracy.

    With m successes in n items the value is C(m, k) / C(n, k), unbiased for the k-th power of the success
    rate when items are independent. Fractions of a success (shared ties, means over epochs) enter through
    their sum m. The value is NaN where n < k.

    Raises
    ------
    MetricError
        `inner` is an aggregate or is not 0/1 on an item, or k < 1.
    """
    _needs_binary(inner, k, "all_of")
    name = inner.card.name

    def combine(means: FloatArray, items: int) -> FloatArray:
        return _all_drawn(np.asarray(means)[..., 0], items, k)

    return _combined(
        inner,
        k,
        "all_of",
        f"All of {k}: {inner.card.title}",
        f"Probability that {k} distinct items drawn at random all have {name} 1: C(m, {k}) / C(n, {k}) with "
        f"m successes in n items; fractions enter through their sum. Aggregate: no score an item. {name}: "
        f"{inner.card.definition}",
        combine,
        lambda chance: chance**k,
        f"the {k}-th power of the mean chance of {name}",
    )


def any_of(inner: Metric, r: int) -> Metric:
    """The probability that at least one of `r` distinct items drawn at random is right.

    With m successes in n items the value is 1 - C(n-m, r) / C(n, r), the same estimator as pass@k with
    items for attempts; unbiased for 1 - (1-p)^r when items are independent. Fractions as in :func:`all_of`.
    NaN where n < r.

    Raises
    ------
    MetricError
        `inner` is an aggregate or is not 0/1 on an item, or r < 1.
    """
    _needs_binary(inner, r, "any_of")
    name = inner.card.name

    def combine(means: FloatArray, items: int) -> FloatArray:
        return 1.0 - _all_drawn(1.0 - np.asarray(means)[..., 0], items, r)

    return _combined(
        inner,
        r,
        "any_of",
        f"Any of {r}: {inner.card.title}",
        f"Probability that at least one of {r} distinct items drawn at random has {name} 1: 1 - C(n-m, {r}) "
        f"/ C(n, {r}) with m successes in n items; fractions enter through their sum. Aggregate: no score an "
        f"item. {name}: {inner.card.definition}",
        combine,
        lambda chance: 1.0 - (1.0 - chance) ** r,
        f"1 - (1 - c)^{r} with c the mean chance of {name}",
    )


def _all_drawn(rate: FloatArray, items: int, k: int) -> FloatArray:
    """C(m, k) / C(n, k) for m = rate * n; NaN where n < k."""
    from unmirage.statistics.counts import subset_accuracy

    # Means are sums divided by weights: rounding keeps a whole number of successes whole, and within 0..n.
    found = np.clip(np.round(rate * items, 9), 0.0, items)
    return np.asarray(subset_accuracy(found, items, k), dtype=np.float64)


def _needs_binary(inner: Metric, k: int, word: str) -> None:
    name = inner.card.name
    if inner.combine is not None:
        raise MetricError(f"{word} needs a score an item, and {name} is an aggregate", where=name)
    if not inner.card.binary:
        raise MetricError(
            f"{word} needs a metric that is 0 or 1 on an item, and {name} is not",
            where=name,
            hint=f"Cut it first: {word}(threshold({name}, C), {k})",
        )
    if k < 1:
        raise MetricError(f"{word} needs at least 1 item; got {k}", where=f"{word}({name},{k})")


def _combined(
    inner: Metric,
    k: int,
    word: str,
    title: str,
    definition: str,
    combine: Callable[[FloatArray, int], FloatArray],
    of_chance: Callable[[FloatArray], FloatArray],
    chance_note: str,
) -> Metric:
    card, chance = inner.card, inner.chance

    def level(frame: pl.DataFrame) -> FloatArray:
        assert chance is not None
        return np.full(frame.height, of_chance(chance(frame).mean()) if frame.height else 0.0)

    return Metric(
        replace(
            card,
            name=f"{word}({card.name},{k})",
            title=title,
            low=0.0,
            high=1.0,
            binary=False,
            continuous=False,
            linear=False,
            unit="",
            definition=definition,
            source=f"{_PAPER}, Figs 8, 9 and 11; {card.source}",
            aliases=(),
            chance_note="none" if chance is None else chance_note,
        ),
        inner.components,
        combine,
        None if chance is None else level,
        inner.check,
        k,
    )
