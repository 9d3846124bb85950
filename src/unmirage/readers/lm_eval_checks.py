"""What the files of lm-evaluation-harness show to be wrong: log-probabilities that cannot be, and runs of one
name that disagree. The rules on numbers are in `unmirage.consistency`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.consistency import ASKED, FEWEST, Setup, contradicted, impossible
from unmirage.counts import listed
from unmirage.readers.lm_eval_columns import Columns
from unmirage.readers.lm_eval_records import LIKELIHOOD
from unmirage.readers.lm_eval_runs import Run

Note = dict[str, object]
Integers = npt.NDArray[np.int64]
SHOWN = 8  # documents that a message names
SAME = 1e-3  # nats; runs whose log-probabilities differ by more do not agree


@dataclass
class Texts:
    """The scored texts of one run, over all its tasks: a few numbers a request, an array a task.

    `row` is the record's place in its file.
    """

    tasks: list[tuple[str, Path, list[int | str]]] = field(default_factory=list)
    impossible: list[set[int]] = field(default_factory=list)
    hashes: list[Integers] = field(default_factory=list)
    scored: list[Integers] = field(default_factory=list)
    loglik: list[npt.NDArray[np.float64]] = field(default_factory=list)
    row: list[Integers] = field(default_factory=list)

    def add(self, task: str, path: Path, columns: Columns) -> None:
        """Add a samples file."""
        hashes = columns.texts
        if not len(hashes):
            return  # rolling likelihoods and generations
        self.tasks.append((task, path, columns.doc_id))
        self.hashes.append(hashes)
        self.scored.append(columns.scored)
        self.loglik.append(np.array(columns.loglikelihoods))
        self.row.append(np.repeat(np.arange(len(columns)), np.array(columns.counts)))
        never: set[int] = set()
        if columns.output_type == LIKELIHOOD:
            broken = impossible(
                self.loglik[-1],
                columns.greedy == 1,
                np.array([len(target.encode(errors="replace")) for target in columns.target], dtype=np.int64),
            )
            never = set(np.flatnonzero(broken).tolist())
        self.impossible.append(never)

    def notes(self, model: str, arguments: Mapping[str, str]) -> list[Note]:
        """A warning for each task with log-probabilities that cannot be."""
        if not self.tasks:
            return []
        mask = contradicted(
            np.concatenate(self.hashes), np.concatenate(self.scored), np.concatenate(self.loglik)
        )
        parts = np.split(mask, np.cumsum([len(part) for part in self.hashes])[:-1])
        notes = []
        for place, (task, path, documents) in enumerate(self.tasks):
            never = self.impossible[place]
            against = set(self.row[place][parts[place]].tolist())
            if len(against) < FEWEST:
                against &= never
            found = sorted(never | against)
            if not found:
                continue
            names = listed([str(documents[i]) for i in found], SHOWN)
            reasons = []
            if never:
                reasons.append(f"{len(never)} are marked greedy, and greedy text of their length is likelier")
            if against:
                reasons.append(
                    f"{len(against)} are less likely than the same text with as much or more of it scored"
                )
            off = str(arguments.get("logits_cache", "")).lower() == "false"
            cause = (
                ""
                if off
                else ". lm-eval's logits cache mixes up requests whose context and continuation overlap: run "
                "again with logits_cache=False"
            )
            notes.append(
                tables.warning(
                    "impossible-logprob",
                    f"{model}: {len(found)} of {len(documents)} items of {task} have a log-probability that "
                    f"cannot be (doc_id {names}): {'; '.join(reasons)}{cause}",
                    where=str(path),
                    count=len(found),
                )
            )
        return notes


def setup_of(run: Run, family: str, model: str, task: str, label: str, columns: Columns | None) -> Setup:
    """How a run asked its model a task; `label` is the name of the task in the rows."""
    settings: dict[str, str | None] = {}
    prompts = None
    if columns is not None and columns.prompts.any():
        prompts = pl.DataFrame({"item_id": columns.item, "prompt": columns.prompts}, schema=ASKED).filter(
            pl.col("prompt") > 0
        )
    found = run.results
    if found is not None:
        size = found.samples.get(task, {}).get("effective")
        settings = {
            "task version": _text(_entry(found.versions, task)),
            "chat template": _text(found.chat_template),
            "system instruction": _text(found.system),
            "examples as turns": _text(found.multiturn),
            "generation settings": _text(found.config.gen_kwargs or msgspec.UNSET),
            "seed of the examples": _text(_or_unset(found.config.fewshot_seed)),
            "number format": _text(_or_unset(found.config.model_dtype)),
            "lm-eval version": _text(_or_unset(found.version)),
        }
        if prompts is None:
            # Without the items' own hashes that of the task tells whether prompts and items were the same.
            settings[f"hash of {size} items"] = _text(_entry(found.hashes, task))
    nearest = columns is not None and bool(columns.accepted)
    return Setup(family, model, label, settings, prompts, nearest)


def _entry(table: Any, task: str) -> Any:
    value = table.get(task) if isinstance(table, dict) else None
    return _or_unset(value)


def _or_unset(value: Any) -> Any:
    return msgspec.UNSET if value is None else value


def _text(value: Any) -> str | None:
    return None if value is msgspec.UNSET else "none" if value is None else str(value)


def scores_apart(older: Run, newer: Run, task: str) -> str | None:
    """The first aggregate that two runs of a task give differently, in words.

    None where none differs, or the task's hash says that items or prompts did.
    """
    if older.results is None or newer.results is None:
        return None
    mine, theirs = older.results.results.get(task, {}), newer.results.results.get(task, {})
    if not same_hash(older, newer, task):
        return None
    for key, value in theirs.items():
        other = mine.get(key)
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, other))
        if not numbers or "," not in key or "_stderr" in key:
            continue
        if value != other and not abs(value - other) <= 1e-9 * max(1.0, abs(value)):
            return f"{key.split(',')[0]} is {value:.4g} in the newer and {other:.4g} in the older"
    return None


def same_hash(older: Run, newer: Run, task: str) -> bool:
    """Whether nothing says that the two runs had other items or prompts."""
    hashes = [_entry(run.results.hashes, task) if run.results else msgspec.UNSET for run in (older, newer)]
    return msgspec.UNSET in hashes or hashes[0] == hashes[1]


def items_apart(older: pl.DataFrame, newer: pl.DataFrame) -> str | None:
    """How many shared items two runs answered differently, in words; None where none, or none is shared."""
    key = ["task", "item_id", "epoch"]
    both = older.join(newer, on=key, how="inner", suffix="_newer")
    if both.height == 0:
        return None
    steps = [
        pl.when(pl.col(name).list.len() == pl.col(f"{name}_newer").list.len())
        .then((pl.col(name) - pl.col(f"{name}_newer")).list.eval(pl.element().abs().fill_nan(0.0)).list.max())
        .otherwise(None)
        for name in ("target_logprobs", "choice_logprobs")
    ]
    apart = both.select(
        step=pl.coalesce(steps), text=(pl.col("output") != pl.col("output_newer")).fill_null(value=False)
    )
    logprobs, outputs = apart.filter(pl.col("step") > SAME), int(apart["text"].sum())
    said = []
    if logprobs.height:
        largest = float(logprobs["step"].to_numpy().max())
        many = f"{logprobs.height} of {both.height} items"
        said.append(f"{many} have another log-probability (by up to {largest:.3g} nats)")
    if outputs:
        said.append(f"{outputs} of {both.height} outputs are others")
    return " and ".join(said) or None


def changed_arguments(run: Run, newer: Run) -> list[str]:
    """The names of the model's arguments that two runs give differently; [] where one gives none."""
    mine, theirs = run.arguments(), newer.arguments()
    if not mine or not theirs:
        return []
    return sorted(key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key))


