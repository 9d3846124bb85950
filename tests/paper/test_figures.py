"""Each figure: its numbers, its charts, what it says and leaves out."""

import altair as alt
import numpy as np
import polars as pl
import pytest
from scipy.stats import hypergeom

from unmirage.paper.drawing import decades
from unmirage.paper.family import arithmetic
from unmirage.paper.fig2 import fig2
from unmirage.paper.fig3 import fig3
from unmirage.paper.fig4 import fig4, reads_zero
from unmirage.paper.fig9 import fig9
from unmirage.paper.fig10 import fig10
from unmirage.paper.figure import NUMBERS


@pytest.fixture(scope="module")
def figures(family):
    found = arithmetic(family)
    made = (fig2(), fig3(found), fig4(found), fig9(), fig10())
    return {figure.name: figure for figure in made}


def test_charts_keep_the_schema_and_numbers_theirs(figures, with_little_data):
    for figure in figures.values():
        assert dict(figure.numbers.schema) == NUMBERS
        assert figure.says
        for stem, chart in figure.charts.items():
            assert stem.startswith(figure.name)
            alt.Chart.from_dict(with_little_data(chart))  # raises where it is no Vega-Lite


def titles(chart):
    return [" ".join(panel["title"]["text"]) for panel in chart["concat"]]


def test_fig2_has_six_panels_and_the_papers_values(figures):
    figure = figures["fig2"]
    assert [title[0] for title in titles(figure.charts["fig2"])] == list("ACDBEF")
    model = figure.numbers.filter(pl.col("group") == "model")
    assert model["difference"].count() == 40
    assert model["difference"].abs().max() < 1e-4
    assert any("25 times" in sentence for sentence in figure.says)


def test_fig3_and_fig4_draw_every_family(figures):
    for name in ("fig3", "fig4"):
        top = titles(figures[name].charts[name])[:5]
        assert top[0].startswith("Model")
        assert [title for title in top if "GPT-3" in title and "digitised" in title] == top[1:3]
        assert top[3:] == ["arithmetic, multiplication", "arithmetic, addition"]


def test_panels_without_data_are_left_out_and_said(family):
    found = arithmetic(family.filter(pl.col("task") == "addition"))
    for make, name in ((fig3, "fig3"), (fig4, "fig4")):
        figure = make(found)
        chart = figure.charts[name]
        assert chart["columns"] == 4
        assert not [title for title in titles(chart) if title == "arithmetic, multiplication"]
        assert any("multiplication at temperature 0 is left out" in note for note in figure.notes)


def test_only_hot_answers_are_drawn_by_fig3(family):
    found = arithmetic(family.filter(pl.col("task") == "addition_t1"))
    assert "arithmetic, addition" in titles(fig3(found).charts["fig3"])
    assert fig4(found).charts["fig4"]["columns"] == 3


def test_fig4_says_where_the_paper_is_below_chance(figures):
    said = figures["fig4"].says[0]
    assert said.count("350M") == 4
    assert "1.3B" not in said


@pytest.mark.parametrize("right", [0, 1, 7, 300, 950, 1000])
def test_reads_zero_is_hypergeometric(right):
    theirs = hypergeom(1000, right, 100).pmf(0)
    assert reads_zero(right, 1000, 100) == pytest.approx(theirs, rel=1e-9, abs=1e-300)


def test_reads_zero_needs_enough_items():
    np.testing.assert_equal(reads_zero([0, 1], [50, 100], 100), [np.nan, 0.0])


def test_text_figures_say_published_and_claimed(figures):
    for name, statistic in (("fig9", "34.2 on 36"), ("fig10", "34.5 on 27")):
        figure = figures[name]
        assert set(figure.charts) == {name, f"{name}_claimed"}
        assert statistic in figure.says[0]
        compared = figure.compared()
        groups = dict(compared.select("group", "largest").iter_rows())
        # Sampling error of 500 strings twice, at most; the real score is far from that.
        assert groups["as published"] < 0.13
        assert all(far > 0.5 for group, far in groups.items() if group.startswith("as claimed"))


def test_decades():
    assert decades(1e8, 3e11) == [1e8, 1e9, 1e10, 1e11]
    assert decades(0.05, 4.0) == [0.1, 1.0]
    assert decades(0.5, 4.0) == [1.0, 3.0]
    assert decades(2.0, 8.0) == [3.0]
