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
SHORT = 8  # characters of a target that may name the right choice of many records
MOST_WITHOUT = 0.05  # the share of records that may have no right choice, as the harness allows and scores 0

_Fields = msgspec.defstruct("_Fields", [(name, Any, None) for name in DOC_FIELDS])
_fields = msgspec.json.Decoder(_Fields)


@dataclass(frozen=True)
class Answers:
    """indices: (records,) of the right choice, -1 where there is none; how: the reading that gave them;
    checked: whether any recorded score could have contradicted it, or no other reading differs."""

    indices: npt.NDArray[np.int64]
    how: str
    checked: bool = True


@dataclass(frozen=True)
class Evidence:
    """What the recorded scores say of the right choices; (records,) each.

    pick: the choice that the recorded score is about: the first likeliest, if need be by length.
    right: above 0.5 where that is recorded as right; NaN where nothing is.
    logged: the index that a recorded metric holds, else -1.
    choices: how many there are.
    """

    pick: npt.NDArray[np.int64]
    right: npt.NDArray[np.float64]
    logged: npt.NDArray[np.int64]
    choices: npt.NDArray[np.int64]

    @property
    def any(self) -> bool:
        """Whether anything could contradict a reading."""
        return not np.isnan(self.right).all() or bool((self.logged >= 0).any())

    def agrees(self, column: npt.NDArray[np.int64]) -> bool:
        """Whether nothing contradicts a reading: the index of each record's right choice, -1 for none."""
        known = column >= 0
        scored = known & ~np.isnan(self.right)
        same = (column == self.pick) == (self.right > 0.5)
        return bool(same[scored].all() and (column == self.logged)[known & (self.logged >= 0)].all())


def evidence_of(
    counts: npt.NDArray[np.int64],
    loglikelihoods: npt.NDArray[np.float64],
    lengths: npt.NDArray[np.int64],
    recorded: Mapping[str, npt.NDArray[np.float64]],
    logged: Sequence[int],
) -> Evidence:
    """The evidence of all records.

    Parameters: counts (n,) choices a record; loglikelihoods, lengths (sum of counts,), one record after
    another, lengths 0 where none is known; recorded (n,) a metric, NaN where there is none; logged: as of
    `GoldCandidates`.
    """
    n, nothing = len(counts), np.full(len(counts), np.nan)
    pick, right = _first_largest(loglikelihoods, counts), recorded.get("acc", nothing)
    if np.isnan(right).any() and "acc_norm" in recorded:
        normed = _first_largest(loglikelihoods / np.maximum(lengths, 1), counts)
        other = np.isnan(right) & (lengths[np.cumsum(counts) - counts] > 0)
        pick, right = np.where(other, normed, pick), np.where(other, recorded["acc_norm"], right)
    given = np.array(logged, dtype=np.int64) if logged else np.full(n, -1)
    return Evidence(pick, right, given, counts)


