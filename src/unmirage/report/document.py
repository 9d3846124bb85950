"""audit.json: the audit for other programs, with every number in full.

Other tools rely on the keys and on what they mean. Nothing is rounded or put into words here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

import polars as pl

from unmirage.result import Audit

SCHEMA = 1
FRAMES = (
    "verdicts",
    "curves",
    "warnings",
    "differences",
    "recorded",
    "skipped",
    "breaks",
    "fits",
    "predictions",
)


def document(audit: Audit) -> dict[str, Any]:
    """The audit as plain values, for JSON.

    Keys, in this order: `unmirage` (version, null where it is not known), `schema` (1), `inputs` (a list of
    path, format, sha256, rows), `settings`, and one list of rows for each of `verdicts`, `curves`,
    `warnings`, `differences`, `recorded`, `skipped`, `breaks`, `fits`, `predictions`. Fields are the columns
    of :mod:`unmirage.tables`, rows in the order of the frames. NaN and infinity become null: JSON has
    neither.
    """
    return {
        "unmirage": version(),
        "schema": SCHEMA,
        "inputs": [asdict(one) for one in audit.inputs],
        "settings": plain(audit.settings.as_dict() | {"w_min": audit.w_min}),
        **{name: rows(getattr(audit, name)) for name in FRAMES},
    }


def to_json(audit: Audit) -> bytes:
    """:func:`document` as UTF-8 JSON, one row of a table a line; the same audit gives the same bytes."""
    return written(document(audit))


def written(values: Mapping[str, Any]) -> bytes:
    """Plain values as UTF-8 JSON, one entry of a list a line.

    Floats are written with as many digits as it takes to read the same float back.
    """
    parts = []
    for key, value in values.items():
        if isinstance(value, list) and value:
            text = "[\n  " + ",\n  ".join(_dump(row) for row in value) + "\n ]"
        else:
            text = _dump(value)
        parts.append(f' "{key}": {text}')
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode()


def version() -> str | None:
    """The installed version of this package, else the version that the package states, else None."""
    try:
        return metadata.version("unmirage")
    except metadata.PackageNotFoundError:
        import unmirage

        stated = getattr(unmirage, "__version__", None)
        return None if stated is None else str(stated)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def rows(frame: pl.DataFrame) -> list[Any]:
    """The rows of a frame as plain values, for JSON."""
    return [plain(row) for row in frame.iter_rows(named=True)]


def plain(value: Any) -> Any:
    """A value of a frame or of settings for JSON; NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
