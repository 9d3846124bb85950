"""Figure 6: the paper's numbers and the honest table, a user's items, and transliteration to IPA."""

import altair as alt
import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage import tables
from unmirage.cli import main
from unmirage.errors import SourceError
from unmirage.paper import published, three
from unmirage.paper.fig6 import GOES, NO_JUMP, STAYS, fig6, honest, lamda, tasks
from unmirage.paper.fig6_items import items_part, round_range
from unmirage.paper.fig6_scores import scores_part
from unmirage.paper.figure import NUMBERS
from unmirage.paper.reproduce import _choices
from unmirage.result import silent

PYTHIA = (7e7, 1.6e8, 4.1e8, 1e9, 1.4e9, 2.8e9, 6.9e9, 1.2e10)
BLEU = (0.03, 0.05, 0.11, 0.07, 0.06, 0.15, 0.19, 0.58)


@pytest.fixture(scope="module")
def table():
    return lamda()


@pytest.fixture(scope="module")
def choices():
    """A family of six sizes on two choice tasks."""
    frame = pl.concat(
        [
            unmirage.simulate(
                "choice-artifact", n_items=150, scales=np.geomspace(1e8, 1e10, 6), seed=seed
            ).with_columns(task=pl.lit(f"task {seed}"))
            for seed in (0, 1)
        ]
    )
    return unmirage.choice_chain(frame, replicates=100)


def results(rows):
    """Rows (family, n_params, metric, value, n) as aggregates of the task."""
    frame = pl.DataFrame(
        rows, schema=["family", "n_params", "metric", "value", "n"], orient="row"
    ).with_columns(
        model=pl.format("{}-{}", "family", "n_params"),
        task=pl.lit("ipa_transliterate"),
        n=pl.col("n").cast(pl.Int64),
    )
    return tables.check_results(frame, where="test")[0]


def ipa(n=None, others=(4, 7, 11, 200, 350), items=1003):
    rows = [("Pythia", size, "exact_match", 0.0, n) for size in PYTHIA]
    rows += [("Pythia", size, "bleu", value, n) for size, value in zip(PYTHIA, BLEU, strict=True)]
    rows += [("Other", 1e9 * (k + 1), "exact_match", right / items, n) for k, right in enumerate(others)]
    rows += [("Other", 1e9 * (k + 1), "bleu", 10.0 + k, n) for k in range(len(others))]
    return results(rows)


def test_the_papers_numbers_are_whole(table):
    rows = published.lamda()
    assert rows.height == 4 * 2 * 6 == rows.select("task", "shots", "n_params").n_unique()
    assert rows["grade"].is_between(0, 1).all()
    assert rows["brier"].is_between(0, 1).all()
    known = dict(rows.select("task", "choices").unique().iter_rows())
    assert known == {
        "irony_identification": 2,
        "logical_args": 5,
        "sports_understanding": 2,
        "swahili_english_proverbs": 4,
    }
    uniform = dict(table.select("choices", "uniform").unique().iter_rows())
    assert uniform == pytest.approx({2: 0.25, 4: 0.1875, 5: 0.16})


@pytest.mark.parametrize(
    ("task", "skill"),
    [
        ("irony_identification", (-0.51, -0.48, -0.32, -0.17, -0.20, 0.10)),
        ("logical_args", (-0.24, -0.29, -0.34, -0.19, -0.13, 0.31)),
        ("sports_understanding", (-0.78, -0.55, -0.56, -0.38, -0.12, -0.00)),
        ("swahili_english_proverbs", (-0.38, -0.33, -0.23, -0.26, -0.27, -0.46)),
    ],
)
def test_skill_against_a_uniform_forecast(table, task, skill):
    mine = table.filter(pl.col("task") == task, pl.col("shots") == 2).sort("n_params")["skill"]
    np.testing.assert_allclose(mine, skill, atol=0.0051)


@pytest.mark.parametrize(
    ("task", "grade", "brier", "outcome"),
    [
        ("irony_identification", 5.9, 4.0, GOES),
        ("logical_args", 17.8, 9.5, STAYS),
        ("sports_understanding", 11.7, 4.2, GOES),
        ("swahili_english_proverbs", None, -5.4, NO_JUMP),
    ],
)
def test_the_honest_table_of_two_shots(table, task, grade, brier, outcome):
    one = honest(table, task, 2)
    assert one.outcome == outcome
    # Scores of values with three decimals.
    assert one.brier_score == pytest.approx(brier, abs=0.1)
    if grade is not None:
        assert one.grade_score == pytest.approx(grade, abs=0.06)
    assert (one.worse > 0) == (task == "swahili_english_proverbs")


def test_skill_is_positive_at_the_largest_size_only_and_not_everywhere(table):
    largest = 1.28e11
    above = {(shots, task): honest(table, task, shots).positive for shots in (2, 3) for task in tasks(table)}
    assert {key for key, sizes in above.items() if sizes} == {
        (2, "irony_identification"),
        (2, "logical_args"),
        (3, "irony_identification"),
        (3, "logical_args"),
        (3, "sports_understanding"),
    }
    assert set(above.values()) == {(), (largest,)}
    assert honest(table, "swahili_english_proverbs", 3).worse > 0.04


