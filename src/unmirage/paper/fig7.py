"""Figure 7: shallow autoencoders, by the error of their reconstructions and by how many are good enough."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from unmirage.errors import SourceError
from unmirage.metrics import recorded_metrics
from unmirage.metrics.combinators import plain
from unmirage.paper import published, vision
from unmirage.paper.drawing import Panel, grid, line
from unmirage.paper.figure import Figure, numbers
from unmirage.result import Progress, silent

ERROR = "reconstruction_error"
CUTS = (0.003, 0.004)  # the paper's
TEST, LINEAR, CHOSEN = "test error", "linear reference (PCA)", "c chosen by the search"
SERIES = (vision.CLAIMED, TEST, *(f"c = {plain(c)}" for c in CUTS), CHOSEN, LINEAR)
UNIT = (-0.03, 1.03)
THIRDS = 3  # stretches of the sizes over which exponents are compared


def below(c: float) -> str:
    """The name of Reconstruction_c."""
    return f"threshold({ERROR},{plain(c)})"


def fig7(responses: pl.DataFrame, seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure.

    Parameters: responses of kind score that record `reconstruction_error`, in the schema `tables.RESPONSES`;
    rows of a family "pca" are drawn as a reference and not judged.
    """
    from unmirage.audit import audit
    from unmirage.mirages.induce import induce

    rows = vision.of_kind(responses, "score", "--autoencoder")
    task = str(rows["task"][0])
    rows = rows.filter(pl.col("task") == task)
    if ERROR not in recorded_metrics(rows):
        raise SourceError(f"no response records {ERROR}", where="--autoencoder")
    audits = [
        audit(
            rows,
            headline=below(c),
            companion=ERROR,
            metrics=[],
            seed=seed,
            chance={"*": 0.0},
            progress=progress,
        )
        for c in CUTS
    ]
    error = vision.curve(audits[0].curves, task, ERROR)
    made = {c: vision.curve(one.curves, task, below(c)) for c, one in zip(CUTS, audits, strict=True)}
    verdicts = [
        (f"Reconstruction_{plain(c)}", vision.verdict_of(one.verdicts, task))
        for c, one in zip(CUTS, audits, strict=True)
    ]
    found = induce(rows, metric=ERROR, task=task, seed=seed, progress=progress)
    mirage = next((one for one in found.mirages if one.k is None), None)
    chosen = None
    if mirage is not None:
        chosen = vision.renamed(found.curves.filter(pl.col("metric") == mirage.metric))
        verdicts.append((f"Reconstruction_{plain(mirage.cut or 0.0)} (chosen)", mirage.verdict))
    linear = _linear(responses.filter(pl.col("family") == "pca", pl.col("task") == task))
    paper = _paper()
    shown = [
        *vision.claimed_rows(7, "periodic elements"),
        *vision.number_rows(error, TEST, "B: mean square a pixel", TEST, paper[None]),
    ]
    for c in CUTS:
        shown += vision.number_rows(
            made[c], "reconstruction", "C: images below c", f"c = {plain(c)}", paper[c]
        )
    says = [*_error_words(error, paper[None], linear)]
    says += [_made_words(c, made[c], paper[c]) for c in CUTS]
    if chosen is not None and mirage is not None:
        name = f"c = {plain(mirage.cut or 0.0)}"
        shown += vision.number_rows(chosen, "reconstruction, chosen c", "D: images below c", name)
        says.append(
            f"Of the thresholds that the search tries, {name} makes the sharpest curve that one would draw: "
            f"it {vision.shape_words(vision.shape_of(chosen))}; its last step makes "
            f"{vision.last_step(vision.by_size(chosen)['value'].to_list()):.0%} of the range. The test error "
            f"itself {vision.shape_words(vision.shape_of(error, higher_is_better=False))}."
        )
    if linear is not None:
        shown += [
            {"group": LINEAR, "panel": "B: mean square a pixel", "series": LINEAR, "model": m}
            | {"n_params": size, "n": n, "ours": value}
            for m, size, n, value in linear.select("model", "n_params", "n", "value").rows()
        ]
    says += [vision.verdict_words(row, what) for what, row in verdicts]
    count = rows["item_id"].n_unique()
    return Figure(
        "fig7",
        "Autoencoders by test error and by reconstructions that are good enough",
        {"fig7": _chart(error, made, chosen, linear, paper)},
        numbers(shown),
        tuple(says),
        (
            f"The paper's images are those of CIFAR-100, here {count:,} of the task {task}: compare the "
            "shape and the exponents, not the level.",
            "The paper writes the square of a norm; its numbers fit the mean over pixels, used here.",
            "The paper's shares are not to be read at smaller widths, where they are below 0.001.",
            *(() if linear is not None else ("There is no linear reference (family pca) to draw.",)),
            *(str(message) for message in audits[0].warnings["message"]),
        ),
    )


Paper = dict[float | None, dict[float, float]]


def _paper() -> Paper:
    """Threshold (None for the test error) -> n_params -> the paper's value."""
    found: Paper = {}
    for c, size, value in published.autoencoder().select("c", "n_params", "value").rows():
        found.setdefault(c, {})[size] = value
    return found


