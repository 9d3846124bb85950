"""The page of a meta-analysis as text: what it says, and that names from logs are only text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

import unmirage
from unmirage import tables
from unmirage.meta.charts import CURVES, MOST, charts
from unmirage.meta.page import LISTED, MEANINGS, page
from unmirage.meta.shapes import RULES
from unmirage.report import words
from unmirage.report.charts import render
from unmirage.report.html import json_block

HOSTILE = "</script><b>&"


class Reader(HTMLParser):
    """Collects every element with its attributes, scripts, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._raw = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._raw = ""

    def handle_data(self, data):
        if self._raw == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif not self._raw:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def blocks(self):
        return {
            one["id"]: json.loads(data) for one, data in self.scripts if one.get("type") == "application/json"
        }


@pytest.fixture(scope="module")
def html(made):
    return page(made)


@pytest.fixture(scope="module")
def reader(html):
    return Reader(html)


def test_findings_meanings_and_rules_are_said(made, reader):
    for sentence in made.says:
        assert " ".join(words.printable(sentence).split()) in reader.text
    for word, meaning in (*MEANINGS.items(), *RULES.items()):
        assert f"{word} {meaning}" in reader.text


def test_tables_hold_the_numbers(made, reader):
    step = made.cells.filter("adjusted").row(0, named=True)
    assert f"{step['task']} – exact_match 0.1 0.805" in reader.text
    group = made.groups.filter(pl.col("by") == "metric").row(0, named=True)
    interval = f"{words.number(group['low'])} {words.number(group['high'])}"
    assert (
        f"{group['group']} {group['cells']} {group['tested']} {group['beyond']} "
        f"{words.number(group['share'])} {interval}" in reader.text
    )
    assert "confidence 0.95" in reader.text
    assert "alpha 0.05" in reader.text
    assert "parts-left-out" not in reader.text


def test_hostile_names_are_text_only(made, html, reader):
    assert HOSTILE in reader.text
    assert "=HYPERLINK(1)" in reader.text
    assert not reader.all("b")
    count = 2 + len(charts(made)) + 1  # two that run, a block a chart, and the charts' config
    assert len(reader.all("script")) == html.count("</script>") == count
    assert "<!--" not in html


def test_no_script_but_those_of_the_policy(reader):
    (policy,) = [
        one["content"] for one in reader.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    run = [data for one, data in reader.scripts if "type" not in one]
    hashes = ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in run]
    assert len(hashes) == 2
    assert rules["script-src"] == " ".join(hashes)
    assert rules["default-src"] == "'none'"
    for tag, attributes in reader.elements:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "form")
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name) is None or attributes[name].startswith("#")
        assert not any(name.startswith("on") for name in attributes)


def test_charts_are_those_of_the_files(made, reader):
    drawn = charts(made)
    assert set(drawn) == {"curves", "shares", "scores", "shapes"}
    for name, spec in drawn.items():
        assert reader.blocks[f"{name}-chart"] == json.loads(json.dumps(spec))
    boxes = [one for one in reader.all("div") if "data-chart" in one]
    assert {one["data-chart"] for one in boxes} == {f"{name}-chart" for name in drawn}
    assert all(one["aria-label"] for one in boxes)


@pytest.mark.parametrize("name", ["curves", "shares", "scores", "shapes"])
def test_every_chart_is_valid_and_drawn(made, name):
    """vl-convert compiles a definition or says what is wrong with it; names stay text in the SVG."""
    svg = render(charts(made)[name], "svg").decode()
    assert svg.startswith("<svg")
    assert svg.count("<path") > 4
    shown = {"curves": "exact_match", "shares": "share beyond the null", "scores": "emergence score"}
    assert shown.get(name, "share of curves") in svg
    assert "<b>" not in svg


