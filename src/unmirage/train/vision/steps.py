"""What the trainings of the networks share: batches, rates, a loop that goes on after a kill, one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from unmirage.train.states import go_on

Made = TypeVar("Made", bound=nn.Module)


def batch(n: int, size: int, seed: int, step: int) -> NDArray[np.intp]:
    """Which of n rows step 0, 1, ... takes: each epoch goes through them in an order of its own.

    The rows that are left at the end of an epoch, fewer than `size`, are not taken.
    """
    size = min(size, n)
    epoch, place = divmod(step, n // size)
    return np.random.default_rng((seed, epoch)).permutation(n)[place * size : (place + 1) * size]


def rate(step: int, steps: int, warm_up: int) -> float:
    """Share of the highest learning rate in step 0, 1, ...: a rise over `warm_up` steps, a line to 0."""
    return min(1.0, (step + 1) / (warm_up + 1)) * (1 - step / steps)


def seeded(make: Callable[[], Made], seed: int, size: int) -> Made:
    """A network with the first weights of a seed and a size, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 * seed + size)
        return make()


def fit(
    model: nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    loss: Callable[[int], Tensor],
    steps: int,
    warm_up: int,
    folder: Path,
    every: int,
    report: Callable[[int], None],
) -> None:
    """Lower `loss(step)` over the steps, and keep the weights in `model.safetensors`.

    Parameters
    ----------
    loss: of the batch of a step, which depends on the step alone.
    every: steps between two states that a killed training goes on from.
    report: called with the number of steps that are done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for group in (group for optimiser in optimisers for group in optimiser.param_groups):
        group["highest"] = group["lr"]

    def step(k: int) -> None:
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["highest"] * rate(k, steps, warm_up)
            optimiser.zero_grad()
        loss(k).backward()  # type: ignore[no-untyped-call]
        for optimiser in optimisers:
            optimiser.step()

    go_on(step, steps, model, optimisers, folder / "state.pt", every, report)
    keep(model, folder)


def keep(model: nn.Module, folder: Path) -> None:
    """Write the weights, `model.safetensors`."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for p in model.parameters())


def rounded(values: Tensor, decimals: int = 3) -> list[list[float]]:
    """Log-probabilities as lists, at most 0."""
    return (np.minimum(np.round(values.double().cpu().numpy(), decimals), 0.0) + 0.0).tolist()  # type: ignore[no-any-return]
