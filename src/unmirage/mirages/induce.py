"""Mirages made to order: which threshold, or how many items at once, makes a family's smooth metric jump.

The outputs are fixed; only the metric is chosen. Every made metric is then judged as any other is, so that
one sees both how a mirage is made and how it is found out. Curves are made in `search`, texts in
`words`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from unmirage import statistics
from unmirage.aggregate import curve_rows
from unmirage.audit import audit, read
from unmirage.cells import Cell, cells
from unmirage.choosing import COMPANIONS, HEADLINES, can_accompany, choose
from unmirage.errors import MetricError, ScaleError, SettingsError
from unmirage.metrics import Metric, recorded_metrics, tokenise
from unmirage.metrics import score as score_rows
from unmirage.metrics.combinators import threshold
from unmirage.metrics.inputs import allowed
from unmirage.metrics.registry import resolve
from unmirage.mirages import search, words
from unmirage.mirages.found import CURVES, Induced, Mirage
from unmirage.mirages.groups import groups_table
from unmirage.mirages.search import Scored
from unmirage.readers import Loaded
from unmirage.readers import mapping as maps
from unmirage.result import Progress, Settings, checked, silent
from unmirage.scales import FALLING, TRAINING
from unmirage.selection import Kept, select

if TYPE_CHECKING:
    from unmirage.steps import Sources

# As many groups as the paper draws: its Fig. 11 has multiples of 1/5000.
DRAWN = 5000
FEWEST_SCALES = 3


def induce(
    source: Sources,
    *,
    metric: str | None = None,
    companion: str | None = None,
    task: str | None = None,
    least: float = search.LEAST,
    axis: str = "n_params",
    checkpoint: str = "last",
    samples: int | None = None,
    chance: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    interval: str = "clopper-pearson",
    replicates: int = 2000,
    seed: int = 0,
    format: str | None = None,
    family: str | None = None,
    families: Sequence[str | Path] = (),
    map: Sequence[str] = (),
    progress: Progress = silent,
) -> Induced:
    """Search the metrics that would make a family's smooth improvement look like a jump.

    Of a continuous metric thresholds are tried (`threshold`), and groups of K items that must all be right at
    the threshold that looks least sharp (`all_of`); of a 0/1 metric groups. Of each kind the narrowest rise
    that one would draw is chosen and judged: a threshold on the responses as they are, groups as a table of
    disjoint groups, drawn once and the same for all models.

    Parameters
    ----------
    source: as for :func:`unmirage.audit`; item-level responses of one family, any kind.
    metric: a metric with a score an item; by default the headline where it is 0/1, else its companion.
    companion: what the made metrics are held beside; by default the metric itself where it is continuous.
    task: which task, where the source holds several.
    least: the value that the largest scale must reach for a made curve to be drawn, in (0, 1].
    axis ... seed: see :class:`unmirage.result.Settings`. format ... map: as for :func:`unmirage.audit`.
    progress: called with (step, done, total or None).

    Returns
    -------
    An :class:`unmirage.mirages.found.Induced`; `.save(DIR)` writes a page with charts and tables.

    Raises
    ------
    MetricError
        The metric is not there, with those that are, or has no score an item.
    SettingsError
        Several tasks or families; a value out of range.
    ScaleError
        Fewer than three scales have the metric.

    Examples
    --------
    >>> import unmirage
    >>> made = unmirage.induce(unmirage.example(), task="addition", metric="token_edit_distance")
    >>> made.mirages[0].verdict["headline"] == made.mirages[0].metric
    True
    """
    if not 0 < least <= 1:
        raise SettingsError(f"{least} is not above 0 and at most 1", where="--least")
    options = {"axis": axis, "confidence": confidence, "interval": interval, "replicates": replicates}
    mapping = maps.parse(map)
    levels = {**mapping.chance, **maps.levels(dict(chance or {}), where="chance")}
    settings = checked(
        Settings(**options, checkpoint=checkpoint, samples=samples, seed=seed, chance=levels)  # type: ignore[arg-type]
    )
    progress("reading", 0, None)
    tasks = () if task is None else (task,)
    frame = read(source, format=format, family=family, families=families, map=map, tasks=tasks)
    _one_task(frame)
    kept = select(Loaded(responses=[frame]), settings)
    progress("scoring", 0, None)
    cell, scores = _scored(kept, metric, companion, settings)
    found, beside, notes = _subject(cell, scores, metric, companion, settings)
    progress("searching", 0, None)
    training = axis in TRAINING
    rows = [search.as_it_is(found, training=training)]
    base, cut, share = found.metric, None, found.means()
    chosen: list[dict[str, Any]] = []
    if not base.card.binary:
        tried, values = search.search_thresholds(found, least, training=training)
        best, easy = search.sharpest(tried), search.easiest(tried)
        rows += tried
        if best is not None:
            chosen.append(tried[best])
        if easy is not None:
            cut, share = float(tried[easy]["cut"]), values[easy]
            base = threshold(base, cut)
    if base.card.binary:
        tried, values = search.search_groups(base, cut, share, found, least, training=training)
        best = search.sharpest(tried[1:])
        rows += tried
        if best is not None:
            chosen.append(tried[best + 1])
    for row in chosen:
        row["chosen"] = True
    curves, _ = _curves(kept, found.metric.card.name, found, settings)
    made = []
    for done, row in enumerate(chosen):
        progress("judging", done, len(chosen))
        judge = _judged_threshold if row["k"] is None else _judged_groups
        mirage, part = judge(kept, row, base, beside, found, settings)
        made.append(mirage)
        curves += part
    progress("judging", len(chosen), len(chosen))
    card = found.metric.card
    result = Induced(
        family=cell.family,
        task=cell.task,
        axis=axis,
        metric=card.name,
        title=card.title,
        higher_is_better=card.higher_is_better,
        items=found.items,
        scales=found.scales.size,
        seed=seed,
        least=least,
        search=pl.DataFrame(rows, schema=dict(search.MADE)),
        curves=pl.DataFrame(curves, schema=dict(CURVES)).unique(["metric", "model"], maintain_order=True),
        mirages=tuple(made),
        says=(),
        notes=(*notes, *(str(note["message"]) for note in kept.notes)),
        source=str(source) if isinstance(source, str | Path) else "RESPONSES",
    )
    return replace(result, says=words.sentences(result))


def _one_task(frame: pl.DataFrame) -> None:
    """SettingsError unless the rows are of one task of one family."""
    for column, option, plural in (("task", "--task", "tasks"), ("family", "source", "families")):
        names = sorted(frame[column].unique())
        if len(names) > 1:
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            hint = f"Name one with --task: {shown}." if column == "task" else f"Give one's rows: {shown}."
            raise SettingsError(
                f"there are {len(names)} {plural}; a mirage is made from one", where=option, hint=hint
            )


def _scored(
    kept: Kept, metric: str | None, companion: str | None, settings: Settings
) -> tuple[Cell, pl.DataFrame]:
    """The cell, with the metrics that its kind is judged by and those asked for, and their item scores."""
    rows = tokenise(kept.responses, None)
    kind, recorded = str(rows["kind"][0]), recorded_metrics(rows)
    usual = (*HEADLINES.get(kind, ()), *COMPANIONS.get(kind, ()))
    names = [*recorded, *(name for name in usual if allowed(resolve(name, recorded.get), rows)[0].height)]
    try:
        asked = [resolve(name, recorded.get).card.name for name in (metric, companion) if name]
        scores = score_rows(rows, list(dict.fromkeys([*names, *asked]))).scores
        missing = [name for name in asked if name not in scores["metric"].unique()]
        if missing:
            raise MetricError(f"{missing[0]} is an aggregate: it has no score an item")
    except MetricError as problem:
        there = score_rows(rows).scores["metric"].unique(maintain_order=True)
        raise MetricError(
            problem.what, where="--metric", hint=f"These rows have: {', '.join(there)}."
        ) from None
    return _cell(kept, scores, settings), scores


def _cell(kept: Kept, scores: pl.DataFrame, settings: Settings) -> Cell:
    falling, chance = settings.axis in FALLING, settings.chance
    return next(cells(kept.responses, scores, order=kept.families, falling=falling, chance=chance, wanted=[]))


def _subject(
    cell: Cell, scores: pl.DataFrame, metric: str | None, companion: str | None, settings: Settings
) -> tuple[Scored, str | None, list[str]]:
    """The scores that mirages are made from, the companion's name, and what to say."""
    recorded = {name: layer.metric for name, layer in cell.layers.items()}
    asked = None if companion is None else resolve(companion, recorded.get).card.name
    choice = choose(cell, replace(settings, companion=asked))
    name = None if metric is None else resolve(metric, recorded.get).card.name
    if name is None:
        if choice.headline is None:
            raise MetricError(choice.why_not or "there is no metric", where="--metric")
        plain = cell.layers[choice.headline].metric.card.binary
        name = choice.headline if plain else choice.companion or choice.headline
    layer = cell.layers[name]
    notes = [choice.remark] if choice.remark else []
    beside = name if asked is None and can_accompany(layer.metric.card) else choice.companion
    there = np.flatnonzero(layer.finite)
    if there.size < len(cell.models):
        left = len(cell.models) - there.size
        notes.append(f"{left} of {len(cell.models)} models lack a finite {name} on an item and are left out")
    if len(set(cell.axis_values[there].tolist())) < FEWEST_SCALES:
        raise ScaleError(
            f"{name} is there at {len(set(cell.axis_values[there].tolist()))} scales",
            where=f"{cell.family} / {cell.task}",
            hint=f"A jump needs {FEWEST_SCALES} scales at least, and a verdict five.",
        )
    models = {cell.models[m]: float(cell.axis_values[m]) for m in there}
    mine = scores.filter(pl.col("metric") == name)
    return search.scored(layer.metric, mine, models, falling=settings.axis in FALLING), beside, notes


