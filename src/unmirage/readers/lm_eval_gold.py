"""Which choice is the right one: the harness does not always log its index.

`target` may be an index, the text of a choice, a letter, or a list of indices; in tasks like Winogrande it is
the shared continuation, and only a field of the document tells. Each reading of the record is a candidate;
the first that resolves the records and agrees with what the harness recorded is taken. A reading that
contradicts a recorded score is never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

DOC_FIELDS = ("gold", "label", "answer", "answerKey", "gold_index", "correct", "correct_answer", "target")
AS_INDEX = "target as index"
PAIRED = ("brier_score", "likelihood", "f1", "mcc")  # recorded as [index of the right choice, something else]
MOST_WITHOUT = 0.05  # the share of records that may have no right choice, as the harness allows and scores 0

_Fields = msgspec.defstruct("_Fields", [(name, Any, None) for name in DOC_FIELDS])
_fields = msgspec.json.Decoder(_Fields)


@dataclass(frozen=True)
class Answers:
    """indices: of the right choice of each record, None where it has none; how: the reading that gave them;
    checked: whether any recorded score could have contradicted it, or no other reading differs."""

    indices: list[int | None]
    how: str
    checked: bool = True


@dataclass
class GoldCandidates:
    """The readings of each record: candidate name -> index of the right choice, -1 where it gives none.

    `full` False reads the target as an index only, which settles most tasks; `settled` says whether it did.
    """

    full: bool
    indices: dict[str, list[int]] = field(default_factory=dict)
    pick: list[int] = field(
        default_factory=list
    )  # what the recorded score is about: the first likeliest choice
    right: list[float] = field(
        default_factory=list
    )  # whether that is recorded as right; NaN where nothing is
    logged: list[int] = field(default_factory=list)  # the index that a recorded metric holds, else -1
    choices: list[int] = field(default_factory=list)
    greedy: list[Sequence[bool | None]] = field(default_factory=list)
    several: int = 0  # records with more than one right choice

    def add(
        self,
        choices: Sequence[str],
        loglikelihoods: Sequence[float],
        greedy: Sequence[bool | None],
        lengths: Sequence[int] | None,
        target: object,
        doc: msgspec.Raw,
        recorded: Mapping[str, Any],
    ) -> None:
        """Add a record; shapes: one entry a choice."""
        row, n = len(self.pick), len(choices)
        self.choices.append(n)
        self.greedy.append(greedy)
        pick, right = loglikelihoods.index(max(loglikelihoods)), _score(recorded.get("acc"))
        if right is None and lengths is not None and (right := _score(recorded.get("acc_norm"))) is not None:
            normed = [value / length for value, length in zip(loglikelihoods, lengths, strict=True)]
            pick = normed.index(max(normed))
        self.pick.append(pick)
        self.right.append(float("nan") if right is None else right)
        self.logged.append(next((i for name in PAIRED if (i := _paired(recorded.get(name), n)) >= 0), -1))
        several = _indices(target, n)
        if len(several) > 1:
            # The harness asks whether its pick is one of them: the likeliest one decides.
            self.several += 1
            self._put(AS_INDEX, row, max(several, key=lambda i: loglikelihoods[i]))
        elif several:
            self._put(AS_INDEX, row, several[0])
        if self.full:
            for name, index in _readings(choices, target, doc).items():
                self._put(name, row, index)

    def _put(self, name: str, row: int, index: int) -> None:
        column = self.indices.setdefault(name, [])
        if len(column) < row:
            column += [-1] * (row - len(column))
        column.append(index)

    def settled(self) -> bool:
        """Whether the target as an index resolves every record and a recorded score confirms it."""
        column = self._column(AS_INDEX)
        return bool((column >= 0).all()) and self._evidence() and self._agrees(column)

    def resolve(self) -> Answers:
        """The right choices; all None, with the reason as `how`, where no reading holds."""
        n = len(self.pick)
        holding = {name: column for name in self.indices if self._agrees(column := self._column(name))}
        for least in (n, n - int(n * MOST_WITHOUT)):
            for name, column in holding.items():
                if (column >= 0).sum() < max(least, 1) or (np.array(self.right)[column < 0] > 0).any():
                    continue
                checked = self._evidence() or all(
                    (other == column).all() for other in holding.values() if (other >= 0).all()
                )
                return Answers([int(i) if i >= 0 else None for i in column], name, checked)
        right, pick = np.array(self.right), np.array(self.pick)
        if not np.isnan(right).any() and (np.array(self.choices) == 2).all():
            found = np.where(right > 0.5, pick, 1 - pick)
            return Answers([int(i) for i in found], "the recorded accuracy of two choices")
        return Answers([None] * n, "no reading of the target agrees with the recorded accuracy")

    def _column(self, name: str) -> npt.NDArray[np.int64]:
        values = self.indices.get(name, [])
        return np.array(values + [-1] * (len(self.pick) - len(values)), dtype=np.int64)

    def _evidence(self) -> bool:
        return not np.isnan(self.right).all() or max(self.logged) >= 0

    def _agrees(self, column: npt.NDArray[np.int64]) -> bool:
        right, logged = np.array(self.right), np.array(self.logged)
        scored = ~np.isnan(right) & (column >= 0)
        indexed = (logged >= 0) & (column >= 0)
        same = (column == np.array(self.pick)) == (right > 0.5)
        return bool(same[scored].all() and (column == logged)[indexed].all())


def _score(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _paired(value: object, n: int) -> int:
    """The index in a recorded [index, ...]; -1 where it is none of the n choices."""
    first = value[0] if isinstance(value, list) and len(value) == 2 else None
    return first if isinstance(first, int) and not isinstance(first, bool) and 0 <= first < n else -1


def _readings(choices: Sequence[str], target: object, doc: msgspec.Raw) -> dict[str, int]:
    found = {f"target as {how}": i for how, i in _named(target, choices).items()}
    try:
        fields = _fields.decode(doc)
    except msgspec.DecodeError:
        return found
    for name in DOC_FIELDS:
        value = getattr(fields, name)
        if isinstance(value, bool) or not isinstance(value, int | str):
            continue
        number = _integer(value)
        if number is not None and 0 <= number < len(choices):
            found[f"doc.{name} as index"] = number
        if number is not None and 1 <= number <= len(choices):
            found[f"doc.{name} as index from 1"] = number - 1
        found |= {f"doc.{name} as {how}": i for how, i in _named(value, choices).items()}
    return found


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.strip().removeprefix("-").isdigit():
        return int(value)
    return None


def _indices(target: object, n: int) -> list[int]:
    """The indices that a target names as a number or as a list of numbers; [] where it names none."""
    if isinstance(target, str) and target.startswith("["):
        try:
            target = json.loads(target)
        except ValueError:
            return []
    numbers = [_integer(value) for value in target] if isinstance(target, list) else [_integer(target)]
    found = [number for number in numbers if number is not None and -1 < number < n]
    return found if len(found) == len(numbers) else []


def _named(value: object, choices: Sequence[str]) -> dict[str, int]:
    if not isinstance(value, str):
        return {}
    text = value.strip()
    found: dict[str, int] = {}
    stripped = [choice.strip() for choice in choices]
    if stripped.count(text) == 1:
        found["text"] = stripped.index(text)
    letter = text.strip("().").upper()
    if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(choices):
        found["letter"] = ord(letter) - ord("A")
    return found
