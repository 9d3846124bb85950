"""every_eval_ever: evaluations in the shared format of the EvalEval coalition, aggregates and items.

What was checked is in `every_eval_ever_files`, which decodes the files. This module lays items out as rows;
models and aggregates are in `every_eval_ever_results`. The rules are in :func:`read`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.readers.base import Input, Loaded, Options, sha256
from unmirage.readers.every_eval_ever_files import (
    LM_EVAL,
    Evaluation,
    Line,
    claims,
    evaluation_of,
    lines_of,
    states,
)
from unmirage.readers.every_eval_ever_results import LOG_LIKELIHOOD, models_of, results_of
from unmirage.readers.every_eval_ever_rows import LINES, REPEATED, responses_of
from unmirage.readers.parts import Table, kept, taken

__all__ = ["NAME", "claims", "read", "states"]

NAME = "every-eval-ever"
BATCH = 2000  # lines between two calls of on_rows

Note = dict[str, object]
Task = tuple[str, str]  # evaluation_id, evaluation_name


@dataclass
class _Items:
    """The lines of all files as columns, and what was met on the way."""

    folder: Path | None = None  # where lines wait; None: in memory
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in LINES})
    frames: list[pl.DataFrame] = field(default_factory=list)  # the lines of one file that left `columns`
    files: list[tuple[Path, Table, set[Task]]] = field(default_factory=list)  # the lines of each
    models: dict[str, str] = field(default_factory=dict)  # evaluation_id -> model_id
    failed: Counter[str] = field(default_factory=Counter)  # path -> lines with an error
    unscored: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)  # path -> lines without a file of aggregates
    strangers: Counter[Task] = field(default_factory=Counter)  # lines of a result that is not in that file

    def pack(self) -> None:
        """Move the lines from lists of Python's to a frame, which is far smaller."""
        self.frames.append(pl.DataFrame(self.columns, schema=LINES))
        self.columns = {name: [] for name in LINES}

    def end(self, path: Path) -> None:
        """All lines of a file were added."""
        self.pack()
        lines = pl.concat(self.frames)
        self.frames = []
        pairs = set(lines.select("evaluation", "task").unique().rows())
        self.files.append((path, kept(lines, self.folder), pairs))

    def together(self) -> list[list[Table]]:
        """The files whose lines belong to one evaluation, or to several that share files."""
        groups: list[tuple[set[str], list[Table]]] = []
        for _, lines, pairs in self.files:
            keys = {key for key, _ in pairs}
            mine = [group for group in groups if group[0] & keys]
            others = [group for group in groups if not group[0] & keys]
            joined = set().union(keys, *(found for found, _ in mine))
            groups = [*others, (joined, [*(table for _, tables in mine for table in tables), lines])]
        return [tables for _, tables in groups]


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read evaluations and their samples.

    A task is an `evaluation_name`. A metric is a result's `metric_name`; before 0.3.0, which has that key,
    its `evaluation_description` without " on NAME", where that is three words at most, else "score". Names
    and ranges are ours where the tool (`eval_library`) means a metric of ours; shares from 0 to 100 are
    divided by 100. An aggregate whose direction is not the one that its name stands for is left out.

    Items: `item_id` is the document's hash where lm_eval gave one (as in its own logs), else `sample_id`;
    epoch is that of the metadata; where there is none, several lines of one item and metric are repeats, in
    their order. Rows are generations (target: the reference that the output equals, else
    the first) where an exact match of no multiple choice was recorded; likelihoods where lm_eval logged the
    log-likelihood of the target; else they hold the recorded scores only. Lines with an error are left out.

    Sizes: `num_parameters` of the model's details, else the known families', else `params_billions` times
    10^9. Of several evaluations of one model and task the one that was retrieved last is read.

    Raises
    ------
    SourceError
        A file is no whole JSON or lacks a key; a line before the last is no sample.
    TableError
        An item has two different scores of one metric in one epoch.
    """
    loaded = Loaded()
    evaluations: dict[str, Evaluation] = {}
    rows: Counter[Path] = Counter()
    for path in (path for path in paths if path.suffix == ".json"):
        one = evaluation_of(path)
        evaluations.setdefault(one.evaluation_id, one)
        rows[path] = len(one.results)
        on_rows(len(one.results))
    found = _Items(options.folder)
    for path in (path for path in paths if path.suffix == ".jsonl"):
        rows[path], notes = _collect(path, evaluations, found, on_rows)
        loaded.warnings += notes
    loaded.inputs += [Input(str(path), NAME, sha256(path), rows[path]) for path in paths]
    models = models_of(evaluations, found.models, options)
    newest, notes = _newest(evaluations, found, models)
    loaded.warnings += notes + _said(found)
    place, repeated = _place(paths), Counter[str]()
    kinds: dict[Task, str] = {}
    for group in found.together():
        items = responses_of(pl.concat([taken(table) for table in group]), evaluations, newest, repeated)
        if items.height:
            for key, task, kind in items.select("evaluation", "task", "kind").unique().iter_rows():
                kinds[key, task] = str(kind)
            checked, notes = tables.check_responses(_sized(items, models), where=place)
            loaded.keep(checked, options.folder)
            loaded.warnings += notes
    loaded.warnings += [
        tables.warning(code, f"{repeated[code]} {text}", count=repeated[code])
        for code, text in REPEATED.items()
        if repeated[code]
    ]
    results, notes = results_of(evaluations, newest, kinds)
    loaded.warnings += notes
    if results.height:
        checked, notes = tables.check_results(_sized(results, models), where=place)
        loaded.results.append(checked)
        loaded.warnings += notes
    return loaded


def _sized(rows: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """The rows with the columns of their model."""
    return rows.join(models, on="evaluation", how="left", maintain_order="left").drop("evaluation")


def _place(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files of every_eval_ever"


def _collect(
    path: Path, evaluations: dict[str, Evaluation], found: _Items, on_rows: Callable[[int], None]
) -> tuple[int, list[Note]]:
    """Add a file's lines to `found`; how many there are, and warnings."""
    notes: list[Note] = []
    words: dict[tuple[str, str, str | None], str] = {}
    lines = 0
    for line in lines_of(path):
        if isinstance(line, int):
            if not lines:
                raise SourceError("holds no complete record", where=str(path))
            message = f"the last record breaks off at line {line}; the {lines} records before it are used"
            notes.append(tables.warning("truncated-file", message, where=str(path)))
            continue
        lines += 1
        if lines % BATCH == 0:
            on_rows(BATCH)
            found.pack()
        if line.error is not None:
            found.failed[str(path)] += 1
            continue
        score = line.evaluation.score
        if score is None or math.isnan(score):
            found.unscored[str(path)] += 1
            continue
        evaluation = evaluations.get(line.evaluation_id)
        key = (line.evaluation_id, line.evaluation_name, line.result_id)
        if key not in words:
            words[key], known = _word_of_line(line, evaluation)
            found.models.setdefault(line.evaluation_id, line.model_id)
            if evaluation is not None and not known:
                found.strangers[line.evaluation_id, line.evaluation_name] += 1
        found.alone[str(path)] += evaluation is None
        tool = evaluation.tool if evaluation else None
        likelihood = tool == LM_EVAL and words[key] == LOG_LIKELIHOOD and _is_number(line.text, float(score))
        meta = line.metadata
        hashed = meta.doc_hash if meta and tool == LM_EVAL else None
        references = line.references
        row = {
            "evaluation": line.evaluation_id,
            "task": line.evaluation_name,
            "item_id": f"{hashed[:16]}\0{line.sample_id}" if hashed else line.sample_id,
            "target": line.text if line.text in references else next(iter(references), None),
            "output": line.text,
            "epoch": _epoch(line),
            "text": bool(references) and line.text is not None and not line.chosen and not likelihood,
            "likelihood": likelihood,
            "metric": words[key],
            "value": float(score),
        }
        for name, value in row.items():
            found.columns[name].append(value)
    on_rows(lines % BATCH)
    found.end(path)
    return lines, notes


