"""The LeNet family: two convolutions and a bottleneck of k units, on MNIST or other labelled grey images.

Schaeffer et al. 2023 (arXiv 2304.15004), Fig. 11. The layers were found from the parameter counts of the
figure, 6283 k + 264 for images of 28 by 28 pixels and ten labels; the settings are in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unmirage.export import write_table
from unmirage.train.family import responses
from unmirage.train.vision.sources import Source
from unmirage.train.vision.steps import batch, fit, parameters, rounded, seeded
from unmirage.train.vision.train import Network, Pictures

FAMILY = "lenet"
SAVE_EVERY = 500


@dataclass(frozen=True)
class Recipe:
    """How the models are trained; the same for every size.

    Attributes
    ----------
    steps, batch: images a step.
    rate: highest learning rate of SGD with `momentum`; it rises over `warm_up` steps, then falls to 0.
    """

    steps: int = 1400
    batch: int = 64
    rate: float = 0.01
    momentum: float = 0.9
    warm_up: int = 50


@dataclass(frozen=True)
class Data:
    """Images and labels.

    Attributes
    ----------
    name: of the task.
    images: (n, height, width) uint8.
    labels: (n,) int64, below `kinds`.
    train, validation, test: indices.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    kinds: int
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


class LeNet(nn.Sequential):
    """(n, 1, height, width) images to (n, kinds) logits; k units before the last layer, tanh between layers.

    Parameters: 8 height width k + k + kinds k + kinds + 254.
    """

    def __init__(self, k: int, height: int, width: int, kinds: int) -> None:
        super().__init__(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Tanh(),
            nn.Flatten(),
            nn.Linear(8 * height * width, k),
            nn.Tanh(),
            nn.Linear(k, kinds),
        )


def prepare(source: Source) -> Data:
    """A tenth of the training images is for validation."""
    labels = source.labels_of_grey("train lenet", "LeNet learns labels of grey images: MNIST.")
    return Data(source.name, source.images, labels, int(labels.max()) + 1, *source.split(0.1))


def name(k: int, seed: int) -> str:
    """ "lenet-k8-seed0" """
    return f"{FAMILY}-k{k}-seed{seed}"


def train(
    key: tuple[int, int],
    data: Data,
    recipe: Recipe,
    folder: Path,
    device: str,
    report: Callable[[int], None],
) -> None:
    """Train the model of (k, seed), and write the log-probabilities of all labels for every test image."""
    k, seed = key
    model = seeded(lambda: LeNet(k, data.images.shape[1], data.images.shape[2], data.kinds), seed, k).to(
        device
    )
    shown = data.images[data.train]
    mean, sd = float(shown.mean()) / 255, float(shown.std()) / 255

    def images(rows: NDArray[np.intp]) -> Tensor:
        x = torch.from_numpy(data.images[rows])[:, None].to(device)
        return (x / 255 - mean) / sd

    def labels(rows: NDArray[np.intp]) -> Tensor:
        return torch.from_numpy(data.labels[rows]).to(device)

    def loss(step: int) -> Tensor:
        rows = data.train[batch(len(data.train), recipe.batch, seed, step)]
        return F.cross_entropy(model(images(rows)), labels(rows))

    optimiser = torch.optim.SGD(model.parameters(), lr=recipe.rate, momentum=recipe.momentum)
    fit(model, [optimiser], loss, recipe.steps, recipe.warm_up, folder, SAVE_EVERY, report)

    @torch.no_grad()
    def logprobs(rows: NDArray[np.intp]) -> Tensor:
        parts = np.array_split(rows, -(-len(rows) // 1000))
        return torch.cat([F.log_softmax(model(images(part)), -1) for part in parts])

    known = {
        "family": FAMILY,
        "model": name(k, seed),
        "task": data.name,
        "item_id": [str(i) for i in range(len(data.test))],
        "n_params": float(parameters(model)),
        "loss": float(F.nll_loss(logprobs(data.validation), labels(data.validation))),
        "kind": "choice",
        "choice_logprobs": rounded(logprobs(data.test)),
        "answer": data.labels[data.test].tolist(),
    }
    write_table(responses(known, len(data.test)), folder / "responses.parquet", "parquet")


def pictures(data: Data) -> Pictures:
    """The test images; an item is named by its place among them."""
    return Pictures(np.array([str(i) for i in range(len(data.test))]), data.images[data.test])


NETWORK = Network(
    sizes=(1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64),
    quick_sizes=(1, 2, 3, 4, 8, 16),
    free=True,
    recipe=Recipe(),
    quick=Recipe(steps=300, batch=32, rate=0.02, warm_up=20),
    prepare=prepare,
    name=name,
    train=train,
    pictures=pictures,
)
