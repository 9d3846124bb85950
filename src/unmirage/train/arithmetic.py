"""The arithmetic family: transformers of many sizes on the paper's two tasks, and their responses.

Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 3, on models that anyone can train. A model is trained on both
tasks at once; its last checkpoint answers every test question, the earlier ones a part of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unmirage.engine import Engine
from unmirage.export import write_table
from unmirage.result import Progress, silent
from unmirage.train.family import (
    Report,
    check,
    common_rules,
    join,
    keep_settings,
    needs_torch,
    responses,
    train_models,
)
from unmirage.train.problems import TASKS, VOCABULARY, Questions, Task, questions, text

if TYPE_CHECKING:
    from unmirage.train.answers import Answers
    from unmirage.train.loop import Recipe
    from unmirage.train.problems import Tokens
    from unmirage.train.transformer import Shape, Transformer

FAMILY = "arithmetic"
# Non-embedding parameters 48 width^2: 768 to 1.8 million, denser where addition turned out to be learnt.
WIDTHS = (4, 6, 8, 12, 16, 20, 24, 28, 32, 48, 64, 96, 128, 192)
LAYERS = 4
CONTEXT = 64  # a question and what a model may add to it
QUICK = (4, 8)


@dataclass(frozen=True)
class Plan:
    """What is trained and asked.

    Attributes
    ----------
    widths: of the models; even numbers.
    seeds: one model a width and seed.
    asked: questions of each length of answer at most, of the last checkpoint; `asked_before` of the others.
    """

    widths: tuple[int, ...] = WIDTHS
    seeds: tuple[int, ...] = (0, 1, 2)
    asked: int = 3100
    asked_before: int = 250


def train_arithmetic(
    out: Path,
    *,
    widths: Sequence[int] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int | None = None,
    quick: bool = False,
    device: str = "cpu",
    engine: Engine | None = None,
    progress: Progress = silent,
) -> tuple[Path, Path]:
    """Train the arithmetic family and collect its responses; the same call goes on after a kill.

    Parameters
    ----------
    out: folder; gets `models/NAME/step-NNNNN` (transformers checkpoints), `responses.parquet` and
        `checkpoints.parquet`.
    widths: of the models (None: fourteen, 768 to 1.8 million parameters without embeddings).
    seeds: of the models of each width.
    steps: of the training (None: the recipe's).
    quick: two tiny models, few steps and few questions: under a minute, to see that it works.
    device: "cpu" or "cuda".
    engine: where the models are trained (:func:`unmirage.engine.engine`); None: in this process. The
        machines of a cluster must see `out`.
    progress: called as steps are done.

    Returns
    -------
    The two tables: the responses of the last checkpoints (tasks `multiplication`, `addition`, and the same
    with `_t1` at temperature 1), and those of all checkpoints along the training at temperature 0.

    Raises
    ------
    MissingExtraError: PyTorch is not installed. SettingsError: a width, seed or number out of range, no GPU.
    OutputError: the folder holds a family that was trained in another way, or files that cannot be read.
    """
    recipe, plan = _settings(widths, tuple(seeds), steps, quick, device, engine)
    keep_settings(out, {"recipe": asdict(recipe), "asked": plan.asked, "asked_before": plan.asked_before})
    # Seed by seed, so that a family of one seed is whole early; the large models first, which take longest.
    models = [(width, seed) for seed in plan.seeds for width in sorted(plan.widths, reverse=True)]
    folders = {key: out / "models" / name(*key) for key in models}
    train_models(
        _model, (recipe, plan), folders, device, steps=recipe.steps, engine=engine, progress=progress
    )
    last, along = (
        join((folders[key] / f"{kind}.parquet" for key in sorted(models)), out / f"{kind}.parquet")
        for kind in ("responses", "checkpoints")
    )
    return last, along


def name(width: int, seed: int) -> str:
    """ "arithmetic-d32-seed0" """
    return f"{FAMILY}-d{width}-seed{seed}"


def shape(width: int) -> Shape:
    """The model of a width: heads of 16 or 32 numbers, or two smaller ones."""
    from unmirage.train.transformer import Shape

    heads = width // 32 if width >= 128 else max(2 if width % 4 == 0 else 1, width // 16)
    return Shape(width, heads, LAYERS, VOCABULARY, CONTEXT)


def _settings(
    widths: Sequence[int] | None,
    seeds: tuple[int, ...],
    steps: int | None,
    quick: bool,
    device: str,
    engine: Engine | None,
) -> tuple[Recipe, Plan]:
    needs_torch("train arithmetic")
    from unmirage.train.loop import Recipe

    recipe, plan = Recipe(), Plan(seeds=seeds)
    if quick:
        recipe, plan = replace(recipe, steps=40, batch=16, warm_up=5), Plan(QUICK, seeds, 20, 10)
    if widths is not None:
        plan = replace(plan, widths=tuple(dict.fromkeys(widths)))
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    check(
        (
            (
                bool(plan.widths) and all(w > 0 and w % 2 == 0 for w in plan.widths),
                "--widths",
                "must be even numbers from 2 on",
            ),
            (
                all(w < 64 or w % 32 == 0 for w in plan.widths),
                "--widths",
                "must be multiples of 32 from 64 on",
            ),
            (
                all(w < 32 or w % 16 == 0 for w in plan.widths),
                "--widths",
                "must be multiples of 16 from 32 on",
            ),
            (recipe.steps >= 1, "--steps", "must be 1 at least"),
            *common_rules(seeds, device, engine),
        )
    )
    return recipe, plan


def _model(
    key: tuple[int, int], recipe: Recipe, plan: Plan, folder: Path, device: str, report: Report
) -> None:
    """Train one model and write its responses, in a process of its own."""

    from unmirage.train import checkpoints
    from unmirage.train.loop import train

    width, seed = key
    whole = [questions(task, "test", plan.asked) for task in TASKS]
    part = [questions(task, "test", plan.asked_before) for task in TASKS]
    validation = [questions(task, "validation", plan.asked_before) for task in TASKS]
    made = train(shape(width), recipe, seed, folder, device, report)
    last, along = [], []
    for step, place in made:
        model = checkpoints.load(place).to(device)
        tokens = float(step * recipe.tokens_per_step)
        columns = {
            "model": name(width, seed),
            "n_params": float(model.shape.parameters),
            "n_tokens": tokens,
            "flops": 6.0 * model.shape.parameters * tokens,
            "loss": _loss(model, validation),
        }
        along += [_responses(model, asked, columns, 0) for asked in part]
        if step == recipe.steps:
            for asked in whole:
                last += [_responses(model, asked, columns, t, seed) for t in (0, 1)]
    write_table(pl.concat(along), folder / "checkpoints.parquet", "parquet")
    write_table(pl.concat(last), folder / "responses.parquet", "parquet")


def _loss(model: Transformer, asked: Sequence[Questions]) -> float:
    """Nats a token of the validation answers, the mean over both tasks."""
    import numpy as np

    from unmirage.train.answers import forced

    return float(np.mean([-np.nanmean(forced(model, one).logprobs) for one in asked]))


def _responses(
    model: Transformer, asked: Questions, columns: dict[str, Any], temperature: int, seed: int = 0
) -> pl.DataFrame:
    from unmirage.train.answers import forced, outputs

    answers = forced(model, asked)
    said = outputs(model, asked, temperature, seed, answers.greedy if temperature == 0 else None)
    return frame(asked, answers, said, columns, temperature)


def frame(
    asked: Questions, answers: Answers, said: Sequence[Tokens], about: dict[str, Any], temperature: int
) -> pl.DataFrame:
    """Responses in the schema `tables.RESPONSES`.

    The end of an answer is its last token, in `target_tokens`, `output_tokens` and `target_logprobs`;
    `target` and `output` are the digits without it. Log-probabilities have five decimals.
    """
    targets = [list(text(row)) for row in asked.answers]
    texts = [list(text(row)) for row in said]
    task: Task = asked.task
    logprobs = [
        [round(float(v), 5) + 0.0 for v in row[:k]]
        for row, k in zip(answers.logprobs, asked.answer_lengths, strict=True)
    ]
    known = {
        "family": FAMILY,
        "task": task.name if temperature == 0 else f"{task.name}_t{temperature}",
        "item_id": asked.item_ids,
        "kind": "generation",
        "target": ["".join(t).rstrip("\n") for t in targets],
        "output": ["".join(t).rstrip("\n") for t in texts],
        "target_tokens": targets,
        "output_tokens": texts,
        "target_logprobs": logprobs,
        "greedy": answers.greedy.tolist(),
        **about,
    }
    return responses(known, asked.a.size)
