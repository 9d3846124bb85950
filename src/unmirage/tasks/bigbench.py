"""BIG-bench's JSON tasks, read as they are: the prompts are those of bigbench 1.0.0, `api/json_task.py`.

The same seed draws the same items, the same examples and the same order of choices as there (its own is 42).
Tasks that are written in Python have no such file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unmirage import tables
from unmirage.errors import SettingsError, SourceError
from unmirage.tasks.item import Item, Reading, Task, longest, make_task, too_many, too_many_shots

OF_CHOICES = (
    "multiple_choice_grade",
    "calibration_multiple_choice_brier_score",
    "expected_calibration_error",
    "weighted_log_probabilities",
    "weighted_probabilities",
    "macro_f1",
)
PATTERN = r"[^\.\?\!\;\n]+"  # where a task has neither output_regex nor stop_string


@dataclass(frozen=True)
class Example:
    """One example as it is asked.

    Attributes
    ----------
    place: among the different examples of its file.
    text: the question, with its choices, and what stands before the answer.
    targets: right answers, never none.
    choices: in the order of the file; empty where there are none.
    right: indices of those with the highest score.
    """

    place: int
    text: str
    targets: tuple[str, ...]
    choices: tuple[str, ...]
    right: tuple[int, ...]


@dataclass(frozen=True)
class _File:
    """A file with examples: its content, the different ones, and how many were equal to one before."""

    path: Path
    name: str
    data: Mapping[str, Any]
    examples: tuple[Example, ...]
    repeated: int


def bigbench_task(path: Path, items: int | None, shots: int, seed: int) -> Task:
    """A task of BIG-bench.

    Parameters
    ----------
    path: a `task.json`, or the folder that holds it. A task without examples of its own is all its subtasks
        together, if they are asked in one way; a subtask has a path of its own.
    items: so many, drawn by the seed; of several subtasks as many each, as BIG-bench has it.
    shots, seed: as in `unmirage.tasks.find`.

    Raises
    ------
    SourceError: no JSON task, or a broken one. SettingsError: more items or examples than there are.
    """
    file = path / "task.json" if path.is_dir() else path
    data = _load(file)
    if "examples" in data:
        return _asked(_read(file, data, seed), items, shots, seed)
    paths = sorted(file.parent.glob("*/task.json"))
    if not paths:
        raise SourceError("there are neither examples nor subtasks", where=str(file))
    files = [_read(one, _load(one), seed) for one in paths]
    there = sum(len(one.examples) for one in files)
    if items is not None and items > there:
        raise too_many(_ascii(data, file), items, there)
    if items is not None and items < len(files):
        raise SettingsError(
            f"must be at least {len(files)}, one of each subtask of {_ascii(data, file)}", where="--items"
        )
    each = items // len(files) if items else there
    parts = [_asked(one, min(each, len(one.examples)), shots, seed) for one in files]
    return _together(_ascii(data, file), file, parts, items)


def _load(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(
            "there is no such file",
            where=str(file),
            hint="Tasks of BIG-bench that are written in Python (task.py) cannot be asked.",
        ) from None
    except (OSError, ValueError, RecursionError) as problem:
        raise SourceError(f"this cannot be read as JSON: {problem}", where=str(file)) from None
    if not isinstance(data, dict):
        raise SourceError("a task of BIG-bench is an object in braces", where=str(file))
    return data


def _ascii(data: Mapping[str, Any], file: Path) -> str:
    return str(data.get("name", file.parent.name)).encode("ascii", "replace").decode()


def _text(data: Mapping[str, Any], key: str, default: str, file: Path) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise SourceError(f"{key} must be a text, not {value!r}", where=str(file))
    return value


def _read(file: Path, data: Mapping[str, Any], seed: int) -> _File:
    """The examples of a file as they are asked, equal ones once."""
    parent = file.parent.parent / "task.json"
    name = _ascii(data, file)
    if parent.exists() and "examples" not in (whole := _load(parent)):
        name = f"{_ascii(whole, parent)}:{name}"
    raw = data.get("examples")
    if not isinstance(raw, list) or not raw:
        raise SourceError("examples must be a list that is not empty", where=str(file))
    different = {json.dumps(one): one for one in raw}
    examples = [_example(k, one, data, file, seed) for k, one in enumerate(different.values())]
    return _File(file, name, data, tuple(examples), len(raw) - len(different))


def _example(place: int, raw: Any, data: Mapping[str, Any], file: Path, seed: int) -> Example:
    where = f"{file}, example {place}"
    if not isinstance(raw, dict) or not isinstance(raw.get("input"), str):
        raise SourceError("an example must have an input, which is a text", where=where)
    scores = raw.get("target_scores")
    if scores is None and "target" not in raw:
        raise SourceError("an example must have a target or target_scores", where=where)
    text: str = raw["input"]
    choices: tuple[str, ...] = ()
    right: tuple[int, ...] = ()
    given = raw.get("target", [])
    targets = tuple(given) if isinstance(given, list) else (given,)
    if scores is not None:
        choices, right = _scored(scores, where)
        if data.get("append_choices_to_input", True):
            before = _text(data, "choice_prefix", "\n  choice: ", file)
            shuffled = np.random.RandomState(seed).permutation(sorted(choices)).tolist()
            text += before + before.join(shuffled)
        if not targets:
            targets = (choices[right[0]],)
    if not targets or not all(isinstance(one, str) for one in targets):
        raise SourceError("a target must be a text, or a list of texts that is not empty", where=where)
    before = _text(data, "example_input_prefix", "\nQ: ", file)
    behind = _text(data, "example_output_prefix", "\nA: ", file)
    return Example(place, before + text + behind, targets, choices, right)


def _scored(scores: Any, where: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Choices, and the indices of those with the highest score."""
    if not isinstance(scores, dict) or not scores:
        raise SourceError("target_scores must be an object of choices and their scores", where=where)
    values = list(scores.values())
    if not all(isinstance(one, int | float) for one in values):
        raise SourceError("a score in target_scores must be a number", where=where)
    best = max(values)
    if best == min(values) and (len(values) > 1 or best == 0):
        raise SourceError("no choice has a higher score than the others", where=where)
    return tuple(scores), tuple(k for k, value in enumerate(values) if value == best)


