"""Training of one model: batches, optimisers, schedule, checkpoints, and going on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from unmirage.train import checkpoints
from unmirage.train.muon import Muon
from unmirage.train.problems import CONTEXT, training_batch
from unmirage.train.states import go_on
from unmirage.train.transformer import Shape, Transformer

SAVE_EVERY = 200  # steps between the states that a killed training goes on from


@dataclass(frozen=True)
class Recipe:
    """How the models of a family are trained; the same for every size.

    Attributes
    ----------
    steps: optimiser steps.
    batch: texts of CONTEXT tokens a step.
    multiplication: share of the texts that multiply; the others add.
    auxiliary: see `problems.operands`.
    matrix_rate, other_rate: highest learning rates, of Muon for block matrices and AdamW for the others.
    decay: of the block matrices.
    warm_up: steps; cool_down: share of the steps, at the end, over which the rates fall to 0.
    """

    steps: int = 2400
    batch: int = 64
    multiplication: float = 0.7
    auxiliary: float = 0.5
    matrix_rate: float = 0.02
    other_rate: float = 3e-3
    decay: float = 0.1
    warm_up: int = 100
    cool_down: float = 0.3

    @property
    def tokens_per_step(self) -> int:
        return self.batch * CONTEXT

    def kept(self) -> list[int]:
        """Steps after which a checkpoint is kept: the last, and others by factors of sqrt(2) before it."""
        steps = {max(1, round(self.steps * 2 ** (-k / 2))) for k in range(11)}
        return sorted(steps)

    def rate(self, step: int) -> float:
        """Share of the highest learning rate in step 0, 1, ..."""
        left = (self.steps - step) / max(1.0, self.cool_down * self.steps)
        return min(1.0, (step + 1) / (self.warm_up + 1), left)


def train(
    shape: Shape,
    recipe: Recipe,
    seed: int,
    folder: Path,
    device: str = "cpu",
    on_step: Callable[[int], None] = lambda step: None,
) -> list[tuple[int, Path]]:
    """Train one model, or go on where an earlier call was killed.

    The same shape, recipe and seed give the same weights on one kind of CPU, killed in between or not.

    Parameters
    ----------
    shape, recipe: what and how.
    seed: of the first weights and of the batches.
    folder: gets `step-NNNNN` for each kept step, and `state.pt` meanwhile.
    device: "cpu" or "cuda".
    on_step: called with the number of steps that are done.

    Returns
    -------
    (step, folder) of each checkpoint, in order.

    Raises
    ------
    OutputError
        `state.pt` is there and cannot be read.
    """
    kept = [(step, folder / f"step-{step:05d}") for step in recipe.kept()]
    state = folder / "state.pt"
    if kept[-1][1].is_dir():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    model = Transformer(shape, seed).to(device)
    optimisers = _optimisers(model, recipe)
    places = dict(kept)

    def after(done: int) -> None:
        on_step(done)
        if done in places:
            checkpoints.save(model, places[done])

    go_on(
        lambda step: _step(model, optimisers, recipe, step, seed, device),
        recipe.steps,
        model,
        optimisers,
        state,
        SAVE_EVERY,
        after,
    )
    return kept


def _step(
    model: Transformer,
    optimisers: list[torch.optim.Optimizer],
    recipe: Recipe,
    step: int,
    seed: int,
    device: str,
) -> None:
    tokens, learned = training_batch(
        recipe.batch, step, seed, share=recipe.multiplication, auxiliary=recipe.auxiliary
    )
    x = torch.from_numpy(tokens.astype(np.int64)).to(device)
    mask = torch.from_numpy(learned[:, 1:]).to(device)
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * recipe.rate(step)
        optimiser.zero_grad()
    loss = F.cross_entropy(model(x[:, :-1])[mask], x[:, 1:][mask])
    loss.backward()  # type: ignore[no-untyped-call]
    others = optimisers[1].param_groups[0]["params"]
    torch.nn.utils.clip_grad_norm_(others, 1.0)
    for optimiser in optimisers:
        optimiser.step()


def _optimisers(model: Transformer, recipe: Recipe) -> list[torch.optim.Optimizer]:
    blocks = list(model.model.layers.parameters())
    others = [model.model.embed_tokens.weight, model.lm_head.weight]
    found: list[torch.optim.Optimizer] = [
        Muon(blocks, lr=recipe.matrix_rate, weight_decay=recipe.decay),
        torch.optim.AdamW(others, lr=recipe.other_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    for optimiser in found:
        for group in optimiser.param_groups:
            group["highest"] = group["lr"]
    return found
