"""From the decoded columns of a samples file to rows of the responses schema (without model and task)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.readers.lm_eval_columns import UNKNOWN_FLAG, Columns
from unmirage.readers.lm_eval_gold import AS_INDEX
from unmirage.readers.lm_eval_records import CHOICE, GENERATION

Note = dict[str, object]


def frame_of(
    columns: Columns, config: dict[str, Any] | None, filters: list[str], *, where: str
) -> tuple[pl.DataFrame, list[Note]]:
    """Rows with the columns of the responses schema that the records give, and `filter`.

    Parameters
    ----------
    columns: what `read_columns` gave.
    config: the task's entry in `configs`, or None.
    filters: the task's filters as the results file lists them.
    where: the file, for messages.

    Returns
    -------
    The rows, whose `filter` is "" where the task has one filter, and warnings.
    """
    notes: list[Note] = []
    if columns.truncated:
        notes.append(
            tables.warning(
                "truncated-file",
                f"the last record breaks off at {columns.truncated}; the {len(columns)} records before it "
                "are used",
                where=where,
            )
        )
    base = pl.DataFrame(
        [
            _item_ids(columns),
            _filters(columns, filters),
            _recorded(columns),
        ]
    )
    if columns.output_type == GENERATION:
        frame, more = _generations(columns, base, config or {}, filters, where)
    elif columns.output_type == CHOICE:
        frame, more = _choices(columns, base, where)
    else:
        more = []
        frame = base.with_columns(
            pl.Series("target", columns.target, dtype=pl.String),
            lists("target_logprobs", np.array(columns.counts), pl.Series(np.array(columns.loglikelihoods))),
            _flags(columns.greedy),
            kind=pl.lit("likelihood"),
        )
    return frame, notes + more


def _item_ids(columns: Columns) -> pl.Series:
    """The document's hash, 16 digits; a document that the task holds twice gets "#2" the second time."""
    digests = pl.Series("item_id", columns.item, dtype=pl.String)
    if digests.n_unique() == len(columns):
        return digests
    documents: dict[str, dict[int | str, int]] = {}
    out = []
    for doc_id, digest in zip(columns.doc_id, columns.item, strict=True):
        seen = documents.setdefault(digest, {})
        place = seen.setdefault(doc_id, len(seen) + 1)
        out.append(digest if place == 1 else f"{digest}#{place}")
    return pl.Series("item_id", out, dtype=pl.String)


def _filters(columns: Columns, filters: list[str]) -> pl.Series:
    """Each record's filter; versions before 0.4.7 did not write it, but wrote the filters in blocks.

    Where no results file names the filters of such a file, they are called filter1, filter2, ...
    """
    one = pl.repeat("", len(columns), dtype=pl.String, eager=True).alias("filter")
    several = set(columns.filter)
    if several != {""}:
        return pl.Series("filter", columns.filter, dtype=pl.String) if len(several) > 1 else one
    blocks = max(Counter(columns.doc_id).values())
    if blocks == 1:
        return one
    names = filters if len(filters) == blocks else [f"filter{i + 1}" for i in range(blocks)]
    seen: Counter[int | str] = Counter()
    out = []
    for doc_id in columns.doc_id:
        out.append(names[seen[doc_id]])
        seen[doc_id] += 1
    return pl.Series("filter", out, dtype=pl.String)


def _recorded(columns: Columns) -> pl.Series:
    """The scores that each record holds, as `tables.RECORDED`."""
    if not columns.recorded:
        return pl.Series("recorded", [[]] * len(columns), dtype=tables.RECORDED)
    values = np.column_stack([np.array(scores) for scores in columns.recorded.values()])
    present = ~np.isnan(values)
    metrics = pl.Series("metric", list(columns.recorded), dtype=pl.String)
    scores = pl.DataFrame(
        [metrics.gather(np.nonzero(present)[1]), pl.Series("value", values[present], dtype=pl.Float64)]
    )
    found = lists("recorded", present.sum(axis=1), scores.to_struct())
    return found if present.any(axis=1).all() else found.fill_null(pl.Series([[]], dtype=tables.RECORDED))


def lists(name: str, counts: npt.NDArray[np.int64], values: pl.Series) -> pl.Series:
    """A list column from the values of all rows one after another; null where a row has none.

    Far faster than from lists of Python numbers.
    """
    sizes = np.unique(counts)
    rows, parts = [], []
    owners = np.repeat(counts, counts)
    for size in sizes.tolist():
        rows.append(np.flatnonzero(counts == size))
        if size == 0:
            parts.append(pl.Series(name, [None] * len(rows[-1]), dtype=pl.List(values.dtype)))
            continue
        mine = values if len(sizes) == 1 else values.filter(pl.Series(owners == size))
        parts.append(mine.reshape((-1, size)).arr.to_list().alias(name))
    if len(sizes) == 1:
        return parts[0]
    return pl.concat(parts).gather(np.argsort(np.concatenate(rows), kind="stable"))


def _flags(greedy: npt.NDArray[np.int8]) -> pl.Series:
    """The column `greedy`; null where no flag was logged."""
    flags = pl.Series("greedy", greedy == 1)
    missing = greedy == UNKNOWN_FLAG
    return flags.set(pl.Series(missing), None) if missing.any() else flags


