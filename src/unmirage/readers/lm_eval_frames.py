"""From the decoded columns of a samples file to rows of the responses schema (without model and task)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.readers.lm_eval_records import Columns

Note = dict[str, object]


def frame_of(
    columns: Columns, config: dict[str, Any] | None, filters: list[str], *, where: str
) -> tuple[pl.DataFrame, list[Note]]:
    """Rows with the columns of the responses schema that the records give, and `filter` ("" where there is one filter).

    Parameters
    ----------
    columns: what `read_columns` gave.
    config: the task's entry in `configs`, or None.
    filters: the task's filters as the results file lists them.
    where: the file, for messages.
    """
    notes: list[Note] = []
    if columns.truncated:
        notes.append(
            tables.warning(
                "truncated-file",
                f"the last record breaks off at {columns.truncated}; the {len(columns)} records before it are used",
                where=where,
            )
        )
    base = {"item_id": _item_ids(columns), "filter": _filters(columns, filters), "recorded": columns.recorded}
    schema: dict[str, Any] = {"item_id": pl.String, "filter": pl.String, "recorded": tables.RECORDED}
    if columns.output_type == "generate_until":
        frame, more = _generations(columns, pl.DataFrame(base, schema=schema), config, where)
    elif columns.output_type == "multiple_choice":
        frame, more = _choices(columns, pl.DataFrame(base, schema=schema), where)
    else:
        frame = pl.DataFrame(
            {
                **base,
                "target": columns.target,
                "target_logprobs": columns.loglikelihoods,
                "greedy": columns.greedy,
            },
            schema={
                **schema,
                "target": pl.String,
                "target_logprobs": pl.List(pl.Float64),
                "greedy": pl.Boolean,
            },
        ).with_columns(kind=pl.lit("likelihood"))
        more = []
    return frame, notes + more


def _item_ids(columns: Columns) -> list[str]:
    """The document's hash, 12 digits; a document that the task holds twice gets "#2" the second time."""
    documents: dict[str, dict[str, int]] = {}
    out = []
    for doc_id, digest in zip(columns.doc_id, columns.item, strict=True):
        seen = documents.setdefault(digest, {})
        place = seen.setdefault(doc_id, len(seen) + 1)
        out.append(digest[:12] if place == 1 else f"{digest[:12]}#{place}")
    return out


def _filters(columns: Columns, filters: list[str]) -> list[str]:
    """Each record's filter; versions 0.4.3 to 0.4.6 did not write it, but wrote the filters in blocks."""
    if len(set(columns.filter)) > 1:
        return columns.filter
    if len(filters) < 2 or any(columns.filter):
        return [""] * len(columns)
    seen: Counter[str] = Counter()
    out = []
    for doc_id in columns.doc_id:
        out.append(filters[min(seen[doc_id], len(filters) - 1)])
        seen[doc_id] += 1
    return out


