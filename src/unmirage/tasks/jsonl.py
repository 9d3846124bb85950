"""Tasks from JSON lines: one record a question, with a target, or with choices and which of them is right."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from unmirage.errors import SourceError
from unmirage.tasks.item import Item, Task, longest, make_task, too_many, too_many_shots
from unmirage.tasks.template import LETTERS, Template, field_names, read_template

IDS = ("item_id", "id", "doc_id", "example_id", "question_id", "problem_id", "sample_id")
PROMPTS = ("prompt", "question", "input", "query", "context")
TARGETS = ("target", "targets", "answer", "answers", "completion")
CHOICES = ("choices", "options")
ANSWERS = ("answer", "gold", "label", "answerKey", "target")


@dataclass(frozen=True)
class Record:
    """One line.

    Attributes
    ----------
    item_id: of one of the fields `IDS`, else the number of the record, from 0.
    values: the fields that a template may name.
    targets: right answers of a generation, the first being the one that is scored.
    choices, answer: their texts and the index of the right one; no texts and None for a generation.
    cluster: of the field of that name.
    line: in the file, from 1.
    """

    item_id: str
    values: dict[str, str]
    targets: tuple[str, ...]
    choices: tuple[str, ...]
    answer: int | None
    cluster: str | None
    line: int

    @property
    def kind(self) -> str:
        """ "choice" or "generation" """
        return "choice" if self.choices else "generation"

    def written(self, template: Template) -> str:
        """The question with its right answer: an example."""
        return template.asked(self.values, self.choices) + template.answered(self.targets[0], self.answer)

    def item(self, template: Template, examples: Sequence[str]) -> Item:
        """The question behind examples."""
        return Item(
            self.item_id,
            template.context(examples, template.asked(self.values, self.choices)),
            self.targets[0],
            tuple(template.answered(text, k) for k, text in enumerate(self.choices))
            or (template.answered(self.targets[0]),),
            self.choices,
            self.answer,
            self.cluster,
            self.targets[1:],
        )


def jsonl_task(path: Path, items: int | None, shots: int, seed: int, template: str | Path | None) -> Task:
    """The task of a file; its name is the file's.

    Parameters
    ----------
    path: of JSON lines in UTF-8. A record has a prompt (a field of `PROMPTS`) and a target (`TARGETS`; a list
        holds several right ones), or choices (`CHOICES`: a list of texts, or {"text": [...], "label": [...]})
        and the right one of them (`ANSWERS`: its index from 0, its label, its letter, or its text); and
        perhaps an id (`IDS`) and a cluster. Spaces around targets and choices are left out.
    items: so many, drawn by the seed and asked in the order of the file; None: all.
    shots, seed, template: as in `unmirage.tasks.find`.

    Raises
    ------
    SourceError: a line that is no such record; the message has its number.
    SettingsError: more items or examples than there are, or a template that does not fit.
    """
    written = read_template(template, Template())
    named = field_names(written.prompt, "--template")
    records = read_records(path, prompt="prompt" in named)
    asked, pool = records, records
    if written.examples:
        pool = read_records(written.examples, prompt="prompt" in named)
        if pool[0].kind != records[0].kind:
            raise SourceError(
                f"the examples are of kind {pool[0].kind}, the questions of kind {records[0].kind}",
                where=str(written.examples),
            )
    elif written.held_out:
        if written.held_out >= len(records):
            raise SourceError(
                f"of {len(records)} records, held_out = {written.held_out} leaves none to ask",
                where=str(path),
            )
        asked, pool = records[: -written.held_out], records[-written.held_out :]
    if items is not None and items > len(asked):
        raise too_many(path.name, items, len(asked))
    if items is not None:
        drawn = Random(f"items {seed}").sample(range(len(asked)), len(asked))[:items]
        asked = [asked[k] for k in sorted(drawn)]
    shown = Examples(pool, written, path.name)
    return make_task(
        path.stem,
        records[0].kind,
        [record.item(written, shown.before(record, shots, seed)) for record in asked],
        stop=written.stops,
        max_tokens=written.max_tokens or longest(text for one in records for text in one.targets),
        shots=shots,
    )


class Examples:
    """Records that can be shown before a question.

    Parameters
    ----------
    pool: the records; template: how they are written; name: of the file, for messages.
    """

    def __init__(self, pool: Sequence[Record], template: Template, name: str) -> None:
        self._pool, self._template, self._name = pool, template, name
        self._prompts = [template.asked(one.values, one.choices) for one in pool]
        self._alike = Counter(self._prompts)

    def before(self, record: Record, shots: int, seed: int) -> list[str]:
        """Different records that the seed draws for this one, never one with the same prompt, each written.

        Raises
        ------
        SettingsError: there are fewer.
        """
        if shots == 0:
            return []
        mine = self._template.asked(record.values, record.choices)
        same = self._alike[mine]
        there = len(self._pool) - same
        if shots > there:
            raise too_many_shots(self._name, shots, there)
        drawn = Random(f"shots {seed} {record.item_id}").sample(range(len(self._pool)), shots + same)
        others = [k for k in drawn if self._prompts[k] != mine]
        return [self._pool[k].written(self._template) for k in others[:shots]]


def read_records(path: Path, *, prompt: bool) -> list[Record]:
    """The records of a file, all of one kind, no id twice.

    Parameters
    ----------
    prompt: whether each must have one of the fields `PROMPTS`.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise SourceError(f"cannot be read: {problem}", where=str(path)) from None
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            records.append(_record(line, len(records), number, f"{path}, line {number}", prompt))
    if not records:
        raise SourceError("there is no record", where=str(path))
    _check(records, path)
    return records


