"""inspect_ai logs: `.eval` archives and `.json` files, sample by sample.

Checked on logs of inspect_ai 0.3.285 (Zstandard archives, JSON; finished, running, edited and scored again)
and 0.3.110 (deflated archives, JSON), and against the source of the former. This module chooses among runs
and decides what kind of responses a task has; laying samples out as rows is `inspect_ai_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from unmirage import tables
from unmirage.families import Scale
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Input, Loaded, Options, sha256
from unmirage.readers.inspect_ai_archive import Archive
from unmirage.readers.inspect_ai_records import Reduction, Sample, Whole, decode, decode_file
from unmirage.readers.inspect_ai_rows import LIKELIHOODS, Rows, Samples, notes_of
from unmirage.readers.inspect_ai_runs import Log, Note, claims, newest, open_log, scales, tasks
from unmirage.readers.inspect_ai_scores import compared, results_of
from unmirage.readers.inspect_ai_setups import setup_of, states
from unmirage.readers.lm_eval import axes

__all__ = ["NAME", "claims", "read", "states"]

NAME = "inspect"
REDUCTIONS = "reductions.json"
STEP = 1000  # samples between two calls of on_rows


@dataclass(frozen=True)
class Run:
    """A log that is read, and what its model and task are called."""

    log: Log
    scale: Scale
    step: float | None
    task: str

    @property
    def scorers(self) -> dict[str, dict[str, object]]:
        """Scorer -> its options, as the header lists them; of a log without a list, those with aggregates."""
        header = self.log.header
        if header.eval.scorers is not None:
            return {scorer.name: scorer.options for scorer in header.eval.scorers}
        return {} if header.results is None else {one.scorer: {} for one in header.results.scores}


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read every run in the files.

    Of several runs of one model and task the newest that came to its end is kept, else the newest. A task
    that was run with several arguments is kept apart by them. What a task's rows are is decided over all its
    runs: likelihoods where a perplexity scorer read the log-probabilities of the prompt; generations where a
    scorer compares whole texts (`exact`, and `match` with location exact); else the scores as they are.

    Raises
    ------
    SourceError
        A file cannot be read, is damaged, or is no log.
    """
    loaded = Loaded()
    logs, notes = newest(open_log(path) for path in paths)
    loaded.warnings += notes
    named, notes = tasks(logs)
    loaded.warnings += notes
    runs: list[Run] = []
    chosen: dict[tuple[str, str, str], Run] = {}
    for log, (scale, step), task in zip(logs, scales(logs, options), named, strict=True):
        run = Run(log, scale, step, task)
        kept = chosen.setdefault((scale.family, scale.model, task), run)
        if kept is run:
            runs.append(run)
        else:
            loaded.warnings.append(_older(run, kept))
    runs.sort(key=lambda run: str(run.log.path))
    kinds = _kinds(runs)
    read = []
    calls = {run.log.path: (run, kinds[run.task], options.folder, options.hashed) for run in runs}
    with Ahead(options, read_run, calls, list(calls), on_rows) as ahead:
        for path, call in calls.items():
            said, found = ahead.get(path, *call)
            loaded.extend(found)
            run = call[0]
            loaded.setups.append(setup_of(run.log.header, run.scale.family, run.scale.model, run.task))
            read.append(said)
    loaded.warnings += notes_of(read)
    return loaded


def _kinds(runs: Sequence[Run]) -> dict[str, str]:
    """Task -> the kind of its rows, which every run of it allows."""
    found: dict[str, set[str]] = {}
    for run in runs:
        found.setdefault(run.task, set()).add(_kind(run.scorers))
    return {task: kinds.pop() if len(kinds) == 1 else "score" for task, kinds in found.items()}


def _kind(scorers: dict[str, dict[str, object]]) -> str:
    if any(name in scorers for name in LIKELIHOODS):
        return "likelihood"
    whole = scorers.get("match", {}).get("location") == "exact"
    return "generation" if "exact" in scorers or whole else "score"


