"""CSV, JSON lines and Parquet tables: in the columns of `unmirage.tables`, or mapped to them.

A table with `metric` and `value` and no item holds aggregates; any other is item-level. Checked on files
written by polars 2.1 and pandas 3.0. What a column means beyond its name (a loss an item, several shot
counts) is in `tabular_meaning`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import polars as pl

from unmirage import tables
from unmirage.errors import SourceError, TableError
from unmirage.readers import mapping as maps
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import (
    Input,
    Loaded,
    Options,
    Unreadable,
    head,
    numbered_lines,
    parquet_columns,
    read_parquet,
    sha256,
)
from unmirage.readers.tabular_meaning import ALIASES, interpret

NAME = "table"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LISTS: dict[str, pl.DataType | type[pl.DataType]] = {
    name: tables.RESPONSES[name]
    for name in (
        *("target_tokens", "output_tokens", "target_logprobs", "choice_logprobs", "choice_lengths"),
        "recorded",
    )
}
PARQUET = b"PAR1"  # how such files begin
# Read as they stand, so that an item "007" or an answer "1.0" stays what it is.
TEXTS = frozenset(
    (*(name for name, dtype in tables.RESPONSES.items() if dtype == pl.String), "kind", "metric", *LISTS)
)


def claims(path: Path) -> bool:
    """Whether a file looks like such a table: a known ending, models, and items or metrics with values.

    A table with other names for these columns has to be named itself, beside `--map`.
    """
    if path.suffix.lower() not in SUFFIXES:
        return False
    try:
        names = set(_column_names(path))
    except SourceError:
        return head(path, 4) == PARQUET  # reading says what is wrong with it
    except (pl.exceptions.PolarsError, OSError, ValueError, RecursionError):
        return False
    items = names & {"item_id", *ALIASES["item_id"]}
    return "model" in names and (bool(items) or {"metric", "value"} <= names)


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read tables; each file is checked by itself, so that a message can name it."""
    loaded = Loaded()
    told = replace(options, unreadable=Unreadable(), engine=None)
    with Ahead(options, read_file, {path: (path, told) for path in paths}, paths, on_rows) as ahead:
        for path in paths:
            with options.unreadable.attempt(path):
                loaded.extend(ahead.get(path, path, told))
    return loaded


def read_file(on_rows: Callable[[int], None], path: Path, options: Options) -> Loaded:
    """Read one table."""
    frame, notes = _load(path, options)
    on_rows(frame.height)
    given = from_frame(frame, options, where=str(path), stem=path.stem)
    loaded = Loaded(results=given.results, warnings=given.warnings + notes)
    for rows in given.responses:
        loaded.keep(rows, options.folder)
    loaded.inputs.append(Input(str(path), NAME, sha256(path), frame.height))
    return loaded


def from_frame(frame: pl.DataFrame, options: Options, *, where: str, stem: str) -> Loaded:
    """A frame in memory, by the same rules as a file; `stem` names what has no name (task or family)."""
    mapping = maps.Mapping(dict(options.columns), dict(options.constants))
    if strange := [name for name in (*frame.columns, *mapping.columns, *mapping.constants) if pattern(name)]:
        raise TableError(
            f'"{strange[0]}" is no name for a column: it stands for several',
            where=where,
            hint='Rename it: a name is not "*", nor from "^" to "$".',
        )
    frame = maps.apply(frame, mapping, where=where)
    try:
        frame, notes = interpret(frame, options, where=where, stem=stem)
    except pl.exceptions.PolarsError as problem:
        raise TableError(
            f"the columns cannot be read: {str(problem).splitlines()[0]}",
            where=where,
            hint="Do the columns of numbers hold numbers?",
        ) from None
    if "metric" in frame.columns and "value" in frame.columns and "item_id" not in frame.columns:
        checked, more = tables.check_results(frame, where=where)
        return Loaded(results=[checked], warnings=notes + more)
    checked, more = tables.check_responses(frame, where=where)
    return Loaded(responses=[checked], warnings=notes + more)


