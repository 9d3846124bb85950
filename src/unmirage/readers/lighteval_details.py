"""The details of lighteval, a Parquet file a task, as one table for all of its layouts.

Since 0.11 a row has three structs: doc, model_response and metric. Before, the columns are flat, and in some
versions (0.6) each is the text that Python writes of the value. Types in a file are those of the values that
happened to be there: a column without any is of the type null. What rows become is decided in `lighteval`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.errors import SourceError

Lists = dict[str, list[Any]]
STRUCTS = ("doc", "model_response", "metric")
FLAT = ("predictions", "metrics")
# How Python and NumPy write numbers that `literal_eval` does not read.
_WRAPPED = re.compile(r"(?:np\.\w+|tensor|array)\(([^()]*)\)")
_NUMBER = re.compile(r"(?<![\w'\"])(-?)(nan|inf)(?![\w'\"])")


@dataclass(frozen=True)
class Details:
    """What a file of details holds, a row an item, in the order of the items' ids (old layouts: as written).

    Attributes
    ----------
    rows: columns item_id, query (str), choices, golds, texts (list[str]; the right answers' and the
        outputs'), gold (list[i64], indices of right answers), logprobs (list[f64], nats), greedy
        (list[bool]), methods (list[str], empty in old layouts). Nothing is null.
    scores: metric -> a number a row, NaN where there is none; metrics whose values are no numbers are left
        out.
    """

    rows: pl.DataFrame
    scores: dict[str, list[float]]


COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "item_id": pl.String,
    "query": pl.String,
    **{name: pl.List(pl.String) for name in ("choices", "golds", "texts", "methods")},
    "gold": pl.List(pl.Int64),
    "logprobs": pl.List(pl.Float64),
    "greedy": pl.List(pl.Boolean),
}


def read_details(path: Path) -> Details:
    """Read one file.

    Raises
    ------
    SourceError
        It is no whole Parquet file, lacks a column, or a value is not what it should be.
    """
    try:
        schema = pl.scan_parquet(path, glob=False).collect_schema()
        if all(isinstance(schema.get(name), pl.Struct) for name in STRUCTS):
            return _of_structs(path, schema)
        if all(name in schema for name in FLAT):
            return _of_columns(path, schema)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeError) as problem:
        why = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise SourceError(f"cannot be read as details of lighteval: {why}", where=str(path)) from None
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
    raise SourceError(
        f"has neither the columns {', '.join(STRUCTS)} nor {', '.join(FLAT)}; there are: "
        f"{', '.join(list(schema)[:12])}",
        where=str(path),
    )


def _of_structs(path: Path, schema: pl.Schema) -> Details:
    doc, response = (_Fields(schema, name) for name in ("doc", "model_response"))
    processed = response.get("text_post_processed", pl.List(pl.String))
    frame = (
        pl.scan_parquet(path, glob=False)
        .select(
            item_id=doc.get("id", pl.String),
            query=doc.get("query", pl.String).fill_null(""),
            choices=doc.lists("choices", pl.String),
            gold=doc.lists("gold_index", pl.Int64),
            texts=pl.coalesce(processed.list.drop_nulls(), response.lists("text", pl.String)),
            methods=doc.lists("sampling_methods", pl.String),
            logprobs=response.lists("logprobs", pl.Float64),
            greedy=response.lists("argmax_logits_eq_gold", pl.Boolean),
            metric=pl.col("metric"),
        )
        .collect()
    )
    metrics = frame["metric"].struct.unnest()
    frame = frame.drop("metric").with_columns(
        golds=pl.col("choices")
        .list.gather(pl.col("gold").list.filter(pl.element() >= 0), null_on_oob=True)
        .list.drop_nulls()
    )
    lost = frame["item_id"].null_count()
    if lost:
        raise SourceError(f"{lost} of {frame.height} rows have no id", where=str(path))
    frame = frame.with_columns(item_id=pl.Series(_told_apart(frame), dtype=pl.String))
    numbers = {
        name: metrics[name].cast(pl.Float64).fill_null(float("nan"))
        for name, dtype in metrics.schema.items()
        if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null)
    }
    place = pl.col("item_id").cast(pl.Int64, strict=False)
    order = (
        frame.select(place=place)
        .with_row_index()
        .sort("place", nulls_last=True, maintain_order=True)["index"]
    )
    return Details(
        frame.select(list(COLUMNS))[order],
        {name: values[order].to_list() for name, values in numbers.items()},
    )


class _Fields:
    """Expressions for the fields of a struct column, whatever their types in this file."""

    def __init__(self, schema: pl.Schema, name: str) -> None:
        struct = schema[name]
        self.types = dict(struct.to_schema()) if isinstance(struct, pl.Struct) else {}
        self.name = name

    def get(self, field: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
        """The field in a type; null where it is missing."""
        if field not in self.types:
            return pl.lit(None, dtype=dtype)
        return pl.col(self.name).struct.field(field).cast(dtype)

    def lists(self, field: str, inner: type[pl.DataType]) -> pl.Expr:
        """The field as lists, a single value being a list of one; [] where it is null."""
        single = field in self.types and not isinstance(self.types[field], pl.List | pl.Null)
        found = self.get(field, inner if single else pl.List(inner))
        lists = pl.concat_list(found) if single else found
        return lists.fill_null([]).list.drop_nulls()


def _told_apart(frame: pl.DataFrame) -> list[str]:
    """The ids; those that two questions share (they count within a split) get a hash of the question."""
    questions: dict[str, set[str]] = {}
    for name, query in frame.select("item_id", "query").iter_rows():
        questions.setdefault(name, set()).add(query)
    return [
        name if len(questions[name]) == 1 else f"{name}:{_digest(query)[:8]}"
        for name, query in frame.select("item_id", "query").iter_rows()
    ]


def _of_columns(path: Path, schema: pl.Schema) -> Details:
    names = (
        "example",
        "full_prompt",
        "choices",
        "gold",
        "gold_index",
        "predictions",
        "pred_logits",
        "metrics",
    )
    raw = pl.scan_parquet(path, glob=False).select([name for name in names if name in schema]).collect()
    values = {
        name: [_parsed(text, path, row) for row, text in enumerate(raw[name], start=1)]
        if raw[name].dtype == pl.String and name not in ("example", "full_prompt")
        else raw[name].to_list()
        for name in raw.columns
    }
    columns: Lists = {name: [] for name in COLUMNS}
    seen: Counter[str] = Counter()
    for row in range(raw.height):
        one = {name: column[row] for name, column in values.items()}
        query = str(one.get("example") or one.get("full_prompt") or "")
        choices, golds = _strings(one.get("choices")), _strings(one.get("gold"))
        gold = [i for i in _flat(one.get("gold_index")) if isinstance(i, int)]
        golds = golds or [choices[i] for i in gold if 0 <= i < len(choices)]
        texts, logprobs, greedy = _outcome(one["predictions"])
        if not logprobs and not texts:
            _, logprobs, greedy = _outcome(one.get("pred_logits"))
        name = _digest(json.dumps([query, choices, golds, gold]))[:16]
        seen[name] += 1
        entries = {
            "item_id": name if seen[name] == 1 else f"{name}#{seen[name]}",
            "query": query,
            "choices": choices,
            "golds": golds,
            "texts": texts,
            "methods": [],
            "gold": gold,
            "logprobs": logprobs,
            "greedy": greedy,
        }
        for column, value in entries.items():
            columns[column].append(value)
    try:
        rows = pl.DataFrame(columns, schema=COLUMNS)
    except (TypeError, ValueError, OverflowError) as problem:
        raise SourceError(f"cannot be read as details of lighteval: {problem}", where=str(path)) from None
    return Details(rows, _scores(values["metrics"]))


def _scores(metrics: Sequence[Any]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row, entry in enumerate(metrics):
        for name, value in entry.items() if isinstance(entry, dict) else ():
            if isinstance(value, bool | int | float):
                found.setdefault(str(name), [float("nan")] * len(metrics))[row] = _float(value)
    return found


def _parsed(text: str | None, path: Path, row: int) -> Any:
    """The value that Python wrote as this text.

    Nothing in it is executed. SourceError where it is no value.
    """
    if text is None:
        return None
    for form in (text, None):
        if form is None:
            form = _NUMBER.sub(_spelled, _WRAPPED.sub(r"\1", text))
        try:
            return ast.literal_eval(form)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    raise SourceError(f"row {row}: {text[:60]!r} is no value that Python wrote", where=str(path))


def _spelled(match: re.Match[str]) -> str:
    return f"{match[1]}1e999" if match[2] == "inf" else "None"


def _leaves(value: Any) -> list[Any]:
    """The entries of nested lists."""
    if isinstance(value, list | tuple):
        return [inner for entry in value for inner in _leaves(entry)]
    return [value]


def _flat(value: Any) -> list[Any]:
    """The entries of nested lists that are there."""
    return [entry for entry in _leaves(value) if entry is not None]


def _strings(value: Any) -> list[str]:
    return [str(entry) for entry in _flat(value)]


def _outcome(value: Any) -> tuple[list[str], list[float], list[bool]]:
    """(texts, log-probabilities, greedy flags) of what a model put out.

    Texts may come with their logits, as (texts, logits); log-probabilities with a flag, as (-4.3, False), in
    some files (-4.3, 0.0).
    """
    texts: list[str] = []
    logprobs: list[float] = []
    greedy: list[bool] = []
    for entry in value if isinstance(value, list | tuple) else [] if value is None else [value]:
        if isinstance(entry, str):
            texts.append(entry)
        elif not isinstance(entry, list | tuple):
            logprobs.append(_float(entry))
        elif entry and any(isinstance(text, str) for text in _flat(entry[0])):
            texts += [text for text in _flat(entry) if isinstance(text, str)]
        elif len(entry) == 2 and _flagged(*entry):
            logprobs.append(_float(entry[0]))
            greedy.append(bool(entry[1]))
        else:
            logprobs += [_float(number) for number in _leaves(entry)]
    return texts, logprobs, greedy if len(greedy) == len(logprobs) else []


def _flagged(number: Any, flag: Any) -> bool:
    """Whether these are a log-probability and its flag, and not two log-probabilities."""
    return isinstance(flag, bool) or (isinstance(number, float) and number < 0 and flag in (0.0, 1.0))


def _float(number: Any) -> float:
    """The number; NaN where it is none, or too large."""
    try:
        return float(number)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
