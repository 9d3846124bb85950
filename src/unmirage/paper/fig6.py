"""Figure 6: tasks that jump by multiple-choice grade, under the Brier score; with the no-skill line and the
skill that the paper does not draw, and the same of a user's own items and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from unmirage import statistics
from unmirage.counts import size_label
from unmirage.paper import published
from unmirage.paper.drawing import Layer, Panel, bars, grid, level, line, points
from unmirage.paper.fig6_items import items_part
from unmirage.paper.fig6_scores import scores_part
from unmirage.paper.figure import Figure, numbers
from unmirage.predictions.choice_chain import ChoiceChain
from unmirage.predictions.choice_swap import score_text
from unmirage.verdict.curve import Curve
from unmirage.verdict.decide import looks_sharp
from unmirage.verdict.points import Point

COLOURS = ("#d9820b", "#c4452f", "#50329b", "#2b8a6e")
SHOTS = (2, 3)
READING = 0.005  # what reading the drawing costs, as `published/fig6.csv` says
RANGE = (0.8e9, 6e11)  # room for the words on the right

GOES, STAYS, NO_JUMP = "disappears", "stays", "none"


@dataclass(frozen=True)
class Honest:
    """One task of the paper at one number of shots.

    Attributes
    ----------
    grade_score, brier_score: emergence scores, of the grade and of minus the Brier score.
    outcome: `GOES`, `STAYS` or `NO_JUMP`, by the rule of the verdicts on the values that were read.
    told: whether the grade is sharp by that rule with the binomial errors of its items, too.
    worse: how much the Brier score grows in the largest step of the grade; below 0 it improves.
    positive: sizes at which the skill is above 0 by more than reading costs.
    skill: at the largest size.
    """

    task: str
    shots: int
    grade_score: float
    brier_score: float
    outcome: str
    told: bool
    worse: float
    positive: tuple[float, ...]
    skill: float


def fig6(choices: ChoiceChain | None = None, scores: pl.DataFrame | None = None) -> Figure:
    """The figure.

    Parameters
    ----------
    choices: choice tasks of the user's with items, or None: their panels are left out and said.
    scores: aggregates in the schema `tables.RESULTS`, or None: the same.
    """
    table = lamda()
    found = [honest(table, task, shots) for shots in SHOTS for task in tasks(table)]
    parts = [items_part(choices), scores_part(scores)]
    charts = {"fig6": _chart(table)}
    rows = _numbers(table)
    for part in parts:
        charts |= part.charts
        rows += part.rows
    return Figure(
        "fig6",
        "Multiple-choice tasks by grade, by Brier score, and by skill",
        charts,
        numbers(rows),
        (*_says(found), *(sentence for part in parts for sentence in part.says)),
        (
            "LaMDA cannot be queried: its numbers were read off the drawing, without the error bars. The "
            "chance lines of the grade are the paper's; the no-skill line of the Brier score, and skill, it "
            "does not draw.",
            *(sentence for part in parts for sentence in part.notes),
        ),
    )


def lamda() -> pl.DataFrame:
    """The paper's numbers with chance, uniform (Brier of a uniform forecast), skill, and low, high of the
    grade (95% Clopper-Pearson of so many items)."""
    frame = published.lamda().with_columns(
        chance=1 / pl.col("choices"), uniform=(pl.col("choices") - 1) / pl.col("choices") ** 2
    )
    frame = frame.with_columns(skill=1 - pl.col("brier") / pl.col("uniform"))
    n = frame["items"].to_numpy()
    low, high = statistics.clopper_pearson(np.rint(frame["grade"].to_numpy() * n), n)
    return frame.with_columns(low=pl.Series(low), high=pl.Series(high))


def tasks(table: pl.DataFrame) -> list[str]:
    """The paper's tasks in its order."""
    return [str(name) for name in table["task"].unique(maintain_order=True)]


def honest(table: pl.DataFrame, task: str, shots: int) -> Honest:
    """Whether a task stops being sharp under the Brier score, gets worse, and has skill."""
    rows = table.filter(pl.col("task") == task, pl.col("shots") == shots).sort("n_params")
    sizes, grade, brier = (rows[name].to_numpy() for name in ("n_params", "grade", "brier"))
    errors = np.sqrt(grade * (1 - grade) / rows["items"].to_numpy())
    unknown = np.full(grade.shape, np.nan)
    shape, sharp = looks_sharp(_curve(sizes, grade, unknown, "multiple_choice_grade", higher=True))
    _, told = looks_sharp(_curve(sizes, grade, errors, "multiple_choice_grade", higher=True))
    swapped, still = looks_sharp(_curve(sizes, brier, unknown, "brier_mean", higher=False))
    assert shape is not None
    assert swapped is not None
    jump = int(np.diff(grade).argmax())
    skill, uniform = rows["skill"].to_numpy(), rows["uniform"].to_numpy()
    return Honest(
        task,
        shots,
        shape.emergence_score,
        swapped.emergence_score,
        NO_JUMP if not sharp else STAYS if still else GOES,
        told,
        float(brier[jump + 1] - brier[jump]),
        tuple(sizes[skill > READING / uniform].tolist()),
        float(skill[-1]),
    )


def _curve(sizes: Any, means: Any, errors: Any, name: str, *, higher: bool) -> Curve:
    given = zip(sizes.tolist(), means.tolist(), errors.tolist(), strict=True)
    return Curve(
        tuple(Point(f"{s:g}", s, m, e) for s, m, e in given),
        name,
        None,
        higher_is_better=higher,
        bounded=True,
    )