def _asked(file: _File, items: int | None, shots: int, seed: int) -> Task:
    """The task of one file."""
    there = len(file.examples)
    if items is not None and items > there:
        raise too_many(file.name, items, there)
    if shots >= there:
        raise too_many_shots(file.name, shots, there - 1)
    kind = "choice" if file.data.get("preferred_score") in OF_CHOICES else "generation"
    drawn = _drawn(file, items, shots, seed)
    return make_task(
        file.name,
        kind,
        [_item(one, shown, kind, file) for one, shown in drawn],
        stop=(),
        max_tokens=longest(text for one in file.examples for text in (*one.targets, *one.choices)),
        shots=shots,
        reading=_reading(file),
        notes=_notes(file, kind, drawn),
    )


Shown = list[tuple[Example, str]]  # each with the answer that is shown
Drawn = list[tuple[Example, Shown]]  # those that are asked, and what is shown before each


def _drawn(file: _File, items: int | None, shots: int, seed: int) -> Drawn:
    """What is asked and shown: draw by draw as `make_nshot_dataset` of json_task.py."""
    examples, there = file.examples, len(file.examples)
    rng = np.random.RandomState(seed)
    if shots == 0:
        few = items is not None and items < there
        return [(examples[k], []) for k in (rng.choice(there, items, replace=False) if few else range(there))]
    found: Drawn = []
    for k in rng.choice(there, items or there, replace=False).tolist():
        others = rng.choice(there - 1, shots, replace=False).tolist()
        shown = [examples[j + (j >= k)] for j in others]
        found.append((examples[k], [(one, one.targets[rng.choice(len(one.targets))]) for one in shown]))
    return found


def _notes(file: _File, kind: str, drawn: Drawn) -> list[dict[str, object]]:
    several = sum(len(one.right) > 1 for one, _ in drawn) if kind == "choice" else 0
    told = sum(any(one.text == example.text for example, _ in shown) for one, shown in drawn)
    counted = (
        ("repeated-examples", file.repeated, "examples repeat an earlier one and were left out"),
        ("several-right", several, "items have several right choices, of which the first is the answer"),
        ("question-shown", told, "items have another example with the same question before them"),
    )
    return [
        tables.warning(code, f"{file.name}: {count} {text}", where=str(file.path), count=count)
        for code, count, text in counted
        if count
    ]


def _item(example: Example, shown: Shown, kind: str, file: _File) -> Item:
    prefix = _text(file.data, "task_prefix", "", file.path)
    separator = _text(file.data, "few_shot_example_separator", "\n", file.path)
    context = prefix + separator.join([*(one.text + answer for one, answer in shown), example.text])
    item_id = str(example.place)
    if kind == "generation":
        target, *others = dict.fromkeys(one.strip() for one in example.targets)
        return Item(item_id, context, target, (example.targets[0],), others=tuple(others))
    if not example.choices:
        raise SourceError("an example has no target_scores", where=f"{file.path}, example {item_id}")
    choices, first = example.choices, example.right[0]
    also = tuple(choices[k] for k in example.right[1:])
    return Item(item_id, context, choices[first], choices, choices, first, others=also)


def _reading(file: _File) -> Reading:
    stop = _text(file.data, "stop_string", "", file.path) or None
    pattern = _text(file.data, "output_regex", "", file.path) or None
    if "stop_string" not in file.data and "output_regex" not in file.data:
        pattern = PATTERN
    try:
        groups = re.compile(pattern or "").groups
    except re.error as problem:
        raise SourceError(f"output_regex is no regular expression: {problem}", where=str(file.path)) from None
    if groups > 1:
        raise SourceError("output_regex has more than one group", where=str(file.path))
    return Reading(stop, pattern)


def _together(name: str, file: Path, parts: Sequence[Task], items: int | None) -> Task:
    """Subtasks as one task; their items are called "subtask:item"."""
    ways = {(one.kind, one.reading) for one in parts}
    if len(ways) > 1:
        raise SourceError(
            f"the {len(parts)} subtasks of {name} are asked in {len(ways)} different ways",
            where=str(file),
            hint="Ask them one by one, each by the path of its own folder.",
        )
    made = [
        replace(item, item_id=f"{part.name.removeprefix(f'{name}:')}:{item.item_id}")
        for part in parts
        for item in part.items
    ]
    notes = [note for part in parts for note in part.notes]
    if items is not None and len(made) < items:
        text = f"{name}: {len(made)} of {items} items are asked, as many of each of the {len(parts)} subtasks"
        notes.append(tables.warning("fewer-items", text, where=str(file), count=items - len(made)))
    return make_task(
        name,
        parts[0].kind,
        made,
        stop=(),
        max_tokens=max(one.max_tokens for one in parts),
        shots=parts[0].shots,
        reading=parts[0].reading,
        notes=notes,
    )
