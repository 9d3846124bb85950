"""Shares by group and how concentrated they are, against closed forms, exact tails and exact intervals."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from unmirage.meta.concentration import GROUPS, MEASURES, RESAMPLES, concentration, groups
from unmirage.meta.found import CELLS
from unmirage.meta.shapes import RULES


def cells(rows):
    """Rows of cells: (family, task, metric, beyond, adjusted), beyond None where it is not tested."""
    return pl.DataFrame(
        [
            {"family": family, "task": task, "metric": metric, "shape": "predictable"}
            | {"p": None if beyond is None else 0.5, "beyond": beyond, "adjusted": adjusted}
            for family, task, metric, beyond, adjusted in rows
        ],
        schema=CELLS,
    )


def two_metrics(ones, others, beyond_ones, beyond_others, tested=None):
    """One cell a task: so many of metric a, of which so many are beyond, and so of metric b."""
    rows = []
    for metric, count, beyond in (("a", ones, beyond_ones), ("b", others, beyond_others)):
        rows += [(f"family{i % 3}", f"{metric}{i}", metric, i < beyond, i < beyond) for i in range(count)]
    return cells(rows + (tested or []))


def test_a_group_with_one_cell_a_task_has_the_exact_interval():
    table = groups(two_metrics(40, 25, 7, 0), "metric", 0.95)
    assert table.schema == pl.Schema(GROUPS)
    for row, (k, n) in zip(table.iter_rows(named=True), ((7, 40), (0, 25)), strict=True):
        exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        assert (row["beyond"], row["tested"], row["share"]) == (k, n, k / n)
        assert (row["low"], row["high"]) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_cells_of_one_task_go_together():
    """Ten tasks of which three are beyond in all their four metrics: fewer than ten cells' worth."""
    rows = [("f", f"t{i}", f"m{j}", i < 3, False) for i in range(10) for j in range(4)]
    (row,) = groups(cells(rows), "family", 0.95).iter_rows(named=True)
    # Korn and Graubard: so many 0/1 items have that error, less what a variance known from ten tasks costs.
    stderr = np.sqrt(10 / 9 * (3 * (4 * 0.7) ** 2 + 7 * (4 * 0.3) ** 2)) / 40
    worth = 40 / 39 * 0.3 * 0.7 / stderr**2 * (stats.t.ppf(0.975, 39) / stats.t.ppf(0.975, 9)) ** 2
    low = stats.beta.ppf(0.025, 0.3 * worth, 0.7 * worth + 1)
    high = stats.beta.ppf(0.975, 0.3 * worth + 1, 0.7 * worth)
    assert 5 < worth < 10
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))


def test_shares_and_base_rates_of_groups():
    table = groups(two_metrics(30, 10, 2, 6, [("f", "flat", "b", None, None)]), "metric", 0.95)
    b, a = table.iter_rows(named=True)
    assert (b["group"], a["group"]) == ("b", "a")  # in the order of the share
    assert (b["cells"], b["tested"], b["beyond"], b["adjusted"]) == (11, 10, 6, 6)
    assert b["of_tested"] == pytest.approx(10 / 40)
    assert b["of_beyond"] == pytest.approx(6 / 8)
    assert b["enrichment"] == pytest.approx(3)
    assert a["enrichment"] == pytest.approx((2 / 8) / (30 / 40))
    assert b["predictable"] == 11
    assert not any(b[name] for name in RULES if name != "predictable")


def test_a_group_without_a_tested_cell_has_no_share():
    table = groups(cells([("f", "t", "a", None, None), ("f", "t", "b", False, False)]), "metric", 0.95)
    b, a = table.iter_rows(named=True)
    assert (a["cells"], a["tested"], a["share"], a["low"], a["high"]) == (1, 0, None, None, None)
    assert (b["share"], b["enrichment"]) == (0, None)  # none is beyond at all


def measured(table, by, counted="beyond"):
    rows = table.filter(pl.col("by") == by, pl.col("counted") == counted).iter_rows(named=True)
    return {row["measure"]: row for row in rows}


