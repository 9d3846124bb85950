"""The main path, whole: read, score, aggregate, judge.

Each step is a function of its own module and can be called alone; here they are in order. `read`, `score` and
`curves` stop at their arrow and give the table there; what they have to say beside it comes as Python
warnings.
"""

from __future__ import annotations

import warnings as python_warnings
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unmirage import recorded, scales, statistics, tables
from unmirage.aggregate import curve_rows, curves_frame, difference_rows, differences_frame, result_rows
from unmirage.cells import Cell, cells
from unmirage.errors import SettingsError
from unmirage.families import load as load_families
from unmirage.judge import dependence, dependence_message, judge_cell, judge_results
from unmirage.metrics import ScoreResult, metric, tokenise
from unmirage.metrics import score as score_rows
from unmirage.readers import Loaded, Options, Source, read_sources
from unmirage.readers import mapping as maps
from unmirage.result import Audit, Settings
from unmirage.verdict.thresholds import Thresholds

Sources = Source | Sequence[Source]
Progress = Callable[[str, int, int | None], None]  # (step, done, total or None)


class UnmirageWarning(UserWarning):
    """Something that a step has to say about the data; `audit` lists these in `warnings` instead."""


@dataclass(frozen=True)
class Reading:
    """How sources are read: the options that `read`, `score`, `curves` and `audit` share.

    Attributes
    ----------
    format: a reader's name, or None to detect it.
    family: one family name for all models, or None.
    families: TOML files with families and models of the user's.
    map: `SOURCE=NAME` entries and TOML files, for tables.
    """

    format: str | None = None
    family: str | None = None
    families: tuple[str | Path, ...] = ()
    map: tuple[str, ...] = ()


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
    reading: Reading | None = None,
    progress: Progress = lambda step, done, total: None,
    **read_options: Any,
) -> Audit:
    """Audit the jumps of model families.

    Parameters
    ----------
    source: a path (file or folder), several paths, or a polars frame in a schema of `unmirage.tables`.
    axis ... chance: see :class:`unmirage.result.Settings`.
    reading: how to read the source; its fields may be given by name instead (`family="mine"`,
        `map=("nll=target_logprob",)`).
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
    >>> a = unmirage.audit(unmirage.example(), seed=1)
    >>> a.verdicts.select("task", "verdict").height > 0
    True
    """
    mapping = maps.parse((reading or Reading(**read_options)).map)
    settings = _checked(
        Settings(
            axis=axis,
            headline=_canonical(headline),
            companion=_canonical(companion),
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
    loaded = _read(source, reading or Reading(**read_options), progress)
    kept = _select(loaded, settings)
    scored = _score(kept.responses, settings)
    rows, verdicts, differences, notes = _judge(kept, scored, settings, limits, progress)
    curves_table = curves_frame(rows)
    compared = [recorded.compare_items(kept.responses, scored.scores)]
    if kept.results is not None:
        compared.append(recorded.compare_aggregates(kept.results, curves_table))
    check = pl.concat(compared)
    notes = [*loaded.warnings, *kept.notes, *notes, *recorded.differing(check), _NO_BREAK_TEST]
    return Audit(
        verdicts=pl.DataFrame(verdicts, schema=dict(tables.VERDICTS)),
        curves=curves_table,
        scores=scored.scores,
        responses=kept.responses.drop("axis_value"),
        warnings=tables.warnings_frame(notes),
        differences=differences_frame(differences, adjust),
        recorded=check,
        skipped=scored.skipped,
        settings=settings,
        inputs=tuple(loaded.inputs),
    )


def read(source: Sources, *, table: str = "responses", **read_options: Any) -> pl.DataFrame:
    """The responses of a source (or `table="results"`: the aggregates that it holds), checked.

    Parameters: source as in :func:`audit`; the fields of :class:`Reading` by name.
    Raises UnmirageError as :func:`audit`, and where the source holds no such table.
    """
    loaded = _read(source, Reading(**read_options))
    _say(loaded.warnings)
    frames = {"responses": loaded.responses, "results": loaded.results}
    if table not in frames:
        raise SettingsError(f"there is no table {table!r}", where="table", hint="Say responses or results.")
    if not frames[table]:
        other = "results" if table == "responses" else "responses"
        raise SettingsError(
            f"the source holds no {table}", where="table", hint=f"It holds {other}: table={other!r}."
        )
    return frames[table][0]


def score(
    source: Sources,
    metrics: Sequence[str] | None = None,
    *,
    tokens: str | Mapping[str, str] | None = None,
    **read_options: Any,
) -> pl.DataFrame:
    """The scores of a source: one row a response and item-level metric.

    Parameters: source, metrics, tokens as in :func:`audit`; the fields of :class:`Reading` by name.
    Raises UnmirageError as :func:`audit`.
    """
    responses = read(source, **read_options)
    scored = _score(responses, Settings(tokens=tokens, metrics=None if metrics is None else tuple(metrics)))
    _say(
        [
            tables.warning("skipped-metric", f"{r['task']}: {r['metric']} {r['reason']}")
            for r in scored.skipped.iter_rows(named=True)
        ]
    )
    return scored.scores


def curves(source: Sources, *, axis: str = "n_params", **options: Any) -> pl.DataFrame:
    """The curves of a source: the mean of each metric for each model, with intervals.

    Parameters: as in :func:`audit`, whose curves these are.
    """
    result = audit(source, axis=axis, **options)
    _say([note for note in result.warnings.to_dicts() if note["code"] != _NO_BREAK_TEST["code"]])
    return result.curves


def _say(notes: Sequence[Mapping[str, object]]) -> None:
    for note in notes:
        where = f"{note['where']}: " if note["where"] else ""
        python_warnings.warn(f"{where}{note['message']}", UnmirageWarning, stacklevel=3)


_NO_BREAK_TEST = tables.warning(
    "no-break-test",
    "p_break, step and link are null: this version has no break test and fits no link",
    count=0,
)


@dataclass(frozen=True)
class _Kept:
    """What is on the axis: rows of the models and items that are compared."""

    responses: pl.DataFrame
    results: pl.DataFrame | None
    families: list[str]
    notes: list[dict[str, object]]


def _read(source: Sources, reading: Reading, progress: Progress = lambda step, done, total: None) -> Loaded:
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    mapping = maps.parse(reading.map)
    options = Options(
        families=load_families([Path(path) for path in reading.families]),
        family=reading.family,
        columns=mapping.columns,
        constants=mapping.constants,
    )
    done = 0

    def on_rows(n: int) -> None:
        nonlocal done
        done += n
        progress("reading", done, None)

    return read_sources(sources, options, format=reading.format, on_rows=on_rows)


def _select(loaded: Loaded, settings: Settings) -> _Kept:
    """Models on the axis, items that all of them answered, attempts that are kept."""
    responses = loaded.responses[0] if loaded.responses else tables.empty(tables.RESPONSES)
    results = loaded.results[0] if loaded.results else None
    models, notes = scales.select(
        scales.models_of([frame for frame in (responses, results) if frame is not None and frame.height]),
        settings.axis,
        settings.checkpoint,
    )
    responses = scales.on_axis(responses, models)
    results = None if results is None else scales.on_axis(results, models)
    if responses.height:
        responses, more = scales.common_items(responses)
        notes += more
    if settings.samples is not None:
        responses, more = _thin(responses, settings.samples, settings.seed)
        notes += more
    return _Kept(responses, results, models["family"].unique(maintain_order=True).to_list(), notes)


def _thin(responses: pl.DataFrame, samples: int, seed: int) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    counted = responses.filter(pl.col("kind") == "count")
    if counted.height == 0:
        raise SettingsError("no item has counted attempts to keep some of", where="--samples")
    fewest = int(counted["n_samples"].min() or 0)  # type: ignore[arg-type]
    if samples > fewest:
        raise SettingsError(
            f"{samples} attempts an item are not there: one item has {fewest}",
            where="--samples",
            hint=f"Ask for {fewest} at most.",
        )
    drawn = statistics.thin(counted["n_correct"].to_numpy(), counted["n_samples"].to_numpy(), samples, seed)
    thinned = counted.with_columns(
        n_correct=pl.Series(drawn, dtype=pl.Int64), n_samples=pl.lit(samples, dtype=pl.Int64)
    )
    rest = responses.filter(pl.col("kind") != "count")
    return pl.concat([thinned, rest]), [
        tables.warning(
            "attempts-drawn",
            f"{samples} of the attempts an item are kept, drawn without replacement",
            count=counted.height,
        )
    ]


def _score(responses: pl.DataFrame, settings: Settings) -> ScoreResult:
    """Item scores of the metrics that were asked for, headline and companion among them."""
    wanted = settings.metrics
    if wanted is not None:
        named = [name for name in (settings.headline, settings.companion) if name]
        wanted = tuple(dict.fromkeys([*named, *wanted]))
    result = score_rows(tokenise(responses, settings.tokens), wanted)
    asked = [name for name in (settings.headline, settings.companion) if name]
    extra = [name for name in asked if name not in result.scores["metric"].unique()] if wanted is None else []
    if not extra:
        return result
    more = score_rows(tokenise(responses, settings.tokens), extra)
    return ScoreResult(pl.concat([result.scores, more.scores]), pl.concat([result.skipped, more.skipped]))


def _judge(
    kept: _Kept, scored: ScoreResult, settings: Settings, limits: Thresholds, progress: Progress
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, object]], list[dict[str, object]]]:
    """Curves, verdicts and differences of every cell, then those of the tasks that have aggregates only."""
    rows: list[dict[str, Any]] = []
    verdicts: list[dict[str, Any]] = []
    differences: list[dict[str, object]] = []
    notes: list[dict[str, object]] = []
    aggregated = [] if kept.results is None else result_rows(kept.results, settings)
    found = list(
        cells(
            kept.responses,
            scored.scores,
            order=kept.families,
            chance=settings.chance,
            wanted=_aggregates(settings),
        )
    )
    dependent = _dependent_items(found, settings, limits)
    for done, cell in enumerate(found):
        progress("judging", done, len(found))
        mine = curve_rows(cell, settings, _generator(settings, cell))
        extra, more = _extra(cell, mine, aggregated)
        message = dependent.get((cell.task, cell.items[:1]))
        verdict = judge_cell(cell, extra, settings, limits, message)
        rows += mine + extra
        verdicts.append(verdict)
        differences += difference_rows(cell, str(verdict["headline"]), settings)
        notes += more
        notes += _unequal_attempts(cell, mine)
        if message is not None:
            notes.append(
                tables.warning(
                    "dependent-items", f"{cell.task}: {message}", where=f"{cell.family} / {cell.task}"
                )
            )
    itemised = {(cell.family, cell.task) for cell in found}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in aggregated:
        if (row["family"], row["task"]) not in itemised:
            groups.setdefault((str(row["family"]), str(row["task"])), []).append(row)
    for group in groups.values():
        rows += group
        verdicts.append(judge_results(group, settings, limits))
    progress("judging", len(found), len(found))
    place = {name: i for i, name in enumerate(kept.families)}
    verdicts.sort(key=lambda verdict: (place[verdict["family"]], verdict["task"]))
    return rows, verdicts, differences, notes


