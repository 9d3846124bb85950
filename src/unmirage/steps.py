"""The first steps, which the audit and the meta-analysis share: read, score, gather in cells.

What is compared is chosen in `selection`; nothing is judged here.
"""

from __future__ import annotations

import warnings as python_warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from unmirage.cells import Cell, cells
from unmirage.engine import Engine
from unmirage.errors import MetricError, SettingsError, UnmirageWarning
from unmirage.families import load as load_families
from unmirage.metrics import ScoreResult, metric, tokenise
from unmirage.metrics import score as score_rows
from unmirage.readers import Loaded, Options, Source, read_sources
from unmirage.readers import mapping as maps
from unmirage.result import Progress, Settings, silent
from unmirage.scales import FALLING
from unmirage.selection import Kept, only_tasks

Sources = Source | Sequence[Source]


@dataclass(frozen=True)
class Reading:
    """How sources are read: what the options that `read`, `score`, `curves` and `audit` share come to.

    Attributes
    ----------
    format: a reader's name, or None to detect it.
    family: one family name for all models, or None.
    families: TOML files with families and models of the user's.
    map: `SOURCE=NAME` entries and TOML files, for tables.
    tasks: names of tasks, or patterns with * and ?, of which the rows are kept; none are all.
    """

    format: str | None = None
    family: str | None = None
    families: tuple[str | Path, ...] = ()
    map: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


def options_of(reading: Reading, *, hashed: bool = True) -> Options:
    """What readers are told.

    Parameters: `hashed`: whether the files' SHA-256 is asked for.
    Raises UnmirageError where a file of sizes or columns cannot be read.
    """
    mapping = maps.parse(reading.map)
    return Options(
        families=load_families([Path(path) for path in reading.families]),
        family=reading.family,
        columns=mapping.columns,
        constants=mapping.constants,
        hashed=hashed,
    )


def load(source: Sources, reading: Reading, progress: Progress = silent, *, hashed: bool = True) -> Loaded:
    """What the sources hold of the tasks that are asked for. Errors as :func:`unmirage.audit`.

    Parameters: `hashed`: whether the files' SHA-256 is asked for.
    """
    sources = [source] if isinstance(source, str | Path | pl.DataFrame) else list(source)
    options = options_of(reading, hashed=hashed)

    def on_bytes(done: int, total: int) -> None:
        progress("reading", done, total)

    loaded = read_sources(sources, options, format=reading.format, on_bytes=on_bytes)
    return only_tasks(loaded, reading.tasks)


def absent(table: str) -> SettingsError:
    """The error of a source that holds no such table: responses or results."""
    other = "results" if table == "responses" else "responses"
    return SettingsError(
        f"the source holds no {table}", where="table", hint=f"It holds {other}: table={other!r}."
    )


def scored(responses: pl.DataFrame, settings: Settings, engine: Engine | None = None) -> ScoreResult:
    """Item scores of the metrics that were asked for, headline and companion among them.

    The tasks are scored by the engine; None: here.
    """
    if responses.height == 0:
        return score_rows(responses)
    wanted = settings.metrics
    if wanted is not None:
        named = [name for name in (settings.headline, settings.companion) if name]
        wanted = tuple(dict.fromkeys([*named, *wanted]))
    result = score_rows(tokenise(responses, settings.tokens), wanted, engine)
    asked = [name for name in (settings.headline, settings.companion) if name]
    extra = [name for name in asked if name not in result.scores["metric"].unique()] if wanted is None else []
    if not extra:
        return result
    more = score_rows(tokenise(responses, settings.tokens), extra, engine)
    return ScoreResult(
        pl.concat([result.scores, more.scores]),
        pl.concat([result.skipped, more.skipped]),
        pl.concat([result.partial, more.partial]),
    )


def gathered(kept: Kept, scores: ScoreResult, settings: Settings) -> Iterator[Cell]:
    """The cells of what is compared: each a task of a family that is judged from its items."""
    wanted = settings.metrics  # of the aggregate metrics those asked for, or all that the rows allow
    few = pl.DataFrame(list(kept.few), schema=dict.fromkeys(("family", "task"), pl.String), orient="row")
    judged, scored = (
        frame.join(few, on=["family", "task"], how="anti", maintain_order="left") if kept.few else frame
        for frame in (kept.responses, scores.scores)
    )
    return cells(
        judged,
        scored,
        order=kept.families,
        falling=settings.axis in FALLING,
        chance=settings.chance,
        wanted=None if wanted is None else [name for name in wanted if _combines(name)],
    )


def _combines(name: str) -> bool:
    """Whether a metric is an aggregate. A name that no list has is a recorded score of items."""
    try:
        return metric(name).combine is not None
    except MetricError:
        return False


def generator(cell: Cell, settings: Settings) -> np.random.Generator:
    """A stream of the cell's own, so that adding a task changes no other's numbers."""
    return stream_of(cell.family, cell.task, settings)


def stream_of(family: str, task: str, settings: Settings) -> np.random.Generator:
    """Random numbers of a task of a family's own."""
    return np.random.default_rng([settings.seed, zlib.crc32(f"{family}\0{task}".encode())])


def canonical(name: str | None) -> str | None:
    """Our name of a metric that is known by another, else the name as it is."""
    if name is None:
        return None
    try:
        return metric(name).card.name
    except MetricError:
        return name  # a score that only the log knows; if it is not there either, the verdict says so


def say(notes: Sequence[Mapping[str, object]]) -> None:
    """Python warnings of rows of the warnings table, for the caller of a public function that calls this."""
    for note in notes:
        where = f"{note['where']}: " if note["where"] else ""
        python_warnings.warn(f"{where}{note['message']}", UnmirageWarning, stacklevel=3)
