"""What the columns of a table mean where their names leave it open. Each rule used is said in a warning.

Names that people use for ours; the kind of the rows from the columns that are there; a loss an item; several
shot counts of one task; several checkpoints under one model name; family and scale of known models.
"""

from __future__ import annotations

import math

import polars as pl

from unmirage import tables
from unmirage.counts import size_label
from unmirage.readers.base import Options, families_of
from unmirage.readers.shots import split_note

ALIASES = {
    "item_id": ("item", "doc_id", "example_id", "question_id", "problem_id", "sample_id", "id"),
    "task": ("dataset", "benchmark"),
    "flops": ("compute_flops", "compute"),
    "n": ("n_items",),
    "nll": ("neg_log_likelihood",),
}
SHOTS = ("shots", "num_fewshot", "n_shot")
STEPS = ("step", "n_tokens")
LOSSES = ("loss", "nll")
TWO_CLASS_ROWS = 20  # fewer rows cannot tell two classes from more

Note = dict[str, object]


def interpret(
    frame: pl.DataFrame, options: Options, *, where: str, stem: str
) -> tuple[pl.DataFrame, list[Note]]:
    """The same rows in columns of our own; rules that changed a meaning are in the notes."""
    notes: list[Note] = []
    for ours, theirs in ALIASES.items():
        found = next((name for name in theirs if name in frame.columns), None)
        if ours not in frame.columns and found:
            frame = frame.rename({found: ours})
    aggregates = {"metric", "value"} <= set(frame.columns) and "item_id" not in frame.columns
    # Said before columns are added that the user never wrote.
    tables.require(frame, ("model",) if aggregates else ("model", "item_id"), where=where)
    if "task" not in frame.columns:
        frame = frame.with_columns(task=pl.lit(stem))
        notes.append(
            tables.warning("task-named", f"there is no column task: the task is called {stem}", where=where)
        )
    frame = frame.with_columns(pl.col("model", "task").cast(pl.String))
    frame, more = _shots(frame, where)
    notes += more
    frame, more = _families(frame, options, where, stem)
    notes += more
    frame, more = _checkpoints(frame, where)
    notes += more
    if aggregates:
        return frame, notes
    if "item_id" in frame.columns:
        frame = frame.with_columns(pl.col("item_id").cast(pl.String))
    frame, more = _losses(frame, where)
    notes += more
    return _scores(_kinds(frame)), notes


