"""From responses to scores: which metrics a task's rows allow, and the item scores. Means come later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from unmirage.engine import Engine
from unmirage.engine.local import Local
from unmirage.errors import MetricError
from unmirage.metrics.cards import FloatArray, Metric
from unmirage.metrics.inputs import Inputs, allowed, missing
from unmirage.metrics.recorded import recorded_metrics
from unmirage.metrics.registry import REGISTRY, resolve
from unmirage.metrics.shared import item_scores
from unmirage.parting import parts
from unmirage.tables import SCORES

# Rows of a kind are scored by these groups when no metric is asked for by name. What the first group cannot
# compute is worth a word; the second is taken where its inputs happen to be there.
_GROUPS: dict[str, tuple[str, ...]] = {
    "generation": ("generation", "likelihood"),
    "choice": ("choice", "likelihood"),
    "likelihood": ("likelihood",),
    "count": ("count",),
    "score": (),
}
_AGGREGATE = "is an aggregate: it has a value for a model, none for an item"
_SKIPPED = {"task": pl.String, "metric": pl.String, "reason": pl.String}
_PARTIAL = dict.fromkeys(("family", "task", "metric", "model", "reason"), pl.String)


@dataclass(frozen=True)
class ScoreResult:
    """Item scores, and what could not be computed.

    Attributes
    ----------
    scores: in the schema `tables.SCORES`, one row a response and metric; tasks, metrics and rows in the
        order they were met. Infinite scores stay infinite.
    skipped: task, metric, reason: one row a metric that a task does not allow.
    partial: family, task, metric, model, reason: one row a model that lacks a metric which other models of
        its family have on the task.
    """

    scores: pl.DataFrame
    skipped: pl.DataFrame
    partial: pl.DataFrame


@dataclass(frozen=True)
class _Part:
    """What one task of a family gives.

    Attributes: scores, a frame a metric; skipped and partial, rows of the tables of :class:`ScoreResult`;
    unknown, name as asked -> why; canonical, name as asked -> ours; computed, ours that some rows allow.
    """

    scores: list[pl.DataFrame]
    skipped: list[tuple[str, str, str]]
    partial: list[tuple[str, ...]]
    unknown: dict[str, MetricError]
    canonical: dict[str, str]
    computed: set[str]


def score(
    responses: pl.DataFrame, metrics: Sequence[str] | None = None, engine: Engine | None = None
) -> ScoreResult:
    """Score responses, family by family and task by task.

    Parameters
    ----------
    responses: in the schema `tables.RESPONSES`, as `tables.check_responses` returns it.
    metrics: names or expressions. None: every item-level metric that fits the kind of the task's rows, for
        each model that has its inputs on every row; not those that need an extra. On rows of kind "score"
        these are the recorded scores. Aggregates (ece, macro_f1, all_of, any_of) have no item score and are
        listed under `skipped` when asked for by name; see :func:`aggregate_names`.
    engine: where the tasks are scored; None: here, one after another.

    Raises
    ------
    MetricError
        A name is unknown, or can be computed on no task (the message gives the first task's reason).
    MissingExtraError
        A metric was asked for by name and its package is not installed.
    """
    asked = None if metrics is None else list(dict.fromkeys(metrics))
    frames = list(parts(responses, ["family", "task"]).values())
    # The largest first, so that none is left for the end; the results are put in the tasks' order.
    order = sorted(range(len(frames)), key=lambda place: -frames[place].height)
    made = dict((engine or Local()).map(_part, {place: (frames[place], asked) for place in order}))
    scored = [made[place] for place in range(len(frames))]
    unknown = {name: problem for part in scored for name, problem in part.unknown.items()}
    canonical = {name: ours for part in scored for name, ours in part.canonical.items()}
    computed = {name for part in scored for name in part.computed}
    skipped = [row for part in scored for row in part.skipped]
    for name in asked or ():
        if canonical.get(name) not in computed:
            raise unknown.get(name) or _nowhere(canonical.get(name, name), skipped)
    scores = [frame for part in scored for frame in part.scores]
    listed = pl.DataFrame(skipped, schema=_SKIPPED, orient="row")
    lacking = pl.DataFrame([row for part in scored for row in part.partial], schema=_PARTIAL, orient="row")
    return ScoreResult(
        pl.concat(scores) if scores else pl.DataFrame(schema=SCORES),
        listed.unique(maintain_order=True),
        lacking,
    )


def _part(frame: pl.DataFrame, asked: list[str] | None) -> _Part:
    """The scores of the rows of one task of a family."""
    family, task = str(frame["family"][0]), str(frame["task"][0])
    part = _Part([], [], [], {}, {}, set())
    done: set[str] = set()
    inputs = Inputs(frame)
    whole: list[tuple[int, Metric]] = []
    for name, one in _wanted(frame, asked):
        if isinstance(one, MetricError):
            part.unknown[name] = one
            part.skipped.append((task, name, "is not a score that this task recorded"))
            continue
        written = part.canonical[name] = one.card.name
        if written in done:
            continue
        done.add(written)
        every = inputs.missing(one) is None
        rows, without = (frame, {}) if every else allowed(one, frame)
        if rows.height:
            part.partial.extend((family, task, written, *why) for why in without.items())
        reason = None if rows.height else missing(one, frame)
        if one.combine is not None:
            reason = _AGGREGATE
        if rows.height or reason == _AGGREGATE:
            part.computed.add(written)
        if reason is None and every:
            whole.append((len(part.scores), one))
            part.scores.append(frame.clear())
        elif reason is None:
            part.scores.append(_scored(rows, one, one.components(rows)[:, 0]))
        elif asked is not None or one.card.group == _main_group(frame):
            part.skipped.append((task, written, reason))
    for (place, one), scores in zip(whole, item_scores([one for _, one in whole], frame), strict=True):
        part.scores[place] = _scored(frame, one, scores)
    return part


def aggregate_names(frame: pl.DataFrame) -> tuple[str, ...]:
    """The aggregate metrics with a fixed name that the rows of one task allow; () where there is none.

    `all_of` and `any_of` are aggregates too, but only exist as expressions.
    """
    groups = {group for kind in _kinds(frame) for group in _GROUPS[kind]}
    return tuple(
        name
        for name, one in REGISTRY.items()
        if one.combine is not None and one.card.group in groups and allowed(one, frame)[0].height
    )


def available(frame: pl.DataFrame) -> tuple[list[str], list[str], dict[str, str]]:
    """Which metrics the rows of one family's task allow; nothing is computed.

    Returns
    -------
    Names of the metrics that can be computed, aggregates among them; those of these that some models lack
    inputs for; and metric -> why not, for the metrics of the rows' kind that cannot be computed.
    """
    groups = {group for kind in _kinds(frame) for group in _GROUPS[kind]}
    wanted = {one.card.name: one for _, one in _wanted(frame, None) if isinstance(one, Metric)}
    wanted |= {n: one for n, one in REGISTRY.items() if one.combine is not None and one.card.group in groups}
    can: list[str] = []
    partial: list[str] = []
    cannot: dict[str, str] = {}
    for name, one in wanted.items():
        rows, without = allowed(one, frame)
        if rows.height:
            can.append(name)
            partial += [name] if without else []
        elif one.card.group == _main_group(frame):
            cannot[name] = missing(one, frame) or "there are no rows"
    return can, partial, cannot


def _wanted(frame: pl.DataFrame, asked: list[str] | None) -> Iterator[tuple[str, Metric | MetricError]]:
    """(name as asked, the metric or why it is unknown) for the rows of one task."""
    recorded = recorded_metrics(frame)
    if asked is not None:
        for name in asked:
            try:
                yield name, resolve(name, recorded.get)
            except MetricError as problem:
                yield name, problem
        return
    yield from recorded.items()
    groups = {group for kind in _kinds(frame) for group in _GROUPS[kind]}
    for name, one in REGISTRY.items():
        if one.card.group in groups and one.card.extra is None and one.combine is None:
            yield name, one


def _nowhere(name: str, skipped: list[tuple[str, str, str]]) -> MetricError:
    """The error for a metric that no task allows, with the first task's reason."""
    reasons = [f"on task {task} it {reason}" for task, metric, reason in skipped if metric == name]
    return MetricError(
        f"{name} cannot be computed on any task: {reasons[0] if reasons else 'there are no rows'}",
        hint="Ask for a metric whose inputs the logs hold; leave the names out to get all of those.",
    )


def _kinds(frame: pl.DataFrame) -> list[str]:
    return [str(kind) for kind in frame["kind"].unique(maintain_order=True)]


def _main_group(frame: pl.DataFrame) -> str | None:
    """The group whose missing inputs are worth a word: that of the kind, when the rows have but one."""
    kinds = _kinds(frame)
    return _GROUPS[kinds[0]][0] if len(kinds) == 1 and _GROUPS[kinds[0]] else None


def _scored(frame: pl.DataFrame, one: Metric, scores: FloatArray) -> pl.DataFrame:
    return frame.select(
        pl.col("family", "model", "task", "item_id", "epoch"),
        pl.lit(one.card.name).alias("metric"),
        pl.Series("score", scores, dtype=pl.Float64),
    )