def _says(found: list[Honest]) -> list[str]:
    out = []
    for shots in SHOTS:
        mine = [one for one in found if one.shots == shots]
        parts = []
        for word, words in (
            (GOES, "the sharpness of the grade disappears on"),
            (STAYS, "it stays on"),
            (NO_JUMP, "the grade is not sharp to begin with on"),
        ):
            listed = [
                f"{one.task} ({score_text(one.grade_score)} -> {score_text(one.brier_score)})"
                for one in mine
                if one.outcome == word
            ]
            if listed:
                parts.append(f"{words} {', '.join(listed)}")
        out.append(
            f"LaMDA, {shots}-shot, from the grade to the Brier score (emergence scores in brackets): "
            f"{'; '.join(parts)}."
        )
        worse = [one for one in mine if one.worse > READING]
        for one in worse:
            out.append(
                f"LaMDA, {shots}-shot: where the grade of {one.task} rises most, its Brier score gets worse, "
                f"by {one.worse:.3f}."
            )
        out.append(f"Skill against a uniform forecast, {shots}-shot: {_skill_words(mine)}.")
    looks = [one for one in found if one.outcome != NO_JUMP]
    told = [f"{one.task} ({one.shots}-shot)" for one in looks if one.told]
    few = [f"{one.task} ({one.shots}-shot)" for one in looks if not one.told]
    out.append(
        "Sharp here is the rule of the verdicts on the values that were read, which have no error. With the "
        f"binomial error of its items the grade is still sharp on {', '.join(told) or 'none of the tasks'}"
        + (f", and the items are too few to say so on {', '.join(few)}." if few else ".")
    )
    return out


def _skill_words(found: list[Honest]) -> str:
    parts = []
    for one in found:
        where = ", ".join(size_label(size) for size in one.positive)
        parts.append(
            f"{one.task} {one.skill:+.2f} at the largest size, "
            + (f"above 0 by more than reading costs at {where}" if where else "nowhere clearly above 0")
        )
    return "; ".join(parts)


def _numbers(table: pl.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for row in table.iter_rows(named=True):
        common = {"n_params": row["n_params"], "series": row["task"]}
        shots = f"{row['shots']}-shot"
        rows += [
            {**common, "group": "LaMDA, grade", "panel": shots, "paper": row["grade"]},
            {**common, "group": "LaMDA, Brier score", "panel": shots, "paper": row["brier"]},
            {**common, "group": "LaMDA, Brier skill", "panel": shots, "ours": row["skill"]},
        ]
    for task, shots in table.select("task", "shots").unique(maintain_order=True).iter_rows():
        one = honest(table, task, shots)
        for name, value in (("grade", one.grade_score), ("minus Brier score", one.brier_score)):
            rows.append(
                {
                    "group": "LaMDA, emergence score",
                    "panel": f"{shots}-shot, {name}",
                    "series": task,
                    "ours": value,
                }
            )
    return rows


def _chart(table: pl.DataFrame) -> dict[str, Any]:
    panels = []
    for shots in SHOTS:
        mine = table.filter(pl.col("shots") == shots)
        ks = mine["choices"].unique().sort().to_list()
        chance = _grounds({k: 1 / k for k in ks})
        uniform = _grounds({k: (k - 1) / k**2 for k in ks})
        panels += [
            Panel(
                (f"{shots}-shot: multiple-choice grade",),
                [*chance, *_layers(mine, "grade", interval=True)],
                "grade",
                RANGE,
                (0.0, 0.8),
            ),
            Panel(
                (f"{shots}-shot: Brier score (lower is better)",),
                [*uniform, *_layers(mine, "brier")],
                "mean Brier score",
                RANGE,
                (0.0, 0.5),
            ),
            Panel(
                (f"{shots}-shot: Brier skill",),
                [*level(0.0, "uniform"), *_layers(mine, "skill")],
                "1 - Brier / uniform",
                RANGE,
                (-1.0, 0.4),
            ),
        ]
    return grid(
        panels,
        columns=3,
        title="Figure 6. LaMDA on four BIG-bench tasks: the grade jumps, and the Brier score?",
        subtitle=(
            "The paper's numbers, read off its drawing. Bars of the grade: 95% of so many items.",
            "Grey, with K choices: chance 1/K, and the Brier score of a uniform forecast (K-1)/K^2, which "
            "the paper does not draw.",
        ),
        series=tasks(table),
        legend="",
        colours=COLOURS,
    )


def _grounds(levels: Mapping[int, float]) -> list[Layer]:
    """A grey line a number of choices, its words above it, or below the lowest."""
    layers: list[Layer] = []
    for k, value in levels.items():
        rule, words = level(value, f"K = {k}")
        if value > min(levels.values()):
            words["mark"] |= {"baseline": "bottom", "dy": -2}
        layers += [rule, words]
    return layers


def _layers(rows: pl.DataFrame, value: str, *, interval: bool = False) -> list[Layer]:
    drawn = [
        {"x": x, "y": y, "low": low, "high": high, "series": task}
        for x, y, low, high, task in rows.select("n_params", value, "low", "high", "task").iter_rows()
    ]
    return [*([bars(drawn)] if interval else []), line(drawn), points(drawn)]
