"""Do logs contradict themselves, or each other? Rules that need no knowledge of the tool that wrote them.

Each rule gives a warning; docs/checks.md lists them all. Here are those on numbers and on how models were
asked; those on rows are in `row_checks`, and what only one tool's files can show is checked by its reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import facts, tables
from unmirage.counts import listed

Note = dict[str, object]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# A greedy token has probability 1/vocabulary at least, and a token one byte: no vocabulary is larger than
# 2**19.
LEAST_GREEDY_BYTE = -math.log(2**19)
# A model that knows its chances is greedy on a text of probability p in a share p of cases: of texts below
# 1/256 a byte one in 256 at most may be greedy.
SELDOM_GREEDY = 1 / 256
NEVER = 1e-6  # a count with a smaller chance is no chance
LIKELIER = 3.0  # nats; what other batches, half precision and another cut into tokens do is less
FEWEST = 3  # requests that contradict others before it is said
TELLING = 10  # items, and distinct values, before equal log-probabilities are one model's
ASKED: dict[str, pl.DataType | type[pl.DataType]] = {"item_id": pl.String, "prompt": pl.UInt64}


@dataclass(frozen=True)
class Setup:
    """How a log says that a model was asked a task.

    Attributes
    ----------
    family, model, task: as in the rows.
    settings: what should be the same for all models of a family ("chat template"), as text; None where the
        log does not say.
    prompts: in the schema ASKED, a hash of each item's prompt: a frame, or the Arrow file that holds it; None
        where the log holds none.
    nearest: whether the target of a row is the nearest of several references, and so may differ.
    """

    family: str
    model: str
    task: str
    settings: Mapping[str, str | None] = field(default_factory=dict)
    prompts: pl.DataFrame | Path | None = None
    nearest: bool = False


def impossible(loglik: Floats, greedy: Bools, size: npt.NDArray[np.int64]) -> Bools:
    """Which texts are marked greedy, yet are less likely than greedy text can be.

    A text of n bytes has n tokens at most. One below 2**-19 a byte is no vocabulary's likeliest; one below
    1/256 a byte can be, but hardly often: these are named where the file has more than the binomial with that
    rate gives (p < 1e-6).

    Parameters
    ----------
    loglik: (n,) natural logarithm of the probability of each text.
    greedy: (n,) whether the log calls it the model's greedy continuation.
    size: (n,) bytes of the text.
    """
    never = greedy & (loglik < size * LEAST_GREEDY_BYTE)
    seldom = greedy & (loglik < size * math.log(SELDOM_GREEDY))
    k, n = int(seldom.sum()), len(loglik)
    if not k:
        return never
    from scipy.special import betainc

    return seldom if betainc(k, n - k + 1, SELDOM_GREEDY) < NEVER else never


def contradicted(texts: npt.NDArray[np.int64], scored: npt.NDArray[np.int64], loglik: Floats) -> Bools:
    """Which requests are less likely than another that scores as much, or more, of the same text.

    The log-probability of "1" after "43+38=8" is at least that of "81" after "43+38=", which holds it. A
    difference of 3 nats or less is not named.

    Parameters
    ----------
    texts: (n,) hash of context and continuation together.
    scored: (n,) length of the continuation, in characters.
    loglik: (n,) log-probability of the continuation in nats.
    """
    ordered = np.sort(texts)
    mask = np.isin(texts, ordered[1:][ordered[1:] == ordered[:-1]])
    if not mask.any():
        return mask  # no text was scored twice
    frame = pl.DataFrame({"text": texts[mask], "scored": scored[mask], "loglik": loglik[mask]})
    best = frame.group_by("text", "scored").agg(best=pl.col("loglik").max())
    best = best.sort("text", "scored", descending=[False, True]).with_columns(
        best=pl.col("best").cum_max().over("text")
    )
    joined = frame.join(best, on=["text", "scored"], how="left", maintain_order="left")
    mask[mask] = joined.select(pl.col("loglik") < pl.col("best") - LIKELIER).to_series().to_numpy()
    return mask


def check_setups(setups: Sequence[Setup]) -> list[Note]:
    """Warnings where the models of a family were not asked alike: other settings, or other prompts."""
    together: dict[tuple[str, str], list[Setup]] = {}
    for one in setups:
        together.setdefault((one.family, one.task), []).append(one)
    settings: dict[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], list[str]] = {}
    notes: list[Note] = []
    for (family, task), mine in together.items():
        for name in dict.fromkeys(name for one in mine for name in one.settings):
            by_value: dict[str, list[str]] = {}
            for one in mine:
                value = one.settings.get(name)
                if value is not None:
                    by_value.setdefault(value, []).append(one.model)
            if len(by_value) > 1:
                values = tuple((value, tuple(sorted(models))) for value, models in sorted(by_value.items()))
                settings.setdefault((family, name, values), []).append(task)
        notes += _other_prompts(family, task, mine)
    return notes + [
        tables.warning(
            "different-settings",
            f"{family}: the models were not asked alike: {name} is "
            + ", ".join(f"{_short(value)} for {listed(models)}" for value, models in values)
            + f" (tasks: {listed(tasks)})",
            where=family,
            count=len(tasks),
        )
        for (family, name, values), tasks in settings.items()
    ]


def _short(value: str, most: int = 40) -> str:
    return value if len(value) <= most else f"{value[:most]}..."


def _other_prompts(family: str, task: str, setups: Sequence[Setup]) -> list[Note]:
    """Items that were put to some models in other words; those models differ from what most were asked."""
    stated = [one for one in setups if one.prompts is not None]
    if len(stated) < 2:
        return []
    parts = max(-(-sum(map(_size, stated)) // facts.AT_ONCE), 1)
    models: set[str] = set()
    items = total = 0
    for part in range(parts):
        mine = pl.col("item_id").hash(1) % pl.lit(parts, dtype=pl.UInt64) == part
        asked = pl.concat(
            _prompts(one)
            .filter(mine if parts > 1 else pl.lit(value=True))
            .unique("item_id", keep="first", maintain_order=True)
            .with_columns(model=pl.lit(one.model), place=pl.lit(place))
            for place, one in enumerate(stated)
        )
        # Of two that are as frequent the usual one is that of the model that was read first.
        counts = asked.group_by("item_id", "prompt").agg(pl.len(), pl.col("place").min())
        usual = counts.sort("len", "place", descending=[True, False])
        usual = usual.unique("item_id", keep="first", maintain_order=True).select("item_id", usual="prompt")
        odd = asked.join(usual, on="item_id").filter(pl.col("prompt") != pl.col("usual"))
        models |= set(odd["model"].unique())
        items += odd["item_id"].n_unique()
        total += asked["item_id"].n_unique()
    if not models:
        return []
    return [
        tables.warning(
            "different-prompts",
            f"{task}: {items} of {total} items were put to {listed(sorted(models))} in another prompt than "
            "to the other models: examples, template or wording differ, and so may the scores",
            where=f"{family} / {task}",
            count=items,
        )
    ]


def _prompts(setup: Setup) -> pl.DataFrame:
    if isinstance(setup.prompts, pl.DataFrame):
        return setup.prompts
    assert setup.prompts is not None
    return pl.read_ipc(setup.prompts)


def _size(setup: Setup) -> int:
    """How many prompts there are; of those in memory 0, since they need no room to be looked at."""
    if not isinstance(setup.prompts, Path):
        return 0
    return int(pl.scan_ipc(setup.prompts).select(pl.len()).collect().item())
