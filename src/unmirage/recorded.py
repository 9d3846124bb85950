"""Our scores against the ones that the source tool recorded. They are compared, never mixed."""

from __future__ import annotations

import polars as pl

from unmirage import tables
from unmirage.metrics import by_alias, names

TOOL = "lm-eval"
TOLERANCE = 1e-9
# lm-eval logs the probabilities behind brier_score as text with 8 decimals; a sum of squares of them is that
# exact.
ROUNDED = {"brier_score": 1e-7}

COMPARED: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "recorded_as": pl.String,
    "level": pl.String,  # "item" or "aggregate"
    "n": pl.Int64,
    "equal": pl.Int64,
    "largest_difference": pl.Float64,
}


def ours(recorded_as: str, kind: str) -> str | None:
    """Our name for a recorded score of rows of a kind, or None where we have no such metric."""
    group = {"generation": "generation", "choice": "choice", "likelihood": "likelihood"}.get(kind)
    if group is None:
        return None
    found = by_alias(TOOL, recorded_as, group)
    if found is None and recorded_as in names():
        return recorded_as
    return found


def counterpart(recorded_as: str, kind: str) -> tuple[str | None, float]:
    """Our name for a recorded score of rows of a kind, or None, and how far apart equal scores may be."""
    return ours(recorded_as, kind), ROUNDED.get(recorded_as, TOLERANCE)


def entries(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a recorded score that is to be compared: `recorded_as` and `value` in place of `recorded`.

    Parameters: rows with kind, length_unit and recorded; further columns stay.
    """
    rows = rows.filter(pl.col("kind") != "score", pl.col("recorded").is_not_null())
    rows = rows.explode("recorded").drop_nulls("recorded")
    rows = rows.unnest("recorded").rename({"metric": "recorded_as"})
    # The harness normalises acc_bytes by bytes; where our lengths are characters that is another metric.
    by_bytes = (pl.col("recorded_as") == "acc_bytes") & (pl.col("length_unit") != "bytes")
    return rows.filter(~by_bytes.fill_null(value=False)).drop("length_unit")


def compare_items(responses: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """How many recorded item scores are equal to ours, a row a family, task and recorded metric."""
    key = ["family", "model", "task", "item_id", "epoch"]
    rows = entries(responses.select(*key, "kind", "length_unit", "recorded"))
    if rows.height == 0:
        return pl.DataFrame(schema=COMPARED)
    pairs = rows.select("kind", "recorded_as").unique(maintain_order=True)
    named = pairs.hstack(
        pl.DataFrame(
            [counterpart(name, str(kind)) for kind, name in pairs.iter_rows()],
            schema={"metric": pl.String, "tolerance": pl.Float64},
            orient="row",
        )
    )
    joined = rows.join(named, on=["kind", "recorded_as"], nulls_equal=True).join(scores, on=[*key, "metric"])
    difference = (pl.col("score") - pl.col("value")).abs()
    same = (pl.col("score") == pl.col("value")) | (difference <= pl.col("tolerance"))
    return (
        joined.group_by("family", "task", "metric", "recorded_as", maintain_order=True)
        .agg(
            n=pl.len().cast(pl.Int64),
            equal=same.sum().cast(pl.Int64),
            largest_difference=pl.when(pl.col("score") == pl.col("value"))
            .then(0.0)
            .otherwise(difference)
            .max(),
        )
        .with_columns(level=pl.lit("item"))
        .select(list(COMPARED))
        .sort("family", "task", "recorded_as")
    )


def compare_aggregates(results: pl.DataFrame, curves: pl.DataFrame) -> pl.DataFrame:
    """The same for aggregates: a row a family, task and metric, `n` counts models."""
    key = ["family", "model", "task", "metric"]
    joined = results.select(*key, "value").join(curves.select(*key, "mean"), on=key)
    difference = (pl.col("mean") - pl.col("value")).abs()
    return (
        joined.group_by("family", "task", "metric", maintain_order=True)
        .agg(
            n=pl.len().cast(pl.Int64),
            equal=(difference <= TOLERANCE).sum().cast(pl.Int64),
            largest_difference=difference.max(),
        )
        .with_columns(recorded_as="metric", level=pl.lit("aggregate"))
        .select(list(COMPARED))
        .sort("family", "task", "recorded_as")
    )


def differing(compared: pl.DataFrame) -> list[dict[str, object]]:
    """A warning for each recorded metric that ours does not equal."""
    return [
        tables.warning(
            "differs-from-recorded",
            f"{row['task']}: our {row['metric']} differs from the recorded {row['recorded_as']} on "
            f"{row['n'] - row['equal']} of {row['n']} {'items' if row['level'] == 'item' else 'models'} (by "
            f"up to {row['largest_difference']:.3g}); `unmirage metrics {row['metric']}` says how the two "
            "are defined",
            where=f"{row['family']} / {row['task']}",
            count=row["n"] - row["equal"],
        )
        for row in compared.filter(pl.col("equal") < pl.col("n")).iter_rows(named=True)
    ]
