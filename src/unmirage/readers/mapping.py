"""How a user's columns become ours: `--map SOURCE=NAME` and a small TOML file.

A source is a column name or a SQL expression over the columns (`-nll`, `exp(-loss)`), read by polars' own SQL
parser: nothing in it can reach a file or run code.

    [columns]                       # ours = "theirs"
    item_id = "question_id"
    target_logprob = "-nll"         # the sum over the target, in nats
    "score.accuracy" = "correct"    # a score of that name, one an item

    [constants]
    family = "mine"

    [chance]                        # chance level of a task's headline metric; "*" for all
    boolq = 0.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.errors import SettingsError, TableError


@dataclass(frozen=True)
class Mapping:
    """columns: ours -> source expression; constants: ours -> value; chance: task -> level."""

    columns: dict[str, str] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)


def parse(entries: Sequence[str]) -> Mapping:
    """A mapping from `--map` entries: `SOURCE=NAME`, or the path of a TOML file; later entries win.

    Raises
    ------
    SettingsError
        An entry is neither, or the file is not readable TOML or holds an unknown section.
    """
    columns: dict[str, str] = {}
    constants: dict[str, object] = {}
    chance: dict[str, float] = {}
    for entry in entries:
        if entry.endswith(".toml"):
            table = _load(Path(entry))
            columns |= {str(k): str(v) for k, v in table.get("columns", {}).items()}
            constants |= table.get("constants", {})
            chance |= levels(table.get("chance", {}), where=entry)
            continue
        source, sign, name = entry.rpartition("=")
        if not sign or not source.strip() or not name.strip():
            raise SettingsError(
                f"cannot read {entry!r}",
                where="--map",
                hint="Write SOURCE=NAME, for example --map question_id=item_id",
            )
        columns[name.strip()] = source.strip()
    return Mapping(columns, constants, chance)


def levels(table: dict[str, Any], *, where: str) -> dict[str, float]:
    """Chance levels, checked to lie in [0, 1)."""
    for task, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise SettingsError(
                f"the chance level of {task} must be a number in [0, 1), not {value!r}", where=where
            )
    return {task: float(value) for task, value in table.items()}


def _load(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise SettingsError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SettingsError(f"is not TOML: {problem}", where=str(path)) from None
    unknown = set(table) - {"columns", "constants", "chance"}
    if unknown:
        raise SettingsError(
            f"has unknown sections: {', '.join(sorted(unknown))}",
            where=str(path),
            hint="Known are [columns], [constants] and [chance].",
        )
    for section, entries in table.items():
        if not isinstance(entries, dict):
            raise SettingsError(
                f"{section} must be a table: write [{section}] above its lines", where=str(path)
            )
    for name, source in table.get("columns", {}).items():
        if not isinstance(source, str):
            raise SettingsError(
                f"the source of the column {name} must be text, not {source!r}",
                where=str(path),
                hint=f'Write {name} = "YOUR_COLUMN" or an expression; values go to [constants].',
            )
    for name, value in table.get("constants", {}).items():
        if not isinstance(value, str | int | float):
            raise SettingsError(
                f"the constant {name} must be text, a number or true or false, not {value!r}", where=str(path)
            )
    return table


def apply(frame: pl.DataFrame, mapping: Mapping, *, where: str) -> pl.DataFrame:
    """Add the mapped columns to `frame` (a source column that is only renamed goes).

    Raises
    ------
    TableError
        An expression names a column that is not there, or cannot be read.
    """
    if mapping.columns:
        try:
            added = frame.select(pl.sql_expr(source).alias(name) for name, source in mapping.columns.items())
        except pl.exceptions.PolarsError as problem:
            raise TableError(
                f"a mapped column cannot be made: {str(problem).splitlines()[0]}",
                where=where,
                hint=f"The columns are: {', '.join(frame.columns)}",
            ) from None
        renamed = [s for n, s in mapping.columns.items() if s in frame.columns and n != s]
        frame = frame.drop(renamed, *[n for n in added.columns if n in frame.columns and n not in renamed])
        frame = pl.concat([frame, added], how="horizontal")
    return frame.with_columns(pl.lit(value).alias(name) for name, value in mapping.constants.items())
