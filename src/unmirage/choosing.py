"""Which metrics a task is judged by: the headline that people report, and its continuous companion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unmirage.cells import Cell, Layer
from unmirage.metrics import Card
from unmirage.metrics.registry import is_aggregate
from unmirage.result import Settings

# What people report for each kind of responses, and the continuous metrics to hold beside it; the first that
# is there is taken.
HEADLINES = {
    "generation": ("exact_match",),
    "choice": ("multiple_choice_grade",),
    "likelihood": ("greedy_match", "cross_entropy", "target_logprob"),
    "count": ("pass_rate",),
}
COMPANIONS = {
    "generation": ("cross_entropy", "target_logprob"),
    "choice": ("margin",),
    "likelihood": ("cross_entropy", "target_logprob"),
    "count": (),
}
# Of aggregates, in this order, then any other 0/1 metric.
REPORTED = ("exact_match", "multiple_choice_grade", "greedy_match", "pass_rate", "accuracy", "acc")


# Words of the names of scores that move with every probability: losses and log-probabilities; and with every
# number that is put out: distances.
LOSS_WORDS = frozenset(
    (
        "bits",
        "bpb",
        "brier",
        "cross",
        "likelihood",
        "loglikelihood",
        "logprob",
        "loss",
        "losses",
        "mae",
        "mse",
        "nll",
        "perplexity",
        "rmse",
    )
) | {"ppl"}
# An error may be a share of wrong answers; beside one of these words it is a distance of numbers.
DISTANCES = frozenset(("absolute", "reconstruction", "squared"))


@dataclass(frozen=True)
class Choice:
    """The metrics that a task is judged by.

    Attributes
    ----------
    headline, companion: their names, None where there is none.
    why_not: why a headline that was asked for is not there.
    remark: why a companion that was asked for is not taken, and what is.
    """

    headline: str | None
    companion: str | None
    why_not: str | None = None
    remark: str = ""


def can_accompany(card: Card) -> bool:
    """Whether a metric moves gradually with what the model puts out: a break in it is no metric's making.

    A share of right answers does not, however it is averaged, nor does a score that only the log knows,
    unless its name speaks of a loss, of a log-probability or of a distance of numbers.
    """
    if card.group == "score":
        words = set(re.split(r"[^a-z]+", card.name.lower()))
        return not card.binary and bool(words & LOSS_WORDS or ("error" in words and words & DISTANCES))
    return card.continuous and not card.binary and card.group != "count"


def choose(cell: Cell, settings: Settings) -> Choice:
    """Headline and companion of a cell: those that were named, else the first that can be computed."""
    there = {
        name: layer
        for name, layer in cell.layers.items()
        if layer.present.any() and layer.metric.combine is None
    }
    if cell.kind == "score":
        named = sorted(there, key=lambda name: (not there[name].metric.card.binary, list(there).index(name)))
        headlines, companions = tuple(named), tuple(there)
    else:
        headlines, companions = HEADLINES[cell.kind], COMPANIONS[cell.kind]
    able = {name: layer for name, layer in there.items() if can_accompany(layer.metric.card)}
    if settings.headline is not None:
        headline = settings.headline if settings.headline in there else None
        if headline is None and settings.headline in cell.layers:
            return Choice(
                None, None, f"{settings.headline} has no scores of items, so it is drawn but cannot be judged"
            )
        if headline is None:
            return Choice(None, None, f"{settings.headline} cannot be computed on this task")
    else:
        headline = _first(headlines, there)
        if headline is None:
            return Choice(None, None, f"none of {', '.join(headlines)} can be computed on this task")
    wanted, remark = settings.companion, ""
    if wanted in able:
        return Choice(headline, wanted)
    companion = headline if headline in able else _first(companions, able)
    if wanted is not None:
        remark = _refused(wanted, companion, known=wanted in there)
    return Choice(headline, companion, remark=remark)


def _refused(wanted: str, companion: str | None, *, known: bool) -> str:
    why = "is no continuous metric" if known else "cannot be computed on this task"
    return f"{wanted} {why}; {'there is no other' if companion is None else f'{companion} is taken'}"


def choose_reported(cards: Mapping[str, Card], settings: Settings) -> Choice:
    """Headline and companion of aggregates: the first known share of right answers, and the first loss.

    Parameters: metric name -> what is known of it, in order of the names.
    """
    if settings.headline is not None and settings.headline not in cards:
        return Choice(None, None, f"{settings.headline} is not among the aggregates: {', '.join(cards)}")
    shares = [name for name, card in cards.items() if card.binary]
    headline = settings.headline or next(
        (name for name in (*REPORTED, *shares, *cards) if name in cards), None
    )
    able = [name for name, card in cards.items() if can_accompany(card) and not is_aggregate(name)]
    if settings.companion in able:
        return Choice(headline, settings.companion)
    companion = headline if headline in able else next(iter(able), None)
    wanted = settings.companion
    remark = "" if wanted is None else _refused(wanted, companion, known=wanted in cards)
    return Choice(headline, companion, remark=remark)


def _first(names: Sequence[str], there: Mapping[str, Layer]) -> str | None:
    """The first that every model has, else the first that any has."""
    found = [name for name in names if name in there]
    return next((name for name in found if there[name].present.all()), next(iter(found), None))