def _older(run: Run, kept: Run) -> Note:
    mine, theirs = run.log.header, kept.log.header
    retried = bool(mine.eval.task_id) and mine.eval.task_id == theirs.eval.task_id
    what = "was retried" if retried else "has more than one run"
    return tables.warning(
        "older-run",
        f"{run.task} of {run.scale.model} {what}: {kept.log.path.name} ({theirs.status}, "
        f"{theirs.eval.created}) is used, this one ({mine.status}, {mine.eval.created}) is not",
        where=str(run.log.path),
    )


@dataclass
class _Parts:
    """The samples of a log as they are read, and its reductions once all were."""

    log: Log
    reductions: list[Reduction] = field(default_factory=list)

    def samples(self) -> Iterator[Sample]:
        path = self.log.path
        if path.suffix != ".eval":
            whole = decode_file(path, Whole)
            self.reductions = whole.reductions or []
            yield from whole.samples or ()
            return
        with Archive(path) as archive:
            for name in archive.entries:
                if name.startswith("samples/") and name.endswith(".json"):
                    yield decode(archive.read(name), Sample, f"{path}, entry {name!r}")
            if REDUCTIONS in archive.entries:
                where = f"{path}, entry {REDUCTIONS!r}"
                self.reductions = decode(archive.read(REDUCTIONS), list[Reduction], where)


def read_run(
    on_rows: Callable[[int], None], run: Run, kind: str, folder: Path | None, hashed: bool
) -> tuple[Samples, Loaded]:
    """Read a log: what there is to say of its samples, and what it holds."""
    where = str(run.log.path)
    rows, parts, read = Rows(kind, next(iter(run.scorers), "score")), _Parts(run.log), 0
    for sample in parts.samples():
        rows.add(sample)
        read += 1
        if read % STEP == 0:
            on_rows(STEP)
    on_rows(read % STEP)
    digest = sha256(run.log.path) if hashed else ""
    loaded = Loaded(inputs=[Input(where, NAME, digest, len(rows))])
    loaded.warnings += _unfinished(run, read)
    known = {**axes(run.scale), "step": run.step}
    aggregates = results_of(run.log.header, kind)
    if len(rows):
        frame = rows.frame()
        loaded.warnings += compared(frame, kind, aggregates, parts.reductions, run.task, where)
        loaded.keep(_checked(frame, run, known, loaded.warnings, tables.check_responses), folder)
    if aggregates:
        frame = pl.DataFrame(aggregates, schema={name: tables.RESULTS[name] for name in aggregates[0]})
        loaded.results.append(_checked(frame, run, known, loaded.warnings, tables.check_results))
    return Samples(run.task, run.scale.model, where, kind, rows.counts, rows.choices), loaded


def _checked(
    frame: pl.DataFrame,
    run: Run,
    known: dict[str, float | None],
    notes: list[Note],
    check: Callable[..., tuple[pl.DataFrame, list[Note]]],
) -> pl.DataFrame:
    """The rows with the names and scale of the run, checked; the axis `step` only where it is known."""
    frame = frame.with_columns(
        family=pl.lit(run.scale.family),
        model=pl.lit(run.scale.model),
        task=pl.lit(run.task),
        **{
            name: pl.lit(value, dtype=pl.Float64)
            for name, value in known.items()
            if name != "step" or value is not None
        },
    )
    frame, more = check(frame, where=str(run.log.path))
    notes += more
    return frame


def _unfinished(run: Run, read: int) -> list[Note]:
    """A warning on a run that did not come to its end, or of which samples are not in the log."""
    header, where = run.log.header, str(run.log.path)
    if not run.log.whole:
        message = f"breaks off: the {read} samples before the end are used"
        return [tables.warning("truncated-file", message, where=where)]
    if header.status != "success":
        message = (
            f"the run of {run.task} by {run.scale.model} did not come to its end (status {header.status}): "
        )
        message += f"{read} samples are in the log"
        return [tables.warning("unfinished-run", message, where=where)]
    if not read:
        message = f"no sample of {run.task} by {run.scale.model} is in the log (--no-log-samples)"
        return [tables.warning("no-samples", message, where=where)]
    return []
