"""lighteval: `results_*.json` with the details, a Parquet file a task.

Checked on real files of 0.13.0, and against the source of 0.3.0, 0.6.2, 0.8.1, 0.9.2, 0.10.0, 0.11.0 and
0.12.2. Which files make a run is in `lighteval_runs`, the layouts of details in `lighteval_details`; this
module picks the newest of several runs, decides what a row is, and names the metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.consistency import Setup
from unmirage.families import Scale
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Input, Loaded, Options, families_of, sha256
from unmirage.readers.lighteval_rows import NAME, SAID, metric_of, read_file
from unmirage.readers.lighteval_runs import Run, claims, runs_of, shots_of, states
from unmirage.readers.lm_eval import axes
from unmirage.readers.lm_eval_runs import step_of
from unmirage.readers.parts import Table, taken
from unmirage.readers.shots import labels

__all__ = ["NAME", "claims", "metric_of", "read", "states"]

ALL, AVERAGE = "all", ":_average"  # means over tasks, among the results of tasks


@dataclass
class _Task:
    """The items of one task of one run."""

    run: Run
    name: str  # with its numbers, as in the results
    title: str
    path: Path
    frames: dict[str, Table]  # kind -> rows without family, model, task and axes
    words: dict[str, str]  # lighteval's name of a metric -> the kind of the rows that it scores
    samples: int  # outputs an item, at most
    items: int


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read every run in the files.

    Of several runs of one model and task the newest is kept, and a warning says so. Tasks are called as in
    the results, without the number of examples in the prompt ("lighteval|arc:easy"), and kept apart by it
    where there are several. A task whose items were asked in several ways is kept apart by these, "task
    (choice)". Means over tasks ("all", "mmlu:_average") are left out.

    Raises
    ------
    SourceError
        A file cannot be read.
    """
    loaded = Loaded()
    runs = runs_of(paths)
    scales = _scales(runs, options)
    titles, notes = _titles(runs)
    loaded.warnings += notes
    owners: dict[tuple[str, str], Run] = {}
    left: Counter[str] = Counter()
    tasks: list[_Task] = []
    calls: dict[Path, tuple[Any, ...]] = {}
    for run in runs:
        for name, path in sorted(run.details.items()):
            if owners.setdefault((scales[id(run)][0].model, titles[id(run), name]), run) is run:
                functions = run.results.functions(name) if run.results else {}
                calls[path] = path, functions, options.folder
    with Ahead(options, read_file, calls, list(calls), on_rows) as ahead:
        for run in runs:
            scale, _ = scales[id(run)]
            for name, path in sorted(run.details.items()):
                title = titles[id(run), name]
                newer = owners[scale.model, title]
                if newer is not run:
                    loaded.warnings.append(_older(scale.model, name, path, run, newer))
                    continue
                one = ahead.get(path, *calls[path])
                left.update(one.left)
                loaded.inputs.append(one.input)
                tasks.append(_Task(run, name, title, path, one.frames, one.words, one.samples, one.items))
    where = str(runs[0].where.parent) if runs else ""
    loaded.warnings += [
        tables.warning(code, f"{left[code]} items {text}", where=where, count=left[code])
        for code, text in SAID.items()
        if left[code]
    ]
    split = _responses(tasks, scales, loaded, options.folder)
    by_name = {(id(task.run), task.name): task for task in tasks}
    for run in runs:
        _aggregates(run, scales[id(run)], by_name, split, titles, owners, loaded)
    loaded.inputs.sort(key=lambda entry: entry.path)
    return loaded


def _titles(runs: Sequence[Run]) -> tuple[dict[tuple[int, str], str], list[dict[str, object]]]:
    """(run, task with its numbers) -> what the task is called."""
    counts: dict[str, dict[tuple[int, str], int]] = {}
    plain: dict[tuple[int, str], str] = {}
    for run in runs:
        logged = [name for name in (run.results.results if run.results else ()) if not _mean(name)]
        for name in dict.fromkeys([*run.details, *logged]):
            task, shots = shots_of(name)
            plain[id(run), name] = task
            if shots is not None:
                counts.setdefault(task, {})[id(run), name] = shots
    ends, notes = labels(counts)
    return {key: task + ends.get((key, task), "") for key, task in plain.items()}, notes


