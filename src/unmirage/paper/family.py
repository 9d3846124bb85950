"""A trained family on the paper's two tasks: right answers and edit distance by length of the answer.

The tasks are called `multiplication` and `addition` (temperature 0) and `multiplication_t1`, `addition_t1`
(temperature 1). What is missing is left out and said. Nothing is drawn or judged here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from unmirage import scales, statistics
from unmirage.metrics import metric

# The responses' task -> the paper's task and temperature.
TASKS = {
    "multiplication": ("multiplication", 0),
    "multiplication_t1": ("multiplication", 1),
    "addition": ("addition", 0),
    "addition_t1": ("addition", 1),
}
PAPER_TASKS = ("multiplication", "addition")
LENGTHS = {"multiplication": 4, "addition": 5}  # digits of the longest answer
FEWEST_ITEMS = 10  # lengths with fewer items are left out


@dataclass(frozen=True)
class Arithmetic:
    """How a family does on the tasks.

    Attributes
    ----------
    table: one row a task, temperature, model and length, in order of size: task, temperature, model,
        n_params, length, n (items), right (sum of exact match over items), accuracy, low, high (95%
        Clopper-Pearson), distance (mean edits an answer).
    names: the families.
    notes: what is missing, and what reading said.
    """

    table: pl.DataFrame
    names: tuple[str, ...]
    notes: tuple[str, ...]

    def has(self, task: str, temperature: int = 0) -> bool:
        """Whether there are answers of a task at a temperature."""
        return not self.of(task, temperature).is_empty()

    def of(self, task: str, temperature: int = 0) -> pl.DataFrame:
        """The rows of a task and temperature."""
        return self.table.filter(pl.col("task") == task, pl.col("temperature") == temperature)


def arithmetic(responses: pl.DataFrame) -> Arithmetic:
    """Exact match and edit distance of every model, task and length.

    Digits are the tokens, so edit distance is that of the strings; an epoch counts as a part of its item.
    The last checkpoint of a run stands for it, and items are those that all models answered.

    Parameters: responses, in the schema `tables.RESPONSES`; rows of other tasks are not looked at.
    """
    rows = responses.filter(
        pl.col("task").is_in(list(TASKS)), pl.col("target").is_not_null(), pl.col("output").is_not_null()
    )
    present = set(rows["task"].unique())
    notes = [_missing(task) for task in TASKS if task not in present]
    if rows.is_empty():
        return Arithmetic(_table([]), (), ("The family has none of the tasks " + ", ".join(TASKS) + ".",))
    models, said = scales.select(scales.models_of([rows]), "n_params", "last")
    rows, more = scales.common_items(scales.on_axis(rows, models))
    notes += [str(note["message"]) for note in (*said, *more)]
    counted, few = _counted(rows)
    return Arithmetic(counted, tuple(rows["family"].unique(maintain_order=True)), tuple(notes + few))


def _missing(task: str) -> str:
    name, temperature = TASKS[task]
    return f"There are no answers to the task {task}: {name} at temperature {temperature} is left out."


def _counted(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    # Equal answers to equal targets are scored once: most rows of a long table repeat a few.
    pairs = rows.select("target", "output").unique()
    scored = pairs.with_columns(
        right=pl.Series(metric("exact_match").components(pairs)[:, 0]),
        distance=pl.Series(metric("char_edit_distance").components(pairs)[:, 0]),
        length=pl.col("target").str.len_chars().cast(pl.Int64),
    )
    key = ["task", "model", "axis_value", "length"]
    items = (
        rows.select("task", "model", "axis_value", "item_id", "target", "output")
        .join(scored, on=["target", "output"], how="left")
        .group_by(*key, "item_id")
        .agg(pl.col("right").mean(), pl.col("distance").mean())
    )
    found = items.group_by(key).agg(
        n=pl.len().cast(pl.Int64), right=pl.col("right").sum(), distance=pl.col("distance").mean()
    )
    short = (
        found.filter(pl.col("n") < FEWEST_ITEMS).select("task", "length", "n").unique().sort("task", "length")
    )
    notes = [
        f"{task}: answers of length {length} are left out, there are only {n} items of them (of "
        f"{FEWEST_ITEMS})."
        for task, length, n in short.iter_rows()
    ]
    return _table(found.filter(pl.col("n") >= FEWEST_ITEMS).to_dicts()), notes


def _table(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {
        "task": pl.String,
        "model": pl.String,
        "axis_value": pl.Float64,
        "length": pl.Int64,
        "n": pl.Int64,
        "right": pl.Float64,
        "distance": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=schema)
    n, right = frame["n"].to_numpy(), frame["right"].to_numpy()
    low, high = statistics.clopper_pearson(right, n) if frame.height else (np.empty(0), np.empty(0))
    names = {task: name for task, (name, _) in TASKS.items()}
    heat = {task: temperature for task, (_, temperature) in TASKS.items()}
    return frame.select(
        task=pl.col("task").replace_strict(names, return_dtype=pl.String),
        temperature=pl.col("task").replace_strict(heat, return_dtype=pl.Int64),
        model="model",
        n_params="axis_value",
        length="length",
        n="n",
        right="right",
        accuracy=pl.col("right") / pl.col("n"),
        low=pl.Series(low, dtype=pl.Float64),
        high=pl.Series(high, dtype=pl.Float64),
        distance="distance",
    ).sort("task", "temperature", "length", "n_params", "model")


def mean_over_models(table: pl.DataFrame, value: str) -> pl.DataFrame:
    """n_params, length, value: the mean over the models (seeds) of each size."""
    grouped = table.group_by("length", "n_params").agg(pl.col(value).mean())
    return grouped.sort("length", "n_params")