def test_charts_draw_the_numbers_of_the_tables(made):
    drawn = charts(made)
    panels = drawn["curves"]["concat"]
    assert len(panels) == CURVES
    first = made.cells.sort("p", maintain_order=True).row(0, named=True)
    assert panels[0]["title"]["text"] == first["task"]
    laws = made.laws.filter(
        pl.col("family") == first["family"],
        pl.col("task") == first["task"],
        pl.col("metric") == first["metric"],
    )
    assert [one["mean"] for one in panels[0]["data"]["values"]] == laws["mean"].to_list()
    assert [one["law"] for one in panels[0]["data"]["values"]] == laws["law"].to_list()
    by_metric = drawn["shares"]["concat"][0]["layer"][1]["data"]["values"]
    groups = made.groups.filter(pl.col("by") == "metric")
    assert {one["group"]: one["share"] for one in by_metric} == dict(groups.select("group", "share").rows())
    shapes = drawn["shapes"]["concat"][0]["layer"][0]["data"]["values"]
    assert sum(one["n"] for one in shapes) == made.cells.height


def test_an_infinite_score_is_no_trouble(results):
    """Half of the steps are flat: nothing infinite may enter a chart, which is JSON."""
    zeros = [0, 0, 0, 0, 0, 0, 0.02, 0.6]
    found = unmirage.meta(results({("f", "t", "exact_match"): zeros}, n=500))
    assert found.cells["emergence_score"].to_list() == [float("inf")]
    for spec in charts(found).values():
        json_block(spec)  # refuses what JSON has no word for
        assert render(spec, "svg").startswith(b"<svg")
    assert "∞" in Reader(page(found)).text


def test_many_metrics_are_drawn_in_part_and_listed_in_full(results):
    rising = [0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.75]
    suite = {("f", f"t{i % 3}", f"measure{i}"): [y + i / 1000 for y in rising] for i in range(MOST + 6)}
    suite |= {("f", f"t{i}", "measure0"): rising for i in range(3, LISTED + 5)}
    found = unmirage.meta(results(suite))
    rows = charts(found)["scores"]["concat"][0]["layer"][0]["data"]["values"]
    assert len(rows) == MOST
    text = Reader(page(found)).text
    assert f"{found.cells.height - LISTED} more are in cells.csv" in text
    assert "measure19" in text


def test_nothing_to_test_makes_a_page_all_the_same(results):
    found = unmirage.meta(results({("f", "t", "exact_match"): [0.25] * 8}))
    read = Reader(page(found))
    assert "No curve can be tested" in read.text
    assert not charts(found)
    assert not [one for one in read.all("div") if "data-chart" in one]


def test_claims_have_a_part_where_there_are_any(made, results, tmp_path):
    assert "Metrics of tasks that were claimed emergent" not in Reader(page(made)).text
    path = tmp_path / "claimed.txt"
    path.write_text("t\n")
    rising = [0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.75]
    found = unmirage.meta(results({("f", "t", "exact_match"): rising}, n=100), claimed=path)
    assert "Metrics of tasks that were claimed emergent" in Reader(page(found)).text


def test_choice_tasks_have_a_part_where_there_are_any(made, choosing, reader):
    title = "Choice tasks under other metrics, and where scale is lost"
    assert title not in reader.text
    read = Reader(page(choosing))
    assert title in read.text
    spec = charts(choosing)["choices"]
    assert read.blocks["choices-chart"] == json.loads(json.dumps(spec))
    assert len(spec["concat"]) == 2
    svg = render(spec, "svg").decode()
    assert "choice-late-curved" in svg
    assert "correlation" in svg
    for sentence in choosing.chain.says["says"]:
        assert " ".join(sentence.split()) in read.text


def test_controls_in_names_do_not_reach_the_page(results):
    rising = [0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.75]
    found = unmirage.meta(results({("f\x1b", "t\u202et", "rouge_l"): rising}))
    notes = tables.warnings_frame([tables.warning("odd", "no\x00ne")])
    text = page(replace(found, warnings=notes))
    for control in ("\x1b", "\x00", "\u202e"):
        assert control not in text
    assert "t\ufffdt" in Reader(text).text


def test_links_and_tables_can_be_followed(reader):
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(one["href"])[1:] for one in reader.all("a")} <= set(ids)
    assert len(reader.all("caption")) == len(reader.all("table"))
    assert all(one.get("scope") in ("col", "row") for one in reader.all("th"))
    assert re.search(r"meta-analysis of 36 curves", reader.text)


def test_the_same_result_gives_the_same_page(made, html):
    assert page(made) == html
