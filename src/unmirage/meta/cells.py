"""The table of cells: each curve beside smooth ones, with its class."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from unmirage import statistics
from unmirage.meta.found import CELLS, LAWS
from unmirage.meta.gather import Key
from unmirage.meta.null import tested
from unmirage.meta.shapes import shape
from unmirage.meta.smooth import Law, Points, law, most, residuals
from unmirage.meta.suite import Series
from unmirage.result import Progress, Settings
from unmirage.scales import TRAINING
from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import Library, library, smallest_width
from unmirage.verdict.scatter import Scatter, pooled

INFINITE = "half of the steps or more are flat, so the emergence score is infinite"


def cells_of(
    found: Sequence[Series], preferred: set[Key], settings: Settings, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The table of cells, and the smooth laws of those that are tested."""
    shaped = {i: _shapes(one, settings) for i, one in enumerate(found) if one.points is not None}
    known = _known(found, shaped)
    laws: dict[int, Law] = {}
    results = {}
    for done, (i, shapes) in enumerate(shaped.items()):
        progress("smooth curves", done, len(shaped))
        points = found[i].points
        assert points is not None
        laws[i] = law(points, shapes, known[i])
        results[i] = tested(points, laws[i], _generator(found[i], settings, "null"))
    progress("smooth curves", len(shaped), len(shaped))
    p = np.array([results[i].p for i in shaped])
    adjusted = dict(zip(shaped, statistics.adjust(p, settings.adjust), strict=True))
    lines = np.array([results[i].p_linearity for i in shaped])
    adjusted_lines = dict(zip(shaped, statistics.adjust(lines, settings.adjust), strict=True))
    rows = []
    for i, one in enumerate(found):
        row = _described(one, (one.family, one.label, one.metric) in preferred)
        if i in shaped and one.points is not None:
            mine, smooth = results[i], laws[i]
            beyond = bool(adjusted[i] <= settings.alpha)
            kind = shape(
                one.points,
                shaped[i],
                smooth,
                mine,
                beyond=beyond,
                rng=_generator(one, settings, "shape"),
            )
            row |= {
                "emergence_score": mine.emergence,
                "breakthroughness": mine.emergence,
                "guarded_score": mine.guarded,
                "null_median": mine.median,
                "null_high": mine.high,
                "p": mine.p,
                "p_adjusted": float(adjusted[i]),
                "beyond": bool(mine.p <= settings.alpha),
                "adjusted": beyond,
                "linearity": mine.linearity,
                "linearity_null_median": mine.linearity_median,
                "linearity_null_low": mine.linearity_low,
                "p_linearity": mine.p_linearity,
                "p_linearity_adjusted": float(adjusted_lines[i]),
                "draws": mine.draws,
                "law": smooth.kinds[0],
                "r2": smooth.r2,
                "scatter": smooth.scatter,
                "shape": kind.name,
                "support": kind.support,
                "p_constant": kind.p_constant,
                "note": INFINITE if np.isinf(mine.emergence) else None,
            }
        rows.append(row)
    return pl.DataFrame(rows, schema=CELLS), _laws([(found[i], one) for i, one in laws.items()])


def _described(one: Series, preferred: bool) -> dict[str, object]:
    sign = -1.0 if one.points is not None and one.points.turned else 1.0
    ends = (None, None) if one.points is None else (sign * one.points.y[0], sign * one.points.y[-1])
    return {
        "family": one.family,
        "task": one.task,
        "shots": one.shots,
        "metric": one.metric,
        "preferred": preferred,
        "scales": one.values.size,
        "models": one.models,
        "chance": one.chance,
        "first": ends[0],
        "last": ends[1],
        "noise": one.noise or None,
        "note": one.why_not or None,
    }


def _laws(of: Sequence[tuple[Series, Law]]) -> pl.DataFrame:
    """One row a scale of each tested curve: the mean, and the best smooth law."""
    rows: dict[str, list[object]] = {name: [] for name in LAWS}
    for one, smooth in of:
        points = _points(one)
        sign = -1.0 if points.turned else 1.0
        size = points.y.size
        for name in ("family", "task", "shots", "metric"):
            rows[name] += [getattr(one, name)] * size
        rows["axis_value"] += one.values.tolist()
        rows["mean"] += (sign * points.y).tolist()
        rows["law"] += (sign * points.back(smooth.curves[0])).tolist()
    return pl.DataFrame(rows, schema=LAWS)


def _shapes(one: Series, settings: Settings) -> Library:
    assert one.points is not None
    least = smallest_width(np.log10(one.scales), training=settings.axis in TRAINING)
    return library(one.scales, one.points.models, least, shares=True)


def _known(found: Sequence[Series], shaped: Mapping[int, Library]) -> dict[int, Scatter | None]:
    """What the other tasks of a family say of the scatter of its models, by the same metric."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for i in shaped:
        one = found[i]
        alike.setdefault((one.family, one.metric, id(shaped[i])), []).append(i)
    known: dict[int, Scatter | None] = {}
    for group in alike.values():
        points = [_points(found[i]) for i in group]
        left, items = residuals(points, shaped[group[0]])
        # Of metrics without a range tasks differ in their unit.
        unit = np.array(
            [1.0 if one.logged or np.isfinite(one.high - one.low) else float(np.ptp(one.y)) for one in points]
        )
        for place, i in enumerate(group):
            told: list[Scatter] = []
            if left.shape[1] > LOST:
                # Where the items make nearly all of what is left, the rest is next to nothing and known to
                # next to nothing; the whole is then the better bound.
                for sums in (items / unit**2, None):
                    other = pooled(left / unit[:, None], place, lost=LOST, item_sums=sums)
                    told += [] if other is None else [Scatter(other.sigma * float(unit[place]), other.df)]
            known[i] = min(told, key=most, default=None)
    return known


def _points(one: Series) -> Points:
    assert one.points is not None
    return one.points


def _generator(one: Series, settings: Settings, what: str) -> np.random.Generator:
    """A stream of the curve's own."""
    name = f"{what}\0{one.family}\0{one.label}\0{one.metric}"
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
