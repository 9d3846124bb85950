"""Many attempts at each item, counted: until so many are right, or a fixed number; rows of kind count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unmirage.ask.answers import framed
from unmirage.ask.family import Model, open_backend
from unmirage.ask.journal import Journal
from unmirage.ask.plan import SEEDS, Settings
from unmirage.ask.requests import Backend, Generate
from unmirage.ask.until import Ask, Counts, sample_until
from unmirage.errors import SettingsError
from unmirage.result import Progress
from unmirage.tasks import Task

# Attempts of a model in one batch, about.
BLOCK = 512
FIELDS = ("n", "c", "done", "limit", "waste")


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
    counts = Counts.start(len(models), len(task.items))
    for batch in journal.batches():
        counts = _changed(counts, batch)
    journal.open()
    try:
        with _Drawer(models, task, settings, together=sampling.budget is not None) as drawer:
            for after in _steps(counts, sampling, drawer, progress):
                batch = _changes(drawer.counts, after)
                if batch["items"]:
                    journal.append(batch)
                drawer.counts = after
            counts = drawer.counts
    finally:
        journal.close()
    notes += _notes(models, task, counts, sampling)
    frames = [_rows(model, task, counts, k, sampling) for k, model in enumerate(models)]
    return pl.concat(frames, how="diagonal")


def _steps(counts: Counts, sampling: Sampling, drawer: _Drawer, progress: Progress) -> Iterator[Counts]:
    """The counts after each batch."""
    drawer.counts = counts
    if sampling.until is not None:
        models, items = counts.n.shape
        return sample_until(
            models,
            items,
            drawer.draw,
            passes=sampling.until,
            cap=sampling.cap,
            budget=sampling.budget,
            block=BLOCK,
            known=counts,
            progress=progress,
        )
    return _fixed(counts, int(sampling.attempts or 0), drawer, progress)


def _fixed(counts: Counts, attempts: int, drawer: _Drawer, progress: Progress) -> Iterator[Counts]:
    """So many attempts at every item, model after model."""
    total = counts.n.size * attempts
    n, c = counts.n.copy(), counts.c.copy()
    for model in range(n.shape[0]):
        while (n[model] < attempts).any():
            asked: list[Ask] = []
            room = BLOCK
            for item in np.flatnonzero(n[model] < attempts).tolist():
                take = min(attempts - int(n[model, item]), room)
                asked.append((model, item, take))
                room -= take
                if room == 0:
                    break
            for (m, item, take), passed in zip(asked, drawer.draw(asked), strict=True):
                n[m, item] += take
                c[m, item] += sum(passed)
            progress("attempts", int(n.sum()), total)
            yield replace(counts, n=n.copy(), c=c.copy())


class _Drawer:
    """Makes attempts; attempt k of an item is the same request each time.

    Models are opened when they are asked; one at a time, or all together where they take turns.
    """

    def __init__(self, models: Sequence[Model], task: Task, settings: Settings, *, together: bool) -> None:
        self.counts = Counts.start(len(models), len(task.items))
        self._models, self._task, self._together = models, task, together
        self._settings = settings
        self._limit = task.max_tokens if settings.max_tokens is None else settings.max_tokens
        self._opened: dict[int, Backend] = {}

    def __enter__(self) -> _Drawer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def draw(self, asked: Sequence[Ask]) -> list[list[bool]]:
        """Whether each attempt is right; those of an item go on where its counts end."""
        requests: list[Generate] = []
        targets: list[set[str | None]] = []
        for model, item, count in asked:
            one, first = self._task.items[item], int(self.counts.n[model, item])
            for k in range(first, first + count):
                seed = self._settings.seed * SEEDS + k
                temperature = self._settings.temperature
                requests.append(Generate(one.context, self._task.stop, self._limit, temperature, seed))
                targets.append({one.target, *one.others})
        answers = self._backend(asked[0][0]).generate(requests)
        right = [self._task.said(one.text) in wanted for one, wanted in zip(answers, targets, strict=True)]
        ends = np.cumsum([count for *_, count in asked])
        return [right[end - count : end] for end, (*_, count) in zip(ends, asked, strict=True)]

    def _backend(self, model: int) -> Backend:
        if model not in self._opened:
            if not self._together:
                self._close()
            self._opened[model] = open_backend(self._models[model])
        return self._opened[model]

    def _close(self) -> None:
        for backend in self._opened.values():
            backend.close()
        self._opened.clear()


def _changes(before: Counts, after: Counts) -> dict[str, Any]:
    """`items`: [model, item, and each of `FIELDS`] where anything changed; `gain`, where that did."""
    pairs = [(getattr(before, name), getattr(after, name)) for name in FIELDS]
    changed = np.argwhere(np.any([a != b for a, b in pairs], axis=0))
    batch: dict[str, Any] = {
        "items": [[int(m), int(i), *(int(new[m, i]) for _, new in pairs)] for m, i in changed]
    }
    if not np.array_equal(before.gain, after.gain, equal_nan=True):
        batch["gain"] = [[None if np.isnan(v) else v for v in row] for row in after.gain.tolist()]
    return batch


def _changed(counts: Counts, batch: Mapping[str, Any]) -> Counts:
    new = {name: getattr(counts, name).copy() for name in FIELDS}
    for m, i, *values in batch["items"]:
        for name, value in zip(FIELDS, values, strict=True):
            new[name][m, i] = value
    if "gain" in batch:
        new["gain"] = np.array(batch["gain"], dtype=np.float64)
    return replace(counts, **new)


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
