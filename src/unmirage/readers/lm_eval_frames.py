"""From the decoded columns of a samples file to rows of the responses schema (without model and task)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.readers.lm_eval_gold import AS_INDEX
from unmirage.readers.lm_eval_records import Columns

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
        {"item_id": _item_ids(columns), "filter": _filters(columns, filters), "recorded": _recorded(columns)},
        schema={"item_id": pl.String, "filter": pl.String, "recorded": tables.RECORDED},
    )
    if columns.output_type == "generate_until":
        frame, more = _generations(columns, base, config or {}, filters, where)
    elif columns.output_type == "multiple_choice":
        frame, more = _choices(columns, base, where)
    else:
        more = []
        frame = base.with_columns(
            pl.Series("target", columns.target, dtype=pl.String),
            _lists("target_logprobs", columns.counts, pl.Series(columns.loglikelihoods, dtype=pl.Float64)),
            pl.Series("greedy", columns.greedy, dtype=pl.Boolean),
            kind=pl.lit("likelihood"),
        )
    return frame, notes + more


def _item_ids(columns: Columns) -> list[str]:
    """The document's hash, 16 digits; a document that the task holds twice gets "#2" the second time."""
    documents: dict[str, dict[str, int]] = {}
    out = []
    for doc_id, digest in zip(columns.doc_id, columns.item, strict=True):
        seen = documents.setdefault(digest, {})
        place = seen.setdefault(doc_id, len(seen) + 1)
        out.append(digest[:16] if place == 1 else f"{digest[:16]}#{place}")
    return out


def _filters(columns: Columns, filters: list[str]) -> list[str]:
    """Each record's filter; versions before 0.4.7 did not write it, but wrote the filters in blocks.

    Where no results file names the filters of such a file, they are called filter1, filter2, ...
    """
    if any(columns.filter):
        return columns.filter if len(set(columns.filter)) > 1 else [""] * len(columns)
    blocks = max(Counter(columns.doc_id).values())
    if blocks == 1:
        return [""] * len(columns)
    names = filters if len(filters) == blocks else [f"filter{i + 1}" for i in range(blocks)]
    seen: Counter[str] = Counter()
    out = []
    for doc_id in columns.doc_id:
        out.append(names[seen[doc_id]])
        seen[doc_id] += 1
    return out


def _recorded(columns: Columns) -> pl.Series:
    """The scores that each record holds, as `tables.RECORDED`."""
    if not columns.recorded:
        return pl.Series([[]] * len(columns), dtype=tables.RECORDED)
    scores = pl.DataFrame(columns.recorded, schema=dict.fromkeys(columns.recorded, pl.Float64))
    entries = [pl.struct(metric=pl.lit(name), value=pl.col(name)) for name in columns.recorded]
    present = pl.element().struct.field("value").is_not_null()
    return scores.select(recorded=pl.concat_list(entries).list.filter(present))["recorded"]


def _lists(name: str, counts: list[int], values: pl.Series) -> pl.Series:
    """A list column from the values of all rows one after another; null where a row has none.

    Far faster than from lists of Python numbers.
    """
    rows = pl.DataFrame({"row": range(len(counts)), "count": counts})
    owners = rows.filter(pl.col("count") > 0).select(pl.col("row").repeat_by("count").explode())
    lists = owners.with_columns(values.alias(name)).group_by("row", maintain_order=True).agg(name)
    return rows.join(lists, on="row", how="left", maintain_order="left")[name]


def _texts(name: str, lists: list[list[str]]) -> pl.Series:
    values = [text for texts in lists for text in texts]
    return _lists(name, [len(texts) for texts in lists], pl.Series(values, dtype=pl.String))


def _choices(columns: Columns, frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    found = columns.gold.resolve()
    unknown = sum(index is None for index in found.indices)
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
    greedy = [
        flags[answer] if answer is not None else None
        for flags, answer in zip(columns.gold.greedy, found.indices, strict=True)
    ]
    sizes = [n if known else 0 for n, known in zip(columns.counts, columns.measured, strict=True)]
    frame = frame.with_columns(
        _lists("choice_logprobs", columns.counts, pl.Series(columns.loglikelihoods, dtype=pl.Float64)),
        _lists("choice_lengths", sizes, pl.Series(columns.lengths, dtype=pl.Int32)),
        pl.Series("answer", found.indices, dtype=pl.Int32),
        pl.Series("greedy", greedy, dtype=pl.Boolean),
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
    outputs = columns.outputs
    several = max(len(repeats) for repeats in columns.repeats) > 1
    if several and max(len(kept) for kept in outputs) == 1:
        first = all(k == r[:1] for k, r in zip(outputs, columns.repeats, strict=True))
        name = columns.filter[0] or (filters[0] if len(filters) == 1 else "")
        if first and frame["filter"].n_unique() == 1 and _takes_first(config, name):
            outputs = columns.repeats
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
    frame = frame.with_columns(
        _texts("accepted", columns.accepted),
        _texts("output", outputs).fill_null([]),
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
        accepted = [[normalise(text) for text in texts] for texts in frame["accepted"].to_list()]
        frame = frame.with_columns(
            pl.Series("output", [normalise(text) for text in frame["output"]], dtype=pl.String),
            _texts("accepted", accepted),
        )
    if frame["accepted"].list.len().max() == 1:
        return frame.with_columns(target=pl.col("accepted").list.first()).drop("accepted"), notes
    pairs = zip(frame["accepted"].to_list(), frame["output"], strict=True)
    target = pl.Series("target", [nearest(texts, output) for texts, output in pairs], dtype=pl.String)
    return frame.with_columns(target).drop("accepted"), notes


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
