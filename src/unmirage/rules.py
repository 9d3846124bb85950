"""The rules that the rows of the tables keep, each with the words of its error. `tables` applies them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

AXES = ("n_params", "n_tokens", "flops", "loss")
LISTS = ("target_logprobs", "choice_logprobs", "recorded")
NEEDS: dict[str, tuple[str, ...]] = {
    "generation": ("target", "output"),
    "choice": ("choice_logprobs", "answer"),
    "likelihood": ("target_logprobs",),
    "count": ("n_samples", "n_correct"),
    "score": ("recorded",),
}


def response_rules(frame: pl.DataFrame | None = None) -> list[tuple[str, pl.Expr, str | None]]:
    """(rule, expression that is true where it is broken, what to do), in the order they are checked.

    Parameters: `frame` leaves out the rules that none of its rows can break: those of kinds that do not
    occur, those on values where all are null, and those on entries of lists where the bounds of all entries
    say so.
    """
    kinds = set(NEEDS)
    given: set[str] | None = None
    if frame is not None:
        kinds = set(frame["kind"].drop_nulls().unique())
        nulls = frame.null_count().row(0)
        given = {name for name, n in zip(frame.columns, nulls, strict=True) if n < frame.height}
    rules: list[tuple[str, pl.Expr, str | None]] = []

    def refuse(rule: str, broken: pl.Expr, hint: str | None = None) -> None:
        rules.append((rule, broken, hint))

    def has(name: str) -> bool:
        return given is None or name in given

    def any_of(name: str, test: pl.Expr) -> pl.Expr:
        return pl.col(name).list.eval(test).list.any().fill_null(False)

    element, value = pl.element(), pl.element().struct.field("value")
    logs = "Natural logarithms of probabilities are at most 0; losses are mapped with a minus sign."
    nan = "A NaN usually means an overflow in half precision: run that model again in float32."
    for name in ("family", "model", "task", "item_id"):
        refuse(f"{name} is empty", pl.col(name).is_null())
    for kind, needs in NEEDS.items():
        for name in needs if kind in kinds else ():
            absent = pl.col(name).is_null()
            if name in LISTS:
                absent = pl.col(name).list.len().fill_null(0) == 0
            if kind == "likelihood":
                absent &= pl.col("greedy").is_null()
            refuse(f"a row of kind {kind} needs {name}", (pl.col("kind") == kind) & absent)
    lists = filter(has, ("target_logprobs", "choice_logprobs"))
    doubtful = [name for name in lists if frame is None or not _sound(frame[name])]
    for name in doubtful:
        refuse(f"{name} holds NaN", any_of(name, element.is_nan()), nan)
        refuse(f"{name} holds a missing value", any_of(name, element.is_null()))
        refuse(f"{name} holds a value above 0", any_of(name, element > 1e-6), logs)
    choices, answer = pl.col("choice_logprobs"), pl.col("answer")
    if has("choice_logprobs"):
        if "choice_logprobs" in doubtful:
            impossible = choices.list.eval(element == -float("inf")).list.all() & (choices.list.len() > 0)
            refuse("every choice has log-probability -inf, so none can be preferred", impossible, nan)
        refuse("a choice row needs two choices at least", choices.list.len() < 2)
    if has("answer"):
        refuse(
            "answer is outside the choices",
            (answer < 0) | (answer >= choices.list.len()),
            "answer is the index of the right choice, from 0.",
        )
    if has("choice_lengths"):
        lengths = pl.col("choice_lengths").list.len()
        refuse("choice_lengths and choice_logprobs differ in number", lengths != choices.list.len())
        least = 0 if frame is None else frame["choice_lengths"].explode().min()
        if isinstance(least, int) and least < 1:
            refuse("choice_lengths holds a length below 1", any_of("choice_lengths", element < 1))
    if has("n_samples"):
        refuse("n_samples is below 1", pl.col("n_samples") < 1)
    if has("n_correct"):
        tried, passed = pl.col("n_samples"), pl.col("n_correct")
        refuse("n_correct is outside 0..n_samples", (passed < 0) | (passed > tried))
    if "score" in kinds:
        refuse(
            "a recorded score is NaN or missing",
            (pl.col("kind") == "score") & any_of("recorded", value.is_null() | value.is_nan()),
            "Leave out the rows that have no score, or give them one.",
        )
    for name in filter(has, ("epoch", "n_params", "n_tokens", "flops")):
        refuse(f"{name} is negative", pl.col(name) < 0)
    for name in filter(has, AXES):
        refuse(f"{name} is infinite", pl.col(name).is_infinite())
    return rules


def _sound(lists: pl.Series) -> bool:
    """Whether all entries of all lists are there, finite and at most 0; no list is empty."""
    entries = lists.explode()
    if entries.null_count() > lists.null_count() or entries.is_nan().any():
        return False
    least, largest = entries.min(), entries.max()
    return least is None or (isinstance(largest, float) and largest <= 1e-6 and least != -float("inf"))


def result_rules() -> list[tuple[str, pl.Expr]]:
    """(rule, expression that is true where it is broken) for aggregates."""
    stderr, chance = pl.col("stderr"), pl.col("chance")
    rules = [
        ("stderr is infinite or negative", stderr.is_infinite() | (stderr < 0)),
        ("n is below 1", pl.col("n") < 1),
        ("chance is outside 0 to 1", ~chance.is_between(0, 1, closed="left")),
    ]
    rules += [(f"{name} is negative", pl.col(name) < 0) for name in ("n_params", "n_tokens", "flops")]
    return rules + [(f"{name} is infinite", pl.col(name).is_infinite()) for name in AXES]


def kept(frame: pl.DataFrame, broken: Sequence[pl.Expr]) -> tuple[bool, ...]:
    """Whether no row breaks a rule, for each of the rules, in one pass over the rows."""
    return frame.select((~test.any()).alias(str(i)) for i, test in enumerate(broken)).row(0)
