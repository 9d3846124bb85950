"""What is needed of a row to hold it against the rows of other files: a few numbers, however long its texts.

Rows that must be held against each other are of one item, so facts are looked at in parts: all rows of an
item are in one part, and a part fits in memory. Whatever is found is a sum, a set or a least place over the
parts. Reading, and what the facts are used for, is not done here.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import polars as pl

from unmirage import tables

CELL = ("family", "model", "task")
AT_ONCE = 1 << 16  # rows of a part
_PLACE = 32  # bits of a row's place within its table
Cell = tuple[str, str, str]

# cell, task: codes of `Cells`. at: where the row is, table << 32 | row. item: its id. target, trimmed: hashes
# of the target, and of it without white space at its ends. sums: of the log-probabilities. rest: hash of all
# that is no key. scored: whether it has `target_logprobs`.
_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("cell", "task"), pl.UInt32),
    **dict.fromkeys(("at", "target", "trimmed", "rest"), pl.UInt64),
    "item": pl.String,
    "epoch": pl.Int32,
    "kind": tables.RESPONSES["kind"],
    "answer": pl.Int32,
    "choices": pl.UInt32,
    "sums": pl.Float64,
    "scored": pl.Boolean,
}
PARTED: dict[str, pl.DataType | type[pl.DataType]] = {name: _TYPES[name] for name in sorted(_TYPES)}


@dataclass
class Cells:
    """The models' tasks that were met, and the tasks of families; a code is a place in these lists.

    Attributes
    ----------
    cells: family, model and task. tasks: family and task.
    task_of: code of a cell -> code of its task. model_of: code of a cell -> a number for family and model.
    """

    cells: list[Cell] = field(default_factory=list)
    tasks: list[tuple[str, str]] = field(default_factory=list)
    task_of: list[int] = field(default_factory=list)
    model_of: list[int] = field(default_factory=list)
    _cells: dict[Cell, int] = field(default_factory=dict)
    _tasks: dict[tuple[str, str], int] = field(default_factory=dict)
    _models: dict[tuple[str, str], int] = field(default_factory=dict)

    def code(self, cell: Cell) -> int:
        """The code of a model's task, a new one where it was not met yet."""
        if cell not in self._cells:
            family, model, task = cell
            pair = family, task
            if pair not in self._tasks:
                self._tasks[pair] = len(self.tasks)
                self.tasks.append(pair)
            self._cells[cell] = len(self.cells)
            self.cells.append(cell)
            self.task_of.append(self._tasks[pair])
            self.model_of.append(self._models.setdefault((family, model), len(self._models)))
        return self._cells[cell]


@dataclass(frozen=True)
class InCell:
    """The rows of one model's task in one table."""

    code: int
    kind: str  # of the first row
    rows: int


def facts_of(
    frame: pl.DataFrame, cells: Cells, table: int, *, rest: bool = True
) -> tuple[list[InCell], pl.DataFrame]:
    """The models' tasks of a table in the order they come, and the facts of its rows in the schema PARTED.

    Parameters
    ----------
    frame: in the schema `tables.RESPONSES`.
    table: the place of the table among all.
    rest: whether to hash what is no key; else it is 0.
    """
    met = frame.group_by(CELL, maintain_order=True).agg(
        kind=pl.col("kind").cast(pl.String).first(), rows=pl.len()
    )
    found = [InCell(cells.code((f, m, t)), kind, rows) for f, m, t, kind, rows in met.iter_rows()]
    codes = pl.Series("cell", [one.code for one in found], dtype=pl.UInt32)
    of_task = pl.Series("of_task", [cells.task_of[one.code] for one in found], dtype=pl.UInt32)
    if len(found) == 1:
        mine = [pl.lit(codes[0]), pl.lit(of_task[0])]
    else:
        coded = frame.select(CELL).join(
            met.select(CELL).with_columns(codes, of_task), on=CELL, how="left", maintain_order="left"
        )
        mine = [pl.lit(coded["cell"]), pl.lit(coded["of_task"])]
    target = pl.col("target")
    trimmed = target.str.strip_chars()
    texts = target.is_not_null()
    facts = frame.select(
        at=pl.int_range(pl.len(), dtype=pl.UInt64) + pl.lit(table << _PLACE, dtype=pl.UInt64),
        item="item_id",
        epoch="epoch",
        kind="kind",
        target=pl.when(texts).then(target.hash(0)),
        trimmed=pl.when(texts).then(trimmed.hash(0)),
        answer="answer",
        choices=pl.col("choice_logprobs").list.len(),
        sums=pl.coalesce("choice_logprobs", "target_logprobs").list.sum(),
        scored=pl.col("target_logprobs").is_not_null(),
        rest=_rest(frame) if rest else pl.lit(0, dtype=pl.UInt64),
    ).with_columns(cell=mine[0], task=mine[1])
    return found, facts.select(pl.col(name).cast(dtype) for name, dtype in PARTED.items())


