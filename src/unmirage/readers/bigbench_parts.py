"""One task of BIG-bench whose items were asked in several ways is several tasks: the names of these.

A task may be scored by what the model writes, by which choice it finds likely, or both; rows of both kinds
make no one curve. The way by which BIG-bench judges the task (its preferred metric) keeps the task's name,
any other stands behind it: "arithmetic:1_digit_addition,choices".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from unmirage import tables
from unmirage.counts import listed

PARTS = {"generation": "generations", "choice": "choices", "likelihood": "likelihoods"}

Note = dict[str, object]


class Parts:
    """Which part of a task rows and scores belong to.

    Parameters
    ----------
    kinds: label of a task -> the kinds of its rows: "generation", "choice", "likelihood".
    preferred: label -> the metrics that BIG-bench judges it by.
    """

    def __init__(self, kinds: Mapping[str, Iterable[str]], preferred: Mapping[str, Iterable[str]]) -> None:
        self.main: dict[str, str] = {}
        self.others: dict[str, tuple[str, ...]] = {}
        for label, found in kinds.items():
            there = [kind for kind in PARTS if kind in set(found)]
            asked = {group for word in preferred.get(label, ()) if (group := group_of(word))}
            main = next((kind for kind in there if kind in asked), there[0])
            self.main[label] = main
            self.others[label] = tuple(kind for kind in there if kind != main)

    def name(self, label: str, kind: str | None) -> str:
        """The label of the part of a task that rows, or scores of a group of metrics, belong to."""
        return f"{label},{PARTS[kind]}" if kind in self.others.get(label, ()) else label

    def relabelled(self, frame: pl.DataFrame, group: str) -> pl.DataFrame:
        """The frame with `label` replaced by the part's; `group` is the column that holds the kind."""
        pairs = frame.select("label", group).unique(maintain_order=True)
        named = [self.name(str(label), kind) for label, kind in pairs.iter_rows()]
        pairs = pairs.with_columns(pl.Series("__label", named, dtype=pl.String))
        joined = frame.join(pairs, on=["label", group], how="left", maintain_order="left", nulls_equal=True)
        return joined.with_columns(label="__label").drop("__label")

    def notes(self) -> list[Note]:
        """The warning that names the further parts."""
        names = [self.name(label, kind) for label, kinds in self.others.items() for kind in kinds]
        if not names:
            return []
        return [
            tables.warning(
                "kinds-split",
                f"tasks whose items were asked in several ways are kept apart by them: {listed(names)}",
                count=len(names),
            )
        ]


def group_of(word: str) -> str | None:
    """The kind of rows that BIG-bench's metric is about; None where it is no metric of ours."""
    from unmirage.metrics import by_alias
    from unmirage.metrics.registry import REGISTRY

    name = by_alias("BIG-bench", word) or word
    return REGISTRY[name].card.group if name in REGISTRY else None
