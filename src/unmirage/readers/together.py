"""Tables of many files as one: no item twice, and what the rows of one say of those of another.

Each table keeps the rules of its schema by itself. Here the keys become unique over all of them, of two tools
that hold the same outputs one is read, generations take over log-probabilities, and what contradicts is said.
Tables may be in files; memory does not grow with their number, nor with the rows of a task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.errors import TableError
from unmirage.facts import Cells, InCell, Parted, facts_of, row_of, table_of
from unmirage.readers import mixing
from unmirage.readers.joining import Partners, take_over
from unmirage.readers.parts import Table, rows_of, taken
from unmirage.row_checks import ItemCounts, RowChecks

Note = dict[str, object]
Rows = npt.NDArray[np.uint32]
EVERYWHERE = "all tables together"
_KEY = ["cell", "item", "epoch"]


@dataclass
class Together:
    """Responses of all sources.

    Attributes
    ----------
    tools: what people call the tool of each table. tables: as they were read.
    cells: codes of models' tasks. met: the models' tasks of each table.
    checks: what contradicts in the rows. counts: how many items models' tasks have.
    problem: what the keys of rows contradict.
    schema: of every frame; further axes stand behind the columns of `tables.RESPONSES`.
    rows: how many there are. read: how many there are with those that are left out.
    size: bytes in memory of all that were read.
    """

    tools: Sequence[str]
    tables: Sequence[Table]
    cells: Cells
    met: list[list[InCell]]
    checks: RowChecks
    counts: ItemCounts
    problem: TableError | None = None
    schema: pl.Schema = field(default_factory=pl.Schema)
    rows: int = 0
    read: int = 0
    size: int = 0
    lost: set[tuple[int, int]] = field(default_factory=set)  # (table, cell) that another tool has
    gone: dict[int, list[Rows]] = field(default_factory=dict)  # table -> rows that are left out
    partners: dict[int, int] = field(default_factory=dict)  # task -> the one that it takes over from

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows, table by table; a table of which nothing is left gives none."""
        for place in range(len(self.tables)):
            if any((place, one.code) not in self.lost for one in self.met[place]):
                frame = self.frame(place)
                if frame.height:
                    yield frame

    def frame(self, place: int) -> pl.DataFrame:
        """What is left of a table."""
        frame = self._joined(place, self._left(place, taken(self.tables[place])))
        missing = (
            pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in self.schema.items()
            if name not in frame.columns
        )
        return frame.with_columns(missing).select(self.schema.names())

    def tasks(self) -> set[tuple[str, str]]:
        """Family and task of all rows."""
        return {
            self.cells.tasks[self.cells.task_of[one.code]]
            for place, met in enumerate(self.met)
            for one in met
            if (place, one.code) not in self.lost
        }

    def models(self) -> list[tuple[str, pl.DataFrame]]:
        """The models of each table, behind the tool that it is of: frames of family and model."""
        names = mixing.CELL[:2]
        return [
            (tool, pl.DataFrame([self.cells.cells[one.code][:2] for one in met], schema=names, orient="row"))
            for tool, met in zip(self.tools, self.met, strict=True)
        ]

    def _left(self, place: int, frame: pl.DataFrame) -> pl.DataFrame:
        """A table without the rows that are left out."""
        gone = self.gone.get(place)
        if gone:
            stays = np.ones(frame.height, dtype=bool)
            stays[np.concatenate(gone)] = False
            frame = frame.filter(pl.Series(stays))
        lost = [self.cells.cells[one.code] for one in self.met[place] if (place, one.code) in self.lost]
        if lost:
            without = pl.DataFrame(lost, schema=list(mixing.CELL), orient="row")
            frame = frame.join(without, on=mixing.CELL, how="anti", maintain_order="left")
        return frame

    def _joined(self, place: int, frame: pl.DataFrame) -> pl.DataFrame:
        """A table with the log-probabilities that its generations take over."""
        wanted: dict[int, list[str]] = {}  # cell of a likelihood task -> generative tasks
        for one in self.met[place]:
            partner = self.partners.get(self.cells.task_of[one.code])
            if partner is not None:
                family, model, task = self.cells.cells[one.code]
                cell = family, model, self.cells.tasks[partner][1]
                wanted.setdefault(self.cells.code(cell), []).append(task)
        given = []
        for other, met in enumerate(self.met) if wanted else ():
            found = [one.code for one in met if one.code in wanted and (other, one.code) not in self.lost]
            if not found:
                continue
            rows = self._left(other, taken(self.tables[other]))
            for code in found:
                family, model, task = self.cells.cells[code]
                mine = rows.filter(pl.col("epoch") == 0, family=family, model=model, task=task)
                given += [mine.with_columns(task=pl.lit(name)) for name in wanted[code]]
        return take_over(frame, pl.concat(given, how="diagonal")) if given else frame


