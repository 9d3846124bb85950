"""Groups of K items as items, so that a metric of groups has scores that can be judged."""

from __future__ import annotations

import numpy as np
import polars as pl

from unmirage.rules import AXES


def groups_table(
    responses: pl.DataFrame,
    scores: pl.DataFrame,
    base: str,
    made: str,
    companion: str | None,
    k: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Responses of kind score with a group of `k` items for an item: whether all are right, and their mean.

    The groups are disjoint, drawn once, and the same for all models and epochs; items that are left over are
    not used, nor is a group in an epoch that lacks one of its items. A share of a success (a tie) is none.

    Parameters
    ----------
    responses: rows of one task; scores: of them, with the metrics `base` (0/1) and `companion` (or None).
    made: what the 0/1 score of a group is called. k: at most the number of items.
    """
    items = responses["item_id"].unique(maintain_order=True)
    number = len(items) // k
    order = rng.permutation(len(items))[: number * k]
    placed = pl.DataFrame({"item_id": items.gather(order), "group": np.arange(number * k) // k})
    wide = scores.pivot("metric", index=["model", "item_id", "epoch"], values="score")
    means = [] if companion is None else [pl.col(companion).mean().alias("companion")]
    grouped = (
        wide.join(placed, on="item_id")
        .group_by("model", "group", "epoch")
        .agg((pl.col(base) == 1).all().cast(pl.Float64).alias("made"), pl.len().alias("size"), *means)
        .filter(pl.col("size") == k)
        .sort("model", "group", "epoch")
    )
    parts = [pl.struct(metric=pl.lit(made), value=pl.col("made"))]
    if companion is not None:
        parts.append(pl.struct(metric=pl.lit(companion), value=pl.col("companion")))
    numeric = [c for c, dtype in responses.schema.items() if c in AXES or dtype == pl.Float64]
    models = responses.unique("model", keep="first", maintain_order=True).select(
        "family", "model", "task", *numeric
    )
    return models.join(grouped, on="model", maintain_order="left_right").select(
        "family",
        "model",
        "task",
        *numeric,
        "epoch",
        item_id=pl.format("group-{}", "group"),
        kind=pl.lit("score"),
        recorded=pl.concat_list(parts),
    )
