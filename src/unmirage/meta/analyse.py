"""The meta-analysis, whole: read, score, average, hold every curve beside smooth ones, see where they are.

What a smooth law is, is said in `smooth`; the null distribution in `null`; the classes in `shapes`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from unmirage import findings, statistics, tables
from unmirage.aggregate import curve_rows, curves_frame
from unmirage.choosing import choose, choose_reported
from unmirage.meta.concentration import GROUPINGS, concentration, groups
from unmirage.meta.found import CELLS, LAWS, SCORES, Meta
from unmirage.meta.null import tested
from unmirage.meta.shapes import shape
from unmirage.meta.smooth import Law, Points, law, residuals
from unmirage.meta.suite import Series, suite
from unmirage.meta.words import sentences
from unmirage.metrics.recorded import aggregate_card
from unmirage.reported import result_rows
from unmirage.result import Progress, Settings, checked, silent
from unmirage.scales import TRAINING
from unmirage.selection import Kept, select
from unmirage.steps import Reading, Sources, gathered, generator, load, scored
from unmirage.verdict.breaks import LOST
from unmirage.verdict.library import Library, library, smallest_width
from unmirage.verdict.scatter import Scatter, pooled

Key = tuple[str, str, str]


def meta(
    source: Sources,
    *,
    axis: str = "n_params",
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    alpha: float = 0.05,
    confidence: float = 0.95,
    adjust: str = "bh",
    checkpoint: str = "last",
    tokens: str | Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    tasks: Sequence[str] = (),
    progress: Progress = silent,
) -> Meta:
    """Where do sharp rises concentrate, over the metrics, tasks and families of a suite?

    Every curve (a family, task, number of shots and metric) gets its emergence score and linearity, each
    beside its distribution under the smooth law that fits the curve, on the same scales with the same errors;
    the share of curves beyond it, counted for the number of curves, by metric, task and family; and one of
    six classes of shape.

    Parameters
    ----------
    source: as :func:`unmirage.audit`: logs with items, or aggregates.
    axis, metrics, seed, confidence, checkpoint, tokens, chance: see :class:`unmirage.result.Settings`.
    alpha: level at which a score is beyond its null, and the errors after adjustment (`adjust`: bh, holm).
    format ... tasks: how to read the source; see :class:`unmirage.steps.Reading`.
    progress: called with (step, done, total or None) as the work goes on.

    Returns
    -------
    A :class:`unmirage.meta.found.Meta`; `.save(DIR)` writes its files.

    Raises
    ------
    UnmirageError
        Bad input or settings: what, where, and what to do.

    Examples
    --------
    >>> import unmirage
    >>> found = unmirage.meta(unmirage.example(), tasks=["multiplication"])
    >>> found.cells.filter(found.cells["metric"] == "exact_match")["shape"][0]
    'predictable'
    """
    settings = checked(
        Settings(
            axis=axis,
            metrics=None if metrics is None else tuple(metrics),
            seed=seed,
            alpha=alpha,
            confidence=confidence,
            adjust=adjust,
            checkpoint=checkpoint,
            tokens=tokens,
            chance=dict(chance or {}),
        )
    )
    loaded = load(source, Reading(format, family, tuple(families), tuple(map), tuple(tasks)), progress)
    kept = select(loaded, settings)
    curves, preferred, notes = _curves(kept, settings, progress)
    found = suite(curves, axis)
    cells, laws = _cells(found, preferred, settings, progress)
    scores = _scores(cells, settings)
    by = pl.concat([groups(cells, one, confidence) for one in GROUPINGS])
    where = concentration(cells, confidence, seed)
    notes = [*loaded.warnings, *kept.notes, *notes, *_notes(found, settings)]
    return Meta(
        cells,
        laws,
        scores,
        by,
        where,
        curves,
        tables.warnings_frame(notes),
        sentences(cells, scores, by, where, settings),
        settings,
        tuple(loaded.inputs),
    )


def _curves(
    kept: Kept, settings: Settings, progress: Progress
) -> tuple[pl.DataFrame, set[Key], list[dict[str, object]]]:
    """Rows of all curves; (family, task, metric) of those that tasks are judged by; warnings."""
    scores = scored(kept.responses, settings)
    notes = findings.partial_metrics(scores.partial)
    reported = [] if kept.results is None else result_rows(kept.results, settings)
    if settings.metrics is not None:
        reported = [row for row in reported if row["metric"] in settings.metrics]
    rows: list[dict[str, object]] = []
    preferred: set[Key] = set()
    itemised = set()
    gathering = list(gathered(kept, scores, settings))
    for done, cell in enumerate(gathering):
        progress("averaging", done, len(gathering))
        mine = curve_rows(cell, settings, generator(settings, cell))
        more, said = findings.aggregates_only(cell, mine, reported)
        rows += [*mine, *more]
        notes += said
        itemised.add((cell.family, cell.task))
        headline = choose(cell, settings).headline
        preferred |= {(cell.family, cell.task, headline)} if headline else set()
    rest = [row for row in reported if (row["family"], row["task"]) not in itemised]
    frame = curves_frame([*rows, *rest])
    return frame, preferred | _preferred(kept.results, rest, settings), notes


def _preferred(
    results: pl.DataFrame | None, rows: Sequence[Mapping[str, object]], settings: Settings
) -> set[Key]:
    """What the source says that its tasks are judged by, else the first known share of right answers."""
    if results is None or not rows:
        return set()
    said: set[Key] = set()
    if "preferred" in results.columns:
        said = set(results.filter(pl.col("preferred") == 1).select("family", "task", "metric").rows())
    told = {(family, task) for family, task, _ in said}
    values: dict[str, list[object]] = {}
    names: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        values.setdefault(str(row["metric"]), []).append(row["mean"])
        names.setdefault((str(row["family"]), str(row["task"])), set()).add(str(row["metric"]))
    cards = {
        name: aggregate_card(name, [value for value in group if value is not None])
        for name, group in values.items()
    }
    for (family, task), mine in names.items():
        if (family, task) not in told:
            chosen = choose_reported({name: cards[name] for name in sorted(mine)}, settings).headline
            said |= {(family, task, chosen)} if chosen else set()
    return said


def _cells(
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
                "note": _infinite if np.isinf(mine.emergence) else None,
            }
        rows.append(row)
    return pl.DataFrame(rows, schema=CELLS), _laws([(found[i], one) for i, one in laws.items()])


_infinite = "half of the steps or more are flat, so the emergence score is infinite"


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
            other = None
            if left.shape[1] > LOST:
                other = pooled(left / unit[:, None], place, lost=LOST, item_sums=items / unit**2)
            known[i] = None if other is None else Scatter(other.sigma * float(unit[place]), other.df)
    return known


def _points(one: Series) -> Points:
    assert one.points is not None
    return one.points


def _generator(one: Series, settings: Settings, what: str) -> np.random.Generator:
    """A stream of the curve's own."""
    name = f"{what}\0{one.family}\0{one.label}\0{one.metric}"
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])


