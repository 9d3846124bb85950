"""The three predictions of the paper on three families: its model, a trained family, and GPT-3 as digitised.

The tests are those of `unmirage.predictions`. Where the paper gives aggregates only they are done on those,
or it is said why they cannot be. Nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.counts import size_label
from unmirage.paper import published
from unmirage.paper.family import LENGTHS, PAPER_TASKS, TASKS
from unmirage.paper.strings import SIZES
from unmirage.predictions import (
    NOT_TESTABLE,
    Prediction,
    lengths_of_counts,
    prediction,
    swap_of_means,
)
from unmirage.predictions.resolution_sweep import SAYS as RESOLUTION_SAYS
from unmirage.result import Progress, Settings, silent
from unmirage.theory.sampling import sample_strings

MODEL, GPT3 = "model of section 2", "GPT-3 (digitised)"
MODEL_ITEMS = 2_000  # sampled strings of each length
METRICS = ("exact_match", "token_edit_distance", "cross_entropy")
PREDICTIONS = {"metric-swap": "1, metric", "resolution": "2, resolution", "length": "3, length"}


def of_model(seed: int = 0, progress: Progress = silent) -> pl.DataFrame:
    """On sampled strings of the paper's model, at the ten sizes of its figures 9 and 10.

    Predictions 1 and 2 on strings of five tokens, where the paper's model looks emergent, and 3 on strings of
    one to five.
    """
    from unmirage.audit import audit

    parts = [
        sample_strings(
            scales=SIZES, n_items=MODEL_ITEMS, length=length, seed=1000 * seed + length, family="model"
        ).with_columns(family=pl.lit(MODEL), item_id=pl.lit(f"{length}-") + pl.col("item_id"))
        for length in range(1, 6)
    ]
    mixed = pl.concat([part.with_columns(task=pl.lit("1 to 5 tokens")) for part in parts])
    five = parts[-1].with_columns(task=pl.lit("5 tokens"))
    table = audit(pl.concat([five, mixed]), seed=seed, metrics=METRICS, progress=progress).predictions
    length = pl.col("prediction") == "length"
    return table.filter(length == (pl.col("task") == "1 to 5 tokens"))


def of_trained(responses: pl.DataFrame, seed: int = 0, progress: Progress = silent) -> pl.DataFrame:
    """On a family's responses: its tasks of the paper, or, where it has none of them, all of its tasks."""
    from unmirage.audit import audit

    own = responses.filter(pl.col("task").is_in(list(TASKS)))
    return audit(own if own.height else responses, seed=seed, progress=progress).predictions


def of_gpt3(seed: int = 0) -> list[Prediction]:
    """On the numbers read off figures 3 and 4, at temperature 0.

    Prediction 1 is tested on the curves of the longest answers. Prediction 2 on the chance lines, as the
    paper does not say how many items it scored. Prediction 3 on counts, with as many items as make the error
    of a rate that of reading the drawing.
    """
    settings = Settings(seed=seed)
    return [
        *(_swap(task, settings) for task in PAPER_TASKS),
        *(_resolution(task) for task in PAPER_TASKS),
        *(_length(task, settings) for task in PAPER_TASKS),
    ]


def _rows(task: str, temperature: int = 0) -> pl.DataFrame:
    rows = published.gpt3().filter(pl.col("task") == task, pl.col("temperature") == temperature)
    return rows.sort("n_params", "length")


def _swap(task: str, settings: Settings) -> Prediction:
    rows = _rows(task).filter(pl.col("length") == LENGTHS[task])
    accuracy, edits = rows["accuracy"].to_numpy(), rows["neg_token_edit_distance"].abs().to_numpy()
    found = swap_of_means(
        rows["n_params"].to_numpy(),
        ("exact_match", accuracy),
        {"token_edit_distance": edits},
        family=GPT3,
        task=f"{task}, {LENGTHS[task]} digits",
        settings=settings,
    )
    shares = [float((y[-1] - y[-2]) / (y[-1] - y[0])) for y in (accuracy, edits)]
    return replace(
        found,
        why=f"{found.why}; as drawn, the last of {rows.height - 1} steps makes {shares[0]:.0%} of the rise "
        f"in accuracy and still {shares[1]:.0%} of the fall in edit distance",
    )


