"""The claimed tasks: where their names come from, and the metrics that they are judged by."""

import polars as pl
import pytest
from scipy import stats

from unmirage import bigbench
from unmirage.errors import SourceError
from unmirage.meta import claims
from unmirage.meta.base_rate import COLUMNS
from unmirage.meta.found import CELLS


def cells(rows):
    schema = {name: CELLS[name] for name in ("family", "task", "metric", "preferred")}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_shipped_list_is_the_default():
    assert claims.names(None) == frozenset(bigbench.claimed()["task"])
    assert "modified_arithmetic" in claims.names(None)


@pytest.mark.parametrize(
    "text",
    [
        "one\ntwo words\n",
        "# a remark\n\n  one \n\ntwo words\n",
        "task\none\ntwo words\n",
        "family,task,n\nf,one,1\nf,two words,2\nf,,3\n",
        '# a remark\nfamily,task\nf,one\nf,"two words"\n',
    ],
)
def test_names_are_lines_or_a_column(tmp_path, text):
    path = tmp_path / "claimed.txt"
    path.write_text(text)
    assert claims.names(path) == claims.names(str(path)) == {"one", "two words"}


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "names no task"), (b"# remarks only\n\n", "names no task"), (b"\xff\xfe\x00", "cannot be read")],
)
def test_a_file_that_names_nothing(tmp_path, content, says):
    path = tmp_path / "claimed.txt"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=says) as problem:
        claims.names(path)
    assert problem.value.where == str(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        claims.names(tmp_path / "nowhere.txt")


def test_metrics_of_claimed_tasks_beside_those_of_all():
    """Two families that judge alike count once; a task of two metrics counts for both; others not at all."""
    rows = []
    for family in ("f", "g"):
        rows += [(family, f"t{i}", "grade", True) for i in range(8)]
        rows += [(family, f"t{i}", "match", True) for i in range(8, 12)]
        rows += [(family, f"t{i}", "brier", False) for i in range(8)]
    rows.append(("g", "t0", "match", True))
    table = claims.rates(cells(rows), frozenset({"t0", "t1", "t2", "t9", "elsewhere"}), 0.95)
    assert table.columns == list(COLUMNS)
    grade, match = table.iter_rows(named=True)
    assert (grade["metric"], grade["claimed"], grade["all"]) == ("grade", 3, 8)
    assert (match["metric"], match["claimed"], match["all"]) == ("match", 2, 5)
    assert grade["claimed_share"] == pytest.approx(3 / 4)
    assert grade["enrichment"] == pytest.approx((3 / 4) / (8 / 12))
    assert grade["p_hypergeometric"] == pytest.approx(stats.hypergeom.sf(2, 12, 8, 4))


def test_no_claimed_task_gives_no_row():
    table = claims.rates(cells([("f", "t", "grade", True)]), frozenset({"elsewhere"}), 0.95)
    assert table.height == 0
    assert table.schema == pl.Schema(COLUMNS)
    judged_by_nothing = claims.rates(cells([("f", "t", "grade", False)]), frozenset({"t"}), 0.95)
    assert judged_by_nothing.height == 0
