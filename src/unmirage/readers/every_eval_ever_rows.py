"""Lines of every_eval_ever's samples as rows of the responses schema (without the columns of the model)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from unmirage.errors import TableError
from unmirage.readers.every_eval_ever_files import Evaluation
from unmirage.readers.every_eval_ever_results import recorded_name

# A line under one metric.
LINES: dict[str, pl.DataType | type[pl.DataType]] = {
    **dict.fromkeys(("evaluation", "task", "item_id", "target", "output"), pl.String),
    "epoch": pl.Int32,
    "text": pl.Boolean,
    "likelihood": pl.Boolean,
    "metric": pl.String,
    "value": pl.Float64,
}


def responses_of(
    long: pl.DataFrame,
    evaluations: dict[str, Evaluation],
    newest: dict[tuple[str, str, str], str],
    repeated: Counter[str],
) -> pl.DataFrame:
    """The items as responses, with `evaluation` for the columns of the model.

    Parameters
    ----------
    long: the lines of evaluations that no other lines belong to.
    repeated: a count a code of REPEATED, added to.
    """
    from unmirage.metrics import by_alias

    used = {(key, task) for (_, _, task), key in newest.items()}
    kept = pl.DataFrame(list(used), schema=dict.fromkeys(("evaluation", "task"), pl.String), orient="row")
    long = long.join(kept, on=["evaluation", "task"], how="semi", maintain_order="left")
    tools = {key: one.tool for key, one in evaluations.items()}
    pairs = long.select(
        pl.col("evaluation").replace_strict(tools, default="").alias("tool"), "metric"
    ).unique()
    exact = [
        (tool, word)
        for tool, word in pairs.iter_rows()
        if word == "exact_match" or by_alias(tool, word, "generation") == "exact_match"
    ]
    matches = (
        pl.struct(tool=pl.col("evaluation").replace_strict(tools, default=""), word="metric").is_in(
            [{"tool": tool, "word": word} for tool, word in exact]
        )
        if exact
        else pl.lit(value=False)
    )
    likelihood = pl.col("likelihood")
    key = ["evaluation", "task", "item_id", "epoch"]
    task = ["evaluation", "task"]
    long = _repeated(long, key, repeated)
    long = long.with_columns(
        kind=pl.when(likelihood.any().over(task))
        .then(pl.lit("likelihood"))
        .when(pl.col("text").all().over(task) & matches.any().over(task))
        .then(pl.lit("generation"))
        .otherwise(pl.lit("score"))
    )
    long = _named(
        long.with_columns(tool=pl.col("evaluation").replace_strict(tools, default=""), word="metric")
    )
    rows = long.group_by(key, maintain_order=True).agg(
        pl.col("kind", "target", "output").first(),
        recorded=pl.struct(metric="name", value="value"),
        target_logprobs=pl.col("value").filter(likelihood),
        greedy=pl.col("value").filter(pl.col("metric") == "acc").first() == 1,
    )
    mine = pl.col("kind") == "likelihood"
    return rows.with_columns(
        _documents(rows),
        target_logprobs=pl.when(mine & (pl.col("target_logprobs").list.len() > 0)).then("target_logprobs"),
        greedy=pl.when(mine).then("greedy"),
        output=pl.when(~mine).then("output"),
    )


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with `name`, what recorded scores are called: see `recorded_name`."""
    pairs = rows.select("tool", "word", "kind").unique(maintain_order=True)
    names = [recorded_name(*row) for row in pairs.iter_rows()]
    pairs = pairs.with_columns(pl.Series("name", names, dtype=pl.String))
    return rows.join(pairs, on=["tool", "word", "kind"], how="left", maintain_order="left")


REPEATED = {
    "duplicate-rows": "lines repeat another exactly and were left out",
    "repeated-samples": "lines score an item again without an epoch; they are taken for repeats",
}


def _repeated(long: pl.DataFrame, key: Sequence[str], repeated: Counter[str]) -> pl.DataFrame:
    """The lines, equal ones once, with an epoch each for those of one item and metric."""
    once = long.unique(maintain_order=True)
    repeated["duplicate-rows"] += long.height - once.height
    place = pl.int_range(pl.len(), dtype=pl.Int32).over(*key, "metric")
    again = once.with_columns(place=place).filter(pl.col("place") > 0)
    if again.is_empty():
        return once
    stated = again.join(once.filter(pl.col("epoch") > 0), on=["evaluation", "task"], how="semi")
    if stated.height:
        row = stated.row(0, named=True)
        raise TableError(
            f"{stated.height} lines score an item again in the same epoch (first: item "
            f"{row['item_id'].split(chr(0))[-1]} of {row['task']})",
            where=row["evaluation"],
            hint="Two runs of one model need two evaluation_ids.",
        )
    repeated["repeated-samples"] += again.height
    return once.with_columns(epoch=pl.col("epoch") + place)


def _documents(rows: pl.DataFrame) -> pl.Series:
    """`item_id`: a document's hash, "#2" behind the second that the task has of it; or the sample's id."""
    parts = rows.select("evaluation", "task", "item_id").unique(maintain_order=True)
    split = parts.with_columns(
        pl.col("item_id").str.split("\0").list.first().alias("plain"),
        hashed=pl.col("item_id").str.contains("\0", literal=True),
    )
    place = pl.int_range(pl.len()).over("evaluation", "task", "plain") + 1
    name = pl.when(pl.col("hashed") & (place > 1)).then(pl.format("{}#{}", "plain", place)).otherwise("plain")
    names = split.with_columns(name=name)
    joined = rows.join(names, on=["evaluation", "task", "item_id"], how="left", maintain_order="left")
    return joined["name"].alias("item_id")
