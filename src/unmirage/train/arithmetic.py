"""The arithmetic family: transformers of many sizes on the paper's two tasks, and their responses.

Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 3, on models that anyone can train. A model is trained on both
tasks at once; its last checkpoint answers every test question, the earlier ones a part of them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import Manager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from unmirage.errors import MissingExtraError, OutputError, SettingsError
from unmirage.export import write_table
from unmirage.processes import in_processes
from unmirage.result import Progress, silent
from unmirage.tables import RESPONSES
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
    jobs: int = 1,
    device: str = "cpu",
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
    jobs: processes of one thread each.
    device: "cpu" or "cuda".
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
    recipe, plan = _settings(widths, tuple(seeds), steps, quick, jobs, device)
    _same_as_before(out, recipe, plan)
    # Seed by seed, so that a family of one seed is whole early; the large models first, which take longest.
    models = [(width, seed) for seed in plan.seeds for width in sorted(plan.widths, reverse=True)]
    folders = {key: out / "models" / name(*key) for key in models}
    total = len(models) * recipe.steps
    done = dict.fromkeys(models, 0)
    with Manager() as manager:
        queue = manager.Queue()

        def listen() -> None:
            while (said := queue.get()) is not None:
                key, step = said
                done[key] = step
                progress("training (steps)", sum(done.values()), total)

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        calls = {key: (key, recipe, plan, folders[key], device, queue) for key in models}
        try:
            for finished, (key, _) in enumerate(in_processes(_model, calls, jobs, long=True), start=1):
                queue.put((key, recipe.steps))
                progress("models", finished, len(models))
        finally:
            queue.put(None)  # the listener ends before its queue does
            listener.join()
    tables = []
    for kind in ("responses", "checkpoints"):
        parts = [pl.read_parquet(folders[key] / f"{kind}.parquet") for key in sorted(models)]
        write_table(pl.concat(parts), out / f"{kind}.parquet", "parquet")
        tables.append(out / f"{kind}.parquet")
    return tables[0], tables[1]


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
    jobs: int,
    device: str,
) -> tuple[Recipe, Plan]:
    try:
        import torch

        from unmirage.train.loop import Recipe
    except ModuleNotFoundError as problem:
        raise MissingExtraError(
            f"training needs {problem.name}",
            where="train arithmetic",
            hint="Install it with: pip install 'unmirage[models]'",
        ) from None
    recipe, plan = Recipe(), Plan(seeds=seeds)
    if quick:
        recipe, plan = replace(recipe, steps=40, batch=16, warm_up=5), Plan(QUICK, seeds, 20, 10)
    if widths is not None:
        plan = replace(plan, widths=tuple(dict.fromkeys(widths)))
    if steps is not None:
        recipe = replace(recipe, steps=steps)
    rules = (
        (
            bool(plan.widths) and all(w > 0 and w % 2 == 0 for w in plan.widths),
            "--widths",
            "must be even numbers from 2 on",
        ),
        (all(w < 64 or w % 32 == 0 for w in plan.widths), "--widths", "must be multiples of 32 from 64 on"),
        (all(w < 32 or w % 16 == 0 for w in plan.widths), "--widths", "must be multiples of 16 from 32 on"),
        (bool(seeds) and min(seeds) >= 0, "--seeds", "there must be one at least, and none below 0"),
        (len(set(seeds)) == len(seeds), "--seeds", "must differ"),
        (recipe.steps >= 1, "--steps", "must be 1 at least"),
        (jobs >= 1, "--jobs", "must be 1 at least"),
        (
            device != "cuda" or torch.cuda.is_available(),
            "--device",
            "PyTorch finds no CUDA GPU here; use cpu",
        ),
    )
    for holds, where, rule in rules:
        if not holds:
            raise SettingsError(rule, where=where)
    return recipe, plan


def _same_as_before(out: Path, recipe: Recipe, plan: Plan) -> None:
    """Keep the settings beside the models, and refuse to mix models that were trained in two ways."""
    import json

    path = out / "recipe.json"
    mine = {"recipe": asdict(recipe), "asked": plan.asked, "asked_before": plan.asked_before}
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != mine:
            raise OutputError(
                "the folder holds models that were trained in another way"
                if before is not None
                else "recipe.json cannot be read, so that it is not known how its models were trained",
                where=str(out),
                hint="Name another folder, or repeat the options that it was made with (recipe.json).",
            )
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        draft.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as problem:
        raise OutputError(f"cannot be written: {problem.strerror}", where=str(out)) from None


def _model(key: tuple[int, int], recipe: Recipe, plan: Plan, folder: Path, device: str, queue: Any) -> None:
    """Train one model and write its responses, in a process of its own."""
    import torch

    from unmirage.train import checkpoints
    from unmirage.train.loop import train

    if (folder / "responses.parquet").is_file():
        return
    torch.set_num_threads(1)
    width, seed = key
    whole = [questions(task, "test", plan.asked) for task in TASKS]
    part = [questions(task, "test", plan.asked_before) for task in TASKS]
    validation = [questions(task, "validation", plan.asked_before) for task in TASKS]
    made = train(shape(width), recipe, seed, folder, device, lambda step: queue.put((key, step)))
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
        "epoch": 0,
        "kind": "generation",
        "target": ["".join(t).rstrip("\n") for t in targets],
        "output": ["".join(t).rstrip("\n") for t in texts],
        "target_tokens": targets,
        "output_tokens": texts,
        "target_logprobs": logprobs,
        "greedy": answers.greedy.tolist(),
        **about,
    }
    n = asked.a.size
    columns = {c: v if isinstance(v := known.get(c), list) else [v] * n for c in RESPONSES}
    return pl.DataFrame([pl.Series(c, columns[c], dtype) for c, dtype in RESPONSES.items()])
