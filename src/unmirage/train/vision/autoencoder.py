"""Shallow nonlinear autoencoders of h hidden units, on photographs or other images.

Schaeffer et al. 2023 (arXiv 2304.15004), Fig. 7: pixels to h leaky rectified units to pixels, with biases,
6145 h + 3072 parameters for colour images of 32 by 32. Training starts from random weights and takes all
images in each step. The decoder is solved by least squares (variable projection, Golub and Pereyra 1973).
The encoder follows its gradient, scaled by the covariances of images and of the decoder (Kronecker factors,
Martens and Grosse 2015), until a step hardly lowers the error. The settings are in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unmirage.export import write_table
from unmirage.train.family import responses
from unmirage.train.states import go_on
from unmirage.train.vision.sources import Source
from unmirage.train.vision.steps import keep, parameters, seeded
from unmirage.train.vision.train import Network, Pictures

FAMILY = "autoencoder"
METRIC = "reconstruction_error"
SLOPE = 0.1  # of a unit below 0
SAVE_EVERY = 10
HALVINGS = 8


@dataclass(frozen=True)
class Recipe:
    """How the models are trained; the same for every size.

    Attributes
    ----------
    steps: at most, of all images each.
    rate: share of the way that the encoder takes in a step to where the decoder would have its codes; it is
        halved until the step lowers the error of the training images.
    enough: training ends when a step of the whole rate lowers that error by a smaller share, or one of half
        of it by half as much.
    decay: damping of the encoder's way and, at first, its ridge penalty, in variances of a pixel.
    fading: steps over which the penalty falls to 0; training does not end before.
    ridge: of the decoder and of its inverse, in mean variances of a code.
    """

    steps: int = 100
    rate: float = 0.5
    enough: float = 5e-4
    decay: float = 0.1
    fading: int = 10
    ridge: float = 1e-3


@dataclass(frozen=True)
class Data:
    """Images.

    Attributes
    ----------
    name: of the task.
    images: (n, height, width[, 3]) uint8.
    train, validation, test: indices; a sixteenth of the training images is for validation.
    mirrored: whether training images are shown from left to right too: photographs are.
    """

    name: str
    images: NDArray[np.uint8]
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]
    mirrored: bool

    def pixels(self, rows: NDArray[np.intp], mirrored: bool = False) -> NDArray[np.float32]:
        """(rows, pixels) standardised by mean and spread of each colour over the training images."""
        over = tuple(range(3))
        shown = self.images[self.train].astype(np.float32)
        mean, sd = shown.mean(over, np.float64), shown.std(over, dtype=np.float64)
        x = ((self.images[rows] - mean) / sd).astype(np.float32)
        both = np.concatenate([x, x[:, :, ::-1]]) if mirrored else x
        return both.reshape(len(both), -1)


class Autoencoder(nn.Module):
    """(n, pixels) images to (n, pixels) images; (2 pixels + 1) h + pixels parameters."""

    def __init__(self, h: int, pixels: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(pixels, h)
        self.decoder = nn.Linear(h, pixels)

    def codes(self, x: Tensor) -> Tensor:
        """(n, h) what is left of each image."""
        return F.leaky_relu(self.encoder(x), SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.codes(x))
        return found


def prepare(source: Source) -> Data:
    """All images will do."""
    return Data(source.name, source.images, *source.split(1 / 16), mirrored=source.images.ndim == 4)


def name(h: int, seed: int) -> str:
    """ "autoencoder-h64-seed0" """
    return f"{FAMILY}-h{h}-seed{seed}"


@torch.no_grad()
def train(
    key: tuple[int, int],
    data: Data,
    recipe: Recipe,
    folder: Path,
    device: str,
    report: Callable[[int], None],
) -> None:
    """Train the model of (h, seed), and write the error of every test image."""
    h, seed = key
    x = torch.from_numpy(data.pixels(data.train, data.mirrored)).to(device)
    mean = x.mean(0)
    x -= mean  # until the end, biases are those for images without their mean
    model = seeded(lambda: Autoencoder(h, len(mean)), seed, h).to(device)
    loaded = x.T @ x / len(x) + recipe.decay * torch.eye(len(mean), device=device)
    factor = torch.linalg.cholesky(loaded)

    solve(model, x, recipe)
    go_on(
        lambda k: step(model, x, factor, recipe, k),
        recipe.steps,
        model,
        [],
        folder / "state.pt",
        SAVE_EVERY,
        report,
    )
    model.encoder.bias.sub_(model.encoder.weight @ mean)
    model.decoder.bias.add_(mean)
    keep(model, folder)

    def errors(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        shown = torch.from_numpy(data.pixels(rows)).to(device)
        each: NDArray[np.float64] = ((model(shown) - shown) ** 2).mean(1).double().cpu().numpy()
        return each

    table = _table(FAMILY, name(h, seed), data, parameters(model), errors(data.validation), errors(data.test))
    write_table(table, folder / "responses.parquet", "parquet")


def solve(model: Autoencoder, x: Tensor, recipe: Recipe) -> None:
    """Give the decoder its best weights for the codes of the images x, whose mean is 0."""
    codes = model.codes(x)
    middle = codes.mean(0)
    codes -= middle
    factor = torch.linalg.cholesky(_loaded(codes.T @ codes, recipe.ridge))
    model.decoder.weight.copy_(torch.cholesky_solve((codes.T @ x).double(), factor).T)
    model.decoder.bias.copy_(-model.decoder.weight @ middle)


def step(model: Autoencoder, x: Tensor, factor: Tensor, recipe: Recipe, k: int) -> bool:
    """Move the encoder downhill and solve the decoder again; returns whether the training has ended.

    `factor` is the Cholesky factor of the covariance of x and the decay.
    """
    before = _error(model, x)
    weight, bias = model.encoder.weight, model.encoder.bias
    first_weight, first_bias = weight.clone(), bias.clone()
    penalty = recipe.decay * max(0.0, 1 - k / recipe.fading)
    toward_weight, toward_bias = downhill(model, x, factor, penalty, recipe.ridge)
    for halved in range(HALVINGS):
        rate = recipe.rate / 2**halved
        weight.copy_(first_weight + rate * toward_weight)
        bias.copy_(first_bias + rate * toward_bias)
        solve(model, x, recipe)
        after = _error(model, x)
        if after < before:
            return k >= recipe.fading and (before - after) * 2**halved < recipe.enough * before
    weight.copy_(first_weight)
    bias.copy_(first_bias)
    solve(model, x, recipe)
    return k >= recipe.fading


def downhill(
    model: Autoencoder, x: Tensor, factor: Tensor, penalty: float, ridge: float
) -> tuple[Tensor, Tensor]:
    """The whole way of the encoder's weights and biases."""
    weight, decoder = model.encoder.weight, model.decoder.weight
    before = model.encoder(x)
    left = x - model.decoder(F.leaky_relu(before, SLOPE))
    slope = (left @ decoder) * torch.where(before > 0, 1.0, SLOPE)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(_loaded(decoder.T @ decoder, ridge)))
    wanted = slope @ inverse.float()
    change = wanted.T @ x / len(x) - penalty * weight
    return torch.cholesky_solve(change.T, factor).T, wanted.mean(0)


