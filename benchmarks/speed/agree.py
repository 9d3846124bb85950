"""How far the means and errors of two ways differ: `python -m speed.agree OURS PEER`, one JSON line."""

from __future__ import annotations

import json
import sys

import polars as pl

KEYS = ["family", "task", "model", "metric"]


def main() -> None:
    """Largest difference of means, largest relative difference of errors, and the mean ratio of errors."""
    ours, peer = (pl.read_parquet(path) for path in sys.argv[1:3])
    both = ours.join(peer, on=KEYS, suffix="_peer")
    assert len(both) == len(peer) > 0
    ratio = (pl.col("stderr_peer") / pl.col("stderr")).filter(pl.col("stderr") > 1e-12)
    found = both.select(
        cells=pl.len(),
        means=(pl.col("mean") - pl.col("mean_peer")).abs().max(),
        errors=(ratio - 1).abs().max(),
        ratio=ratio.mean(),
    )
    print(json.dumps(found.row(0, named=True)))


if __name__ == "__main__":
    main()
