"""Cutting targets and outputs into tokens where the log has none. It is not a model's tokeniser."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

import polars as pl

from unmirage.errors import SettingsError
from unmirage.metrics.sequences import is_number

_RULES = {"characters": r"(?s).", "words": r"\S+"}


def tokenise(frame: pl.DataFrame, rule: str | Mapping[str, str] | None = None) -> pl.DataFrame:
    """Responses with `target_tokens` and `output_tokens` filled where both `target` and `output` are there.

    Rules: "characters" is one token a Unicode code point, spaces too; "words" is one token a run of anything
    but white space. An empty string has no tokens.

    Lists that were cut by different rules cannot be compared, so a row gets both lists or none:

    - no list, or just one, was logged: both are cut here. A lone logged list gives way.
    - both were logged: they stay.
    - a logged `target_tokens` that `target_logprobs` belong to stays, and `output_tokens` is left null unless
      the rule would have cut the target the same way.
    - `target` without `output`: nothing is filled, so that a log-probability summed over the target is not
      taken for that of one token.

    Parameters
    ----------
    frame: in the schema `tables.RESPONSES`.
    rule: one rule for all tasks, or task -> rule. A task without one gets the default: characters when every
        target of the task is a number (sign, digits, thousands commas, decimal point, exponent, spaces
        around), else words.

    Raises
    ------
    SettingsError
        An unknown rule, or a task in `rule` that the frame does not have.
    """
    tasks = frame["task"].unique(maintain_order=True).to_list()
    rules = rules_of(tasks, rule, lambda: numeric_targets(frame))
    by_task = pl.col("task").replace_strict(rules, return_dtype=pl.String)
    both = pl.col("target").is_not_null() & pl.col("output").is_not_null()
    logged = pl.col("target_tokens").is_not_null()
    bound = logged & pl.col("target_logprobs").is_not_null()
    alone = both & ~(logged & pl.col("output_tokens").is_not_null())
    same = pl.col("target_tokens") == _cut("target", by_task)
    return frame.with_columns(
        target_tokens=pl.when(alone & ~bound)
        .then(_cut("target", by_task))
        .otherwise(pl.col("target_tokens")),
        output_tokens=pl.when(alone & (~bound | same))
        .then(_cut("output", by_task))
        .otherwise(pl.col("output_tokens")),
    )


def _cut(name: str, rule: pl.Expr) -> pl.Expr:
    text = pl.col(name)
    return (
        pl.when(rule == "characters")
        .then(text.str.extract_all(_RULES["characters"]))
        .otherwise(text.str.extract_all(_RULES["words"]))
    )


def rules_of(
    tasks: Sequence[str],
    rule: str | Mapping[str, str] | None,
    numeric: Callable[[], Mapping[str, bool]],
) -> dict[str, str]:
    """task -> rule, for every task.

    Parameters
    ----------
    tasks: of the rows. rule: as in :func:`tokenise`.
    numeric: gives task -> whether it has targets and all are numbers; asked where a task is not named.

    Raises SettingsError as :func:`tokenise`.
    """
    named = dict(rule) if isinstance(rule, Mapping) else {} if rule is None else dict.fromkeys(tasks, rule)
    for task, word in named.items():
        if task not in tasks:
            close = difflib.get_close_matches(task, tasks)
            raise SettingsError(
                f"there is no task {task!r} to tokenise",
                where="tokenisation",
                hint=f"Tasks: {', '.join(close or tasks[:10])}.",
            )
        if word not in _RULES:
            raise SettingsError(
                f"unknown tokenisation {word!r}",
                where=f"tokenisation of {task}",
                hint=f"Rules: {', '.join(_RULES)}.",
            )
    if all(task in named for task in tasks):
        return {task: named[task] for task in tasks}
    found = numeric()
    return {task: named.get(task) or ("characters" if found[task] else "words") for task in tasks}


def numeric_targets(frame: pl.DataFrame) -> dict[str, bool]:
    """task -> whether it has targets and all of them are numbers."""
    grouped = frame.group_by("task").agg(is_number(pl.col("target")).all() & (pl.col("target").count() > 0))
    return dict(grouped.iter_rows())
