"""Figure 5: claimed tasks beside base rates, the grid of sizes, and the scores of a user's own suites."""

import json
from pathlib import Path

import altair as alt
import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage import bigbench, tables
from unmirage.cli import main
from unmirage.paper import fig5_claims as claims
from unmirage.paper import fig5_scores as scored
from unmirage.paper import published, three
from unmirage.paper.fig5 import GRIDS, fig5, grid_scores
from unmirage.paper.figure import NUMBERS

GRADE, MATCH = "multiple_choice_grade", "exact_str_match"
SIZES = (2e6, 1.6e7, 1.25e8, 1e9, 8e9, 1.28e11)
TEMPLATE = (
    Path(__file__).parents[1] / "data" / "bigbench" / "whole" / "mixed" / "results" / "scores_dense_2m.json"
)


@pytest.fixture
def untested(monkeypatch):
    """No predictions, which take most of the time."""
    monkeypatch.setattr(three, "every", lambda *_: tables.empty(tables.PREDICTIONS))


def results(curves):
    """(family, task, metric) -> means at `SIZES`, as aggregates of 200 items."""
    rows = [
        (*key, f"{key[0]}-{size:g}", size, value)
        for key, means in curves.items()
        for size, value in zip(SIZES, means, strict=True)
    ]
    frame = pl.DataFrame(
        rows, schema=["family", "task", "metric", "model", "n_params", "value"], orient="row"
    ).with_columns(n=pl.lit(200, dtype=pl.Int64))
    return tables.check_results(frame, where="test")[0]


RISE = (0.02, 0.05, 0.11, 0.24, 0.45, 0.7)
CURVES = {
    ("A", "codenames", "exact_match"): (0.0, 0.0, 0.0, 0.0, 0.0, 0.6),
    ("A", "anachronisms", GRADE): (0.5, 0.52, 0.55, 0.6, 0.66, 0.71),
    ("A", "abstract_narrative_understanding", GRADE): RISE,
    ("B", "anachronisms", GRADE): tuple(reversed(RISE)),
    ("B", "codenames", "exact_match"): (0.1,) * 6,
    ("A", "mine", "perplexity_of_mine"): (9.0, 7.0, 5.5, 4.4, 3.7, 3.1),
}


@pytest.fixture(scope="module")
def suite():
    return results(CURVES)


@pytest.fixture(scope="module")
def figure(suite):
    return fig5(suite)


@pytest.fixture(scope="module")
def alone():
    return fig5()


def every_layer(chart):
    for key in ("vconcat", "hconcat", "layer"):
        for part in chart.get(key, []):
            yield from every_layer(part)
    if "mark" in chart:
        yield chart


def with_little(chart):
    """The chart with two rows a layer: checking all takes long."""
    kept = {
        key: [with_little(part) for part in chart[key]]
        for key in ("vconcat", "hconcat", "layer")
        if key in chart
    }
    data = {"data": {"values": chart["data"]["values"][:2]}} if "data" in chart else {}
    return {**chart, **kept, **data}


def test_62_of_67_beside_157_of_209():
    row = claims.rate(claims.PAPER, claims.DECLARED, claims.BOTH)
    assert (row["claimed"], row["claimed_tasks"], row["all"], row["all_tasks"]) == (62, 67, 157, 209)
    assert row["claimed_share"] == pytest.approx(0.925, abs=5e-4)
    assert row["all_share"] == pytest.approx(0.751, abs=5e-4)
    assert row["enrichment"] == pytest.approx(1.23, abs=5e-3)
    assert row["p_binomial"] == pytest.approx(2.4e-4, abs=5e-6)
    assert claims.at_least_one()["all"] == 160


def test_tasks_as_a_whole_are_141_to_145():
    least, most = (
        claims.rate(claims.PAPER, counted, claims.BOTH) for counted in (claims.WHOLE_PARTS, claims.WHOLE)
    )
    assert (least["all"], most["all"]) == (141, 145)
    for row in (least, most):
        assert row["p_hypergeometric"] == pytest.approx(stats.hypergeom.sf(61, 209, row["all"], 67), rel=1e-9)
        tail = stats.binomtest(62, 67, row["all"] / 209, "greater").pvalue
        assert row["p_binomial"] == pytest.approx(tail, rel=1e-9)


def test_every_rate_is_scipys():
    for row in claims.rates().iter_rows(named=True):
        k, n, share = row["claimed"], row["claimed_tasks"], row["all"] / row["all_tasks"]
        assert row["p_binomial"] == pytest.approx(stats.binomtest(k, n, share, "greater").pvalue, rel=1e-9)
        interval = stats.binomtest(k, n).proportion_ci(0.95, "exact")
        assert (row["low"], row["high"]) == pytest.approx(tuple(interval))
        assert row["enrichment"] == pytest.approx(k / n / share)