def _scores(cells: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    rows = []
    for name, p, after in (
        ("emergence score", "p", "p_adjusted"),
        ("linearity", "p_linearity", "p_linearity_adjusted"),
    ):
        some = cells.filter(pl.col(p).is_not_null())
        n, k = some.height, int((some[p] <= settings.alpha).sum())
        low, high = statistics.clopper_pearson(k, n, settings.confidence) if n else (None, None)
        rows.append(
            {
                "score": name,
                "cells": cells.height,
                "tested": n,
                "beyond": k,
                "share": k / n if n else None,
                "low": None if low is None else float(low),
                "high": None if high is None else float(high),
                "expected": settings.alpha * n,
                "adjusted": int((some[after] <= settings.alpha).sum()),
            }
        )
    return pl.DataFrame(rows, schema=SCORES)


def _notes(found: Sequence[Series], settings: Settings) -> list[dict[str, object]]:
    notes = []
    untested: dict[str, int] = {}
    for one in found:
        if one.why_not:
            untested[one.why_not] = untested.get(one.why_not, 0) + 1
    for why, count in sorted(untested.items()):
        notes.append(tables.warning("untested-curves", f"{count} curves are not tested: {why}", count=count))
    bare = sum(one.noise == "none known" for one in found)
    if bare:
        notes.append(
            tables.warning(
                "no-errors",
                f"of {bare} curves the source gives neither items nor standard errors: their noise is taken "
                "from what the smooth law leaves, and a score beyond the null is weaker evidence",
                count=bare,
            )
        )
    if settings.axis in TRAINING:
        notes.append(
            tables.warning(
                "one-run",
                "along a training run neighbouring checkpoints share their scatter; the null takes it to be "
                "independent",
            )
        )
    return notes
