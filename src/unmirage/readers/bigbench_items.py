"""The queries of BIG-bench's full logs as rows of `tables.RESPONSES`. Decoding is in `bigbench_queries`.

An item is known by its prompt: `item_id` is the first 16 digits of the prompt's SHA-256, with "#2" behind the
second of a query that has the same prompt. So the queries of one task meet on their items, and models that
were asked other prompts do not.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.bigbench.scores import GRADE
from unmirage.readers.bigbench_parts import PARTS
from unmirage.readers.bigbench_queries import Query, Sample, has_choices, logprobs, mislabelled
from unmirage.readers.bigbench_rows import label_of

MATCH = "exact_str_match"

Note = dict[str, object]
Key = tuple[str, int]  # label of the task, number of shots
_COLUMNS = (
    *("item_id", "kind", "target", "output", "target_logprobs", "choice_logprobs"),
    *("choice_lengths", "length_unit", "answer", "recorded"),
)


def rows_of_log(queries: Sequence[Query], task: str, where: str) -> tuple[list[pl.DataFrame], list[Note]]:
    """The rows of a full log: a frame a task, number of shots and kind of query.

    A likelihood beside another kind gives no rows of its own: it becomes a column of theirs.

    Parameters
    ----------
    queries: of one file.
    task: the file's task.
    where: the file, for warnings.

    Returns
    -------
    Frames with columns of `tables.RESPONSES` but those of the model, and `label` (what the scores of the task
    or subtask are called), `shots` and `part` (the kind of the query); and warnings.
    """
    groups: dict[tuple[Key, str], list[Query]] = {}
    other: Counter[str] = Counter()
    for query in queries:
        kind = query.kind
        if not query.named:
            other["unnamed"] += 1
        elif kind is None:
            other["strange" if query.samples else "empty"] += 1
        else:
            key = (label_of(task, str(query.task)), int(query.shots or 0))
            groups.setdefault((key, kind), []).append(query)
            other["mislabelled"] += mislabelled(query)
    notes = _said(other, where)
    frames = []
    kinds: dict[Key, set[str]] = {}
    for key, kind in groups:
        kinds.setdefault(key, set()).add(kind)
    for (key, kind), asked in groups.items():
        if len(asked) > 1:
            notes.append(
                tables.warning(
                    "repeated-query",
                    f"{len(asked)} queries ask the {PARTS[kind]} of {key[0]} ({key[1]} shots); the first is "
                    "read",
                    where=where,
                    count=len(asked) - 1,
                )
            )
        if kind == "likelihood" and kinds[key] != {"likelihood"}:
            continue
        given = groups.get((key, "likelihood"), [])
        frame, more = _rows(asked[0], kind, given[0] if given else None, f"{where}: {key[0]}")
        notes += more
        label, shots = key
        frames.append(frame.with_columns(label=pl.lit(label), shots=pl.lit(shots), part=pl.lit(kind)))
    return frames, notes


def _said(other: Counter[str], where: str) -> list[Note]:
    texts = {
        "unnamed": (
            "unnamed-queries",
            "queries say neither task nor shots, as those of programmatic tasks; they are not read",
        ),
        "strange": (
            "strange-queries",
            "queries lack their outputs, targets or absolute log-probabilities; they are not read",
        ),
        "empty": ("empty-queries", "queries hold no example"),
        "mislabelled": (
            "mislabelled-likelihood",
            "queries hold the log-likelihood of the target alone and are written down as choices (fewer "
            "targets than target values); they are read as log-likelihoods, and their grade, which means "
            "nothing, is not used",
        ),
    }
    return [
        tables.warning(code, f"{other[what]} {text}", where=where, count=other[what])
        for what, (code, text) in texts.items()
        if other[what]
    ]


def _rows(query: Query, kind: str, given: Query | None, where: str) -> tuple[pl.DataFrame, list[Note]]:
    """The rows of one query; `given` is the query of the same items' log-likelihoods."""
    notes: list[Note] = []
    items = _item_ids(query.samples)
    likelihoods: dict[str, float] = {}
    if given is not None:
        likelihoods = dict(zip(_item_ids(given.samples), map(_any_of, _all(given)), strict=True))
        missing = [item for item in items if item not in likelihoods]
        if missing:
            notes.append(
                tables.warning(
                    "other-items",
                    f"{len(missing)} of {len(items)} items have no log-likelihood of their target: its query "
                    "asked other prompts; none is used",
                    where=where,
                    count=len(missing),
                )
            )
            likelihoods = {}
    graded = kind == "choice" and not all(_answer(sample) is not None for sample in query.samples)
    if graded:
        notes.append(
            tables.warning(
                "several-answers",
                "items have no single right choice; what is left is BIG-bench's grade of them",
                where=where,
                count=sum(_answer(sample) is None for sample in query.samples),
            )
        )
    rows = []
    for item, sample in zip(items, query.samples, strict=True):
        row: dict[str, Any] = dict.fromkeys(_COLUMNS)
        row |= {"item_id": item, "kind": "score" if graded else kind}
        if item in likelihoods:
            row["target_logprobs"] = [likelihoods[item]]
        if kind == "generation":
            row |= _generation(sample)
        elif graded:
            row |= _graded(query, sample)
        elif kind == "choice":
            row |= _choice(query, sample)
        else:
            row["target"] = sample.targets[0] if isinstance(sample.targets, list) else None
        rows.append(row)
    schema = {name: tables.RESPONSES[name] for name in _COLUMNS}
    return pl.DataFrame(rows, schema=schema), notes