def test_the_papers_counts_are_used_as_printed():
    for metric, count in published.claimed_metrics().items():
        assert claims.rate(claims.PAPER, claims.WHOLE, metric)["claimed"] == count
    assert claims.named().height == 47
    row = claims.rate(claims.NAMED, claims.DECLARED, claims.BOTH)
    assert (row["claimed"], row["claimed_tasks"]) == (43, 47)


def test_metrics_with_a_claimed_task_beside_draws_at_random():
    paper, named = claims.spread(0)
    assert (paper.hit, paper.metrics, paper.tasks) == (4, 39, 67)
    tasks = bigbench.folders()["preferred"].to_list()
    metrics = {metric for names in tasks for metric in names}
    mine = {metric for names in claims.named()["preferred"] for metric in names}
    assert (named.hit, named.metrics) == (len(mine), len(metrics))
    counts = [sum(metric in names for names in tasks) for metric in metrics]
    expected = sum(1 - stats.hypergeom.pmf(0, 209, k, 47) for k in counts)
    assert named.expected == pytest.approx(expected, rel=1e-9)
    assert named.single == counts.count(1)
    assert named.low < named.expected < named.high
    assert named.hit < named.low
    assert claims.spread(0) == (paper, named)


def test_the_highest_scores_that_were_read():
    highest = published.highest_scores()
    assert len(highest) == 39
    known = {name: value for name, value in highest.items() if value is not None}
    assert len(known) == 9
    assert set(published.claimed_metrics()) <= set(highest)
    for cut in (50, 100, 150):
        assert scored.above(highest.values(), cut) == 5
    assert scored.above(highest.values(), 152) == 4
    assert scored.read_from() == min(known.values())


def test_scores_of_one_smooth_curve_grow_with_the_grid():
    dense = grid_scores()
    for points in dense.values():
        assert [n for n, _ in points] == list(GRIDS)
        assert (np.diff([score for _, score in points]) > 0).all()
    last = {name: points[-1][1] for name, points in dense.items()}
    wanted = {"accuracy, 1 token": 51.0, "accuracy, 5 tokens": 42.8, "minus cross-entropy": 105.3}
    assert last == pytest.approx(wanted, abs=0.1)


def test_without_scores_b_and_c_are_drawn_and_a_is_said(alone):
    assert set(alone.charts) == {"fig5"}
    alt.Chart.from_dict(with_little(alone.charts["fig5"]))
    assert dict(alone.numbers.schema) == NUMBERS
    assert any("--scores PATH" in note and "clone of the BIG-bench" in note for note in alone.notes)
    assert any("cannot be redone" in note for note in alone.notes)
    text = " ".join(alone.says)
    for words in (
        "62 (92.5%)",
        "157 of all 209 folders (75.1%)",
        "1.23 (95%",
        "141 to 145 of 209",
        "4 of 39",
    ):
        assert words.replace("4 of 39", "Of 39 metrics 4 have one") in text


def test_what_is_drawn_is_in_the_table(alone):
    share = alone.numbers.filter(
        pl.col("group").str.starts_with("share of the claimed tasks, the paper's"),
        pl.col("panel") == f"C: {claims.WHOLE}",
    )
    drawn = {
        (row["row"], row["value"])
        for layer in every_layer(alone.charts["fig5"])
        for row in layer["data"]["values"]
        if row.get("series") == "claimed, the paper's 67" and "value" in row
    }
    assert set(share.select("series", "paper").rows()) <= drawn


def test_scores_by_metric_are_those_of_the_meta_analysis(suite, figure):
    cells = unmirage.meta(suite).cells.filter(pl.col("p").is_not_null())
    assert cells.height == 5
    mine = figure.numbers.filter(group="A: emergence score")
    assert sorted(mine["ours"]) == pytest.approx(sorted(cells["emergence_score"]))
    raw = {one.metric: one for one in scored.by_metric(scored.tested(unmirage.meta(suite)))}
    assert set(raw) == {MATCH, GRADE, "perplexity_of_mine"}
    assert (raw[MATCH].infinite, raw[MATCH].finite) == (1, ())
    assert raw[GRADE].cells == 3
    assert len(raw[GRADE].finite) == 2
    highest = "A: highest emergence score of a metric"
    ours = dict(figure.numbers.filter(group=highest).select("series", "ours").iter_rows())
    assert ours == {name: one.highest for name, one in raw.items()}
    paper = figure.numbers.filter(group=f"{highest}, in the paper")
    assert dict(paper.select("series", "paper").iter_rows()) == published.highest_scores()
    assert figure.numbers["difference"].null_count() == figure.numbers.height


