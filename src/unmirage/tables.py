"""The tables that travel between the steps: their columns, types and rules.

One place holds each schema. Readers build a frame and pass it through :func:`check_responses` or
:func:`check_results`; every later step may rely on what those promise. Reading files is not done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from unmirage.errors import TableError
from unmirage.rules import AXES as AXES
from unmirage.rules import kept, response_rules, result_rules

KINDS = ("generation", "choice", "likelihood", "count", "score")
KEY = ("family", "model", "task", "item_id", "epoch")

RECORDED = pl.List(pl.Struct({"metric": pl.String, "value": pl.Float64}))

RESPONSES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "model": pl.String,
    "task": pl.String,
    "item_id": pl.String,
    "epoch": pl.Int32,
    **dict.fromkeys(AXES, pl.Float64),
    "kind": pl.Enum(KINDS),
    "target": pl.String,
    "output": pl.String,
    "target_tokens": pl.List(pl.String),
    "output_tokens": pl.List(pl.String),
    # Natural logarithms. One entry a target token; where a tool logs only the sum over the target, one
    # entry in all and `target_tokens` null. 64 bits, so that recorded scores are met to 1e-9.
    "target_logprobs": pl.List(pl.Float64),
    # Whether the target is the model's own greedy continuation.
    "greedy": pl.Boolean,
    "choice_logprobs": pl.List(pl.Float64),
    "choice_lengths": pl.List(pl.Int32),
    "length_unit": pl.String,
    "answer": pl.Int32,
    "n_samples": pl.Int64,
    "n_correct": pl.Int64,
    "recorded": RECORDED,
    "cluster": pl.String,
}

RESULTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "model": pl.String,
    **dict.fromkeys(AXES, pl.Float64),
    "task": pl.String,
    "metric": pl.String,
    "value": pl.Float64,
    "stderr": pl.Float64,
    "n": pl.Int64,
    "chance": pl.Float64,
}

SCORES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "model": pl.String,
    "task": pl.String,
    "item_id": pl.String,
    "epoch": pl.Int32,
    "metric": pl.String,
    "score": pl.Float64,
}

CURVES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "model": pl.String,
    "axis": pl.String,
    "axis_value": pl.Float64,
    "n": pl.Int64,  # items
    "mean": pl.Float64,
    "stderr": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "chance": pl.Float64,
    "resolution": pl.Float64,  # the smallest mean that n items tell from zero or from chance
    "method": pl.String,  # how [low, high] was made
    "note": pl.String,  # why a number is null
}

RESOLUTION = pl.Struct(
    {
        "model": pl.String,
        "axis_value": pl.Float64,
        "n": pl.Int64,
        "successes": pl.Float64,
        "chance": pl.Float64,
        "p_above_chance": pl.Float64,
        "floor": pl.Float64,
        "resolved": pl.Boolean,
        "n_needed": pl.Int64,
    }
)
SHARPNESS = pl.Struct(
    dict.fromkeys(("width", "t10", "t90", "emergence_score", "breakthroughness", "linearity"), pl.Float64)
)
LINK = pl.Struct({"r2_held_out": pl.Float64, "r2_smooth": pl.Float64})

VERDICTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "axis": pl.String,
    "headline": pl.String,
    "companion": pl.String,
    "verdict": pl.String,
    "p_break": pl.Float64,
    "p_break_adjusted": pl.Float64,
    "step": pl.Float64,
    "sharpness": SHARPNESS,
    "link": LINK,
    "resolution": pl.List(RESOLUTION),
    "reasons": pl.List(pl.String),
    "would_settle": pl.List(pl.String),
}

GATE = pl.Struct({"name": pl.String, "value": pl.Float64, "limit": pl.Float64, "passed": pl.Boolean})
BREAKS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "companion": pl.String,
    "logged": pl.Boolean,  # whether y is the log of the mean and the floor; else it is minus the mean
    "floor": pl.Float64,
    "axis_values": pl.List(pl.Float64),
    "y": pl.List(pl.Float64),  # falling is better
    "smooth": pl.List(pl.Float64),  # the best smooth curve
    "smooth_kind": pl.String,
    "broken": pl.List(pl.Float64),  # the best trend and step
    "p": pl.Float64,
    "p_adjusted": pl.Float64,
    "statistic": pl.Float64,
    "step": pl.Float64,
    "step_share": pl.Float64,  # of the range of y
    **dict.fromkeys(("step_from", "step_to"), pl.Float64),
    "w_min": pl.Float64,  # decades
    "scatter": pl.Float64,  # of one model, in the unit of y
    "scatter_df": pl.Float64,
    "scatter_from": pl.String,
    "gates": pl.List(GATE),
    "headline": pl.List(pl.Float64),
    "link_held_out": pl.List(pl.Float64),
    "link_smooth": pl.List(pl.Float64),
    "p_count": pl.List(pl.Float64),
}

FITS: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "task": pl.String,
    "metric": pl.String,
    "law": pl.String,  # of the mean loss in the axis
    "scales": pl.Int64,
    "exponent": pl.Float64,
    "exponent_stderr": pl.Float64,
    "exponent_low": pl.Float64,
    "exponent_high": pl.Float64,
    "offset": pl.Float64,
    "amplitude": pl.Float64,  # of the loss above the offset, at the reference scale
    "reference": pl.Float64,
    "scatter": pl.Float64,  # of the models, on the log of the loss
    "aicc": pl.Float64,
    "best": pl.Boolean,
}

# What the paper predicts, and what became of it on a task: unmirage.predictions.Prediction says more.
PREDICTIONS = dict.fromkeys(("family", "task", "prediction", "outcome", "why", "says", "test"), pl.String)

WARNINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "code": pl.String,  # one word a rule, stable over versions
    "message": pl.String,
    "where": pl.String,
    "count": pl.Int64,  # rows, items or models concerned
}

_ROW = "__row"


def empty(schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """A frame without rows in one of this module's schemas."""
    return pl.DataFrame(schema=dict(schema))


