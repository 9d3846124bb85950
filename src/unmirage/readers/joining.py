"""Give a generative task the log-likelihood of its targets, from a likelihood task over the same documents.

A generation carries no log-probabilities. Where the same model also ran a likelihood task on the same
documents, the items (which are document hashes) meet, and the generation rows take over `target_logprobs`.
"""

from __future__ import annotations

import polars as pl

from unmirage import tables


def join_likelihoods(responses: pl.DataFrame) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """Fill `target_logprobs` and `greedy` of generation rows, a likelihood task a generative task.

    A likelihood task is a partner where, for every model that ran both, it covers all items of the generative
    task. Of several the one with the most equal targets is taken, then the first by name; a warning names the
    pair.
    """
    notes: list[dict[str, object]] = []
    kinds = responses.group_by("family", "task", maintain_order=True).agg(pl.col("kind").first())
    for family, task in kinds.filter(pl.col("kind") == "generation").select("family", "task").iter_rows():
        mine = responses.filter(pl.col("family") == family, pl.col("task") == task)
        if mine["target_logprobs"].null_count() < mine.height:
            continue
        best: tuple[float, str] | None = None
        others = kinds.filter(pl.col("family") == family, pl.col("kind") == "likelihood")["task"]
        for other in sorted(others):
            theirs = responses.filter(
                pl.col("family") == family, pl.col("task") == other, pl.col("epoch") == 0
            )
            both = mine.filter(pl.col("model").is_in(theirs["model"].unique().implode()))
            pairs = both.join(
                theirs.select("model", "item_id", reference="target"), on=["model", "item_id"], how="left"
            )
            if both.height == 0 or pairs["reference"].null_count():
                continue
            equal = pairs.select(
                (pl.col("reference").str.strip_chars() == pl.col("target").str.strip_chars()).mean()
            ).item()
            if best is None or equal > best[0]:
                best = (equal, other)
        if best is None:
            continue
        responses = _take_over(responses, family, task, best[1])
        notes.append(
            tables.warning(
                "joined-likelihood",
                f"{task} takes the log-probability of its targets from {best[1]}, which has the same "
                "documents"
                + ("" if best[0] == 1 else f" (targets are the same text on {best[0]:.0%} of the items)"),
                where=f"{family} / {task}",
            )
        )
    return responses, notes


def _take_over(responses: pl.DataFrame, family: str, task: str, source: str) -> pl.DataFrame:
    given = responses.filter(
        pl.col("family") == family, pl.col("task") == source, pl.col("epoch") == 0
    ).select("family", "model", "item_id", "target_logprobs", "greedy", task=pl.lit(task))
    key = ["family", "model", "task", "item_id"]
    joined = responses.join(given, on=key, how="left", suffix="_given", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("target_logprobs", "target_logprobs_given").alias("target_logprobs"),
        pl.coalesce("greedy", "greedy_given").alias("greedy"),
    ).drop("target_logprobs_given", "greedy_given")
