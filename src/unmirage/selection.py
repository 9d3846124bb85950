"""From what was read to what is compared: models on the axis, the items that they share, attempts kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

import polars as pl

from unmirage import scales, statistics, tables
from unmirage.counts import listed
from unmirage.errors import SettingsError
from unmirage.readers import Loaded
from unmirage.result import Settings
from unmirage.verdict.thresholds import Thresholds


@dataclass(frozen=True)
class Kept:
    """What is compared.

    Attributes
    ----------
    responses: rows of the models on the axis and of the items that all models of a task answered, with
        `axis_value`; no rows where the source holds aggregates only.
    results: aggregates of the models on the axis, with `axis_value`, or None.
    families: the curves' families in order.
    notes: warnings.
    few: (family, task) with items of too few models, which are judged from their aggregates.
    """

    responses: pl.DataFrame
    results: pl.DataFrame | None
    families: list[str]
    notes: list[dict[str, object]]
    few: frozenset[tuple[str, str]] = frozenset()


def only_tasks(loaded: Loaded, names: Sequence[str]) -> Loaded:
    """What was read of the tasks that are named, all of it where none is.

    Parameters: names of tasks; * stands for any letters, ? for one.
    Raises SettingsError for a name that no task has.
    """
    if not names:
        return loaded
    frames = [*loaded.responses, *loaded.results]
    kept = tasks_named(sorted({str(task) for frame in frames for task in frame["task"].unique()}), names)
    responses, results = (
        [part for frame in group if (part := frame.filter(pl.col("task").is_in(kept))).height]
        for group in (loaded.responses, loaded.results)
    )
    return replace(loaded, responses=responses, results=results)


def tasks_named(tasks: Sequence[str], names: Sequence[str]) -> list[str]:
    """The tasks that are named, by patterns with * and ?. Raises SettingsError for a name that none has."""
    for name in names:
        if not any(fnmatchcase(task, name) for task in tasks):
            shown = ", ".join(get_close_matches(name, tasks, 5, 0) or tasks)
            raise SettingsError(
                f"there is no task {name!r}",
                where="--task",
                hint=f"{'Tasks' if len(tasks) <= 5 else 'Some tasks'}: {shown}.",
            )
    return [task for task in tasks if any(fnmatchcase(task, name) for name in names)]


def select(loaded: Loaded, settings: Settings) -> Kept:
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
        responses, more = scales.one_kind(responses)
        notes += more
        responses, more = scales.common_items(responses)
        notes += more
    if settings.samples is not None:
        responses, more = _thin(responses, settings.samples, settings.seed)
        notes += more
    few: frozenset[tuple[str, str]] = frozenset()
    if responses.height and results is not None:
        few, more = few_items(responses, results)
        notes += more
    return Kept(responses, results, models["family"].unique(maintain_order=True).to_list(), notes, few)


def few_items(
    responses: pl.DataFrame, results: pl.DataFrame
) -> tuple[frozenset[tuple[str, str]], list[dict[str, object]]]:
    """The tasks with items at fewer scales than a verdict needs, and aggregates at as many as it needs."""
    group = ["family", "task"]
    logged = responses.group_by(group, maintain_order=True).agg(
        pl.col("model").unique(maintain_order=True), scales=pl.col("axis_value").n_unique()
    )
    aggregated = results.group_by(*group, "metric").agg(
        there=pl.col("axis_value").n_unique(), models=pl.col("model").n_unique()
    )
    aggregated = aggregated.group_by(group).agg(pl.col("there", "models").max())
    least = Thresholds().min_scales
    few = logged.join(aggregated, on=group, how="inner", maintain_order="left").filter(
        pl.col("scales") < least, pl.col("there") >= least
    )
    notes = [
        tables.warning(
            "items-of-few-models",
            f"{row['task']}: items are logged for {listed(row['model'])} only and aggregates for "
            f"{row['models']} models; it is judged from the aggregates",
            where=f"{row['family']} / {row['task']}",
            count=len(row["model"]),
        )
        for row in few.iter_rows(named=True)
    ]
    return frozenset(few.select(group).iter_rows()), notes


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
    # The attempt that ended them is a pass, and the last: those before it can be drawn from.
    stopped = pl.lit(0)
    if "until" in counted.columns:
        ended = (pl.col("n_correct") == pl.col("until")) & (pl.col("n_samples") > samples)
        stopped = ended.fill_null(value=False).cast(pl.Int64)
    from_, passed = counted.select(pl.col("n_samples") - stopped, pl.col("n_correct") - stopped)
    drawn = statistics.thin(passed.to_numpy(), from_.to_numpy(), samples, seed)
    thinned = counted.with_columns(
        n_correct=pl.Series(drawn, dtype=pl.Int64), n_samples=pl.lit(samples, dtype=pl.Int64)
    )
    if "until" in counted.columns:
        thinned = thinned.with_columns(until=pl.lit(None, dtype=counted.schema["until"]))
    rest = responses.filter(pl.col("kind") != "count")
    return pl.concat([thinned, rest]), [
        tables.warning(
            "attempts-drawn",
            f"{samples} of the attempts an item are kept, drawn without replacement",
            count=counted.height,
        )
    ]
