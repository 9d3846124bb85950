"""Figure 11: LeNets on MNIST, by accuracy and by the share of groups of K images that are all right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.counts import size_label
from unmirage.metrics import metric, score
from unmirage.paper import published, vision
from unmirage.paper.drawing import Panel, grid, points
from unmirage.paper.figure import Figure, numbers
from unmirage.result import Progress, silent

Floats = npt.NDArray[np.float64]

ACCURACY = "multiple_choice_grade"
COMPANION = "choice_logprob"
ALL_RIGHT = "all_right"  # of a group
GROUP_SIZES = (6, 8, 10)
GROUPS = 5_000  # drawn for each model, as many as the paper's multiples of 1/5000 speak of
SERIES = (vision.CLAIMED, "accuracy", *(f"K = {k}" for k in GROUP_SIZES))
UNIT = (-0.03, 1.03)


def all_of(k: int) -> str:
    """The name of subset accuracy."""
    return f"all_of({ACCURACY},{k})"


def fig11(responses: pl.DataFrame, seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure.

    Parameters: responses of kind choice, in the schema `tables.RESPONSES`; seed of resampling and of the
    groups.
    """
    from unmirage.audit import audit

    rows = vision.of_kind(responses, "choice", "--lenet")
    task = str(rows["task"][0])
    rows = rows.filter(pl.col("task") == task)
    result = audit(
        rows, headline=ACCURACY, metrics=[all_of(k) for k in GROUP_SIZES], seed=seed, progress=progress
    )
    rows = result.responses
    single = vision.curve(result.curves, task, ACCURACY)
    made = {k: vision.curve(result.curves, task, all_of(k)) for k in GROUP_SIZES}
    drawn = _drawn(rows, single, seed)
    paper = _paper()
    grouped = audit(
        pl.concat([groups(rows, k, seed) for k in GROUP_SIZES]),
        headline=ALL_RIGHT,
        companion=COMPANION,
        metrics=[],
        seed=seed,
        progress=progress,
    )
    chart = _chart(single, made, drawn, paper)
    shown = [
        *vision.claimed_rows(11, "grounded mappings"),
        *vision.number_rows(single, "accuracy", "B: accuracy", "K = 1", paper[1]),
    ]
    for k in GROUP_SIZES:
        shown += vision.number_rows(made[k], "exact expectation", "C: subset accuracy", f"K = {k}", paper[k])
        shown += vision.number_rows(
            drawn[k], f"{GROUPS:,} groups", "D: subset accuracy, drawn", f"K = {k}", paper[k]
        )
    says = [
        f"Accuracy by size (the paper's in brackets): {vision.beside(single, paper[1])}.",
        *(
            f"All of {k} right (the paper's in brackets): {vision.beside(made[k], paper[k])}."
            for k in GROUP_SIZES
        ),
        _drawn_words(made, drawn),
        _look(single, made[GROUP_SIZES[-1]], paper),
        vision.verdict_words(vision.verdict_of(result.verdicts, task), f"the accuracy on {task}", made=False),
        *(
            vision.verdict_words(
                vision.verdict_of(grouped.verdicts, _task(task, k)),
                f"all of {k} right, on {rows['item_id'].n_unique() // k:,} groups without a common image",
            )
            for k in GROUP_SIZES
        ),
    ]
    return Figure(
        "fig11",
        "LeNets on MNIST, by accuracy and by groups that are all right",
        {"fig11": chart},
        numbers(shown),
        tuple(says),
        (
            "The paper draws subset accuracy at four of its fourteen sizes; panel C has all sizes.",
            "Subset accuracy has no score an image. So that it can be judged, the images are cut into groups "
            "of K at random, each an item whose score is 1 where all are right, beside the mean "
            "log-probability of the right label.",
            "The paper prints neither layers nor training: the sizes are its own, what else is alike is not "
            "known.",
            *_notes(result.warnings),
        ),
    )


def groups(responses: pl.DataFrame, k: int, seed: int = 0) -> pl.DataFrame:
    """Groups of k images as items: whether all are right, and their mean log-probability of the right label.

    Parameters: responses of kind choice, every model on the same items, one row an item.
    Returns what :func:`unmirage.mirages.groups.groups_table` does, task "TASK, all of K".
    """
    from unmirage.mirages.groups import groups_table

    scores = score(responses, [ACCURACY, COMPANION]).scores
    rng = np.random.default_rng([seed, k])
    made = groups_table(responses, scores, ACCURACY, ALL_RIGHT, COMPANION, k, rng)
    return made.with_columns(task=pl.lit(_task(str(responses["task"][0]), k)))


def _task(task: str, k: int) -> str:
    return f"{task}, all of {k}"


def _paper() -> dict[int, dict[float, float]]:
    """Group size -> n_params -> the paper's value."""
    found: dict[int, dict[float, float]] = {}
    for k, size, value in published.lenet().iter_rows():
        found.setdefault(int(k), {})[size] = value
    return found


