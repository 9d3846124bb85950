"""Prediction 2: with enough items, small models that read zero are above zero or chance.

The numbers are in `sweep`; here they are taken from an audit and put into an outcome. That a rate is above
zero does not say that its curve is smooth: that is the verdict's question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.typing import ArrayLike

from unmirage import statistics
from unmirage.cells import Layer
from unmirage.counts import listed
from unmirage.errors import SettingsError
from unmirage.predictions.by_length import ByLength, by_length
from unmirage.predictions.prediction import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, Prediction
from unmirage.predictions.subjects import NO_ITEMS, Subject, audited, subjects
from unmirage.predictions.sweep import Sweep, sweep
from unmirage.result import Audit, Settings
from unmirage.scales import FALLING
from unmirage.verdict.points import needed_items
from unmirage.verdict.thresholds import Thresholds

if TYPE_CHECKING:
    from unmirage.steps import Sources

Floats = npt.NDArray[np.float64]

SAYS = "With enough items the small models that read zero under a nonlinear metric are above zero or chance."
TEST = (
    "Smaller test sets drawn without replacement (exact probabilities over all draws) against all items, by "
    "the exact test of a rate against zero or chance, corrected for the number of models."
)
SIZES = (100, 1_000, 10_000)

NUMBERS = {
    "items": pl.Int64,  # size of the test set; the largest is all that there are
    "model": pl.String,
    "axis_value": pl.Float64,
    "expected": pl.Float64,  # right answers; those that were seen for all items
    "p_zero": pl.Float64,  # probability that the model reads zero
    "p_above": pl.Float64,  # probability that it is told from zero or chance; 0 or 1 for all items
    "floor": pl.Float64,  # smallest rate that the items tell from zero or chance
    "p": pl.Float64,  # of all items against chance
    "predicted": pl.Float64,  # rate that the linear metric predicts
    "begins": pl.Boolean,  # whether the ability would seem to begin at this scale
}


def resolution_sweep(
    source: Sources | Audit,
    *,
    axis: str | None = None,
    sizes: Sequence[int] = SIZES,
    metric: str | None = None,
    seed: int | None = None,
    **options: Any,
) -> tuple[Prediction, ...]:
    """Test prediction 2 of the paper on every task: what would a smaller test set have shown?

    Confirmed: scales that the smallest size cannot tell from zero or chance, more often than not, are above
    it with all items, half at least of those that so many items could show. Not confirmed: a model stays at
    zero or chance, although a model of the rate that its per-token matches (choices: the mean probability of
    the right one) predict would have been seen; or it is below chance. Not testable: anything else; `why`
    says what is missing. A scale counts as above where most of its models are.

    Parameters
    ----------
    source: as :func:`unmirage.audit`, or an audit.
    axis, seed: None for those of the audit, or its defaults. Nothing here is drawn at random.
    sizes: numbers of items; those that are not below what there is are left out.
    metric: a 0/1 metric, or None for the headline of each task.
    options: others of :func:`unmirage.audit`.

    Returns
    -------
    One Prediction a task. Its numbers have a row a size and model: items, model, axis_value, expected,
    p_zero, p_above, floor, p, predicted, begins.

    Raises
    ------
    UnmirageError
        As :func:`unmirage.audit`; an audit made with other settings; sizes below 1.

    Examples
    --------
    >>> import unmirage
    >>> {one.prediction for one in unmirage.resolution_sweep(unmirage.simulate("late"))}
    {'resolution'}
    """
    made = audited(source, axis, seed, options)
    return tuple(
        swept(one, made.settings, sizes, metric) for one in subjects(made, [metric] if metric else [])
    )


def swept(
    one: Subject,
    settings: Settings,
    sizes: Sequence[int] = SIZES,
    metric: str | None = None,
    groups: ByLength | str | None = None,
) -> Prediction:
    """:func:`resolution_sweep` of one task that is ready; `groups` are its items by length, if known."""
    cell, case = one.cell, one.case
    name = metric or (case.choice.headline if case is not None else None)
    layer = cell.layers.get(name or "") if cell is not None else None
    if cell is None or layer is None or name is None:
        why = NO_ITEMS if cell is None else f"{metric or 'its headline'} cannot be computed here"
    elif not layer.metric.card.binary:
        why = f"{name} is no share of right answers"
    elif layer.chance is None:
        why = f"the chance level of {name} is not known; give it with chance="
    elif cell.clustered or not layer.exact:
        why = (
            "the items are clustered or were answered several times, so smaller test sets are no plain draws"
        )
    else:
        there = np.flatnonzero(layer.finite)
        if groups is None and cell.kind == "generation" and name == "exact_match":
            groups = by_length(one, settings)
        return sweep_of_counts(
            [cell.models[m] for m in there],
            cell.axis_values[there],
            np.rint(layer.scores[:, there].sum(axis=0)),
            len(cell.items),
            sizes=sizes,
            chance=float(layer.chance.mean()),
            predicted=_predicted(one, layer, name, groups),
            predictor=(
                "the mean probability of the right choice"
                if cell.kind == "choice"
                else "the matches of each position"
            ),
            metric=name,
            family=one.family,
            task=one.task,
            settings=settings,
        )
    return Prediction("resolution", one.family, one.task, SAYS, TEST, NOT_TESTABLE, why, _NONE)


_NONE = pl.DataFrame(schema=NUMBERS)


def sweep_of_counts(
    models: Sequence[str],
    axis_values: ArrayLike,
    successes: ArrayLike,
    n: int,
    *,
    sizes: Sequence[int] = SIZES,
    chance: float = 0.0,
    predicted: ArrayLike | None = None,
    predictor: str = "a linear metric",
    metric: str = "exact_match",
    family: str = "",
    task: str = "",
    settings: Settings | None = None,
) -> Prediction:
    """Prediction 2 from counts alone: a model's formulas, or numbers read off a figure.

    Parameters: models, axis_values (M,); predictor, metric: in words, what `predicted` is from and what is
    counted; the others as :func:`unmirage.predictions.sweep.sweep`.
    Raises SettingsError as there, and where shapes differ.
    """
    asked, limits = settings or Settings(), Thresholds()
    values = np.asarray(axis_values, dtype=np.float64)
    right = np.asarray(successes, dtype=np.float64)
    if values.shape != (len(models),) or right.shape != values.shape:
        raise SettingsError("there must be one scale and one count a model", where="models")
    rates = np.full(values.shape, np.nan) if predicted is None else np.asarray(predicted, dtype=np.float64)
    seen = sweep(
        right,
        n,
        sizes,
        chance=chance,
        alpha=asked.alpha,
        min_successes=limits.min_successes,
        predicted=rates,
    )
    scales = _Scales(models, values, asked.axis in FALLING)
    above = scales.mean(seen.p_above)  # (K, S)
    begins = [next((s for s in range(len(scales.names)) if row[s] >= 0.5), None) for row in above]
    outcome, why = _outcome(
        scales, seen, above, begins, right, n, chance, metric, rates, predictor, asked, limits
    )
    numbers = pl.DataFrame(
        [
            {
                "items": int(size),
                "model": model,
                "axis_value": float(values[m]),
                "expected": float(seen.expected[k, m]),
                "p_zero": float(seen.p_zero[k, m]),
                "p_above": float(seen.p_above[k, m]),
                "floor": float(seen.floor[k]) if np.isfinite(seen.floor[k]) else None,
                "p": float(seen.p_value[m]),
                "predicted": float(rates[m]) if np.isfinite(rates[m]) else None,
                "begins": begins[k] == scales.place[m],
            }
            for k, size in enumerate(seen.sizes)
            for m, model in enumerate(models)
        ],
        schema=NUMBERS,
    )
    return Prediction("resolution", family, task, SAYS, TEST, outcome, why, numbers)


class _Scales:
    """The scales of models, from small to large; several models at one are replicates."""

    def __init__(self, models: Sequence[str], values: Floats, falling: bool) -> None:
        levels = np.unique(values)
        levels = levels[::-1] if falling else levels
        self.place = np.array([int(np.flatnonzero(levels == v)[0]) for v in values], dtype=np.int64)
        groups = [[models[m] for m in np.flatnonzero(self.place == s).tolist()] for s in range(levels.size)]
        self.names = [g[0] if len(g) == 1 else f"{g[0]} ({len(g)} models)" for g in groups]
        self._average = (self.place[:, None] == np.arange(levels.size)) / np.maximum(
            np.bincount(self.place, minlength=levels.size), 1
        )

    def mean(self, values: Floats) -> Floats:
        """(..., M) -> (..., S) mean over the models of a scale."""
        return np.asarray(values @ self._average)


def _outcome(
    scales: _Scales,
    seen: Sweep,
    above: Floats,
    begins: Sequence[int | None],
    right: Floats,
    n: int,
    chance: float,
    metric: str,
    rates: Floats,
    predictor: str,
    settings: Settings,
    limits: Thresholds,
) -> tuple[str, str]:
    ground = "chance" if chance > 0 else "zero"
    if len(seen.sizes) < 2:
        return NOT_TESTABLE, f"there are {n:,} items, no more than the smallest size"
    small = int(seen.sizes[0])
    hidden = [s for s, share in enumerate(above[0]) if share < 0.5]
    if not hidden:
        return NOT_TESTABLE, f"{small:,} items tell every scale from {ground} already: nothing is hidden"
    level = settings.alpha / max(right.size, 1)
    absent = seen.p_missed <= level
    with np.errstate(invalid="ignore"):
        contrary = ((absent & (seen.p_above[-1] == 0)) | (seen.p_below <= level / 2)).astype(float)
    against = [s for s in hidden if scales.mean(contrary)[s] >= 0.5]
    shown = [s for s in hidden if above[-1, s] >= 0.5 and s not in against]
    open_ = [s for s in hidden if s not in against and s not in shown]
    counts, mean_rates = scales.mean(right), scales.mean(rates)
    names = [scales.names[s] for s in hidden]
    believed = "never" if begins[0] is None else f"at {scales.names[begins[0]]}"
    with_all = "never" if begins[-1] is None else f"at {scales.names[begins[-1]]}"
    start = (
        f"with {small:,} items {metric} cannot be told from {ground} at {len(hidden)} of {len(scales.names)} "
        f"scales more often than not ({listed(names)}), so it would seem to begin "
        f"{believed}; with all {n:,} it begins {with_all}"
    )
    told = []
    if against:
        worst = against[0]
        by = (
            f"{mean_rates[worst]:.3g} from {predictor}"
            if np.isfinite(mean_rates[worst]) and scales.mean(absent.astype(float))[worst] >= 0.5
            else f"at least the {chance:.3g} of guessing"
        )
        told.append(
            f"{len(against)} stay at {ground} or below ({listed([scales.names[s] for s in against])}), "
            "though there are items enough to see what is predicted, so more would not help: "
            f"{_share(counts[worst], n)} at "
            f"{scales.names[worst]}, against {by}"
        )
    if shown:
        lowest = min(shown, key=lambda s: counts[s])
        low, high = statistics.clopper_pearson(counts[lowest], n, settings.confidence)
        told.append(
            f"{len(shown)} of these are above {ground} then, down to {_share(counts[lowest], n)} "
            f"[{float(low):.2g}, {float(high):.2g}] at {scales.names[lowest]}"
        )
    if open_:
        lowest = min(open_, key=lambda s: counts[s])
        needed = needed_items(float(np.rint(counts[lowest])), n, chance, level, limits.min_successes)
        more = f"; {needed:,} items or more would be needed" if needed is not None else ""
        told.append(
            f"{len(open_)} remain unresolved ({listed([scales.names[s] for s in open_])}; "
            f"{_share(counts[lowest], n)} at {scales.names[lowest]}{more})"
        )
    # One scale in the middle of a step shows something, too: half of those that can be seen must.
    missed = scales.mean(seen.p_missed)
    within = [s for s in hidden if s in shown or not missed[s] > 0.5]
    if not against and 0 < 2 * len(shown) < len(within):
        told.append(
            f"{len(shown)} of {len(within)} that so many items could show are too few to say that the small "
            "models can do it"
        )
        return NOT_TESTABLE, "; ".join([start, *told])
    outcome = NOT_CONFIRMED if against else CONFIRMED if shown else NOT_TESTABLE
    return outcome, "; ".join([start, *told])


def _share(count: float, n: int) -> str:
    """A count, or the mean of those of replicates, in words."""
    return (
        f"{count:,.0f} of {n:,} right" if count == round(count) else f"{count:.3g} of {n:,} right on average"
    )


def _predicted(one: Subject, layer: Layer, name: str, groups: ByLength | str | None) -> Floats | None:
    """(M,) the rate of the headline that a linear metric predicts, or None.

    Outputs: the product over positions of how often the right token is there, for each length of target.
    Lengths that are left out count as never right, which errs on the safe side. Choices: the mean
    probability of the right one.
    """
    assert one.cell is not None
    there = np.flatnonzero(layer.finite)
    if isinstance(groups, ByLength) and groups.matches is not None and groups.metric == name:
        share = np.nan_to_num(groups.matches.values) @ groups.items / groups.items.sum()
        known = groups.items.sum() / groups.total
        return np.asarray(share * min(known, 1.0))
    chosen = one.cell.layers.get("choice_prob")
    if name == "multiple_choice_grade" and chosen is not None and chosen.finite[there].all():
        return np.asarray(np.clip(chosen.scores[:, there].mean(axis=0), 0, 1))
    return None
