"""Prediction 1: the same outputs under a linear or continuous metric show smooth progress.

Each metric is described by the tree's own sharpness and tested for a break in its own curve. Whether a
continuous metric also explains the headline, item by item, is the verdict's question and not asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from unmirage import statistics
from unmirage.choosing import Choice, can_accompany
from unmirage.errors import SettingsError
from unmirage.judge import Case, prepare
from unmirage.metrics import metric
from unmirage.predictions.prediction import NOT_TESTABLE, Prediction
from unmirage.predictions.subjects import NO_ITEMS, Subject, audited, subjects
from unmirage.predictions.swap_outcome import NUMBERS, SAYS, TEST, Swapped, jumps, weighed
from unmirage.response import Response, at, reported_response, response_of
from unmirage.result import Audit, Settings, silent
from unmirage.scales import FALLING, TRAINING
from unmirage.testing import examine
from unmirage.verdict.curve import Curve
from unmirage.verdict.decide import looks_sharp
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.points import Point
from unmirage.verdict.thresholds import Thresholds

if TYPE_CHECKING:
    from unmirage.steps import Sources

# Beside the companion of the verdict: what the paper itself swaps in.
LINEAR = {
    "generation": (("token_edit_distance", "char_edit_distance"), ("cross_entropy", "target_logprob")),
    "choice": (("brier_sum",), ("margin",)),
    "likelihood": (("cross_entropy", "target_logprob"),),
}

_NONE = pl.DataFrame(schema=NUMBERS)


def metric_swap(
    source: Sources | Audit,
    *,
    axis: str | None = None,
    nonlinear: str | None = None,
    linear: Sequence[str] | None = None,
    seed: int | None = None,
    **options: Any,
) -> tuple[Prediction, ...]:
    """Test prediction 1 of the paper on every task: does the jump go when the metric is swapped?

    Confirmed: the nonlinear metric is sharp by the rule of the verdicts, or breaks, and no linear one is
    sharp or breaks, though a step of three quarters of what it improves in the jump would have been seen
    (80% power). Not confirmed: a linear metric breaks. Not testable: anything else (no jump, no power, a
    linear metric that is sharp without a break, or gets worse on the way); `why` says what.
    p-values are adjusted over the metrics of a task, and over the tasks that share a metric.

    Parameters
    ----------
    source: as :func:`unmirage.audit`, or an audit.
    axis, seed: None for those of the audit, or its defaults.
    nonlinear: a metric, or None for the headline of each task.
    linear: continuous metrics, or None for token edit distance and cross-entropy, Brier score and margin.
    options: others of :func:`unmirage.audit`.

    Returns
    -------
    One Prediction a task. Its numbers have a row a metric, with the columns of `swap_outcome.NUMBERS`.

    Raises
    ------
    UnmirageError
        As :func:`unmirage.audit`; an audit made with other settings; an unknown or unfit metric.

    Examples
    --------
    >>> import unmirage
    >>> len(unmirage.metric_swap(unmirage.simulate("late")))
    1
    """
    made = audited(source, axis, seed, options)
    found = subjects(made, [name for name in (nonlinear, *(linear or ())) if name])
    for name in linear or ():
        there = [one.cell.layers[name] for one in found if one.cell and name in one.cell.layers]
        cards = [layer.metric.card for layer in there] or [metric(name).card]
        if not all(can_accompany(card) for card in cards):
            raise SettingsError(f"{name} is no continuous metric", where="linear")
    evidence, _ = examine([one.case for one in found if one.case], made.settings, Thresholds(), silent)
    adjusted = {(row["family"], row["task"]): row["p_adjusted"] for row in made.breaks.iter_rows(named=True)}
    known = iter(evidence)
    said: list[Evidence | str | None] = []
    for one in found:
        mine = next(known) if one.case else None
        if isinstance(mine, Evidence):  # the audit adjusts over tasks that have aggregates only, too
            mine = replace(mine, p_adjusted=adjusted.get((one.family, one.task), mine.p_adjusted))
        said.append(mine)
    return swaps(found, said, made.settings, nonlinear, linear)


def swaps(
    found: Sequence[Subject],
    evidence: Sequence[Evidence | str | None],
    settings: Settings,
    nonlinear: str | None = None,
    linear: Sequence[str] | None = None,
) -> tuple[Prediction, ...]:
    """:func:`metric_swap` of tasks that are ready, with the evidence of their companions."""
    limits = Thresholds()
    pairs = [_curves(one, settings, limits, nonlinear, linear) for one in found]
    told = _tested(found, evidence, [(head, [head]) for head, _ in pairs], settings, limits)
    # Where nothing jumps there is nothing to swap, and no need to test the others.
    jumping = [
        (head, rest if head is not None and jumps(head, told.get((i, head.name))) else [])
        for i, (head, rest) in enumerate(pairs)
    ]
    told |= _tested(found, evidence, jumping, settings, limits)
    out = []
    for i, (one, (head, rest)) in enumerate(zip(found, pairs, strict=True)):
        if head is None:
            why = NO_ITEMS if one.cell is None else f"{nonlinear or 'its headline'} cannot be computed here"
            out.append(Prediction("metric-swap", one.family, one.task, SAYS, TEST, NOT_TESTABLE, why, _NONE))
            continue
        said = [replace(s, evidence=told.get((i, s.name))) for s in (head, *rest)]
        out.append(weighed(one.family, one.task, _adjusted(said, settings), limits))
    return tuple(out)


def _tested(
    found: Sequence[Subject],
    evidence: Sequence[Evidence | str | None],
    asked: Sequence[tuple[Swapped | None, Sequence[Swapped | None]]],
    settings: Settings,
    limits: Thresholds,
) -> dict[tuple[int, str], Evidence]:
    """(task, metric) -> evidence of those that are asked; that of the verdict where it is of this metric."""
    out: dict[tuple[int, str], Evidence] = {}
    cases, places = [], []
    for i, (head, wanted) in enumerate(asked):
        for swapped in wanted:
            known = evidence[i]
            if swapped is None or not isinstance(swapped.response, Response):
                continue
            if isinstance(known, Evidence) and known.name == swapped.name:
                out[i, swapped.name] = known
            else:
                cases.append(_case(found[i].family, found[i].task, swapped, head))
                places.append((i, swapped.name))
    return out | dict(zip(places, _examined(cases, settings, limits), strict=True))


def swap_of_means(
    scales: ArrayLike,
    nonlinear: tuple[str, ArrayLike],
    linear: Mapping[str, ArrayLike],
    *,
    errors: Mapping[str, ArrayLike] | None = None,
    family: str = "",
    task: str = "",
    settings: Settings | None = None,
) -> Prediction:
    """Prediction 1 from curves alone: a model's formulas, or numbers read off a figure.

    Parameters
    ----------
    scales: (S,) distinct, above 0.
    nonlinear: name of a metric and its means (S,). linear: the same of the others, losses as losses.
    errors: standard errors (S,) of any of them.
    settings: axis, seed and adjustment; defaults where None.

    Raises
    ------
    UnmirageError
        An unknown metric, or shapes that differ.
    """
    asked, limits = settings or Settings(), Thresholds()
    x = np.asarray(scales, dtype=np.float64)
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, values in (nonlinear, *linear.items()):
        y = np.asarray(values, dtype=np.float64)
        given = (errors or {}).get(name)
        e = np.full(x.shape, np.nan) if given is None else np.asarray(given, dtype=np.float64)
        if x.ndim != 1 or y.shape != x.shape or e.shape != x.shape:
            raise SettingsError("there must be one mean, and one error if any, a scale", where=name)
        rows[name] = [
            {"model": f"{s:g}", "axis_value": s, "mean": m, "stderr": d if np.isfinite(d) else None}
            for s, m, d in zip(x.tolist(), y.tolist(), e.tolist(), strict=True)
        ]
    said = []
    for name, mine in rows.items():
        card = metric(name).card
        points = [
            Point(r["model"], r["axis_value"], r["mean"], np.nan if r["stderr"] is None else r["stderr"])
            for r in mine
        ]
        curve = _turned(points, name, card.higher_is_better, (card.low, card.high) == (0, 1), asked.axis)
        response = reported_response(mine, mine, card, asked.axis)
        said.append(Swapped(name, curve, *looks_sharp(curve, limits), _enough(response, limits)))
    head = said[0]
    able = [one for one in said if isinstance(one.response, Response)]
    told = _examined([_case(family, task, one, head) for one in able], asked, limits)
    names = [one.name for one in able]
    said = [replace(s, evidence=told[names.index(s.name)] if s.name in names else None) for s in said]
    return weighed(family, task, _adjusted(said, asked), limits)


def _curves(
    one: Subject,
    settings: Settings,
    limits: Thresholds,
    nonlinear: str | None,
    linear: Sequence[str] | None,
) -> tuple[Swapped | None, list[Swapped]]:
    """The curves of the metrics of a task, not tested yet; None for a headline that is not there."""
    if one.cell is None or one.case is None:
        return None, []
    name = nonlinear or one.case.choice.headline
    if name is None or name not in one.cell.layers:
        return None, []
    head = _of_cell(one, name, settings, limits)
    if linear is None:
        groups = LINEAR.get(one.cell.kind, ())
        chosen = [next((n for n in names if n in one.cell.layers), None) for names in groups]
        wanted = [n for n in (one.case.choice.companion, *chosen) if n is not None]
    else:
        wanted = list(linear)
    rest = []
    for other in dict.fromkeys(wanted):
        layer = one.cell.layers.get(other)
        if layer is None or not layer.present.any():
            rest.append(Swapped(other, None, None, False, f"{other} cannot be computed here"))
        elif other != name:
            rest.append(_of_cell(one, other, settings, limits))
    return head, rest


def _of_cell(one: Subject, name: str, settings: Settings, limits: Thresholds) -> Swapped:
    assert one.cell is not None
    assert one.case is not None
    layer = one.cell.layers[name]
    curve = one.case.curve
    if name != one.case.choice.headline:
        curve = prepare(one.cell, [], replace(settings, headline=name, companion=None), limits, None).curve
    if curve is None or not all(np.isfinite(p.mean) for p in curve.points):
        return Swapped(name, None, None, False, f"the mean of {name} is infinite at some scale")
    found = response_of(one.cell, layer, layer, settings.axis)
    if isinstance(found, Response):
        # The scores of its own items are no headline that a link could predict.
        found = replace(
            at(found, {point.axis_value for point in curve.points}), right=np.empty((0, found.place.size))
        )
    return Swapped(name, curve, *looks_sharp(curve, limits), _enough(found, limits))


def _enough(response: Response | str, limits: Thresholds) -> Response | str:
    if isinstance(response, Response) and response.y.size < limits.min_scales:
        return (
            f"there are {response.y.size} scales, and {limits.min_scales} are needed to tell a step from a "
            "smooth curve"
        )
    if isinstance(response, Response) and response.flat:
        return f"{response.name} is the same at every scale"
    return response


def _turned(points: Sequence[Point], name: str, higher: bool, bounded: bool, axis: str) -> Curve:
    return Curve(
        tuple(points), name, name, higher, bounded, falling=axis in FALLING, training=axis in TRAINING
    )


def _case(family: str, task: str, swapped: Swapped, head: Swapped | None) -> Case:
    """A metric beside the nonlinear one, as the break test takes it."""
    assert isinstance(swapped.response, Response)
    assert head is not None
    choice = Choice(head.name, swapped.name)
    return Case(family, task, choice, head.curve, swapped.response, swapped.response)


def _examined(cases: Sequence[Case], settings: Settings, limits: Thresholds) -> list[Evidence]:
    """The evidence of each case; the tasks of one metric are examined together, as the companions are."""
    out: dict[int, Evidence] = {}
    groups: dict[str, list[int]] = {}
    for i, case in enumerate(cases):
        groups.setdefault(str(case.choice.companion), []).append(i)
    for members in groups.values():
        found, _ = examine([cases[i] for i in members], settings, limits, silent)
        for i, one in zip(members, found, strict=True):
            assert isinstance(one, Evidence)
            out[i] = one
    return [out[i] for i in range(len(cases))]


def _adjusted(said: Sequence[Swapped], settings: Settings) -> list[Swapped]:
    """p-values adjusted over the metrics of a task, where that is more than over the tasks of a metric."""
    tested = [one.evidence for one in said if isinstance(one.evidence, Evidence)]
    adjusted = iter(statistics.adjust([e.test.p for e in tested], settings.adjust).tolist())
    return [
        replace(one, evidence=replace(e, p_adjusted=max(e.p_adjusted, next(adjusted))))
        if isinstance(e := one.evidence, Evidence)
        else one
        for one in said
    ]
