"""Make the embedded vision families from the folders that `unmirage train` wrote.

    python scripts/embed_vision.py LENET AUTOENCODER OMNIGLOT src/unmirage/examples

Keeps of the LeNets the first 5,000 test images, of the transformers the sequences of 1, 3 and 5 images, and
of the autoencoders all and their linear reference. Leaves out empty columns and rounds log-probabilities to
two decimals, errors to five digits. Refuses more than 6 MiB in all, and writes nothing then.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

MOST = 6 * 2**20
IMAGES = 5_000
LENGTHS = ("_1", "_3", "_5")
DECIMALS, DIGITS = 2, 5
# Rows in this order compress well: together what all models were asked.
ORDER = ("task", "place", "n_params", "model")


def lenet(frame: pl.DataFrame) -> pl.DataFrame:
    """The first test images."""
    return rounded(frame.filter(pl.col("item_id").cast(pl.Int64) < IMAGES), "choice_logprobs")


def autoencoder(frame: pl.DataFrame) -> pl.DataFrame:
    """All images, their errors to five digits."""
    value = pl.element().struct.field("value").round_sig_figs(DIGITS)
    name = pl.element().struct.field("metric")
    return frame.with_columns(recorded=pl.col("recorded").list.eval(pl.struct(metric=name, value=value)))


def omniglot(frame: pl.DataFrame) -> pl.DataFrame:
    """The sequences of the lengths that are shown."""
    kept = frame.filter(pl.any_horizontal(pl.col("task").str.ends_with(length) for length in LENGTHS))
    return rounded(kept, "target_logprobs")


def rounded(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Log-probabilities to two decimals, without a sign of zero."""
    return frame.with_columns(pl.col(column).list.eval(pl.element().round(DECIMALS) + 0.0))


def embed(frame: pl.DataFrame, path: Path) -> int:
    """Write a table as small as it gets; returns its bytes."""
    filled = frame.select(c for c in frame if c.null_count() < frame.height)
    place = pl.col("item_id").cast(pl.Int64, strict=False)
    ordered = filled.with_columns(place=place).sort(*ORDER).drop("place")
    ordered.write_parquet(
        path, compression="zstd", compression_level=22, row_group_size=2**20, data_page_size=2**22
    )
    size = path.stat().st_size
    print(f"{path.name}: {frame.height:,} rows, {size / 2**20:.2f} MiB")
    return size


def main(folders: dict[str, Path], target: Path) -> None:
    """Write lenet.parquet, autoencoder.parquet, autoencoder_pca.parquet and omniglot.parquet to `target`."""
    made: list[tuple[str, Path, Callable[[pl.DataFrame], pl.DataFrame]]] = [
        ("lenet", folders["lenet"] / "responses.parquet", lenet),
        ("autoencoder", folders["autoencoder"] / "responses.parquet", autoencoder),
        ("autoencoder_pca", folders["autoencoder"] / "pca.parquet", autoencoder),
        ("omniglot", folders["omniglot"] / "responses.parquet", omniglot),
    ]
    with TemporaryDirectory(dir=target) as draft:
        sizes = [
            embed(keep(pl.read_parquet(source)), Path(draft) / f"{name}.parquet")
            for name, source, keep in made
        ]
        total = sum(sizes)
        print(f"together: {total / 2**20:.2f} MiB of {MOST / 2**20:.0f}")
        if total > MOST:
            sys.exit("too large: nothing is written")
        for name, _, _ in made:
            (Path(draft) / f"{name}.parquet").replace(target / f"{name}.parquet")


if __name__ == "__main__":
    main(
        dict(zip(("lenet", "autoencoder", "omniglot"), map(Path, sys.argv[1:4]), strict=True)),
        Path(sys.argv[4]),
    )
