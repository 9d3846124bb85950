"""A cell: one task of one family, its scores as an item × model array a metric.

Between the tables and the numeric core: everything after it works on arrays, and one resample of the items
serves every model and metric of the cell. Intervals and verdicts are not made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.metrics import Metric, aggregate_names, recorded_metrics
from unmirage.metrics.inputs import allowed
from unmirage.metrics.registry import resolve
from unmirage.parting import parts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """One metric in a cell.

    Attributes
    ----------
    metric: its card and functions.
    components: (items, models, d), means over epochs; d = 1 for an item-level metric.
    present: (models,) whether the model has the score on every item.
    chance: (items,) expected score of a model without skill, or None.
    exact: every score is 0 or 1 and there is one an item, so that counts of successes are binomial.
    trials: (models,) the independent trials that a mean can rest on at most: items times epochs for 0/1
        metrics, attempts for pass rates; None for a metric that is no rate.
    attempted: the trials are attempts of kind count.
    """

    metric: Metric
    components: Floats
    present: npt.NDArray[np.bool_]
    chance: Floats | None
    exact: bool = False
    trials: Floats | None = None
    attempted: bool = False

    @cached_property
    def finite(self) -> npt.NDArray[np.bool_]:
        """(models,) whether the model has a finite score on every item."""
        return self.present & np.isfinite(self.components).all(axis=(0, 2))

    @property
    def scores(self) -> Floats:
        """(items, models) of an item-level metric."""
        return self.components[:, :, 0]


@dataclass(frozen=True)
class Cell:
    """One task of one family.

    Attributes
    ----------
    family, task, kind: its names, and the kind of its rows.
    models: model names in order of scale; `axis_values` (models,) their scales.
    items: item names in the order of the log; `clusters` (items,) codes, `clustered` whether items share any.
    layers: metric name -> its scores.
    attempts, passes: (items, models) of kind count, else None.
    """

    family: str
    task: str
    kind: str
    models: tuple[str, ...]
    axis_values: Floats
    items: tuple[str, ...]
    clusters: Ints
    clustered: bool
    layers: dict[str, Layer] = field(default_factory=dict)
    attempts: Ints | None = None
    passes: Ints | None = None

    @property
    def units(self) -> int:
        """How many clusters there are: what is resampled."""
        return int(self.clusters.max()) + 1


def cells(
    responses: pl.DataFrame,
    scores: pl.DataFrame,
    *,
    order: Sequence[str],
    falling: bool = False,
    chance: Mapping[str, float],
    wanted: Sequence[str] | None = None,
) -> Iterator[Cell]:
    """The cells of an audit: families in the order of the rows' first appearance in `order`, tasks by name.

    Parameters
    ----------
    responses: rows of the items that all models of a task share, with `axis_value`.
    scores: item-level scores of those rows.
    order: the families in order.
    falling: whether scale grows as the axis value falls, as a loss does.
    chance: task (or "*") -> a chance level that the user gave, for the 0/1 metrics and the pass rate
        of the task.
    wanted: names of aggregate metrics to add, or None for those that the rows allow.
    """
    place = {name: i for i, name in enumerate(order)}
    groups = parts(responses, ("family", "task"))
    scored: dict[tuple[str, str], dict[str, pl.DataFrame]] = {}
    for (family, task, metric), rows in parts(scores, ("family", "task", "metric")).items():
        scored.setdefault((family, task), {})[metric] = rows
    for family, task in sorted(groups, key=lambda pair: (place[pair[0]], pair[1])):
        mine = scored.get((family, task), {})
        yield _cell(family, task, groups[family, task], mine, falling, chance, wanted)


def _cell(
    family: str,
    task: str,
    rows: pl.DataFrame,
    scores: Mapping[str, pl.DataFrame],
    falling: bool,
    chance: Mapping[str, float],
    wanted: Sequence[str] | None,
) -> Cell:
    order = rows.select("model", "axis_value").unique(maintain_order=True)
    order = order.sort("axis_value", "model", descending=[falling, False])
    models, items = order["model"].to_list(), rows["item_id"].unique(maintain_order=True).to_list()
    places = _Places(rows, models, items)
    first = rows.unique(subset="item_id", keep="first", maintain_order=True)
    named = first.select(pl.coalesce("cluster", "item_id")).to_series()
    codes = {name: i for i, name in enumerate(named.unique(maintain_order=True))}
    attempts, passes = _counts(rows, places)
    cell = Cell(
        family=family,
        task=task,
        kind=str(rows["kind"][0]),
        models=tuple(models),
        axis_values=order["axis_value"].to_numpy(),
        items=tuple(items),
        clusters=np.array([codes[name] for name in named], dtype=np.int64),
        clustered=len(codes) < len(items),
        attempts=attempts,
        passes=passes,
    )
    answered = dict(rows.group_by("model").len().iter_rows())
    asked = np.array([float(answered[model]) for model in models])
    recorded = recorded_metrics(rows)
    given = chance.get(task, chance.get("*"))
    for name, part in scores.items():
        known = resolve(name, recorded.get)
        components, present = _cube(part, places, ["score"])
        values = components[:, present, 0]
        level = _chance(known, first, given)
        attempted = cell.attempts is not None and name == "pass_rate"
        singly = known.card.binary or (attempted and bool(np.all(cell.attempts == 1)))
        exact = bool(places.once and singly and np.isin(values, (0.0, 1.0)).all())
        trials = _attempts(cell) if attempted else (asked if known.card.binary else None)
        cell.layers[name] = Layer(known, components, present, level, exact, trials, attempted)
    for name in aggregate_names(rows) if wanted is None else wanted:
        known = resolve(name, recorded.get)
        able, _ = allowed(known, rows)
        if able.height == 0:
            continue
        sums = known.components(able)
        columns = [f"c{j}" for j in range(sums.shape[1])]
        frame = able.select("model", "item_id").hstack(pl.DataFrame(sums, schema=columns))
        components, present = _cube(frame, places, columns)
        cell.layers[name] = Layer(known, components, present, None)
    return cell


def _chance(known: Metric, first: pl.DataFrame, given: float | None) -> Floats | None:
    if given is not None and (known.card.binary or known.card.name == "pass_rate"):
        return np.full(first.height, given)
    return known.chance(first) if known.chance is not None else None


def _attempts(cell: Cell) -> Floats | None:
    """(models,) attempts behind a mean over items: of n_i at each of P items they are worth P² / Σ 1/n_i."""
    return None if cell.attempts is None else len(cell.items) ** 2 / (1 / cell.attempts).sum(axis=0)


class _Places:
    """Where rows go in an array over the items and models of a cell, laid flat; rows of others go to its end.

    `shape` is (items, models), `once` whether no model has two of the rows for one item.
    """

    def __init__(self, rows: pl.DataFrame, models: Sequence[str], items: Sequence[str]) -> None:
        self._kinds = pl.Enum(items), pl.Enum(models)
        self.shape = len(items), len(models)
        self._keys = rows.select("item_id", "model")
        self._of_rows = self._codes(self._keys)
        self.once = bool(self._of_rows[1].max() <= 1)

    def of(self, frame: pl.DataFrame) -> tuple[Ints, Ints]:
        """(rows,) the places of the rows, and (items·models,) how many rows each place has."""
        keys = frame.select("item_id", "model")
        return self._of_rows if keys.equals(self._keys) else self._codes(keys)

    def _codes(self, keys: pl.DataFrame) -> tuple[Ints, Ints]:
        item, model = (
            keys[name].cast(kind, strict=False).to_physical().cast(pl.Int64)
            for name, kind in zip(keys.columns, self._kinds, strict=True)
        )
        size = self.shape[0] * self.shape[1]
        at = (item * self.shape[1] + model).fill_null(size).to_numpy()
        return at, np.bincount(at, minlength=size + 1)[:size]


def _cube(
    frame: pl.DataFrame, places: _Places, columns: list[str], *, summed: bool = False
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(items, models, d) means (or sums) over epochs, NaN without a row; which models have every item."""
    at, rows = places.of(frame)
    cube = np.full((rows.size + 1, len(columns)), np.nan)
    for k, name in enumerate(columns):
        values = frame[name].cast(pl.Float64).to_numpy()
        if rows.max(initial=0) <= 1:
            cube[at, k] = values
            continue
        some = np.flatnonzero(rows)
        sums = np.bincount(at, values, minlength=rows.size)[some]
        cube[some, k] = sums / (1 if summed else rows[some])
    out = cube[:-1].reshape(*places.shape, len(columns))
    return out, ~np.isnan(out).any(axis=2).any(axis=0)


def _counts(rows: pl.DataFrame, places: _Places) -> tuple[Ints | None, Ints | None]:
    """(items, models) attempts and passes, summed over epochs; None for rows that hold none."""
    if rows["kind"][0] != "count":
        return None, None
    cube, _ = _cube(rows, places, ["n_samples", "n_correct"], summed=True)
    return cube[:, :, 0].astype(np.int64), cube[:, :, 1].astype(np.int64)