def _dependent_items(
    found: list[Cell], settings: Settings, limits: Thresholds
) -> dict[tuple[str, tuple[str, ...]], str]:
    """What to say of tasks whose items depend on each other: what one family shows serves all."""
    strongest: dict[tuple[str, tuple[str, ...]], tuple[float, str]] = {}
    for cell in found:
        one = dependence(cell, settings, limits)
        key = (cell.task, cell.items[:1])
        if one is not None and abs(one.correlation) > strongest.get(key, (0.0, ""))[0]:
            strongest[key] = (abs(one.correlation), dependence_message(one, cell.family))
    return {key: message for key, (_, message) in strongest.items()}


def _unequal_attempts(cell: Cell, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """A warning where the mean over items and the pooled ratio of passes differ; both are in the curves."""
    if cell.attempts is None:
        return []
    value = {(row["metric"], row["model"]): float(row["mean"] or 0.0) for row in rows}  # type: ignore[arg-type]
    ratios = {
        model: value["pooled_rate", model] / value["pass_rate", model]
        for model in cell.models
        if value.get(("pass_rate", model)) and ("pooled_rate", model) in value
    }
    apart = {model: ratio for model, ratio in ratios.items() if abs(ratio - 1) > 0.01}
    if not apart:
        return []
    most = max(apart, key=lambda model: abs(np.log(apart[model])) if apart[model] > 0 else np.inf)
    return [
        tables.warning(
            "unequal-attempts",
            f"{cell.task}: items had different numbers of attempts, so the pooled ratio (pooled_rate in the "
            f"curves) is not the mean over items (pass_rate, which is judged): for {most} "
            f"{value['pooled_rate', most]:.3g} against {value['pass_rate', most]:.3g}",
            where=f"{cell.family} / {cell.task}",
            count=len(apart),
        )
    ]


def _aggregates(settings: Settings) -> list[str] | None:
    """The aggregate metrics among those asked for; None for all that the rows allow."""
    if settings.metrics is None:
        return None
    return [name for name in settings.metrics if metric(name).combine is not None]


def _extra(
    cell: Cell, mine: list[dict[str, object]], aggregated: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, object]]]:
    """Aggregates of models whose items are not in the logs, for the metrics that the cell has itself."""
    there = {(row["metric"], row["model"]) for row in mine}
    known = {row["metric"]: row["chance"] for row in mine}
    extra = [
        {**row, "chance": row["chance"] if row["chance"] is not None else known[row["metric"]]}
        for row in aggregated
        if (row["family"], row["task"]) == (cell.family, cell.task)
        and row["metric"] in known
        and row["model"] not in cell.models
        and (row["metric"], row["model"]) not in there
    ]
    if not extra:
        return [], []
    models = sorted({str(row["model"]) for row in extra})
    return extra, [
        tables.warning(
            "aggregates-only",
            f"{cell.task}: the items of "
            f"{', '.join(models[:3])}{f' and {len(models) - 3} more' if len(models) > 3 else ''} are not in "
            "the logs; their aggregate scores are used, without a companion",
            where=f"{cell.family} / {cell.task}",
            count=len(models),
        )
    ]


