"""What a task is: items, each with all that a model reads and the texts whose log-probability is asked for.

Nothing here knows where a task comes from, or a model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from unmirage.errors import SettingsError

KINDS = ("generation", "choice")
SPARE_TOKENS = 8  # that an output may have beyond the bytes of the longest target


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes
    ----------
    item_id: the same whatever the seed, the number of items and the number of examples.
    context: all that the model reads, few-shot examples included.
    target: the right answer without spaces around it; None where no text is right.
    continuations: what is scored after `context`: one text of the target, or one text a choice, with what
        joins it to the context (" 143").
    choices: the texts to choose from; empty for a generation.
    answer: index of the right choice; None for a generation.
    cluster: items that share a passage or a template have the same one.
    others: further right answers of a generation, or further right choices.
    """

    item_id: str
    context: str
    target: str | None
    continuations: tuple[str, ...]
    choices: tuple[str, ...] = ()
    answer: int | None = None
    cluster: str | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What of an output is the answer, as BIG-bench 1.0.0 has it (`model_utils.postprocess_output`).

    Attributes
    ----------
    ends: the output is cut behind the first of these texts, unless it starts with it.
    pattern: then the first match of this regular expression (its group, if it has one) is the answer, or ""
        where there is none.
    """

    ends: str | None = None
    pattern: str | None = None

    def __call__(self, output: str) -> str:
        """The answer in an output."""
        if self.ends:
            place = output.find(self.ends)
            if place > 0:
                output = output[: place + len(self.ends)]
        if not self.pattern:
            return output
        found = re.search(self.pattern, output)
        return (found[found.re.groups] or "") if found else ""


@dataclass(frozen=True)
class Task:
    """Items that are asked in one way.

    Attributes
    ----------
    name: as tables and reports have it.
    kind: "generation" or "choice".
    items: none of their ids twice.
    stop: texts that end an output.
    max_tokens: of an output.
    shots: examples before each question.
    digest: sha256, in hexadecimal, of all that decides the requests and how the answers are read.
    reading: what of an output is the answer; None where all of it is.
    notes: rows of the warnings table (`tables.warning`): what was left out, and by which rule.
    """

    name: str
    kind: str
    items: tuple[Item, ...]
    stop: tuple[str, ...]
    max_tokens: int
    shots: int
    digest: str
    reading: Reading | None = None
    notes: tuple[Mapping[str, object], ...] = ()

    def said(self, output: str) -> str:
        """The answer in an output, without spaces around it: what is compared with an item's target."""
        return (self.reading(output) if self.reading else output).strip()


def make_task(
    name: str,
    kind: str,
    items: Iterable[Item],
    *,
    stop: Sequence[str],
    max_tokens: int,
    shots: int,
    reading: Reading | None = None,
    notes: Iterable[Mapping[str, object]] = (),
) -> Task:
    """A task with its digest."""
    kept = tuple(items)
    columns = [field.name for field in fields(Item)]
    about = [name, kind, list(stop), max_tokens, shots, asdict(reading) if reading else None]
    digest = hashlib.sha256(json.dumps([*about, columns]).encode())
    for item in kept:
        digest.update(json.dumps([getattr(item, column) for column in columns]).encode())
    return Task(name, kind, kept, tuple(stop), max_tokens, shots, digest.hexdigest(), reading, tuple(notes))


def longest(texts: Iterable[str]) -> int:
    """`max_tokens` for answers such as these: as many as the longest has bytes, and a few more.

    No tokenizer needs more than one token a byte.
    """
    return max(len(text.encode("utf-8", "replace")) for text in texts) + SPARE_TOKENS


def too_many(name: str, asked: int, there: int, what: str = "items") -> SettingsError:
    """The error for more items than there are."""
    return SettingsError(
        f"{asked:,} items are asked for, but {name} has {there:,} {what}",
        where="--items",
        hint=f"Ask for at most {there:,}.",
    )


def too_many_shots(name: str, shots: int, there: int) -> SettingsError:
    """The error for more examples than can be shown before an item."""
    return SettingsError(
        f"{shots} examples are asked for, but {name} has {there} to show beside an item",
        where="--shots",
        hint=f"Ask for at most {there}.",
    )
