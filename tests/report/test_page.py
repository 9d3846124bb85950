"""The page as text: what it says, that names from logs are only text, and that nothing points outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from unmirage import tables
from unmirage.report import charts, page, words
from unmirage.result import Audit

HOSTILE_TASK = "</script><b>&"
HOSTILE_MODEL = "say \"8\" 'b'"
Cells = list[tuple[str, str, str, str]]


class Reader(HTMLParser):
    """Collects every element with its attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._raw = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif not self._raw:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html(audit: Audit) -> str:
    return page.page(audit)


@pytest.fixture(scope="module")
def reader(html: str) -> Reader:
    return Reader(html)


def test_verdicts_reasons_and_remedies_are_said(audit: Audit, reader: Reader) -> None:
    for word, meaning in words.MEANINGS.items():
        assert word in reader.text
        assert meaning in reader.text
    for reason in audit.verdicts["reasons"].explode():
        assert reason in reader.text
    assert reader.text.count("4,605 items would resolve the 10K model") == audit.verdicts.height


def test_predictions_are_said_and_the_untestable_ones_folded(audit: Audit, reader: Reader) -> None:
    assert "small models are above zero" in reader.text
    assert "it is confirmed & <so>" in reader.text
    told = reader.text.index("it is confirmed & <so>")
    assert (
        told
        < reader.text.index("Predictions that these data cannot test")
        < reader.text.index("it is not testable & <so>")
    )
    without = Reader(page.page(replace(audit, predictions=tables.empty(tables.PREDICTIONS))))
    assert "What the paper predicts" not in without.text


def test_what_was_read_is_said(reader: Reader) -> None:
    assert "1 file, 2 families, 18 models, 3 tasks, 9 items, 162 responses." in reader.text
    assert "Curves are drawn against: Parameters." in reader.text
    assert "Checkpoint that stands for a run on a size axis: last." in reader.text
    assert "the last checkpoint of m1 is used" in reader.text
    assert 'logs/<run> "1".jsonl table 162 abababababab' in reader.text


def test_the_numbers_behind_a_chart_are_in_its_tables(reader: Reader) -> None:
    assert "exact_match m4 21.9M 100 0.5 0.398 to 0.602 clopper-pearson 0 0.03" in reader.text
    assert (
        "target_logprob m4 21.9M 100 – – bootstrap over items – – log-probabilities are missing"
        in reader.text
    )
    assert "m0 10K 100 0 0 1 0.03 no 4,605" in reader.text
    assert "p of a break 2.18e-4" in reader.text
    assert "exact_match m0 say \"8\" 'b' 0.48 0.38 – <1e-4 <1e-4" in reader.text


def test_warnings_skipped_metrics_and_recorded_scores_are_listed(reader: Reader) -> None:
    assert "duplicate-rows 3 rows repeat an earlier row run.jsonl 3" in reader.text
    assert "gaps bleu needs the extra text" in reader.text
    assert "arith addition exact_match acc 900 900 0" in reader.text
    assert "confidence 0.95" in reader.text
    assert f"chance {HOSTILE_TASK}: 0.25" in reader.text


def test_what_is_not_there_is_said(audit: Audit) -> None:
    bare = replace(
        audit,
        verdicts=tables.empty(tables.VERDICTS),
        warnings=tables.empty(tables.WARNINGS),
        responses=tables.empty(tables.RESPONSES),
        recorded=pl.DataFrame(),
        skipped=pl.DataFrame(),
        inputs=(),
    )
    text = Reader(page.page(bare)).text
    assert "There is no verdict: no task has a curve." in text
    assert "No warning: every row of the source was used as it is." in text
    assert "The source records no score of its own" in text
    assert "0 files, 2 families, 18 models, 3 tasks." in text


def test_a_task_without_points_says_so(audit: Audit) -> None:
    void = audit.curves.with_columns(mean=pl.lit(None, pl.Float64))
    read = Reader(page.page(replace(audit, curves=void)))
    assert read.text.count("No curve has a point to draw; the table says why.") == audit.verdicts.height
    assert not [one for one in read.all("div") if "data-chart" in one]


def test_every_row_of_the_summary_links_to_its_section(audit: Audit, reader: Reader) -> None:
    anchors = [one["id"] for one in reader.all("section") if one.get("class") == "task"]
    assert len(anchors) == audit.verdicts.height
    links = [one["href"] for one in reader.all("a")]
    assert [link for link in links if link and link.startswith("#task-")] == [f"#{name}" for name in anchors]
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(link)[1:] for link in links} <= set(ids)


def test_hostile_names_are_text_only(html: str, reader: Reader) -> None:
    assert HOSTILE_TASK in reader.text
    assert "=HYPERLINK(1)" in reader.text
    assert not reader.all("b")
    # Two scripts that run, one block a chart, and the charts' config.
    assert len(reader.all("script")) == 2 + 6 + 1
    assert html.count("</script>") == 2 + 6 + 1
    assert "<!--" not in html


def test_charts_are_the_definitions_of_the_files(audit: Audit, reader: Reader) -> None:
    blocks = {
        one["id"]: json.loads(data) for one, data in reader.scripts if one.get("type") == "application/json"
    }
    rows = audit.verdicts.select("family", "task").iter_rows()
    for number, (family, task) in enumerate(rows, start=1):
        assert blocks[f"task-{number}-chart"] == charts.task_chart(audit, family, task)
    boxes = [one for one in reader.all("div") if "data-chart" in one]
    assert [one["data-chart"] for one in boxes] == [f"task-{n}-chart" for n in range(1, 7)]
    assert all(one["aria-label"] for one in boxes)


def test_the_policy_forbids_the_network_and_every_script_but_ours(reader: Reader) -> None:
    (policy,) = [
        one["content"] for one in reader.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    run = [data for one, data in reader.scripts if "type" not in one]
    hashes = ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() + "'" for s in run]
    assert len(hashes) == 2
    assert rules == {
        "default-src": "'none'",
        "script-src": " ".join(hashes),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_points_outside(html: str, reader: Reader) -> None:
    for tag, attributes in reader.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "ping", "background"):
            value = attributes.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
        assert tag not in ("link", "iframe", "object", "embed", "img", "base", "form")
    for style in re.findall(r"<style>(.*?)</style>", html, re.DOTALL):
        assert "url(" not in style
        assert "@import" not in style


def test_tables_can_be_read_aloud(reader: Reader) -> None:
    assert len(reader.all("caption")) == len(reader.all("table"))
    assert all(one.get("scope") in ("col", "row") for one in reader.all("th"))
    assert len(reader.all("main")) == len(reader.all("h1")) == 1
    scrolling = [one for one in reader.all("div") if one.get("class") == "scroll"]
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolling)


def test_one_verdict_and_controls_in_names(audit_of: Callable[[Cells], Audit]) -> None:
    text = page.page(audit_of([("f\x1b", "t\u202et", "smooth", "no\x00ne")]))
    assert "<title>unmirage: 1 verdict</title>" in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "t\ufffdt" in Reader(text).text


def test_the_same_audit_gives_the_same_page(audit: Audit, html: str) -> None:
    assert page.page(audit) == html