def test_measures_are_the_closed_forms():
    """Shares 6/10, 3/10, 1/10; the base 20/60, 30/60, 10/60."""
    rows = []
    for metric, count, beyond in (("a", 20, 6), ("b", 30, 3), ("c", 10, 1)):
        rows += [("f", f"{metric}{i}", metric, i < beyond, False) for i in range(count)]
    found = measured(concentration(cells(rows), 0.95, 0), "metric")
    assert set(found) == set(MEASURES)
    for name, value, base in (
        ("effective number", 1 / (0.36 + 0.09 + 0.01), 1 / (1 / 9 + 1 / 4 + 1 / 36)),
        ("largest share", 0.6, 0.5),
        ("two largest shares", 0.9, 5 / 6),
    ):
        assert found[name]["cells"] == 10
        assert found[name]["value"] == pytest.approx(value)
        assert found[name]["base"] == pytest.approx(base)
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]


@pytest.mark.parametrize(("ones", "others", "k", "draws"), [(30, 30, 9, 10), (20, 60, 8, 12), (40, 10, 6, 8)])
def test_chance_is_that_of_the_hypergeometric(ones, others, k, draws):
    """Of two metrics: the share of the larger among cells drawn without putting back, in exact sums."""
    found = measured(concentration(two_metrics(ones, others, k, draws - k), 0.95, 1), "metric")
    x = np.arange(draws + 1)
    pmf = stats.hypergeom(ones + others, ones, draws).pmf(x)
    largest = np.maximum(x, draws - x) / draws
    effective = 1 / ((x / draws) ** 2 + (1 - x / draws) ** 2)
    seen = max(k, draws - k) / draws
    for name, values, as_much in (
        ("largest share", largest, largest >= seen - 1e-12),
        ("effective number", effective, effective <= 1 / (seen**2 + (1 - seen) ** 2) + 1e-12),
    ):
        row, exact = found[name], float(pmf[as_much].sum())
        assert row["by_chance"] == pytest.approx(
            float(pmf @ values), abs=4 * values.std() / np.sqrt(RESAMPLES)
        )
        error = 4 * np.sqrt(exact * (1 - exact) / RESAMPLES) + 1 / RESAMPLES
        assert row["p"] == pytest.approx(exact, abs=error)
    assert found["two largest shares"]["value"] == found["two largest shares"]["p"] == 1


def test_nothing_is_said_of_few_cells_or_of_one_group():
    table = concentration(two_metrics(30, 30, 3, 1), 0.95, 0)
    row = measured(table, "metric")["largest share"]
    assert (row["cells"], row["value"], row["p"]) == (4, None, None)
    assert row["note"].startswith("4 cells")
    alone = cells([("f", f"t{i}", "m", i < 10, False) for i in range(20)])
    assert measured(concentration(alone, 0.95, 0), "metric")["largest share"]["note"].startswith(
        "there is one group"
    )
    assert measured(concentration(alone, 0.95, 0), "task")["largest share"]["value"] == pytest.approx(0.1)


def test_intervals_resample_tasks():
    """All that is beyond is in one task: drawn or not, the metric of that task has all of it."""
    rows = [("f", "t0", f"m{j}", j < 6, False) for j in range(8)]
    rows += [("f", f"t{i}", f"m{j}", False, False) for i in range(1, 6) for j in range(8)]
    row = measured(concentration(cells(rows), 0.95, 0), "metric")["effective number"]
    assert row["low"] == row["high"] == pytest.approx(6)


def test_one_family_has_no_interval_over_families():
    rows = [("f", f"t{i}", "m", i < 10, False) for i in range(20)]
    row = measured(concentration(cells(rows), 0.95, 0), "task")["effective number"]
    assert row["value"] == pytest.approx(10)
    assert (row["low"], row["high"]) == (None, None)


def test_the_same_seed_gives_the_same_table():
    one = two_metrics(30, 30, 9, 3)
    assert concentration(one, 0.95, 5).equals(concentration(one, 0.95, 5))
    assert not concentration(one, 0.95, 5).equals(concentration(one, 0.95, 6))
