"""The state of a training, saved every so often, so that a training that was killed goes on from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from unmirage.errors import OutputError


def go_on(
    step: Callable[[int], bool | None],
    steps: int,
    model: torch.nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    path: Path,
    every: int,
    after: Callable[[int], None] = lambda done: None,
) -> None:
    """Call `step` for each step from 0 on, or from the one at which an earlier call was killed.

    The weights are the same, killed or not, where a step needs nothing but its number, model and optimisers.

    Parameters
    ----------
    step: takes one step, given its number; True where the training has ended before its last step.
    steps: how many there are.
    model, optimisers: what a step changes.
    path: the state; deleted at the end.
    every: steps between two states.
    after: called with the number of steps that are done.

    Raises
    ------
    OutputError
        The state is there and cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    first = 0
    if path.is_file():
        saved = _read(path, next(model.parameters()).device)
        first = saved["step"]
        model.load_state_dict(saved["model"])
        for optimiser, values in zip(optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(values)
    for k in range(first, steps):
        ended = step(k)
        done = k + 1
        after(done)
        if ended:
            break
        if done % every == 0 and done < steps:
            draft = path.with_suffix(".draft")
            values = {
                "step": done,
                "model": model.state_dict(),
                "optimisers": [o.state_dict() for o in optimisers],
            }
            torch.save(values, draft)
            os.replace(draft, path)
    path.unlink(missing_ok=True)


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        return {name: saved[name] for name in ("step", "model", "optimisers")}
    except Exception as problem:  # of many kinds, as the bytes may be anything
        raise OutputError(
            f"cannot be read ({type(problem).__name__})",
            where=str(path),
            hint="Delete it: this model is then trained from its start, to the same weights.",
        ) from None
