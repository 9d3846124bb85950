"""From cells to curves: the mean of each metric for each model, with an interval that suits it.

Which interval is used is one rule, `_interval`, and its name stands in the column `method`. The numbers come
from `statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics, tables
from unmirage.cells import Cell, Layer
from unmirage.result import Settings

Floats = npt.NDArray[np.float64]

# Below this many solved problems the percentile bootstrap of a rate is too narrow.
FEW_SOLVED = 10

BIASED = "a nonlinear metric whose value moves under resampling: with few items it is biased"

DIFFERENCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "model_from": pl.String,
    "model_to": pl.String,
    "axis_from": pl.Float64,
    "axis_to": pl.Float64,
    "difference": pl.Float64,
    "stderr": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "p_adjusted": pl.Float64,
    "method": pl.String,
}


@dataclass(frozen=True)
class Summary:
    """One metric of a cell over the models: arrays of shape (models,), NaN where a number cannot be had."""

    mean: Floats
    stderr: Floats
    low: Floats
    high: Floats
    method: list[str]
    note: list[str]


def curve_rows(cell: Cell, settings: Settings, rng: np.random.Generator) -> list[dict[str, object]]:
    """The rows of the curves table for a cell. One set of item resamples serves all its metrics and models.

    Parameters
    ----------
    cell: scores of one task of one family.
    settings: axis, confidence, interval, replicates.
    rng: the cell's own generator.
    """
    replicates = _replicates(cell, settings, rng)
    rows: list[dict[str, object]] = []
    for name, layer in cell.layers.items():
        summary = _summarise(cell, layer, settings, replicates.get(name))
        floors = floor_of(cell, layer, settings.alpha)
        for m, model in enumerate(cell.models):
            if not layer.present[m]:
                continue
            rows.append(
                {
                    "family": cell.family,
                    "task": cell.task,
                    "metric": name,
                    "model": model,
                    "axis": settings.axis,
                    "axis_value": cell.axis_values[m],
                    "n": len(cell.items),
                    "mean": _number(summary.mean[m]),
                    "stderr": _number(summary.stderr[m]),
                    "low": _number(summary.low[m]),
                    "high": _number(summary.high[m]),
                    "chance": None if layer.chance is None else float(layer.chance.mean()),
                    "resolution": _number(floors[m]),
                    "method": summary.method[m],
                    "note": summary.note[m] or None,
                }
            )
    return rows


def curves_frame(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows of curves as a frame, ordered by family, task, metric and scale."""
    frame = pl.DataFrame(list(rows), schema=dict(tables.CURVES))
    return frame.sort("family", "task", "metric", "axis_value", "model")


def floor_of(cell: Cell, layer: Layer, alpha: float) -> Floats:
    """(models,) the smallest mean told from zero or from chance by these items; NaN where it is no rate."""
    m = len(cell.models)
    if layer.chance is None or not (layer.metric.card.binary or cell.attempts is not None):
        return np.full(m, np.nan)
    chance = float(layer.chance.mean())
    if cell.attempts is not None:
        return statistics.floor(cell.attempts.sum(axis=0), chance, alpha)
    units = len(set(cell.clusters.tolist())) if cell.clustered else len(cell.items)
    return np.full(m, float(statistics.floor(units, chance, alpha)))


def _replicates(cell: Cell, settings: Settings, rng: np.random.Generator) -> dict[str, Floats]:
    """Metric -> (replicates, models) of those that need resampling, all from the same resamples."""
    wanted = {
        name: layer
        for name, layer in cell.layers.items()
        if not layer.exact and np.isfinite(layer.components[:, layer.present]).all() and layer.present.any()
    }
    if not wanted:
        return {}
    blocks = [layer.components[:, layer.present].reshape(len(cell.items), -1) for layer in wanted.values()]
    means = statistics.resample_means(np.hstack(blocks), cell.clusters, settings.replicates, rng)
    out: dict[str, Floats] = {}
    start = 0
    for (name, layer), block in zip(wanted.items(), blocks, strict=True):
        part = means[:, start : start + block.shape[1]].reshape(len(means), int(layer.present.sum()), -1)
        start += block.shape[1]
        full = np.full((len(means), len(cell.models)), np.nan)
        full[:, layer.present] = _combined(layer, part, len(cell.items))
        out[name] = full
    return out


def _combined(layer: Layer, means: Floats, n: int) -> Floats:
    if layer.metric.combine is None:
        return means[..., 0]
    with np.errstate(invalid="ignore"):  # a single cluster has NaN for replicates
        return layer.metric.combine(means, n)


