"""The items of a HELM run: what `scenario_state.json` and `per_instance_stats.json` say of them.

Which instances are kept and what a row holds is decided here; runs, names and aggregates are in `helm`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import polars as pl

from unmirage import tables
from unmirage.errors import SourceError
from unmirage.readers.helm_runs import ITEM_STATS, STATES, Adapter, Run, Stat
from unmirage.readers.json_items import items
from unmirage.readers.lm_eval_frames import nearest

LANGUAGE_MODELING = "language_modeling"
SEPARATE = ("multiple_choice_separate_original", "multiple_choice_separate_calibrated")
GENERATED = ("generation", "chat", "generation_multimodal", "ehr_instruction")
STEP = 1000
_RAW = re.compile(r"bytes:(?:\\x[0-9a-f]{2})+")

Key = tuple[str, int]  # instance, trial
Trial = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Text(msgspec.Struct):
    """A text of an instance."""

    text: str = ""


class Reference(msgspec.Struct):
    """One of an instance's references; the right ones are tagged."""

    output: Text
    tags: list[str] = []

    @property
    def correct(self) -> bool:
        """Whether it is a right answer."""
        return "correct" in self.tags


class Instance(msgspec.Struct):
    """What was asked."""

    id: str
    input: Text = msgspec.field(default_factory=Text)
    references: list[Reference] = []
    split: str | None = None
    sub_split: str | None = None
    perturbation: dict[str, Any] | None = None


class Token(msgspec.Struct):
    """A token and its log-probability in nats."""

    text: str
    logprob: float


class Completion(msgspec.Struct):
    """What the model put out; where the request was to echo, the prompt too."""

    text: str = ""
    logprob: float = 0.0
    tokens: list[Token] = []


class Result(msgspec.Struct):
    """What came back for a request."""

    completions: list[Completion] = []


class Request(msgspec.Struct):
    """What was sent."""

    prompt: str | None = None


class State(msgspec.Struct):
    """`RequestState`: one request for an instance, the keys that are used."""

    instance: Instance
    trial: Trial = msgspec.field(name="train_trial_index")
    request: Request = msgspec.field(default_factory=Request)
    result: Result | None = None
    reference: int | None = msgspec.field(name="reference_index", default=None)
    mode: str | None = msgspec.field(name="request_mode", default=None)
    conditioning: int = msgspec.field(name="num_conditioning_tokens", default=0)


class ItemStats(msgspec.Struct):
    """`PerInstanceStats`: the statistics of one instance in one trial."""

    id: str = msgspec.field(name="instance_id")
    stats: list[Stat]
    trial: Trial = msgspec.field(name="train_trial_index")
    perturbation: dict[str, Any] | None = None


@dataclass
class Found:
    """Items of a run: their rows, how many records each file gave, and what a warning is to say.

    `left` counts items a code of `SAID`; `prompts` holds a hash of the prompt of each instance where texts
    were generated, in the first trial.
    """

    frame: pl.DataFrame | None = None
    records: dict[Path, int] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    prompts: dict[str, int] = field(default_factory=dict)


SAID = {
    "no-answer": "have no right answer among their references, or a single choice, and are left out",
    "several-answers": "have several right choices; the likeliest of them stands for all, so choice "
    "probabilities there count it alone",
    "no-output": "have no completion for each request (it failed) and are left out",
    "several-outputs": "have several completions; the likeliest is used, as HELM does",
    "uncut-choices": "have choices whose tokens cannot be told from the prompt's, and are left out",
    "zero-logprobs": "have log-probabilities that are 0 for every choice, which cannot be: no "
    "log-probability of their tasks is used, only the scores that HELM wrote",
}


