"""The page of a meta-analysis in a real browser: charts are drawn, nothing foreign runs, phones show it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from unmirage.meta.charts import charts
from unmirage.meta.page import page

DRAWN = '<div class="chart vega-embed drawn"'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not opened"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--hide-scrollbars", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom"),
)


def opened(path, *flags, until):
    """The document after its scripts ran, and what the browser logged; again where its clock was too fast."""
    dom = console = ""
    for attempt in range(3):
        done = subprocess.run(
            [
                CHROMIUM,
                *FLAGS,
                f"--user-data-dir={path.parent / f'profile-{attempt}'}",
                *flags,
                path.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        dom, console = done.stdout, "\n".join(ln for ln in done.stderr.splitlines() if ":CONSOLE" in ln)
        if until in dom:
            break
    return dom, console


@pytest.fixture(scope="module")
def html(made):
    return page(made)


def test_charts_are_drawn_and_hostile_names_and_scripts_do_nothing(made, html, tmp_path):
    bad = '<script>document.title = "taken"</script><img src="x" onerror="document.title=\'taken\'">'
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    dom, console = opened(tmp_path / "report.html", until=DRAWN)
    assert console == ""
    drawn = re.findall(r'<div class="chart vega-embed drawn" [^>]*>(?:<svg [^>]*"marks")', dom)
    assert len(drawn) == len(charts(made)) == 4
    assert "var(--headline)" in dom  # the page's own colours
    (tmp_path / "report.html").write_text(html.replace("</main>", bad + "</main>"), encoding="utf-8")
    dom, console = opened(tmp_path / "report.html", until=DRAWN)
    assert "<title>unmirage: meta-analysis of 36 curves</title>" in dom
    assert "Content Security Policy" in console


@pytest.mark.parametrize("width", [390, 1000])
def test_no_page_is_wider_than_its_window(html, tmp_path, width):
    body, scripts = html.split("</main>")  # a script that is changed does not run any more
    unfolded = body.replace("<details>", "<details open>") + "</main>" + scripts
    (tmp_path / "report.html").write_text(unfolded, encoding="utf-8")
    # A headless window cannot be as narrow as a phone; a frame can.
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:9000px"></iframe>'
        """<p id="r"></p><script>const look = () => {
        const inside = document.getElementById("f").contentDocument;
        const root = inside.documentElement;
        const drawn = [...inside.querySelectorAll(".drawn svg.marks")];
        const charts = drawn.map((one) => one.getBoundingClientRect());
        if (charts.length < 4) return setTimeout(look, 50);
        document.getElementById("r").textContent = JSON.stringify({
          wide: root.scrollWidth, window: root.clientWidth,
          right: Math.max(...charts.map((one) => one.right)),
        });
        }; look();</script>""",
        encoding="utf-8",
    )
    flags = ("--allow-file-access-from-files", "--window-size=1200,9000")
    dom, _ = opened(tmp_path / "frame.html", *flags, until='<p id="r">{')
    found = re.search(r'<p id="r">(.+?)</p>', dom)
    assert found, "not all charts were drawn"
    size = json.loads(found[1])
    assert size["window"] > width - 30
    assert size["wide"] <= size["window"]
    assert size["right"] <= size["window"]
