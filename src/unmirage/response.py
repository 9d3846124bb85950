"""The companion metric of a cell as the break test and the link see it.

The response of a scale falls as models improve: for a metric that is a loss the log of its mean (and of a
floor: a hundredth of a nat, below which nothing is left to learn; for an error without a unit a share of its
own size), minus the mean for any other. Its error from the sample of items is a covariance over scales, since
all models answer the same items.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unmirage.cells import Cell, Floats, Ints, Layer
from unmirage.measured import effective
from unmirage.metrics import Card
from unmirage.scales import FALLING, TRAINING

Row = dict[str, Any]

# Nats below which a loss is as good as none, a probability of 99%: what is left there is noise on a log axis.
LEAST_LOSS = 0.01
# A loss of items without a unit, such as a squared error, has this share of its largest mean for a floor.
LEAST_SHARE = 0.001
# With fewer the covariance of the response has no more than a few directions, and is no measure of its error.
LEAST_UNITS = 10
# A metric of items with no more values than these is a count of something.
DISTINCT = 100
# A scatter of so many percent of the range of the response is expected where nothing is known of it.
USUAL = 0.03


@dataclass(frozen=True)
class Response:
    """The companion over the scales at which headline and companion are finite.

    Attributes
    ----------
    name: of the companion metric; `logged` says whether the response is the log of its mean and `floor`.
    training: whether the scales are points of a training run.
    scales: (S,) increasing; on an axis where small is good, the reciprocals.
    axis_values: (S,) the scales as the axis has them. models: (S,) the names at each, replicates among them.
    y: (S,) mean over the models of a scale. each: the models' own responses, scale by scale.
    items: (S, S) covariance of y from the sample of items (or clusters of items).
    scores: (n, M) the companion, turned so that higher is better and shifts of the response add to it.
    right: (n, M) the headline. place: (M,) the scale of each model. No items (n = 0) for aggregates.
    trials: (S,) the independent items that the headline of a scale rests on.
    movable: whether the scores of items are real numbers, which can be moved a little, and not counts.
    """

    name: str
    logged: bool
    floor: float
    training: bool
    scales: Floats
    axis_values: Floats
    models: tuple[tuple[str, ...], ...]
    y: Floats
    each: tuple[Floats, ...]
    items: Floats
    scores: Floats
    right: Floats
    place: Ints
    trials: Floats
    movable: bool

    @property
    def log_means(self) -> tuple[Floats, Floats]:
        """(S,) log of the mean loss without the floor, and its covariance (S, S); for a logged response."""
        whole = np.exp(self.y)
        stretch = whole / np.maximum(whole - self.floor, np.finfo(float).tiny)
        return np.log(whole / stretch), self.items * np.outer(stretch, stretch)

    @property
    def sizes(self) -> Ints:
        """(S,) how many models there are at each scale."""
        return np.array([len(group) for group in self.models], dtype=np.int64)

    @property
    def flat(self) -> bool:
        """Whether it is the same at every scale, which leaves nothing to test."""
        return not np.ptp(self.y) > 0

    @property
    def unit(self) -> float:
        """What a scatter is measured in: 1 for a logged response, else the range of the response."""
        return 1.0 if self.logged else float(np.ptp(self.y))


def response_of(cell: Cell, headline: Layer, companion: Layer, axis: str) -> Response | str:
    """The response of a cell, or why there is none, in words.

    A loss is an item-level metric whose smallest value is 0 and which is better the lower it is, or the log
    of a probability, which is one with its sign turned.
    """
    if cell.units < LEAST_UNITS:
        return f"there are {cell.units} independent items or clusters, and {LEAST_UNITS} are needed"
    there = np.flatnonzero(headline.finite & companion.finite)
    if not there.size:
        return "no model has a finite score on every item in both"
    card = companion.metric.card
    sign = 1.0 if card.higher_is_better else -1.0
    if (card.low, card.high) == (-np.inf, 0.0):
        loss, logged = -companion.scores[:, there], True
    elif card.low == 0 and card.high == np.inf and not card.higher_is_better:
        loss, logged = companion.scores[:, there], True
    else:
        loss, logged = -sign * companion.scores[:, there], False
    values = np.unique(cell.axis_values[there])
    if axis in FALLING:
        values = values[::-1]
    place = np.array([int(np.flatnonzero(values == v)[0]) for v in cell.axis_values[there]], dtype=np.int64)
    means = loss.mean(axis=0)
    floor = _floor(card, means) if logged else 0.0
    own = np.log(means + floor) if logged else means
    # What each item adds to the response, times n.
    pull = (loss - means) / (means + floor if logged else 1.0)
    average = (place[:, None] == np.arange(values.size)) / np.bincount(place)
    gap = _covariance(pull @ average, cell.clusters)
    if not np.ptp(own) > 0:
        return f"{card.name} is the same for every model"
    scores = -np.log(loss + floor) if logged else -loss
    n = len(cell.items)
    worth = (
        effective(cell, headline)[there]
        if (headline.metric.card.low, headline.metric.card.high) == (0, 1)
        else None
    )
    least = (
        np.full(values.size, float(n))
        if worth is None
        else np.array([max(1.0, min(float(worth[place == s].min()), n)) for s in range(values.size)])
    )
    return Response(
        card.name,
        logged,
        floor,
        axis in TRAINING,
        1 / values if axis in FALLING else values,
        values,
        tuple(tuple(cell.models[there[m]] for m in np.flatnonzero(place == s)) for s in range(values.size)),
        own @ average,
        tuple(own[place == s] for s in range(values.size)),
        gap,
        scores,
        headline.scores[:, there],
        place,
        least,
        np.unique(scores[:1000]).size > DISTINCT,
    )


def reported_response(
    headline: Sequence[Row], companion: Sequence[Row], card: Card, axis: str
) -> Response | str:
    """The response of aggregates: the models that have both metrics; or why there is none.

    Parameters: the curve rows of both metrics, and what is known of the companion. Its error is what the log
    gives, taken to be independent between scales; without one it is part of the scatter.
    """
    have = {row["model"] for row in headline if row["mean"] is not None}
    rows = [row for row in companion if row["model"] in have and row["mean"] is not None]
    logged = not card.higher_is_better and all(row["mean"] >= 0 for row in rows)
    values = np.unique([row["axis_value"] for row in rows])
    if axis in FALLING:
        values = values[::-1]
    if not values.size:
        return "no model has a finite value of both"
    groups = [[row for row in rows if row["axis_value"] == value] for value in values]
    sign = -1.0 if card.higher_is_better else 1.0
    each = [np.array([sign * row["mean"] for row in group]) for group in groups]
    error = np.array(
        [sum((row["stderr"] or 0.0) ** 2 for row in group) / len(group) ** 2 for group in groups]
    )
    if logged:
        error = error / (np.array([one.mean() for one in each]) + LEAST_LOSS) ** 2
        each = [np.log(one + LEAST_LOSS) for one in each]
    y = np.array([one.mean() for one in each])
    if not np.ptp(y) > 0:
        return f"{card.name} is the same for every model"
    return Response(
        card.name,
        logged,
        LEAST_LOSS if logged else 0.0,
        axis in TRAINING,
        1 / values if axis in FALLING else values,
        values,
        tuple(tuple(row["model"] for row in group) for group in groups),
        y,
        tuple(each),
        np.diag(error),
        np.empty((0, len(rows))),
        np.empty((0, len(rows))),
        np.repeat(np.arange(values.size), [len(group) for group in groups]),
        np.ones(values.size),
        movable=False,
    )


def at(response: Response, axis_values: Collection[float]) -> Response:
    """The response at these scales only."""
    return _only(response, np.flatnonzero(np.isin(response.axis_values, list(axis_values))))


def from_worst(response: Response, jump: float) -> Response:
    """The scales from the one with the worst companion on, and two at least that do not exceed `jump`."""
    before = int((response.scales <= jump * (1 + 1e-9)).sum())
    return _only(response, np.arange(max(min(int(response.y.argmax()), before - 2), 0), response.y.size))


def _only(response: Response, kept: Ints) -> Response:
    new = np.full(response.y.size, -1)
    new[kept] = np.arange(kept.size)
    models = new[response.place] >= 0
    return replace(
        response,
        scales=response.scales[kept],
        axis_values=response.axis_values[kept],
        models=tuple(response.models[k] for k in kept),
        y=response.y[kept],
        each=tuple(response.each[k] for k in kept),
        items=response.items[np.ix_(kept, kept)],
        scores=response.scores[:, models],
        right=response.right[:, models],
        place=new[response.place][models],
        trials=response.trials[kept],
    )


def _floor(card: Card, means: Floats) -> float:
    """What is added to the mean of a loss before its log is taken: above 0, in the loss's own unit."""
    if card.unit:
        return LEAST_LOSS
    return max(LEAST_SHARE * float(means.max()), float(np.finfo(float).tiny))


def _covariance(pull: Floats, clusters: Ints) -> Floats:
    """(S, S) of the column means, items or clusters being the sample."""
    from scipy.special import stdtrit

    count = int(clusters.max()) + 1
    sums = np.zeros((count, pull.shape[1]))
    np.add.at(sums, clusters, pull - pull.mean(axis=0))
    # Known from few clusters only: as much wider as Student's interval is than the normal one.
    wider = float(stdtrit(count - 1, 0.975) / stdtrit(np.inf, 0.975)) ** 2
    return np.asarray(wider * sums.T @ sums * count / (count - 1) / len(clusters) ** 2, dtype=np.float64)
