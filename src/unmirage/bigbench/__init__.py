"""BIG-bench's tasks, and the list of tasks that were claimed emergent, as tables that ship with the package.

`tasks.csv` was extracted from the task files of the `bigbench` package, 1.0.0, by
`benchmarks/bigbench_tasks.py`; nothing in it was typed in. What BIG-bench does with scores is in `scores`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent
TEMPLATE = "example task"  # the keyword of the templates that show contributors what a task looks like

_TYPES = {"n_items": pl.Int64, "choices": pl.Int64, "chance": pl.Float64, "binary": pl.Int8}


@cache
def tasks() -> pl.DataFrame:
    """One row a task folder and one a subtask of a JSON task: 209 folders and 874 subtasks.

    Returns
    -------
    DataFrame
        task: the folder. subtask: "" for the folder itself, else as score files write it after "task:".
        kind: "json", "container" (a folder whose items are in its subtasks), "subtask" or "programmatic".
        preferred_score: list[str], sorted: one name, except where subtasks or a programmatic task have more.
        metrics: list[str] as declared, empty for programmatic tasks.
        n_items: examples, equal ones counted once as BIG-bench's loader does; null for programmatic tasks.
        choices: the most frequent number of choices, the smaller of two; null where nothing is chosen.
        chance: in [0, 1), the `low_score` of multiple_choice_grade: the mean over items of the sum of the
            target scores over the number of choices; of a container the mean over its subtasks, where all
            prefer that metric.
        binary: whether all target scores are 0 or 1, so that a grade is a share of items.
        keywords: list[str], of folders.

    Source: bigbench 1.0.0, benchmark_tasks and api/json_task.py. The preferred metric of a programmatic task
    is what its source assigns to `preferred_score`.
    """
    frame = pl.read_csv(FOLDER / "tasks.csv", schema_overrides=_TYPES)
    frame = frame.with_columns(pl.col(pl.String).fill_null(""))
    lists = [
        pl.col(name).str.split("|").list.filter(pl.element() != "").alias(name)
        for name in ("preferred_score", "metrics", "keywords")
    ]
    return frame.with_columns(*lists, binary=pl.col("binary").cast(pl.Boolean))


@cache
def folders(*, templates: bool = True) -> pl.DataFrame:
    """One row a task folder.

    Returns
    -------
    DataFrame
        task, kind, n_items, chance and keywords as in :func:`tasks`; subtasks: how many JSON subtasks.
        preferred: list[str], sorted: the preferred metrics of the folder's subtasks, pooled.
        whole: what BIG-bench judges the folder as a whole by, as figure 5 of Schaeffer et al. 2023 does: the
        preferred metric of a task without subtasks; with subtasks multiple_choice_grade where all prefer it,
        else "normalized_aggregate_score". Null for a programmatic task with one other metric, whose source
        does not tell whether it has subtasks.
        template: whether it is an example for contributors.

    Parameters
    ----------
    templates: keep the five example templates: 209 folders; without them the 204 tasks that Srivastava et al.
        2022 count.
    """
    everything = tasks()
    names, grade = pl.col("preferred_score"), pl.lit(["multiple_choice_grade"])
    whole = (
        pl.when((pl.col("kind") == "json") | (names == grade))
        .then(names.list.first())
        .when((pl.col("kind") == "container") | (names.list.len() > 1))
        .then(pl.lit("normalized_aggregate_score"))
    )
    parts = everything.filter(kind="subtask").group_by("task").agg(subtasks=pl.len())
    found = (
        everything.filter(pl.col("kind") != "subtask")
        .join(parts, on="task", how="left", maintain_order="left")
        .select(
            "task",
            "kind",
            pl.col("subtasks").fill_null(0).cast(pl.Int64),
            "n_items",
            "chance",
            "keywords",
            preferred="preferred_score",
            whole=whole,
            template=pl.col("keywords").list.contains(TEMPLATE),
        )
    )
    return found if templates else found.filter(~pl.col("template"))


@cache
def claimed() -> pl.DataFrame:
    """The tasks of BIG-bench and MMLU that were claimed emergent, by name: benchmark, task, first_model.

    From Wei's list of 137 emergent abilities. Incomplete: 47 of its 67 tasks of BIG-bench (20 of those that
    emerge with PaLM 540B are missing) and 46 of its 51 of MMLU.
    """
    return pl.read_csv(FOLDER / "claimed.csv", comment_prefix="#")