def _curves(kept: Kept, name: str, found: Scored, settings: Settings) -> tuple[list[dict[str, Any]], Cell]:
    """The curve of an item-level metric, as the audit has it, for the models that mirages are made from."""
    cell = _cell(kept, score_rows(tokenise(kept.responses, None), [name]).scores, settings)
    rows = curve_rows(cell, settings, _generator(settings, kept, name))
    shown = [
        {column: row.get(column) for column in CURVES} | {"value": row["mean"]}
        for row in rows
        if row["model"] in found.models
    ]
    return shown, cell


def _judged_threshold(
    kept: Kept, row: dict[str, Any], base: Metric, beside: str | None, found: Scored, settings: Settings
) -> tuple[Mirage, list[dict[str, Any]]]:
    """A threshold as a mirage, with the audit's verdict on it, and its curve."""
    curves, _ = _curves(kept, row["metric"], found, settings)
    level = _level(kept, settings)
    verdict = _verdict(_responses(kept, found), row["metric"], beside, level, settings)
    return Mirage(row["metric"], beside, row["cut"], None, level, row, verdict, found.items), curves


def _judged_groups(
    kept: Kept, row: dict[str, Any], base: Metric, beside: str | None, found: Scored, settings: Settings
) -> tuple[Mirage, list[dict[str, Any]]]:
    """A metric of groups as a mirage, with the audit's verdict on disjoint groups, and its curves.

    The curve is the exact expectation over groups; its interval is that of the share of right items, raised
    to the power K as the expectation is. Beside it stands what groups drawn at random show.
    """
    name, made, k = base.card.name, str(row["metric"]), int(row["k"])
    curves, cell = _curves(kept, name, found, settings)
    layer = cell.layers[name]
    level = (_level(kept, settings) if layer.chance is None else float(layer.chance.mean())) ** k
    responses = _responses(kept, found)
    names = [name] if beside is None else [name, beside]
    scores = score_rows(tokenise(responses, None), names).scores
    table = groups_table(responses, scores, name, made, beside, k, _generator(settings, kept, made))
    verdict = _verdict(table, made, beside, level, settings)
    share = np.array([row["value"] for row in curves])
    drawn = np.full(len(curves), np.nan)
    if layer.exact:
        place = [cell.models.index(one["model"]) for one in curves]
        rng = _generator(settings, kept, f"{made}\0drawn")
        drawn = statistics.drawn_groups(layer.scores[:, place].T, k, DRAWN, rng)
    exact = statistics.subset_accuracy(np.round(share * found.items, 9), found.items, k)
    powers = [
        {
            **one,
            "metric": made,
            "value": float(exact[m]),
            "low": None if one["low"] is None else min(one["low"] ** k, float(exact[m])),
            "high": None if one["high"] is None else max(one["high"] ** k, float(exact[m])),
            "method": f"{one['method']} of {name}, to the power {k}",
            "drawn": float(drawn[m]) if layer.exact else None,
        }
        for m, one in enumerate(curves)
    ]
    judged = table["item_id"].n_unique()
    return Mirage(made, beside, row["cut"], k, level, row, verdict, judged, table), [*curves, *powers]


