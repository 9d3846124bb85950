"""HELM runs: the aggregates in `stats.json`, a row a score, and the items of `scenario_state.json`.

Checked on runs of crfm-helm 0.5.16 and against its source. A statistic there is the mean over the trials of
a run (draws of the examples in the prompt) of the mean over instances, so its count and spread say nothing
of the instances; how many these were is the statistic `num_instances`. A standard error is therefore never
given here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.consistency import ASKED, Setup
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.families import Scale
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Input, Loaded, Options, families_of, sha256
from unmirage.readers.helm_items import LANGUAGE_MODELING, SAID, SEPARATE, read_items
from unmirage.readers.helm_runs import ITEM_STATS, SPEC, STATES, STATS, Run, Stat, claims, runs_of, states
from unmirage.readers.lm_eval import axes
from unmirage.readers.lm_eval_runs import step_of
from unmirage.readers.parts import put
from unmirage.readers.shots import labels

__all__ = ["NAME", "claims", "is_score", "read", "states"]

NAME = "helm"
SPLITS = ("test", "valid", None)  # of those with scores, the first is read
# What HELM writes down of a run beside its scores: sizes, times, how outputs ended, confidences, fits.
BOOKKEEPING = frozenset(
    ("batch_size", "prompt_truncated", "max_prob", "predicted_index", "platt_coef", "platt_intercept")
)
BOOKKEEPING_STARTS = ("num_", "finish_reason_", "inference_", "training_", "estimated_num_")
# Of the text that the model put out itself; of a given text only where language is modelled.
OWN_TEXT = frozenset(("logprob", "perplexity", "bits_per_byte", "logprob_per_byte"))
# In multiple choice these compare letters: no exact match of a text, which nobody hits by chance.
VARIANTS = ("quasi_exact_match", "prefix_exact_match", "quasi_prefix_exact_match")

Note = dict[str, object]


def is_score(name: str) -> bool:
    """Whether a statistic of HELM measures how good outputs are, and is no bookkeeping of the run."""
    return name not in BOOKKEEPING and not name.startswith(BOOKKEEPING_STARTS)


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read the aggregates and the items of every run whose files are among `paths`.

    Of a run that is named by one of its files the others are read too. Kept are scores of the split "test"
    ("valid" where a run has no score of that), over all its instances as they are: no perturbed ones, no part
    of a split; and the items of the same. A task that was run with several methods, or several numbers of
    examples in the prompt, is kept apart by them.

    Raises
    ------
    SourceError
        A file cannot be read, no run_spec.json belongs to statistics, or two runs of one model and task give
        different scores: HELM writes no time by which to choose.
    """
    loaded = Loaded()
    runs, unfinished = runs_of(paths)
    if unfinished:
        loaded.warnings.append(
            tables.warning(
                "unfinished-run",
                f"{len(unfinished)} folders of HELM runs have no {STATS}: {_names(unfinished)}",
                where=str(unfinished[0].parent),
                count=len(unfinished),
            )
        )
    if not runs:
        return loaded
    scales = _scales(runs, options)
    tasks, notes = _tasks(runs)
    loaded.warnings += notes
    left: Counter[str] = Counter()
    seen: dict[tuple[str, str, str], tuple[Path, float]] = {}
    again: list[Path] = []
    itemised: set[tuple[str, str]] = set()
    rows = []
    known = [
        {"family": scale.family, "model": scale.model, **axes(scale), "task": task, "step": step}
        for (scale, step), task in zip(scales, tasks, strict=True)
    ]
    pairs = [(str(one["model"]), str(one["task"])) for one in known]
    first = {pair: i for i, pair in reversed(list(enumerate(pairs)))}
    calls = {
        (i, first[pairs[i]] == i): (run, known[i], first[pairs[i]] == i, options.folder)
        for i, run in enumerate(runs)
    }
    files = [run.folder / STATES for run in runs]
    with Ahead(options, read_run, calls, files, on_rows) as ahead:
        for i, run in enumerate(runs):
            itself = pairs[i] not in itemised
            one = ahead.get((i, itself), run, known[i], itself, options.folder)
            fresh = [row for row in one.rows if _first(row, run.folder, seen)]
            if len(fresh) < len(one.rows):
                again.append(run.folder)
            on_rows(len(fresh))
            rows += fresh
            left.update(one.left)
            for name, size in ((SPEC, 0), (STATS, len(fresh))):
                path = run.folder / name
                loaded.inputs.append(Input(str(path), NAME, sha256(path), size))
            loaded.extend(one.items)
            if one.items.tables:
                itemised.add(pairs[i])
            if fresh and not one.items.setups:
                loaded.setups.append(_setup(run, known[i], None))
    where = str(runs[0].folder.parent)
    if again:
        message = f"{len(again)} runs repeat the scores of another and were left out: {_names(again)}"
        loaded.warnings.append(tables.warning("duplicate-runs", message, where=where, count=len(again)))
    loaded.warnings += _said(left, len(runs), where)
    if rows:
        table = pl.DataFrame(rows, schema={**tables.RESULTS, "step": pl.Float64})
        table = table.drop("step") if table["step"].null_count() == table.height else table
        frame, notes = tables.check_results(table, where=where)
        loaded.results.append(frame)
        loaded.warnings += notes
    return loaded