@dataclass
class Disagreements:
    """Runs of one model name that answered the same items in different ways.

    `found` is (model, id of the older run, id of the newer) -> the two, and what was seen a task.
    """

    found: dict[tuple[str, int, int], tuple[Run, Run, dict[str, list[str]]]] = field(default_factory=dict)

    def compare(
        self,
        model: str,
        task: str,
        run: Run,
        newer: Run,
        used: pl.DataFrame | None = None,
        other: pl.DataFrame | None = None,
    ) -> None:
        """Compare two runs of a task by their aggregates, and by their rows (`used`: the newer's)."""
        said = [scores_apart(run, newer, task)]
        if used is not None and other is not None and same_hash(run, newer, task):
            said.insert(0, items_apart(other, used))
        texts = [text for text in said if text]
        if texts:
            pair = self.found.setdefault((model, id(run), id(newer)), (run, newer, {}))
            pair[2].setdefault(task, []).extend(texts)

    def notes(self) -> list[Note]:
        """A warning for each pair of runs."""
        notes = []
        for (model, _, _), (run, newer, tasks) in self.found.items():
            first = sorted(tasks, key=lambda task: ("items" not in tasks[task][0], task))
            seen = listed([f"{task} ({'; '.join(tasks[task])})" for task in first])
            notes.append(
                tables.warning(
                    "runs-disagree",
                    f"{model} has two runs, of {run.time or run.folder} and {newer.time or newer.folder}, "
                    f"that disagree on the same items: {seen}. That is another checkpoint, or other settings "
                    "under one name. The newest that has items is used; if they are two models, read them "
                    "apart",
                    where=str(run.path or run.folder),
                    count=len(tasks),
                )
            )
        return notes

    def mixed(self, used: Mapping[tuple[str, str], Run]) -> list[Note]:
        """Warnings of models whose tasks are taken from runs that disagree on others, or that differ in
        model_args.

        Parameters: (model, task) -> the run that it is taken from, newest first.
        """
        by_model: dict[str, dict[int, tuple[Run, list[str]]]] = {}
        for (model, task), run in used.items():
            by_model.setdefault(model, {}).setdefault(id(run), (run, []))[1].append(task)
        notes = []
        for model, runs in by_model.items():
            (newest, _), *others = runs.values()
            for run, tasks in others:
                changed = changed_arguments(run, newest)
                why = [
                    *(["disagrees with it on others"] if (model, id(run), id(newest)) in self.found else []),
                    *([f"differs from it in model_args ({', '.join(changed)})"] if changed else []),
                ]
                if not why:
                    continue
                notes.append(
                    tables.warning(
                        "mixed-runs",
                        f"{model}: {len(tasks)} tasks ({listed(sorted(tasks))}) are not in its newest run "
                        f"and come from one that {' and '.join(why)}: they may be of another checkpoint",
                        where=str(run.path or run.folder),
                        count=len(tasks),
                    )
                )
        return notes
