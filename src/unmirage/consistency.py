"""Do logs contradict themselves, or each other? Rules that need no knowledge of the tool that wrote them.

Each rule gives a warning; docs/checks.md lists them all. Here are those on numbers, on rows and on how models
were asked; what only one tool's files can show is checked by its reader.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
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
    prompts: frame in the schema ASKED, a hash of each item's prompt; None where the log holds none.
    nearest: whether the target of a row is the nearest of several references, and so may differ.
    """

    family: str
    model: str
    task: str
    settings: Mapping[str, str | None] = field(default_factory=dict)
    prompts: pl.DataFrame | None = None
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


def check_rows(
    responses: pl.DataFrame | None, results: pl.DataFrame | None, setups: Sequence[Setup]
) -> list[Note]:
    """Warnings on the rows of all sources together.

    Parameters: frames in the schemas of `unmirage.tables`, or None; how the models were asked.
    """
    notes: list[Note] = []
    if responses is not None and responses.height:
        nearest = {(one.family, one.task) for one in setups if one.nearest}
        notes += _other_targets(responses, nearest) + _choice_counts(responses) + _one_model(responses)
        if results is not None:
            notes += _without_items(responses, results)
    return notes


def _other_targets(responses: pl.DataFrame, nearest: set[tuple[str, str]]) -> list[Note]:
    """One item with several targets, right choices or numbers of choices, between the models of a family."""
    group = ["family", "task"]
    seen = responses.group_by(*group, "item_id", maintain_order=True).agg(
        kind=pl.col("kind").first(),
        targets=pl.col("target").drop_nulls().n_unique(),
        answers=pl.col("answer").drop_nulls().n_unique(),
        choices=pl.col("choice_logprobs").list.len().drop_nulls().n_unique(),
    )
    choice = pl.col("kind") == "choice"
    rules = {
        "different-targets": ("another target text", ~choice & (pl.col("targets") > 1)),
        "different-answers": ("another right choice", choice & (pl.col("answers") > 1)),
        "different-choices": ("another number of choices", choice & (pl.col("choices") > 1)),
    }
    notes = []
    for code, (what, broken) in rules.items():
        found = seen.filter(broken).group_by(group, maintain_order=True).agg("item_id")
        for family, task, items in found.iter_rows():
            if code == "different-targets" and (family, task) in nearest:
                continue
            message = (
                f"{task}: {len(items)} items have {what} for some models (first: {items[0]}): they are not "
                "the same items, or their ids were given anew"
            )
            notes.append(tables.warning(code, message, where=f"{family} / {task}", count=len(items)))
    return notes


def _choice_counts(responses: pl.DataFrame) -> list[Note]:
    """Tasks whose items have different numbers of choices: one warning for all of them."""
    counts = (
        responses.filter(pl.col("kind") == "choice")
        .group_by("task", maintain_order=True)
        .agg(low=pl.col("choice_logprobs").list.len().min(), high=pl.col("choice_logprobs").list.len().max())
        .filter(pl.col("low") < pl.col("high"))
    )
    if counts.height == 0:
        return []
    names = [f"{task} ({low} to {high})" for task, low, high in counts.iter_rows()]
    message = f"items differ in their number of choices, so chance is taken item by item: {listed(names, 8)}"
    return [tables.warning("choice-counts", message, count=counts.height)]


def _one_model(responses: pl.DataFrame) -> list[Note]:
    """Models of a family with the same log-probabilities to the last digit: one model under several names."""
    rows = responses.filter(pl.col("epoch") == 0, pl.col("kind").is_in(["choice", "likelihood"])).select(
        "family",
        "task",
        "model",
        "item_id",
        sums=pl.coalesce("choice_logprobs", "target_logprobs").list.sum(),
    )
    rows = rows.with_columns(row=rows.select("item_id", "sums").hash_rows(seed=0))
    digests = (
        rows.group_by("family", "task", "model", maintain_order=True)
        .agg(digest=pl.col("row").bitwise_xor(), items=pl.len(), values=pl.col("sums").n_unique())
        .filter(pl.col("items") >= TELLING, pl.col("values") >= TELLING)
        .group_by("family", "task", "digest", "items", maintain_order=True)
        .agg(models=pl.col("model").unique().sort())
        .filter(pl.col("models").list.len() > 1)
    )
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for family, task, models in digests.select("family", "task", "models").iter_rows():
        found.setdefault((family, tuple(models)), []).append(task)
    return [
        tables.warning(
            "identical-models",
            f"{listed(models, 8)} have the same log-probabilities to the last digit on every item of "
            f"{listed(tasks)}: one model under {len(models)} names, as when a revision was asked for and not "
            "loaded, or a log was copied",
            where=family,
            count=len(models),
        )
        for (family, models), tasks in found.items()
    ]


def _without_items(responses: pl.DataFrame, results: pl.DataFrame) -> list[Note]:
    """Tasks of which there are scores and no items, where other tasks have items: one warning a family."""
    have = responses.select("family", "task").unique()
    missing = (
        results.select("family", "task")
        .unique(maintain_order=True)
        .join(have, on=["family", "task"], how="anti", maintain_order="left")
    )
    return [
        tables.warning(
            "results-without-items",
            f"{family}: {len(tasks)} tasks have scores and no items in the logs, and are judged from their "
            f"aggregates: {listed(sorted(tasks), 8)}",
            where=str(family),
            count=len(tasks),
        )
        for family, tasks in missing.group_by("family", maintain_order=True).agg("task").iter_rows()
    ]


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
    known = [(one.model, one.prompts) for one in setups if one.prompts is not None]
    if len(known) < 2:
        return []
    asked = pl.concat(prompts.unique("item_id").with_columns(model=pl.lit(model)) for model, prompts in known)
    usual = asked.group_by("item_id", "prompt").len().sort("len", "prompt", descending=[True, False])
    usual = usual.unique("item_id", keep="first", maintain_order=True).select("item_id", usual="prompt")
    odd = asked.join(usual, on="item_id", maintain_order="left").filter(pl.col("prompt") != pl.col("usual"))
    if odd.height == 0:
        return []
    models = Counter(odd["model"].to_list())
    items, total = odd["item_id"].n_unique(), asked["item_id"].n_unique()
    return [
        tables.warning(
            "different-prompts",
            f"{task}: {items} of {total} items were put to {listed(sorted(models))} in another prompt than "
            "to the other models: examples, template or wording differ, and so may the scores",
            where=f"{family} / {task}",
            count=items,
        )
    ]
