"""The optimiser of the block matrices: Muon, batched over matrices of one shape, in single precision.

Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". `torch.optim.Muon` does the
same one matrix at a time in bfloat16, which takes ten to twenty times as long on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.775, 2.0315)


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by five Newton-Schulz steps, with decoupled weight decay.

    The learning rate is multiplied by sqrt(max(1, outputs/inputs)); the decay is `lr * weight_decay` a step.

    Parameters
    ----------
    params: matrices.
    lr, momentum, weight_decay: as usual; the momentum is Nesterov's.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.1
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                updates = orthogonal(torch.stack([self._momentum(p, group["momentum"]) for p in params]))
                size = max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, updates, strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=-group["lr"] * size)

    def _momentum(self, p: nn.Parameter, momentum: float) -> Tensor:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - momentum)
        update: Tensor = p.grad.lerp(state["momentum"], momentum)
        return update


def orthogonal(x: Tensor) -> Tensor:
    """Matrices (k, m, n) with singular values near 1 (0.7 to 1.2) and the singular vectors of x."""
    a, b, c = COEFFICIENTS
    wide = x if x.shape[-2] <= x.shape[-1] else x.mT
    y = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = y @ y.mT
        y = a * y + (b * square + c * square @ square) @ y
    out: Tensor = y if wide is x else y.mT
    return out