def together(parts: Sequence[tuple[str, Table]], folder: Path | None = None) -> tuple[Together, list[Note]]:
    """Tables as one, and the warnings met on the way.

    Parameters
    ----------
    parts: what people call the tool, and a table that it gave, which keeps the rules of its schema by itself.
        Tools come in the order in which they are preferred.
    folder: where facts of the rows wait; None: in memory.

    Where two rows of one key contradict each other `problem` says so, and the first is kept.
    """
    cells = Cells()
    tools = [tool for tool, _ in parts]
    one = Together(tools, [table for _, table in parts], cells, [], RowChecks(cells), ItemCounts(cells))
    facts = Parted(sum(rows_of(table) for _, table in parts), "item", folder)
    extra: dict[str, pl.DataType] = {}
    columns: list[dict[str, pl.DataType]] = []
    for place, (_, table) in enumerate(parts):
        frame = taken(table)
        met, mine = facts_of(frame, cells, place, rest=len(parts) > 1)
        one.met.append(met)
        columns.append({n: dtype for n, dtype in frame.schema.items() if n not in tables.RESPONSES})
        facts.add(mine)
        one.read += frame.height
        one.size += int(frame.estimated_size())
    notes = _two_tools(one, facts)
    kinds: dict[int, str] = {}
    for place, met in enumerate(one.met):
        for cell in met:
            if (place, cell.code) not in one.lost:
                kinds.setdefault(cells.task_of[cell.code], cell.kind)
                one.rows += cell.rows
                extra |= {name: dtype for name, dtype in columns[place].items() if name not in extra}
    one.schema = pl.Schema({**tables.RESPONSES, **extra})
    partners = Partners(cells, kinds)
    repeated = _Repeated()
    for rows in facts:
        if one.lost:
            rows = _without(rows, one.lost)
        if len(parts) > 1:
            rows = repeated.left_out(rows, one.gone)
        partners.add(rows)
        one.checks.add(rows)
        one.counts.add(rows)
    notes += repeated.notes()
    one.problem = repeated.problem(cells)
    one.rows -= repeated.rows
    one.partners, more = partners.chosen()
    return one, notes + more


def _two_tools(one: Together, facts: Parted) -> list[Note]:
    """Note the models' tasks of which an earlier tool has an item too: each is read from one tool only."""
    tools = one.tools
    names = list(dict.fromkeys(tools))
    if len(names) < 2:
        return []
    of_table = pl.Series([names.index(tool) for tool in tools], dtype=pl.UInt32)
    lost: set[tuple[int, int]] = set()  # tool, cell
    for rows in facts:
        placed = rows.with_columns(tool=of_table.gather(rows.select(table_of(pl.col("at"))).to_series()))
        lost |= set(mixing.in_two(placed, ["cell"], ["item", "epoch"]).rows())
    found: dict[int, dict[int, None]] = {}
    for place, met in enumerate(one.met):
        tool = names.index(tools[place])
        for cell in met:
            if (tool, cell.code) in lost:
                one.lost.add((place, cell.code))
                found.setdefault(tool, {})[cell.code] = None
    return [
        mixing.two_tools([one.cells.cells[code] for code in codes], names[tool], "items")
        for tool, codes in found.items()
    ]


def _without(rows: pl.DataFrame, lost: set[tuple[int, int]]) -> pl.DataFrame:
    """The facts without those of models' tasks that are read from another tool."""
    gone = pl.DataFrame(sorted(lost), schema=dict.fromkeys(("table", "cell"), pl.UInt32), orient="row")
    placed = rows.with_columns(table=table_of(pl.col("at")))
    return placed.join(gone, on=["table", "cell"], how="anti", maintain_order="left").drop("table")


@dataclass
class _Repeated:
    """Rows of one key: equal ones are kept once, others contradict each other."""

    rows: int = 0
    conflicts: int = 0
    first: tuple[int, int, str, int, int] | None = None  # place, cell, item, epoch, rows

    def left_out(self, rows: pl.DataFrame, gone: dict[int, list[Rows]]) -> pl.DataFrame:
        """The facts without those that repeat an earlier row, whose rows are added to `gone`."""
        repeated = rows.select(_KEY).is_duplicated()
        if not repeated.any():
            return rows
        keys = (
            rows.filter(repeated)
            .group_by(_KEY, maintain_order=True)
            .agg(pl.col("at").first(), versions=pl.col("rest").n_unique(), rows=pl.len())
        )
        conflicts = keys.filter(pl.col("versions") > 1)
        if conflicts.height:
            self.conflicts += conflicts.height
            first = conflicts.select("at", *_KEY, "rows").row(0)
            self.first = first if self.first is None or first[0] < self.first[0] else self.first
        kept = rows.unique(_KEY, keep="first", maintain_order=True)
        out = rows.join(kept.select("at"), on="at", how="anti", maintain_order="left")
        self.rows += out.height
        placed = out.select(table=table_of(pl.col("at")), row=row_of(pl.col("at")))
        for (table,), mine in placed.partition_by("table", as_dict=True).items():
            gone.setdefault(int(table), []).append(mine["row"].to_numpy())
        return kept

    def notes(self) -> list[Note]:
        """A warning that counts the repeated rows."""
        return [tables.repeated(self.rows, where=EVERYWHERE)] if self.rows else []

    def problem(self, cells: Cells) -> TableError | None:
        """The error of rows that contradict each other."""
        if self.first is None:
            return None
        _, cell, item, epoch, rows = self.first
        _, model, task = cells.cells[cell]
        return tables.contradicting(self.conflicts, model, task, item, epoch, rows, where=EVERYWHERE)