def read_items(
    run: Run,
    split: str | None,
    named: Callable[[str], str | None],
    on_rows: Callable[[int], None],
) -> Found:
    """The items of a run, as rows of the responses schema without family, model, task and axes.

    Kept are instances of the split as they are: not perturbed, not of a part of the split. Trials (draws of
    the examples in the prompt) are epochs. Rows are of the kind "generation" where the model wrote a text,
    "choice" where each choice was a request of its own, "likelihood" where language was modelled, and else
    "score", with what `per_instance_stats.json` says; `recorded` holds that in any case.

    Parameters
    ----------
    run: a run with `scenario_state.json` or `per_instance_stats.json`; either may be missing.
    split: the split whose items are read; None for instances without one.
    named: HELM's name of a statistic -> ours, None for one that is no score.

    Raises
    ------
    SourceError
        A file cannot be read, or contradicts itself.
    """
    found = Found()
    path, method = run.folder / STATES, run.spec.adapter.method
    whole = method == LANGUAGE_MODELING
    scores = _scores(run.folder / ITEM_STATS, split, named, found, added=whole)
    columns: dict[str, list[Any]] | None = None
    if path.is_file() and method in (*GENERATED, *SEPARATE, LANGUAGE_MODELING):
        states = _kept(path, split, found, on_rows, prompted=method in GENERATED)
        if method in SEPARATE:
            columns = _choices(states, run.spec.adapter, found.left, path)
        elif whole:
            columns = _texts(states, found.left)
        else:
            columns = _generations(states, found.left)
    if columns is None or not columns["item_id"]:
        columns = _recorded_only(scores)
    if columns["item_id"]:
        keys = zip(columns["item_id"], columns["epoch"], strict=True)
        columns["recorded"] = [
            [{"metric": name, "value": value} for name, value in scores.get(key, {}).items()] for key in keys
        ]
        found.frame = pl.DataFrame(columns, schema={name: tables.RESPONSES[name] for name in columns})
    return found


def _scores(
    path: Path, split: str | None, named: Callable[[str], str | None], found: Found, *, added: bool
) -> dict[Key, dict[str, float]]:
    """The scores that HELM wrote of each instance and trial; several metrics write a record each.

    With `added`, records of one instance are of parts of its text, whose log-probabilities add up.
    """
    scores: dict[Key, dict[str, float]] = {}
    if not path.is_file():
        return scores
    found.records[path] = 0
    names: dict[str, str | None] = {}
    for record in items(path, ItemStats):
        found.records[path] += 1
        if record.perturbation is not None:
            continue
        for stat in record.stats:
            what = stat.name
            if what.split != split or what.sub_split or what.perturbation is not None:
                continue
            if what.name not in names:
                names[what.name] = named(what.name)
            ours, value = names[what.name], stat.value
            if ours is not None and value is not None and value == value:
                of_key = scores.setdefault((record.id, record.trial), {})
                of_key[ours] = value + (of_key.get(ours, 0.0) if added else 0.0)
    return scores


def _kept(
    path: Path, split: str | None, found: Found, on_rows: Callable[[int], None], *, prompted: bool
) -> Iterator[State]:
    """The requests for instances of the split as they are; where `prompted` their prompts are kept too."""
    told = 0
    found.records[path] = 0
    for state in items(path, State, key="request_states"):
        found.records[path] += 1
        if found.records[path] % STEP == 0:
            on_rows(STEP)
            told += STEP
        one = state.instance
        if one.perturbation is None and not one.sub_split and one.split == split:
            if prompted and state.trial == 0 and state.request.prompt is not None:
                digest = hashlib.sha256(state.request.prompt.encode(errors="replace")).digest()
                found.prompts[one.id] = int.from_bytes(digest[:8], "big")
            yield state
    on_rows(found.records[path] - told)


def _generations(states: Iterator[State], left: Counter[str]) -> dict[str, list[Any]]:
    """A row a request. Output and targets are stripped, as they are before HELM compares them."""
    columns: dict[str, list[Any]] = {name: [] for name in ("item_id", "epoch", "kind", "target", "output")}
    for state in states:
        accepted = [one.output.text.strip() for one in state.instance.references if one.correct]
        completions = state.result.completions if state.result else []
        if not accepted or not completions:
            left["no-answer" if not accepted else "no-output"] += 1
            continue
        left["several-outputs"] += len(completions) > 1
        output = max(completions, key=lambda one: one.logprob).text.strip()
        row = (state.instance.id, state.trial, "generation", nearest(accepted, output), output)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns


def _texts(states: Iterator[State], left: Counter[str]) -> dict[str, list[Any]]:
    """A row an instance; a long one is several requests, whose first tokens are context where they overlap.

    No rows where every log-probability is 0.
    """
    tokens: dict[Key, list[Token]] = {}
    failed: set[Key] = set()
    for state in states:
        key = (state.instance.id, state.trial)
        completions = state.result.completions if state.result else []
        if not completions:
            failed.add(key)
            continue
        tokens.setdefault(key, []).extend(completions[0].tokens[state.conditioning :])
    left["no-output"] += len(failed)
    rows = {key: of_key for key, of_key in tokens.items() if key not in failed and of_key}
    if not any(token.logprob for of_key in rows.values() for token in of_key):
        rows = {}
    return {
        "item_id": [name for name, _ in rows],
        "epoch": [trial for _, trial in rows],
        "kind": ["likelihood"] * len(rows),
        "target": ["".join(token.text for token in of_key) for of_key in rows.values()],
        "target_tokens": [[token.text for token in of_key] for of_key in rows.values()],
        "target_logprobs": [[token.logprob for token in of_key] for of_key in rows.values()],
    }


