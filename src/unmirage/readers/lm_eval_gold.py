"""Which choice is the right one: the harness does not always log its index.

`target` may be an index, the text of a choice, a letter, or a list of indices; in tasks like Winogrande it is the shared continuation,
and only a field of the document tells. Each reading of the record is a candidate; the first that resolves every record and agrees with
the accuracy that the harness recorded is taken. Nothing here guesses: a reading that contradicts a recorded score is never used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

DOC_FIELDS = ("gold", "label", "answer", "answerKey", "gold_index", "correct", "correct_answer", "target")
RECORDED = ("acc", "acc_norm")


@dataclass
class GoldCandidates:
    """The readings of each record: candidate name -> index of the right choice, -1 where it gives none."""

    indices: dict[str, list[int]] = field(default_factory=dict)
    best: list[int] = field(default_factory=list)  # the harness's pick: the first of the most likely choices
    tied: list[bool] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)  # NaN where no accuracy was recorded
    choices: list[int] = field(default_factory=list)
    several: int = 0  # records with more than one right choice
    greedy: list[list[bool | None]] = field(default_factory=list)

    def add(
        self,
        choices: list[str],
        loglikelihoods: list[float],
        greedy: list[bool | None],
        target: object,
        doc: msgspec.Raw,
        recorded: dict[str, Any],
    ) -> None:
        """Add a record; shapes: one entry a choice."""
        row = len(self.best)
        top = max(loglikelihoods)
        self.best.append(loglikelihoods.index(top))
        self.tied.append(loglikelihoods.count(top) > 1)
        self.choices.append(len(choices))
        self.greedy.append(greedy)
        accuracy = recorded.get("acc")
        self.recorded.append(float(accuracy) if isinstance(accuracy, int | float) else float("nan"))
        for name, index in self._readings(choices, loglikelihoods, target, doc).items():
            column = self.indices.setdefault(name, [])
            column += [-1] * (row - len(column))
            column.append(index)

    def _readings(
        self, choices: list[str], loglikelihoods: list[float], target: object, doc: msgspec.Raw
    ) -> dict[str, int]:
        found: dict[str, int] = {}
        several = _indices(target, len(choices))
        if several:
            # With several right choices the harness asks whether its pick is one of them: the likeliest one decides.
            self.several += len(several) > 1
            found["target as index"] = max(several, key=lambda i: loglikelihoods[i])
        found |= {f"target as {how}": i for how, i in _named(target, choices).items()}
        try:
            fields = msgspec.json.decode(doc)
        except msgspec.DecodeError:
            return found
        if isinstance(fields, dict):
            for name in DOC_FIELDS:
                value = fields.get(name)
                if isinstance(value, bool) or not isinstance(value, int | str):
                    continue
                number = _integer(value)
                if number is not None and 0 <= number < len(choices):
                    found[f"doc.{name} as index"] = number
                if number is not None and 1 <= number <= len(choices):
                    found[f"doc.{name} as index from 1"] = number - 1
                found |= {f"doc.{name} as {how}": i for how, i in _named(value, choices).items()}
        return found

    def resolve(self) -> tuple[list[int | None], str]:
        """(index of the right choice of each record, how it was found); all None where no reading holds."""
        n = len(self.best)
        best, tied = np.array(self.best), np.array(self.tied)
        recorded = np.array(self.recorded)
        known = ~np.isnan(recorded) & ~tied
        for name, values in self.indices.items():
            column = np.array(values + [-1] * (n - len(values)))
            if (column >= 0).all() and ((column == best) == (recorded > 0.5))[known].all():
                return [int(i) for i in column], name
        if known.all() and (np.array(self.choices) == 2).all():
            right = np.where(recorded > 0.5, best, 1 - best)
            return [int(i) for i in right], "the recorded accuracy of two choices"
        return [None] * n, "no reading of the target agrees with the recorded accuracy"


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return int(value)
    return None


def _indices(target: object, n: int) -> list[int]:
    """The indices that a target names as a number or as a list of numbers; [] where it names none."""
    if isinstance(target, str) and target.startswith("["):
        try:
            target = json.loads(target)
        except ValueError:
            return []
    values = target if isinstance(target, list) else [target]
    numbers = [_integer(value) for value in values]
    if not numbers or any(number is None or not -1 < number < n for number in numbers):
        return []
    return [number for number in numbers if number is not None]


def _named(value: object, choices: list[str]) -> dict[str, int]:
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
