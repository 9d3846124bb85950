"""The companions of an audit, tested together: pooled scatter, breaks, links, adjusted p-values."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from unmirage import statistics, tables
from unmirage.counts import listed, together
from unmirage.judge import Case
from unmirage.response import USUAL, Response, from_worst
from unmirage.result import Progress, Settings
from unmirage.verdict.breaks import LOST, PRIOR, BreakTest, break_test, smooth_residuals
from unmirage.verdict.curve import by_scale
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.library import smallest_width
from unmirage.verdict.link import LinkCheck, check_link
from unmirage.verdict.scatter import Scatter, combined, pooled, within
from unmirage.verdict.thresholds import Thresholds

REPLICATES = 1999
# A step in a logged loss below 5% is none that anyone reports; other metrics have no unit of their own.
LEAST_STEP = 0.05


def examine(
    cases: Sequence[Case], settings: Settings, limits: Thresholds, progress: Progress
) -> tuple[list[Evidence | str | None], pl.DataFrame]:
    """What the companion of each case says, and the table of the tests.

    All companions are tested, whatever their headlines look like, and the p-values are adjusted together.

    Returns the evidence of each case (why there is none where a companion cannot be tested; None without a
    companion), and a frame in the schema `tables.BREAKS`.
    """
    place = [i for i, case in enumerate(cases) if case.response is not None]
    known = _known([case.response for case in cases if case.response is not None], [cases[i] for i in place])
    tests, tested = [], []
    for done, (i, (scatter, _)) in enumerate(zip(place, known, strict=True)):
        progress("testing", done, len(place))
        response = cases[i].response
        assert response is not None
        test = _tested(response, scatter, limits, _generator(settings, cases[i]))
        said = _gaps(cases[i], response)
        if response.training and not test.monotone:
            jump = _before_jump(cases[i], response)
            later = from_worst(response, jump)
            if later.y.size >= limits.min_scales and later.scales[0] <= jump:
                response, test = later, _tested(later, scatter, limits, _generator(settings, cases[i]))
                said.append(
                    f"{later.name} first gets worse while {cases[i].choice.headline} is flat: the test "
                    f"starts at {later.models[0][0]}"
                )
        tests.append(test)
        tested.append((response, tuple(said)))
    progress("testing", len(place), len(place))
    adjusted = statistics.adjust([test.p for test in tests], settings.adjust)
    found: list[Evidence | str | None] = [case.why_not or None for case in cases]
    rows = []
    for i, (response, notes), test, p, (scatter, sources) in zip(
        place, tested, tests, adjusted, known, strict=True
    ):
        link, why = _link(cases[i], response, response.y - test.smooth, limits)
        found[i] = evidence = Evidence(
            response.name,
            response.logged,
            response.scales,
            response.y,
            response.items,
            response.sizes,
            tuple(together(group) for group in response.models),
            scatter,
            sources,
            test,
            float(p),
            link,
            why,
            LEAST_STEP if response.logged else 0.0,
            response.training,
            notes,
        )
        rows.append(_row(cases[i], response, evidence))
    return found, pl.DataFrame(rows, schema=dict(tables.BREAKS))


def _gaps(case: Case, response: Response) -> list[str]:
    """What to say where the companion lacks scales that the headline has."""
    if case.curve is None:
        return []
    missing = [
        together([point.model for point in group])
        for group in case.curve.groups()
        if group[0].axis_value not in response.axis_values
    ]
    if not missing:
        return []
    have = len(response.models)
    return [f"{response.name} is finite at {have} of {have + len(missing)} scales, not at {listed(missing)}"]


def _before_jump(case: Case, response: Response) -> float:
    """The scale before the largest rise of the headline, where the companion gets worse before any rise.

    0 where the headline has made a tenth of its rise at the companion's worst scale.
    """
    if case.curve is None:
        return 0.0
    scales, means, _ = by_scale(case.curve)
    up = means if case.curve.higher_is_better else -means
    jump = int(np.diff(up).argmax())
    worst = float(response.scales[int(response.y.argmax())])
    before = up[scales <= worst]
    asleep = before.size and np.ptp(up) > 0 and before.max() - up.min() < 0.1 * np.ptp(up)
    return float(scales[jump]) if asleep else 0.0


def _tested(response: Response, scatter: Scatter, limits: Thresholds, rng: np.random.Generator) -> BreakTest:
    return break_test(
        response.scales,
        response.y,
        items=response.items,
        models=response.sizes,
        known=scatter,
        min_step=LEAST_STEP if response.logged else 0.0,
        alpha=limits.break_alpha,
        w_min=smallest_width(np.log10(response.scales), training=response.training),
        after=limits.lost_again if response.training else 0.0,
        replicates=REPLICATES,
        seed=rng,
    )


def _known(responses: Sequence[Response], cases: Sequence[Case]) -> list[tuple[Scatter, str]]:
    """(scatter, where it is known from) of each response, beside what its own curve will show.

    Tasks of one family that are logged alike, with the same models at the same scales, are pooled.
    """
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, (case, one) in enumerate(zip(cases, responses, strict=True)):
        groups.setdefault((case.family, one.logged, one.models, tuple(one.scales)), []).append(i)
    others: dict[int, Scatter] = {}
    for members in groups.values():
        if len(members) < 2:
            continue
        pairs = [
            smooth_residuals(
                r.scales,
                r.y / r.unit,
                items=r.items / r.unit**2,
                models=r.sizes,
                w_min=smallest_width(np.log10(r.scales), training=r.training),
            )
            for r in (responses[i] for i in members)
        ]
        residuals, sums = np.array([e for e, _ in pairs]), np.array([s for _, s in pairs])
        if residuals.shape[1] <= LOST:
            continue
        for k, i in enumerate(members):
            other = pooled(residuals, k, lost=LOST, item_sums=sums)
            if other is not None:
                others[i] = other
    out: list[tuple[Scatter, str]] = []
    for i, response in enumerate(responses):
        unit = response.unit
        estimates = [Scatter(PRIOR.sigma if response.logged else USUAL * unit, PRIOR.df)]
        sources = ["this curve"]
        seeds = within(response.each)
        if seeds is not None:
            estimates.append(seeds)
            sources.append("models that share a scale")
        if i in others:
            estimates.append(Scatter(others[i].sigma * unit, others[i].df))
            sources.append("the family's other tasks")
        out.append((combined(*estimates), f"estimated from {' and '.join(sources)}"))
    return out


def _link(
    case: Case, response: Response, moves: np.ndarray[Any, np.dtype[np.float64]], limits: Thresholds
) -> tuple[LinkCheck | None, str]:
    headline = case.choice.headline
    if headline == response.name:
        return None, "it is the headline itself"
    if not response.right.size:
        return None, "aggregates have no items"
    if response.right.min() < 0 or response.right.max() > 1:
        return None, f"{headline} is no share of right answers"
    return check_link(
        response.scores,
        response.right,
        response.place,
        moves if response.movable else None,
        trials=response.trials,
        tolerance=limits.count_odds,
    ), ""


def _row(case: Case, response: Response, evidence: Evidence) -> dict[str, Any]:
    test, link = evidence.test, evidence.link
    return {
        "family": case.family,
        "task": case.task,
        "companion": response.name,
        "logged": response.logged,
        "floor": response.floor,
        "axis_values": response.axis_values.tolist(),
        "y": response.y.tolist(),
        "smooth": test.smooth.tolist(),
        "smooth_kind": test.smooth_kind,
        "broken": test.broken.tolist(),
        "p": test.p,
        "p_adjusted": evidence.p_adjusted,
        "statistic": test.statistic,
        "step": test.step,
        "step_share": test.step_share,
        "step_from": float(response.axis_values[test.gap]),
        "step_to": float(response.axis_values[test.gap + 1]),
        "w_min": test.w_min,
        "scatter": test.sigma,
        "scatter_df": test.df,
        "scatter_from": evidence.sources,
        "gates": [vars(gate) for gate in test.gates],
        "headline": None if link is None else link.observed.tolist(),
        "link_held_out": None if link is None else link.held_out.tolist(),
        "link_smooth": None if link is None else link.smooth.tolist(),
        "p_count": None if link is None else link.p_count.tolist(),
    }


def _generator(settings: Settings, case: Case) -> np.random.Generator:
    """A stream of the case's own, so that adding a task changes no other's test."""
    name = f"{case.family}\0{case.task}\0break"
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])