def _responses(kept: Kept, found: Scored) -> pl.DataFrame:
    return kept.responses.drop("axis_value").filter(pl.col("model").is_in(found.models))


def _level(kept: Kept, settings: Settings) -> float:
    """The chance level that was given, else 0: what is made from a continuous metric has none of its own."""
    return settings.chance.get(str(kept.responses["task"][0]), settings.chance.get("*", 0.0))


def _verdict(
    rows: pl.DataFrame, headline: str, companion: str | None, level: float, settings: Settings
) -> dict[str, Any]:
    """The verdict row of the audit of these rows by this headline, chance being at `level`."""
    found = audit(
        rows,
        headline=headline,
        companion=companion,
        metrics=(),
        chance={"*": level},
        axis=settings.axis,
        checkpoint=settings.checkpoint,
        confidence=settings.confidence,
        interval=settings.interval,
        replicates=settings.replicates,
        seed=settings.seed,
    )
    return found.verdicts.row(0, named=True)


def _generator(settings: Settings, kept: Kept, name: str) -> np.random.Generator:
    """A stream of the metric's own."""
    words = f"{kept.responses['family'][0]}\0{kept.responses['task'][0]}\0{name}\0induce"
    return np.random.default_rng([settings.seed, zlib.crc32(words.encode())])
