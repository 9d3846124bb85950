"""The run: every request of every model and task, each batch on disk before the next; then the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.ask import counting
from unmirage.ask.answers import rows_of
from unmirage.ask.family import Model, open_backend, read_family
from unmirage.ask.journal import Journal, alone
from unmirage.ask.plan import Cell, Load, Settings, cell, load_of, load_of_attempts
from unmirage.ask.requests import Abilities, Answering, Backend
from unmirage.errors import OutputError, SettingsError
from unmirage.export import write_table
from unmirage.result import Progress, silent
from unmirage.tasks import Task, find

RESPONSES_FILE = "responses.parquet"
# What models that run here can do, so that they are not loaded where nothing is left to ask.
HERE = Abilities(score=True, token_logprobs=True, seeded=True)


@dataclass(frozen=True)
class Asked:
    """What a run left.

    Attributes
    ----------
    responses: the path of the table, in the schema `tables.RESPONSES`.
    notes: what to know of it, a sentence each.
    """

    responses: Path
    notes: tuple[str, ...]


def plan(
    family: str | Path,
    tasks: Sequence[str],
    *,
    items: int | None = None,
    shots: int = 0,
    temperature: float = 0.0,
    epochs: int = 1,
    max_tokens: int | None = None,
    seed: int = 0,
    template: str | Path | None = None,
    until: int | None = None,
    attempts: int | None = None,
    cap: int = 10_000,
    budget: int | None = None,
) -> list[Load]:
    """What :func:`ask` would ask at most, a model and task each; nothing is opened. Errors as there."""
    settings = _checked(Settings(temperature, epochs, seed, max_tokens), until, attempts, cap, budget)
    models, found = _read(family, tasks, items, shots, seed, template)
    cells = [cell(model, task, settings) for task in found for model in models]
    if until is None and attempts is None:
        return [load_of(one) for one in cells]
    loads = []
    for one in cells:
        most = len(one.task.items) * (cap if attempts is None else attempts)
        loads.append(load_of_attempts(one, most if budget is None else min(most, budget // len(models))))
    return loads


def ask(
    family: str | Path,
    tasks: Sequence[str],
    *,
    items: int | None = None,
    shots: int = 0,
    temperature: float = 0.0,
    epochs: int = 1,
    max_tokens: int | None = None,
    seed: int = 0,
    template: str | Path | None = None,
    until: int | None = None,
    attempts: int | None = None,
    cap: int = 10_000,
    budget: int | None = None,
    out: str | Path = "unmirage-asked",
    progress: Progress = silent,
) -> Asked:
    """Run tasks over a family of models and keep all that any metric needs.

    Writes `responses.parquet` to `out`, with the target's token log-probabilities, the tokens put out, and
    every choice's log-probability, as far as the backend gives them. Answers are in `out/answers` as they
    come: after any interruption the same call goes on. Answers under other settings are kept apart.

    Parameters
    ----------
    family: a family file (:mod:`unmirage.ask.family`).
    tasks: names of generated tasks, JSON-lines files or BIG-bench tasks (:func:`unmirage.tasks.find`).
    items, shots, seed, template: of the tasks; items None for all, or the task's usual number. The seed is
        also that of samples.
    temperature, epochs, max_tokens: of outputs; several epochs need a temperature.
    until: sample each item until so many outputs are right, or `cap` were tried; rows of kind count.
    attempts: sample each item so often; rows of kind count. Not with `until`.
    cap, budget: attempts at an item, and at all items of all models of a task, at most.
    progress: called with (step, done, total) as requests are answered.

    Raises
    ------
    UnmirageError
        The family file, a task, a setting, a backend or the folder: what, where, and what to do.
    """
    settings = _checked(Settings(temperature, epochs, seed, max_tokens), until, attempts, cap, budget)
    models, found = _read(family, tasks, items, shots, seed, template)
    folder = Path(out)
    notes = [f"{task.name}: {note['message']}." for task in found for note in task.notes]
    with alone(folder):
        if until is not None or attempts is not None:
            sampling = counting.Sampling(until, attempts, cap, budget)
            frames = [
                counting.counted(models, task, settings, sampling, folder, notes, progress) for task in found
            ]
        else:
            frames = _asked(models, found, settings, folder, notes, progress)
        if not frames:
            raise SettingsError(
                "nothing can be asked: " + " ".join(notes),
                where="unmirage ask",
                hint="Choose another backend, or tasks that generate.",
            )
        target = folder / RESPONSES_FILE
        write_table(pl.concat(frames, how="diagonal"), target, "parquet")
        _describe(folder, models, found, settings, until, attempts, cap, budget)
    return Asked(target, tuple(dict.fromkeys(notes)))


def _asked(
    models: Sequence[Model],
    tasks: Sequence[Task],
    settings: Settings,
    folder: Path,
    notes: list[str],
    progress: Progress,
) -> list[pl.DataFrame]:
    """The responses of all models; each is opened when something is left to ask it, and closed after."""
    total = sum(cell(model, task, settings).requests for model in models for task in tasks)
    done = 0
    frames = []
    for model in models:
        with opener(model, notes) as backend:
            here = model.backend in ("transformers", "mock")
            abilities = HERE if here else backend().abilities
            for task in tasks:
                one = cell(model, task, settings, abilities)
                if one.left_out:
                    notes.append(f"{model.name} gives {one.left_out}.")
                if not one.requests:
                    notes.append(f"{task.name} is not asked of {model.name}.")
                    continue
                answers: dict[str, list[Any]] = {"outputs": [], "scores": []}
                for batch in _answered(one, folder, backend):
                    for what, some in batch.items():
                        answers[what] += some
                        done += len(some)
                    progress("asking", done, total)
                frames.append(rows_of(one, answers["outputs"], answers["scores"]))
    progress("asking", total, total)
    return frames


def _answered(one: Cell, folder: Path, backend: Callable[[], Backend]) -> Iterator[dict[str, list[Any]]]:
    """Batch by batch what is on disk, then what is asked now: "outputs" and "scores", one of them or both."""
    journal = Journal(folder, f"{one.model.name}-{one.task.name}", one.key)
    batches = one.batches
    known = 0
    for known, answers in enumerate(journal.batches(), start=1):
        if known > len(batches):
            raise OutputError("holds more batches than there are", where=str(journal.path))
        yield answers
    if known == len(batches):
        return
    journal.open()
    try:
        for what, part in batches[known:]:
            said = _asked_now(backend(), one, what, part)
            answers = {name: [asdict(answer) for answer in some] for name, some in said.items()}
            journal.append(answers)
            # As it is read back: lists for tuples.
            yield json.loads(json.dumps(answers))
    finally:
        journal.close()


def _asked_now(backend: Backend, one: Cell, what: str, part: slice) -> dict[str, Sequence[Any]]:
    outputs = [request for _, request in one.outputs[part]]
    scores = [request for _, request in one.scores[part]]
    if what == "both":
        assert isinstance(backend, Answering)
        made, scored = backend.answer(outputs, scores)
        return {"outputs": made, "scores": scored}
    if what == "outputs":
        return {what: backend.generate(outputs)}
    return {what: backend.score(scores)}


@contextmanager
def opener(model: Model, notes: list[str]) -> Iterator[Callable[[], Backend]]:
    """A function that opens the model's backend at its first call; it is closed at the end.

    `notes` gets what there is to say of the answers of a server.
    """
    opened: list[Backend] = []

    def backend() -> Backend:
        if not opened:
            opened.append(open_backend(model))
        return opened[0]

    try:
        yield backend
        for one in opened:
            notes += usage_notes(model, one)
    finally:
        for one in opened:
            one.close()


def usage_notes(model: Model, backend: Backend) -> list[str]:
    """What a server counted that bears on its answers."""
    usage = getattr(backend, "usage", None)
    filtered = usage.filtered if usage is not None else 0
    if not filtered:
        return []
    return [f"{filtered:,} outputs of {model.name} were ended by the server's content filter."]


def _read(
    family: str | Path,
    tasks: Sequence[str],
    items: int | None,
    shots: int,
    seed: int,
    template: str | Path | None,
) -> tuple[tuple[Model, ...], list[Task]]:
    if not tasks:
        raise SettingsError(
            "name a task", where="--task", hint="`unmirage ask --tasks` lists those that are generated."
        )
    models = read_family(family)
    found = [find(name, items=items, shots=shots, seed=seed, template=template) for name in tasks]
    twice = {task.name for task in found if [one.name for one in found].count(task.name) > 1}
    if twice:
        raise SettingsError(f"two tasks are called {', '.join(sorted(twice))}", where="--task")
    return models, found


def _checked(
    settings: Settings, until: int | None, attempts: int | None, cap: int, budget: int | None
) -> Settings:
    counted = until is not None or attempts is not None
    rules = (
        (settings.temperature >= 0, "--temperature", "must be 0 at least"),
        (settings.epochs >= 1, "--epochs", "must be 1 at least"),
        (settings.seed >= 0, "--seed", "must be 0 at least"),
        (
            settings.max_tokens is None or settings.max_tokens >= 1,
            "--max-tokens",
            "must be 1 at least",
        ),
        (until is None or until >= 2, "--until", "must be 2 at least: with 1 the rate cannot be estimated"),
        (attempts is None or attempts >= 1, "--attempts", "must be 1 at least"),
        (until is None or attempts is None, "--until", "cannot stand beside --attempts"),
        (cap >= 1 and (until is None or cap >= until), "--cap", "must be as many as --until at least"),
        (budget is None or budget >= 1, "--budget", "must be 1 at least"),
        (budget is None or until is not None, "--budget", "needs --until"),
        (
            settings.temperature > 0 or (settings.epochs == 1 and not counted),
            "--temperature",
            "must be above 0 for several outputs an item: at 0 they are all the same",
        ),
        (settings.epochs == 1 or not counted, "--epochs", "cannot stand beside --until or --attempts"),
    )
    for holds, where, rule in rules:
        if not holds:
            raise SettingsError(rule, where=where)
    return settings


def _describe(
    folder: Path,
    models: Sequence[Model],
    tasks: Sequence[Task],
    settings: Settings,
    until: int | None,
    attempts: int | None,
    cap: int,
    budget: int | None,
) -> None:
    """run.json: what the table was made with; never a key."""
    said = {
        "models": [{"family": m.family, "name": m.name, **m.deciding} for m in models],
        "tasks": [
            {"name": t.name, "kind": t.kind, "items": len(t.items), "shots": t.shots, "digest": t.digest}
            for t in tasks
        ],
        "settings": {**asdict(settings), "until": until, "attempts": attempts, "cap": cap, "budget": budget},
    }
    path = folder / "run.json"
    try:
        draft = path.with_name(".run.json")
        draft.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as problem:
        raise OutputError(f"cannot be written: {problem.strerror}", where=str(path)) from None
