"""The share of a metric among claimed tasks beside its base rate, against scipy and the paper's counts."""

import pytest
from scipy import stats

from unmirage import bigbench
from unmirage.errors import SettingsError
from unmirage.meta.base_rate import COLUMNS, base_rates, preferring
from unmirage.paper import published

GRADE, MATCH = "multiple_choice_grade", "exact_str_match"


def figure(any_of):
    counts = published.claimed_metrics()
    tasks = bigbench.folders()["preferred"].to_list()
    sets = {"both": [GRADE, MATCH], GRADE: [GRADE], MATCH: [MATCH]}
    claimed = {name: sum(counts[metric] for metric in metrics) for name, metrics in sets.items()}
    everything = {name: preferring(tasks, metrics, any_of=any_of) for name, metrics in sets.items()}
    return base_rates(claimed, everything, claimed_tasks=sum(counts.values()), all_tasks=len(tasks))


def test_the_papers_counts_add_up():
    counts = published.claimed_metrics()
    assert sum(counts.values()) == 67
    shares = [round(100 * n / 67, 2) for n in counts.values()]
    assert shares == [76.12, 16.42, 4.48, 2.99]


def test_92_percent_of_the_claimed_tasks_beside_75_percent_of_all():
    row = figure(any_of=False).row(0, named=True)
    assert (row["claimed"], row["all"]) == (62, 157)
    assert row["claimed_share"] == pytest.approx(0.925, abs=5e-4)
    assert row["all_share"] == pytest.approx(0.751, abs=5e-4)
    assert row["enrichment"] == pytest.approx(1.23, abs=5e-3)
    assert row["p_binomial"] == pytest.approx(2.4e-4, abs=5e-6)
    assert row["p_binomial"] == pytest.approx(stats.binomtest(62, 67, 157 / 209, "greater").pvalue, rel=1e-9)
    assert row["p_hypergeometric"] == pytest.approx(stats.hypergeom.sf(61, 209, 157, 67), rel=1e-9)
    interval = stats.binomtest(62, 67).proportion_ci(0.95, "exact")
    assert (row["low"], row["high"]) == pytest.approx(tuple(interval))
    assert row["enrichment_low"] == pytest.approx(interval.low / (157 / 209))


def test_tasks_with_another_metric_beside_count_where_asked_for():
    row = figure(any_of=True).row(0, named=True)
    assert row["all"] == 160
    assert row["p_binomial"] == pytest.approx(5.8e-4, abs=5e-6)


def test_one_metric_is_enriched_and_the_other_is_not():
    _, grade, match = figure(any_of=False).iter_rows(named=True)
    assert grade["enrichment_low"] > 1
    assert match["enrichment_low"] < 1 < match["enrichment_high"]


def test_the_named_tasks_are_some_of_all():
    named = bigbench.claimed().filter(benchmark="BIG-bench").join(bigbench.folders(), on="task")
    everything = bigbench.folders()
    found = base_rates(
        {"both": preferring(named["preferred"], [GRADE, MATCH])},
        {"both": preferring(everything["preferred"], [GRADE, MATCH])},
        claimed_tasks=named.height,
        all_tasks=everything.height,
    )
    row = found.row(0, named=True)
    assert (row["claimed"], row["all"], named.height) == (43, 157, 47)
    assert found.schema == COLUMNS


def test_a_metric_that_no_task_uses_has_no_enrichment():
    row = base_rates({"x": 0}, {"x": 0}, claimed_tasks=3, all_tasks=9).row(0, named=True)
    assert row["enrichment"] is None
    assert (row["claimed_share"], row["p_binomial"], row["p_hypergeometric"]) == (0.0, 1.0, 1.0)


def test_preferring():
    tasks = [["a"], ["a", "b"], ["c", "a"], [], ["d"]]
    assert preferring(tasks, ["a", "b"]) == 2
    assert preferring(tasks, ["a", "b"], any_of=True) == 3


@pytest.mark.parametrize(
    ("claimed", "everything", "n", "total", "message"),
    [
        ({"x": 5}, {"x": 4}, 6, 9, "5 of 6 claimed and 4 of all 9 tasks cannot both be"),
        ({"x": 0}, {"x": 8}, 6, 9, "0 of 6 claimed and 8 of all 9"),
        ({"x": -1}, {"x": 8}, 6, 9, "cannot both be"),
        ({"x": 1}, {"y": 8}, 6, 9, "not known how many of all tasks use x"),
        ({"x": 1}, {"x": 8}, 10, 9, "10 claimed tasks of 9"),
    ],
)
def test_impossible_counts(claimed, everything, n, total, message):
    with pytest.raises(SettingsError, match=message):
        base_rates(claimed, everything, claimed_tasks=n, all_tasks=total)