def _error(model: Autoencoder, x: Tensor) -> float:
    return float(((x - model(x)) ** 2).mean())


def _loaded(square: Tensor, ridge: float) -> Tensor:
    """A covariance in double precision, plus a share of its mean variance."""
    double = square.double()
    return double + ridge * double.diagonal().mean() * torch.eye(
        len(double), dtype=double.dtype, device=double.device
    )


def pca(data: Data, sizes: Sequence[int], out: Path) -> None:
    """Write `pca.parquet`: errors with as many principal components as there are hidden units.

    It is the least error of any linear autoencoder on the training images; a reference, not a trained family.
    Where there are fewer pixels than units, all components are taken.
    """
    shown = data.pixels(data.train, data.mirrored).astype(np.float64)
    mean = shown.mean(0)
    _, directions = np.linalg.eigh((shown - mean).T @ (shown - mean))
    directions = directions[:, ::-1]

    def errors(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """(pixels + 1, rows) with 0, 1, ... components."""
        scores = ((data.pixels(rows) - mean) @ directions) ** 2
        left = np.cumsum(scores[:, ::-1], 1)[:, ::-1].T / len(mean)
        return np.concatenate([left, np.zeros((1, len(rows)))])

    validation, test = errors(data.validation), errors(data.test)
    tables = []
    for h in sizes:
        at = min(h, len(mean))
        count = parameters(Autoencoder(h, len(mean)))
        tables.append(_table("pca", f"pca-h{h}", data, count, validation[at], test[at]))
    write_table(pl.concat(tables), out / "pca.parquet", "parquet")


def _table(
    family: str,
    model: str,
    data: Data,
    count: int,
    validation: NDArray[np.float64],
    test: NDArray[np.float64],
) -> pl.DataFrame:
    """Responses of kind score: mean squared error of a pixel, six decimals."""
    known = {
        "family": family,
        "model": model,
        "task": data.name,
        "item_id": [str(i) for i in range(len(test))],
        "n_params": float(count),
        "loss": float(validation.mean()),
        "kind": "score",
        "recorded": [[{"metric": METRIC, "value": v}] for v in np.round(test, 6).tolist()],
    }
    return responses(known, len(test))


def pictures(data: Data) -> Pictures:
    """The test images; an item is named by its place among them."""
    return Pictures(np.array([str(i) for i in range(len(data.test))]), data.images[data.test])


NETWORK = Network(
    sizes=(1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 196, 256, 384, 512, 768, 1024),
    quick_sizes=(1, 2, 4, 8, 16, 24, 32, 48),
    free=True,
    recipe=Recipe(),
    quick=Recipe(enough=2e-3),
    prepare=prepare,
    name=name,
    train=train,
    pictures=pictures,
    beside=pca,
)
