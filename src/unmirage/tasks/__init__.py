"""Tasks that models can be asked: made here, read from JSON lines, or BIG-bench's own files.

A task is data (:class:`Task`): it runs nothing and knows no model. The same arguments give the same bytes.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from unmirage.errors import SettingsError, SourceError, UnmirageError
from unmirage.tasks.item import Item, Reading, Task

if TYPE_CHECKING:
    from unmirage.tasks.generated import Generated

__all__ = ["Item", "Reading", "Task", "find", "names"]

SEEDS = 2**32  # as many as NumPy's RandomState has, which draws BIG-bench's items


def find(
    name: str,
    *,
    items: int | None = None,
    shots: int = 0,
    seed: int = 0,
    template: str | Path | None = None,
) -> Task:
    """A task with its items.

    Parameters
    ----------
    name: of a task that is made here (:func:`names`); or the path of JSON lines (`.jsonl`); or that of a
        BIG-bench `task.json` or of its folder.
    items: so many; None: all of a file, 2,000 of a task that is made here, or all where it has fewer.
    shots: examples before each question, drawn for each item and never the item itself.
    seed: from 0 to 2^32 - 1; draws items and examples. All models get the same.
    template: how questions are written (`unmirage.tasks.template.read_template`); not for BIG-bench's tasks
        nor for `multiplication` and `addition`, whose writing is part of them.

    Raises
    ------
    SettingsError: an unknown name, a number out of range, more items or examples than there are, a template
    that cannot be used. SourceError: a file that cannot be read.
    """
    for value, low, high, option in (
        (items, 1, None, "--items"),
        (shots, 0, None, "--shots"),
        (seed, 0, SEEDS - 1, "--seed"),
    ):
        if value is not None and (value < low or (high is not None and value > high)):
            limits = f"{low} or more" if high is None else f"from {low} to {high}"
            raise SettingsError(f"must be {limits}, not {value}", where=option)
    from unmirage.tasks import trained

    if name in trained.NAMES:
        _refuse(template, f"{name} is asked as its models were trained")
        return trained.trained(name, items, shots, seed)
    if made := _generated(name):
        return made.task(items, shots, seed, template)
    path = Path(name)
    if path.suffix == ".jsonl":
        from unmirage.tasks.jsonl import jsonl_task

        return jsonl_task(path, items, shots, seed, template)
    if path.suffix == ".json" or path.is_dir():
        from unmirage.tasks.bigbench import bigbench_task

        _refuse(template, "tasks of BIG-bench are asked as they are")
        return bigbench_task(path, items, shots, seed)
    raise _unknown(name)


def names() -> tuple[tuple[str, str], ...]:
    """Tasks that are made here, and what each is; N in a name stands for a number."""
    from unmirage.tasks.graded import GRADES
    from unmirage.tasks.trained import NAMES

    graded = [(f"{one.name}_N", f"{one.about}; N from {one.low} to {one.high}") for one in GRADES]
    made = [(one.name, one.about) for one in _fixed().values()]
    return (*NAMES.items(), *made, *graded)


def _refuse(template: str | Path | None, why: str) -> None:
    if template is not None:
        raise SettingsError(why, where="--template", hint="Leave --template out.")


@cache
def _fixed() -> dict[str, Generated]:
    from unmirage.tasks.arithmetic import arithmetic
    from unmirage.tasks.words import scrambles

    return {one.name: one for one in (*arithmetic(), *scrambles())}


def _generated(name: str) -> Generated | None:
    """The task of a name; None where there is none."""
    from unmirage.tasks.graded import GRADES

    base, _, number = name.rpartition("_")
    grade = next((one for one in GRADES if one.name == base), None)
    if grade is None or not re.fullmatch("[1-9][0-9]*", number):
        return _fixed().get(name)
    if not grade.low <= int(number) <= grade.high:
        raise SettingsError(
            f"the number of {base}_N must be from {grade.low} to {grade.high}, not {number}", where=name
        )
    return grade.task(int(number))


def _unknown(name: str) -> UnmirageError:
    if Path(name).exists():
        return SourceError(
            "this is no task that can be read",
            where=name,
            hint="Files are JSON lines (.jsonl) or a BIG-bench task.json.",
        )
    known = [one for one, _ in names()]
    near = difflib.get_close_matches(name, known, 3) or known
    return SettingsError(
        f"there is no task {name!r}",
        where="--task",
        hint=f"Tasks: {', '.join(near)}; or the path of a .jsonl file or a BIG-bench task.json.",
    )
