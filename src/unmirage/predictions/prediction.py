"""A prediction of the paper, tested on one task of one family: the result type and the words of its outcomes.

The predictions are those of Schaeffer, Miranda and Koyejo 2023 (arXiv 2304.15004, Sec. 3). How each is tested
is in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from unmirage import tables

CONFIRMED = "confirmed"
NOT_CONFIRMED = "not confirmed"
NOT_TESTABLE = "not testable"


@dataclass(frozen=True)
class Prediction:
    """What became of one prediction on one task of one family.

    Attributes
    ----------
    prediction: "metric-swap", "resolution" or "length".
    family, task: where it was tested.
    says: what the paper predicts, one sentence.
    test: how it is tested here, one sentence.
    outcome: "confirmed", "not confirmed" (the data contradict it) or "not testable" (they say neither).
    why: the result with its uncertainty, or why there is none, in plain words.
    numbers: the evidence; columns as the function that made it says. No rows where nothing was computed.
    """

    prediction: str
    family: str
    task: str
    says: str
    test: str
    outcome: str
    why: str
    numbers: pl.DataFrame = field(repr=False)


def frame(predictions: Iterable[Prediction]) -> pl.DataFrame:
    """Predictions as rows in the schema `tables.PREDICTIONS`, without their numbers."""
    rows = [{name: getattr(one, name) for name in tables.PREDICTIONS} for one in predictions]
    return pl.DataFrame(rows, schema=dict(tables.PREDICTIONS))
