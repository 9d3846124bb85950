"""Rows of the responses table for the tests of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl
import pytest

from unmirage.tables import RESPONSES

Rows = Callable[..., pl.DataFrame]


@pytest.fixture(scope="session")
def rows() -> Rows:
    """rows(kind, [{column: value}, ...], **columns of every row) -> a frame in the responses schema."""

    def build(kind: str, cells: Sequence[Mapping[str, object]], **common: object) -> pl.DataFrame:
        base = {"family": "f", "model": "m", "task": "t", "epoch": 0, "kind": kind, **common}
        full = [{**base, "item_id": str(i), **cell} for i, cell in enumerate(cells)]
        return pl.DataFrame(full, schema=RESPONSES)

    return build


@pytest.fixture(scope="session")
def choice(rows: Rows) -> Rows:
    """choice(list of log-probabilities, ..., answers=[...]) -> choice rows; every answer is 0 by default."""

    def build(
        *logprobs: Sequence[float], answers: Sequence[int] | None = None, **common: object
    ) -> pl.DataFrame:
        right = answers or [0] * len(logprobs)
        cells = [
            {"choice_logprobs": [float(v) for v in values], "answer": answer}
            for values, answer in zip(logprobs, right, strict=True)
        ]
        return rows("choice", cells, **common)

    return build


@pytest.fixture(scope="session")
def generated(rows: Rows) -> Rows:
    """generated((target, output), ...) -> generation rows, cut into characters."""

    def build(*pairs: tuple[str, str], **common: object) -> pl.DataFrame:
        cells = [
            {"target": t, "output": o, "target_tokens": list(t), "output_tokens": list(o)} for t, o in pairs
        ]
        return rows("generation", cells, **common)

    return build