@dataclass
class _Item:
    """An instance with a request a choice: (log-probability, tokens) of each, None where it cannot be cut."""

    references: list[Reference]
    choices: dict[int, tuple[float, int] | None] = field(default_factory=dict)
    failed: bool = False


def _choices(
    states: Iterator[State], adapter: Adapter, left: Counter[str], path: Path
) -> dict[str, list[Any]]:
    """A row an instance and trial, from its requests; lengths are in tokens. No rows where an item's
    log-probabilities are all 0."""
    asked: dict[Key, _Item] = {}
    for state in states:
        if state.mode == "calibration":
            continue
        references, index = state.instance.references, state.reference
        if index is None or not 0 <= index < len(references):
            raise SourceError(
                f"a request for instance {state.instance.id} is for none of its {len(references)} choices",
                where=str(path),
            )
        item = asked.setdefault((state.instance.id, state.trial), _Item(references))
        if item.references != references or index in item.choices:
            raise SourceError(
                f"instance {state.instance.id} has two requests for choice {index}, or two lists of choices",
                where=str(path),
            )
        tokens = state.result.completions[0].tokens if state.result and state.result.completions else []
        item.failed |= not tokens
        item.choices[index] = _cut(tokens, references[index].output.text, state.request.prompt or "", adapter)
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("item_id", "epoch", "kind"),
            *("choice_logprobs", "choice_lengths", "length_unit", "answer"),
        )
    }
    for (name, trial), item in asked.items():
        n = len(item.references)
        right = [i for i, one in enumerate(item.references) if one.correct]
        pairs = [pair for pair in (item.choices.get(i) for i in range(n)) if pair is not None]
        if len(item.choices) < n or item.failed:
            left["no-output"] += 1
            continue
        if len(pairs) < n:
            left["uncut-choices"] += 1
            continue
        if not right or n < 2:
            left["no-answer"] += 1
            continue
        logprobs = [logprob for logprob, _ in pairs]
        left["zero-logprobs"] += not any(logprobs)
        left["several-answers"] += len(right) > 1
        answer = max(right, key=lambda i: logprobs[i])
        row = (name, trial, "choice", logprobs, [length for _, length in pairs], "tokens", answer)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return {**columns, "item_id": []} if left["zero-logprobs"] else columns


def _cut(tokens: list[Token], reference: str, prompt: str, adapter: Adapter) -> tuple[float, int] | None:
    """(log-probability, number of tokens) of the reference at the end of an echoed prompt; None where it
    cannot be told.

    Bytes are counted from the end, white space left out, as some clients drop or add it. A token that holds
    the end of the prompt and the beginning of the reference is the reference's.
    """
    wanted, after = _dense(reference), _dense(adapter.output_suffix + adapter.global_suffix)
    tail = wanted + after
    if not wanted or not _dense(prompt).endswith(tail):
        return None
    seen, first, last = b"", len(tokens), len(tokens)
    while len(seen) < len(tail) and first > 0:
        first -= 1
        seen = _bytes(tokens[first].text) + seen
        if len(seen) <= len(after):
            last = first  # nothing but what comes after the reference
    if not seen.endswith(tail):
        return None
    kept = tokens[first:last]
    return sum(token.logprob for token in kept), len(kept)


def _dense(text: str) -> bytes:
    return "".join(text.split()).encode()


def _bytes(token: str) -> bytes:
    """The bytes of a token without white space; HELM writes "bytes:\\xe2\\x80" where they are no text."""
    if _RAW.fullmatch(token):
        return bytes.fromhex(token.removeprefix("bytes:").replace("\\x", ""))
    return _dense(token)


def _recorded_only(scores: dict[Key, dict[str, float]]) -> dict[str, list[Any]]:
    rows = [key for key, of_key in scores.items() if of_key]
    return {
        "item_id": [name for name, _ in rows],
        "epoch": [trial for _, trial in rows],
        "kind": ["score"] * len(rows),
    }