def test_scores_are_drawn_and_told(figure):
    assert set(figure.charts) == {"fig5", "fig5a"}
    alt.Chart.from_dict(with_little(figure.charts["fig5a"]))
    text = " ".join(figure.says)
    assert "5 curves of 2 families" in text
    assert f"Infinite for 1 curves, half of whose steps or more are flat ({MATCH} 1)" in text
    assert "Of 3 tasks of BIG-bench among these scores 2 were claimed" in text
    notes = " ".join(figure.notes)
    assert "1 of 6 curves have no score" in notes
    assert "a score below 0" in notes
    assert "the mean is the same at every scale" in notes
    assert not any("--scores PATH" in note for note in figure.notes)
    for layer in every_layer(figure.charts["fig5a"]):
        json.dumps(layer["data"], allow_nan=False)


def test_a_cut_off_is_counted_with_infinite_scores():
    raw = [
        scored.Raw("a", 3, (1.0, 20.0), 0, 0, 0),
        scored.Raw("b", 2, (), 1, 0, 0),
        scored.Raw("c", 1, (), 0, 0, 0),
    ]
    assert [scored.above(scored.most(raw), cut) for cut in (0.5, 10, 100)] == [2, 2, 1]


def test_metrics_have_bigbenchs_words():
    assert scored.word("exact_match") == scored.word(MATCH) == MATCH
    assert scored.word("rouge_lsum") == "rougeLsum"
    assert scored.word("acc_norm") == "acc_norm"


def test_too_few_sizes_are_said(suite):
    figure = fig5(suite.filter(pl.col("n_params") < 1e8))
    assert set(figure.charts) == {"fig5"}
    assert any("no curve of the scores has five scales" in note for note in figure.notes)


@pytest.fixture
def clone(tmp_path):
    """A folder laid out as the BIG-bench repository: two tasks, six sizes of a family, and other files."""
    root = tmp_path / "BIG-bench"
    content = json.loads(TEMPLATE.read_text())
    for task, worth in (("codenames", 0.5), ("mixed", 1.0)):
        folder = root / "bigbench" / "benchmark_tasks" / task
        (folder / "results").mkdir(parents=True)
        (folder / "README.md").write_text("# A task\n")
        (folder / "task.json").write_text(json.dumps({"name": task, "examples": []}))
        for size, share in zip(SIZES, RISE, strict=True):
            one = json.loads(json.dumps(content).replace("mixed", task))
            for score in one["scores"]:
                score["score_dict"] = {
                    name: 100 * worth * share if "aggregate" in name or name == "bleu" else worth * share
                    for name in score["score_dict"]
                    if name != "log_likelihood"
                }
                if score["preferred_score"] == "log_likelihood":
                    score["preferred_score"] = GRADE
            one["model"] |= {
                "model_family": "BIG-G T=0",
                "model_name": f"{size:g}",
                **dict.fromkeys(("total_params", "non_embedding_params"), int(size)),
                "flop_matched_non_embedding_params": int(size),
            }
            path = folder / "results" / f"scores_BIG-G_T=0_{size:g}.json"
            path.write_text(json.dumps(one))
    return root


@pytest.mark.usefixtures("untested")
def test_the_command_draws_a_clone_of_the_repository(clone, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["reproduce", "fig5", "--out", str(out), "--scores", str(clone)]) == 0
    pictures = {f"{name}.{kind}" for name in ("fig5", "fig5a") for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == {*pictures, "fig5.csv", "predictions.csv", "index.md"}
    page = (out / "index.md").read_text()
    assert "## Figure 5" in page
    numbers = pl.read_csv(out / "fig5.csv")
    mine = numbers.filter(pl.col("group") == "A: emergence score")
    assert "normalized_aggregate_score" in set(mine["panel"])
    assert set(mine["series"]) == {"BIG-G T=0, codenames", "BIG-G T=0, mixed"}
    printed = " ".join(capsys.readouterr().out.split())
    assert "Of 1 tasks of BIG-bench among these scores 1 were claimed" in printed


@pytest.mark.usefixtures("untested")
def test_scores_without_sizes_are_refused(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text("family,model,task,metric,value\nA,a,t,acc,0.1\nA,b,t,acc,0.2\n")
    out = tmp_path / "out"
    assert main(["reproduce", "fig5", "--out", str(out), "--scores", str(path)]) == 2
    assert "n_params" in capsys.readouterr().err
    assert not out.exists()


def test_the_same_seed_gives_the_same_numbers(suite, figure):
    again = fig5(suite)
    assert again.numbers.equals(figure.numbers)
    assert again.says == figure.says
    assert json.dumps(again.charts) == json.dumps(figure.charts)


@pytest.mark.filterwarnings("ignore::unmirage.UnmirageWarning")
def test_real_scores(shared_data):
    names = ("bigbench_lite_scores.csv", "base_llm_emergent.csv")
    found = fig5(unmirage.read([shared_data / name for name in names], table="results"))
    panels = set(found.numbers.filter(group="A: emergence score")["panel"])
    assert {GRADE, MATCH, "bleu"} <= panels
    assert any("Infinite for 3 curves" in sentence for sentence in found.says)
    assert any("arithmetic" in series for series in found.numbers["series"])
