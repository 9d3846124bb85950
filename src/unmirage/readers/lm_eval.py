"""lm-evaluation-harness logs: `results_*.json` with the `samples_*.jsonl` of the same run.

Checked on real logs of 0.4.13 and on the layouts of 0.4.0 to 0.4.12. This module finds the runs in the files,
picks the newest of several, and lays the records out as responses; decoding a samples file is
`lm_eval_records`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.families import Scale
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Input, Loaded, Options, families_of, sha256
from unmirage.readers.lm_eval_checks import (
    Asked,
    Disagreements,
    Scored,
    Texts,
    asked_of,
    changed_arguments,
    scored_of,
    scores_apart,
    setup_of,
)
from unmirage.readers.lm_eval_columns import read_columns
from unmirage.readers.lm_eval_frames import frame_of
from unmirage.readers.lm_eval_runs import Results, Run, claims, runs_of, states, step_of
from unmirage.readers.parts import Table, taken
from unmirage.readers.shots import labels

__all__ = ["NAME", "axes", "claims", "group_of", "read", "states"]

NAME = "lm-eval"


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read every run in the files.

    Of several runs of one model and task the newest is kept, and a warning says so. A task that was run with
    several numbers of examples in the prompt is kept apart by them, as "task (5-shot)". Where no results file
    belongs to the samples, a warning says what the model is called then.
    """
    loaded = Loaded()
    found = runs_of(paths, options.unreadable)
    runs = sorted(found, key=lambda run: (run.time, str(run.folder), str(run.path)), reverse=True)
    scales = _scales(runs, options)
    shots, notes = _shots(runs)
    loaded.warnings += notes
    calls: dict[Path, _Call] = {}
    newest: dict[tuple[str, str], Path] = {}
    for run in runs:
        for task, path in sorted(run.samples.items()):
            label = task + shots.get((id(run), task), "")
            calls[path] = _call(run, task, label, path, scales[id(run)], options.folder, options.hashed)
            newest.setdefault((scales[id(run)][0].model, label), path)
    first = {path: calls[path] for path in newest.values()}
    with Ahead(options, read_file, first, list(first), on_rows) as ahead:
        _read_runs(runs, scales, shots, calls, ahead, options, loaded)
    loaded.inputs.sort(key=lambda entry: entry.path)
    return loaded


def _read_runs(
    runs: Sequence[Run],
    scales: Mapping[int, tuple[Scale, float | None]],
    shots: Mapping[tuple[int, str], str],
    calls: Mapping[Path, _Call],
    ahead: Ahead[Path, File],
    options: Options,
    loaded: Loaded,
) -> None:
    """Add what the runs hold, the newest run first."""
    sampled: dict[tuple[str, str], tuple[Run, Table]] = {}
    aggregated: dict[tuple[str, str], Run] = {}
    used: dict[tuple[str, str], Run] = {}
    apart = Disagreements()
    for run in runs:
        scale, step = scales[id(run)]
        if run.results is None:
            loaded.warnings.append(_no_results(run, scale))
        texts = Texts(options.folder)
        for task, path in sorted(run.samples.items()):
            label = task + shots.get((id(run), task), "")
            newer = sampled.get((scale.model, label))
            with options.unreadable.attempt(path):
                if newer is None:
                    one = ahead.get(path, *calls[path])
                    sampled[scale.model, label] = run, one.loaded.tables[0]
                    used[scale.model, label] = run
                    loaded.extend(one.loaded)
                    loaded.setups.append(setup_of(run, scale.family, scale.model, task, label, one.asked))
                    texts.add(task, path, one.scored)
                    continue
                loaded.warnings.append(_older(scale.model, task, path, run, newer[0]))
                if scores_apart(run, newer[0], task) or not (run.results and newer[0].results):
                    call = _call(run, task, label, path, scales[id(run)], None, False)
                    again = read_file(lambda n: None, *call).loaded.responses[0]
                    apart.compare(scale.model, task, run, newer[0], taken(newer[1]), again)
        loaded.warnings += texts.notes(scale.model, run.arguments())
        if run.results is None or run.path is None:
            continue
        suffixes = {task: shots.get((id(run), task), "") for task in run.results.results}
        pairs = _aggregates(run.results, scale, suffixes)
        fresh, stale = [], {}
        for task, row in pairs:
            owner = aggregated.setdefault((scale.model, row["task"]), run)
            if owner is run:
                used.setdefault((scale.model, task + suffixes[task]), run)
                fresh.append(row)
            else:
                stale[task] = owner
        if fresh:
            table = pl.DataFrame(fresh, schema=dict(tables.RESULTS)).with_columns(
                step=pl.lit(step, dtype=pl.Float64)
            )
            frame, notes = tables.check_results(_without_empty_step(table), where=str(run.path))
            loaded.results.append(frame)
            loaded.warnings += notes
        for task, owner in stale.items():
            if task not in run.samples:
                loaded.warnings.append(_older(scale.model, task, run.path, run, owner))
            if task not in run.samples or used.get((scale.model, task + suffixes[task])) is run:
                apart.compare(scale.model, task, run, owner)
        loaded.setups += [
            setup_of(run, scale.family, scale.model, task, task + suffixes[task], None)
            for task in run.results.configs
            if task not in run.samples and used.get((scale.model, task + suffixes.get(task, ""))) is run
        ]
        if not pairs:
            loaded.warnings.append(
                tables.warning(
                    "no-aggregates",
                    "no score of a task is in it (predict-only runs and versions before 0.4.0 write none "
                    "that can be read)",
                    where=str(run.path),
                )
            )
        digest = sha256(run.path) if options.hashed else ""
        loaded.inputs.append(Input(str(run.path), NAME, digest, len(fresh)))
    loaded.warnings += apart.notes() + apart.mixed(used)


