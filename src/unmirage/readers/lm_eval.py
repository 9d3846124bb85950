"""lm-evaluation-harness logs: `results_*.json` with the `samples_*.jsonl` of the same run.

Checked on real logs of 0.4.13 and on the layouts of 0.4.0 to 0.4.12. This module finds the runs in the files, picks the newest of
several, and lays the records out as responses; decoding a samples file is `lm_eval_records`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from unmirage import tables
from unmirage.errors import SourceError
from unmirage.families import Scale, common_family
from unmirage.readers.base import Input, Loaded, Options, head, lenient_json, sha256
from unmirage.readers.lm_eval_frames import frame_of
from unmirage.readers.lm_eval_records import Columns, read_columns

NAME = "lm-eval"
TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
SAMPLES = re.compile(rf"^samples_(?P<task>.+)_(?P<time>{TIME})\.jsonl$")
MODEL_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")
# A greedy token has probability 1/vocabulary at least, and a token one byte: no vocabulary is larger than 2**19.
LEAST_GREEDY_BYTE = -math.log(2**19)


def claims(path: Path) -> bool:
    """Whether a file is a results or a samples file of the harness, by its first bytes."""
    if path.suffix == ".json":
        return re.match(rb'^\{\s*"results"\s*:', head(path)) is not None
    if path.suffix == ".jsonl":
        return SAMPLES.match(path.name) is not None or re.match(rb'^\[?\s*\{\s*"doc_id"\s*:', head(path)) is not None
    return False


class Config(msgspec.Struct):
    """`config` of a results file: how the model was made."""

    model_args: dict[str, Any] | str | None = None
    model_num_parameters: int | None = None
    model_revision: str | None = None


class Results(msgspec.Struct):
    """A results file, the keys that are used."""

    results: dict[str, dict[str, Any]]
    configs: dict[str, dict[str, Any]] = {}
    config: Config = msgspec.field(default_factory=Config)
    samples: dict[str, dict[str, Any]] = msgspec.field(name="n-samples", default_factory=dict)
    model_name: str | None = None
    lm_eval_version: str | None = None
    group_subtasks: dict[str, list[str]] = {}

    def arguments(self) -> dict[str, str]:
        """`model_args`, which was the text "k=v,k=v" before 0.4.10."""
        raw = self.config.model_args
        if isinstance(raw, dict):
            return {key: str(value) for key, value in raw.items()}
        return dict(part.split("=", 1) for part in (raw or "").split(",") if "=" in part)

    def filters(self, task: str) -> list[str]:
        """The filters that the task was scored with, in the order of the file."""
        keys = [key.split(",", 1)[1] for key in self.results.get(task, {}) if "," in key]
        return list(dict.fromkeys(keys))


@dataclass
class Run:
    """One invocation for one model: its results file and its samples files, either of which may be missing."""

    time: str
    folder: Path
    path: Path | None = None
    results: Results | None = None
    samples: dict[str, Path] = field(default_factory=dict)

    def config(self, task: str) -> dict[str, Any] | None:
        return self.results.configs.get(task) if self.results else None

    def model(self) -> tuple[str, str | None]:
        """(name, revision) of the model; without a results file the name comes from the folder's."""
        if self.results is None:
            return self.folder.name.split("__")[-1], None
        arguments = self.results.arguments()
        name = next((arguments[key] for key in MODEL_KEYS if arguments.get(key)), self.results.model_name)
        revision = arguments.get("revision") or self.results.config.model_revision
        return (name or self.folder.name.split("__")[-1]), (revision if revision not in (None, "", "main") else None)


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read every run in the files; of several runs of one model and task the newest is kept, and a warning says so."""
    loaded = Loaded()
    runs = sorted(_runs(paths), key=lambda run: (run.time, str(run.folder)), reverse=True)
    scales = _scales(runs, options)
    sampled: dict[tuple[str, str], Run] = {}
    aggregated: dict[tuple[str, str, str], Run] = {}
    for run in runs:
        scale = scales[id(run)]
        for task, path in sorted(run.samples.items()):
            newer = sampled.setdefault((scale.model, task), run)
            if newer is not run:
                loaded.warnings.append(_older(scale.model, task, path, run, newer))
                continue
            loaded.extend(_read_task(run, task, path, scale, on_rows))
        if run.results is not None and run.path is not None:
            rows = _aggregates(run.results, scale)
            fresh = [r for r in rows if aggregated.setdefault((scale.model, r["task"], r["metric"]), run) is run]
            if fresh:
                frame, notes = tables.check_results(pl.DataFrame(fresh, schema=dict(tables.RESULTS)), where=str(run.path))
                loaded.results.append(frame)
                loaded.warnings += notes
            loaded.inputs.append(Input(str(run.path), NAME, sha256(run.path), len(fresh)))
    loaded.inputs.sort(key=lambda entry: entry.path)
    return loaded


def _runs(paths: Sequence[Path]) -> Iterator[Run]:
    """Pair samples with the results file of the same folder and time (or, before 0.4.3, of the same folder)."""
    runs: dict[tuple[Path, str], Run] = {}
    given = set(paths)
    for path in sorted(given):
        if path.suffix == ".json":
            time = _time(path)
            run = runs.setdefault((path.parent, time), Run(time, path.parent))
            run.path, run.results = path, _decode(path)
    for path in sorted(given):
        if path.suffix != ".jsonl":
            continue
        match = SAMPLES.match(path.name)
        time = match["time"] if match else ""
        run = runs.setdefault((path.parent, time), Run(time, path.parent))
        if run.results is None:
            beside = [p for p in sorted(path.parent.glob(f"*{time}.json")) if claims(p) and _time(p) == time]
            if beside:
                run.path, run.results = beside[0], _decode(beside[0])
        run.samples[match["task"] if match else _old_task(path, run.results)] = path
    yield from runs.values()


def _time(path: Path) -> str:
    match = re.search(rf"_({TIME})\.json$", path.name)
    return match[1] if match else ""


def _old_task(path: Path, results: Results | None) -> str:
    """The task of `<model arguments>_<task>.jsonl`: the longest task name of the results that it ends with."""
    names = sorted(results.results if results else (), key=len, reverse=True)
    return next((name for name in names if path.stem.endswith(name)), path.stem.rsplit("_", 1)[-1])


def _decode(path: Path) -> Results:
    try:
        content = path.read_bytes()
        try:
            return msgspec.json.decode(content, type=Results)
        except msgspec.DecodeError:
            return msgspec.json.decode(lenient_json(content), type=Results)
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, ValueError) as problem:
        raise SourceError(f"is not a results file of lm-evaluation-harness: {problem}", where=str(path)) from None


def _scales(runs: Sequence[Run], options: Options) -> dict[int, Scale]:
    """Family, label and scale of each run's model: the log's parameter count, else the known families."""
    names = {id(run): run.model() for run in runs}
    unknown = [name for name, revision in names.values() if options.families.find(name, revision) is None]
    fallback = options.family or common_family(sorted(set(unknown)))
    scales = {}
    for run in runs:
        name, revision = names[id(run)]
        known = options.families.find(name, revision)
        logged = run.results.config.model_num_parameters if run.results else None
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        scales[id(run)] = Scale(
            family=options.family or (known.family if known else fallback or run.folder.parent.name or "family"),
            model=known.model if known else label,
            n_params=float(logged) if logged else (known.n_params if known else None),
            n_tokens=known.n_tokens if known else None,
            source="log" if logged else (known.source if known else ""),
        )
    return scales


def axes(scale: Scale) -> dict[str, float | None]:
    """The axis columns of a model: parameters, tokens, and compute as 6·N·D where both are known."""
    flops = 6 * scale.n_params * scale.n_tokens if scale.n_params and scale.n_tokens else None
    return {"n_params": scale.n_params, "n_tokens": scale.n_tokens, "flops": flops}


def _older(model: str, task: str, path: Path, run: Run, newer: Run) -> dict[str, object]:
    settings = ""
    if run.results and newer.results:
        mine, theirs = run.results.arguments(), newer.results.arguments()
        changed = sorted(key for key in mine | theirs if mine.get(key) != theirs.get(key))
        settings = f"; their model_args differ in {', '.join(changed)}" if changed else ""
    return tables.warning(
        "older-run",
        f"{model} has more than one run of {task}: the newest ({newer.time or newer.folder}) is used, "
        f"the one of {run.time or run.folder} is not{settings}",
        where=str(path),
    )


def _read_task(run: Run, task: str, path: Path, scale: Scale, on_rows: Callable[[int], None]) -> Loaded:
    config = run.config(task)
    columns = read_columns(path, config, on_rows)
    loaded = Loaded(inputs=[Input(str(path), NAME, sha256(path), len(columns))])
    frame, notes = frame_of(columns, config, run.results.filters(task) if run.results else [], where=str(path))
    named = pl.col("filter").replace_strict({"": task}, default=pl.format("{},{}", pl.lit(task), pl.col("filter")))
    known = axes(scale)
    frame = frame.with_columns(
        family=pl.lit(scale.family),
        model=pl.lit(scale.model),
        task=named,
        **{name: pl.lit(value, dtype=pl.Float64) for name, value in known.items()},
    ).drop("filter")
    frame, more = tables.check_responses(frame, where=str(path))
    loaded.responses.append(frame)
    loaded.warnings += [*notes, *more, *_consistency(columns, path, task, scale.model)]
    return loaded


def _consistency(columns: Columns, path: Path, task: str, model: str) -> list[dict[str, object]]:
    """Log-probabilities that cannot be: greedy, yet less likely than any greedy text of that length."""
    if columns.output_type != "loglikelihood":
        return []
    broken = sum(
        bool(greedy) and values[0] < len((target or "").encode()) * LEAST_GREEDY_BYTE
        for greedy, values, target in zip(columns.greedy, columns.loglikelihoods, columns.target, strict=True)
    )
    if not broken:
        return []
    return [
        tables.warning(
            "impossible-logprob",
            f"{model}: {broken} items of {task} are marked greedy but have a log-probability that no greedy text of that length can have. "
            "lm-eval's logits cache mixes up requests whose context and continuation overlap: run again with logits_cache=False",
            where=str(path), count=broken,
        )
    ]


def _aggregates(results: Results, scale: Scale) -> list[dict[str, Any]]:
    """The aggregate scores of the leaf tasks, a row a metric; groups are sums of tasks and left out."""
    from unmirage.metrics import by_alias

    known = axes(scale)
    rows = []
    for task, entries in results.results.items():
        if task not in results.configs:
            continue
        output_type = str(results.configs[task].get("output_type", ""))
        filters = results.filters(task)
        size = results.samples.get(task, {}).get("effective", entries.get("sample_len"))
        for key, value in entries.items():
            name, _, filter_name = key.partition(",")
            if not filter_name or name.endswith("_stderr") or name == "bypass" or not isinstance(value, int | float):
                continue
            if name == "perplexity" and not 0 < value < math.inf:
                continue
            stderr = entries.get(f"{name}_stderr,{filter_name}")
            if name == "perplexity":
                # In aggregate exp(-mean log-likelihood), of an item the log-likelihood itself: ours is the latter.
                value, stderr = -math.log(value), None
            rows.append(
                {
                    "family": scale.family, "model": scale.model, **known, "loss": None,
                    "task": task if len(filters) == 1 else f"{task},{filter_name}",
                    "metric": by_alias(NAME, name, group_of(output_type)) or name,
                    "value": float(value),
                    "stderr": float(stderr) if isinstance(stderr, int | float) else None,
                    "n": int(size) if isinstance(size, int | float) else None,
                    "chance": None,
                }
            )
    return rows


def group_of(output_type: str) -> str:
    """The group of metrics that an output type of the harness is scored with."""
    groups = {"multiple_choice": "choice", "generate_until": "generation"}
    return groups.get(output_type, "likelihood")