def warning(code: str, message: str, *, where: str = "", count: int = 1) -> dict[str, object]:
    """One row of the warnings table."""
    return {"code": code, "message": message, "where": where, "count": count}


def warnings_frame(rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """Warnings in the order they were met; the same warning is listed once."""
    return pl.DataFrame(list(rows), schema=dict(WARNINGS)).unique(maintain_order=True)


def require(frame: pl.DataFrame, required: Iterable[str], *, where: str) -> None:
    """TableError unless every column is there."""
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise TableError(
            f"the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; there are: {', '.join(frame.columns)}",
            where=where,
            hint=f"Name the column that holds it: --map YOUR_COLUMN={missing[0]}",
        )


def conform(
    frame: pl.DataFrame,
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
    *,
    where: str,
    required: Iterable[str],
) -> pl.DataFrame:
    """Give `frame` the columns and types of `schema`, extra columns kept behind them.

    Raises
    ------
    TableError
        A required column is missing or a value cannot be read as the column's type.
    """
    require(frame, required, where=where)
    columns = []
    for name, dtype in schema.items():
        if name not in frame.columns:
            columns.append(pl.lit(None, dtype=dtype).alias(name))
            continue
        own = frame[name]
        columns.append(pl.col(name) if own.dtype == dtype else pl.lit(_cast(own, dtype, where)).alias(name))
    extra = [frame[name] for name in frame.columns if name not in schema]
    return pl.DataFrame([*frame.select(columns).get_columns(), *extra])


TRUTH = {"true": True, "false": False, "1": True, "0": False}


def _cast(values: pl.Series, dtype: pl.DataType | type[pl.DataType], where: str) -> pl.Series:
    """The values in a type of a schema; a number that is no whole one is not cut to an integer in silence."""
    try:
        if dtype == pl.Boolean and values.dtype == pl.String:
            return values.str.to_lowercase().replace_strict(TRUTH, return_dtype=pl.Boolean)
        found = values.cast(dtype)
        if found.dtype != dtype:  # of a struct each field is cast, not the struct
            raise pl.exceptions.SchemaError(f"it holds {values.dtype}")
    except pl.exceptions.PolarsError as problem:
        raise TableError(
            f"column {values.name} cannot be read as {_type_name(dtype)}: {str(problem).splitlines()[0]}",
            where=where,
        ) from None
    if found.dtype.is_integer() and values.dtype.is_float():
        changed = values.is_not_null() & (found.cast(pl.Float64) != values.cast(pl.Float64))
        if changed.any():
            found_one = values.filter(changed)[0]
            raise TableError(f"column {values.name} must hold whole numbers, not {found_one:g}", where=where)
    return found


def _type_name(dtype: pl.DataType | type[pl.DataType]) -> str:
    if isinstance(dtype, pl.Enum):
        return f"one of {', '.join(dtype.categories)}"
    if dtype in (pl.Float64, pl.Int64, pl.Int32):
        return "numbers"
    return str(dtype)


def check_responses(frame: pl.DataFrame, *, where: str) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """A frame in the responses schema that keeps every rule, and the warnings met on the way.

    Extra numeric columns stay, as axes that the user can name; other extra columns go, and a warning names
    them. Rows that are equal in every column are kept once, with a warning; rows that share a key and differ
    are refused.

    Parameters
    ----------
    frame: one row a model × task × item × epoch.
    where: what messages call the source (a path).

    Raises
    ------
    TableError
        A rule is broken; the message names the rule, the source and the first row.
    """
    if "epoch" not in frame.columns:
        frame = frame.with_columns(epoch=pl.lit(0, dtype=pl.Int32))
    frame = conform(frame, RESPONSES, where=where, required=("family", "model", "task", "item_id", "kind"))
    if frame.height == 0:
        raise TableError("there are no rows", where=where)
    notes: list[dict[str, object]] = []
    others = [c for c in frame.columns if c not in RESPONSES]
    unused = [c for c in others if not frame[c].dtype.is_numeric()]
    if unused:
        notes.append(unused_columns(unused, where=where))
        frame = frame.drop(unused)
    frame = frame.with_columns(
        pl.col([c for c in others if c not in unused]).cast(pl.Float64).fill_nan(None),
        pl.col(AXES).fill_nan(None),
    )
    rows, dropped = _refuse_duplicates(frame.with_row_index(_ROW, offset=1), where)
    notes += dropped
    rules = response_rules(frame)
    for (rule, broken, hint), holds in zip(rules, kept(rows, [test for _, test, _ in rules]), strict=True):
        if not holds:
            found = rows.filter(broken)
            row = found.row(0, named=True)
            raise TableError(
                f"{rule} ({found.height} of {frame.height} rows; first: row {row[_ROW]}, model "
                f"{row['model']}, task {row['task']}, item {row['item_id']})",
                where=where,
                hint=hint,
            )
    return rows.drop(_ROW), notes


def unused_columns(names: Sequence[str], *, where: str) -> dict[str, object]:
    """The warning of columns that stand beside the schema and are no numbers."""
    message = f"columns not used: {', '.join(names)}"
    return warning("unused-columns", message, where=where, count=len(names))


def _refuse_duplicates(frame: pl.DataFrame, where: str) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    if frame["item_id"].n_unique() == frame.height or not (twice := frame.select(KEY).is_duplicated()).any():
        return frame, []
    # Hashing the rest of the row compares list columns too, which `unique` cannot do.
    rest = frame.drop(KEY, _ROW).hash_rows(seed=0).alias("__hash")
    groups = frame.select(KEY).with_columns(rest).filter(twice).group_by(KEY, maintain_order=True)
    differing = groups.agg(pl.col("__hash").n_unique().alias("versions"), pl.len().alias("rows"))
    if (conflicts := differing.filter(pl.col("versions") > 1)).height:
        _, model, task, item, epoch, _, rows = conflicts.row(0)
        raise contradicting(conflicts.height, model, task, item, epoch, rows, where=where)
    kept = frame.unique(subset=KEY, keep="first", maintain_order=True)
    return kept, [repeated(frame.height - kept.height, where=where)]


def contradicting(
    keys: int, model: str, task: str, item: str, epoch: int, rows: int, *, where: str
) -> TableError:
    """The error of keys whose rows contradict each other, of which the first is named."""
    return TableError(
        f"{keys} keys (model, task, item, epoch) have rows that contradict each other; "
        f"first: model {model}, task {task}, item {item}, epoch {epoch} ({rows} rows)",
        where=where,
        hint="Two runs of one model need two model names (or families); repeats of an item need an "
        "epoch column.",
    )


def repeated(rows: int, *, where: str) -> dict[str, object]:
    """The warning of rows that repeat an earlier one."""
    message = f"{rows} rows repeat an earlier row exactly and were left out"
    return warning("duplicate-rows", message, where=where, count=rows)


def check_results(frame: pl.DataFrame, *, where: str) -> tuple[pl.DataFrame, list[dict[str, object]]]:
    """A frame in the results schema that keeps every rule; errors as in `check_responses`."""
    frame = conform(frame, RESULTS, where=where, required=("family", "model", "task", "metric", "value"))
    frame = frame.with_columns(pl.col("stderr", "chance", *AXES).fill_nan(None))  # how pandas writes a gap
    if frame.height == 0:
        raise TableError("there are no rows", where=where)
    key = ["family", "model", "task", "metric"]
    bad = frame.filter(pl.any_horizontal(pl.col(key).is_null()))
    if bad.height:
        raise TableError(f"{bad.height} rows lack one of {', '.join(key)}", where=where)
    notes: list[dict[str, object]] = []
    void = frame.filter(pl.col("value").is_null() | pl.col("value").is_nan())
    if void.height:
        names = ", ".join(void.get_column("model").unique(maintain_order=True).head(3))
        notes.append(
            warning(
                "missing-values",
                f"{void.height} aggregates have no value and were left out (models: {names})",
                where=where,
                count=void.height,
            )
        )
        frame = frame.filter(pl.col("value").is_not_null() & pl.col("value").is_not_nan())
    rules = result_rules()
    for (rule, broken), holds in zip(rules, kept(frame, [test for _, test in rules]), strict=True):
        if not holds:
            found = frame.filter(broken)
            row = found.row(0, named=True)
            raise TableError(
                f"{rule} ({found.height} of {frame.height} rows; first: {row['metric']} of {row['model']} on "
                f"{row['task']})",
                where=where,
                hint="Leave the cell empty where a number is not known.",
            )
    frame = frame.unique(maintain_order=True)
    twice = frame.filter(frame.select(key).is_duplicated())
    if twice.height:
        row = twice.row(0, named=True)
        raise TableError(
            f"{row['model']} has several values of {row['metric']} on {row['task']}",
            where=where,
            hint="One row a model, task and metric: give checkpoints and seeds names of their own.",
        )
    return frame, notes