def _choices(columns: Columns, frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    answers, how = columns.gold.resolve()
    notes: list[Note] = []
    if answers and answers[0] is None:
        return frame.with_columns(kind=pl.lit("score")), [
            tables.warning(
                "unknown-answer",
                f"the right choice of the {len(columns)} items cannot be told ({how}); only the recorded scores are used",
                where=where,
                count=len(columns),
            )
        ]
    if how != "target as index":
        notes.append(
            tables.warning(
                "answer-found", f"the right choice is read from {how}", where=where, count=len(columns)
            )
        )
    if columns.gold.several:
        notes.append(
            tables.warning(
                "several-answers",
                f"{columns.gold.several} items have several right choices; the likeliest of them stands for all, so choice "
                "probabilities there count it alone",
                where=where,
                count=columns.gold.several,
            )
        )
    greedy = [
        flags[answer] if answer is not None else None
        for flags, answer in zip(columns.gold.greedy, answers, strict=True)
    ]
    extra = pl.DataFrame(
        {
            "choice_logprobs": columns.loglikelihoods,
            "choice_lengths": columns.lengths,
            "answer": answers,
            "greedy": greedy,
        },
        schema={
            "choice_logprobs": pl.List(pl.Float64),
            "choice_lengths": pl.List(pl.Int32),
            "answer": pl.Int32,
            "greedy": pl.Boolean,
        },
    ).with_columns(kind=pl.lit("choice"), length_unit=pl.lit("characters"))
    return pl.concat([frame, extra], how="horizontal"), notes


def _generations(
    columns: Columns, frame: pl.DataFrame, config: dict[str, Any] | None, where: str
) -> tuple[pl.DataFrame, list[Note]]:
    """A row an output: the filter's own list (pass@k filters), or the raw repeats where the default filter took the first."""
    notes: list[Note] = []
    outputs = columns.outputs
    several = max(len(repeats) for repeats in columns.repeats) > 1
    if several and max(len(kept) for kept in outputs) == 1:
        first = all(k == r[:1] for k, r in zip(outputs, columns.repeats, strict=True))
        if first and set(columns.filter) <= {"", "none"}:
            outputs = columns.repeats
            notes.append(
                tables.warning(
                    "repeats-used",
                    "the harness scored the first of several repeats an item; all of them are used, as epochs",
                    where=where,
                    count=len(columns),
                )
            )
        else:
            notes.append(
                tables.warning(
                    "repeats-filtered",
                    "the task's filters keep one output of several repeats an item; the filtered one is used",
                    where=where,
                    count=len(columns),
                )
            )
    frame = frame.with_columns(
        target=pl.Series(columns.target, dtype=pl.String),
        output=pl.Series(outputs, dtype=pl.List(pl.String)),
        kind=pl.lit("generation"),
    )
    empty = frame.filter(pl.col("output").list.len() == 0).height
    if empty:
        notes.append(
            tables.warning(
                "no-output",
                f"{empty} records have no output and count as empty text",
                where=where,
                count=empty,
            )
        )
        frame = frame.with_columns(
            output=pl.when(pl.col("output").list.len() == 0).then(pl.lit([""])).otherwise(pl.col("output"))
        )
    frame = frame.with_columns(epoch=pl.int_ranges(pl.col("output").list.len(), dtype=pl.Int32)).explode(
        "output", "epoch"
    )
    frame = frame.with_columns(
        recorded=pl.when(pl.col("epoch") == 0)
        .then(pl.col("recorded"))
        .otherwise(pl.lit([], dtype=tables.RECORDED))
    )
    rule, normalise = _normaliser(config or {})
    if normalise is not None:
        notes.append(
            tables.warning(
                "normalised-text",
                f"the task's exact_match compares after {rule}; outputs and targets are read that way",
                where=where,
                count=frame.height,
            )
        )
        frame = frame.with_columns(
            pl.Series(name, [normalise(text) for text in frame[name]], dtype=pl.String)
            for name in ("target", "output")
        )
    return frame, notes


def _normaliser(config: dict[str, Any]) -> tuple[str, Callable[[str], str] | None]:
    """What the task's exact_match does to both texts before it compares them (lm-eval `exact_match_hf_evaluate`)."""
    entry: dict[str, Any] = next(
        (
            m
            for m in config.get("metric_list") or []
            if isinstance(m, dict) and m.get("metric") == "exact_match"
        ),
        {},
    )
    patterns = [re.compile(str(p)) for p in entry.get("regexes_to_ignore") or []]
    case, marks, digits = (bool(entry.get(f"ignore_{what}")) for what in ("case", "punctuation", "numbers"))
    done = [
        *(["removing what " + ", ".join(repr(p.pattern) for p in patterns) + " match"] if patterns else []),
        *(["folding case"] if case else []),
        *(["removing punctuation"] if marks else []),
        *(["removing digits"] if digits else []),
    ]
    if not done:
        return "", None
    remove = str.maketrans("", "", (string.punctuation if marks else "") + (string.digits if digits else ""))

    def normalise(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub("", text)
        return (text.lower() if case else text).translate(remove)

    return " and ".join(done), normalise
