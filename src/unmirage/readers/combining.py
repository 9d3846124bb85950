"""What all readers gave as one table each: of responses, and of aggregates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from unmirage import consistency, tables
from unmirage.errors import TableError
from unmirage.readers import mixing
from unmirage.readers.base import Loaded
from unmirage.readers.together import EVERYWHERE, Together, together


def combine(loaded: Loaded, parts: Sequence[tuple[str, Loaded]]) -> Loaded:
    """One responses and one results frame; keys must be unique over all sources.

    Parameters: `parts` is what each tool gave of what was loaded, by the reader's name.
    """
    one = combined(loaded, parts)
    frames = [] if one is None else list(one.frames())
    loaded.responses = [pl.concat(frames)] if frames else []
    return loaded


def combined(
    loaded: Loaded,
    parts: Sequence[tuple[str, Loaded]],
    folder: Path | None = None,
    problems: list[TableError] | None = None,
) -> Together | None:
    """The responses of all sources together, None where there are none; of `loaded` the results become one
    frame, and warnings are added.

    Parameters
    ----------
    loaded, parts: as of :func:`combine`.
    folder: where what is known of the rows waits, if not in memory.
    problems: takes the errors of rows of several files that contradict each other, of which the first are
        kept then; None: these are raised.
    """
    responses = [(name, table) for name, part in parts for table in part.tables]
    results = [(name, frame) for name, part in parts for frame in part.results]
    one, notes = together(responses, folder) if responses else (None, [])
    models = [] if one is None else one.models()
    if len({name for name, _ in parts}) > 1:
        loaded.warnings += mixing.same_models([*models, *results])
    if one is not None and one.problem is not None:
        if problems is None:
            raise one.problem
        problems.append(one.problem)
    frames, left = mixing.results_of(results)
    frame = pl.concat(frames, how="diagonal") if frames else None
    more: list[dict[str, object]] = []
    if frame is not None and len(frames) > 1:
        try:
            frame, more = tables.check_results(frame, where=EVERYWHERE)
        except TableError as problem:
            if problems is None:
                raise
            problems.append(problem)
    split = sum(note["code"] == "two-tools" for note in notes)
    loaded.warnings += [*notes[:split], *left, *notes[split:], *more]
    loaded.results = [] if frame is None else [frame]
    loaded.warnings += consistency.check_setups(loaded.setups)
    if one is not None:
        loaded.warnings += one.checks.notes(frame, loaded.setups)
    return one
