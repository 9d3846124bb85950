"""Make the embedded family from a folder that `unmirage train arithmetic` wrote.

    python scripts/embed_arithmetic.py FOLDER src/unmirage/examples

Leaves out empty columns, and of the checkpoints all but one seed of some sizes. No number is changed.
"""

import sys
from pathlib import Path

import polars as pl

WIDTHS = (8, 16, 24, 32, 64, 128)  # of the models whose checkpoints are kept


def main(source: Path, target: Path) -> None:
    """Write `arithmetic.parquet` and `arithmetic_checkpoints.parquet` to `target`."""
    responses = pl.read_parquet(source / "responses.parquet")
    checkpoints = pl.read_parquet(source / "checkpoints.parquet").filter(
        pl.col("model").is_in([f"arithmetic-d{width}-seed0" for width in WIDTHS])
    )
    for name, frame in (("arithmetic", responses), ("arithmetic_checkpoints", checkpoints)):
        filled = frame.select(c for c in frame if c.null_count() < frame.height)
        path = target / f"{name}.parquet"
        _small(filled).write_parquet(
            path, compression="zstd", compression_level=22, row_group_size=2**20, data_page_size=2**22
        )
        print(f"{path}: {frame.height:,} rows, {path.stat().st_size / 2**20:.1f} MiB")


def _small(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows in an order that compresses well: together what all models were asked, at both temperatures.

    The items of a task keep their own order, which is none.
    """
    place = pl.int_range(pl.len()).over("task", "model", "n_tokens")
    base = pl.col("task").str.strip_suffix("_t1")
    ordered = frame.with_columns(place=place, base=base)
    return ordered.sort("base", "place", "n_params", "model", "n_tokens", "task").drop("place", "base")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
