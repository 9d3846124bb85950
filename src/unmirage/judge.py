"""From a cell or from aggregates to a verdict row: which metric is the headline, and what its points are.

The decision itself is in `verdict.decide`; here its inputs are taken from the scores and its answer is put
into the table's words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

import numpy as np

from unmirage import findings
from unmirage.aggregate import scales_of
from unmirage.cells import Cell, Layer
from unmirage.choosing import Choice, choose, choose_reported
from unmirage.counts import listed
from unmirage.measured import effective, errors_of, is_rate, means_of
from unmirage.metrics import Card
from unmirage.reported import COUNTED, asked, known_errors, said
from unmirage.response import Response, at, reported_response, response_of
from unmirage.result import Settings
from unmirage.scales import FALLING, TRAINING
from unmirage.verdict.curve import Curve, few_scales
from unmirage.verdict.decide import decide
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.outcome import CANNOT_TELL, RESOLUTION_LIMITED, Verdict
from unmirage.verdict.points import Point, rate_point
from unmirage.verdict.thresholds import Thresholds

# More points of a training run than these are no more evidence, and take time.
MOST_SCALES = 32

Row = dict[str, Any]


def points_of(
    cell: Cell, layer: Layer, settings: Settings, limits: Thresholds, scales: int, kept: Collection[float]
) -> list[Point]:
    """The headline at each model that has it, at the scales `kept` of a curve of `scales` scales."""
    there = np.flatnonzero(layer.present & np.isin(cell.axis_values, list(kept)))
    means, errors, n = means_of(layer), errors_of(cell, layer), len(cell.items)
    if not is_rate(layer) or layer.chance is None:
        return [
            Point(cell.models[m], float(cell.axis_values[m]), float(means[m]), float(errors[m]), n=n)
            for m in there
        ]
    worth = None if layer.exact and not cell.clustered else effective(cell, layer)
    points = []
    for m in there:
        tried, passed, chance = n, None, layer.chance
        if layer.attempted and cell.attempts is not None and cell.passes is not None:
            tried, passed = int(cell.attempts[:, m].sum()), float(cell.passes[:, m].sum())
            chance = layer.chance.mean()
        points.append(
            rate_point(
                cell.models[m],
                float(cell.axis_values[m]),
                float(means[m]),
                float(errors[m]),
                tried,
                chance,
                successes=passed,
                effective_n=None if worth is None else min(float(worth[m]), tried),
                scales=scales,
                alpha=settings.alpha,
                min_successes=limits.min_successes,
            )
        )
    return points


@dataclass(frozen=True)
class Case:
    """A task of a family, ready to be judged.

    Attributes
    ----------
    family, task, choice: what is judged, by which metrics.
    curve: the headline, or None where there is none.
    found: the companion at all its scales; `response` what a break is looked for in, `why_not` why there is
        none, "" without a companion.
    dependent: what is to be said of items that depend on each other, or None. remarks: what else.
    chance_unknown: whether the headline is 0/1 and its chance level is not known.
    finite: metrics that would do instead of an infinite headline.
    aggregates: of logs without items, what is known of the headline's errors (:func:`reported.known_errors`);
        None where there are items.
    scales: how many there are, of which the curve may hold fewer.
    """

    family: str
    task: str
    choice: Choice
    curve: Curve | None = None
    found: Response | str | None = None
    response: Response | None = None
    why_not: str = ""
    dependent: str | None = None
    remarks: tuple[str, ...] = ()
    chance_unknown: bool = False
    finite: tuple[str, ...] = ()
    aggregates: str | None = None
    scales: int = 0


def prepare(
    cell: Cell, extra: Sequence[Row], settings: Settings, limits: Thresholds, dependent: str | None
) -> Case:
    """The headline and companion of a cell.

    Parameters
    ----------
    extra: curve rows of the same task whose models have aggregates only; those of the headline join the
        curve.
    dependent: what `dependence_message` says of the items, or None.
    """
    choice = choose(cell, settings)
    if choice.headline is None:
        return Case(cell.family, cell.task, choice)
    layer = cell.layers[choice.headline]
    more = [row for row in extra if row["metric"] == choice.headline]
    found: Response | str | None = None
    if choice.companion is not None:
        found = response_of(cell, layer, cell.layers[choice.companion], settings.axis)
    scales = scales_of(cell.axis_values, layer.present, [row["axis_value"] for row in more])
    pairs = zip(
        cell.axis_values[layer.present].tolist(), means_of(layer)[layer.present].tolist(), strict=True
    )
    kept = _kept([*pairs, *_pairs(more)], found)
    points = points_of(cell, layer, settings, limits, scales, kept)
    points += _result_points(more, settings, limits, kept, scales=scales)
    card = layer.metric.card
    curve = Curve(
        tuple(points),
        choice.headline,
        choice.companion,
        card.higher_is_better,
        _bounded(card),
        "attempts" if layer.attempted else "items",
        len(cell.items) if layer.attempted else None,
        settings.axis in FALLING,
        settings.axis in TRAINING,
    )
    response, why = None, ""
    if choice.companion is not None:
        response, why = _usable(found, choice, curve, limits)
    return Case(
        cell.family,
        cell.task,
        choice,
        curve,
        found,
        response,
        why,
        dependent,
        (*_remark(choice), *findings.never_exact(cell)),
        chance_unknown=card.binary and layer.chance is None,
        finite=tuple(_staying_finite(cell)),
        scales=scales,
    )


def _remark(choice: Choice) -> tuple[str, ...]:
    return (choice.remark,) if choice.remark else ()


def _pairs(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return [(row["axis_value"], np.nan if row["mean"] is None else row["mean"]) for row in rows]


def _kept(pairs: Sequence[tuple[float, float]], response: Response | str | None) -> set[float]:
    """The scales to judge: the medians of the companion where it is everywhere, else of the headline."""
    levels: dict[float, list[float]] = {}
    for value, mean in pairs:
        levels.setdefault(value, []).append(mean)
    means = {value: float(np.mean(group)) for value, group in levels.items()}
    if isinstance(response, Response) and set(response.axis_values.tolist()) == set(means):
        means = dict(zip(response.axis_values.tolist(), response.y.tolist(), strict=True))
    return few_scales(means, MOST_SCALES)


def _usable(
    found: Response | str | None, choice: Choice, curve: Curve, limits: Thresholds
) -> tuple[Response | None, str]:
    """The response at the scales that are judged, where a break can be looked for, or why it cannot."""
    if not isinstance(found, Response):
        return None, found or ""
    response = at(found, {point.axis_value for point in curve.points})
    if response.y.size < limits.min_scales:
        scales = f"{response.y.size} scale{'' if response.y.size == 1 else 's'}"
        return None, f"{choice.companion} and {choice.headline} are both there at {scales} only"
    if response.flat:
        return None, f"{choice.companion} is the same at every scale that is judged"
    return response, ""


def judge_case(case: Case, evidence: Evidence | str | None, settings: Settings, limits: Thresholds) -> Row:
    """The verdict row of a case, with what `testing.examine` says of its companion."""
    choice = case.choice
    if case.curve is None or choice.headline is None:
        return _row(case, settings, None, _nothing(choice))
    verdict = _decide(case.curve, limits, case.finite, evidence)
    if case.chance_unknown:
        _say_chance_unknown(verdict, choice.headline, case.task)
    judged = len(case.curve.groups())
    if judged < case.scales:
        verdict.reasons.append(
            f"{judged} of {case.scales:,} scales are judged: of each stretch of the log range the one whose "
            f"{choice.companion or choice.headline} is the median"
        )
    if case.aggregates is not None:
        verdict.reasons.append(said(choice.headline, choice.companion, case.aggregates))
        if verdict.verdict in (CANNOT_TELL, RESOLUTION_LIMITED):
            verdict.would_settle.extend(asked(choice.headline, choice.companion, case.aggregates))
    verdict.reasons.extend(case.remarks)
    if isinstance(evidence, Evidence):
        verdict.reasons.extend(evidence.notes)
    if case.dependent is not None:
        verdict.reasons[0] += "; and its items depend on each other"
        verdict.reasons.append(case.dependent)
        verdict.would_settle.append("a `cluster` column that names the template or passage of each item")
    row = _row(case, settings, case.curve, verdict)
    if isinstance(evidence, Evidence):
        row |= {
            "p_break": evidence.test.p,
            "p_break_adjusted": evidence.p_adjusted,
            "step": evidence.test.step,
        }
        if evidence.link is not None:
            row["link"] = {
                "r2_held_out": _number(evidence.link.r2_held_out),
                "r2_smooth": _number(evidence.link.r2_smooth),
            }
    return row


def prepare_results(
    rows: Sequence[Row], known: Mapping[str, Card], settings: Settings, limits: Thresholds
) -> Case:
    """The headline and companion of a task that has aggregates only.

    Parameters: rows its curve rows; known the card of each metric (:func:`reported.cards_of`).
    """
    by_metric: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: str(row["metric"])):
        by_metric.setdefault(str(row["metric"]), []).append(row)
    cards = {name: known[name] for name in by_metric}
    family, task = str(rows[0]["family"]), str(rows[0]["task"])
    choice = choose_reported(cards, settings)
    if choice.headline is None:
        return Case(family, task, choice)
    mine = by_metric[choice.headline]
    found: Response | str | None = None
    if choice.companion is not None:
        found = reported_response(mine, by_metric[choice.companion], cards[choice.companion], settings.axis)
    scales = len({row["axis_value"] for row in mine})
    points = _result_points(mine, settings, limits, _kept(_pairs(mine), found), scales=scales)
    card, errors = cards[choice.headline], known_errors(mine)
    curve = Curve(
        tuple(points),
        choice.headline,
        choice.companion,
        card.higher_is_better,
        _bounded(card),
        falling=settings.axis in FALLING,
        training=settings.axis in TRAINING,
        errors_known=bool(errors),
    )
    response, why = None, ""
    if choice.companion is not None:
        response, why = _usable(found, choice, curve, limits)
    unknown = card.binary and any(row["chance"] is None for row in mine)
    return Case(
        family,
        task,
        choice,
        curve,
        found,
        response,
        why,
        remarks=_remark(choice),
        chance_unknown=unknown,
        aggregates=errors,
        scales=scales,
    )


def _result_points(
    rows: Sequence[Row], settings: Settings, limits: Thresholds, kept: Collection[float], *, scales: int
) -> list[Point]:
    points = []
    for row in rows:
        if row["axis_value"] not in kept:
            continue
        error = float("nan") if row["stderr"] is None else float(row["stderr"])
        mean = float("nan") if row["mean"] is None else float(row["mean"])
        place = row["model"], row["axis_value"], mean, error
        if row["method"].endswith(COUNTED) and row["chance"] is not None:
            points.append(
                rate_point(
                    *place,
                    row["n"],
                    row["chance"],
                    scales=scales,
                    alpha=settings.alpha,
                    min_successes=limits.min_successes,
                )
            )
        else:
            # No number of items tells a 0 from zero.
            nothing = mean == 0 and row["chance"] == 0 and row["n"] is None
            points.append(
                Point(*place, n=row["n"], chance=row["chance"], resolved=False if nothing else None)
            )
    return points


def _decide(
    curve: Curve, limits: Thresholds, finite: Sequence[str], evidence: Evidence | str | None
) -> Verdict:
    """`decide`, or why an infinite mean cannot be judged; `finite` are metrics that would do instead."""
    bad = [point.model for point in curve.points if not np.isfinite(point.mean)]
    if bad:
        return Verdict(
            "cannot-tell",
            None,
            [f"the mean of {curve.headline} is infinite for {listed(bad)}: an item has probability 0 there"],
            [f"a headline metric that stays finite: --headline {' or '.join(finite)}"] if finite else [],
        )
    return decide(curve, limits, evidence)


def _say_chance_unknown(verdict: Verdict, headline: str, task: str) -> None:
    verdict.reasons.append(f"the chance level of {headline} is not known, so no scale was tested against it")
    verdict.would_settle.append(
        f"the chance level, with --chance {quote(task)}=LEVEL (0.25 for four choices, 0 where nobody guesses "
        "right)"
    )


def _staying_finite(cell: Cell) -> list[str]:
    """Continuous bounded metrics of a cell with a finite score on every item of every model; two at most."""
    return [
        name
        for name, layer in cell.layers.items()
        if layer.metric.combine is None
        and layer.metric.card.continuous
        and _bounded(layer.metric.card)
        and layer.finite.all()
    ][:2]


def _nothing(choice: Choice) -> Verdict:
    return Verdict("cannot-tell", None, [choice.why_not or "there is no metric to judge by"])


def _bounded(card: Card) -> bool:
    return card.low == 0 and card.high == 1


def _row(case: Case, settings: Settings, curve: Curve | None, verdict: Verdict) -> Row:
    shape = verdict.sharpness
    names = ("width", "t10", "t90", "emergence_score", "breakthroughness", "linearity")
    numbers = {name: _number(getattr(shape, name)) if shape else None for name in names}
    reasons = list(verdict.reasons)
    if shape is not None:
        reasons += [note for note in shape.notes if "width" not in note or verdict.verdict != "smooth"]
    return {
        "family": case.family,
        "task": case.task,
        "axis": settings.axis,
        "headline": case.choice.headline,
        "companion": case.choice.companion,
        "verdict": verdict.verdict,
        "p_break": None,
        "p_break_adjusted": None,
        "step": None,
        "sharpness": numbers,
        "link": {"r2_held_out": None, "r2_smooth": None},
        "resolution": [point.as_dict() for point in curve.points] if curve else [],
        "reasons": reasons,
        "would_settle": verdict.would_settle,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
