"""Which metrics a task is judged by: the headline that people report, and its continuous companion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unmirage.cells import Cell, Layer
from unmirage.metrics import Card
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


@dataclass(frozen=True)
class Choice:
    """The metrics that a task is judged by; `why_not` says why one that was asked for is not there."""

    headline: str | None
    companion: str | None
    why_not: str | None = None


def choose(cell: Cell, settings: Settings) -> Choice:
    """Headline and companion of a cell: those that were named, else the first that can be computed."""
    there = {
        name: layer
        for name, layer in cell.layers.items()
        if layer.present.any() and layer.metric.combine is None
    }
    if cell.kind == "score":
        named = sorted(there, key=lambda name: (not there[name].metric.card.binary, list(there).index(name)))
        headlines, companions = tuple(named), tuple(n for n in there if there[n].metric.card.continuous)
    else:
        headlines, companions = HEADLINES[cell.kind], COMPANIONS[cell.kind]
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
    if settings.companion is not None:
        companion = settings.companion if settings.companion in there else None
    elif (
        there[headline].metric.card.continuous
        and not there[headline].metric.card.binary
        and cell.kind != "count"
    ):
        companion = headline
    else:
        companion = _first([name for name in companions if name != headline], there)
    return Choice(headline, companion)


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
    losses = [name for name, card in cards.items() if not card.higher_is_better and not card.binary]
    if settings.companion is not None:
        return Choice(headline, settings.companion if settings.companion in cards else None)
    return Choice(headline, next((name for name in losses), None))


def _first(names: Sequence[str], there: Mapping[str, Layer]) -> str | None:
    """The first that every model has, else the first that any has."""
    found = [name for name in names if name in there]
    return next((name for name in found if there[name].present.all()), next(iter(found), None))