def _rest(frame: pl.DataFrame) -> pl.Series:
    """A hash of all columns but the key; a further column that is null counts like one that is not there."""
    own = [name for name in tables.RESPONSES if name not in tables.KEY]
    digest = frame.select(own).hash_rows(seed=0)
    for name in sorted(set(frame.columns) - set(tables.RESPONSES)):
        value = pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash(zlib.crc32(name.encode())))
        digest = digest + frame.select(value.otherwise(pl.lit(0, dtype=pl.UInt64))).to_series()
    return digest.alias("rest")


def table_of(at: pl.Expr) -> pl.Expr:
    """The table that a row is in."""
    return (at // pl.lit(1 << _PLACE, dtype=pl.UInt64)).cast(pl.UInt32)


def row_of(at: pl.Expr) -> pl.Expr:
    """A row's place within its table."""
    return (at % pl.lit(1 << _PLACE, dtype=pl.UInt64)).cast(pl.UInt32)


@dataclass
class Parted:
    """Frames cut by a column: rows with equal values are in one part.

    Parameters
    ----------
    rows: how many will be added in all.
    by: the column, of strings or integers.
    folder: where parts wait for each other; None: in memory, as one part.
    """

    rows: int
    by: str
    folder: Path | None
    _held: list[pl.DataFrame] = field(default_factory=list)
    _blocks: dict[int, list[int]] = field(default_factory=dict)  # part -> bytes of its blocks
    _own: Path | None = None  # the folder of these parts

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return 1 if self.folder is None else max(1, -(-self.rows // AT_ONCE))

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows."""
        self._held.append(frame)
        if self.parts > 1 and sum(one.height for one in self._held) >= AT_ONCE:
            self._spill()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The parts, each with its rows in the order that they were added in."""
        if self.parts == 1:
            if self._held:
                yield pl.concat(self._held)
            return
        self._spill()
        for part in range(self.parts):
            blocks = self._blocks.get(part)
            if blocks:
                with self._file(part).open("rb") as file:
                    yield pl.concat([self._block(file.read(size)) for size in blocks])

    @staticmethod
    def _block(content: bytes) -> pl.DataFrame:
        return pl.read_ipc_stream(BytesIO(content))

    def _file(self, part: int) -> Path:
        if self._own is None:
            self._own = Path(tempfile.mkdtemp(prefix="facts-", dir=self.folder))
        return self._own / str(part)

    def _spill(self) -> None:
        if not self._held:
            return
        held = pl.concat(self._held)
        self._held = []
        number = pl.col(self.by).hash(1) % pl.lit(self.parts, dtype=pl.UInt64)
        for key, mine in (
            held.with_columns(__part=number)
            .partition_by("__part", maintain_order=True, include_key=False, as_dict=True)
            .items()
        ):
            part = int(key[0])
            block = BytesIO()
            mine.write_ipc_stream(block)
            content = block.getvalue()
            with self._file(part).open("ab") as file:
                file.write(content)
            self._blocks.setdefault(part, []).append(len(content))
