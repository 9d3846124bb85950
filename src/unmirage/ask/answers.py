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

    Outputs are what the task takes for the answer (:meth:`unmirage.tasks.Task.said`). Of several right
    answers the one that was given is the target, else the first. Tokens are the model's own, where it says
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
        said = one.task.said(answer["text"])
        rows.append(_output(item, place.epoch or 0, said, answer, scored.get(place.item, {}).get(0)))
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


def _output(item: Item, epoch: int, said: str, answer: Answer, target: Answer | None) -> dict[str, Any]:
    another = said in item.others
    # Tokens of a target are those of the first right answer, and of an output those of all of it.
    whole = target is not None and answer["tokens"] is not None and said == answer["text"].strip()
    return {
        "item_id": item.item_id,
        "epoch": epoch,
        "kind": "generation",
        "target": said if another else item.target,
        "output": said,
        "target_tokens": None if target is None or another else target["tokens"],
        "output_tokens": answer["tokens"] if whole and not another else None,
        "target_logprobs": None if target is None else _summed(target) if another else target["logprobs"],
        "greedy": None if target is None else target["greedy"],
        "cluster": item.cluster,
    }


def _summed(target: Answer) -> list[float]:
    """One entry in all, as for a target whose tokens are not known."""
    return [sum(target["logprobs"])]