def _responses(
    tasks: Sequence[_Task],
    scales: Mapping[int, tuple[Scale, float | None]],
    loaded: Loaded,
    folder: Path | None,
) -> list[str]:
    """Add the items of all tasks; gives the tasks whose rows of several kinds were kept apart."""
    kinds: dict[str, set[str]] = {}
    for task in tasks:
        kinds.setdefault(task.title, set()).update(task.frames)
    split = sorted(title for title, of_task in kinds.items() if len(of_task) > 1)
    if split:
        message = f"tasks whose items were asked in several ways are kept apart: {', '.join(split)}"
        loaded.warnings.append(tables.warning("methods-split", message, count=len(split)))
    for task in tasks:
        scale, step = scales[id(task.run)]
        for kind, table in task.frames.items():
            numbers = {**axes(scale), **({} if step is None else {"step": step})}
            frame = taken(table).with_columns(
                family=pl.lit(scale.family),
                model=pl.lit(scale.model),
                task=pl.lit(f"{task.title} ({kind})" if task.title in split else task.title),
                **{name: pl.lit(value, dtype=pl.Float64) for name, value in numbers.items()},
            )
            checked, notes = tables.check_responses(frame, where=str(task.path))
            loaded.keep(checked, folder)
            loaded.warnings += notes
    return split


def _mean(name: str) -> bool:
    return name == ALL or AVERAGE in name


def _scales(runs: Sequence[Run], options: Options) -> dict[int, tuple[Scale, float | None]]:
    """Scale and step of each run's model, from the known families: lighteval writes no parameter count."""
    names = {id(run): run.model() for run in runs}
    unknown = [name for name, revision in names.values() if options.families.find(name, revision) is None]
    families = families_of(unknown, "family")
    out = {}
    for key, (name, revision) in names.items():
        known = options.families.find(name, revision)
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        scale = Scale(
            family=options.family or (known.family if known else families[name]),
            model=known.model if known else label,
            n_params=known.n_params if known else None,
            n_tokens=known.n_tokens if known else None,
            source=known.source if known else "",
        )
        out[key] = (scale, step_of(revision))
    return out


def _older(model: str, task: str, path: Path, run: Run, newer: Run) -> dict[str, object]:
    return tables.warning(
        "older-run",
        f"{model} has more than one run of {task}: the newest ({newer.time or newer.where}) is used, the one "
        f"of {run.time or run.where} is not",
        where=str(path),
    )


def _aggregates(
    run: Run,
    scaled: tuple[Scale, float | None],
    tasks: Mapping[tuple[int, str], _Task],
    split: Sequence[str],
    titles: Mapping[tuple[int, str], str],
    owners: dict[tuple[str, str], Run],
    loaded: Loaded,
) -> None:
    """Add the scores of a run's tasks, a row a metric."""
    if run.results is None or run.path is None:
        return
    scale, step = scaled
    rows = []
    for name, entries in run.results.results.items():
        if _mean(name):
            continue
        title = titles[id(run), name]
        newer = owners.setdefault((scale.model, title), run)
        if newer is run:
            settings = run.results.settings(name)
            loaded.setups.append(Setup(scale.family, scale.model, title, settings))
        if newer is not run:
            if name not in run.details:
                loaded.warnings.append(_older(scale.model, name, run.path, run, newer))
            continue
        task = tasks.get((id(run), name))
        functions = run.results.functions(name)
        for word, logged in entries.items():
            value = _number(logged)
            if word.endswith("_stderr") or value is None:
                continue
            kind = task.words.get(word) if task else None
            rows.append(
                {
                    "family": scale.family,
                    "model": scale.model,
                    **axes(scale),
                    "loss": None,
                    "task": f"{title} ({kind})" if title in split and kind else title,
                    "metric": metric_of(word, functions.get(word, ""), kind, task.samples if task else 1),
                    "value": value,
                    "stderr": _number(entries.get(f"{word}_stderr")),
                    "n": task.items if task else None,
                    "chance": None,
                    **({} if step is None else {"step": step}),
                }
            )
    if rows:
        schema = {**tables.RESULTS, **({} if step is None else {"step": pl.Float64})}
        frame, notes = tables.check_results(pl.DataFrame(rows, schema=schema), where=str(run.path))
        loaded.results.append(frame)
        loaded.warnings += notes
    else:
        loaded.warnings.append(
            tables.warning("no-aggregates", "no score of a task is in it", where=str(run.path))
        )
    loaded.inputs.append(Input(str(run.path), NAME, sha256(run.path), len(rows)))


def _number(value: object) -> float | None:
    """A logged number, NaN and infinities among them; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
