"""The tables that travel between the steps: their columns, types and rules.

One place holds each schema. Readers build a frame and pass it through :func:`check_responses` or
:func:`check_results`; every later step may rely on what those promise. Reading files is not done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from unmirage.errors import TableError

KINDS = ("generation", "choice", "likelihood", "count", "score")
KEY = ("family", "model", "task", "item_id", "epoch")
AXES = ("n_params", "n_tokens", "flops", "loss")

RECORDED = pl.List(pl.Struct({"metric": pl.String, "value": pl.Float64}))

RESPONSES: dict[str, pl.DataType | type[pl.DataType]] = {
    "family": pl.String,
    "model": pl.String,
    "task": pl.String,
    "item_id": pl.String,
    "epoch": pl.Int32,
    "n_params": pl.Float64,
    "n_tokens": pl.Float64,
    "flops": pl.Float64,
    "loss": pl.Float64,
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
    "n_params": pl.Float64,
    "n_tokens": pl.Float64,
    "flops": pl.Float64,
    "loss": pl.Float64,
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
    {
        name: pl.Float64
        for name in ("width", "t10", "t90", "emergence_score", "breakthroughness", "linearity")
    }
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

WARNINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "code": pl.String,  # one word a rule, stable over versions
    "message": pl.String,
    "where": pl.String,
    "count": pl.Int64,  # rows, items or models concerned
}
