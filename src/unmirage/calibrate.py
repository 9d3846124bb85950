"""The error rates of the verdict: audits of simulated families whose truth is known, counted.

The main path, beside `audit`: a design is simulated many times, each family is audited through the public
door, and the verdicts are counted. Designs and their named sets are in `theory.designs`; the table that
comes with the package, and what is read from it, in `verdict.error_rates`.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unmirage import __version__
from unmirage.audit import audit
from unmirage.engine import Engine
from unmirage.engine.local import Local
from unmirage.errors import OutputError, SettingsError, SourceError, UnmirageWarning
from unmirage.export import write_table
from unmirage.result import Progress, silent
from unmirage.theory.designs import Design
from unmirage.theory.simulate import simulate
from unmirage.theory.truths import even_scales
from unmirage.verdict.error_rates import COLUMNS, DESIGN, NO_BREAK, VERDICTS, read_table

SMALLEST = 1e7  # parameters of the smallest model of every design
PIECE = 20  # runs that one process does in one go: seconds, so that an interrupted one ends soon
# What is scored: the headline and the companion that an audit takes by itself for each kind of responses.
METRICS = {
    "generation": ("exact_match", "cross_entropy"),
    "choice": ("multiple_choice_grade", "margin"),
}


def run(design: Design, runs: int, seed: int = 0) -> dict[str, int]:
    """Verdict -> how many of the runs got it; every verdict is a key.

    Each run has a seed of its own, made of `seed`, the design and its number, for the simulation and for the
    audit. So the first runs of many are those of few, and no design changes another's.

    Parameters: design; runs, 1 or more; seed, 0 or more.
    Raises SettingsError for a number outside its range, or a design that cannot be simulated.
    """
    _check(runs, seed)
    _possible(design)
    return _counts(design, 0, runs, seed)


def calibrate(
    designs: Sequence[Design],
    *,
    runs: int = 300,
    others: int | None = None,
    seed: int = 0,
    engine: Engine | None = None,
    out: str | Path | None = None,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Run every design and count its verdicts.

    Parameters
    ----------
    designs: the cells; see :func:`unmirage.theory.designs.design_set`.
    runs: of each design, 1 or more. others: of those whose truth is not smooth, `runs` where None: rates that
        are not small need fewer.
    seed: 0 or more; the same seed gives the same table, wherever the families are audited.
    engine: where they are (:func:`unmirage.engine.engine`); None: in this process.
    out: a CSV file. A design that is finished is added to it as a whole line at once, and is not run again
        when the same call is made again. A file of other settings, or of another version of the package, is
        kept as `OUT.old` with a warning, and a new one is begun.
    progress: called with (step, runs done, runs in all).

    Returns
    -------
    One row a design, in their order, in the columns `verdict.error_rates.COLUMNS`.

    Raises
    ------
    SettingsError
        A number outside its range, or a design that cannot be simulated.
    OutputError
        A file that cannot be written. SourceError: `out` is there and is no such table.
    """
    _check(runs, seed)
    _check(runs if others is None else others, seed)
    for design in designs:
        _possible(design)
    many = {d: runs if others is None or d.recipe().label in NO_BREAK else others for d in designs}
    wanted = {_key(row): row for row in (_row(design, many[design], seed) for design in designs)}
    book = None if out is None else _Book(Path(out), wanted)
    done = {} if book is None else dict(book.rows)
    todo = [(design, _key(_row(design, many[design], seed))) for design in designs]
    todo = [(design, key) for design, key in dict(todo).items() if key not in done]
    total = sum(row["runs"] for row in wanted.values())
    finished = total - sum(many[design] for design, _ in todo)
    progress("auditing simulated families", finished, total)
    counted: dict[str, Counter[str]] = {key: Counter() for _, key in todo}
    over: Counter[str] = Counter()
    for key, size, counts in _pieces(todo, many, seed, engine or Local()):
        counted[key].update(counts)
        over[key] += size
        finished += size
        if over[key] == wanted[key]["runs"]:
            done[key] = {**wanted[key], **{verdict: counted[key][verdict] for verdict in VERDICTS}}
            if book is not None:
                book.add(done[key])
        progress("auditing simulated families", finished, total)
    frame = pl.DataFrame([done[key] for key in wanted], schema=COLUMNS)
    if book is not None:
        write_table(frame, book.path, "csv")
    return frame


def _check(runs: int, seed: int) -> None:
    for name, value, least in (("runs", runs, 1), ("seed", seed, 0)):
        if value < least:
            raise SettingsError(f"{value} is not {least} or more", where=name)


def _possible(design: Design) -> None:
    """Meet the errors of a design before hours of others have run."""
    if design.tasks < 1:
        raise SettingsError(f"{design.tasks} is not 1 or more", where="tasks")
    if design.tasks > 1 and design.jitter > 0:
        raise SettingsError("tasks of one family share its scales: no jitter", where="jitter")
    _family(design, np.random.default_rng(0))