def _drawn(rows: pl.DataFrame, single: pl.DataFrame, seed: int) -> dict[int, pl.DataFrame]:
    """K -> the share of groups that are all right, fresh groups a model, in the columns of `vision.curve`."""
    right = rows.with_columns(right=pl.Series(metric(ACCURACY).components(rows)[:, 0] == 1.0))
    wide = right.group_by("model").agg(pl.col("right").sort_by("item_id"))
    scores = np.array(single.select("model").join(wide, on="model", maintain_order="left")["right"].to_list())
    rng = np.random.default_rng(seed)
    found = {}
    for k in GROUP_SIZES:
        shares = statistics.drawn_groups(scores, k, GROUPS, rng)
        low, high = statistics.clopper_pearson(np.rint(shares * GROUPS), GROUPS)
        found[k] = single.select(
            "model",
            "n_params",
            n=pl.lit(GROUPS, dtype=pl.Int64),
            value=pl.Series(shares),
            low=pl.Series(low),
            high=pl.Series(high),
        )
    return found


def _chart(
    single: pl.DataFrame,
    made: dict[int, pl.DataFrame],
    drawn: dict[int, pl.DataFrame],
    paper: dict[int, dict[float, float]],
) -> dict[str, Any]:
    domain = vision.range_of(single, *paper[1])
    few = [size for size in paper[GROUP_SIZES[0]] if size in set(single["n_params"])]
    exact, sparse = [], []
    for k in GROUP_SIZES:
        name = f"K = {k}"
        theirs = list(paper[k].items())
        exact += [*vision.layers(made[k], name), points(_dots(theirs, name), **_SQUARE)]
        sparse += [
            *vision.layers(drawn[k].filter(pl.col("n_params").is_in(few)), name),
            *vision.squares(theirs, name),
        ]
    accuracy = [*vision.layers(single, "accuracy"), *vision.squares(list(paper[1].items()), "accuracy")]
    panels = [
        vision.claimed_panel(11, "Claimed: grounded mappings", "accuracy", UNIT),
        Panel(("B. LeNets: accuracy",), accuracy, "accuracy", domain, UNIT),
        Panel(("C. All of K right, expected",), exact, "subset accuracy", domain, UNIT),
        Panel(("D. The paper's four sizes, drawn",), sparse, "subset accuracy", domain, UNIT),
    ]
    return grid(
        panels,
        columns=4,
        title="Figure 11. The same LeNets by accuracy, and by K images that must all be right",
        subtitle=(
            f"Lines: mean over seeds. Points: models, with 95% intervals. {vision.SQUARES}",
            f"C: exact expectation over groups. D: {GROUPS:,} groups drawn for each model.",
        ),
        series=SERIES,
        legend="",
        colours=vision.COLOURS,
    )


_SQUARE: dict[str, Any] = {"shape": "square", "filled": False, "size": 30}


def _dots(values: list[tuple[float, float]], series: str) -> list[dict[str, Any]]:
    return [{"x": x, "y": y, "series": series} for x, y in values]


def _drawn_words(made: dict[int, pl.DataFrame], drawn: dict[int, pl.DataFrame]) -> str:
    """How far groups that were drawn are from their expectation, in standard errors of the drawing."""
    away = []
    for k in GROUP_SIZES:
        p = made[k]["value"].to_numpy()
        error = np.sqrt(np.maximum(p * (1 - p), 0) / GROUPS)
        some = error > 0
        away += list(np.abs(drawn[k]["value"].to_numpy() - p)[some] / error[some])
    if not away:
        return f"{GROUPS:,} drawn groups show what is expected in every model."
    return (
        f"{GROUPS:,} drawn groups a model show the exact expectation up to chance: of {len(away)} shares "
        f"{sum(z <= 2 for z in away) / len(away):.0%} lie within two standard errors of it, the farthest at "
        f"{max(away):.1f}."
    )


def _look(single: pl.DataFrame, made: pl.DataFrame, paper: dict[int, dict[float, float]]) -> str:
    """How sharp the family looks by accuracy, by the largest groups, and by those at few sizes."""
    k = GROUP_SIZES[-1]
    words = (
        f"Accuracy {vision.shape_words(vision.shape_of(single))}; all of {k} right "
        f"{vision.shape_words(vision.shape_of(made))}"
    )
    few = vision.by_size(made.filter(pl.col("n_params").is_in(list(paper[k]))))
    if few.height < 3:
        return f"{words}."
    share = vision.last_step(few["value"].to_list())
    sizes = ", ".join(size_label(size) for size in few["n_params"])
    return f"{words}; drawn at {sizes} alone, as in the paper, its last step makes {share:.0%} of the range."


def _notes(warnings: pl.DataFrame) -> list[str]:
    return [str(message) for message in warnings["message"]]
