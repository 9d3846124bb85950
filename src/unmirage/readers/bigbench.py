"""BIG-bench results: `scores_*.json`, and `full-log_*.json` with its queries.

Checked on files of the classes of bigbench 1.0.0 (`ResultsFileData` of api/results.py). This module decides
which files are read; laying their scores out as rows is `bigbench_rows`, their queries `bigbench_items`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl

from unmirage import tables
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Input, Loaded, Options, head, lenient_json, sha256
from unmirage.readers.bigbench_items import rows_of_log
from unmirage.readers.bigbench_parts import Parts
from unmirage.readers.bigbench_queries import FullLog
from unmirage.readers.bigbench_rows import (
    Model,
    ScoreFile,
    Task,
    counts_of,
    ends_of,
    label_of,
    models_of,
    named,
    rows_of,
)
from unmirage.readers.parts import Table, kept, taken

__all__ = ["NAME", "claims", "read"]

NAME = "bigbench"
LOG, SCORES = "full-log_", "scores_"
_HEAD = re.compile(rb'^\s*\{\s*"(?:scores|task|model|queries)"\s*:')
_WORDS = (b'"score_dict"', b'"task_name"', b'"model_family"')

_strict = msgspec.json.Decoder(ScoreFile)
_lenient = msgspec.json.Decoder(ScoreFile, strict=False)  # reads "NaN"
_strict_log = msgspec.json.Decoder(FullLog)
_lenient_log = msgspec.json.Decoder(FullLog, strict=False)


def claims(path: Path) -> bool:
    """Whether a file holds BIG-bench's results, by the keys in its first bytes."""
    if path.suffix != ".json":
        return False
    start = head(path)
    return _HEAD.match(start) is not None and any(word in start for word in _WORDS)


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read score files: a row of `tables.RESULTS` for each model, task, subtask, number of shots and metric;
    and the queries of full logs: a row of `tables.RESPONSES` for each model and item.

    family and model are the file's `model_family` and `model_name`; n_params is
    `flop_matched_non_embedding_params`, by which BIG-bench plots; `total_params` and `non_embedding_params`
    are further axes where they differ from it. task is the task's name for the whole, "task:subtask" for a
    subtask, and is kept apart by shots where there are several, "task (2-shot)", and by the way that items
    were asked where there are several, "task,choices". Values are in the range of our metric of that name,
    else as the file has them. chance is the file's low score of a preferred metric that is a share, or what
    the table of BIG-bench's tasks says of multiple_choice_grade. n comes from that table where every value of
    the task is a whole number out of it. More numeric columns: `shots`, `preferred` (1 where the metric is
    the one that BIG-bench judges the task by, else 0), and that metric's `low_score` and `high_score`, in the
    unit of its value.

    A number of shots without an entry for the task as a whole gets BIG-bench's aggregate. Of a full log
    beside a score file of the same name only the queries are read: the scores are the same. The same score in
    two files is read once, with a warning.

    Raises
    ------
    SourceError
        A file is no whole JSON or lacks a key; two files give different values of one score.
    TableError
        Two full logs of one model give different responses, or a response breaks a rule of its schema.
    """
    loaded = Loaded()
    given = set(paths)
    files: list[tuple[Path, ScoreFile]] = []
    empty: list[Path] = []
    logs: list[tuple[Path, File]] = []
    models: list[tuple[Task, Model]] = []
    calls = {path: (path, options.folder) for path in sorted(given)}
    told = {path: call for path, call in calls.items() if path.name.startswith(LOG)}
    with Ahead(options, read_file, told, list(told), lambda n: None) as ahead:
        for path, call in calls.items():
            one: File | None = None
            with options.unreadable.attempt(path):
                one = ahead.get(path, *call)
            if one is None or path in options.unreadable.found:
                continue
            models.append((one.scores.task, one.scores.model))
            logs.append((path, one))
            rows = one.rows
            loaded.warnings += one.notes
            twin = path.with_name(SCORES + path.name.removeprefix(LOG))
            if not (path.name.startswith(LOG) and twin in given):
                rows += sum(len(score.values) for score in one.scores.scores)
                if one.scores.scores:
                    files.append((path, one.scores))
                elif not rows:
                    empty.append(path)
            on_rows(rows)
            loaded.inputs.append(Input(str(path), NAME, sha256(path), rows))
    if empty:
        names = listed([path.name for path in empty])
        loaded.warnings.append(
            tables.warning("no-aggregates", f"{len(empty)} files hold no score ({names})", count=len(empty))
        )
    parts = _parts([file for _, file in files], [part for _, one in logs for part in one.parts])
    counts = counts_of(file for _, file in files)
    counts += [(label, shots) for _, one in logs for label, _, shots in one.parts]
    ends, notes = ends_of(counts)
    loaded.warnings += notes + parts.notes()
    if files:
        frame, notes = rows_of(files, options, parts, ends)
        loaded.warnings += notes
        if frame.height:
            checked, notes = tables.check_results(frame, where=_place([path for path, _ in files]))
            loaded.results.append(checked)
            loaded.warnings += notes
    known = models_of(models, options)
    for i, (path, one) in enumerate(logs):
        if one.items is None:
            continue
        joined = named(taken(one.items).with_columns(file=pl.lit(i)), "part", parts, ends).join(
            known, on="file", how="left", maintain_order="left"
        )
        frame = joined.with_columns(epoch=pl.lit(0)).drop("file", "label", "part", "name", "shots")
        checked, notes = tables.check_responses(frame, where=str(path))
        loaded.keep(checked, options.folder)
        loaded.warnings += notes
    return loaded


@dataclass(frozen=True)
class File:
    """What a results file gave.

    Attributes
    ----------
    scores: its scores. rows: how many `items` has. notes: warnings.
    items: the queries as rows without model and task; None where there are none.
    parts: label, kind and number of shots of these.
    """

    scores: ScoreFile
    items: Table | None
    rows: int
    parts: list[tuple[str, str, int]]
    notes: list[dict[str, object]]


def read_file(on_rows: Callable[[int], None], path: Path, folder: Path | None) -> File:
    """Read a score file, or a full log."""
    content = _decode(path, path.name.startswith(LOG))
    scores = ScoreFile(content.scores, content.task, content.model)
    if not isinstance(content, FullLog):
        return File(scores, None, 0, [], [])
    frames, notes = rows_of_log(content.queries, content.task.name, str(path))
    if not frames:
        return File(scores, None, 0, [], notes)
    items = pl.concat(frames)
    parts = items.select("label", "part", "shots").unique(maintain_order=True).rows()
    return File(scores, kept(items, folder), items.height, parts, notes)


def _place(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files of BIG-bench"


def _parts(files: Sequence[ScoreFile], items: Sequence[tuple[str, str, int]]) -> Parts:
    kinds: dict[str, list[str]] = {}
    for label, part, _ in items:
        kinds.setdefault(label, []).append(part)
    preferred: dict[str, set[str]] = {}
    for file in files:
        for score in file.scores:
            preferred.setdefault(label_of(file.task.name, score.subtask), set()).add(score.preferred)
    return Parts(kinds, preferred)


def _decode(path: Path, log: bool) -> ScoreFile | FullLog:
    strict, lenient = (_strict_log, _lenient_log) if log else (_strict, _lenient)
    try:
        content = path.read_bytes()
        try:
            return strict.decode(content)
        except msgspec.DecodeError as problem:
            try:
                return lenient.decode(lenient_json(content))
            except (ValueError, RecursionError):
                raise problem from None
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise SourceError(
            f"is not a results file of BIG-bench: {problem}",
            where=str(path),
            hint="It needs scores, task and model, as the bigbench package writes them.",
        ) from None
