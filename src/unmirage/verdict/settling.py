"""What data would settle a question, computed from the data that are there and put into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unmirage.verdict.curve import Curve
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.points import Point
from unmirage.verdict.thresholds import Thresholds

# (more scales in the window, times as many models a scale), cheapest first: what is tried for an advice.
MORE = ((2, 1), (4, 1), (8, 1), (0, 3), (4, 3), (8, 3))
DENSE = 0.1  # decades between scales that show a bend of half a decade


def resolving(curve: Curve, points: Sequence[Point], limits: Thresholds) -> list[str]:
    """How many items (or attempts) would tell the given models from zero or from chance."""
    counted = [p for p in points if p.n is not None and p.successes is not None]
    if not counted:
        return []
    if any(p.chance for p in counted):
        return [_above_chance(curve, counted)]
    n, successes = sum(p.n or 0 for p in counted), sum(p.successes or 0.0 for p in counted)
    worth = sum(p.n or 0 if p.worth is None else p.worth for p in counted)
    alone = len(counted) == 1
    who = counted[0].model if alone else f"the {len(counted)} unresolved models together"
    many = f"{successes:g} success{'' if successes == 1 else 'es'}"
    fewer = "" if worth > 0.95 * n else f" (worth {worth:,.3g} independent ones)"
    seen = f"{who} {'shows' if alone else 'show'} {many} in {n:,} {curve.unit}{fewer}"
    each = "" if alone else " for each"
    wanted = f"to expect {limits.min_successes} {'' if not fewer else 'independent '}successes takes"
    enough = limits.min_successes * n / worth
    if not successes:
        bound = 1 - 0.05 ** (1 / worth)
        needed = needed_text(curve, enough / bound)
        return [f"{seen}, so the rate is below {bound:.2g} (95%): {wanted} more than {needed}{each}"]
    rate = successes / n
    here, lower = (needed_text(curve, enough / r) for r in (rate, rate / 10))
    return [
        f"{seen}, a rate of {rate:.2g}: {wanted} {here}{each} at that rate, {lower} at a tenth of it "
        f"(now {max(p.n or 0 for p in counted):,})"
    ]


def seeing_a_step(evidence: Evidence, window: tuple[float, float], limits: Thresholds) -> str:
    """The fewest more scales within the window, or models a scale, that would show a step there.

    Parameters: window (t10, t90), where the headline rises, as places on the log range.
    """
    t = np.log10(evidence.scales)
    low, high = (t[0] + place * (t[-1] - t[0]) for place in window)
    first = max(int(np.searchsorted(t, low, "right")) - 1, 0)
    last = min(int(np.searchsorted(t, high)), t.size - 1)
    where = f"between {evidence.names[first]} and {evidence.names[last]}"
    step = f"a step of {limits.step_share:.0%} of what {evidence.name} changes there"
    for more, models in MORE:
        seen = evidence.power(window, limits.step_share, more, models)
        if seen >= limits.power:
            scales = f"{more} more scales {where}" if more else ""
            seeds = f"{models} times as many models (seeds) at every scale" if models > 1 else ""
            what = " and ".join(part for part in (scales, seeds) if part)
            return f"{what}: {step} would then be found with {seen:.0%} power"
    more, models = MORE[-1]
    return (
        f"more than {more} more scales {where} with {models} models each: at this scatter even they would "
        f"not find {step}"
    )


def seeing_a_bend(evidence: Evidence) -> str:
    """How many more scales would show whether the companion bends or has a kink, and where.

    The bend is where the slope of the smooth curve steepens most. Five scales within half a decade of it make
    a curve of what would be a corner on the present grid.
    """
    t = np.log10(evidence.scales)
    slopes = np.diff(evidence.test.smooth) / np.diff(t)
    corner = int(np.diff(slopes).argmin()) + 1
    more = int(np.ceil((t[corner + 1] - t[corner - 1]) / DENSE)) - 2
    return (
        f"{max(more, 1)} more scales between {evidence.names[corner - 1]} and {evidence.names[corner + 1]}, "
        f"where {evidence.name} begins to move: a bend over half a decade would then have five scales in it"
    )


def seeing_a_fall_back(evidence: Evidence) -> str:
    """How many models would show whether the companion truly gets worse where it does so most, and where.

    A difference of two means of m models each has a standard error of scatter * sqrt(2/m): m is the fewest
    with which the difference is two of them.
    """
    worse = np.diff(evidence.y)
    at = int(worse.argmax())
    models = max(2, int(np.ceil(2 * (2 * evidence.test.sigma / worse[at]) ** 2)))
    by = f"{np.expm1(worse[at]):.1%}" if evidence.logged else f"{worse[at]:.2g}"
    first, second = evidence.names[at : at + 2]
    return (
        f"{models} models (seeds or checkpoints) each at {first} and at {second}: "
        f"they would show whether {evidence.name} truly gets worse there, by {by}, at this scatter of models"
    )


def needed_text(curve: Curve, amount: float) -> str:
    """ "768 attempts (6 a problem)", rounded up."""
    whole = int(np.ceil(amount * (1 - 1e-12)))
    each = f" ({int(np.ceil(whole / curve.problems)):,} a problem)" if curve.problems else ""
    return f"{whole:,} {curve.unit}{each}"


def _above_chance(curve: Curve, points: Sequence[Point]) -> str:
    known = [p for p in points if p.n_needed is not None]
    if known:
        most = min(known, key=lambda p: p.n_needed or 0)
        others = "" if len(points) == 1 else "; the other unresolved models need more"
        return (
            f"{most.n_needed:,} {curve.unit} (there are {most.n:,}) would tell {most.model} from chance, if "
            f"its score is the {most.mean:.3g} that it shows (80% power){others}"
        )
    n, floor = max(p.n or 0 for p in points), max(p.floor or 0.0 for p in points)
    return (
        f"{n:,} {curve.unit} tell a score above {floor:.3g} from chance; models at or below chance need a "
        "continuous metric that moves there (log-probabilities of the choices)"
    )


def ground(curve: Curve) -> str:
    """What scores are told from, in words."""
    return "chance" if any(p.chance for p in curve.points) else "zero"
