"""From the tests of each model over target lengths to an outcome in words: where it fails, and which way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from unmirage.predictions.lengths import (
    ABOVE,
    AGREES,
    BELOW,
    CEILING,
    FEW_EDITS,
    Against,
    Edits,
    Ints,
    Rates,
)
from unmirage.predictions.prediction import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE

SAYS = (
    "Exact match falls about geometrically with the length of the target, from its value at length 1, and "
    "token edit distance grows about linearly."
)
TEST = (
    "Exact match of each length against the power of the rate at length 1, the products over positions and "
    "the best geometric curve, and edits a token against their mean, with an odds ratio (edits: a factor) "
    "of 1.5 as tolerance, corrected for the number of comparisons."
)

DEPARTS, HOLDS, UNSURE, TOP, BOTTOM = "departs", "agrees", "open", "ceiling", "floor"


@dataclass(frozen=True)
class Told:
    """What one model shows.

    Attributes
    ----------
    model, axis_value: which, and its scale.
    rates, edits: the tests; edits None where there are none.
    rates_are: "agrees", "departs" or "open" against the rate of length 1 (without it, the best geometric
        curve); "ceiling" where every rate is 95% or more, "floor" where none is above 0.
    edits_are: the same of the edit distance, "ceiling" where there are next to no edits; None without.
    """

    model: str
    axis_value: float
    rates: Rates
    edits: Edits | None
    rates_are: str
    edits_are: str | None


def told_of(model: str, axis_value: float, lengths: Ints, rates: Rates, edits: Edits | None) -> Told:
    """What the tests of a model come to."""
    against = _main(rates)
    if (rates.seen >= CEILING).all():
        are = TOP
    elif (rates.seen == 0).all():
        are = BOTTOM
    else:
        are = _state(against.state[1:] if rates.from_first is not None else against.state)
    edits_are = None
    if edits is not None:
        edits_are = TOP if edits.each.max() <= FEW_EDITS else _state(edits.state)
    return Told(model, axis_value, rates, edits, are, edits_are)


def _positions(key: str, rates: Rates) -> Against:
    return rates.from_positions[key]


def _first(rates: Rates) -> Against:
    assert rates.from_first is not None
    return rates.from_first


def _geometric(rates: Rates) -> Against:
    return rates.geometric


def _main(rates: Rates) -> Against:
    return rates.geometric if rates.from_first is None else rates.from_first


def _state(state: Ints) -> str:
    if np.isin(state, (BELOW, ABOVE)).any():
        return DEPARTS
    return HOLDS if (state == AGREES).mean() >= 0.5 else UNSURE


def outcome_of(told: Sequence[Told], lengths: Ints, metric: str, axis: str) -> tuple[str, str]:
    """The outcome of a task, and why."""
    first = told[0].rates.from_first is not None
    parts = [_rates_said(told, lengths, f"{metric} from its value at length 1", _first)] if first else []
    parts.append(_rates_said(told, lengths, f"{metric} as the best geometric curve", _geometric))
    for key, words in (("matches", "tokens that match"), ("probabilities", "logged probabilities")):
        if key in told[0].rates.from_positions:
            name = f"as the product over positions of {words}"
            parts.append(_rates_said(told, lengths, name, partial(_positions, key)))
    parts.append(_edits_said(told, lengths))
    why = "; ".join(part for part in parts if part)
    states = [(one.rates_are, one.edits_are) for one in told]
    if any(DEPARTS in pair for pair in states):
        return NOT_CONFIRMED, why
    useful = [pair for pair in states if pair[0] not in (TOP, BOTTOM)]
    holding = [pair for pair in useful if pair[0] == HOLDS and pair[1] in (HOLDS, TOP, None)]
    if not useful:
        return NOT_TESTABLE, f"every model is right at nearly all lengths, or at none; {why}"
    if 2 * len(holding) >= len(useful):
        return CONFIRMED, why
    return NOT_TESTABLE, f"the items are too few to tell; {why}"


def _rates_said(told: Sequence[Told], lengths: Ints, name: str, pick: Callable[[Rates], Against]) -> str:
    """How many models depart from a prediction, and the one that does so most.

    What a direction means depends on the prediction. Beside the best geometric curve it means nothing: a rate
    that falls faster is above that curve at short targets and below it at long ones.
    """
    useful = [one for one in told if one.rates_are not in (TOP, BOTTOM)]
    if not useful:
        return ""
    states = [pick(one.rates).state for one in useful]
    off = [(one, s) for one, s in zip(useful, states, strict=True) if np.isin(s, (BELOW, ABOVE)).any()]
    under = sum(bool((s == BELOW).any()) for _, s in off)
    over = sum(bool((s == ABOVE).any()) for _, s in off)
    agree = sum(_state(s) == HOLDS for s in states)
    if not off:
        return f"{name}: none of {_models(len(useful))} departs, {_agree(agree)}"
    one, j = _worst([(one.rates, pick(one.rates), one.model) for one, _ in off])
    rates, against, model = one
    below, way = against.state[j] == BELOW, ""
    if pick is _first:
        way = ": longer targets are harder" if below else ": longer targets are easier"
    elif pick is not _geometric:
        way = ": fewer answers are whole than if positions failed independently"
        if not below:
            way = ": errors gather in the same answers more than if positions failed independently"
    return (
        f"{name}: {len(off)} of {_models(len(useful))} depart ({under} below it, {over} above), "
        f"{_agree(agree)}; most {model} at length {lengths[j]}, with {rates.seen[j]:.3g} "
        f"[{rates.low[j]:.2g}, {rates.high[j]:.2g}] against {against.predicted[j]:.3g} "
        f"[{against.low[j]:.2g}, {against.high[j]:.2g}]{way}"
    )


def _worst(
    off: Sequence[tuple[Rates, Against, str]],
) -> tuple[tuple[Rates, Against, str], int]:
    """The model and length whose odds are furthest from the prediction, among those that depart."""

    def far(rates: Rates, against: Against) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        seen, said = (np.clip(v, 1e-9, 1 - 1e-9) for v in (rates.seen, against.predicted))
        apart = np.abs(np.log(seen / (1 - seen)) - np.log(said / (1 - said)))
        return np.where(np.isin(against.state, (BELOW, ABOVE)), apart, -1.0)

    best = max(off, key=lambda one: float(far(one[0], one[1]).max()))
    return best, int(far(best[0], best[1]).argmax())


def _edits_said(told: Sequence[Told], lengths: Ints) -> str:
    useful = [one for one in told if one.edits is not None and one.edits_are != TOP]
    if not useful:
        return ""
    off = [one for one in useful if one.edits_are == DEPARTS]
    agree = sum(one.edits_are == HOLDS for one in useful)
    if not off:
        return f"edits in proportion to the length: none of {_models(len(useful))} departs, {_agree(agree)}"

    def spread(one: Told) -> float:
        assert one.edits is not None
        return float(one.edits.each.max() / max(float(one.edits.each.min()), 1e-9))

    worst = max(off, key=spread)
    assert worst.edits is not None
    each = worst.edits.each
    return (
        f"edits in proportion to the length: {len(off)} of {_models(len(useful))} depart, {_agree(agree)}; "
        f"most {worst.model}, with {each[0]:.2g} a token at length {lengths[0]}, {each[-1]:.2g} at length "
        f"{lengths[-1]}"
    )


def _models(n: int) -> str:
    return f"{n} model{'' if n == 1 else 's'}"


def _agree(n: int) -> str:
    return f"{n} agree{'s' if n == 1 else ''}"
