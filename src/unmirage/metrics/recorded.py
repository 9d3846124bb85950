"""Metrics of rows that hold nothing but the scores their source wrote (kind "score").

On rows of any other kind the recorded scores are for comparison with ours and are never read here.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.metrics.cards import Card, FloatArray, Metric, column, rows_sentence, zero_chance
from unmirage.metrics.registry import REGISTRY

_ERROR_WORDS = {
    *("bits", "bpb", "brier", "cer", "cost", "distance", "ece", "entropy", "err", "error", "errors"),
    *("loss", "losses", "mae", "mse", "nll", "perplexity", "ppl", "rmse", "wer"),
}
_SHARE_WORDS = {"acc", "accuracy", "em"}
_SHARE_ENDING = "exact_match"  # of some kind, such as HELM's prefix_exact_match
# A log-probability that was recorded also gives the probability.
_DERIVED = {"choice_logprob": "choice_prob", "target_logprob": "target_prob"}


def recorded_metric(name: str, values: npt.ArrayLike, higher_is_better: bool | None = None) -> Metric:
    """The metric whose item scores are the recorded values called `name`.

    If `name` is a metric of ours, or every tool that uses the word means one metric of ours, and all values
    lie in that metric's range, the card is ours. Otherwise it is made from the values: binary if all are 0 or
    1, else continuous; its range is [0, 1] if all values are in it, else unbounded.

    Parameters
    ----------
    name: the name in the rows' `recorded` lists.
    values: (n,) all its values over the task, which decide the card.
    higher_is_better: for a made card. None: True, unless a word of the name speaks of an error (loss, error,
        distance, perplexity, brier and the like); the definition says that it was taken from the name.

    Returns
    -------
    Metric
        `components` reads `recorded`. A chance level is kept only where it is 0 whatever the rows hold.
    """
    scores = np.asarray(values, dtype=np.float64).ravel()
    known = _known(name, scores)
    if known is None:
        card, chance = _made_card(name, scores, higher_is_better), None
    else:
        card = replace(known.card, inputs=("recorded",), extra=None)
        chance = known.chance if known.card.chance_note == "0" else None
        if chance is None:
            card = replace(card, chance_note="none")
    return Metric(
        card,
        lambda frame: column(_values(frame, name)[0]),
        chance=chance,
        check=lambda frame: _gap(frame, name),
    )


def aggregate_card(name: str, values: npt.ArrayLike) -> Card:
    """The card of a metric of which a log holds one value a model: what is known of its direction and range.

    If `name` is a metric of ours and the values fit its range, or it is 0/1, its card. Any other is made: 0/1
    if all metrics of ours that a tool calls so are, a word of the name is accuracy, acc or em, or it ends in
    exact_match; the direction is taken from the words (a tool may call a transform of ours by the same word),
    and the range is [0, 1] if all values are in it.

    Parameters: values (n,), all that the log holds of the metric.
    """
    scores = np.asarray(values, dtype=np.float64).ravel()
    own = REGISTRY[name].card if name in REGISTRY else None
    if own is not None and (own.binary or bool(((scores >= own.low) & (scores <= own.high)).all())):
        return own
    known = _called(name)
    words = set(re.split(r"[^a-z]+", name.lower()))
    named = bool(words & _SHARE_WORDS) or name.endswith(_SHARE_ENDING)
    share = all(one.card.binary for one in known) if known else named
    card = replace(_made_card(name, scores, None), binary=share, continuous=not share)
    return replace(card, low=0.0, high=1.0) if share else card


def zero_floor(name: str) -> bool:
    """Whether a metric has chance level 0 whatever the items are, as exact match has."""
    known = _called(name)
    return bool(known) and all(one.chance is zero_chance for one in known)


def recorded_metrics(frame: pl.DataFrame) -> dict[str, Metric]:
    """Every metric that rows of kind "score" hold, by its name; {} when a row is of another kind.

    Two recorded names that mean the same metric of ours stay apart: the one that is our own name has it, the
    other keeps its own. `choice_prob` and `target_prob` are derived where only their logarithms are there.

    Parameters
    ----------
    frame: the rows of one task.
    """
    if frame.height == 0 or not (frame["kind"] == "score").all():
        return {}
    long = _long(frame)
    found: dict[str, Metric] = {}
    by_name = [
        (str(part["metric"][0]), part["value"]) for part in long.partition_by("metric", maintain_order=True)
    ]
    for name, values in sorted(by_name, key=lambda one: one[0] not in REGISTRY):
        one = recorded_metric(name, values.drop_nulls().to_numpy())
        if one.card.name in found:
            one = replace(one, card=_made_card(name, values.drop_nulls().to_numpy(), None))
        found[one.card.name] = one
    for log, prob in _DERIVED.items():
        if log in found and prob not in found:
            found[prob] = _exponential(found[log], REGISTRY[prob].card)
    return found


def _called(name: str) -> list[Metric]:
    """The metrics of ours that have the name, or that some tool calls so."""
    if name in REGISTRY:
        return [REGISTRY[name]]
    return [one for one in REGISTRY.values() for alias in one.card.aliases if alias.name == name]


def _known(name: str, scores: FloatArray) -> Metric | None:
    called = {one.card.name: one for one in _called(name)}
    if len(called) != 1:
        return None
    known = next(iter(called.values()))
    fits = (scores >= known.card.low - 1e-6) & (scores <= known.card.high + 1e-6)
    return known if known.combine is None and bool(fits.all()) else None


def _made_card(name: str, scores: FloatArray, higher_is_better: bool | None) -> Card:
    binary = bool(np.isin(scores, (0.0, 1.0)).all())
    bounded = bool(((scores >= 0.0) & (scores <= 1.0)).all())
    words = set(re.split(r"[^a-z]+", name.lower()))
    # A threshold of an error is a success, although its name speaks of the error, and so are several.
    good = name.startswith(("threshold(", "all_of(", "any_of(")) or not words & _ERROR_WORDS
    guessed = good if higher_is_better is None else higher_is_better
    way = "higher" if guessed else "lower"
    how = "taken from its name" if higher_is_better is None else "as declared"
    return Card(
        name=name,
        title=name.replace("_", " ").strip().capitalize() or name,
        group="score",
        inputs=("recorded",),
        low=0.0 if bounded else -np.inf,
        high=1.0 if bounded else np.inf,
        higher_is_better=guessed,
        binary=binary,
        continuous=not binary,
        linear=False,
        unit="",
        definition=f"The score called {name} as the source wrote it. That {way} is better is {how}.",
        source="the log",
    )


def _exponential(log: Metric, card: Card) -> Metric:
    definition = f"Exponential of the recorded {log.card.name}. {card.definition}"

    def components(frame: pl.DataFrame) -> FloatArray:
        return np.minimum(np.exp(log.components(frame)), 1.0)

    card = replace(card, inputs=("recorded",), definition=definition, chance_note="none")
    return Metric(card, components, check=log.check)


def _long(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a recorded value: row (index into `frame`), metric, value."""
    rows = frame.select("recorded").with_row_index("row")
    some = rows.filter(pl.col("recorded").list.len() > 0)
    return some.explode("recorded").unnest("recorded")


def _values(frame: pl.DataFrame, name: str) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """(rows,) the value called `name`, NaN where there is none, and (rows,) how many there are."""
    mine = _long(frame).filter((pl.col("metric") == name) & pl.col("value").is_not_null())
    rows = mine["row"].cast(pl.Int64).to_numpy()
    values = np.full(frame.height, np.nan)
    values[rows] = mine["value"].to_numpy()
    return values, np.bincount(rows, minlength=frame.height)


def _gap(frame: pl.DataFrame, name: str) -> str | None:
    values, times = _values(frame, name)
    return rows_sentence(f"a recorded {name}", int(np.isnan(values).sum()), frame.height) or rows_sentence(
        f"{name} recorded once", int((times > 1).sum()), frame.height
    )
