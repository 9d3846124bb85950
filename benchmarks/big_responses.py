"""Write a large Parquet file of made choice responses, row group by row group, with flat memory.

    python benchmarks/big_responses.py ROWS OUT.parquet [--models 10] [--tasks 20] [--choices 4]
        [--clustered 0.25] [--shuffled] [--group 131072] [--seed 0]

Each of `--models` models of two families answers the same items of every task; a share of the tasks has
clusters of five items. Rows come in the order family, model, task, item, or, with `--shuffled`, in one in
which neighbours are of other models and tasks. The file is in the schema of `unmirage.tables`; the same
options give the same bytes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from unmirage import tables

FAMILIES = ("alder", "birch")
CLUSTER = 5  # items
LEAST, STEP = 1e7, 2.0  # parameters of the smallest model, and from one to the next


def rows_at(at: np.ndarray, args: argparse.Namespace) -> pl.DataFrame:
    """The rows of these numbers, 0 to rows - 1."""
    items = args.items
    item, rest = at % items, at // items
    task, rest = rest % args.tasks, rest // args.tasks
    model, family = rest % args.models, rest // args.models
    rng = np.random.Generator(np.random.Philox(key=[args.seed, int(at[0])]))
    skill = (model + 1.0) / args.models
    scores = -rng.gamma(4.0, 4.0, (len(at), args.choices))
    answer = (item * 2654435761 % 4294967296 * args.choices // 4294967296).astype(np.int32)
    scores[np.arange(len(at)), answer] *= 1.0 - 0.7 * skill
    lengths = 5 + (item[:, None] * 31 + np.arange(args.choices) * 7) % 60
    clustered = task < args.clustered * args.tasks
    frame = pl.DataFrame(
        {
            "family": family,
            "model": model,
            "task": task,
            "item": item,
            "clustered": clustered,
            "answer": answer,
        }
    )
    name = pl.col("family").replace_strict(dict(enumerate(FAMILIES)), return_dtype=pl.String)
    group = pl.col("item") // CLUSTER
    return frame.select(
        family=name,
        model=pl.format("{}-{}", name, pl.col("model").cast(pl.String).str.zfill(2)),
        task=pl.format("task_{}", pl.col("task").cast(pl.String).str.zfill(3)),
        item_id=pl.format("item-{}", pl.col("item").cast(pl.String).str.zfill(7)),
        epoch=pl.lit(0, dtype=pl.Int32),
        n_params=LEAST * STEP ** pl.col("model").cast(pl.Float64),
        kind=pl.lit("choice", dtype=pl.Enum(tables.KINDS)),
        choice_logprobs=pl.Series(scores, dtype=pl.Array(pl.Float64, args.choices)).cast(
            tables.RESPONSES["choice_logprobs"]
        ),
        choice_lengths=pl.Series(lengths.astype(np.int32), dtype=pl.Array(pl.Int32, args.choices)).cast(
            tables.RESPONSES["choice_lengths"]
        ),
        length_unit=pl.lit("characters"),
        answer=pl.col("answer"),
        cluster=pl.when("clustered").then(pl.format("passage-{}", group.cast(pl.String).str.zfill(7))),
    )


def batches(args: argparse.Namespace) -> Iterator[pl.DataFrame]:
    """The whole file in order, `--group` rows at a time."""
    total = args.items * args.tasks * args.models * len(FAMILIES)
    stride = 1
    if args.shuffled:
        stride = next(s for s in range(int(total * 0.618) | 1, total * 2, 2) if math.gcd(s, total) == 1)
    for start in range(0, total, args.group):
        at = np.arange(start, min(start + args.group, total), dtype=np.int64)
        yield rows_at(at * stride % total, args)


def main() -> None:
    """Write the file and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("rows", type=int, help="about; a whole number of items a model and task")
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--choices", type=int, default=4)
    parser.add_argument("--clustered", type=float, default=0.25)
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--group", type=int, default=131_072)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.items = max(1, round(args.rows / (args.models * args.tasks * len(FAMILIES))))
    schema = rows_at(np.arange(1), args).schema

    def source(*_: object) -> Iterator[pl.DataFrame]:
        return batches(args)

    frames = register_io_source(source, schema=schema)
    frames.sink_parquet(args.out, row_group_size=args.group, statistics=False)
    total = args.items * args.tasks * args.models * len(FAMILIES)
    print(f"{total:,} rows, {args.out.stat().st_size / 1e6:,.0f} MB: {args.out}")


if __name__ == "__main__":
    main()
