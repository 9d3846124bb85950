"""CSV, JSON lines and Parquet tables: in the columns of `unmirage.tables`, or mapped to them.

A table with `metric` and `value` and no item holds aggregates; any other is item-level. Checked on files written by polars 2.1 and
pandas 3.0. What a column means beyond its name (a loss an item, several shot counts) is in `tabular_meaning`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import polars as pl

from unmirage import tables
from unmirage.errors import SourceError
from unmirage.readers import mapping as maps
from unmirage.readers.base import Input, Loaded, Options, head, numbered_lines, sha256
from unmirage.readers.tabular_meaning import interpret

NAME = "table"
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
LISTS = ("target_tokens", "output_tokens", "target_logprobs", "choice_logprobs", "choice_lengths")


def claims(path: Path) -> bool:
    """Whether a file looks like such a table: a known ending, and a column `model`."""
    if path.suffix not in SUFFIXES:
        return False
    try:
        return "model" in _column_names(path)
    except (pl.exceptions.PolarsError, OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read tables; each file is checked by itself, so that a message can name it."""
    loaded = Loaded()
    for path in paths:
        frame, notes = _load(path)
        on_rows(frame.height)
        read_one = from_frame(frame, options, where=str(path), stem=path.stem)
        loaded.extend(read_one)
        loaded.warnings += notes
        loaded.inputs.append(Input(str(path), NAME, sha256(path), frame.height))
    return loaded


def from_frame(frame: pl.DataFrame, options: Options, *, where: str, stem: str) -> Loaded:
    """A frame in memory, by the same rules as a file; `stem` names what has no name (task or family)."""
    mapping = maps.Mapping(dict(options.columns), dict(options.constants))
    frame, notes = interpret(maps.apply(frame, mapping, where=where), options, where=where, stem=stem)
    if "metric" in frame.columns and "value" in frame.columns and "item_id" not in frame.columns:
        checked, more = tables.check_results(frame, where=where)
        return Loaded(results=[checked], warnings=notes + more)
    checked, more = tables.check_responses(frame, where=where)
    return Loaded(responses=[checked], warnings=notes + more)


def _column_names(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return pl.scan_parquet(path).collect_schema().names()
    if path.suffix in (".jsonl", ".ndjson"):
        first = next((line for _, line in numbered_lines(path)), b"{}")
        decoded = msgspec.json.decode(first)
        return list(decoded) if isinstance(decoded, dict) else []
    line = head(path, 1 << 16).split(b"\n", 1)[0].decode("utf-8-sig")
    separator = "\t" if path.suffix == ".tsv" else ","
    return [name.strip().strip('"') for name in line.split(separator)]


def _load(path: Path) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    notes: list[dict[str, object]] = []
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
        elif path.suffix in (".jsonl", ".ndjson"):
            frame, notes = _load_lines(path)
        else:
            if b"\0" in head(path):
                raise SourceError("is not a text file", where=str(path), hint="CSV must be UTF-8 text.")
            separator = "\t" if path.suffix == ".tsv" else ","
            frame = pl.read_csv(path, infer_schema_length=None, separator=separator)
    except pl.exceptions.NoDataError:
        raise SourceError("is empty", where=str(path)) from None
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as problem:
        raise SourceError(
            f"cannot be read as {path.suffix[1:]}: {str(problem).splitlines()[0]}", where=str(path)
        ) from None
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
    return _lists(frame, path), notes


def _load_lines(path: Path) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """JSON lines; a broken last line is left out with a warning, a broken line before it is an error."""
    records: list[dict[str, object]] = []
    broken: tuple[int, str] | None = None
    decoder = msgspec.json.Decoder(dict[str, object])
    for number, line in numbered_lines(path):
        if broken is not None:
            raise SourceError(f"line {broken[0]} is not a JSON object: {broken[1]}", where=str(path))
        try:
            records.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            broken = (number, str(problem))
    if not records:
        raise SourceError(
            "is empty" if broken is None else f"line {broken[0]} is not a JSON object: {broken[1]}",
            where=str(path),
        )
    frame = pl.DataFrame(records, infer_schema_length=None)
    if broken is None:
        return frame, []
    note = tables.warning(
        "truncated-file",
        f"the last record breaks off at line {broken[0]}; the {len(records)} records before it are used",
        where=str(path),
    )
    return frame, [note]


def _lists(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Lists that a CSV holds as JSON text ("[-1.2, -0.3]") become lists."""
    for name in LISTS:
        if name in frame.columns and frame[name].dtype == pl.String:
            inner = pl.String if name.endswith("tokens") else pl.Float64
            try:
                frame = frame.with_columns(pl.col(name).str.json_decode(pl.List(inner)))
            except pl.exceptions.PolarsError:
                raise SourceError(
                    f"column {name} holds text that is not a JSON list",
                    where=str(path),
                    hint="Write lists as [-1.2, -0.3].",
                ) from None
    return frame
