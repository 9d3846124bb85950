"""Images to train on: the shared files, MNIST and CIFAR as handed out, the hub, scikit-learn's digits.

All become a :class:`Source`. What a network makes of one, and what it needs of one, is in its own file.
"""

from __future__ import annotations

import gzip
import math
import pickle
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmirage.errors import MissingExtraError, SourceError

HUB = "hub:"
KNOWN = (
    "Known are \"digits\" (scikit-learn's), an .npz file, a folder of MNIST's IDX files or of CIFAR's "
    "pickles (the python version), and hub:NAME, a data set of the Hugging Face hub."
)
KEYS = (
    "An .npz file holds x_train and x_test (with y_train and y_test where there are labels); or images (with "
    "labels); or images_packed, height, width, character and drawer."
)
NAMES = {"cifar": "cifar", "mnist": "mnist", "natural_patches": "patches", "omniglot": "omniglot"}


@dataclass(frozen=True)
class Source:
    """Images and what is known of them.

    Attributes
    ----------
    name: of the task that is made of them.
    images: (n, height, width) grey or (n, height, width, 3), uint8.
    labels: (n,) int64 from 0 on, or None.
    test: (n,) bool, the images that the source keeps for the test, or None.
    drawers: (n,) int64, who drew an image, or None.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    test: NDArray[np.bool_] | None = None
    drawers: NDArray[np.int64] | None = None

    def labels_of_grey(self, where: str, hint: str) -> NDArray[np.int64]:
        """The labels; SourceError, with `hint`, where there are none or images have colour."""
        if self.labels is None or self.images.ndim != 3:
            lacks = "has no labels" if self.labels is None else "has images in colour"
            raise SourceError(f"{self.name} {lacks}", where=where, hint=hint)
        return self.labels

    def split(self, validation: float) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Indices for training, validation and test, drawn with one seed for all models.

        The test images are the source's own, in their order; where it has none, a fifth. `validation` is the
        share of the others that settings are chosen and losses are measured on.
        """
        order = np.random.default_rng(0).permutation(len(self.images))
        if self.test is None:
            n = math.ceil(len(order) / 5)
            test, rest = np.sort(order[:n]), order[n:]
        else:
            test, rest = np.flatnonzero(self.test), order[~self.test[order]]
        held = math.ceil(validation * len(rest))
        return rest[held:], rest[:held], test

    def known(self) -> dict[str, Any]:
        """Name, number and checksum, for `recipe.json`."""
        return {
            "name": self.name,
            "images": len(self.images),
            "crc32": zlib.crc32(self.images.tobytes()),
        }


def read_source(data: str) -> Source:
    """The images that `--data` names.

    Raises
    ------
    SourceError
        No such file, an unknown format, arrays that lack or whose shapes do not fit.
    MissingExtraError
        scikit-learn or datasets is not installed.
    """
    if data == "digits":
        return _digits()
    if data.startswith(HUB):
        return _checked(_hub(data.removeprefix(HUB)), data)
    path = Path(data)
    if path.is_dir():
        return _checked(_folder(path), data)
    if not path.is_file():
        raise SourceError("there is no such file or folder", where=data, hint=KNOWN)
    if path.suffix != ".npz":
        raise SourceError("the format is unknown", where=data, hint=KNOWN)
    return _checked(_npz(path), data)


def _checked(source: Source, where: str) -> Source:
    """The source, with the types that it promises, or a SourceError."""
    images = source.images
    grey_or_colour = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if images.dtype != np.uint8 or not grey_or_colour or images.size == 0:
        raise SourceError(
            f"images are {images.dtype} of shape {images.shape}",
            where=where,
            hint="They must be uint8 of shape (n, height, width) or (n, height, width, 3).",
        )
    for what, values in (("labels", source.labels), ("drawers", source.drawers)):
        if values is not None and (values.shape != images.shape[:1] or values.dtype.kind not in "iu"):
            raise SourceError(
                f"{what} are {values.dtype} of shape {values.shape} for {len(images)} images",
                where=where,
                hint="One whole number an image is needed.",
            )
    labels, drawers = (
        None if values is None else values.astype(np.int64) for values in (source.labels, source.drawers)
    )
    if labels is not None and labels.min() < 0:
        raise SourceError(f"a label is {labels.min()}", where=where, hint="Labels count from 0.")
    return Source(source.name, images, labels, source.test, drawers)


