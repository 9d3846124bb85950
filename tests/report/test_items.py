"""Which items are shown as images, in which order, and with what beside them."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import numpy as np
import polars as pl

from unmirage import tables
from unmirage.images import Images, png
from unmirage.readers.base import Input
from unmirage.report import items, page
from unmirage.report.items import Shelf, shelves
from unmirage.result import Audit

FAMILY, TASK = "arith", "addition"


def pictured(audit: Audit, table: dict[str, list[float]], metric: str = "exact_match") -> Audit:
    """The audit with these scores of the metric at the scales, smallest first, and an image an item."""
    models = (
        audit.curves.filter(
            pl.col("family") == FAMILY, pl.col("task") == TASK, pl.col("metric") == "exact_match"
        )
        .sort("axis_value")["model"]
        .to_list()
    )
    rows = [
        {
            "family": FAMILY,
            "model": model,
            "task": TASK,
            "item_id": item,
            "epoch": 0,
            "metric": metric,
            "score": v,
        }
        for item, values in table.items()
        for model, v in zip(models, [*values, values[-1]], strict=True)  # the largest scale has two models
    ]
    pixels = {item: np.full((6, 8, 3), 10 * i, np.uint8) for i, item in enumerate(table)}
    verdicts = audit.verdicts.with_columns(headline=pl.lit(metric))
    curves = audit.curves.with_columns(
        metric=pl.col("metric").replace({"exact_match": metric}).alias("metric")
    )
    scores = pl.DataFrame(rows, schema=dict(tables.SCORES))
    images = Images(pixels, Input("images.npz", "images", "ab" * 32, len(pixels)))
    return replace(audit, verdicts=verdicts, curves=curves, scores=scores, images=images)


def named(found: tuple[Shelf, ...]) -> dict[str, list[str]]:
    return {shelf.title: [one.item for one in shelf.items] for shelf in found}


def test_of_right_answers_the_easy_the_late_and_the_hard_are_shown(audit: Audit) -> None:
    late = [[0.0] * 7 + [1.0], [0.0] * 6 + [1.0, 1.0], [0.0] * 3 + [1.0] * 5, [0, 0, 0, 1, 0, 0, 1, 1.0]]
    table = {f"easy{i}": [1.0] * 8 for i in range(6)} | {f"hard{i}": [0.0] * 8 for i in range(2)}
    table |= {f"late{i}": values for i, values in enumerate(late)}
    found = shelves(pictured(audit, table), FAMILY, TASK)
    assert named(found) == {
        "Every model gets these right": ["easy0", "easy1", "easy2", "easy3"],
        # Four of seven smaller models are right on late2: not only large ones are.
        "Only large models get these right": ["late0", "late1", "late3"],
        "No model gets these right": ["hard0", "hard1"],
    }
    first = found[1].items[1]
    assert first.bars == (0, 0, 0, 0, 0, 0, 1, 1)
    assert first.says == "0 → 1"
    assert (first.width, first.height) == (8, 6)


def test_of_an_error_the_best_the_most_improved_and_the_worst_are_shown(audit: Audit) -> None:
    table = {
        "good": [0.2] * 8,
        "gains": list(np.linspace(1.0, 0.1, 8)),
        "gains-less": list(np.linspace(0.9, 0.3, 8)),
        "bad": [1.0] * 8,
        "worse": list(np.linspace(0.9, 1.2, 8)),
    }
    found = shelves(pictured(audit, table, "reconstruction_error"), FAMILY, TASK)
    shown = named(found)
    assert shown["Best over all models"][0] == "good"
    assert shown["These gain most from the smallest to the largest scale"] == ["gains", "gains-less"]
    assert shown["Worst over all models"][:2] == ["worse", "bad"]
    gains = found[1].items[0]
    assert gains.bars[0] < gains.bars[-1] == 1
    assert gains.says == "1 → 0.1"
    low = next(one for shelf in found for one in shelf.items if one.item == "worse")
    assert low.bars[-1] == 0


def test_items_without_an_image_or_a_score_are_left_out(audit: Audit) -> None:
    some = pictured(audit, {"a": [0.0] * 8, "b": [0.0] * 8, "c": [0.0] * 8})
    assert some.images is not None
    kept = replace(some.images, pictures={k: v for k, v in some.images.pictures.items() if k != "a"})
    scores = some.scores.filter((pl.col("item_id") != "b") | (pl.col("model") != "m3"))
    assert named(shelves(replace(some, images=kept, scores=scores), FAMILY, TASK)) == {
        "No model gets these right": ["c"]
    }
    nothing = replace(some, images=replace(kept, pictures={"z": np.zeros((2, 2), np.uint8)}))
    assert shelves(nothing, FAMILY, TASK) == ()
    assert shelves(audit, FAMILY, TASK) == ()


def test_the_page_holds_the_images_and_nothing_where_there_are_none(audit: Audit) -> None:
    with_images = pictured(audit, {'<i>"x"': [0.0] * 7 + [1.0]})
    html = page.page(with_images)
    sources = re.findall(r'<img src="([^"]*)" width="8" height="6" alt="([^"]*)">', html)
    assert len(sources) == 1
    data, alt = sources[0]
    assert with_images.images is not None
    assert base64.b64decode(data.removeprefix("data:image/png;base64,")) == png(
        with_images.images.pictures['<i>"x"']
    )
    assert alt == "Item &lt;i&gt;&#34;x&#34;"
    assert "img-src data: blob:" in html
    assert page.page(with_images) == html
    plain = page.page(audit)
    assert "data:image/png" not in plain.split("</main>")[0]
    assert 'class="shelves"' not in plain


def test_a_strip_shows_every_scale() -> None:
    bars = items.strip([0.0, 0.5, 1.0])
    assert [place for place, _, _ in bars] == [0, 1, 2]
    assert [height for _, _, height in bars] == [1, items.BAR / 2, items.BAR]
    assert all(top + height == items.BAR for _, top, height in bars)
