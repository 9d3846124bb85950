"""The door: train a family of networks on images and collect its responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unmirage.engine import Engine
from unmirage.errors import OutputError
from unmirage.result import Progress, silent
from unmirage.train.family import check, common_rules, join, keep_settings, needs_torch, train_models
from unmirage.train.vision.sources import Source, read_source

Name = Literal["lenet", "autoencoder", "omniglot"]


@dataclass(frozen=True)
class Pictures:
    """Items of a table of responses as pictures: `item_id` (n,), `images` (n, height, width[, 3]) uint8."""

    item_id: NDArray[np.str_]
    images: NDArray[np.uint8]


@dataclass(frozen=True)
class Network:
    """What the door knows of a network; each network's file has one.

    Attributes
    ----------
    sizes: of the whole family; quick_sizes: of a quick one.
    free: whether other sizes can be trained too.
    recipe, quick: dataclasses with `steps` and `batch`; quick is for seconds.
    prepare: a source -> what models are trained and tested on; SourceError where the source does not fit.
    name: (size, seed) -> name of the model.
    train: (key, data, recipe, folder, device, report): leaves `responses.parquet` in the folder.
    pictures: of the test items, or None where items are not images.
    beside: writes further tables, given (data, sizes, folder), or None.
    """

    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    free: bool
    recipe: Any
    quick: Any
    prepare: Callable[[Source], Any]
    name: Callable[[int, int], str]
    train: Callable[..., None]
    pictures: Callable[[Any], Pictures] | None = None
    beside: Callable[[Any, Sequence[int], Path], None] | None = None


def train(
    network: Name,
    out: Path,
    *,
    data: str = "digits",
    sizes: Sequence[int] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int | None = None,
    quick: bool = False,
    device: str = "cpu",
    engine: Engine | None = None,
    progress: Progress = silent,
) -> Path:
    """Train a family of networks and collect its responses; the same call goes on after a kill.

    Parameters
    ----------
    network: "lenet" (labels of images), "autoencoder" (images from few numbers) or "omniglot" (labels of
        sequences of characters).
    out: folder; gets `models/NAME/` (weights and responses of each model), `responses.parquet`,
        `recipe.json`, and `images.npz` where items are images.
    data: "digits" (scikit-learn's), an .npz file, a folder of IDX files or CIFAR pickles, or hub:NAME.
    sizes: LeNet's units, the autoencoder's hidden units, the transformer's width (None: the paper's).
    seeds: of the models of each size.
    steps: of the training (None: the recipe's).
    quick: few sizes and few steps: seconds on the digits, to see that it works.
    device: "cpu" or "cuda".
    engine: where the models are trained (:func:`unmirage.engine.engine`); None: in this process. The
        machines of a cluster must see `out`.
    progress: called as steps are done.

    Returns
    -------
    The table of responses, in the schema `tables.RESPONSES`.

    Raises
    ------
    MissingExtraError: PyTorch, scikit-learn or datasets is not installed. SettingsError: a size, seed or
    number out of range, no GPU. SourceError: images that cannot be read, or do not fit the network.
    OutputError: the folder holds a family that was trained in another way, or files that cannot be read.
    """
    needs_torch(f"train {network}")
    about: Network = import_module(f"unmirage.train.vision.{network}").NETWORK
    recipe = about.quick if quick else about.recipe
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    wanted = tuple(dict.fromkeys(sizes or (about.quick_sizes if quick else about.sizes)))
    check(
        (
            (min(wanted) >= 1, "--sizes", "must be 1 at least"),
            (
                about.free or set(wanted) <= set(about.sizes),
                "--sizes",
                f"must be of {', '.join(map(str, about.sizes))}",
            ),
            (recipe.steps >= 1, "--steps", "must be 1 at least"),
            *common_rules(tuple(seeds), device, engine),
        )
    )
    source = read_source(data)
    prepared = about.prepare(source)
    keep_settings(out, {"network": network, "recipe": asdict(recipe), "data": source.known()})
    if about.pictures is not None:
        _keep(about.pictures(prepared), out / "images.npz")
    if about.beside is not None:
        about.beside(prepared, sorted(wanted), out)
    # Seed by seed, so that a family of one seed is whole early; the large models first, which take longest.
    models = [(size, seed) for seed in seeds for size in sorted(wanted, reverse=True)]
    folders = {key: out / "models" / about.name(*key) for key in models}
    train_models(
        about.train, (prepared, recipe), folders, device, steps=recipe.steps, engine=engine, progress=progress
    )
    parts = (folders[key] / "responses.parquet" for key in sorted(models))
    return join(parts, out / "responses.parquet")


def _keep(pictures: Pictures, path: Path) -> None:
    """Write the pictures, whole or not at all; the same bytes each time."""
    draft = path.with_name(f".{path.name}")
    try:
        with draft.open("wb") as file:
            np.savez_compressed(file, item_id=pictures.item_id, images=pictures.images)
        draft.replace(path)
    except OSError as problem:
        raise OutputError(f"cannot be written: {problem.strerror}", where=str(path)) from None