def _linear(rows: pl.DataFrame) -> pl.DataFrame | None:
    """The mean error of each width of the linear reference, in the columns of `vision.curve`."""
    metric = recorded_metrics(rows).get(ERROR)
    if metric is None:
        return None
    none = pl.lit(None, dtype=pl.Float64)
    return (
        rows.with_columns(value=pl.Series(metric.components(rows)[:, 0]))
        .group_by("model", "n_params")
        .agg(n=pl.len().cast(pl.Int64), value=pl.col("value").mean())
        .sort("n_params", "model")
        .with_columns(low=none, high=none)
    )


def _chart(
    error: pl.DataFrame,
    made: Mapping[float, pl.DataFrame],
    chosen: pl.DataFrame | None,
    linear: pl.DataFrame | None,
    paper: Paper,
) -> dict[str, Any]:
    theirs = paper[None]
    domain = vision.range_of(error, *theirs)
    least = min([*theirs.values(), *error["value"].to_list()]) / 1.6
    most = max([*theirs.values(), *error["value"].to_list()]) * 1.3
    smooth = [*vision.layers(error, TEST, least=least), *vision.squares(list(theirs.items()), TEST)]
    if linear is not None:
        smooth.append(
            line(
                [{"x": x, "y": y, "series": LINEAR} for x, y in linear.select("n_params", "value").rows()],
                faint=True,
            )
        )
    sharp = []
    for c in CUTS:
        name = f"c = {plain(c)}"
        sharp += [*vision.layers(made[c], name), *vision.squares(list(paper[c].items()), name)]
    panels = [
        vision.claimed_panel(7, "Claimed: periodic elements", "normalised score", (-1.0, 26.5)),
        Panel(("B. Autoencoders: test error",), smooth, "mean square a pixel", domain, (least, most), True),
        Panel(("C. Images with an error below c",), sharp, "share of images", domain, UNIT),
    ]
    if chosen is not None:
        panels.append(
            Panel(
                ("D. The same, c chosen by the search",),
                vision.layers(chosen, CHOSEN),
                "share of images",
                domain,
                UNIT,
            )
        )
    return grid(
        panels,
        columns=len(panels),
        title="Figure 7. The same autoencoders by their test error, and by images that must be good enough",
        subtitle=(
            f"Lines: mean over seeds. Points: models, with 95% intervals. {vision.SQUARES}",
            "The paper's images are CIFAR-100's.",
        ),
        series=SERIES,
        legend="",
        colours=vision.COLOURS,
    )


def _error_words(error: pl.DataFrame, paper: Mapping[float, float], linear: pl.DataFrame | None) -> list[str]:
    ours = dict(vision.by_size(error).select("n_params", "value").rows())
    says = [f"Test error by size (the paper's in brackets): {vision.beside(error, paper, '.4f')}."]
    common = sorted(set(ours) & set(paper))
    if len(common) > THIRDS:
        here, there = ([values[size] for size in common] for values in (ours, paper))
        parts = [
            f"{_between(common, i, j)} {_exponent(common, here, i, j):.2f} "
            f"({_exponent(common, there, i, j):.2f})"
            for i, j in _stretches(len(common))
        ]
        ratio = np.array(here) / np.array(there)
        says.append(
            f"Exponents of the test error in the number of parameters (the paper's in brackets): "
            f"{', '.join(parts)}; the error is {ratio.min():.2f} to {ratio.max():.2f} times the paper's."
        )
    if linear is not None:
        reference = dict(vision.by_size(linear).select("n_params", "value").rows())
        shared = sorted(set(ours) & set(reference))
        if shared:
            ratio = np.array([ours[size] / reference[size] for size in shared])
            says.append(
                f"The trained networks' error is {ratio.min():.2f} to {ratio.max():.2f} times that of the "
                "linear reference of the same width (PCA of the training images, not trained)."
            )
    return says


def _stretches(count: int) -> list[tuple[int, int]]:
    """The first and last place of each third of the sizes."""
    edges = np.linspace(0, count - 1, THIRDS + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _between(sizes: list[float], i: int, j: int) -> str:
    from unmirage.counts import size_label

    return f"{size_label(sizes[i])} to {size_label(sizes[j])}"


def _exponent(sizes: list[float], values: list[float], i: int, j: int) -> float:
    """The slope of log error on log size between two places, turned over."""
    return float(-np.log(values[j] / values[i]) / np.log(sizes[j] / sizes[i]))


def _made_words(c: float, made: pl.DataFrame, paper: Mapping[float, float]) -> str:
    means = vision.by_size(made)
    shown = means.filter((pl.col("value") > 0) | pl.col("n_params").is_in(list(paper)))["n_params"].to_list()
    none = means.filter(~pl.col("n_params").is_in(shown)).height
    rest = f"; none at the {none} other sizes" if none else ""
    rows = made.filter(pl.col("n_params").is_in(shown))
    return (
        f"Images with an error below {plain(c)} (the paper's in brackets): "
        f"{vision.beside(rows, paper, '.4f')}{rest}."
    )
