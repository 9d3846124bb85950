"""Choice tasks under many metrics, and where along the chain from log-probability to accuracy scale is lost.

The swap is in `choice_swap`, the chain on arrays in `choice_links`; here both are taken from one audit and
put into tables and sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from unmirage import tables
from unmirage.errors import SettingsError
from unmirage.predictions.choice_links import CORRELATIONS, Linked, Loss, linked, links_of, mass_means
from unmirage.predictions.choice_swap import (
    curves_of,
    skill_words,
    swap_rows,
    swap_words,
    swapped,
    worse_words,
)
from unmirage.predictions.choice_tasks import (
    FEWEST_SCALES,
    HEADLINE,
    ChoiceTask,
    choice_tasks,
    metrics_of,
    scale_places,
)
from unmirage.predictions.subjects import audited
from unmirage.result import Audit, Settings

if TYPE_CHECKING:
    from unmirage.steps import Sources

COARSE = 6  # fewer scales than these are called coarse

_TASK: dict[str, Any] = {"family": pl.String, "task": pl.String}
_INTERVAL: dict[str, Any] = {"low": pl.Float64, "high": pl.Float64}

CURVES: dict[str, Any] = {
    **{name: kind for name, kind in tables.CURVES.items() if name not in ("chance", "resolution")},
    "reference": pl.Float64,  # of a uniform forecast, averaged over the items; null where there is none
}
SWAPS: dict[str, Any] = {
    **_TASK,
    "metric": pl.String,
    "sharp": pl.Boolean,  # by the rule of the verdicts; null where there are too few scales
    **dict.fromkeys(("emergence_score", "linearity", "width", "t10", "t90"), pl.Float64),
    "jump_from": pl.Float64,  # the largest step of the grade between neighbouring scales
    "jump_to": pl.Float64,
    "change": pl.Float64,  # improvement of this metric there, in its own unit
    **_INTERVAL,
}
LINKS: dict[str, Any] = {
    **_TASK,
    "link": pl.String,
    "against": pl.String,  # "scale", or "right mass" of two of the masses
    "correlation": pl.String,
    "mean": pl.Float64,
    **_INTERVAL,
    "median": pl.Float64,
    "median_low": pl.Float64,
    "median_high": pl.Float64,
    "auc": pl.Float64,  # area under the complementary CDF on [-1, 1]: 1 + mean
    "distance": pl.Float64,  # minus the Wasserstein distance to perfect correlation: mean - 1
    "items": pl.Int64,  # that have a correlation
    "constant": pl.Int64,  # that have none: one score at every scale
    "infinite": pl.Int64,  # that have none: an infinite score
}
LOSSES: dict[str, Any] = {
    **_TASK,
    "correlation": pl.String,
    "from": pl.String,
    "to": pl.String,
    "items": pl.Int64,
    "change": pl.Float64,
    **_INTERVAL,
    "named": pl.Boolean,  # the interval leaves 0 out
    "largest": pl.Boolean,  # the greatest loss of those that are named
}
MASSES: dict[str, Any] = {
    **_TASK,
    "mass": pl.String,  # "right", "wrong" or "total"
    "model": pl.String,
    "axis_value": pl.Float64,
    "mean": pl.Float64,  # of the log over the items, nats
    **_INTERVAL,
}
SAYS: dict[str, Any] = {**_TASK, "about": pl.String, "says": pl.String}


@dataclass(frozen=True)
class ChoiceChain:
    """Choice tasks under many metrics. Frames with the columns `CURVES`, `SWAPS`, ... of this module.

    Attributes
    ----------
    curves: each metric over the scales with interval and no-skill reference, the Brier skill among them.
    swaps: how sharp each metric is, and what it does where the grade rises most.
    links: per-item correlations with log scale along the chain, summarised over the items.
    losses: what each step along the chain changes.
    masses: the log mass on the right choice, the wrong ones and all.
    says: sentences, `about` being swap, skill, worse, chain, mass, dependent, coarse or left out.
    """

    curves: pl.DataFrame = field(repr=False)
    swaps: pl.DataFrame = field(repr=False)
    links: pl.DataFrame = field(repr=False)
    losses: pl.DataFrame = field(repr=False)
    masses: pl.DataFrame = field(repr=False)
    says: pl.DataFrame


def choice_chain(
    source: Sources | Audit,
    *,
    brier: str = "brier_mean",
    axis: str | None = None,
    seed: int | None = None,
    **options: Any,
) -> ChoiceChain:
    """Score choice tasks under many metrics, and find where along the chain predictability is lost.

    The chain of Schaeffer et al. 2024 (arXiv 2406.04391): vocab_logprob, vocab_prob, choice_prob, the Brier
    score (turned), multiple_choice_grade. For each item and link: Pearson's, Spearman's and Kendall's (tau-b)
    correlation of the score with log scale over the models, from three scales on. An item whose score is the
    same in all models has none and is left out and counted; a step along the chain is taken on the items
    that have both. Intervals are over items (or clusters) with the models as they are; those of the steps of
    a chain hold together.

    Parameters
    ----------
    source: as :func:`unmirage.audit`, or an audit.
    brier: brier_mean (BIG-bench's, mean over the choices), brier_sum or brier_one_sided.
    axis, seed: None for those of the audit, or its defaults.
    options: others of :func:`unmirage.audit`.

    Raises
    ------
    UnmirageError
        As :func:`unmirage.audit`; an audit made with other settings; another Brier score; no choice tasks.

    Examples
    --------
    >>> import unmirage
    >>> found = unmirage.choice_chain(unmirage.simulate("choice-artifact", n_items=100), replicates=100)
    >>> found.links["link"].unique().sort().to_list()[:2]
    ['brier_mean', 'choice_prob']
    """
    metrics_of(brier)
    made = audited(source, axis, seed, options)
    found = chains(made, brier)
    if found.says.is_empty():
        raise SettingsError(
            "the source has no tasks of kind choice",
            where="choice_chain",
            hint="Rows need choice_logprobs and answer; `unmirage audit` reads other kinds.",
        )
    return found


def chains(audit: Audit, brier: str = "brier_mean") -> ChoiceChain:
    """:func:`choice_chain` of an audit; without rows where it has no choice tasks."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("curves", "swaps", "links", "losses", "masses", "says")
    }
    for task in choice_tasks(audit, brier):
        _one(task, audit.settings, brier, rows)
    schemas = {"curves": CURVES, "swaps": SWAPS, "links": LINKS, "losses": LOSSES, "masses": MASSES}
    frames = {
        name: pl.DataFrame([{key: row.get(key) for key in schema} for row in rows[name]], schema=schema)
        for name, schema in schemas.items()
    }
    return ChoiceChain(**frames, says=pl.DataFrame(rows["says"], schema=SAYS))


