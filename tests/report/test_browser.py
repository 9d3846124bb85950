"""The page in a real browser: charts are drawn, nothing is fetched, nothing foreign runs, phones show it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage import tables
from unmirage.images import Images
from unmirage.readers.base import Input
from unmirage.report import page
from unmirage.result import Audit

DRAWN = '<div class="chart vega-embed drawn"'
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: the page is not opened"),
]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
    "--dump-dom",
)


def opened(path: Path, *flags: str, until: str) -> tuple[str, str]:
    """The document after its scripts ran, and what the browser logged.

    The browser's clock does not wait for a busy machine and can end before the scripts began; then the
    document lacks `until`, and the page is opened again, three times at most.
    """
    assert CHROMIUM is not None
    dom = console = ""
    for attempt in range(3):
        profile = path.parent / f"profile-{attempt}"
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, path.as_uri()],
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
def html(audit: Audit) -> str:
    return page.page(audit)


@pytest.fixture(scope="module")
def with_images(audit: Audit) -> str:
    """A page whose first task has two kinds of items, of six and of two, with images of 28 by 14 pixels."""
    models = audit.curves.filter(pl.col("family") == "arith", pl.col("task") == "addition")["model"].unique()
    rows = [
        {"family": "arith", "model": model, "task": "addition", "item_id": str(i), "epoch": 0}
        | {"metric": "exact_match", "score": float(i < 6)}
        for i in range(8)
        for model in models
    ]
    pixels = {str(i): np.full((14, 28), 30 * i, np.uint8) for i in range(8)}
    images = Images(pixels, Input("images.npz", "images", "ab" * 32, 8))
    return page.page(replace(audit, scores=pl.DataFrame(rows, schema=dict(tables.SCORES)), images=images))


def test_charts_are_drawn_and_nothing_is_fetched(audit: Audit, html: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    log = tmp_path / "net.json"
    dom, console = opened(tmp_path / "report.html", f"--log-net-log={log}", until=DRAWN)
    assert console == ""
    for word in audit.verdicts["verdict"]:
        assert re.search(rf'<span class="badge \w+">{word}</span>', dom)
    drawn = re.findall(
        r'<div class="chart vega-embed drawn" [^>]*aria-label="([^"]*)"[^>]*><svg [^>]*"marks"', dom
    )
    assert len(drawn) == audit.verdicts.height
    assert drawn[0].endswith("of arith on addition against Parameters. Verdict: metric-artifact.")
    # The colours are the page's own variables, so that they follow the reader's colour scheme.
    assert "var(--headline)" in dom
    # The browser asks its maker's servers for updates whatever it opens; the page names no such host.
    hosts = {urlsplit(url).hostname or "" for url in re.findall(r'"url":"(https?:[^"]*)"', log.read_text())}
    assert json.loads(log.read_text())["events"]
    assert not {host for host in hosts if not host.endswith((".google.com", ".googleapis.com", ".gvt1.com"))}
    assert not re.search(r"\.(google|googleapis|gvt1)\.com", html)


def test_an_injected_script_does_not_run(html: str, tmp_path: Path) -> None:
    bad = '<script>document.title = "taken"</script><img src="x" onerror="document.title=\'taken\'">'
    (tmp_path / "report.html").write_text(html.replace("</main>", bad + "</main>"), encoding="utf-8")
    dom, console = opened(tmp_path / "report.html", until=DRAWN)
    assert "<title>unmirage: 6 verdicts</title>" in dom
    assert "Content Security Policy" in console


def test_nothing_of_a_log_runs(tmp_path: Path) -> None:
    bad = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"
    rows = [
        {
            "family": f"f{bad}",
            "model": f"m{k}{bad}",
            "n_params": 10.0**k,
            "task": f"{task}{bad}",
            "item_id": f"i{i}{bad}",
            "target": "x",
            "output": "x" if i < 5 * k else bad,
            "cluster": f"{i}{bad}",
        }
        for task in ("t", "u")
        for k in range(2, 8)
        for i in range(30)
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, made in (("audit", unmirage.audit(log)), ("meta", unmirage.meta(log))):
        shown = made.save(tmp_path / name)
        assert "document.title" in shown.read_text()  # it is there, as text
        dom, _ = opened(shown, until=DRAWN)
        assert DRAWN in dom
        assert re.search("<title>unmirage", dom)
        assert "<img src" not in dom.split("</main>")[0]


@pytest.mark.parametrize("width", [390, 1000])
def test_no_page_is_wider_than_its_window(html: str, tmp_path: Path, width: int) -> None:
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
        if (charts.length < 1) return setTimeout(look, 50);
        document.getElementById("r").textContent = JSON.stringify({
          wide: root.scrollWidth, window: root.clientWidth,
          right: Math.max(...charts.map((one) => one.right)),
          tall: Math.max(...charts.map((one) => one.height)),
        });
        }; look();</script>""",
        encoding="utf-8",
    )
    flags = ("--allow-file-access-from-files", "--window-size=1200,9000")
    dom, _ = opened(tmp_path / "frame.html", *flags, until='<p id="r">{')
    found = re.search(r'<p id="r">(.+?)</p>', dom)
    assert found, "no chart was drawn"
    size = json.loads(found[1])
    assert size["window"] > width - 30
    assert size["wide"] <= size["window"]
    assert size["right"] <= size["window"]
    # One panel a row on a phone, all three beside each other on a wide page.
    assert (size["tall"] > 700) == (width == 390)


@pytest.mark.parametrize("width", [390, 1200])
def test_images_of_items_are_shown_at_their_proportions(with_images: str, tmp_path: Path, width: int) -> None:
    (tmp_path / "report.html").write_text(with_images, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:9000px"></iframe>'
        """<p id="r"></p><script>const look = () => {
        const inside = document.getElementById("f").contentDocument;
        const all = [...inside.querySelectorAll(".items img")];
        if (!inside.querySelector(".drawn svg.marks") || !all.length || !all.every((one) => one.complete))
          return setTimeout(look, 50);
        const box = (one) => {
          const b = one.getBoundingClientRect();
          return [b.left, b.top, b.width, b.height];
        };
        document.getElementById("r").textContent = JSON.stringify({
          natural: all.map((one) => [one.naturalWidth, one.naturalHeight]),
          boxes: all.map(box),
          strips: [...inside.querySelectorAll(".items .strip")].map(box),
          shelves: [...inside.querySelectorAll(".shelf")].map(box),
          window: inside.documentElement.clientWidth,
          wide: inside.documentElement.scrollWidth,
        });
        }; look();</script>""",
        encoding="utf-8",
    )
    flags = ("--allow-file-access-from-files", "--window-size=1300,9000")
    dom, console = opened(tmp_path / "frame.html", *flags, until='<p id="r">{')
    assert "Content Security Policy" not in console
    found = re.search(r'<p id="r">(.+?)</p>', dom)
    assert found, "no image was shown"
    size = json.loads(found[1])
    assert size["natural"] == [[28, 14]] * 6
    assert size["wide"] <= size["window"]
    for left, _, wide, tall in size["boxes"]:
        assert 50 < wide <= 97
        assert (wide - 2) / (tall - 2) == pytest.approx(2, rel=0.05)  # without the border
        assert left + wide <= size["window"]
    assert all(tall == 20 and wide <= 96 for _, _, wide, tall in size["strips"])
    first, second = size["shelves"]
    # Beside each other on a wide page, below each other on a phone.
    assert (first[1] == second[1]) == (width == 1200)