def _generator(settings: Settings, cell: Cell) -> np.random.Generator:
    """A stream of the cell's own, so that adding a task changes no other's numbers."""
    return np.random.default_rng([settings.seed, zlib.crc32(f"{cell.family}\0{cell.task}".encode())])


def _canonical(name: str | None) -> str | None:
    from unmirage.errors import MetricError

    if name is None:
        return None
    try:
        return metric(name).card.name
    except MetricError:
        return name  # a score that only the log knows; if it is not there either, the verdict says so


def _checked(settings: Settings) -> Settings:
    rules = (
        (0 < settings.alpha < 1, "--alpha", "must lie between 0 and 1"),
        (0 < settings.confidence < 1, "--confidence", "must lie between 0 and 1"),
        (settings.replicates >= 100, "--replicates", "must be 100 at least"),
        (settings.seed >= 0, "--seed", "must be 0 at least"),
        (settings.samples is None or settings.samples >= 1, "--samples", "must be 1 at least"),
        (
            settings.interval in ("clopper-pearson", "wilson"),
            "--interval",
            "must be clopper-pearson or wilson",
        ),
        (settings.adjust in ("bh", "holm"), "--adjust", "must be bh or holm"),
    )
    for holds, where, rule in rules:
        if not holds:
            raise SettingsError(rule, where=where)
    return replace(settings, chance=dict(sorted(settings.chance.items())))
