"""Images of items, for families whose items are images. They are shown beside scores and decide nothing."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.errors import SourceError
from unmirage.readers.base import Input, sha256

NAME = "images.npz"
UNUSED = "images-not-used"
# The longest side of an image on the page, in its own pixels; larger ones are thinned.
LONGEST = 128

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """Pictures of items.

    Attributes
    ----------
    pictures: item_id -> (H, W) or (H, W, 3) uint8.
    input: the file, for `inputs` of audit.json.
    """

    pictures: Mapping[str, Pixels]
    input: Input


def load(path: str | Path) -> Images:
    """Read an npz file with the arrays `item_id` (N,) and `images` (N, H, W) or (N, H, W, 3), uint8.

    Nothing in the file is executed: object arrays are refused.

    Raises
    ------
    SourceError
        No such file, another format, arrays that are missing or of another shape or type, an item twice.
    """
    file, where = Path(path), str(path)
    hint = "An npz file: item_id (N,) texts and images (N, H, W) or (N, H, W, 3) of type uint8."
    try:
        with np.load(file, allow_pickle=False) as found:
            if not isinstance(found, np.lib.npyio.NpzFile) or {"item_id", "images"} - set(found.files):
                raise SourceError("holds no arrays item_id and images", where=where, hint=hint)
            names, pixels = found["item_id"], found["images"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        why = (problem.strerror or "") if isinstance(problem, OSError) else ""
        raise SourceError(
            f"cannot be read as images{f': {why}' if why else ''}", where=where, hint=hint
        ) from None
    if pixels.dtype != np.uint8 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)):
        raise SourceError(f"images are {pixels.dtype} of shape {pixels.shape}", where=where, hint=hint)
    if names.ndim != 1 or len(names) != len(pixels) or 0 in pixels.shape:
        raise SourceError(
            f"{names.size} items and images of shape {pixels.shape} do not match", where=where, hint=hint
        )
    items = [str(name) for name in names.tolist()]
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        raise SourceError(f"item {twice} is there twice", where=where, hint="One image an item.")
    return Images(dict(zip(items, pixels, strict=True)), Input(str(path), "images", sha256(file), len(items)))


def found(source: object, named: str | Path | None) -> tuple[Images | None, list[dict[str, object]]]:
    """The images that were named, else those in the file `images.npz` beside the source, and warnings.

    Parameters: source as for `unmirage.audit`; only a single path, a table or a folder, has a file beside it.
    Raises SourceError as :func:`load` for a file that was named; one that was only met gives a warning.
    """
    if named is not None:
        return load(named), []
    paths = list(source) if isinstance(source, Sequence) and not isinstance(source, str) else [source]
    if len(paths) != 1 or not isinstance(paths[0], str | Path):
        return None, []
    path = Path(paths[0])
    file = (path if path.is_dir() else path.parent) / NAME
    try:
        return (load(file) if file.is_file() else None), []
    except SourceError as problem:
        return None, [tables.warning(UNUSED, problem.what, where=str(file))]


def matching(
    images: Images | None, responses: pl.DataFrame, *, named: bool
) -> tuple[Images | None, list[dict[str, object]]]:
    """The images, if they are of some of the items; else None, and a warning.

    Raises SourceError where the images were named and no item has one.
    """
    if images is None or any(item in images.pictures for item in responses["item_id"].unique()):
        return images, []
    what = "none of the items has a picture in it"
    if named:
        raise SourceError(what, where=images.input.path, hint="Its item_id must be those of the responses.")
    return None, [tables.warning(UNUSED, what, where=images.input.path)]


def png(picture: Pixels) -> bytes:
    """A picture as a PNG file, grey or RGB, 8 bits; the same picture gives the same bytes.

    Parameters: picture (H, W) or (H, W, 3) uint8. Of one whose longest side is above `LONGEST` every second,
    third, ... row and column is taken.
    """
    step = -(-max(picture.shape[:2]) // LONGEST)
    kept = np.ascontiguousarray(picture[::step, ::step])
    height, width = kept.shape[:2]
    # Every row begins with the number of its filter, 0 for none.
    rows = b"".join(b"\0" + row.tobytes() for row in kept)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if kept.ndim == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
