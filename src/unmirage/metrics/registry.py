"""Finding a metric by name, alias or expression. The metrics are in the modules of their groups."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from functools import lru_cache

import polars as pl

from unmirage.errors import MetricError
from unmirage.metrics import aggregates, choice, count, generation, likelihood, reconstruction, text
from unmirage.metrics.cards import Metric
from unmirage.metrics.combinators import all_of, any_of, threshold
from unmirage.metrics.inputs import missing

REGISTRY: dict[str, Metric] = {
    one.card.name: one
    for one in (
        *generation.METRICS,
        *text.METRICS,
        *likelihood.METRICS,
        *choice.METRICS,
        *aggregates.METRICS,
        *count.METRICS,
        *reconstruction.METRICS,
    )
}

_CALL = re.compile(r"\s*(threshold|all_of|any_of)\s*\((.*),([^,()]*)\)\s*", re.DOTALL)
_PASS_AT = re.compile(r"pass_at_([1-9][0-9]{0,8})")
_WHOLE = re.compile(r"\s*([0-9]{1,9})\s*")
_NESTING = 8


def is_aggregate(name: str) -> bool:
    """Whether a name is that of a metric which has a value for a model and none for an item, such as ece."""
    return name in REGISTRY and REGISTRY[name].combine is not None


def names() -> tuple[str, ...]:
    """The metrics that have a fixed name, group by group. Forms with numbers, such as pass_at_10, are not."""
    return tuple(REGISTRY)


def metric(name: str) -> Metric:
    """The metric of this name.

    `name` is one of :func:`names`, `pass_at_K` with a whole number K >= 1, or an expression:
    `threshold(METRIC, C)` with a finite C, `all_of(METRIC, K)`, `any_of(METRIC, R)`. The last two take a
    metric that is 0 or 1 on an item, which a threshold is: `all_of(threshold(token_edit_distance,1),3)`.
    Spaces do not matter; `card.name` of the result is the canonical form without them.

    Raises
    ------
    MetricError
        No such metric, or an expression that cannot be read.
    """
    return resolve(name, REGISTRY.get)


def resolve(name: str, lookup: Callable[[str], Metric | None]) -> Metric:
    """As :func:`metric`, with plain names found by `lookup` first."""
    plain = name.strip()
    found = lookup(plain) or REGISTRY.get(plain)
    if found is not None:
        return found
    attempts = _PASS_AT.fullmatch(plain)
    if attempts:
        return count.pass_at(int(attempts[1]))
    call = _CALL.fullmatch(plain)
    if call is None:
        raise _unknown(plain)
    if plain.count("(") > _NESTING:
        raise MetricError("the expression is nested too deeply", where=plain)
    word, inner, number = call[1], resolve(call[2], lookup), call[3]
    if word == "threshold":
        return threshold(inner, _cut(number, plain))
    whole = _WHOLE.fullmatch(number)
    if whole is None:
        raise MetricError(
            f"{number.strip()!r} is not a whole number",
            where=plain,
            hint=f"Write {word}({inner.card.name},3).",
        )
    return (all_of if word == "all_of" else any_of)(inner, int(whole[1]))


@lru_cache(maxsize=1024)
def by_alias(tool: str, name: str, group: str | None = None) -> str | None:
    """Our name for what `tool` calls `name`; None when there is none or `group` does not settle which.

    Parameters
    ----------
    tool: "lm-eval", "BIG-bench", "HELM", "inspect", "lighteval" or "SQuAD".
    name: the tool's word.
    group: the group of the tasks in question: lm-eval's `acc` is `multiple_choice_grade` in group "choice"
        and `greedy_match` in group "likelihood".
    """
    found = {
        one.card.name
        for one in REGISTRY.values()
        for alias in one.card.aliases
        if (alias.tool, alias.name) == (tool, name) and group in (None, alias.group or one.card.group)
    }
    return found.pop() if len(found) == 1 else None


def missing_inputs(metric: str | Metric, frame: pl.DataFrame) -> str | None:
    """One sentence on why a metric cannot be computed on the rows of `frame`; None when it can on every row.

    Parameters
    ----------
    metric: a metric or its name.
    frame: rows of the responses table; give the rows of one task.

    Raises
    ------
    MetricError
        The name is unknown.
    """
    return missing(resolve(metric, REGISTRY.get) if isinstance(metric, str) else metric, frame)


def _cut(number: str, where: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise MetricError(
            f"{number.strip()!r} is not a number", where=where, hint="Write threshold(brier_one_sided,0.1)."
        ) from None


def _unknown(name: str) -> MetricError:
    advice = [
        f"In {alias.tool}, {name} is {one.card.name}."
        for one in REGISTRY.values()
        for alias in one.card.aliases
        if alias.name == name
    ]
    close = difflib.get_close_matches(name, [*REGISTRY, "pass_at_10", "threshold", "all_of", "any_of"])
    if close:
        advice.append(f"Close names: {', '.join(close)}.")
    return MetricError(
        f"there is no metric {name!r}", hint=" ".join([*advice, "`unmirage metrics` lists them."])
    )
