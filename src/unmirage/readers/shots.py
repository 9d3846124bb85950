"""Tasks that were run with several numbers of examples in the prompt are kept apart: "task (5-shot)".

One rule for all readers: a task keeps its name where every run of it has the same number of examples, and
gets the number behind it where two differ.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

from unmirage import tables
from unmirage.counts import listed

SHOWN = 8  # names of tasks in the warning
Key = TypeVar("Key", bound=Hashable)
Note = dict[str, object]


def labels(counts: Mapping[str, Mapping[Key, int]]) -> tuple[dict[tuple[Key, str], str], list[Note]]:
    """What to put behind the names of tasks.

    Parameters
    ----------
    counts: task -> {what was run, such as a run or a (model, file) -> its number of examples, 0 at least}.

    Returns
    -------
    (what was run, task) -> " (5-shot)", for the tasks with several numbers only; and a warning that names
    them.
    """
    several = sorted(task for task, of_run in counts.items() if len(set(of_run.values())) > 1)
    suffixes = {(run, task): f" ({n}-shot)" for task in several for run, n in counts[task].items()}
    return suffixes, split_note(several)


def split_note(tasks: Collection[str], *, where: str = "") -> list[Note]:
    """The warning that these tasks were split by shot count, the first ones by name; none for no task."""
    if not tasks:
        return []
    message = f"tasks with several shot counts are kept apart: {listed(list(tasks), SHOWN)}"
    return [tables.warning("shots-split", message, where=where, count=len(tasks))]
