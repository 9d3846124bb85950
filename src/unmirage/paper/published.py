"""The paper's numbers, from the files in `published/`. None is typed into code; each file says how
exact it is."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).parent / "published"


@cache
def model() -> pl.DataFrame:
    """Figure 2 and the left of figures 3 and 4: quantity, length, n_params, value."""
    return _read("fig2_model")


@cache
def insets() -> pl.DataFrame:
    """The insets of figure 2: panel ("C", "D"), n_params, value."""
    return _read("fig2_insets")


@cache
def gpt3() -> pl.DataFrame:
    """Figures 3 and 4: task, length, temperature, n_params, accuracy, neg_token_edit_distance, and errors.

    The errors, `accuracy_error` and `distance_error`, are what reading the drawing costs (absolute).
    """
    return _read("fig3_gpt3")


@cache
def chance() -> dict[str, float]:
    """The chance line of each task in figure 4."""
    return {str(task): float(level) for task, level in _read("fig4_chance").iter_rows()}


@cache
def lamda() -> pl.DataFrame:
    """Figure 6: task, shots (2 or 3), choices, items, n_params, grade, brier (mean over the choices)."""
    return _read("fig6")


@cache
def text_scores(figure: int) -> pl.DataFrame:
    """Figures 9 and 10: length, references, n_params, value."""
    return _read("fig9_fig10").filter(pl.col("figure") == figure).drop("figure")


@cache
def highest_scores() -> dict[str, float | None]:
    """Figure 5A: each of its metrics, in BIG-bench's words -> the highest emergence score of any task and
    family by it; None where it was not read and is lower than all others."""
    return {str(metric): highest for metric, highest in _read("fig5a").iter_rows()}


@cache
def claimed_metrics() -> dict[str, int]:
    """Figure 5C: metric, in BIG-bench's words -> how many of the 67 claimed tasks are judged by it."""
    return {str(metric): int(tasks) for metric, tasks in _read("fig5c").iter_rows()}


@cache
def autoencoder() -> pl.DataFrame:
    """Figure 7: quantity ("test_error" or "reconstruction"), c of the latter, width, n_params, value."""
    return _read("fig7_autoencoder")


@cache
def omniglot() -> pl.DataFrame:
    """Figure 8: order (of size, from 1), length (1 or 3), value."""
    return _read("fig8_omniglot")


@cache
def lenet() -> pl.DataFrame:
    """Figure 11: group_size (1 for accuracy), n_params, value."""
    return _read("fig11_lenet")


@cache
def claimed(figure: int) -> pl.DataFrame:
    """Panel A of figure 7, 8 or 11: order (of size, from 1), n_params (null where not read), value."""
    return _read("claimed").filter(pl.col("figure") == figure).drop("figure")


@cache
def claimed_chance(figure: int) -> float | None:
    """The level without skill in panel A of figure 8 or 11; None for figure 7, whose score is 0 there."""
    return dict(_read("claimed_chance").iter_rows()).get(figure)


def _read(name: str) -> pl.DataFrame:
    frame = pl.read_csv(FOLDER / f"{name}.csv", comment_prefix="#", infer_schema_length=None)
    whole = ("length", "temperature", "references", "figure", "order", "width", "group_size")
    exact = (*whole, "shots", "choices", "items")
    return frame.with_columns(pl.selectors.numeric().exclude(exact).cast(pl.Float64))