def _is_number(text: str | None, value: float) -> bool:
    try:
        return text is not None and float(text) == value
    except ValueError:
        return False


def _epoch(line: Line) -> int:
    try:
        found = int(line.metadata.epoch or 0) if line.metadata else 0
    except ValueError:
        return 0
    return found if 0 <= found < 2**31 else 0


def _word_of_line(line: Line, evaluation: Evaluation | None) -> tuple[str, bool]:
    """The word for a line's metric, and whether the file of aggregates has the result that it belongs to."""
    mine = [r for r in evaluation.results if r.evaluation_name == line.evaluation_name] if evaluation else []
    exact = [r for r in mine if r.id is not None and r.id == line.result_id]
    if exact:
        return exact[0].word, True
    if line.result_id is not None:
        return line.result_id.split(":", 1)[0], False
    return (mine[0].word, True) if len(mine) == 1 else ("score", bool(mine))


def _newest(
    evaluations: dict[str, Evaluation], found: _Items, models: pl.DataFrame
) -> tuple[dict[tuple[str, str, str], str], list[Note]]:
    """(family, model, task) -> the evaluation that is read, and a warning that counts the others."""
    places = {row[0]: (row[1], row[2]) for row in models.select("evaluation", "family", "model").iter_rows()}
    pairs = {
        (key, result.evaluation_name): None for key, one in evaluations.items() for result in one.results
    }
    for _, _, met in found.files:
        pairs |= dict.fromkeys(met)
    times = {key: one.time for key, one in evaluations.items()}
    newest: dict[tuple[str, str, str], str] = {}
    older = []
    for key, task in sorted(pairs, key=lambda pair: (-times.get(pair[0], 0.0), pair)):
        first = newest.setdefault((*places[key], task), key)
        if first != key:
            older.append(f"{places[key][1]} on {task}")
    if not older:
        return newest, []
    message = f"{len(older)} evaluations are older than another of the same model and task and are not read"
    return newest, [tables.warning("older-run", f"{message} ({listed(older)})", count=len(older))]


def _said(found: _Items) -> list[Note]:
    texts = {
        "failed-samples": (found.failed, "lines say that the model failed on the item; they are left out"),
        "unscored-samples": (found.unscored, "lines have no score; they are left out"),
        "no-aggregates": (
            found.alone,
            "lines belong to no file of aggregates that is here; nothing is known of their tool and their "
            "model's size",
        ),
    }
    notes = [
        tables.warning(
            code, f"{sum(counts.values())} {text}", where=listed(list(counts)), count=sum(counts.values())
        )
        for code, (counts, text) in texts.items()
        if sum(counts.values())
    ]
    if found.strangers:
        names = listed([f"{task} of {key}" for key, task in found.strangers])
        message = "evaluations have samples of results that their aggregates lack: are they of another run"
        notes.append(
            tables.warning(
                "unknown-result", f"{len(found.strangers)} {message}? ({names})", count=len(found.strangers)
            )
        )
    return notes
