"""The main path, whole: read, score, aggregate, judge.

Each step is a function of its own module and can be called alone; here they are in order. `read` and `score`
stop at their arrow and give the table there, as does :func:`unmirage.streaming.curves.curves`; what they have
to say beside it comes as Python warnings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import findings, recorded, tables
from unmirage import images as pictures
from unmirage.aggregate import curve_rows, curves_frame
from unmirage.differences import difference_rows, differences_frame
from unmirage.engine import Engine
from unmirage.errors import SettingsError
from unmirage.fits import fit_losses, law_of
from unmirage.judge import Case, judge_case, prepare, prepare_results
from unmirage.metrics import ScoreResult
from unmirage.predictions import prediction
from unmirage.predictions.subjects import Subject, paired
from unmirage.predictions.together import all_of
from unmirage.readers import mapping as maps
from unmirage.reported import cards_of, result_rows
from unmirage.result import Audit, Progress, Settings, checked, silent
from unmirage.selection import Kept, select
from unmirage.steps import Reading, Sources, absent, canonical, gathered, generator, load, say, scored
from unmirage.testing import examine
from unmirage.verdict.outcome import ROBUST_BREAK
from unmirage.verdict.thresholds import Thresholds


def audit(
    source: Sources,
    *,
    axis: str = "n_params",
    headline: str | None = None,
    companion: str | None = None,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    alpha: float = 0.05,
    confidence: float = 0.95,
    interval: str = "clopper-pearson",
    replicates: int = 2000,
    adjust: str = "bh",
    checkpoint: str = "last",
    samples: int | None = None,
    tokens: str | Mapping[str, str] | None = None,
    chance: Mapping[str, float] | None = None,
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    tasks: Sequence[str] = (),
    images: str | Path | None = None,
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Audit:
    """Audit the jumps of model families.

    Parameters
    ----------
    source: a path (file or folder), several paths, or a polars frame in a schema of `unmirage.tables`.
    axis ... chance: see :class:`unmirage.result.Settings`.
    format ... tasks: how to read the source; see :class:`Reading`.
    images: an npz file with pictures of items (:func:`unmirage.images.load`), for the page. Where the source
        is one path, a file `images.npz` beside it (or in the folder) is used by itself.
    engine: where the tasks are scored (:func:`unmirage.engine.engine`); None: in this process. It changes no
        number.
    progress: called with (step, done, total or None) as the work goes on.

    Returns
    -------
    An :class:`unmirage.result.Audit`; `.save(DIR)` writes its files.

    Raises
    ------
    UnmirageError
        Bad input or settings: what, where, and what to do.

    Examples
    --------
    >>> import unmirage
    >>> a = unmirage.audit(unmirage.example("checkpoints"), axis="n_tokens", metrics=["cross_entropy"])
    >>> a.verdicts.select("task", "verdict").height > 0
    True
    """
    reading = Reading(format, family, tuple(families), tuple(map), tuple(tasks))
    mapping = maps.parse(reading.map)
    settings = checked(
        Settings(
            axis=axis,
            headline=canonical(headline),
            companion=canonical(companion),
            metrics=None if metrics is None else tuple(metrics),
            seed=seed,
            alpha=alpha,
            confidence=confidence,
            interval=interval,
            replicates=replicates,
            adjust=adjust,
            checkpoint=checkpoint,
            samples=samples,
            tokens=tokens,
            chance={**mapping.chance, **maps.levels(dict(chance or {}), where="chance")},
        )
    )
    limits = Thresholds()
    pictured, unused = pictures.found(source, images)
    loaded = load(source, reading, progress)
    kept = select(loaded, settings)
    scores = scored(kept.responses, settings, engine)
    judged = _judge(kept, scores, settings, limits, progress)
    curves_table = curves_frame(judged.curves)
    compared = [recorded.compare_items(kept.responses, scores.scores)]
    if kept.results is not None:
        compared.append(recorded.compare_aggregates(kept.results, curves_table))
    check = pl.concat(compared)
    notes = [*loaded.warnings, *kept.notes, *judged.notes, *recorded.differing(check)]
    pictured, more = pictures.matching(pictured, kept.responses, named=images is not None)
    notes += unused + more
    return Audit(
        verdicts=pl.DataFrame(judged.verdicts, schema=dict(tables.VERDICTS)),
        curves=curves_table,
        scores=scores.scores,
        responses=kept.responses.drop("axis_value"),
        warnings=tables.warnings_frame(notes),
        differences=differences_frame(judged.differences, adjust),
        recorded=check,
        breaks=judged.breaks,
        fits=judged.fits,
        predictions=judged.predictions,
        skipped=scores.skipped,
        settings=settings,
        inputs=(*loaded.inputs, *([] if pictured is None else [pictured.input])),
        images=pictured,
    )


def read(
    source: Sources,
    *,
    table: str = "responses",
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    tasks: Sequence[str] = (),
) -> pl.DataFrame:
    """The responses of a source (or `table="results"`: the aggregates that it holds), checked.

    Parameters: source as in :func:`audit`; the others as in :class:`Reading`.
    Raises UnmirageError as :func:`audit`, and where the source holds no such table.
    """
    reading = Reading(format, family, tuple(families), tuple(map), tuple(tasks))
    loaded = load(source, reading, hashed=False)
    say(loaded.warnings)
    frames = {"responses": loaded.responses, "results": loaded.results}
    if table not in frames:
        raise SettingsError(f"there is no table {table!r}", where="table", hint="Say responses or results.")
    if not frames[table]:
        raise absent(table)
    return frames[table][0]


def score(
    source: Sources,
    metrics: Sequence[str] | None = None,
    *,
    tokens: str | Mapping[str, str] | None = None,
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    tasks: Sequence[str] = (),
    engine: Engine | None = None,
) -> pl.DataFrame:
    """The scores of a source: one row a response and item-level metric.

    Parameters: source, metrics, tokens, engine as in :func:`audit`; the others as in :class:`Reading`.
    Raises UnmirageError as :func:`audit`.
    """
    responses = read(source, format=format, family=family, families=families, map=map, tasks=tasks)
    settings = Settings(tokens=tokens, metrics=None if metrics is None else tuple(metrics))
    scores = scored(responses, settings, engine)
    say(
        [
            tables.warning("skipped-metric", f"{r['task']}: {r['metric']} {r['reason']}")
            for r in scores.skipped.iter_rows(named=True)
        ]
        + findings.partial_metrics(scores.partial)
    )
    return scores.scores


@dataclass
class _Judged:
    """What judging gives: rows of the curves, verdicts and differences tables, the tests, and warnings."""

    curves: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, object]] = field(default_factory=list)
    fits: pl.DataFrame = field(default_factory=lambda: tables.empty(tables.FITS))
    breaks: pl.DataFrame = field(default_factory=lambda: tables.empty(tables.BREAKS))
    predictions: pl.DataFrame = field(default_factory=lambda: tables.empty(tables.PREDICTIONS))


def _judge(
    kept: Kept, scores: ScoreResult, settings: Settings, limits: Thresholds, progress: Progress
) -> _Judged:
    """Aggregate and judge every cell, then the tasks that have aggregates only."""
    out = _Judged()
    aggregated = [] if kept.results is None else result_rows(kept.results, settings)
    found = list(gathered(kept, scores, settings))
    tasks = {cell.task for cell in found} | {str(row["task"]) for row in aggregated}
    out.notes += findings.partial_metrics(scores.partial) + findings.unused_chance(settings, tasks)
    dependent = findings.dependent_items(found, settings, limits)
    cases: list[Case] = []
    for done, cell in enumerate(found):
        progress("averaging", done, len(found))
        mine = curve_rows(cell, settings, generator(cell, settings))
        without_items, notes = findings.aggregates_only(cell, mine, aggregated)
        message = dependent.get((cell.family, cell.task))
        cases.append(prepare(cell, without_items, settings, limits, message))
        out.curves += mine + without_items
        out.differences += difference_rows(cell, str(cases[-1].choice.headline), settings)
        out.notes += notes + findings.unequal_attempts(cell, mine)
        if message is not None:
            where = f"{cell.family} / {cell.task}"
            out.notes.append(tables.warning("dependent-items", f"{cell.task}: {message}", where=where))
    itemised = {(case.family, case.task) for case in cases}
    reported: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in aggregated:
        if (row["family"], row["task"]) not in itemised:
            reported.setdefault((str(row["family"]), str(row["task"])), []).append(row)
    cards = cards_of(aggregated)
    for rows in reported.values():
        out.curves += rows
        cases.append(prepare_results(rows, cards, settings, limits))
    out.fits = fit_losses(cases, settings)
    evidence, out.breaks = examine(cases, settings, limits, progress)
    for done, (case, one) in enumerate(zip(cases, evidence, strict=True)):
        progress("judging", done, len(cases))
        verdict = judge_case(case, one, settings, limits)
        if verdict["verdict"] != ROBUST_BREAK:  # a curve that breaks follows no law
            verdict["reasons"] += law_of(case, out.fits, settings)
        out.verdicts.append(verdict)
    progress("judging", len(cases), len(cases))
    progress("predictions", 0, None)
    subjects = [
        *paired(list(zip(found, cases[: len(found)], strict=True)), kept.responses),
        *(Subject(case.family, case.task, case, None, None) for case in cases[len(found) :]),
    ]
    out.predictions = prediction.frame(all_of(subjects, evidence, settings))
    place = {name: i for i, name in enumerate(kept.families)}
    out.verdicts.sort(key=lambda verdict: (place[verdict["family"]], verdict["task"]))
    return out
