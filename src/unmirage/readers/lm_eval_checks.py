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
from unmirage.facts import Parted
from unmirage.readers.lm_eval_columns import Columns
from unmirage.readers.lm_eval_records import LIKELIHOOD
from unmirage.readers.lm_eval_runs import Run
from unmirage.readers.parts import Table, kept, put, rows_of, taken

Note = dict[str, object]
SHOWN = 8  # documents that a message names
SAME = 1e-3  # nats; runs whose log-probabilities differ by more do not agree


@dataclass(frozen=True)
class Scored:
    """The scored texts of a samples file: a few numbers a request.

    Attributes
    ----------
    requests: in the schema SCORED.
    documents: `doc_id` of each record.
    impossible: the records whose text is marked greedy and cannot be.
    """

    requests: Table
    documents: Table
    impossible: frozenset[int]


# Hash of the text, how much of it is scored, its log-probability, and the place of its record.
SCORED = {"text": pl.Int64, "scored": pl.Int64, "loglik": pl.Float64, "row": pl.UInt32}


def scored_of(columns: Columns, folder: Path | None) -> Scored | None:
    """The scored texts of a samples file, in files of `folder` if there is one; None where there are none:
    rolling likelihoods and generations."""
    if not len(columns.texts):
        return None
    requests = pl.DataFrame(
        {
            "text": columns.texts,
            "scored": columns.scored,
            "loglik": np.array(columns.loglikelihoods, dtype=np.float64),
            "row": np.repeat(np.arange(len(columns), dtype=np.uint32), np.array(columns.counts)),
        },
        schema=SCORED,
    )
    broken: frozenset[int] = frozenset()
    if columns.output_type == LIKELIHOOD:
        found = impossible(
            requests["loglik"].to_numpy(),
            columns.greedy == 1,
            _bytes(columns),
        )
        broken = frozenset(np.flatnonzero(found).tolist())
    documents = pl.DataFrame({"doc_id": list(map(str, columns.doc_id))}, schema={"doc_id": pl.String})
    return Scored(kept(requests, folder), kept(documents, folder), broken)


def _bytes(columns: Columns) -> npt.NDArray[np.int64]:
    """The bytes in UTF-8 of each text that is scored, one a record."""
    if all(map(str.isascii, columns.target)):
        return columns.scored
    return np.array([len(target.encode(errors="replace")) for target in columns.target], dtype=np.int64)


@dataclass
class Texts:
    """The scored texts of one run, over all its tasks.

    Parameters
    ----------
    folder: where they wait for each other; None: in memory.
    """

    folder: Path | None = None
    tasks: list[tuple[str, Path, Scored]] = field(default_factory=list)

    def add(self, task: str, path: Path, scored: Scored | None) -> None:
        """Add a samples file."""
        if scored is not None:
            self.tasks.append((task, path, scored))

    def notes(self, model: str, arguments: Mapping[str, str]) -> list[Note]:
        """A warning for each task with log-probabilities that cannot be."""
        if not self.tasks:
            return []
        contradictions = self._contradicted()
        notes = []
        for place, (task, path, scored) in enumerate(self.tasks):
            never = scored.impossible
            against = contradictions.get(place, set())
            if len(against) < FEWEST:
                against &= never
            found = sorted(never | against)
            if not found:
                continue
            documents = taken(scored.documents)["doc_id"]
            names = listed(documents.gather(found).to_list(), SHOWN)
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

    def _contradicted(self) -> dict[int, set[int]]:
        """Place of a task -> its records that another request contradicts."""
        texts = Parted(sum(rows_of(one.requests) for _, _, one in self.tasks), "text", self.folder)
        for place, (_, _, one) in enumerate(self.tasks):
            texts.add(taken(one.requests).with_columns(place=pl.lit(place, dtype=pl.UInt32)))
        found: dict[int, set[int]] = {}
        for part in texts:
            mask = contradicted(*(part[name].to_numpy() for name in ("text", "scored", "loglik")))
            for place, row in part.filter(pl.Series(mask)).select("place", "row").iter_rows():
                found.setdefault(place, set()).add(row)
        return found


@dataclass(frozen=True)
class Asked:
    """What the records of a samples file say of how items were asked; see :class:`Setup`."""

    prompts: pl.DataFrame | Path | None
    nearest: bool


def asked_of(columns: Columns, folder: Path | None) -> Asked:
    """The prompts of a samples file, in a file of `folder` if there is one."""
    prompts: pl.DataFrame | Path | None = None
    if columns.prompts.any():
        stated = pl.DataFrame({"item_id": columns.item, "prompt": columns.prompts}, schema=ASKED)
        stated = stated.filter(pl.col("prompt") > 0)
        prompts = stated if folder is None else put(stated, folder)
    return Asked(prompts, bool(columns.accepted))


def setup_of(run: Run, family: str, model: str, task: str, label: str, asked: Asked | None) -> Setup:
    """How a run asked its model a task; `label` is the name of the task in the rows."""
    settings: dict[str, str | None] = {}
    asked = asked or Asked(None, nearest=False)
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
        if asked.prompts is None:
            # Without the items' own hashes that of the task tells whether prompts and items were the same.
            settings[f"hash of {size} items"] = _text(_entry(found.hashes, task))
    return Setup(family, model, label, settings, asked.prompts, asked.nearest)


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
