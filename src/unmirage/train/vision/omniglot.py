"""Transformers that name handwritten characters: sequences of images and labels, as in the paper's figure 8.

Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 5, after Chan et al. 2022 (arXiv 2205.05055). An image is
embedded by two convolutions, a label by a table; image, label, image, label ... go into a causal transformer,
and each image's label is read where the image stands. Labels are the characters, the same in every sequence.
Who drew the test images drew none of the training images. The settings are in docs/training.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unmirage.errors import SourceError
from unmirage.export import write_table
from unmirage.train.family import responses
from unmirage.train.vision.sources import Source
from unmirage.train.vision.steps import fit, parameters, rounded, seeded
from unmirage.train.vision.train import Network

FAMILY = "omniglot"
LENGTHS = (1, 2, 3, 4, 5)  # images in a sequence
KINDS = ("independent", "bursty")
DRAWERS = 20  # that images without drawers are dealt to
SIDE = 28  # larger images are shrunk to it
SAVE_EVERY = 200


@dataclass(frozen=True)
class Shape:
    """A transformer of `layers` and `heads`, `width` numbers a token, `channels` of the first convolution."""

    width: int
    channels: int
    layers: int
    heads: int


SHAPES = {
    shape.width: shape
    for shape in (
        Shape(8, 3, 1, 2),
        Shape(10, 3, 1, 2),
        Shape(14, 4, 1, 2),
        Shape(32, 8, 2, 4),
        Shape(128, 16, 2, 4),
    )
}


@dataclass(frozen=True)
class Recipe:
    """How the models are trained; the same for every size but for the rate of the widest.

    Attributes
    ----------
    steps, batch: sequences of five independent images a step.
    rate: highest learning rate of AdamW with `weight_decay`; `wide_rate` from a width of 128 on. It rises
        over `warm_up` steps, then falls to 0.
    shift: pixels by which training images are moved at most, in each direction.
    asked: sequences of each test task.
    """

    steps: int = 800
    batch: int = 64
    rate: float = 3e-3
    wide_rate: float = 1e-3
    weight_decay: float = 0.01
    warm_up: int = 50
    shift: int = 2
    asked: int = 2000


@dataclass(frozen=True)
class Data:
    """Characters.

    Attributes
    ----------
    name: of the source.
    images: (n, side, side) float32, 0 to 1.
    labels: (n,) int64, below `kinds`.
    train, validation, test: indices; drawers are in one of the three.
    """

    name: str
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    kinds: int
    train: NDArray[np.intp]
    validation: NDArray[np.intp]
    test: NDArray[np.intp]


class Reader(nn.Module):
    """(n, L, side, side) images and (n, L) labels to (n, L, kinds) logits; images come before labels."""

    def __init__(self, shape: Shape, side: int, kinds: int) -> None:
        super().__init__()
        c, d = shape.channels, shape.width
        small = -(-side // 4)  # two convolutions of stride 2
        self.eye = nn.Sequential(
            nn.Conv2d(1, c, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, 2 * c, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * c * small * small, d),
        )
        self.labels = nn.Embedding(kinds, d)
        self.places = nn.Embedding(2 * max(LENGTHS), d)
        layer = nn.TransformerEncoderLayer(
            d, shape.heads, 4 * d, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, kinds)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        n, length = labels.shape
        seen = self.eye(images.reshape(n * length, 1, *images.shape[2:])).reshape(n, length, -1)
        tokens = torch.stack([seen, self.labels(labels)], 2).flatten(1, 2)[:, :-1]
        tokens = tokens + self.places.weight[: tokens.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], device=tokens.device)
        found: Tensor = self.head(self.norm(self.blocks(tokens, mask, is_causal=True)[:, ::2]))
        return found


def prepare(source: Source) -> Data:
    """The last quarter of the drawers is for the test, the last of the others for validation."""
    labels = source.labels_of_grey(
        "train omniglot", "It learns labels of grey drawings, of each label by many drawers: Omniglot."
    )
    drawers = source.drawers
    if drawers is None:
        drawers = np.random.default_rng(0).permutation(len(source.images)) % DRAWERS
    hands = np.unique(drawers)
    for_test = max(1, len(hands) // 4)
    if len(hands) < 3:
        raise SourceError(
            f"{source.name} has {len(hands)} drawers", where="train omniglot", hint="Three are needed."
        )
    test = np.isin(drawers, hands[-for_test:])
    validation = drawers == hands[-for_test - 1]
    kinds = int(labels.max()) + 1
    drawn = np.bincount(labels[test], minlength=kinds)
    if drawn.min() < max(LENGTHS):
        raise SourceError(
            f"label {drawn.argmin()} has {drawn.min()} test images",
            where="train omniglot",
            hint=f"Each needs {max(LENGTHS)}: sequences hold no image twice.",
        )
    parts = (np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test))
    return Data(source.name, _small(source.images), labels, kinds, *parts)


def sequences(
    labels: NDArray[np.int64], length: int, n: int, kind: str, rng: np.random.Generator
) -> NDArray[np.intp]:
    """(n, length) indices of labelled images; no image twice in a sequence.

    Parameters
    ----------
    labels: of the images, from 0 on.
    kind: "independent": every character is drawn at random on its own. "bursty": images are of two
        characters, of one where `length` is 2 or less, as evenly as can be, in random order.
    """
    kinds = int(labels.max()) + 1
    if kind == "independent":
        characters = rng.integers(kinds, size=(n, length))
    else:
        few = min(2, (length + 1) // 2)
        chosen = np.argsort(rng.random((n, kinds)), 1)[:, :few]
        characters = rng.permuted(chosen[:, np.arange(length) % few], axis=1)
    # An order of the images of each character for each sequence; its k-th appearance takes the k-th of them.
    by_label = np.argsort(labels, kind="stable")
    counts = np.bincount(labels, minlength=kinds)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rows = np.empty((n, length), np.intp)
    for i in range(n):
        order = {c: rng.permutation(counts[c])[:length] for c in np.unique(characters[i])}
        seen = dict.fromkeys(order, 0)
        for j, c in enumerate(characters[i]):
            rows[i, j] = by_label[starts[c] + order[c][seen[c]]]
            seen[c] += 1
    return rows


def name(width: int, seed: int) -> str:
    """ "omniglot-d32c8-seed0" """
    return f"{FAMILY}-d{width}c{SHAPES[width].channels}-seed{seed}"


def train(
    key: tuple[int, int],
    data: Data,
    recipe: Recipe,
    folder: Path,
    device: str,
    report: Callable[[int], None],
) -> None:
    """Train the model of (width, seed), and write what it says of the sequences of every task.

    Tasks are `independent_1` ... `independent_5` and `bursty_1` ... `bursty_5`; the true labels before an
    image are in its context.
    """
    width, seed = key
    side = data.images.shape[1]
    model = seeded(lambda: Reader(SHAPES[width], side, data.kinds), seed, width).to(device)
    images = torch.from_numpy(data.images).to(device)
    labels = torch.from_numpy(data.labels).to(device)

    def loss(step: int) -> Tensor:
        rng = np.random.default_rng((seed, step))
        rows = rng.choice(data.train, (recipe.batch, max(LENGTHS)))
        moves = rng.integers(0, 2 * recipe.shift + 1, (2, *rows.shape))
        shown = shifted(images[rows], torch.from_numpy(moves).to(device), recipe.shift)
        return F.cross_entropy(model(shown, labels[rows]).flatten(0, 1), labels[rows].flatten())

    rate = recipe.rate if width < 128 else recipe.wide_rate
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=recipe.weight_decay)
    fit(model, [optimiser], loss, recipe.steps, recipe.warm_up, folder, SAVE_EVERY, report)

    @torch.no_grad()
    def logprobs(rows: NDArray[np.intp]) -> Tensor:
        parts = np.array_split(rows, -(-len(rows) // 500))
        return torch.cat([F.log_softmax(model(images[part], labels[part]), -1) for part in parts])

    held = np.random.default_rng(0).choice(data.validation, (500, max(LENGTHS)))
    about = {
        "family": FAMILY,
        "model": name(width, seed),
        "n_params": float(parameters(model)),
        "loss": float(F.nll_loss(logprobs(held).flatten(0, 1), labels[held].flatten())),
        "kind": "generation",
    }
    tables = []
    for k, kind in enumerate(KINDS):
        for length in LENGTHS:
            # Seeds of the test sequences: the same for all models.
            rng = np.random.default_rng((k, length))
            rows = data.test[sequences(data.labels[data.test], length, recipe.asked, kind, rng)]
            tables.append(_table(f"{kind}_{length}", data.labels[rows], logprobs(rows), about))
    write_table(pl.concat(tables), folder / "responses.parquet", "parquet")


def shifted(images: Tensor, moves: Tensor, most: int) -> Tensor:
    """Images (..., side, side) moved by `moves` - `most` pixels down and right (moves: 2, ...)."""
    side = images.shape[-1]
    wide = F.pad(images, (most,) * 4).flatten(0, -3)
    at = 2 * most - moves.flatten(1)[:, :, None] + torch.arange(side, device=images.device)
    which = torch.arange(len(wide), device=images.device)[:, None, None]
    return wide[which, at[0][:, :, None], at[1][:, None, :]].reshape(images.shape)


def _small(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Squares of `SIDE` pixels at most, each with a maximum of 1: means over blocks of pixels."""
    side = min(SIDE, *images.shape[1:])
    parts = [
        F.adaptive_avg_pool2d(torch.from_numpy(part).float(), (side, side))
        for part in np.array_split(images, -(-len(images) // 1000))
    ]
    found = torch.cat(parts)
    small: NDArray[np.float32] = (found / found.amax((1, 2), keepdim=True).clamp(min=1e-9)).numpy()
    return small


def _table(task: str, labels: NDArray[np.int64], logprobs: Tensor, about: dict[str, object]) -> pl.DataFrame:
    """Responses of one task: a sequence is an item, a label a token."""
    said = logprobs.argmax(-1).cpu().numpy()
    right = torch.from_numpy(labels).to(logprobs.device)[..., None]
    targets, outputs = labels.astype(str).tolist(), said.astype(str).tolist()
    known = {
        **about,
        "task": task,
        "item_id": [str(i) for i in range(len(labels))],
        "target": [" ".join(row) for row in targets],
        "output": [" ".join(row) for row in outputs],
        "target_tokens": targets,
        "output_tokens": outputs,
        "target_logprobs": rounded(logprobs.gather(-1, right)[..., 0]),
        "greedy": (said == labels).all(1).tolist(),
    }
    return responses(known, len(labels))


NETWORK = Network(
    sizes=tuple(SHAPES),
    quick_sizes=(8, 14, 32),
    free=False,
    recipe=Recipe(),
    quick=Recipe(steps=200, batch=32, rate=1e-2, warm_up=20, shift=0, asked=200),
    prepare=prepare,
    name=name,
    train=train,
)
