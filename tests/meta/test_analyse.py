"""The whole path of a meta-analysis, on made tables of results and on items."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage import tables
from unmirage.errors import MetricError, SettingsError, SourceError
from unmirage.meta.base_rate import COLUMNS
from unmirage.meta.concentration import CONCENTRATION, GROUPS
from unmirage.meta.found import CELLS, LAWS, SCORES
from unmirage.meta.shapes import RULES

RISING = [0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.75]
STEP = [0.1, 0.102, 0.099, 0.101, 0.8, 0.803, 0.801, 0.805]


def keyed(frame, *columns):
    return {tuple(row[:3]): row[3:] for row in frame.select("family", "task", "metric", *columns).rows()}


def test_tables_have_their_columns(made):
    for frame, schema in (
        (made.cells, CELLS),
        (made.laws, LAWS),
        (made.scores, SCORES),
        (made.groups, GROUPS),
        (made.concentration, CONCENTRATION),
        (made.claims, COLUMNS),
        (made.curves, tables.CURVES),
        (made.warnings, tables.WARNINGS),
    ):
        assert frame.schema == pl.Schema(schema)
    assert made.cells.height == 36
    assert made.laws.height == 36 * 8
    assert set(made.cells["shape"]) <= set(RULES)


def test_the_step_is_found_and_nothing_else(made):
    beyond = made.cells.filter("adjusted")
    assert sorted(beyond.select("family", "task", "metric").rows()) == [
        ("=HYPERLINK(1)", "task8", "exact_match"),
        ("f", "task8", "exact_match"),
    ]
    assert beyond["shape"].to_list() == ["breakthrough"] * 2
    assert (made.cells.filter(~pl.col("adjusted"))["shape"] == "predictable").all()


def test_scores_count_the_cells(made):
    emergence, line = made.scores.rows(named=True)
    cells = made.cells
    assert emergence["cells"] == emergence["tested"] == 36
    assert emergence["beyond"] == int((cells["p"] <= 0.05).sum()) == int(cells["beyond"].sum())
    assert emergence["adjusted"] == int((cells["p_adjusted"] <= 0.05).sum())
    assert emergence["expected"] == pytest.approx(36 * 0.05)
    exact = stats.binomtest(emergence["beyond"], 36).proportion_ci(0.95, method="exact")
    assert (emergence["low"], emergence["high"]) == pytest.approx((exact.low, exact.high))
    assert line["beyond"] == int((cells["p_linearity"] <= 0.05).sum())
    assert line["adjusted"] == int((cells["p_linearity_adjusted"] <= 0.05).sum())


def test_adjustment_counts_all_curves(made, results, suite_of):
    for name in ("p", "p_linearity"):
        p = made.cells[name].to_numpy()
        expected = stats.false_discovery_control(p, method="bh")
        np.testing.assert_allclose(made.cells[f"{name}_adjusted"].to_numpy(), expected)
    few = unmirage.meta(results(suite_of(tasks=6), n=1000), adjust="holm").cells
    order = np.sort(few["p"].to_numpy())
    holm = np.maximum.accumulate(np.minimum(order * np.arange(order.size, 0, -1), 1))
    np.testing.assert_allclose(np.sort(few["p_adjusted"].to_numpy()), holm)


def test_laws_go_through_the_smooth_curves_and_keep_the_means(made, suite_of):
    task = made.laws.filter(pl.col("family") == "f", pl.col("task") == "task3", pl.col("metric") == "rouge_l")
    assert task["mean"].to_list() == list(suite_of()["f", "task3", "rouge_l"])
    assert float((task["mean"] - task["law"]).abs().max()) < 0.02
    step = made.laws.filter(
        pl.col("family") == "f", pl.col("task") == "task8", pl.col("metric") == "exact_match"
    )
    assert float((step["mean"] - step["law"]).abs().max()) > 0.1


def test_a_metric_of_which_less_is_better_is_turned_back(results):
    falling = [4.0, 3.5, 3.0, 2.6, 2.2, 1.9, 1.7, 1.5]
    found = unmirage.meta(results({("f", "t", "cross_entropy"): falling}, stderr=0.01))
    (row,) = found.cells.iter_rows(named=True)
    assert (row["first"], row["last"], row["shape"]) == (4.0, 1.5, "predictable")
    assert row["emergence_score"] > 0
    assert found.laws["mean"].to_list() == falling
    assert float((found.laws["mean"] - found.laws["law"]).abs().max()) < 0.1


def test_metrics_of_aggregates_go_by_the_names_of_the_source(results):
    suite = {
        ("f", "t", name): RISING
        for name in ("normalized_aggregate_score", "rouge_l", "likelihood_difference")
    }
    frame = results(suite)
    found = unmirage.meta(frame, metrics=["likelihood_difference", "rouge_l"])
    assert sorted(found.cells["metric"]) == ["likelihood_difference", "rouge_l"]
    for name in ("likelihood_diference", "exact_match"):  # a slip, and a metric of ours that is not there
        with pytest.raises(MetricError, match=f"no aggregate here is called '{name}'") as problem:
            unmirage.meta(frame, metrics=["rouge_l", name])
        assert problem.value.where == "--metric"
    with pytest.raises(MetricError, match="likelihood_difference"):
        unmirage.meta(frame, metrics=["likelihood_diference"])


def test_a_chance_level_of_no_task_is_said(results):
    frame = results({("f", "t", "exact_match"): RISING}, n=100)
    found = unmirage.meta(frame, chance={"t": 0.1, "tt": 0.2})
    assert found.cells["chance"].to_list() == [0.1]
    (note,) = found.warnings.filter(pl.col("code") == "unused-chance").rows(named=True)
    assert "tt" in note["message"]


def test_names_of_metrics_and_axes(results):
    frame = results({("f", "t", "exact_match"): RISING, ("f", "t", "rouge_l"): RISING}, n=200)
    frame = frame.with_columns(n_tokens=pl.col("n_params") * 20, loss=5 - pl.col("n_params").log10() / 3)
    one = unmirage.meta(frame, metrics=["rouge_l"])
    assert one.cells["metric"].to_list() == ["rouge_l"]
    training = unmirage.meta(frame, axis="n_tokens")
    assert training.curves["axis"].unique().to_list() == ["n_tokens"]
    assert "one-run" in training.warnings["code"].to_list()
    loss = unmirage.meta(frame, axis="loss")
    assert "one-run" not in loss.warnings["code"].to_list()
    assert loss.cells["first"].to_list() == [RISING[0]] * 2  # from the largest loss on
    assert (loss.cells["emergence_score"] > 0).all()


def test_shots_are_a_column_and_parts_are_left_out(results):
    suite = {
        ("f", name, "exact_match"): RISING for name in ("arc (0-shot)", "arc (5-shot)", "big", "alone:part")
    }
    suite |= {("f", f"big:{part}", "exact_match"): STEP for part in ("one", "two")}
    found = unmirage.meta(results(suite, n=100))
    assert sorted(found.cells.select("task", "shots").rows(), key=str) == [
        ("alone:part", None),
        ("arc", 0),
        ("arc", 5),
        ("big", None),
    ]
    (left_out,) = found.warnings.filter(pl.col("code") == "parts-left-out").rows(named=True)
    assert left_out["count"] == 2
    both = unmirage.meta(results(suite, n=100), subtasks=True)
    assert both.cells.height == 6
    assert "parts-left-out" not in both.warnings["code"].to_list()


def test_a_part_of_a_task_with_shots_is_a_part(results):
    suite = {
        ("f", name, "exact_match"): RISING
        for name in ("big (2-shot)", "big:one (2-shot)", "big:one (3-shot)")
    }
    found = unmirage.meta(results(suite, n=100)).cells
    assert found.select("task", "shots").rows() == [("big", 2)]


def test_preferred_is_what_the_source_says_else_the_share_of_right_answers(results):
    suite = {
        ("f", "t", "rouge_l"): RISING,
        ("f", "t", "exact_match"): RISING,
        ("f", "only", "rouge_l"): RISING,
    }
    found = keyed(unmirage.meta(results(suite, n=100)).cells, "preferred")
    assert {key[1:]: value[0] for key, value in found.items()} == {
        ("t", "rouge_l"): False,
        ("t", "exact_match"): True,
        ("only", "rouge_l"): True,
    }
    said = results(suite, n=100).with_columns(preferred=(pl.col("metric") == "rouge_l").cast(pl.Float64))
    found = keyed(unmirage.meta(said).cells, "preferred")
    assert {key[1:]: value[0] for key, value in found.items()} == {
        ("t", "rouge_l"): True,
        ("t", "exact_match"): False,
        ("only", "rouge_l"): True,
    }


def test_what_cannot_be_tested_is_counted_and_named(results):
    frame = results({("f", "flat", "exact_match"): [0.25] * 8, ("f", "short", "rouge_l"): RISING[:4]})
    found = unmirage.meta(frame)
    notes = found.cells.sort("task")["note"].to_list()
    assert notes == ["the mean is the same at every scale", "4 scales: the shape of a curve needs 5"]
    assert found.cells["p"].null_count() == 2
    messages = found.warnings.filter(pl.col("code") == "untested-curves")["message"].to_list()
    assert len(messages) == 2
    assert found.says == (
        "No curve can be tested: five scales are needed, and means that are known and differ.",
    )
    assert found.scores["share"].null_count() == 2


def test_unknown_errors_are_said(results):
    found = unmirage.meta(results({("f", "t", "rouge_l"): RISING, ("f", "u", "exact_match"): RISING}))
    (note,) = found.warnings.filter(pl.col("code") == "no-errors").rows(named=True)
    assert note["count"] == 2
    assert found.cells["noise"].to_list() == ["none known"] * 2
    known = unmirage.meta(results({("f", "t", "exact_match"): RISING}, n=100))
    assert "no-errors" not in known.warnings["code"].to_list()
    assert known.cells["noise"].to_list() == ["items"]


def test_items_and_their_aggregates_agree():
    """The same suite from responses, and from the means, errors and numbers of items that they come to."""
    frame = pl.concat(
        unmirage.simulate(truth, n_items=200, seed=k, task=f"{truth} {k}")
        for k, truth in enumerate(["gentle-power", "stretched", "gentle-power", "stretched", "hyperbola"])
    )
    metrics = ["exact_match", "cross_entropy"]
    from_items = unmirage.meta(frame, metrics=metrics)
    scores = unmirage.score(frame, metrics)
    means = scores.group_by("family", "model", "task", "metric", maintain_order=True).agg(
        value=pl.col("score").mean(),
        stderr=pl.col("score").std() / pl.len().sqrt(),
        n=pl.len().cast(pl.Int64),
    )
    sizes = frame.select("model", "n_params").unique(maintain_order=True)
    from_means = unmirage.meta(means.join(sizes, on="model", maintain_order="left"))
    assert from_items.cells.height == from_means.cells.height == 10
    numbers = ("emergence_score", "guarded_score", "linearity", "p", "scatter", "r2")
    mine, theirs = (keyed(one.cells, *numbers) for one in (from_items, from_means))
    assert mine.keys() == theirs.keys()
    for key, values in mine.items():
        assert values == pytest.approx(theirs[key], rel=1e-6)
    assert from_items.cells["preferred"].to_list() == (from_items.cells["metric"] == "exact_match").to_list()


def test_items_with_choices_are_followed_along_the_chain(choosing, made):
    assert made.chain is None
    assert choosing.chain.links["task"].unique(maintain_order=True).to_list() == [
        "choice-curved",
        "choice-late-curved",
    ]


def test_the_same_seed_gives_the_same_and_another_another(results, suite_of):
    frame = results(suite_of(tasks=6), n=1000)
    one, again, other = (unmirage.meta(frame, seed=seed) for seed in (0, 0, 1))
    for name in ("cells", "laws", "scores", "groups", "concentration", "warnings"):
        assert getattr(one, name).equals(getattr(again, name), null_equal=True)
    assert one.says == again.says
    assert not one.cells["p"].equals(other.cells["p"])
    assert one.cells["emergence_score"].equals(other.cells["emergence_score"])


def test_another_family_changes_nothing_but_the_adjustment(results, suite_of):
    """Scatter is pooled within a family and metric; each curve has a generator of its own."""
    alone = unmirage.meta(results(suite_of(tasks=6), n=1000)).cells
    beside = unmirage.meta(results(suite_of("a", 7) | suite_of(tasks=6), n=1000)).cells
    mine = beside.filter(pl.col("family") == "f")
    own = [
        name
        for name in alone.columns
        if name not in ("p_adjusted", "p_linearity_adjusted", "adjusted", "shape")
    ]
    assert mine.select(own).drop("support").equals(alone.select(own).drop("support"), null_equal=True)
    assert not mine["p_adjusted"].equals(alone["p_adjusted"])


def test_claimed_tasks_are_held_beside_all(results, suite_of, tmp_path):
    path = tmp_path / "claimed.txt"
    path.write_text("task0\ntask1\nnowhere\n")
    found = unmirage.meta(results(suite_of(tasks=6), n=1000), claimed=path)
    (row,) = found.claims.rows(named=True)
    assert (row["metric"], row["claimed"], row["all"], row["enrichment"]) == ("exact_match", 2, 6, 1.0)
    assert any("claimed emergent" in one for one in found.says)
    assert unmirage.meta(results(suite_of(tasks=6), n=1000)).claims.height == 0


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"alpha": 1.0}, "--alpha"),
        ({"confidence": 0.0}, "--confidence"),
        ({"adjust": "bonferroni"}, "--adjust"),
        ({"seed": -1}, "--seed"),
        ({"tasks": ["nothing"]}, "--task"),
    ],
)
def test_settings_out_of_range_are_refused(results, change, where):
    with pytest.raises(SettingsError) as problem:
        unmirage.meta(results({("f", "t", "exact_match"): RISING}), **change)
    assert problem.value.where == where


def test_a_list_of_claims_that_cannot_be_read(results, tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        unmirage.meta(results({("f", "t", "exact_match"): RISING}), claimed=tmp_path / "nowhere")


def test_progress_is_told(results):
    told = []
    unmirage.meta(results({("f", "t", "exact_match"): RISING}), progress=lambda *one: told.append(one))
    assert ("smooth curves", 1, 1) in told


def test_the_confidence_that_is_said_is_the_one_that_was_asked_for(results):
    found = unmirage.meta(results({("f", "t", "exact_match"): RISING}, n=100), confidence=0.8)
    assert "80% interval 0.0% to 90.0%" in found.says[0]  # 1 - .1: none of one curve


def test_what_was_found_is_said_in_numbers_of_the_tables(made):
    text = " ".join(made.says)
    emergence = made.scores.row(0, named=True)
    assert f"Of 36 curves {emergence['beyond']}" in text
    assert "2 are." in text  # after adjustment
    high = made.cells.filter(pl.col("emergence_score") > 10)
    assert f"above 10 for {high.height} curves" in text
    counts = made.cells["shape"].value_counts()
    for name, count in counts.rows():
        assert f"{name} {count}" in text