def _scales(runs: Sequence[Run], options: Options) -> dict[int, tuple[Scale, float | None]]:
    """Scale and step of each run's model: the log's own parameter count, else the known families'."""
    names = {id(run): run.model() for run in runs}
    unknown = [name for name, revision in names.values() if options.families.find(name, revision) is None]
    folder = runs[0].folder.parent.name if runs else ""
    families = families_of(unknown, folder or "family")
    scales = {}
    for run in runs:
        name, revision = names[id(run)]
        known = options.families.find(name, revision)
        counted = run.results.config.model_num_parameters if run.results else None
        logged = counted if counted and counted > 0 else None  # -1 where the harness could not count them
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        scale = Scale(
            family=options.family or (known.family if known else families[name]),
            model=known.model if known else label,
            n_params=logged or (known.n_params if known else None),
            n_tokens=known.n_tokens if known else None,
            source="log" if logged else (known.source if known else ""),
        )
        scales[id(run)] = (scale, step_of(revision))
    return scales


def _shots(runs: Sequence[Run]) -> tuple[dict[tuple[int, str], str], list[dict[str, object]]]:
    """(run, task) -> " (5-shot)" for the tasks that were run with several numbers of examples in the
    prompt."""
    counts: dict[str, dict[int, int]] = {}
    for run in runs:
        for task in {*run.samples, *(run.results.results if run.results else ())}:
            config = run.config(task)
            if config is not None:
                counts.setdefault(task, {})[id(run)] = _count(config.get("num_fewshot")) or 0
    return labels(counts)