def _shots(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    name = next((name for name in SHOTS if name in frame.columns), None)
    if name is None:
        return frame, []
    several = frame.select(pl.col(name).n_unique().over("task") > 1).to_series()
    shots = pl.col(name)
    if frame[name].dtype.is_float() and (frame[name].drop_nulls() % 1 == 0).all():
        shots = shots.cast(pl.Int64)  # a column of counts with a gap in it is read as 0.0, 5.0
    label = pl.format("{} ({}-shot)", "task", shots.cast(pl.String).fill_null("?"))
    named = frame.with_columns(task=pl.when(several).then(label).otherwise("task")).drop(name)
    split = frame.filter(several)["task"].drop_nulls().unique().sort().to_list()
    return named, split_note(split, where=where)


def _families(
    frame: pl.DataFrame, options: Options, where: str, stem: str
) -> tuple[pl.DataFrame, list[Note]]:
    """Family, parameters, tokens and compute of known models where the table does not give them."""
    names = frame["model"].unique(maintain_order=True).drop_nulls().to_list()
    known = {name: scale for name in names if (scale := options.families.find(name)) is not None}
    if "family" not in frame.columns or options.family:
        unknown = families_of([name for name in names if name not in known], stem)
        family = {n: options.family or (known[n].family if n in known else unknown[n]) for n in names}
        frame = frame.with_columns(
            family=pl.col("model").replace_strict(family, default=None, return_dtype=pl.String)
        )
    return fill_scales(frame, options, where)


def fill_scales(frame: pl.DataFrame, options: Options, where: str) -> tuple[pl.DataFrame, list[Note]]:
    """The rows with parameters, tokens and compute of known models, where they do not give them."""
    notes: list[Note] = []
    for name in ("n_params", "n_tokens"):
        looked_up = _looked_up(frame, options, name)
        if name not in frame.columns:
            frame = frame.with_columns(looked_up)
            filled = frame.filter(pl.col(name).is_not_null())["model"].n_unique()
            if filled and name == "n_params":
                notes.append(
                    tables.warning(
                        "scale-looked-up",
                        f"{name} of {filled} models comes from the list of known families",
                        where=where,
                        count=filled,
                    )
                )
        elif frame[name].null_count():
            frame = frame.with_columns(pl.coalesce(pl.col(name).cast(pl.Float64), looked_up).alias(name))
    if "flops" not in frame.columns:
        frame = frame.with_columns(
            flops=6.0 * pl.col("n_params").cast(pl.Float64) * pl.col("n_tokens").cast(pl.Float64)
        )
    return frame, notes


def _looked_up(frame: pl.DataFrame, options: Options, name: str) -> pl.Series:
    """`n_params` or `n_tokens` of each row from the known families; a column `step` names the checkpoint."""
    stepped = "step" in frame.columns and frame["step"].dtype.is_numeric()
    keys = frame.select(
        "model", step=pl.col("step").cast(pl.Float64) if stepped else pl.lit(None, pl.Float64)
    )
    pairs = keys.unique(maintain_order=True)
    values = []
    for model, step in pairs.iter_rows():
        whole = step is not None and step == step // 1
        scale = options.families.find(model, f"step{step:.0f}" if whole else None) if model else None
        values.append(getattr(scale, name) if scale else None)
    found = pairs.with_columns(pl.Series(name, values, dtype=pl.Float64))
    return keys.join(found, on=["model", "step"], how="left", nulls_equal=True, maintain_order="left")[name]


def _checkpoints(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    """Checkpoints that share a model name get "@step1000" (or "@20B tokens" where there is no step)."""

    for name in STEPS:
        if name not in frame.columns or not frame[name].dtype.is_numeric():
            continue
        per_model = frame.group_by("family", "model").agg(pl.col(name).n_unique().alias("versions"))
        several = per_model.filter(pl.col("versions") > 1)
        if several.height == 0:
            continue
        values = frame[name].unique().drop_nulls()
        text = {v: f"step{v:.0f}" if name == "step" else f"{size_label(float(v))} tokens" for v in values}
        if len(set(text.values())) < len(text):  # three digits do not tell these apart
            text = {v: f"{name} {v!r}" for v in values}
        label = pl.col(name).replace_strict(text, default="", return_dtype=pl.String)
        renamed = pl.col("model").is_in(several["model"].implode()) & pl.col(name).is_not_null()
        frame = frame.with_columns(
            model=pl.when(renamed).then(pl.format("{}@{}", "model", label)).otherwise("model")
        )
        return frame, [
            tables.warning(
                "checkpoints-named",
                f"{several.height} models have several checkpoints, which are told apart by {name}",
                where=where,
                count=several.height,
            )
        ]
    return frame, []


def _losses(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[Note]]:
    """Read a loss that differs from item to item as the items' own, in nats, not the model's."""
    name = next((name for name in LOSSES if name in frame.columns and frame[name].dtype.is_numeric()), None)
    if name is None or "item_id" not in frame.columns or "kind" in frame.columns:
        return frame, []
    if (
        name == "loss"
        and frame.group_by("family", "model", "task").agg(pl.col(name).n_unique() == 1)[name].all()
    ):
        return frame, []
    loss = pl.col(name).cast(pl.Float64)
    frame = frame.with_columns(loss.alias("__loss")).drop(name)
    notes = [
        tables.warning(
            "item-loss",
            f"column {name} differs between items: it is read as the loss of the right answer, in nats",
            where=where,
        )
    ]
    if "correct" not in frame.columns:
        return frame.with_columns(target_logprob=-pl.col("__loss")).drop("__loss"), notes
    right = pl.col("correct").cast(pl.Float64)
    agrees = (right == 1) == (pl.col("__loss") < math.log(2))
    two = frame.group_by("task", maintain_order=True).agg(
        binary=(agrees | right.is_null()).all() & (right.count() >= TWO_CLASS_ROWS)
    )
    binary = two.filter("binary")["task"].to_list()
    choice = pl.col("task").is_in(binary) & right.is_not_null()
    total = pl.col("total_logprob").cast(pl.Float64) if "total_logprob" in frame.columns else pl.lit(0.0)
    # Of two classes the other one has what the right one leaves.
    other = (1 - (-pl.col("__loss")).exp()).log()
    frame = frame.with_columns(
        choice_logprobs=pl.when(choice).then(
            pl.concat_list(total.fill_null(0.0) - pl.col("__loss"), total.fill_null(0.0) + other)
        ),
        answer=pl.when(choice).then(pl.lit(0, dtype=pl.Int32)),
        target_logprob=pl.when(~choice).then(-pl.col("__loss")),
        accuracy=pl.when(choice).then(None).otherwise(right),
        recorded=pl.when(choice).then(
            pl.concat_list(pl.struct(metric=pl.lit("multiple_choice_grade"), value=right))
        ),
    )
    if binary:
        notes.append(
            tables.warning(
                "two-choices",
                f"in {', '.join(sorted(binary))} an item is right exactly where its loss is below ln 2, so "
                "there are two choices and chance is 1/2",
                where=where,
                count=len(binary),
            )
        )
    frame = frame.drop("correct", "__loss", *(["total_logprob"] if "total_logprob" in frame.columns else []))
    if frame["accuracy"].null_count() == frame.height:
        return frame.drop("accuracy"), notes
    return frame.rename({"accuracy": "score.accuracy"}), notes


def _kinds(frame: pl.DataFrame) -> pl.DataFrame:
    """The kind of each row, from the columns that are filled."""
    if "target_logprob" in frame.columns and "target_logprobs" not in frame.columns:
        summed = pl.col("target_logprob").cast(pl.Float64)
        frame = frame.with_columns(
            target_logprobs=pl.when(summed.is_not_null()).then(pl.concat_list(summed))
        ).drop("target_logprob")
    if (
        "correct" in frame.columns
        and "score.accuracy" not in frame.columns
        and "n_samples" not in frame.columns
    ):
        frame = frame.rename({"correct": "score.accuracy"})
    if "score" in frame.columns:
        frame = frame.rename({"score": "score.score"})
    if "kind" in frame.columns:
        return frame.with_columns(pl.col("kind").cast(pl.String))

    def filled(*names: str) -> pl.Expr:
        if not set(names) <= set(frame.columns):
            return pl.lit(value=False)
        return pl.all_horizontal(pl.col(name).is_not_null() for name in names)

    scored = [name for name in frame.columns if name.startswith("score.")]
    return frame.with_columns(
        kind=pl.when(filled("n_samples", "n_correct"))
        .then(pl.lit("count"))
        .when(filled("choice_logprobs"))
        .then(pl.lit("choice"))
        .when(filled("target", "output"))
        .then(pl.lit("generation"))
        .when(pl.any_horizontal([filled(name) for name in scored] or [pl.lit(value=False)]))
        .then(pl.lit("score"))
        .when(filled("target_logprobs"))
        .then(pl.lit("likelihood"))
        .when(filled("recorded"))
        .then(pl.lit("score"))
    )


def _scores(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns `score.NAME` become entries of `recorded`."""
    names = [name for name in frame.columns if name.startswith("score.")]
    if not names:
        return frame
    entries = [
        pl.struct(metric=pl.lit(name.removeprefix("score.")), value=pl.col(name).cast(pl.Float64))
        for name in names
    ]
    lists = pl.concat_list(entries).list.filter(pl.element().struct.field("value").is_not_null())
    if "recorded" in frame.columns:
        lists = pl.coalesce(pl.when(lists.list.len() > 0).then(lists), "recorded")
    return frame.with_columns(recorded=lists).drop(names)
