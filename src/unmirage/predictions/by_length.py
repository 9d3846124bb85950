"""The items of a task grouped by the length of their target: means of each group, position by position too.

Not tested here. Items that are copies of one another count once: a short target has few distinct problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.cells import Cell, Layer
from unmirage.metrics import tokenise
from unmirage.predictions.subjects import NO_ITEMS, Subject
from unmirage.result import Settings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NEEDED = (
    "task",
    "model",
    "item_id",
    "target",
    "output",
    "target_tokens",
    "output_tokens",
    "target_logprobs",
)
# A rate known from fewer items says nothing of a length.
LEAST_ITEMS = 10
# Longer targets are texts: no one asks how the share of those that are right falls with another token.
MOST_TOKENS = 64
# Log-probabilities that agree to so many decimals in every model belong to one problem.
_DECIMALS = 5


@dataclass(frozen=True)
class Products:
    """(M, K) products over the positions of a target, of mean probabilities; NaN where they are not known.

    `errors` are standard errors of their logarithms, positions taken to be independent.
    """

    values: Floats
    errors: Floats


@dataclass(frozen=True)
class ByLength:
    """M models by K lengths.

    Attributes
    ----------
    metric: what `rates` are: "exact_match" or "greedy_match".
    models, axis_values: (M,). lengths: (K,) tokens, increasing. items: (K,) distinct items of each.
    total: items of the task, of any length.
    rates: (M, K) share that is right; `worth` (M, K) as how many independent items it is known.
    edits, edit_errors: (M, K) mean token edit distance and its standard error, or None.
    matches: of the share of outputs that have the right token at a position; None without outputs.
    probabilities: of the mean probability of the right token, the ones before it given; None without.
    notes: what was left out.
    """

    metric: str
    models: tuple[str, ...]
    axis_values: Floats
    lengths: Ints
    items: Ints
    total: int
    rates: Floats
    worth: Floats
    edits: Floats | None
    edit_errors: Floats | None
    matches: Products | None
    probabilities: Products | None
    notes: tuple[str, ...]


def by_length(subject: Subject, settings: Settings) -> ByLength | str:
    """The groups of a task, or why there are none. Lengths of fewer than `LEAST_ITEMS` items are left out.

    A last token of white space ends an answer and is not counted in its length; the products have it.
    """
    cell = subject.cell
    if cell is None or subject.rows is None:
        return NO_ITEMS
    name = next((n for n in ("exact_match", "greedy_match") if n in cell.layers), None)
    if name is None:
        return f"responses of kind {cell.kind} have no targets that a model must reproduce"
    layer = cell.layers[name]
    models = np.flatnonzero(layer.finite)
    if not models.size:
        return f"no model has {name} on every item"
    rule = settings.tokens.get(subject.task) if isinstance(settings.tokens, Mapping) else settings.tokens
    rows = tokenise(subject.rows.select(_NEEDED), rule)
    firsts = rows.unique(subset="item_id", keep="first", maintain_order=True)
    if firsts["target_tokens"].null_count():
        return "the targets are not cut into tokens"
    # Where the model must say that the answer is over, all targets end alike.
    end = int((firsts["target_tokens"].list.last().str.strip_chars() == "").fill_null(value=False).all())
    long = firsts["target_tokens"].list.len().cast(pl.Int64).to_numpy() - end
    kept, notes = _distinct(cell, firsts)
    found, counts = np.unique(long[kept], return_counts=True)
    enough = (counts >= LEAST_ITEMS) & (found >= 1) & (found <= MOST_TOKENS)
    notes += [
        f"length {length} has {count} distinct items and is left out (fewer than {LEAST_ITEMS})"
        for length, count in zip(found.tolist(), counts.tolist(), strict=True)
        if 1 <= length <= MOST_TOKENS and count < LEAST_ITEMS
    ]
    long_ones = int(counts[found > MOST_TOKENS].sum())
    if long_ones:
        notes.append(
            f"{long_ones:,} items have more than {MOST_TOKENS} tokens in their target and are left out"
        )
    lengths = found[enough]
    if not lengths.size:
        return "; ".join(
            [f"no length of target up to {MOST_TOKENS} tokens has {LEAST_ITEMS} distinct items", *notes]
        )
    members = [kept[long[kept] == length] for length in lengths]
    names = tuple(cell.models[m] for m in models)
    edits = cell.layers.get("token_edit_distance")
    edited = None if edits is None or not edits.finite[models].all() else _means(cell, edits, members, models)
    matches, probabilities = _products(rows, cell, members, lengths + end, names)
    means, errors = _means(cell, layer, members, models)
    return ByLength(
        name,
        names,
        cell.axis_values[models],
        lengths,
        counts[enough],
        len(cell.items),
        means,
        _worth(cell, layer, members, means, errors),
        None if edited is None else edited[0],
        None if edited is None else edited[1],
        matches,
        probabilities,
        tuple(notes),
    )


def _distinct(cell: Cell, firsts: pl.DataFrame) -> tuple[Ints, list[str]]:
    """The items to keep. Same target and same log-probabilities in all models: the same problem again."""
    everything = np.arange(len(cell.items))
    layer = cell.layers.get("target_logprob")
    if cell.clustered or layer is None or not layer.present.any():
        return everything, []
    codes = firsts["target_tokens"].hash(seed=0).to_numpy().astype(np.float64)
    signs = np.column_stack([codes, np.round(layer.scores[:, layer.present], _DECIMALS)])
    hashed = pl.DataFrame(signs).hash_rows(seed=0).to_numpy()
    kept = np.sort(np.unique(hashed, return_index=True)[1])
    copies = everything.size - kept.size
    said = [f"{copies:,} of {everything.size:,} items repeat another one and are left out"] if copies else []
    return kept, said


def _means(cell: Cell, layer: Layer, members: list[Ints], models: Ints) -> tuple[Floats, Floats]:
    """(M, K) means and standard errors, clusters counted; an error of 0 where scores are alike."""
    means, errors = np.empty((models.size, len(members))), np.empty((models.size, len(members)))
    for k, items in enumerate(members):
        scores = layer.scores[np.ix_(items, models)]
        means[:, k] = scores.mean(axis=0)
        codes = np.unique(cell.clusters[items], return_inverse=True)[1]
        errors[:, k] = np.nan_to_num(statistics.clustered_stderr(scores, codes))
    return means, errors


def _worth(cell: Cell, layer: Layer, members: list[Ints], means: Floats, errors: Floats) -> Floats:
    sizes = np.array([float(items.size) for items in members])
    if layer.exact and not cell.clustered:
        return np.broadcast_to(sizes, means.shape).copy()
    units = np.array([float(np.unique(cell.clusters[items]).size) for items in members])
    return np.asarray(statistics.effective_items(np.clip(means, 0, 1), errors, sizes, units))


def _products(
    rows: pl.DataFrame, cell: Cell, members: list[Ints], tokens: Ints, names: tuple[str, ...]
) -> tuple[Products | None, Products | None]:
    """Products of matches in the outputs and of logged probabilities, over all tokens."""
    group = np.repeat(np.arange(tokens.size), [items.size for items in members])
    place = pl.DataFrame(
        {"item_id": [cell.items[i] for i in np.concatenate(members)], "group": pl.Series(group)}
    )
    outputs = rows["output_tokens"].null_count() == 0
    logged = bool((rows["target_logprobs"].list.len() == rows["target_tokens"].list.len()).all()) and (
        rows["target_logprobs"].null_count() == 0
    )
    flat: list[pl.Expr] = []
    asked: list[pl.Expr] = []
    for j in range(int(tokens[-1])):
        if outputs:
            right = pl.col("target_tokens").list.get(j, null_on_oob=True) == pl.col("output_tokens").list.get(
                j, null_on_oob=True
            )
            flat.append(right.fill_null(value=False).alias(f"match{j}"))
            asked.append(pl.col(f"match{j}").mean())
        if logged:
            flat.append(pl.col("target_logprobs").list.get(j, null_on_oob=True).exp().alias(f"p{j}"))
            asked += [pl.col(f"p{j}").mean(), pl.col(f"p{j}").std().alias(f"s{j}")]
    if not asked:
        return None, None
    told = (
        rows.select("model", "item_id", *flat)
        .join(place, on="item_id")
        .filter(pl.col("model").is_in(names))
        .group_by("model", "group")
        .agg(pl.len().alias("n"), *asked)
    )
    order = {name: m for m, name in enumerate(names)}
    m = np.array([order[name] for name in told["model"]])
    k, n = told["group"].to_numpy(), told["n"].to_numpy().astype(np.float64)

    def product(stem: str, spread: str | None) -> Products:
        values, errors = np.full((2, len(names), tokens.size), np.nan)
        logs, squares = np.zeros(n.size), np.zeros(n.size)
        for j in range(int(tokens[-1])):
            inside = tokens[k] > j
            mean = told[f"{stem}{j}"].to_numpy()
            # Half a success keeps the logarithm of a position that was never right.
            some = np.clip(mean, 0.5 / n, None)
            with np.errstate(divide="ignore"):
                logs += np.where(inside, np.log(mean), 0.0)
            scatter = np.sqrt(some * (1 - np.minimum(some, 1))) if spread is None else told[f"{spread}{j}"]
            squares += np.where(inside, np.square(np.asarray(scatter, dtype=float) / some) / n, 0.0)
        values[m, k], errors[m, k] = np.exp(logs), np.sqrt(squares)
        return Products(values, errors)

    return product("match", None) if outputs else None, product("p", "s") if logged else None