def _named(path: Path) -> str:
    stem = (path.parent.name if path.name == "raw" else path.stem).lower()
    return next((name for start, name in NAMES.items() if stem.startswith(start)), stem)


def _joined(name: str, parts: Mapping[str, tuple[Any, Any]]) -> Source:
    """One source of the parts "train" and "test", each (images, labels or None)."""
    (x, y), (test_x, test_y) = parts["train"], parts["test"]
    if x.shape[1:] != test_x.shape[1:]:
        raise SourceError(
            f"the training images are of shape {x.shape[1:]} and the test images of {test_x.shape[1:]}",
            where=name,
        )
    labels = None if y is None or test_y is None else np.concatenate([y, test_y])
    test = np.arange(len(x) + len(test_x)) >= len(x)
    return Source(name, np.concatenate([x, test_x]), labels, test)


def _digits() -> Source:
    """The 1,797 digits of 8 by 8 pixels that come with scikit-learn; a third is for the test."""
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the digits need scikit-learn",
            where="--data digits",
            hint="Install it with: pip install 'unmirage[models]', or name other images.",
        ) from None
    x, y = load_digits(return_X_y=True)
    images = np.round(x.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    test = np.random.default_rng(0).permutation(len(images)) < len(images) // 3
    return Source("digits", images, y.astype(np.int64), test)


def _npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except Exception as problem:  # of many kinds, as the bytes may be anything
        raise SourceError(f"cannot be read ({type(problem).__name__})", where=str(path), hint=KEYS) from None
    name = _named(path)
    if {"x_train", "x_test"} <= found.keys():
        parts = {part: (found[f"x_{part}"], found.get(f"y_{part}")) for part in ("train", "test")}
        return _joined(name, parts)
    if "images" in found:
        return Source(name, found["images"], found.get("labels"), drawers=found.get("drawer"))
    if {"images_packed", "height", "width", "character", "drawer"} <= found.keys():
        height, width = int(found["height"]), int(found["width"])
        packed = found["images_packed"]
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] * 8 < height * width:
            raise SourceError(
                f"images_packed is {packed.dtype} of shape {packed.shape}, for {height} by {width} pixels",
                where=str(path),
                hint="It holds a row of bits an image, as numpy.packbits makes them.",
            )
        bits = np.unpackbits(packed, axis=1)[:, : height * width]
        images = bits.reshape(-1, height, width) * np.uint8(255)
        return Source(name, images, found["character"], drawers=found["drawer"])
    raise SourceError(f"holds {', '.join(sorted(found)) or 'nothing'}", where=str(path), hint=KEYS)


def _folder(folder: Path) -> Source:
    found = sorted(path.name for path in folder.iterdir() if path.is_file())
    read: Callable[[str], NDArray[Any]] = lambda start: _idx(_only(folder, start))  # noqa: E731
    if any(name.startswith("train-images") for name in found):
        parts = {
            part: (read(f"{start}-images"), read(f"{start}-labels"))
            for part, start in (("train", "train"), ("test", "t10k"))
        }
        return _joined(_named(folder), parts)
    if "data_batch_1" in found:
        batches = [name for name in found if name.startswith("data_batch_")]
        return _joined("cifar", {"train": _cifar(folder, batches), "test": _cifar(folder, ["test_batch"])})
    if {"train", "test"} <= set(found):
        return _joined("cifar", {part: _cifar(folder, [part]) for part in ("train", "test")})
    raise SourceError(
        f"holds {', '.join(found[:5]) or 'no files'}{', ...' if len(found) > 5 else ''}",
        where=str(folder),
        hint="A folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k (.gz or "
        "not); or data_batch_1 to 5 and test_batch (CIFAR-10); or train and test (CIFAR-100).",
    )