def _summarise(cell: Cell, layer: Layer, settings: Settings, replicates: Floats | None) -> Summary:
    """Mean, standard error and interval of each model, by the first rule that fits the scores."""
    n, m = layer.components.shape[:2]
    nothing = np.full(m, np.nan)
    with np.errstate(invalid="ignore"):
        mean = _combined(layer, layer.components.mean(axis=0), n)
    notes = ["" for _ in range(m)]
    infinite = layer.present & ~np.isfinite(mean)
    if infinite.any():
        count = np.isinf(layer.components).any(axis=2).sum(axis=0)
        notes = [
            f"{count[j]} of {n} items have an infinite score, so the mean is infinite" if infinite[j] else ""
            for j in range(m)
        ]
        finite = layer.present & np.isfinite(mean)
        stderr = nothing.copy()
        if finite.any():
            stderr[finite] = statistics.clustered_stderr(layer.components[:, finite, 0], cell.clusters)
        shown = np.where(np.isfinite(mean), mean, np.nan)
        low, high = (shown + sign * _quantile(settings.confidence) * stderr for sign in (-1, 1))
        return Summary(shown, stderr, low, high, ["normal, clustered standard error"] * m, notes)
    stderr = nothing.copy()
    if layer.metric.combine is None:
        stderr[layer.present] = statistics.clustered_stderr(layer.scores[:, layer.present], cell.clusters)
    elif replicates is not None:
        stderr[layer.present] = replicates[:, layer.present].std(axis=0, ddof=1)
    flat = layer.present & (layer.components.max(axis=0) == layer.components.min(axis=0)).all(axis=1)
    if replicates is not None and layer.metric.combine is not None:
        flat |= layer.present & (np.ptp(replicates, axis=0) == 0)
    stderr[flat] = np.nan  # scores that do not vary say nothing about their scatter; 0 would be false
    low, high, name = _interval(cell, layer, settings, mean, stderr, replicates)
    method = [name] * m
    if cell.attempts is not None and layer.metric.card.name == "pass_rate" and not layer.exact:
        for j in np.flatnonzero(layer.present):
            rare = _rare_interval(layer.scores[:, j], cell.attempts[:, j], settings.confidence)
            if rare is not None:
                low[j], high[j], method[j], notes[j] = rare
    elif layer.metric.combine is not None and replicates is not None:
        low[flat], high[flat] = np.nan, np.nan
        for j in _biased(mean, stderr, replicates):
            half = float(_quantile(settings.confidence) * stderr[j])
            low[j] = max(mean[j] - half, layer.metric.card.low)
            high[j] = min(mean[j] + half, layer.metric.card.high)
            method[j], notes[j] = "normal, bootstrap standard error", BIASED
    elif layer.metric.combine is None and not layer.exact:
        for j in np.flatnonzero(flat):
            low[j], high[j], method[j], notes[j] = _flat_interval(cell, layer, settings, float(mean[j]))
    for j in np.flatnonzero(flat):
        notes[j] = notes[j] or "all items have the same score, so its standard error is not known"
    for j in np.flatnonzero(layer.present & np.isnan(low)):
        notes[j] = notes[j] or "a single item or cluster says nothing about the scatter"
        method[j] = "none"
    return Summary(np.where(layer.present, mean, np.nan), stderr, low, high, method, notes)


def _biased(mean: Floats, stderr: Floats, replicates: Floats) -> npt.NDArray[np.intp]:
    """The models whose replicates lie off the value by more than a quarter of its standard error.

    So much that a percentile interval may miss the value itself (Efron & Tibshirani 1993, Sec. 10.3).
    """
    with np.errstate(invalid="ignore"):
        return np.flatnonzero(np.abs(replicates.mean(axis=0) - mean) > 0.25 * stderr)


def _interval(
    cell: Cell, layer: Layer, settings: Settings, mean: Floats, stderr: Floats, replicates: Floats | None
) -> tuple[Floats, Floats, str]:
    n, m = len(cell.items), len(cell.models)
    low, high = np.full(m, np.nan), np.full(m, np.nan)
    there = layer.present
    if layer.exact and cell.clustered:
        clusters = int(cell.clusters.max()) + 1
        errors = np.nan_to_num(stderr[there])
        low[there], high[there] = statistics.korn_graubard(
            mean[there], errors, n, clusters, settings.confidence
        )
        return low, high, "korn-graubard"
    if layer.exact:
        interval = statistics.wilson if settings.interval == "wilson" else statistics.clopper_pearson
        low[there], high[there] = interval(np.rint(mean[there] * n), n, settings.confidence)
        return low, high, settings.interval
    if replicates is None:
        return low, high, "none"
    low[there], high[there] = statistics.percentile_interval(replicates[:, there], settings.confidence)
    return low, high, "bootstrap over clusters" if cell.clustered else "bootstrap over items"


def _rare_interval(
    rates: Floats, attempts: npt.NDArray[np.int64], confidence: float
) -> tuple[float, float, str, str] | None:
    """(low, high, method, note) of a pass rate with few problems solved; None where a resample will do."""
    solved = int((rates > 0).sum())
    if solved == 0:
        bound = statistics.zero_rate_bound(attempts, confidence)
        beyond = float(statistics.clopper_pearson(0, len(rates), confidence)[1])
        note = (
            f"no success in {attempts.sum():,} attempts: the bound is for these {len(rates)} problems; over "
            f"the population of problems it is {beyond:.3g}"
        )
        return 0.0, bound, "clopper-pearson of the attempts", note
    if solved < FEW_SOLVED:
        low, high = statistics.gamma_interval(rates, confidence)
        return low, high, "gamma over items", f"{solved} of {len(rates)} problems were ever solved"
    return None