def _family(design: Design, rng: np.random.Generator) -> pl.DataFrame:
    """Responses of one family; the task that counts is called "judged"."""
    scales = even_scales(SMALLEST, SMALLEST * 10.0**design.decades, design.n_scales)
    return pl.concat(
        simulate(
            truth,
            scales=scales,
            n_items=design.n_items,
            scatter=design.scatter,
            tails=design.tails,
            jitter=design.jitter,
            seeds_per_scale=design.seeds_per_scale,
            seed=int(rng.integers(2**32)),
            task="judged" if place == 0 else f"other-{place}",
            parameters=design.parameters() if place == 0 else None,
        )
        for place, truth in enumerate(design.truths())
    )


def _counts(design: Design, first: int, last: int, seed: int) -> dict[str, int]:
    """The verdicts of runs first .. last - 1."""
    found = Counter(dict.fromkeys(VERDICTS, 0))
    place = zlib.crc32(repr(_cell(design)).encode())
    for number in range(first, last):
        rng = np.random.default_rng([seed, place, number])
        result = audit(
            _family(design, rng),
            metrics=METRICS[design.recipe().kind],
            replicates=100,  # the fewest: they make intervals of the curves, on which no verdict depends
            seed=int(rng.integers(2**32)),
        )
        found[result.verdicts.filter(task="judged")["verdict"].item()] += 1
    return dict(found)


_Piece = tuple[str, int, dict[str, int]]  # key of the design, runs, their verdicts


def _pieces(
    todo: Sequence[tuple[Design, str]], runs: Mapping[Design, int], seed: int, engine: Engine
) -> Iterator[_Piece]:
    """All runs, piece by piece, as they are done."""
    work = [
        (design, key, first, min(first + PIECE, runs[design]))
        for design, key in todo
        for first in range(0, runs[design], PIECE)
    ]
    calls = {(key, first, last): (design, first, last, seed) for design, key, first, last in work}
    for (key, first, last), counts in engine.map(_counts, calls):
        yield key, last - first, counts


def _cell(design: Design) -> dict[str, Any]:
    """The design's columns. A default that is written out is the same cell."""
    recipe, given = design.recipe(), design.parameters()
    known = {"label": recipe.label, "kind": recipe.kind, "size": given.get("size"), "at": given.get("at")}
    return {name: known[name] if name in known else getattr(design, name) for name in DESIGN}


def _row(design: Design, runs: int, seed: int) -> dict[str, Any]:
    return {**_cell(design), "runs": runs, "seed": seed, "version": __version__, "code": _code()}


def _key(row: dict[str, Any]) -> str:
    return repr([row[name] for name in COLUMNS if name not in VERDICTS])


@lru_cache(maxsize=1)
def _code() -> str:
    """A digest of the package's sources, but for pages, commands and engines, which decide no verdict."""
    home = Path(__file__).parent
    sources = sorted(home.rglob("*.py"), key=lambda path: path.relative_to(home).as_posix())
    digest = hashlib.sha256()
    for path in sources:
        name = path.relative_to(home).as_posix()
        if not name.startswith(("report/", "engine/", "cli")):
            digest.update(f"{name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


class _Book:
    """The file that finished designs are added to, a whole line each.

    Attributes
    ----------
    path: the file.
    rows: key -> row of the designs that it holds, of those that are wanted.
    """

    def __init__(self, path: Path, wanted: dict[str, dict[str, Any]]) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        if path.suffix != ".csv":
            raise OutputError("the ending must be .csv", where=str(path))
        if path.exists():
            content = _content(path)
            whole = content[: content.rfind(b"\n") + 1] or content
            rows = read_table(whole, str(path)).to_dicts()
            self.rows = {key: row for row in rows if (key := _key(row)) in wanted}
            if len(self.rows) < len(rows):
                old = path.with_name(f"{path.name}.old")
                os.replace(path, old)
                warnings.warn(
                    f"{path} has designs of other settings or another version: it is kept as {old}",
                    UnmirageWarning,
                    stacklevel=3,
                )
            elif whole != content:
                os.truncate(path, len(whole))  # the end of a line that was not written whole
        if not path.exists():
            write_table(pl.DataFrame(list(self.rows.values()), schema=COLUMNS), path, "csv")

    def add(self, row: dict[str, Any]) -> None:
        """Add a finished row, in one write."""
        line = pl.DataFrame([row], schema=COLUMNS).write_csv(include_header=False)
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(line.encode())
        except OSError as problem:
            raise OutputError(
                f"cannot be written: {problem.strerror or problem}", where=str(self.path)
            ) from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror or problem}", where=str(path)) from None