def _one(task: ChoiceTask, settings: Settings, brier: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    def say(about: str, sentence: str | None) -> None:
        if sentence is not None:
            if task.dependent is not None and about in ("worse", "skill", "chain", "mass"):
                sentence += " The items depend on each other, so these intervals are too narrow."
            rows["says"].append({**task.where, "about": about, "says": sentence})

    cell = task.cell
    scales = scale_places(cell)[0].size
    found = swapped(task, settings, brier)
    rows["curves"] += curves_of(task, found, settings, brier)
    rows["swaps"] += swap_rows(task, found)
    names = [one.metric for one in found.swaps]
    if HEADLINE in names and scales > 1:
        head, others = found.swaps[0], found.swaps[1:]
        say("swap", swap_words(head, others, scales))
        say("worse", worse_words(head, others))
    if found.skill is not None:
        say("skill", skill_words(brier, cell.models, found.skill))
    if found.missing:
        say("left out", f"Not computed, as some model lacks the inputs: {', '.join(found.missing)}.")
    if task.dependent is not None:
        say("dependent", f"{task.dependent}.")
    lacking = [name for name in links_of(brier) if name not in names]
    if scales < FEWEST_SCALES or lacking:
        why = (
            f"there are {scales} scales, and a correlation needs {FEWEST_SCALES}"
            if scales < FEWEST_SCALES
            else f"{', '.join(lacking)} cannot be computed"
        )
        say("left out", f"The chain is left out: {why}.")
        return
    links, losses = linked(cell, links_of(brier), settings)
    rows["links"] += [{**task.where, **_link_row(one)} for one in links]
    rows["losses"] += [{**task.where, **_loss_row(one)} for one in losses]
    for mass, (mean, low, high) in mass_means(cell, settings).items():
        values = zip(cell.models, cell.axis_values, mean, low, high, strict=True)
        for model, scale, *numbers in values:
            parts = zip(("mean", "low", "high"), map(_known, numbers), strict=True)
            rows["masses"].append(
                {**task.where, "mass": mass, "model": model, "axis_value": float(scale), **dict(parts)}
            )
    say("chain", _chain_words(links, losses))
    say("mass", _mass_words(links))
    if scales < COARSE:
        pairs = scales * (scales - 1) // 2
        say(
            "coarse",
            f"With {scales} scales a correlation is coarse: Kendall's takes {pairs + 1} values where none "
            "tie, and other models of these sizes may order otherwise.",
        )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _link_row(one: Linked) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in ("link", "against", "correlation", "constant", "infinite")}
    for name in ("mean", "low", "high", "median", "median_low", "median_high"):
        row[name] = _known(getattr(one, name))
    row |= {"auc": _known(1 + one.mean), "distance": _known(one.mean - 1)}
    return row | {"items": int(np.isfinite(one.values).sum())}