def _resolution(task: str) -> Prediction:
    """What is drawn below chance is said; without the number of items that contradicts nothing.

    Of 100,000 items 4 right where guessing has 5 are nothing unusual.
    """
    level, longest = published.chance()[task], LENGTHS[task]
    rows = pl.concat([_rows(task, temperature) for temperature in (0, 1)]).filter(pl.col("length") == longest)
    below = rows.filter(pl.col("accuracy") + pl.col("accuracy_error") < level)
    words = [
        f"{row['accuracy']:.2g} with {size_label(row['n_params'])} parameters at temperature "
        f"{row['temperature']}"
        for row in below.iter_rows(named=True)
    ]
    unknown = "the paper does not say how many items it scored, so that no exact test can be made"
    if words:
        drawn = ", ".join(words)
        why = f"the paper says that all models are above chance ({level:.0e}), but draws {drawn}; {unknown}"
    else:
        why = f"all rates are drawn at or above chance ({level:.0e}); {unknown}"
    return Prediction(
        "resolution",
        GPT3,
        f"{task}, {longest} digits",
        RESOLUTION_SAYS,
        "The rates of the longest answers as drawn, with the error of reading them, against the chance "
        "line of "
        "figure 4.",
        NOT_TESTABLE,
        why,
        rows,
    )


def _length(task: str, settings: Settings) -> Prediction:
    rows = _rows(task)
    sizes, lengths = rows["n_params"].unique().sort().to_list(), rows["length"].unique().sort().to_numpy()
    shape = (len(sizes), lengths.size)
    rate, error, negative, edit_errors = (
        rows[name].to_numpy().reshape(shape)
        for name in ("accuracy", "accuracy_error", "neg_token_edit_distance", "distance_error")
    )
    edits = np.abs(negative)
    items = reading_items(rate, error)
    found = lengths_of_counts(
        [size_label(size) for size in sizes],
        sizes,
        lengths,
        rate * items,
        items,
        edits=edits,
        edit_errors=edit_errors,
        family=GPT3,
        task=task,
        settings=settings,
    )
    predicted = rate[:, :1] ** lengths
    m, k = np.unravel_index(np.argmax(np.log(predicted) - np.log(rate)), shape)
    each = edits / lengths
    spread = each.max(axis=1) / np.maximum(each.min(axis=1), np.finfo(float).tiny)
    worst = int(np.argmax(np.where(each.min(axis=1) > 0, spread, 0)))
    named, flat = size_label(sizes[m]), size_label(sizes[worst])
    return replace(
        found,
        why=f"{found.why}. Farthest from geometric is {named}: {rate[m, 0]:.3g} at length 1 predicts "
        f"{predicted[m, k]:.2g} at length {lengths[k]}, and {rate[m, k]:.2g} is drawn. Edits a token "
        "differ most "
        f"at {flat}, from {each[worst].min():.2g} to {each[worst].max():.2g}; {int((each > 1).sum())} of "
        f"{each.size} values are more than one a token, which L(1-p) cannot be",
    )


def reading_items(rate: npt.ArrayLike, error: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How many items know a rate as well as it can be read off a drawing: the binomial error is `error`.

    At rates of 0 and 1, where the binomial error is 0, as many as would put the exact bound that far off.

    Parameters: rate in [0, 1]; error above 0; of shapes that broadcast. Returns their shape.
    """
    p, e = np.asarray(rate, dtype=float), np.asarray(error, dtype=float)
    return np.asarray(np.maximum(p * (1 - p) / e**2, 1 / e), dtype=np.float64)


def every(responses: pl.DataFrame, seed: int = 0, progress: Progress = silent) -> pl.DataFrame:
    """The three predictions, each on the model, the trained family and GPT-3: `tables.PREDICTIONS`."""
    found = pl.concat(
        [of_model(seed, progress), of_trained(responses, seed, progress), prediction.frame(of_gpt3(seed))]
    )
    order = pl.col("prediction").replace_strict({name: k for k, name in enumerate(PREDICTIONS)})
    return found.sort(order, maintain_order=True)