def _only(folder: Path, start: str) -> Path:
    path = next(iter(sorted(folder.glob(f"{start}*"))), None)
    if path is None:
        raise SourceError(f"there is no file {start}-idx...", where=str(folder))
    return path


def _idx(path: Path) -> NDArray[np.uint8]:
    """An array of an IDX file: two zero bytes, the type, the number of axes, their lengths, the values."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as problem:
        raise SourceError(f"cannot be read ({type(problem).__name__})", where=str(path)) from None
    axes = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", axes, 4)) if len(raw) >= 4 + 4 * axes else ()
    if axes == 0 or len(raw) != 4 + 4 * axes + math.prod(shape):
        raise SourceError("is no IDX file of bytes, or is cut short", where=str(path))
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


class _Arrays(pickle.Unpickler):
    """Reads arrays, numbers and texts; a pickle that asks for anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        arrays = {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}
        if module.split(".")[0] == "numpy" and name in arrays:
            return arrays[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return lambda text, _: text.encode("latin1")
        raise pickle.UnpicklingError(f"asks for {module}.{name}")


def _cifar(folder: Path, files: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images, labels = [], []
    for name in files:
        try:
            with (folder / name).open("rb") as file:
                held = _Arrays(file, encoding="bytes").load()
            data = np.asarray(held[b"data"], np.uint8).reshape(-1, 3, 32, 32)
            kinds = np.asarray(held[b"fine_labels" if b"fine_labels" in held else b"labels"], np.int64)
        except Exception as problem:  # of many kinds, as the bytes may be anything
            raise SourceError(
                f"cannot be read as a CIFAR pickle ({type(problem).__name__}: {problem})",
                where=str(folder / name),
                hint="It must hold data (n, 3072) and labels or fine_labels.",
            ) from None
        images.append(data.transpose(0, 2, 3, 1))
        labels.append(kinds)
    return np.concatenate(images), np.concatenate(labels)


def _hub(name: str) -> Source:
    """A data set of the hub with the parts train and test, a column of images, and labels if it has any."""
    try:
        import datasets
    except ModuleNotFoundError:
        raise MissingExtraError(
            "data sets of the hub need datasets",
            where=HUB + name,
            hint="Install it with: pip install 'unmirage[datasets]'",
        ) from None
    try:
        held = datasets.load_dataset(name)
    except Exception as problem:  # of the network, of the hub, of the data set
        raise SourceError(
            f"cannot be loaded ({type(problem).__name__}: {problem})", where=HUB + name
        ) from None
    if not {"train", "test"} <= set(held):
        raise SourceError(
            f"has the parts {', '.join(held)}", where=HUB + name, hint="train and test are needed."
        )
    features = held["train"].features
    pictures = [c for c, kind in features.items() if isinstance(kind, datasets.Image)]
    kinds = [c for c, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if not pictures:
        raise SourceError(
            f"has the columns {', '.join(features)}", where=HUB + name, hint="One of images is needed."
        )
    label = next((c for c in ("label", "fine_label") if c in kinds), kinds[0] if kinds else None)
    parts = {}
    for part in ("train", "test"):
        columns = [pictures[0]] if label is None else [pictures[0], label]
        rows = held[part].select_columns(columns).with_format("numpy")[:]
        x = rows[pictures[0]]
        if not isinstance(x, np.ndarray) or x.dtype == object:
            raise SourceError("the images differ in size or in colours", where=HUB + name)
        parts[part] = (x, None if label is None else rows[label])
    return _joined(_named(Path(name)), parts)