def _item_ids(samples: Sequence[Sample]) -> list[str]:
    seen: Counter[str] = Counter()
    out = []
    for sample in samples:
        digest = hashlib.sha256(sample.input.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        seen[digest] += 1
        out.append(digest if seen[digest] == 1 else f"{digest}#{seen[digest]}")
    return out


def _all(query: Query) -> list[list[float]]:
    return [logprobs(query, sample) or [] for sample in query.samples]


def _any_of(values: Sequence[float]) -> float:
    """The log-probability of any of several targets, as BIG-bench's log_likelihood has it; 0 at most."""
    best = max(values)
    if len(values) == 1 or not math.isfinite(best):
        return best
    return min(best + math.log(math.fsum(math.exp(value - best) for value in values)), 0.0)


def _generation(sample: Sample) -> dict[str, Any]:
    """The target is the one that the output equals, else the first."""
    targets = sample.targets if isinstance(sample.targets, dict) else {}
    target = sample.output if sample.output in targets else next(iter(targets))
    matches = [value for scores in targets.values() if (value := scores.get(MATCH)) is not None]
    return {"target": target, "output": sample.output, "recorded": _recorded(MATCH, matches)}


def _choice(query: Query, sample: Sample) -> dict[str, Any]:
    texts = sample.targets if isinstance(sample.targets, list) else []
    lengths = [len(text) for text in texts]
    whole = all(lengths)
    answer = _answer(sample)
    return {
        "answer": answer,
        "target": None if answer is None else texts[answer],
        "choice_logprobs": logprobs(query, sample),
        "choice_lengths": lengths if whole else None,
        "length_unit": "characters" if whole else None,
        "recorded": _recorded(GRADE, [] if sample.correct is None else [sample.correct]),
    }


def _graded(query: Query, sample: Sample) -> dict[str, Any]:
    """The target score of the choice with the largest log-probability; BIG-bench's own where two share it."""
    values, found = sample.values or {}, logprobs(query, sample) or []
    texts = sample.targets if isinstance(sample.targets, list) else []
    best = [text for text, value in zip(texts, found, strict=True) if value == max(found)]
    grades = {values[text] for text in best}
    grade = grades.pop() if len(grades) == 1 else sample.correct
    return {"recorded": _recorded(GRADE, [] if grade is None else [grade])}


def _answer(sample: Sample) -> int | None:
    """The index of the only right choice: one target score is 1 and all others 0; else None."""
    values = sample.values or {}
    if not has_choices(sample) or sorted(values.values()) != [0.0] * (len(values) - 1) + [1.0]:
        return None
    texts = sample.targets if isinstance(sample.targets, list) else []
    right = [i for i, text in enumerate(texts) if values[text] == 1]
    return right[0] if len(right) == 1 else None


def _recorded(word: str, values: Sequence[float]) -> list[dict[str, Any]]:
    from unmirage.metrics import by_alias

    return [{"metric": by_alias("BIG-bench", word) or word, "value": float(max(values))}] if values else []
