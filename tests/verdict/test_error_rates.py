"""Error rates read from a table: intervals against scipy, the nearest design, and the sentence."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from unmirage.errors import SettingsError, SourceError
from unmirage.verdict.error_rates import (
    COLUMNS,
    VERDICTS,
    committed,
    nearest,
    percent,
    plain,
    rates,
    read_table,
    sentence,
)

BASE = {
    "truth": "a",
    "label": "smooth",
    "kind": "generation",
    "size": None,
    "at": None,
    "n_scales": 8,
    "decades": 3.0,
    "n_items": 500,
    "scatter": 0.02,
    "tails": "normal",
    "jitter": 0.0,
    "seeds_per_scale": 1,
    "tasks": 1,
    "runs": 300,
    "seed": 0,
    "version": "0",
    "code": "0",
}


def table(*rows):
    """Rows that differ from `BASE`; runs without another verdict are smooth."""
    filled = []
    for row in rows:
        counts = {verdict: row.get(verdict, 0) for verdict in VERDICTS}
        whole = {**BASE, **row, **counts}
        whole["smooth"] = whole["runs"] - sum(counts.values())
        filled.append(whole)
    return pl.DataFrame(filled, schema=COLUMNS)


MADE = table(
    {"truth": "a"},
    {"truth": "b"},
    {"truth": "c", "label": "narrow"},
    {"label": "step", "size": 0.3, "robust-break": 213},
    {"label": "step", "size": 0.8, "robust-break": 300},
    {"label": "artifact", "metric-artifact": 240},
    {"n_scales": 12, "robust-break": 3},
    {"n_items": 10_000, "robust-break": 3},
    {"tails": "t3", "robust-break": 30},
    {"jitter": 0.3, "robust-break": 30},
    {"decades": 5.0, "robust-break": 30},
    {"tasks": 6, "robust-break": 30},
)


class TestRates:
    @given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=5))
    def test_pooled_runs_have_the_exact_interval(self, cells):
        drawn = [(runs, round(share * runs)) for runs, share in cells]
        found = rates(table(*({"runs": n, "robust-break": k} for n, k in drawn)), "robust-break")
        row = found.row(0, named=True)
        n, k = sum(n for n, _ in drawn), sum(k for _, k in drawn)
        oracle = binomtest(k, n).proportion_ci(0.95, method="exact")
        assert (row["cells"], row["runs"], row["count"], row["rate"]) == (len(drawn), n, k, k / n)
        assert (row["low"], row["high"]) == pytest.approx((oracle.low, oracle.high), abs=1e-9)

    def test_groups_are_in_order_and_add_up(self):
        found = rates(MADE, "robust-break", ["n_scales"], confidence=0.5)
        assert found["n_scales"].to_list() == [8, 12]
        assert found["count"].to_list() == [636, 3]
        assert found["runs"].sum() == MADE["runs"].sum()
        oracle = binomtest(3, 300).proportion_ci(0.5, method="exact")
        assert found.row(1, named=True)["high"] == pytest.approx(oracle.high)

    def test_no_rows_have_no_rate(self):
        assert rates(MADE.clear(), "smooth").is_empty()
        assert rates(MADE.clear(), "smooth", ["truth"]).is_empty()

    def test_unknown_names_are_refused(self):
        with pytest.raises(SettingsError, match="no verdict 'break'"):
            rates(MADE, "break")
        with pytest.raises(SettingsError, match="no column 'size_'"):
            rates(MADE, "smooth", ["size_"])


class TestNearest:
    @given(st.integers(1, 40), st.integers(1, 10**6), st.floats(1e-4, 1))
    def test_no_design_is_nearer(self, scales, items, scatter):
        found = nearest("generation", scales, items, scatter, table=MADE)
        here = np.log([scales, items, max(scatter, 0.02)])
        away = [
            np.linalg.norm(np.log(row) - here)
            for row in plain(MADE).select("n_scales", "n_items", "scatter").iter_rows()
        ]
        assert found.distance == pytest.approx(min(away))

    def test_a_design_is_nearest_to_itself_with_all_its_truths(self):
        found = nearest("generation", 8, 500, 0.02, table=MADE)
        assert (found.n_scales, found.n_items, found.scatter, found.distance) == (8, 500, 0.02, 0)
        assert found.cells["truth"].to_list() == ["a", "b", "c"]
        assert found.alike

    def test_conditions_that_are_not_plain_are_left_out(self):
        assert plain(MADE).height == MADE.height - 4

    def test_scatter_below_all_counts_as_the_smallest(self):
        assert nearest("generation", 8, 500, 0.0, table=MADE).distance == 0

    def test_like_is_a_matter_of_factors(self):
        assert nearest("generation", 6, 1_500, 0.06, table=MADE).alike
        assert not nearest("generation", 5, 500, 0.02, table=MADE).alike
        assert not nearest("generation", 8, 500, 0.061, table=MADE).alike

    def test_what_was_not_simulated(self):
        assert nearest("choice", 8, 500, 0.02, table=MADE) is None
        assert nearest("generation", 8, 500, 0.02, labels=("step",), size=0.5, table=MADE) is None
        for bad in ((0, 5, 0.1), (5, 0, 0.1), (5, 5, -0.1), (5, 5, float("nan"))):
            with pytest.raises(SettingsError):
                nearest("generation", *bad, table=MADE)


class TestSentence:
    def test_numbers_are_those_of_the_table(self):
        high = binomtest(0, 900).proportion_ci(0.95, method="exact").high
        step = binomtest(213, 300).proportion_ci(0.95, method="exact")
        artifact = binomtest(240, 300).proportion_ci(0.95, method="exact")
        assert sentence("generation", 7, 600, 0.015, table=MADE) == (
            "In families simulated like this one (8 scales, 500 items, 2% scatter) a smooth truth was called "
            f"robust-break in 0 of 900 runs (at most {100 * high:.2g}%), a 30% step robust-break in 71% of "
            f"300 runs ({100 * step.low:.2g}% to {100 * step.high:.2g}%), and a true artifact "
            f"metric-artifact in 80% of 300 runs ({100 * artifact.low:.2g}% to {100 * artifact.high:.2g}%)."
        )

    def test_another_design_is_named_where_it_is_used(self):
        text = sentence("generation", 12, 500, 0.02, table=MADE)
        assert text.startswith("In families simulated like this one (12 scales, 500 items, 2% scatter)")
        assert "a smooth truth was called robust-break in 1% of 300 runs" in text
        assert text.count("(simulated with 8 scales, 500 items, 2% scatter)") == 2

    def test_a_family_far_from_all_is_told_so(self):
        text = sentence("generation", 30, 40, 0.3, table=MADE)
        assert text.startswith("No family like this one (30 scales, 40 items, 30% scatter) was simulated; in")

    def test_what_was_not_simulated_is_left_out(self):
        assert sentence("choice", 8, 500, 0.02, table=MADE) is None
        alone = sentence("generation", 8, 500, 0.02, table=MADE.filter(label="smooth"))
        assert alone.endswith("robust-break in 0 of 600 runs (at most 0.61%).")

    @pytest.mark.parametrize("kind", ["generation", "choice"])
    def test_the_table_that_comes_along_can_say_it(self, kind):
        text = sentence(kind, 8, 500, 0.02)
        assert text.startswith("In families simulated like this one (8 scales, 500 items, 2% scatter)")
        assert "a 30% step" in text
        assert "a true artifact" in text


def test_the_table_that_comes_along_is_whole():
    frame = committed()
    assert frame.schema == pl.Schema(COLUMNS)
    assert (frame.select(pl.sum_horizontal(VERDICTS)).to_series() == frame["runs"]).all()
    assert frame.select(list(COLUMNS)[:14]).is_duplicated().sum() == 0


def test_tables_are_read_or_refused(tmp_path):
    path = tmp_path / "t.csv"
    MADE.write_csv(path)
    assert read_table(path).equals(MADE)
    with pytest.raises(SourceError, match="not a table"):
        read_table(b"a,b\n1,2\n")
    for bad in (b"", path.read_bytes().replace(b"300", b"many")):
        with pytest.raises(SourceError, match="cannot be read"):
            read_table(bad, "it")
    with pytest.raises(SourceError, match="cannot be read"):
        read_table(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.00408, "0.41%"), (0.02, "2%"), (0.711, "71%"), (0.996, "99.6%"), (1, "100%")],
)
def test_percent(share, text):
    assert percent(share) == text