def _loss_row(one: Loss) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in ("correlation", "items", "named", "largest")}
    row |= {name: _known(getattr(one, name)) for name in ("change", "low", "high")}
    return row | {"from": one.start, "to": one.end}


def _chain_words(links: list[Linked], losses: list[Loss]) -> str:
    """Where predictability is lost, by each correlation."""
    first = CORRELATIONS[0]
    chain = [one for one in links if one.against == "scale" and one.correlation == first]
    means = ", ".join(f"{one.link} {one.mean:.2f}" for one in chain if not one.link.endswith("mass"))
    places: dict[str, list[str]] = {}
    for kind in CORRELATIONS:
        most = next((one for one in losses if one.correlation == kind and one.largest), None)
        place = "no step loses any that can be told from 0"
        estimate = ""
        if most is not None:
            place = f"most is lost from {most.start} to {most.end}"
            estimate = f" {most.change:+.2f} [{most.low:+.2f}, {most.high:+.2f}]"
        places.setdefault(place, []).append(f"{kind}{estimate}")
    parts = [f"{place} ({', '.join(kinds)})" for place, kinds in places.items()]
    gains = [one for one in losses if one.correlation == first and one.named and one.change > 0]
    if gains:
        parts.append(f"there are gains from {', '.join(f'{one.start} to {one.end}' for one in gains)}")
    constant = {one.link: one.constant for one in chain if one.constant}
    counted = ", ".join(f"{n:,} by {link}" for link, n in constant.items())
    left = f" Items with one score at every scale, left out: {counted}." if counted else ""
    return (
        f"Mean per-item correlation with log scale ({first}): {means}. Along the chain, "
        f"{'; '.join(parts)}.{left}"
    )


def _mass_words(links: list[Linked]) -> str | None:
    """How the mass on wrong choices moves with scale and with the mass on the right one."""
    found = {(one.link, one.against): one for one in links if one.correlation == CORRELATIONS[0]}
    by_scale, with_right = found.get(("wrong mass", "scale")), found.get(("wrong mass", "right mass"))
    if by_scale is None or with_right is None:
        return None
    return (
        f"The log mass on wrong choices correlates with log scale by {_estimate(by_scale)}, and with that on "
        f"the right choice by {_estimate(with_right)} (pearson, mean over items)."
    )


def _estimate(one: Linked) -> str:
    return f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]"
