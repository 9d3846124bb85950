"""The third part of figure 6: transliteration to IPA by exact match, which is zero, and by BLEU."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from unmirage import statistics
from unmirage.counts import size_label
from unmirage.paper.drawing import Panel, bars, grid, line, points
from unmirage.paper.fig6_items import COLOURS, Part, round_range
from unmirage.paper.vision import last_step
from unmirage.predictions.choice_swap import score_text
from unmirage.verdict.sharpness import emergence_score

TASK = "ipa_transliterate|phonetic_alphabet_transliterate"
EXACT = ("exact_match", "exact_str_match")
BLEU = "bleu"
FEWEST = 3  # sizes of a family
MOST_FAMILIES = 4
MOST_ITEMS = 10_000
FEWEST_VALUES, FITTING = 5, 0.9  # to infer the number of items from the values


def scores_part(scores: pl.DataFrame | None) -> Part:
    """Families whose exact match is zero at every size, beside their BLEU; else a note says what is missing.

    Parameters: scores in the schema `tables.RESULTS`, or None.
    """
    if scores is None:
        return Part(
            notes=(
                "Transliteration to IPA, where exact match is zero and BLEU is not, is not drawn: give "
                "scores of the task ipa_transliterate by exact_match and bleu with --scores PATH.",
            )
        )
    both = _both(scores)
    zero = (pl.col("exact") == 0).all()
    sizes = both.group_by("family", "task", maintain_order=True).agg(
        sizes=pl.col("n_params").n_unique(), zero=zero, grows=(pl.col("bleu") > 0).any()
    )
    flat = sizes.filter("zero", "grows", pl.col("sizes") >= FEWEST).sort(
        "sizes", "family", descending=[True, False]
    )
    if flat.is_empty():
        what = (
            f"{sizes.height} families have it by exact match and by BLEU, and none of at least {FEWEST} "
            "sizes has an exact match of zero at all of them"
            if sizes.height
            else "the scores hold no task ipa_transliterate by exact match and by BLEU"
        )
        return Part(notes=(f"Transliteration to IPA is not drawn: {what}.",))
    drawn = both.join(flat.head(MOST_FAMILIES).select("family", "task"), on=["family", "task"], how="semi")
    n, source = _items(both)
    says = [
        _words(drawn.filter(pl.col("family") == family, pl.col("task") == task), family, n, source)
        for family, task in flat.head(MOST_FAMILIES).select("family", "task").iter_rows()
    ]
    top = float(both["bleu"].max())  # type: ignore[arg-type]
    hundred = top > 1
    says.append(
        f"Of {sizes.filter(pl.col('sizes') >= FEWEST).height} families with at least {FEWEST} sizes, "
        f"{flat.height} have an exact match of zero at every size; the largest BLEU of any model is {top:.3g}"
        + (", so it is on a scale of 0 to 100." if hundred else ".")
    )
    return Part(
        {"fig6_ipa": _chart(drawn, n, "BLEU (of 100)" if hundred else "BLEU")}, _rows(drawn, n), tuple(says)
    )


def _both(scores: pl.DataFrame) -> pl.DataFrame:
    """family, task, model, n_params, exact, bleu, n: models that have both, in order of size."""
    rows = scores.filter(
        pl.col("task").str.contains(TASK), pl.col("value").is_not_null(), pl.col("n_params").is_not_null()
    )
    key = ["family", "task", "model", "n_params"]
    exact = rows.filter(pl.col("metric").is_in(list(EXACT))).select(*key, "n", exact="value")
    bleu = rows.filter(pl.col("metric") == BLEU).select(*key, bleu="value")
    joined = exact.unique(key, keep="first", maintain_order=True).join(
        bleu.unique(key, keep="first", maintain_order=True), on=key, how="inner", maintain_order="left"
    )
    return joined.filter(pl.col("bleu").is_finite() & pl.col("exact").is_finite()).sort(
        "family", "task", "n_params", "model"
    )


def _items(both: pl.DataFrame) -> tuple[int | None, str]:
    """(number of items, where it is from): the log's, else the smallest that nine in ten of the exact matches
    are multiples of one over; None where neither says."""
    known = both["n"].drop_nulls().unique().to_list()
    if known:
        return int(min(known)), f"{int(min(known)):,} items"
    values = both["exact"].filter(both["exact"] > 0).to_numpy()
    if values.size < FEWEST_VALUES:
        return None, ""
    counts = np.arange(2, MOST_ITEMS + 1)[:, None] * values
    whole = np.abs(counts - np.rint(counts)) < 1e-6 * np.maximum(counts, 1)
    fits = np.flatnonzero(whole.mean(axis=1) >= FITTING)
    if not fits.size:
        return None, ""
    n = int(fits[0]) + 2
    return n, (
        f"{n:,} items, which the table does not say but {int(whole[fits[0]].sum())} of the {values.size} "
        f"exact matches above zero in it are multiples of 1/{n}"
    )


def _bound(n: int | None) -> float | None:
    return None if n is None else float(statistics.zero_success_upper_bound(n))


def _words(rows: pl.DataFrame, family: str, n: int | None, source: str) -> str:
    bleu = rows["bleu"].to_list()
    bound = _bound(n)
    above = (
        "how many items were scored is not given, so what zero rules out is not known"
        if bound is None
        else f"with zero of {source}, the rate is below {bound:.2g} (95%, exact)"
    )
    at = rows.select("n_params", "bleu").iter_rows()
    return (
        f"{family}, {rows['task'][0]}: exact match is zero at all {rows['n_params'].n_unique()} sizes; "
        f"{above}. BLEU of the same outputs goes from {min(bleu):.2g} to {max(bleu):.2g} ("
        f"{', '.join(f'{size_label(size)} {value:.2g}' for size, value in at)}); its last step makes "
        f"{last_step(bleu):.0%} of its range, and its emergence score is {score_text(emergence_score(bleu))}."
    )


def _rows(drawn: pl.DataFrame, n: int | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in drawn.iter_rows(named=True):
        common = {
            "panel": row["task"],
            "series": row["family"],
            "model": row["model"],
            "n_params": row["n_params"],
            "n": n,
        }
        exact = {"low": 0.0, "high": _bound(n)} if n is not None else {}
        rows.append({**common, "group": "IPA, exact match", "ours": row["exact"], **exact})
        rows.append({**common, "group": "IPA, BLEU", "ours": row["bleu"]})
    return rows


def _chart(drawn: pl.DataFrame, n: int | None, bleu_title: str) -> dict[str, Any]:
    bound = _bound(n)
    sizes = drawn["n_params"]
    reach = (float(sizes.min()) / 1.25, float(sizes.max()) * 1.25)  # type: ignore[arg-type]
    dots = {
        name: [
            {"x": row["n_params"], "y": row[name], "low": 0.0, "high": bound, "series": row["family"]}
            for row in drawn.iter_rows(named=True)
        ]
        for name in ("exact", "bleu")
    }
    exact = [line(dots["exact"]), points(dots["exact"])]
    if bound is not None:
        exact.insert(0, bars(dots["exact"]))
    highest = float(drawn["bleu"].max())  # type: ignore[arg-type]
    bleu = [line(dots["bleu"]), points(dots["bleu"])]
    panels = [
        Panel(("Exact match",), exact, "exact match", reach, _from_zero(3.5 * (bound or 0.005))),
        Panel(("BLEU of the same outputs",), bleu, bleu_title, reach, _from_zero(highest)),
    ]
    families = drawn["family"].unique(maintain_order=True).to_list()
    return grid(
        panels,
        columns=2,
        title="Figure 6, transliteration to IPA: exact match and BLEU",
        subtitle=(
            "Bars: what zero right answers do not rule out (95%, exact)."
            if bound is not None
            else "How many items were scored is not known.",
        ),
        series=families,
        legend="",
        colours=COLOURS,
        width=300,
    )


def _from_zero(top: float) -> tuple[float, float]:
    """From a little below 0 to a round number."""
    high = round_range([0.0, top])[1]
    return -high / 20, high