@dataclass(frozen=True)
class OneRun:
    """What a run gave: rows of scores, its items, and what a warning is to say of it."""

    rows: list[dict[str, Any]]
    items: Loaded
    left: Counter[str]


def read_run(
    on_rows: Callable[[int], None], run: Run, known: dict[str, Any], itself: bool, folder: Path | None
) -> OneRun:
    """Read a run; `known` are the columns of its model and task, `itself` whether its items are wanted."""
    left: Counter[str] = Counter()
    stats, items = run.stats(), Loaded()
    split, scores = _scores(run, stats, left)
    if itself:
        _items(run, stats, split, known, left, items, on_rows, folder)
    return OneRun([_row(name, value, n, known, run) for name, value, n in scores], items, left)


def _scales(runs: Sequence[Run], options: Options) -> list[tuple[Scale, float | None]]:
    """Scale and step of each run's model, from the known families: HELM writes no parameter count."""
    models = [run.spec.model for run in runs]
    unknown = [name for name, revision in models if options.families.find(name, revision) is None]
    families = families_of(unknown, "family")
    out = []
    for name, revision in models:
        known = options.families.find(name, revision)
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        scale = Scale(
            family=options.family or (known.family if known else families[name]),
            model=known.model if known else label,
            n_params=known.n_params if known else None,
            n_tokens=known.n_tokens if known else None,
            source=known.source if known else "",
        )
        out.append((scale, step_of(revision)))
    return out


def _tasks(runs: Sequence[Run]) -> tuple[list[str], list[Note]]:
    """The name of each run's task, with its method and number of examples where these differ."""
    methods: dict[str, set[str]] = {}
    for run in runs:
        methods.setdefault(run.spec.task, set()).add(run.spec.adapter.method)
    split = sorted(task for task, of_task in methods.items() if len(of_task) > 1)
    names = [
        f"{run.spec.task} ({run.spec.adapter.method})" if run.spec.task in split else run.spec.task
        for run in runs
    ]
    notes = []
    if split:
        message = f"tasks with several methods are kept apart: {', '.join(split)}"
        notes.append(tables.warning("methods-split", message, count=len(split)))
    counts: dict[str, dict[int, int]] = {}
    for i, (run, name) in enumerate(zip(runs, names, strict=True)):
        counts.setdefault(name, {})[i] = run.spec.adapter.max_train_instances
    suffixes, more = labels(counts)
    return [name + suffixes.get((i, name), "") for i, name in enumerate(names)], notes + more


def _scores(
    run: Run, stats: Sequence[Stat], left: Counter[str]
) -> tuple[str | None, list[tuple[str, float, int | None]]]:
    """The split that is read, and (HELM's name, value, instances) of each score of a run.

    `left` counts what a warning is to say.
    """
    whole = [stat for stat in stats if stat.name.perturbation is None and not stat.name.sub_split]
    scores = [stat for stat in whole if is_score(stat.name.name) and stat.value is not None]
    there = {stat.name.split for stat in scores}
    split = next((split for split in SPLITS if split in there), SPLITS[0])
    kept = {stat.name.name: stat for stat in scores if stat.name.split == split}
    left["splits"] += len(there) > 1
    left["parts"] += any(stat.name.sub_split for stat in stats)
    left["perturbed"] += bool(run.spec.augmenter.perturbation_specs)
    own = OWN_TEXT & kept.keys()
    if own and not _of_given_text(run, stats):
        left["zero" if "logprob" in kept and kept["logprob"].value == 0 else "own"] += 1
        kept = {name: stat for name, stat in kept.items() if name not in OWN_TEXT}
    left["empty"] += not kept
    n = _instances(whole, split)
    return split, [(name, float(stat.value or 0.0), n) for name, stat in kept.items()]


def _of_given_text(run: Run, stats: Sequence[Stat]) -> bool:
    """Whether log-probabilities are those of a given text: language was modelled, and they are not all 0."""
    zero = any(stat.name.name == "logprob" and stat.value == 0 for stat in stats)
    return run.spec.adapter.method == LANGUAGE_MODELING and not zero


