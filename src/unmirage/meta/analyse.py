"""The meta-analysis, whole: read, score, average, hold every curve beside smooth ones, see where they are.

What a smooth law is, is said in `smooth`; the null distribution in `null`; the classes in `shapes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from unmirage import findings, statistics, tables
from unmirage.audit import audit
from unmirage.meta import claims
from unmirage.meta.cells import cells_of
from unmirage.meta.concentration import GROUPINGS, concentration, groups
from unmirage.meta.found import SCORES, Meta
from unmirage.meta.gather import gathered_curves, whole_tasks
from unmirage.meta.suite import Series, suite
from unmirage.meta.words import sentences
from unmirage.predictions.choice_chain import ChoiceChain, chains
from unmirage.result import Progress, Settings, checked, silent
from unmirage.scales import TRAINING
from unmirage.selection import select
from unmirage.steps import Reading, Sources, load


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
    claimed: str | Path | None = None,
    subtasks: bool = False,
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
    claimed: a file that names tasks that were claimed emergent, one a line or in a CSV column `task`; by
        default the list of BIG-bench and MMLU tasks that comes with the package, where the source has some.
    subtasks: keep the parts ("task:part") of tasks that are there as a whole, too.
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
    named = claims.names(claimed)
    kept = select(loaded, settings)
    curves, preferred, notes = gathered_curves(kept, settings, progress)
    if not subtasks:
        curves, parts = whole_tasks(curves)
        notes += parts
    found = suite(curves, axis)
    cells, laws = cells_of(found, preferred, settings, progress)
    scores = _scores(cells, settings)
    by = pl.concat([groups(cells, one, confidence) for one in GROUPINGS])
    where = concentration(cells, confidence, seed)
    rates = claims.rates(cells, named, confidence)
    progress("choices", 0, None)
    chain = _chain(kept.responses, settings)
    notes += findings.unused_chance(settings, curves["task"].unique())
    notes = [*loaded.warnings, *kept.notes, *notes, *_notes(found, settings)]
    return Meta(
        cells,
        laws,
        scores,
        by,
        where,
        rates,
        chain,
        curves,
        tables.warnings_frame(notes),
        sentences(cells, scores, by, where, rates, chain, settings),
        settings,
        tuple(loaded.inputs),
    )


def _chain(responses: pl.DataFrame, settings: Settings) -> ChoiceChain | None:
    """Tasks with choices under other metrics; None where the source has no such items."""
    choices = responses.filter(pl.col("kind") == "choice")
    if choices.is_empty():
        return None
    names = ("axis", "seed", "confidence", "checkpoint", "chance")
    options = {name: getattr(settings, name) for name in names}
    rows = choices.drop("axis_value")
    return chains(audit(rows, headline="multiple_choice_grade", companion="margin", metrics=[], **options))


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
