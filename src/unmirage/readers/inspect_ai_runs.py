"""Which inspect_ai logs are read, and what their models and tasks are called.

A log is one run of one task by one model. A retry of a run that broke off is a log of its own, with the same
`task_id`; a copy in the other of the two formats has the same `eval_id`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unmirage import tables
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.families import Scale
from unmirage.readers.base import Options, families_of, head
from unmirage.readers.inspect_ai_archive import Archive
from unmirage.readers.inspect_ai_records import Header, decode, decode_file
from unmirage.readers.lm_eval_runs import CHECKPOINT, step_of

HEADER, START = "header.json", "_journal/start.json"
LONG = 60  # characters of an argument that are shown in the name of a task
_JSON_HEAD = re.compile(rb'^\s*\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:\s*"')
_ZIP_HEAD = re.compile(rb"^PK\x03\x04.{26}(?:_journal/|samples/|header\.json|summaries\.json)", re.DOTALL)

Note = dict[str, object]


def claims(path: Path) -> bool:
    """Whether a file is a log of inspect_ai, by its ending and first bytes."""
    if path.suffix == ".eval":
        return _ZIP_HEAD.match(head(path)) is not None
    return path.suffix == ".json" and _JSON_HEAD.match(head(path)) is not None


@dataclass(frozen=True)
class Log:
    """A log file and its header. `whole` is False where an archive was cut off."""

    path: Path
    header: Header
    whole: bool = True

    @property
    def model(self) -> tuple[str, str | None]:
        """(name, revision) of the model: "hf/org/name". Of "hf/local" and the like the path is the name."""
        arguments = self.header.eval.model_args
        name = self.header.eval.model
        path, given = arguments.get("model_path"), arguments.get("revision")
        revision = str(given) if isinstance(given, str | int) and given not in ("", "main") else None
        if name.endswith("/local") and isinstance(path, str) and path.strip("/"):
            name = path
        parent, _, last = name.rstrip("/").rpartition("/")
        if not revision and parent and CHECKPOINT.fullmatch(last):
            name, revision = parent, last
        return name, revision

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return self.whole and self.header.status == "success"

    def stated(self, name: str) -> float | None:
        """A number above 0 of the log's metadata (`inspect eval --metadata n_params=7e9`), or None."""
        for metadata in (self.header.metadata, self.header.eval.metadata or {}):
            value = metadata.get(name)
            try:
                number = math.nan if isinstance(value, bool | None) else float(value)
            except (TypeError, ValueError, OverflowError):
                continue
            if math.isfinite(number) and number > 0:
                return number
        return None


def open_log(path: Path) -> Log:
    """The header of a log; of one without, such as a running one, what it began with.

    Raises SourceError where it cannot be read, or is none.
    """
    if path.suffix != ".eval":
        return Log(path, decode_file(path, Header))
    with Archive(path) as archive:
        name = next((name for name in (HEADER, START) if name in archive.entries), None)
        if name is None:
            raise SourceError(
                "is not a log of inspect_ai, or was cut off before it began: it has neither "
                f"{HEADER} nor {START}",
                where=str(path),
            )
        return Log(path, decode(archive.read(name), Header, f"{path}, entry {name!r}"), archive.whole)


def scales(logs: Sequence[Log], options: Options) -> list[tuple[Scale, float | None]]:
    """Scale and step of each log's model: what the log's metadata states, else the known families'."""
    named = [log.model for log in logs]
    unknown = [name for name, revision in named if options.families.find(name, revision) is None]
    families = families_of(unknown, logs[0].path.resolve().parent.name or "family") if logs else {}
    out = []
    for log, (name, revision) in zip(logs, named, strict=True):
        known = options.families.find(name, revision)
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        n_params, n_tokens = log.stated("n_params"), log.stated("n_tokens")
        scale = Scale(
            family=options.family or (known.family if known else families[name]),
            model=known.model if known else label,
            n_params=n_params or (known.n_params if known else None),
            n_tokens=n_tokens or (known.n_tokens if known else None),
            source="log" if n_params else (known.source if known else ""),
        )
        out.append((scale, step_of(revision)))
    return out


def tasks(logs: Sequence[Log]) -> tuple[list[str], list[Note]]:
    """The name of each log's task, with the arguments (and the solver) that differ between its logs."""
    arguments = [{"solver": log.header.eval.solver, **log.header.eval.task_args} for log in logs]
    by_task: dict[str, list[int]] = {}
    for i, log in enumerate(logs):
        by_task.setdefault(log.header.eval.task, []).append(i)
    names = [log.header.eval.task for log in logs]
    split = []
    for task, mine in by_task.items():
        keys = {key: None for i in mine for key in arguments[i]}
        differing = [key for key in keys if len({_shown(arguments[i].get(key)) for i in mine}) > 1]
        if not differing:
            continue
        split.append(task)
        for i in mine:
            given = [
                f"{key}={_shown(arguments[i][key])}" for key in differing if arguments[i].get(key) is not None
            ]
            names[i] = f"{task} ({', '.join(given)})" if given else task
    if not split:
        return names, []
    message = f"tasks that were run with several arguments are kept apart by them: {listed(split)}"
    return names, [tables.warning("task-args-split", message, count=len(split))]


def _shown(value: object) -> str:
    """An argument as text: itself if it is short, else the start of its SHA-256."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= LONG else hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]


def newest(logs: Iterable[Log]) -> tuple[list[Log], list[Note]]:
    """The logs, finished ones before others and the newest first, without copies of a run; and warnings."""
    ordered = sorted(logs, key=lambda log: str(log.path))
    ordered.sort(key=lambda log: (log.finished, log.header.eval.created), reverse=True)
    kept: dict[str, Log] = {}
    copies, place = [], Path()
    for log in ordered:
        run = log.header.eval.eval_id or str(log.path)
        if kept.setdefault(run, log) is not log:
            copies.append(f"{log.path.name} (for {kept[run].path.name})")
            place = log.path.parent
    if not copies:
        return ordered, []
    message = (
        f"{len(copies)} logs hold a run that another log holds too, converted or scored again, and are left "
        f"out: {listed(copies)}"
    )
    return list(kept.values()), [
        tables.warning("duplicate-runs", message, where=str(place), count=len(copies))
    ]