def pattern(name: str) -> bool:
    """Whether polars reads a name of a column as a pattern of names."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))


def _column_names(path: Path) -> list[str]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return parquet_columns(path)
    if suffix in (".jsonl", ".ndjson"):
        first = next((line for _, line in numbered_lines(path)), b"{}")
        decoded = json.loads(first)
        return list(decoded) if isinstance(decoded, dict) else []
    line = head(path, 1 << 16).split(b"\n", 1)[0].decode("utf-8-sig")
    return [name.strip().strip('"') for name in line.split(_separator(path))]


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _load(path: Path, options: Options) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    notes: list[dict[str, object]] = []
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            frame = read_parquet(path)
        elif suffix in (".jsonl", ".ndjson"):
            frame, notes = _load_lines(path)
        else:
            frame = _load_csv(path, options)
    except pl.exceptions.NoDataError:
        raise SourceError("is empty", where=str(path)) from None
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as problem:
        raise SourceError(
            f"cannot be read as {suffix[1:]}: {str(problem).splitlines()[0]}", where=str(path)
        ) from None
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
    return _lists(frame, path), notes


def _load_csv(path: Path, options: Options) -> pl.DataFrame:
    """A CSV or TSV file; columns that hold text by their meaning, or are mapped so, stay text."""
    if b"\0" in head(path):
        raise SourceError("is not a text file", where=str(path), hint="CSV must be UTF-8 text.")
    separator = _separator(path)
    names = pl.read_csv(path, n_rows=0, separator=separator).columns
    text = {*TEXTS, *(name for ours in TEXTS for name in ALIASES.get(ours, ()))}
    text |= {theirs for ours, theirs in options.columns.items() if ours in text}
    return pl.read_csv(
        path,
        infer_schema_length=None,
        separator=separator,
        schema_overrides={name: pl.String for name in names if name in text},
    )


def _load_lines(path: Path) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """JSON lines; a broken last line is left out with a warning, a broken line before it is an error."""
    records: list[dict[str, object]] = []
    broken: tuple[int, str] | None = None
    for number, line in numbered_lines(path):
        if broken is not None:
            raise SourceError(f"line {broken[0]} is not a JSON object: {broken[1]}", where=str(path))
        try:
            records.append(_record(line))
        except (ValueError, RecursionError) as problem:
            broken = (number, str(problem))
    if not records:
        raise SourceError(
            "is empty" if broken is None else f"line {broken[0]} is not a JSON object: {broken[1]}",
            where=str(path),
        )
    try:
        frame = pl.DataFrame(records, infer_schema_length=None)
    except (TypeError, ValueError, OverflowError) as problem:  # also text that is no Unicode
        raise SourceError(
            f"its values do not make a table: {str(problem).splitlines()[0]}",
            where=str(path),
            hint="A column holds values of one type.",
        ) from None
    if broken is None:
        return frame, []
    note = tables.warning(
        "truncated-file",
        f"the last record breaks off at line {broken[0]}; the {len(records)} records before it are used",
        where=str(path),
    )
    return frame, [note]


_object = msgspec.json.Decoder(dict[str, object])


def _record(line: bytes) -> dict[str, object]:
    try:
        return _object.decode(line)
    except msgspec.DecodeError:
        record = json.loads(line)  # knows NaN and Infinity
        if not isinstance(record, dict):
            raise
        return record


def _lists(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Lists that a CSV holds as JSON text ("[-1.2, -0.3]") become lists; Infinity and NaN may stand in
    them."""
    for name, dtype in LISTS.items():
        if name not in frame.columns or frame[name].dtype != pl.String:
            continue
        try:
            lists = _decoded(frame[name], dtype)
        except (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError, RecursionError):
            raise SourceError(
                f"column {name} holds text that is not a JSON list",
                where=str(path),
                hint="Write lists as [-1.2, -0.3].",
            ) from None
        frame = frame.with_columns(lists)
    return frame


def _decoded(texts: pl.Series, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    """JSON text as lists. Polars is fast but knows no Infinity, and takes "1,2" for two values."""
    if texts.str.contains(r"^\s*\[.*\]\s*$").all():
        try:
            lists = texts.str.json_decode(dtype)
        except pl.exceptions.PolarsError:
            lists = None
        if lists is not None and len(lists) == len(texts):
            return lists
    decoded = [None if text is None else json.loads(text) for text in texts]
    if not all(value is None or isinstance(value, list) for value in decoded):
        raise ValueError("not a list")
    return pl.Series(texts.name, decoded, dtype=dtype)