def _flat_interval(
    cell: Cell, layer: Layer, settings: Settings, mean: float
) -> tuple[float, float, str, str]:
    """(low, high, method, note) where all items of a model have one score, so that a resample has no width.

    In a bounded metric at most 1-(a/2)^(1/n) of the items may score otherwise, which bounds the mean; in an
    unbounded one nothing can be said.
    """
    card = layer.metric.card
    if not (np.isfinite(card.low) and np.isfinite(card.high)):
        return np.nan, np.nan, "none", "all items have the same score, which says nothing about its scatter"
    units = int(cell.clusters.max()) + 1
    beyond = float(statistics.clopper_pearson(0, units, settings.confidence)[1])
    return (
        mean - beyond * (mean - card.low),
        mean + beyond * (card.high - mean),
        "clopper-pearson of items that differ",
        "all items have the same score; the interval is the exact one for none that differs",
    )


def difference_rows(cell: Cell, name: str, settings: Settings) -> list[dict[str, object]]:
    """Paired differences of a metric between neighbouring scales, on the same items."""
    layer = cell.layers.get(name)
    if layer is None or layer.metric.combine is not None or layer.present.sum() < 2:
        return []
    there = np.flatnonzero(layer.present)
    scores = layer.scores[:, there]
    if not np.isfinite(scores).all():
        return []
    found = statistics.neighbour_differences(scores, cell.clusters, settings.confidence)
    return [
        {
            "family": cell.family,
            "task": cell.task,
            "metric": name,
            "model_from": cell.models[there[j]],
            "model_to": cell.models[there[j + 1]],
            "axis_from": cell.axis_values[there[j]],
            "axis_to": cell.axis_values[there[j + 1]],
            "difference": _number(d.difference),
            "stderr": _number(d.stderr),
            "low": _number(d.low),
            "high": _number(d.high),
            "p_value": _number(d.p_value),
            "p_adjusted": None,
            "method": d.method,
        }
        for j, d in enumerate(found)
        if cell.axis_values[there[j]] != cell.axis_values[there[j + 1]]
    ]


def differences_frame(rows: Sequence[dict[str, object]], method: str) -> pl.DataFrame:
    """All differences of an audit, with p-values adjusted over them together."""
    frame = pl.DataFrame(list(rows), schema=DIFFERENCES)
    if frame.height == 0:
        return frame
    p = frame["p_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    adjusted = statistics.adjust(p, method)
    return frame.with_columns(p_adjusted=pl.Series(adjusted).fill_nan(None))


def result_rows(results: pl.DataFrame, settings: Settings) -> list[dict[str, object]]:
    """Curve rows of aggregates that a log holds; `results` with `axis_value`.

    A value that is a whole number of successes out of n gets the exact interval; any other the one from the
    standard error that the tool reported; without either there is none.
    """
    out: list[dict[str, object]] = []
    for row in results.iter_rows(named=True):
        value, n, stderr = row["value"], row["n"], row["stderr"]
        successes = value * n if n else float("nan")
        chance = settings.chance.get(row["task"], settings.chance.get("*", row["chance"]))
        if chance is None and has_no_chance(row["metric"]):
            chance = 0.0
        low = high = resolution = None
        method, note = "none", "the log holds neither items nor a standard error"
        if n and 0 <= value <= 1 and abs(successes - round(successes)) < 1e-6 * n:
            interval = statistics.wilson if settings.interval == "wilson" else statistics.clopper_pearson
            bounds = interval(round(successes), n, settings.confidence)
            low, high = float(bounds[0]), float(bounds[1])
            method = f"{settings.interval} of the aggregate"
            note = "" if stderr else "the log gives no standard error above 0"
            if chance is not None:
                resolution = _number(float(statistics.floor(n, chance, settings.alpha)))
        elif stderr:
            z = _quantile(settings.confidence)
            low, high = value - z * stderr, value + z * stderr
            method, note = "normal, reported standard error", ""
        out.append(
            {
                "family": row["family"],
                "task": row["task"],
                "metric": row["metric"],
                "model": row["model"],
                "axis": settings.axis,
                "axis_value": row["axis_value"],
                "n": n,
                "mean": value,
                "stderr": stderr or None,
                "low": low,
                "high": high,
                "chance": chance,
                "resolution": resolution,
                "method": method,
                "note": note or None,
            }
        )
    return out


def has_no_chance(name: str) -> bool:
    """Whether a metric has chance level 0 whatever the items are, as exact match has."""
    from unmirage.errors import MetricError
    from unmirage.metrics import metric
    from unmirage.metrics.cards import zero_chance

    try:
        return metric(name).chance is zero_chance
    except MetricError:
        return False


def _quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