def _check(records: Iterable[Record], path: Path) -> None:
    seen: dict[str, Record] = {}
    for record in records:
        first = seen.setdefault(record.item_id, record)
        if first is not record:
            raise SourceError(
                f"the id {record.item_id!r} is that of line {first.line}",
                where=f"{path}, line {record.line}",
                hint="Give each record an id of its own, or none at all.",
            )
    kinds = {record.kind: record for record in reversed(list(seen.values()))}
    if len(kinds) > 1:
        raise SourceError(
            f"line {kinds['choice'].line} has choices, line {kinds['generation'].line} has none",
            where=str(path),
            hint="A file is one task: make two files.",
        )


def _record(line: str, place: int, number: int, where: str, prompt: bool) -> Record:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise SourceError(f"this is not JSON: {problem}", where=where) from None
    if not isinstance(found, dict):
        raise SourceError("a record must be an object in braces", where=where)
    values = {name: _text(value) for name, value in found.items() if _is_text(value)}
    asked = next((name for name in PROMPTS if name in values), None)
    if asked:
        values["prompt"] = values[asked]
    elif prompt:
        raise SourceError(
            f"there is no prompt; fields: {', '.join(found) or 'none'}",
            where=where,
            hint=f"It is read from {', '.join(PROMPTS)}; a template can name any other field.",
        )
    choices, labels = _choices(found, where)
    answer = _answer(found, choices, labels, where) if choices else None
    targets = (choices[answer],) if answer is not None else _targets(found, where)
    name = next((name for name in IDS if name in values), None)
    cluster = values.get("cluster")
    return Record(values[name] if name else str(place), values, targets, choices, answer, cluster, number)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _targets(found: Mapping[str, Any], where: str) -> tuple[str, ...]:
    name = next((name for name in TARGETS if found.get(name) is not None), None)
    if name is None:
        raise SourceError(
            f"there is neither a target nor choices; fields: {', '.join(found)}",
            where=where,
            hint=f"A target is read from {', '.join(TARGETS)}, choices from {', '.join(CHOICES)}.",
        )
    values = found[name] if isinstance(found[name], list) else [found[name]]
    if not all(_is_text(value) and _text(value).strip() for value in values) or not values:
        raise SourceError(f"{name} must be a text that is not empty, or a list of such", where=where)
    return tuple(dict.fromkeys(_text(value).strip() for value in values))


def _choices(found: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Texts and labels; none where the record has no choices."""
    name = next((name for name in CHOICES if found.get(name) is not None), None)
    if name is None:
        return (), ()
    texts, labels = found[name], []
    if isinstance(found[name], dict):
        texts, labels = found[name].get("text"), found[name].get("label", [])
    if not isinstance(texts, list) or not isinstance(labels, list) or len(labels) not in (0, len(texts)):
        raise SourceError(
            f'{name} must be a list of texts, or {{"text": [...], "label": [...]}}', where=where
        )
    if len(texts) < 2 or not all(_is_text(text) and _text(text).strip() for text in texts):
        raise SourceError(f"{name} must be two or more texts, none of them empty", where=where)
    kept = tuple(_text(text).strip() for text in texts)
    if len(set(kept)) < len(kept):
        raise SourceError(f"{name} has the same text twice", where=where)
    return kept, tuple(_text(label) for label in labels)


def _answer(found: Mapping[str, Any], choices: Sequence[str], labels: Sequence[str], where: str) -> int:
    name = next((name for name in ANSWERS if found.get(name) is not None), None)
    if name is None:
        raise SourceError(
            "it is not said which choice is right", where=where, hint=f"It is read from {', '.join(ANSWERS)}."
        )
    value = found[name]
    if isinstance(value, int) and not isinstance(value, bool):
        places = {value} if 0 <= value < len(choices) else set()
    elif isinstance(value, str):
        letters = LETTERS[: len(choices)]
        places = {k for k, text in enumerate(choices) if text == value.strip()}
        places |= {k for k, text in enumerate(labels or letters) if text == value.strip()}
    else:
        places = set()
    if len(places) == 1:
        return places.pop()
    trouble = "can be more than one of them" if places else f"is none of the {len(choices)} choices"
    raise SourceError(
        f"{name} = {value!r} {trouble}", where=where, hint="Give the index of the right one, counted from 0."
    )