def test_alone_it_draws_the_paper_and_says_what_is_missing(with_little_data):
    figure = fig6()
    assert set(figure.charts) == {"fig6"}
    assert dict(figure.numbers.schema) == NUMBERS
    assert figure.numbers.height == 3 * 48 + 16
    alt.Chart.from_dict(with_little_data(figure.charts["fig6"]))
    assert any("--choices PATH" in note for note in figure.notes)
    assert any("--scores PATH" in note for note in figure.notes)
    assert any("gets worse, by 0.035" in sentence for sentence in figure.says)


def test_items_are_drawn_task_by_task(choices, with_little_data):
    figure = fig6(choices)
    chart = figure.charts["fig6_items"]
    assert len(chart["concat"]) == 2 * 4
    alt.Chart.from_dict(with_little_data(chart))
    numbers = figure.numbers.filter(pl.col("group") == "items, multiple_choice_grade")
    assert numbers.height == 2 * 6
    assert not any("--choices" in note for note in figure.notes)
    assert any("Along the chain" in sentence for sentence in figure.says)
    curves = choices.curves.filter(pl.col("metric") == "multiple_choice_grade")
    assert sorted(numbers["ours"]) == sorted(curves["mean"])


def test_tasks_beyond_what_is_drawn_are_said(choices):
    many = pl.concat([choices.curves.with_columns(task=pl.lit(f"t{k}")) for k in range(8)])
    part = items_part(type(choices)(**{**vars(choices), "curves": many}))
    assert len(part.charts["fig6_items"]["concat"]) == 6 * 4
    assert any("t6, t7" in note for note in part.notes)


def test_zero_exact_match_beside_bleu_with_the_number_inferred(with_little_data):
    part = scores_part(ipa())
    alt.Chart.from_dict(with_little_data(part.charts["fig6_ipa"]))
    (first, last) = part.says
    assert "zero at all 8 sizes" in first
    assert "from 0.03 to 0.58" in first
    assert "5 of the 5 exact matches above zero in it are multiples of 1/1003" in first
    assert "below 0.003 (95%, exact)" in first
    assert "0 to 100" in last
    rows = pl.DataFrame([row for row in part.rows if row["group"] == "IPA, exact match"])
    np.testing.assert_allclose(rows["high"], 1 - 0.05 ** (1 / 1003), rtol=1e-9)


def test_the_number_of_items_is_the_logs_where_it_is_there():
    said = scores_part(ipa(n=200)).says[0]
    assert "zero of 200 items, the rate is below 0.015" in said


def test_without_a_number_of_items_nothing_is_ruled_out():
    said = scores_part(ipa(others=(1, 2), items=3.7)).says[0]
    assert "not known" in said
    assert "below" not in said


def test_scores_without_such_a_family_are_said():
    other = results([("A", 1e9, "accuracy", 0.1, None)])
    assert "no task ipa_transliterate" in scores_part(other).notes[0]
    rows = [("A", size, name, 0.2, None) for size in PYTHIA for name in ("exact_match", "bleu")]
    assert "none of at least 3" in scores_part(results(rows)).notes[0]


def test_ranges_are_round():
    assert round_range([0.53, 0.76]) == pytest.approx((0.5, 0.8))
    assert round_range([0.5, 0.5]) == pytest.approx((0.4, 0.6))


def test_real_scores(shared_data):
    path = shared_data / "base_llm_emergent.csv"
    with pytest.warns(unmirage.UnmirageWarning, match="59 aggregates have no value"):
        scores = unmirage.read(path, table="results")
    said = scores_part(scores).says[0]
    assert said.startswith("Pythia, ipa_transliterate: exact match is zero at all 8 sizes")
    assert "from 0.03 to 0.58" in said
    assert "multiples of 1/1003" in said


def test_sources_of_other_kinds_are_refused():
    frame = unmirage.simulate("late", n_items=20)
    with pytest.raises(SourceError, match="no responses of kind choice"):
        _choices(frame, 0, silent)


def test_the_command_takes_items_and_scores(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(three, "every", lambda *_: tables.empty(tables.PREDICTIONS))
    items, scores = tmp_path / "items.parquet", tmp_path / "scores.csv"
    unmirage.simulate("choice-artifact", n_items=40, scales=np.geomspace(1e8, 1e10, 4)).write_parquet(items)
    ipa().select("family", "model", "n_params", "task", "metric", "value").write_csv(scores)
    out = tmp_path / "out"
    command = ["reproduce", "fig6", "--out", str(out), "--choices", str(items), "--scores", str(scores)]
    assert main(command) == 0
    names = {path.name for path in out.glob("fig6*.png")}
    assert names == {"fig6.png", "fig6_items.png", "fig6_ipa.png"}
    page = (out / "index.md").read_text()
    assert "## Figure 6" in page
    assert "![fig6\\_ipa]" in page or "![fig6_ipa](fig6_ipa.png)" in page
    assert "Pythia" in capsys.readouterr().out
    assert main(["reproduce", "fig6", "--out", str(tmp_path / "no"), "--choices", str(tmp_path / "x")]) == 2
    assert not (tmp_path / "no").exists()