def _items(
    run: Run,
    stats: Sequence[Stat],
    split: str | None,
    known: dict[str, Any],
    left: Counter[str],
    loaded: Loaded,
    on_rows: Callable[[int], None],
    folder: Path | None,
) -> None:
    """Add the items of a run, where there are any, to `loaded`."""
    if not any((run.folder / name).is_file() for name in (STATES, ITEM_STATS)):
        return
    method, of_given = run.spec.adapter.method, _of_given_text(run, stats)

    def named(name: str) -> str | None:
        return _metric(name, method) if is_score(name) and (of_given or name not in OWN_TEXT) else None

    found = read_items(run, split, named, on_rows)
    for path, records in found.records.items():
        loaded.inputs.append(Input(str(path), NAME, sha256(path), records))
    left.update({code: count for code, count in found.left.items() if count})
    if found.frame is None:
        left["unread"] += 1
        return
    step = pl.lit(known["step"], dtype=pl.Float64)
    frame = found.frame.with_columns(
        *(pl.lit(known[name]).alias(name) for name in ("family", "model", "task")),
        *(pl.lit(known[name], dtype=pl.Float64).alias(name) for name in ("n_params", "n_tokens", "flops")),
        **({} if known["step"] is None else {"step": step}),
    )
    left["letters"] += method.startswith("multiple_choice_joint")
    checked, notes = tables.check_responses(frame, where=str(run.folder))
    loaded.keep(checked, folder)
    loaded.warnings += notes
    if found.prompts:
        asked = pl.DataFrame(list(found.prompts.items()), schema=ASKED, orient="row")
        loaded.setups.append(_setup(run, known, asked if folder is None else put(asked, folder)))


def _setup(run: Run, known: dict[str, Any], prompts: pl.DataFrame | Path | None) -> Setup:
    settings = run.spec.adapter.settings()
    return Setup(known["family"], known["model"], known["task"], settings, prompts)


def _instances(stats: Sequence[Stat], split: str | None) -> int | None:
    """How many instances of a split each trial had; None where that is not written, or differed."""
    for stat in stats:
        if stat.name.name == "num_instances" and stat.name.split == split and stat.value is not None:
            return int(stat.value) if 1 <= stat.value < 2**53 and stat.value % 1 == 0 else None
    return None


def _row(name: str, value: float, n: int | None, known: dict[str, Any], run: Run) -> dict[str, Any]:
    return {
        **known,
        "loss": None,
        "metric": _metric(name, run.spec.adapter.method),
        "value": value,
        "stderr": None,
        "n": n,
        "chance": None,
    }


def _metric(name: str, method: str) -> str:
    """Our name for a score: of multiple choice, which share of right choices it is; else by the alias.

    Where each choice is a request, HELM's exact_match takes the best log-probability a token, which is
    `acc_norm` with lengths in tokens; or, calibrated, the best beyond that of the choice by itself.
    """
    from unmirage.metrics import by_alias

    if method in SEPARATE and name == "exact_match":
        return "acc_norm" if method == SEPARATE[0] else "accuracy (calibrated)"
    choice = method.startswith("multiple_choice")
    if choice and name in VARIANTS:
        return f"accuracy ({name})"
    group = "choice" if choice else "likelihood" if method == LANGUAGE_MODELING else "generation"
    return by_alias("HELM", name, group) or name


def _first(row: dict[str, Any], folder: Path, seen: dict[tuple[str, str, str], tuple[Path, float]]) -> bool:
    """Whether no other run gave this score; SourceError where one gave another value."""
    key = row["model"], row["task"], row["metric"]
    other, value = seen.setdefault(key, (folder, row["value"]))
    if value != row["value"] and (value == value or row["value"] == row["value"]):
        raise SourceError(
            f"{row['model']} has two runs of {row['task']} with different scores ({row['metric']} "
            f"{value:g} in {other}, {row['value']:g} here)",
            where=str(folder),
            hint="HELM writes no time by which to choose: name the folder of one suite.",
        )
    return other == folder


def _said(left: Counter[str], runs: int, where: str) -> list[Note]:
    """A warning for each kind of statistics that was left out, with the number of runs that it concerns."""
    texts = {
        "splits": ("splits", "hold scores of both splits; those of test are used"),
        "parts": ("sub-splits", "hold scores of parts of a split, which are left out"),
        "perturbed": ("perturbed", "hold scores of perturbed instances, which are left out"),
        "own": (
            "own-text",
            "hold log-probabilities of the text that the model wrote itself; they are not those of the right "
            "answer and are left out",
        ),
        "zero": (
            "zero-logprobs",
            "hold log-probabilities that are all 0, as clients give for greedy tokens; they are left out",
        ),
        "empty": ("no-aggregates", "hold no score"),
        "unread": ("items-not-read", "hold records of items of which none can be used"),
        "letters": (
            "letter-choices",
            "are multiple choice by letter, so their items have HELM's scores and no log-probabilities; "
            "--chance TASK=LEVEL gives the chance level",
        ),
    }
    notes = [
        tables.warning(code, f"{left[what]} of {runs} runs {text}", where=where, count=left[what])
        for what, (code, text) in texts.items()
        if left[what]
    ]
    return notes + [
        tables.warning(code, f"{left[code]} items {text}", where=where, count=left[code])
        for code, text in SAID.items()
        if left[code]
    ]


def _names(folders: Sequence[Path]) -> str:
    return listed([folder.name for folder in folders])