def _first_largest(values: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The place of the first largest value of each run of values, of `counts` each; NaN is the largest."""
    k = int(counts[0])
    if (counts == k).all():
        same: npt.NDArray[np.int64] = values.reshape(-1, k).argmax(axis=1)
        return same
    starts = np.cumsum(counts) - counts
    largest = np.repeat(np.maximum.reduceat(values, starts), counts)
    places = np.flatnonzero((values == largest) | np.isnan(values))
    first: npt.NDArray[np.int64] = places[np.searchsorted(places, starts)] - starts
    return first


class _Targets(dict[Any, list[int]]):
    """Target -> the indices that it names among n choices."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __missing__(self, target: Any) -> list[int]:
        found = _indices(target, self.n)
        if isinstance(target, str) and len(target) <= SHORT:
            self[target] = found
        return found


@dataclass
class GoldCandidates:
    """The readings of each record: candidate name -> index of the right choice, -1 where it gives none.

    Attributes
    ----------
    full: False reads the target as an index only, which settles most tasks; `settled` says whether it did.
    logged: the index that a recorded metric holds, else -1; empty where the file has no such metric.
    several: records with more than one right choice.
    """

    full: bool
    indices: dict[str, list[int]] = field(default_factory=dict)
    logged: list[int] = field(default_factory=list)
    several: int = 0
    _rows: int = 0
    _targets: dict[int, _Targets] = field(default_factory=dict)  # by number of choices

    def extend(
        self,
        records: Sequence[Any],
        counts: Sequence[int],
        texts: Sequence[str],
        cuts: Sequence[int],
        loglikelihoods: Sequence[float],
        recorded: Mapping[str, Sequence[Any]],
    ) -> None:
        """Add records (their `target` and `doc` are read).

        Parameters: counts: choices a record; texts, cuts, loglikelihoods: of the choices of all these
        records, one after another (a choice is its text without so many characters); recorded: metric -> what
        each record holds.
        """
        pairs = [recorded[name] for name in PAIRED if name in recorded]
        if pairs:
            self.logged += [
                next((i for value in values if (i := _paired(value, n)) >= 0), -1)
                for n, *values in zip(counts, *pairs, strict=True)
            ]
        self._put_targets(records, counts, loglikelihoods)
        if self.full:
            start = 0
            for row, (record, n) in enumerate(zip(records, counts, strict=True), start=self._rows):
                own = slice(start, start + n)
                choices = [text[max(cut, 0) :] for text, cut in zip(texts[own], cuts[own], strict=True)]
                for name, index in _readings(choices, record.target, record.doc).items():
                    self._put(name, row, index)
                start += n
        self._rows += len(records)

    def _put_targets(
        self, records: Sequence[Any], counts: Sequence[int], loglikelihoods: Sequence[float]
    ) -> None:
        targets = [record.target for record in records]
        tables = {n: self._targets.setdefault(n, _Targets(n)) for n in set(counts)}
        try:
            if len(tables) == 1:
                named = list(map(tables[counts[0]].__getitem__, targets))
            else:
                named = [tables[n][target] for target, n in zip(targets, counts, strict=True)]
        except TypeError:  # a list
            named = list(map(_indices, targets, counts))
        if set(map(len, named)) == {1} and len(self.indices.get(AS_INDEX, ())) == self._rows:
            self.indices.setdefault(AS_INDEX, []).extend([one[0] for one in named])
            return
        start = 0
        for row, (several, n) in enumerate(zip(named, counts, strict=True), start=self._rows):
            if len(several) > 1:
                # The harness asks whether its pick is one of them: the likeliest one decides.
                self.several += 1
                self._put(AS_INDEX, row, max(several, key=lambda i: loglikelihoods[start + i]))
            elif several:
                self._put(AS_INDEX, row, several[0])
            start += n

    def _put(self, name: str, row: int, index: int) -> None:
        column = self.indices.setdefault(name, [])
        if len(column) < row:
            column += [-1] * (row - len(column))
        column.append(index)

    def settled(self, evidence: Evidence) -> bool:
        """Whether the target as an index resolves every record and a recorded score confirms it."""
        column = self._column(AS_INDEX)
        return bool((column >= 0).all()) and evidence.any and evidence.agrees(column)

    def resolve(self, evidence: Evidence) -> Answers:
        """The right choices; all -1, with the reason as `how`, where no reading holds."""
        n, right = self._rows, evidence.right
        holding = {name: column for name in self.indices if evidence.agrees(column := self._column(name))}
        for least in (n, n - int(n * MOST_WITHOUT)):
            for name, column in holding.items():
                if (column >= 0).sum() < max(least, 1) or (right[column < 0] > 0).any():
                    continue
                checked = evidence.any or all(
                    (other == column).all() for other in holding.values() if (other >= 0).all()
                )
                return Answers(column, name, checked)
        if not np.isnan(right).any() and (evidence.choices == 2).all():
            found = np.where(right > 0.5, evidence.pick, 1 - evidence.pick)
            return Answers(found, "the recorded accuracy of two choices")
        return Answers(np.full(n, -1), "no reading of the target agrees with the recorded accuracy")

    def _column(self, name: str) -> npt.NDArray[np.int64]:
        values = self.indices.get(name, [])
        return np.array(values + [-1] * (self._rows - len(values)), dtype=np.int64)


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
