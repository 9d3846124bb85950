"""From answers to rows of the responses table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from unmirage.ask.family import Model
from unmirage.ask.plan import Cell
from unmirage.tables import RESPONSES
from unmirage.tasks import Item, Task

Answer = Mapping[str, Any]


def rows_of(one: Cell, outputs: Sequence[Answer], scores: Sequence[Answer]) -> pl.DataFrame:
    """The responses of a model to a task, in the schema `tables.RESPONSES` and the model's other axes.

    Targets and outputs are stripped of white space at both ends. Tokens are the model's own, where it says
    them of target and output alike.

    Parameters: outputs and scores, as many as the cell's requests and in their order; fields as in
    `requests.Generated` and `requests.Scored`.
    """
    scored: dict[int, dict[int, Answer]] = {}
    for (place, _), answer in zip(one.scores, scores, strict=True):
        assert place.continuation is not None
        scored.setdefault(place.item, {})[place.continuation] = answer
    rows: list[dict[str, Any]] = []
    if one.task.kind == "choice":
        rows = [_choice(item, scored[i]) for i, item in enumerate(one.task.items)]
    for (place, _), answer in zip(one.outputs, outputs, strict=True):
        item = one.task.items[place.item]
        rows.append(_output(item, place.epoch or 0, answer, scored.get(place.item, {}).get(0)))
    return framed(one.model, one.task, rows)


def framed(model: Model, task: Task, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows with what all of a model and task share."""
    shared = {
        "family": model.family,
        "model": model.name,
        "task": task.name,
        "n_params": model.n_params,
        "n_tokens": model.n_tokens,
        "flops": model.flops,
        "loss": model.loss,
    }
    frame = pl.DataFrame([{**shared, **row} for row in rows], schema={**RESPONSES, **_extra(rows)})
    return frame.with_columns(pl.lit(value).alias(name) for name, value in model.axes.items())


def _extra(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: pl.Float64 for row in rows[:1] for name in row if name not in RESPONSES}


def _choice(item: Item, answers: Mapping[int, Answer]) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "epoch": 0,
        "kind": "choice",
        "target": None if item.answer is None else item.choices[item.answer],
        "choice_logprobs": [sum(answers[k]["logprobs"]) for k in range(len(item.continuations))],
        "choice_lengths": [max(len(choice), 1) for choice in item.choices],
        "length_unit": "characters",
        "answer": item.answer,
        "cluster": item.cluster,
    }


def _output(item: Item, epoch: int, answer: Answer, target: Answer | None) -> dict[str, Any]:
    both = target is not None and answer["tokens"] is not None
    return {
        "item_id": item.item_id,
        "epoch": epoch,
        "kind": "generation",
        "target": (item.target or "").strip(),
        "output": answer["text"].strip(),
        "target_tokens": None if target is None else target["tokens"],
        "output_tokens": answer["tokens"] if both else None,
        "target_logprobs": None if target is None else target["logprobs"],
        "greedy": None if target is None else target["greedy"],
        "cluster": item.cluster,
    }
