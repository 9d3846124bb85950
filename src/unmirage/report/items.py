"""Which items of a task the page shows as images, and what stands beside them. Nothing is laid out here."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.images import Images, png
from unmirage.report import slices, words
from unmirage.result import Audit
from unmirage.scales import FALLING

MOST = 4  # images of a kind
BAR = 20  # the height of a bar of the strip, in pixels

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shown:
    """One item with its image.

    Attributes
    ----------
    item: its item_id. image: the PNG as a data URI. width, height: in its own pixels.
    bars: for each scale from the smallest, how good the score is, 0 (worst of the shown) to 1 (best).
    says: the scores from the smallest to the largest scale, in words.
    """

    item: str
    image: str
    width: int
    height: int
    bars: tuple[float, ...]
    says: str


@dataclass(frozen=True)
class Shelf:
    """Items of one kind: what they have in common, and the items."""

    title: str
    items: tuple[Shown, ...]


def shelves(audit: Audit, family: str, task: str) -> tuple[Shelf, ...]:
    """Items of a task as images, by their scores of the headline; () where there are no images or scores.

    Of a 0/1 headline: items that every model gets right, that only large models get right (all of the largest
    scale, fewer than half of the others), that no model does. Of another: those with the best mean, with the
    largest gain from the smallest to the largest scale, with the worst mean. Ties go by the order of the log.
    Scores are means over epochs and over the models of a scale.
    """
    images = audit.images
    headline = slices.verdict(audit, family, task)["headline"]
    if images is None or headline is None:
        return ()
    items, scores = _scores(audit, family, task, headline, images)
    if not items:
        return ()
    card = words.card(headline)
    binary = bool(np.isin(scores, (0.0, 1.0)).all()) if card is None else card.binary
    up = scores if card is None or card.higher_is_better else -scores
    best, gain = up.mean(axis=1), up[:, -1] - up[:, 0]
    if binary:
        right, below = up.min(axis=1) >= 1, up[:, :-1].mean(axis=1)
        late = (up[:, -1] >= 1) & (below < 0.5)
        chosen = {
            "Every model gets these right": np.flatnonzero(right)[:MOST],
            "Only large models get these right": _first(np.where(late, -below, -np.inf)),
            "No model gets these right": np.flatnonzero(up.max(axis=1) <= 0)[:MOST],
        }
    else:
        chosen = {
            "Best over all models": _first(best),
            "These gain most from the smallest to the largest scale": _first(
                np.where(gain > 0, gain, -np.inf)
            ),
            "Worst over all models": _first(-best),
        }
    shown = np.unique(np.concatenate(list(chosen.values())))
    low, high = float(up[shown].min(initial=np.inf)), float(up[shown].max(initial=-np.inf))
    if binary:
        low, high = 0.0, 1.0
    heights = (up - low) / (high - low) if high > low else np.ones_like(up)
    return tuple(
        Shelf(title, tuple(_shown(items[i], images, heights[i], scores[i]) for i in places))
        for title, places in chosen.items()
        if len(places)
    )


def _scores(audit: Audit, family: str, task: str, headline: str, images: Images) -> tuple[list[str], Floats]:
    """Items that have an image and a finite score at every scale, and (items, scales) scores."""
    scale = slices.curve(audit, family, task, headline).select("model", "axis_value", "axis")
    mine = audit.scores.filter(
        pl.col("family") == family, pl.col("task") == task, pl.col("metric") == headline
    )
    mine = mine.filter(pl.col("item_id").is_in(list(images.pictures))).join(scale, on="model")
    if mine.is_empty():
        return [], np.empty((0, 0))
    values = sorted(scale["axis_value"].unique(), reverse=scale["axis"][0] in FALLING)
    place = pl.col("axis_value").replace_strict(
        {value: str(i) for i, value in enumerate(values)}, return_dtype=pl.String
    )
    means = mine.group_by("item_id", "axis_value", "model", maintain_order=True).agg(pl.col("score").mean())
    means = means.group_by("item_id", place.alias("place"), maintain_order=True).agg(pl.col("score").mean())
    wide = means.pivot("place", index="item_id", values="score", maintain_order=True)
    there = sorted((name for name in wide.columns if name != "item_id"), key=int)
    table = wide.select(there).cast(pl.Float64).to_numpy()
    whole = np.isfinite(table).all(axis=1)
    return [str(item) for item, kept in zip(wide["item_id"], whole, strict=True) if kept], table[whole]


def _first(rank: Floats) -> npt.NDArray[np.int64]:
    """The places of the largest finite ranks, at most `MOST`, ties by their order."""
    order = np.argsort(-rank, kind="stable")[:MOST]
    return np.asarray(order[np.isfinite(rank[order])], dtype=np.int64)


def _shown(item: str, images: Images, heights: Floats, scores: Floats) -> Shown:
    picture = images.pictures[item]
    data = base64.b64encode(png(picture)).decode()
    said = f"{words.number(float(scores[0]))} → {words.number(float(scores[-1]))}"
    height, width = picture.shape[:2]
    bars = tuple(round(float(h), 3) for h in heights)
    return Shown(words.printable(item), f"data:image/png;base64,{data}", width, height, bars, said)


def strip(bars: Sequence[float]) -> list[tuple[int, float, float]]:
    """(place, top, height) of the bars of a strip in pixels; the least is a line, so that all scales show."""
    return [
        (i, round(BAR - max(bar * BAR, 1.0), 2), round(max(bar * BAR, 1.0), 2)) for i, bar in enumerate(bars)
    ]
