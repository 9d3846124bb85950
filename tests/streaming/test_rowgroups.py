"""Numbers of rows from a Parquet footer, against what was written."""

import numpy as np
import polars as pl
import pytest

from unmirage.errors import SourceError
from unmirage.streaming.rowgroups import row_groups


@pytest.mark.parametrize("rows", [0, 1, 40, 4000])
def test_rows_of_each_group(tmp_path, rows):
    file = tmp_path / "rows.parquet"
    frame = pl.DataFrame({f"column {k}": np.arange(rows) for k in range(20)}).with_columns(
        texts=pl.lit("x"), lists=pl.lit([1.0, 2.0])
    )
    frame.write_parquet(file, row_group_size=37, statistics="full")
    found = row_groups(file)
    assert sum(found) == rows
    assert found == [min(37, rows - at) for at in range(0, rows, 37)] or rows == 0
    for at in range(len(found)):
        part = pl.scan_parquet(file).slice(37 * at, found[at]).collect()
        assert part["column 3"].to_list() == list(range(37 * at, 37 * at + found[at]))


def test_files_that_are_none(tmp_path):
    file = tmp_path / "rows.parquet"
    pl.DataFrame({"a": range(1000)}).write_parquet(file, row_group_size=100)
    whole = file.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    spoiled = tmp_path / "spoiled.parquet"
    for content in (
        b"",
        b"PAR1PAR1",
        whole[:-20],
        whole[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1",
        whole[: -8 - length] + bytes([0xFF]) * length + whole[-8:],
        whole[:-8] + (3).to_bytes(4, "little") + b"PAR1",
    ):
        spoiled.write_bytes(content)
        with pytest.raises(SourceError, match="parquet"):
            row_groups(spoiled)
    with pytest.raises(SourceError, match="No such file"):
        row_groups(tmp_path / "nowhere.parquet")