def _without_empty_step(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop("step") if frame["step"].null_count() == frame.height else frame


def _no_results(run: Run, scale: Scale) -> dict[str, object]:
    files = sorted(run.samples.values())
    how = "the files' names" if run.named else "the folder's name"
    others = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return tables.warning(
        "no-results-file",
        f"no results file belongs to {files[0].name}{others}: the model is called {scale.model} after {how}, "
        f"and the task {', '.join(sorted(run.samples))}",
        where=str(run.folder),
        count=len(files),
    )


def axes(scale: Scale) -> dict[str, float | None]:
    """The axis columns of a model: parameters, tokens, and compute as 6·N·D where both are known."""
    flops = 6 * scale.n_params * scale.n_tokens if scale.n_params and scale.n_tokens else None
    return {"n_params": scale.n_params, "n_tokens": scale.n_tokens, "flops": flops}


def _older(model: str, task: str, path: Path, run: Run, newer: Run) -> dict[str, object]:
    changed = changed_arguments(run, newer)
    settings = f"; their model_args differ in {', '.join(changed)}" if changed else ""
    return tables.warning(
        "older-run",
        f"{model} has more than one run of {task}: the newest ({newer.time or newer.folder}) is used, "
        f"the one of {run.time or run.folder} is not{settings}",
        where=str(path),
    )


@dataclass(frozen=True)
class File:
    """What a samples file gave: its rows and warnings, its scored texts, and how items were asked."""

    loaded: Loaded
    scored: Scored | None
    asked: Asked


_Call = tuple[Path, str, dict[str, Any] | None, list[str], Scale, dict[str, float | None], Path | None, bool]


def _call(
    run: Run,
    task: str,
    label: str,
    path: Path,
    scaled: tuple[Scale, float | None],
    folder: Path | None,
    hashed: bool,
) -> _Call:
    """The arguments of :func:`read_file` for a task of a run."""
    scale, step = scaled
    filters = run.results.filters(task) if run.results else []
    return path, label, run.config(task), filters, scale, {**axes(scale), "step": step}, folder, hashed


def read_file(
    on_rows: Callable[[int], None],
    path: Path,
    label: str,
    config: dict[str, Any] | None,
    filters: list[str],
    scale: Scale,
    known: dict[str, float | None],
    folder: Path | None,
    hashed: bool,
) -> File:
    """Read a samples file; `label` is what its task is called, `known` the axes of its model."""
    columns = read_columns(path, config, on_rows, hashed=hashed)
    loaded = Loaded(inputs=[Input(str(path), NAME, columns.sha256, len(columns))])
    frame, notes = frame_of(columns, config, filters, where=str(path))
    named = pl.col("filter").replace_strict(
        {"": label}, default=pl.format("{},{}", pl.lit(label), pl.col("filter"))
    )
    frame = frame.with_columns(
        family=pl.lit(scale.family),
        model=pl.lit(scale.model),
        task=named,
        **{name: pl.lit(value, dtype=pl.Float64) for name, value in known.items()},
    ).drop("filter")
    frame, more = tables.check_responses(_without_empty_step(frame), where=str(path))
    loaded.keep(frame, folder)
    loaded.warnings += [*notes, *more]
    return File(loaded, scored_of(columns, folder), asked_of(columns, folder))


def _aggregates(results: Results, scale: Scale, suffixes: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """The aggregate scores of the leaf tasks as (task, row), a row a metric.

    Groups, which sum tasks, are left out.
    """
    from unmirage.metrics import by_alias

    known = axes(scale)
    rows = []
    for task, entries in results.results.items():
        if task not in results.configs:
            continue
        output_type = str(results.configs[task].get("output_type", ""))
        filters = results.filters(task)
        size = results.samples.get(task, {}).get("effective", entries.get("sample_len"))
        taken: set[tuple[str, str]] = set()
        for key, logged in entries.items():
            name, _, filter_name = key.partition(",")
            value = _number(logged)
            if not filter_name or name.endswith("_stderr") or name == "bypass" or value is None:
                continue
            if name == "perplexity" and value <= 0:
                continue
            stderr = _number(entries.get(f"{name}_stderr,{filter_name}"))
            if name == "perplexity":
                # In aggregate exp(-mean log-likelihood), of an item the log-likelihood itself: ours is the
                # latter.
                value, stderr = -math.log(value), None
            ours = by_alias(NAME, name, group_of(output_type)) or name
            # acc_norm and acc_bytes are one metric of ours, over characters or bytes; the first that is
            # listed has the name.
            metric = name if (ours, filter_name) in taken else ours
            taken.add((metric, filter_name))
            row = {
                "family": scale.family,
                "model": scale.model,
                **known,
                "loss": None,
                "task": f"{task}{suffixes.get(task, '')}" + ("" if len(filters) == 1 else f",{filter_name}"),
                "metric": metric,
                "value": value,
                "stderr": stderr,
                "n": _count(size),
                "chance": None,
            }
            rows.append((task, row))
    return rows


def _number(value: object) -> float | None:
    """A logged number as a float, NaN and infinities among them; None for "N/A", a blank, and what is no
    number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _count(value: object) -> int | None:
    """A logged count as an integer; None for what is none."""
    number = _number(value)
    return None if number is None or not 0 <= number < 2**53 else int(number)


def group_of(output_type: str) -> str:
    """The group of metrics that an output type of the harness is scored with."""
    groups = {"multiple_choice": "choice", "generate_until": "generation"}
    return groups.get(output_type, "likelihood")
