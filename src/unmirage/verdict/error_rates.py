"""How often verdicts are wrong: the table of simulated families, and one sentence of it for people.

`error_rates.csv` beside this file is the output of

    unmirage calibrate --designs main --runs 300 --others 100 --out src/unmirage/verdict/error_rates.csv

Nothing is simulated here, and no number is typed in: all are counted from the table. `unmirage.calibrate`
makes such tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from unmirage.errors import SettingsError, SourceError
from unmirage.statistics import clopper_pearson
from unmirage.verdict.outcome import VERDICTS as VERDICTS

NO_BREAK = ("smooth", "narrow", "non-monotone")  # labels of truths where a robust break is a false alarm

# What is simulated, one row a design: the fields of `theory.designs.Design` with the label and kind of the
# truth, then the number of runs that got each verdict, then what the runs depend on besides.
DESIGN: dict[str, pl.DataType | type[pl.DataType]] = {
    "truth": pl.String,
    "label": pl.String,
    "kind": pl.String,
    "size": pl.Float64,  # of a step, share of the loss; null where the truth has no such parameter
    "at": pl.Float64,  # where the truth breaks, share of the log range; likewise
    "n_scales": pl.Int64,
    "decades": pl.Float64,
    "n_items": pl.Int64,
    "scatter": pl.Float64,
    "tails": pl.String,
    "jitter": pl.Float64,
    "seeds_per_scale": pl.Int64,
    "tasks": pl.Int64,
}
MADE: dict[str, pl.DataType | type[pl.DataType]] = {
    "seed": pl.Int64,
    "version": pl.String,
    "code": pl.String,  # digest of the sources that decide the counts
}
COLUMNS = {**DESIGN, "runs": pl.Int64, **dict.fromkeys(VERDICTS, pl.Int64), **MADE}

# A family is like a simulated one where neither number is more than this many times the other.
ALIKE = {"n_scales": 1.5, "n_items": 3.0, "scatter": 3.0}


def read_table(source: Path | bytes, where: str | None = None) -> pl.DataFrame:
    """A table that `unmirage calibrate` wrote, in the columns `COLUMNS`.

    Parameters: source, a CSV file or its content; where, what errors call it (the path where None).
    Raises SourceError where it cannot be read or has other columns.
    """
    name = where or str(source)
    try:
        frame = pl.read_csv(source, schema_overrides=COLUMNS)
    except (OSError, pl.exceptions.PolarsError) as problem:
        raise SourceError(f"cannot be read as a table of error rates: {problem}", where=name) from None
    if frame.columns != list(COLUMNS):
        raise SourceError(
            "is not a table of error rates",
            where=name,
            hint="`unmirage calibrate --out TABLE.csv` makes one.",
        )
    return frame


@lru_cache(maxsize=1)
def committed() -> pl.DataFrame:
    """The table that comes with the package."""
    return read_table(Path(__file__).with_name("error_rates.csv"))


def rates(
    table: pl.DataFrame, verdict: str, by: Sequence[str] = (), confidence: float = 0.95
) -> pl.DataFrame:
    """How often a verdict was given, over the rows of each group together.

    Parameters
    ----------
    table: rows in the columns `COLUMNS`.
    verdict: one of `VERDICTS`.
    by: columns whose values make the groups; none for one group of all rows.
    confidence: of the Clopper-Pearson interval over runs, in (0, 1).

    Returns
    -------
    `by`, cells (rows), runs, count, rate, low, high; groups in the order of their values.

    Raises
    ------
    SettingsError
        An unknown verdict or column.
    """
    if verdict not in VERDICTS:
        raise SettingsError(f"there is no verdict {verdict!r}", hint=f"Verdicts: {', '.join(VERDICTS)}.")
    missing = [name for name in by if name not in table.columns]
    if missing:
        raise SettingsError(f"there is no column {missing[0]!r}", where="by")
    sums = [
        pl.len().cast(pl.Int64).alias("cells"),
        pl.col("runs").sum(),
        pl.col(verdict).sum().alias("count"),
    ]
    grouped = table.group_by(by).agg(sums).sort(by) if by else table.select(sums)
    grouped = grouped.filter(pl.col("runs") > 0)
    low, high = clopper_pearson(grouped["count"].to_numpy(), grouped["runs"].to_numpy(), confidence)
    return grouped.with_columns(
        (pl.col("count") / pl.col("runs")).alias("rate"), pl.Series("low", low), pl.Series("high", high)
    )


def plain(table: pl.DataFrame) -> pl.DataFrame:
    """The rows without heavy tails, uneven or few decades, or several tasks: those that differ in the number
    of scales, items and the scatter only."""
    return table.filter(tails="normal", jitter=0.0, decades=3.0, seeds_per_scale=1, tasks=1)


@dataclass(frozen=True)
class Nearest:
    """The simulated design that is nearest to a family.

    Attributes
    ----------
    n_scales, n_items, scatter: of the design.
    cells: its rows, one a truth and parameters.
    distance: root of the sum of squares of the differences in the natural logarithms of the three.
    alike: whether each of the three is within the factor of `ALIKE`.
    """

    n_scales: int
    n_items: int
    scatter: float
    cells: pl.DataFrame
    distance: float
    alike: bool


def nearest(
    kind: str,
    n_scales: int,
    n_items: int,
    scatter: float,
    *,
    labels: Sequence[str] = NO_BREAK,
    size: float | None = None,
    table: pl.DataFrame | None = None,
) -> Nearest | None:
    """The cells of the nearest simulated design, among the :func:`plain` ones.

    The distance between designs is that of their points (log scales, log items, log scatter). A scatter below
    the smallest one that was simulated counts as that one. Of equally near designs the first in the order of
    scales, items and scatter is taken.

    Parameters
    ----------
    kind: of the responses, "generation" or "choice".
    n_scales, n_items: of the family, above 0.
    scatter: standard deviation of models about their curve, on log loss, 0 or more.
    labels: of the truths that are asked for.
    size: of the steps that are asked for, or None for any.
    table: the committed one where None.

    Returns
    -------
    None where no such truth was simulated.

    Raises
    ------
    SettingsError
        A number outside its range.
    """
    if not (n_scales > 0 and n_items > 0 and 0 <= scatter < np.inf):
        raise SettingsError("scales and items are above 0 and scatter is 0 or more", where="error rates")
    rows = plain(committed() if table is None else table)
    rows = rows.filter(pl.col("kind") == kind, pl.col("label").is_in(labels))
    if size is not None:
        rows = rows.filter(pl.col("size") == size)
    if rows.is_empty():
        return None
    axes = list(ALIKE)
    designs = rows.select(axes).unique().sort(axes)
    points = designs.to_numpy().astype(np.float64)
    here = np.array([n_scales, n_items, max(scatter, float(points[:, 2].min()))])
    away = np.abs(np.log(points) - np.log(here))
    lengths = np.sqrt((away**2).sum(axis=1))
    best = int(np.argmin(lengths))
    found = designs.row(best, named=True)
    alike = bool((away[best] <= np.log(list(ALIKE.values())) + 1e-12).all())
    return Nearest(**found, cells=rows.filter(**found), distance=float(lengths[best]), alike=alike)


STEP = 0.3  # the step that the sentence speaks of, share of the loss


def sentence(
    kind: str, n_scales: int, n_items: int, scatter: float, *, table: pl.DataFrame | None = None
) -> str | None:
    """What verdicts on families like this one were worth in simulation, in one plain sentence.

    Says how often a smooth truth was called robust-break, a step of 30% robust-break, and a true artifact
    metric-artifact, each at its nearest simulated design, which is named; runs are counted, and upper ends
    are those of 95% Clopper-Pearson intervals over runs.

    Parameters and errors as in :func:`nearest`. None where no family of this kind was simulated.
    """
    asked = (
        ("a smooth truth was called robust-break", NO_BREAK, None, "robust-break"),
        (f"a {STEP:.0%} step robust-break", ("step",), STEP, "robust-break"),
        ("a true artifact metric-artifact", ("artifact",), None, "metric-artifact"),
    )
    found = [
        (words, place, verdict)
        for words, labels, size, verdict in asked
        if (place := nearest(kind, n_scales, n_items, scatter, labels=labels, size=size, table=table))
    ]
    if not found:
        return None
    first = found[0][1]
    parts = []
    for words, place, verdict in found:
        elsewhere = "" if _where(place) == _where(first) else f" (simulated with {_where(place)})"
        parts.append(f"{words} in {_share(place.cells, verdict)}{elsewhere}")
    if first.alike:
        start = f"In families simulated like this one ({_where(first)})"
    else:
        here = f"{n_scales} scales, {n_items:,} items, {percent(scatter)} scatter"
        start = f"No family like this one ({here}) was simulated; in the nearest ({_where(first)})"
    *most, last = parts
    return f"{start} {', '.join(most)}{', and ' if most else ''}{last}."


def _where(place: Nearest) -> str:
    return f"{place.n_scales} scales, {place.n_items:,} items, {percent(place.scatter)} scatter"


def _share(cells: pl.DataFrame, verdict: str) -> str:
    """ "0 of 900 runs (at most 0.41%)", or "71% of 300 runs (66 to 76%)"."""
    row = rates(cells, verdict).row(0, named=True)
    if row["count"] == 0:
        return f"0 of {row['runs']:,} runs (at most {percent(row['high'])})"
    ends = f"{percent(row['low'])} to {percent(row['high'])}"
    return f"{percent(row['rate'])} of {row['runs']:,} runs ({ends})"


def percent(share: float) -> str:
    """A share for reading, two digits of it: "0.41%", "71%", "2%"; above 99.5% three, so that 100% is all."""
    digits = 2 if share < 0.995 or share == 1 else 3
    return f"{float(f'{100 * share:.{digits}g}'):g}%"
