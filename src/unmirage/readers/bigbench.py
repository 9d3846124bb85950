"""BIG-bench results: `scores_*.json` and the scores of `full-log_*.json`.

Checked on files of the classes of bigbench 1.0.0 (`ResultsFileData` of api/results.py). This module decides
which files are read; laying their scores out as rows is `bigbench_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from unmirage import tables
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.readers.base import Input, Loaded, Options, head, lenient_json, sha256
from unmirage.readers.bigbench_rows import ScoreFile, rows_of

__all__ = ["NAME", "claims", "read"]

NAME = "bigbench"
LOG, SCORES = "full-log_", "scores_"
_HEAD = re.compile(rb'^\s*\{\s*"(?:scores|task|model|queries)"\s*:')
_WORDS = (b'"score_dict"', b'"task_name"', b'"model_family"')

_strict = msgspec.json.Decoder(ScoreFile)
_lenient = msgspec.json.Decoder(ScoreFile, strict=False)  # reads "NaN"


def claims(path: Path) -> bool:
    """Whether a file holds BIG-bench's results, by the keys in its first bytes."""
    if path.suffix != ".json":
        return False
    start = head(path)
    return _HEAD.match(start) is not None and any(word in start for word in _WORDS)


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read score files: a row of `tables.RESULTS` for each model, task, subtask, number of shots and metric.

    family and model are the file's `model_family` and `model_name`; n_params is
    `flop_matched_non_embedding_params`, by which BIG-bench plots; `total_params` and `non_embedding_params`
    are further axes where they differ from it. task is the task's name for the whole, "task:subtask" for a
    subtask, and is kept apart by shots where there are several, "task (2-shot)". Values are in the range of
    our metric of that name, else as the file has them. chance is the file's low score of a preferred metric
    that is a share, or what the table of BIG-bench's tasks says of multiple_choice_grade. n comes from that
    table where every value of the task is a whole number out of it. More numeric columns: `shots`,
    `preferred` (1 where the metric is the one that BIG-bench judges the task by, else 0), and that metric's
    `low_score` and `high_score`, in the unit of its value.

    A number of shots without an entry for the task as a whole gets BIG-bench's aggregate. A full log beside a
    score file of the same name holds the same scores and is not opened. The same score in two files is read
    once, with a warning.

    Raises
    ------
    SourceError
        A file is no whole JSON or lacks a key; two files give different values of one score.
    """
    loaded = Loaded()
    used, logs = _without_doubles(paths)
    if logs:
        beside = len(paths) - len(used)
        left = f" ({beside} beside the score file of the same name: not opened)" if beside else ""
        loaded.warnings.append(
            tables.warning(
                "queries-not-read", f"full logs: {logs}{left}; their queries are not read", count=logs
            )
        )
    files: list[tuple[Path, ScoreFile]] = []
    empty: list[tuple[Path, ScoreFile]] = []
    for path in used:
        content = None
        with options.unreadable.attempt(path):
            content = _decode(path)
        if content is None:
            continue
        size = sum(len(score.values) for score in content.scores)
        on_rows(size)
        (files if content.scores else empty).append((path, content))
        loaded.inputs.append(Input(str(path), NAME, sha256(path), size))
    if empty:
        names = listed([path.name for path, _ in empty])
        loaded.warnings.append(
            tables.warning("no-aggregates", f"{len(empty)} files hold no score ({names})", count=len(empty))
        )
    if not files:
        return loaded
    frame, notes = rows_of(files, options)
    loaded.warnings += notes
    if frame.height:
        checked, notes = tables.check_results(frame, where=_place([path for path, _ in files]))
        loaded.results.append(checked)
        loaded.warnings += notes
    return loaded


def _place(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{len(paths)} files of BIG-bench"


def _without_doubles(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """The files to open, and how many full logs were given."""
    given = set(paths)
    logs = {path for path in given if path.name.startswith(LOG)}
    doubles = {path for path in logs if path.with_name(SCORES + path.name.removeprefix(LOG)) in given}
    return sorted(given - doubles), len(logs)


def _decode(path: Path) -> ScoreFile:
    try:
        content = path.read_bytes()
        try:
            return _strict.decode(content)
        except msgspec.DecodeError as problem:
            try:
                return _lenient.decode(lenient_json(content))
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
