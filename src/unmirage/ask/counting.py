"""Many attempts at each item, counted: until so many are right, or a fixed number; rows of kind count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unmirage.ask.answers import framed
from unmirage.ask.family import Model
from unmirage.ask.journal import Journal
from unmirage.ask.plan import Settings
from unmirage.ask.requests import Backend, Generate
from unmirage.ask.until import Counts, sample_until
from unmirage.errors import SettingsError
from unmirage.result import Progress
from unmirage.tasks import Task

# Attempts of a model in one batch, about.
BLOCK = 512


@dataclass(frozen=True)
class Sampling:
    """How often items are tried.

    Attributes
    ----------
    until: right outputs after which an item is done, or None.
    attempts: at each item, where there is no such number.
    cap: attempts at an item at most.
    budget: attempts at all items of all models at most, or None.
    """

    until: int | None
    attempts: int | None
    cap: int
    budget: int | None

    @property
    def passes(self) -> int:
        """Right outputs after which an item is done; more than there can be where attempts are fixed."""
        return self.until if self.until is not None else self.most + 1

    @property
    def most(self) -> int:
        """Attempts at an item at most."""
        return self.cap if self.attempts is None else self.attempts


def counted(
    models: Sequence[Model],
    task: Task,
    settings: Settings,
    sampling: Sampling,
    folder: Path,
    notes: list[str],
    progress: Progress,
) -> pl.DataFrame:
    """The counts of all models on a task, a row an item.

    Raises SettingsError for a task that does not generate.
    """
    if task.kind != "generation":
        raise SettingsError(f"{task.name} has choices: there is nothing to sample", where="--until")
    key = {
        "schema": 1,
        "models": [{"name": model.name, **model.deciding} for model in models],
        "task": task.name,
        "digest": task.digest,
        "settings": asdict(settings),
        "sampling": asdict(sampling),
    }
    journal = Journal(folder, f"{models[0].family}-{task.name}-counts", key)
    shape = (len(models), len(task.items))
    counts = _known(journal, shape)
    journal.open()
    try:
        with ExitStack() as stack:
            draw = _drawer(models, task, settings, counts, stack)
            for after in sample_until(
                *shape,
                draw,
                passes=sampling.passes,
                cap=sampling.most,
                budget=sampling.budget,
                block=BLOCK,
                known=_copy(counts),
                progress=progress,
            ):
                journal.append(_difference(counts, after))
                counts.n[:], counts.c[:], counts.done[:] = after.n, after.c, after.done
    finally:
        journal.close()
    notes += _notes(models, task, counts, sampling)
    return pl.concat([_rows(model, task, counts, k, sampling) for k, model in enumerate(models)])


def _drawer(
    models: Sequence[Model], task: Task, settings: Settings, counts: Counts, stack: ExitStack
) -> Callable[[Sequence[tuple[int, int, int]]], list[list[bool]]]:
    """A function that makes attempts; attempt k of an item is the same request each time."""
    from unmirage.ask.run import opener

    open_ = [stack.enter_context(opener(model)) for model in models]
    limit = task.max_tokens if settings.max_tokens is None else settings.max_tokens

    def draw(wanted: Sequence[tuple[int, int, int]]) -> list[list[bool]]:
        passed: list[list[bool]] = [[] for _ in wanted]
        for m in sorted({m for m, _, _ in wanted}):
            requests, places = [], []
            for place, (model, i, count) in enumerate(wanted):
                if model != m:
                    continue
                first = int(counts.n[m, i])
                for k in range(first, first + count):
                    seed = settings.seed * 1_000_003 + k
                    item = task.items[i]
                    requests.append(Generate(item.context, task.stop, limit, settings.temperature, seed))
                    places.append((place, (item.target or "").strip()))
            backend: Backend = open_[m]()
            for (place, target), answer in zip(places, backend.generate(requests), strict=True):
                passed[place].append(answer.text.strip() == target)
        return passed

    return draw


def _known(journal: Journal, shape: tuple[int, int]) -> Counts:
    counts = Counts(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool))
    for batch in journal.batches():
        for m, i, n, c, done in batch:
            counts.n[m, i], counts.c[m, i], counts.done[m, i] = n, c, done
    return counts


def _difference(before: Counts, after: Counts) -> list[list[Any]]:
    changed = np.argwhere((before.n != after.n) | (before.done != after.done))
    return [
        [int(m), int(i), int(after.n[m, i]), int(after.c[m, i]), bool(after.done[m, i])] for m, i in changed
    ]


def _copy(counts: Counts) -> Counts:
    return Counts(counts.n.copy(), counts.c.copy(), counts.done.copy())


def _rows(model: Model, task: Task, counts: Counts, m: int, sampling: Sampling) -> pl.DataFrame:
    rows = [
        {
            "item_id": item.item_id,
            "epoch": 0,
            "kind": "count",
            "target": item.target,
            "n_samples": int(counts.n[m, i]),
            "n_correct": int(counts.c[m, i]),
            "cluster": item.cluster,
            **({} if sampling.until is None else {"until": float(sampling.until)}),
        }
        for i, item in enumerate(task.items)
        if counts.n[m, i] > 0
    ]
    return framed(model, task, rows)


def _notes(models: Sequence[Model], task: Task, counts: Counts, sampling: Sampling) -> list[str]:
    notes = []
    for m, model in enumerate(models):
        none = int((counts.n[m] == 0).sum())
        if none:
            notes.append(
                f"{task.name}: the budget ended before {none} of {len(task.items)} items of {model.name} "
                "were tried; they have no row."
            )
        short = int(((counts.n[m] > 0) & ~counts.done[m]).sum()) if sampling.until is not None else 0
        if short:
            notes.append(
                f"{task.name}: {short} of {len(task.items)} items of {model.name} have fewer than "
                f"{sampling.until} right outputs; their rate is right outputs over attempts."
            )
    return notes