def _choices(columns: Columns, frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    found = columns.gold.resolve(columns.evidence())
    has = found.indices >= 0
    unknown = len(columns) - int(has.sum())
    notes: list[Note] = []

    def note(code: str, message: str, count: int) -> None:
        notes.append(tables.warning(code, message, where=where, count=count))

    if unknown == len(columns):
        note(
            "unknown-answer",
            f"the right choice of the {unknown} items cannot be told ({found.how}); only the recorded scores "
            "are used",
            unknown,
        )
        return frame.with_columns(kind=pl.lit("score")), notes
    if found.how != AS_INDEX:
        note("answer-found", f"the right choice is read from {found.how}", len(columns))
    if not found.checked:
        note(
            "answer-unchecked",
            f"the right choice is read from {found.how}; it can be read in another way too, and no recorded "
            "score tells which",
            len(columns),
        )
    if columns.gold.several:
        note(
            "several-answers",
            f"{columns.gold.several} items have several right choices; the likeliest of them stands for all, "
            "so choice probabilities there count it alone",
            columns.gold.several,
        )
    counts, lengths = np.array(columns.counts), columns.lengths
    places = np.cumsum(counts) - counts + np.maximum(found.indices, 0)
    answer = pl.Series("answer", found.indices, dtype=pl.Int32)
    greedy = _flags(columns.greedy[places])
    measured = np.where(lengths[np.cumsum(counts) - counts] > 0, counts, 0)
    frame = frame.with_columns(
        lists("choice_logprobs", counts, pl.Series(np.array(columns.loglikelihoods))),
        lists("choice_lengths", measured, pl.Series(lengths[lengths > 0], dtype=pl.Int32)),
        answer if not unknown else answer.set(pl.Series(~has), None),
        greedy,
        kind=pl.lit("choice"),
        length_unit=pl.lit("characters"),
    )
    if unknown:
        note(
            "no-answer",
            f"{unknown} items have no right choice among their choices and are left out (the harness counts "
            "them as wrong)",
            unknown,
        )
        frame = frame.filter(pl.col("answer").is_not_null())
    return frame, notes


def _generations(
    columns: Columns, frame: pl.DataFrame, config: dict[str, Any], filters: list[str], where: str
) -> tuple[pl.DataFrame, list[Note]]:
    """A row an output.

    The outputs are the filter's own list (pass@k filters), or the raw repeats where the filter took the
    first.
    """
    notes: list[Note] = []
    outputs, counts = columns.outputs, np.array(columns.counts)
    if columns.repeats and counts.max() == 1:
        name = columns.filter[0] or (filters[0] if len(filters) == 1 else "")
        if columns.takes_first and frame["filter"].n_unique() == 1 and _takes_first(config, name):
            first = iter(outputs)
            kept = [[next(first)] if n else [] for n in columns.counts]
            written = [columns.repeats.get(row, texts) for row, texts in enumerate(kept)]
            outputs, counts = [text for texts in written for text in texts], np.array(list(map(len, written)))
            notes.append(
                tables.warning(
                    "repeats-used",
                    "the harness scored the first of several repeats an item; all are used, as epochs",
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
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        notes.append(
            tables.warning(
                "no-output",
                f"{len(empty)} records have no output and count as empty text",
                where=where,
                count=len(empty),
            )
        )
        places = (np.cumsum(counts) - counts)[empty]
        outputs = np.insert(np.array(outputs, dtype=object), places, "").tolist()
        counts = np.maximum(counts, 1)
    target = pl.Series("target", columns.target, dtype=pl.String)
    frame = frame.with_columns(target, kind=pl.lit("generation"))
    rows = np.repeat(np.arange(len(columns)), counts)
    epochs = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    if len(rows) > len(columns):
        scored = pl.Series(epochs == 0)
        frame = frame[rows].with_columns(
            recorded=pl.when(scored).then(pl.col("recorded")).otherwise(pl.lit([], dtype=tables.RECORDED))
        )
    frame = frame.with_columns(
        pl.Series("output", outputs, dtype=pl.String),
        pl.Series("epoch", epochs, dtype=pl.Int32),
    )
    accepted = {row: columns.accepted[i] for row, i in enumerate(rows.tolist()) if i in columns.accepted}
    rule, normalise = _normaliser(config)
    if normalise is not None:
        notes.append(
            tables.warning(
                "normalised-text",
                f"the task's exact_match compares after {rule}; outputs and targets are read that way",
                where=where,
                count=frame.height,
            )
        )
        accepted = {row: [normalise(text) for text in texts] for row, texts in accepted.items()}
        frame = frame.with_columns(
            pl.Series(name, [normalise(text) for text in frame[name]], dtype=pl.String)
            for name in ("output", "target")
        )
    if accepted:
        outputs_of = frame["output"]
        best = [nearest(texts, outputs_of[row]) for row, texts in accepted.items()]
        frame = frame.with_columns(frame["target"].scatter(list(accepted), best))
    return frame, notes


def _takes_first(config: dict[str, Any], name: str) -> bool:
    """Whether the one filter of a task does nothing but take the first repeat, as it does by default."""
    filters = config.get("filter_list")
    if not filters:
        return name in ("", "none")
    return [step.get("function") for entry in filters for step in entry.get("filter") or []] == ["take_first"]


def nearest(accepted: Sequence[str], output: str) -> str:
    """The one reference that a generation is compared with, of several accepted ones.

    The one that the output equals, else the nearest in edit distance: the best single reference, as BIG-bench
    scores them.
    """
    if output in accepted:
        return output
    from rapidfuzz.distance import Levenshtein

    return min(accepted, key=lambda text: Levenshtein.distance(text, output))


def _normaliser(config: dict[str, Any]) -> tuple[str, Callable[[str], str] | None]:
    """What the task's exact_match does to both texts first (lm-eval `exact_match_hf_evaluate`)."""
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
