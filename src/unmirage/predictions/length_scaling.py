"""Prediction 3: exact match falls geometrically with the length of the target, edit distance grows linearly.

The tests are in `lengths`, the groups of items in `by_length`; here they are put into an outcome.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.predictions.by_length import ByLength, by_length
from unmirage.predictions.length_outcome import SAYS, TEST, Told, outcome_of, told_of
from unmirage.predictions.lengths import AGREES, BELOW, OPEN, Against, edits_by_length, rates_by_length
from unmirage.predictions.prediction import NOT_TESTABLE, Prediction
from unmirage.predictions.subjects import Subject, audited, subjects
from unmirage.result import Audit, Settings

if TYPE_CHECKING:
    from unmirage.steps import Sources

Floats = npt.NDArray[np.float64]

# Any two rates are geometric.
LEAST_LENGTHS = 3

NUMBERS = {
    "model": pl.String,
    "axis_value": pl.Float64,
    "length": pl.Int64,
    "items": pl.Float64,  # independent ones, which may be fewer than there are
    "rate": pl.Float64,  # exact match, with its interval
    "low": pl.Float64,
    "high": pl.Float64,
    "from_first": pl.Float64,  # the rate of length 1, to the power of the length
    "first_said": pl.String,  # "agrees", "below", "above" (the rate is, beyond the tolerance) or "open"
    "p_first": pl.Float64,
    "from_matches": pl.Float64,  # product over positions of the share of outputs that are right there
    "matches_said": pl.String,
    "from_probabilities": pl.Float64,  # product over positions of the mean probability of the right token
    "probabilities_said": pl.String,
    "fitted": pl.Float64,  # q^L with the likeliest q
    "fitted_said": pl.String,
    "edits": pl.Float64,  # token edit distance
    "edits_error": pl.Float64,
    "edits_token": pl.Float64,  # a token of the target
    "edits_said": pl.String,  # of edits a token against their mean over lengths
    # The same for all lengths of a model:
    "q": pl.Float64,
    "p_geometric": pl.Float64,
    "slope": pl.Float64,  # of log rate a token
    "curvature": pl.Float64,  # of log rate, a token squared, with its interval
    "curvature_low": pl.Float64,
    "curvature_high": pl.Float64,
    "p_origin": pl.Float64,  # of edits proportional to the length
    "edits_curvature": pl.Float64,  # edits a token squared
    "edits_curvature_error": pl.Float64,
    "rates_are": pl.String,  # "agrees", "departs", "open", "ceiling" or "floor"
    "edits_are": pl.String,
}


def length_scaling(
    source: Sources | Audit, *, axis: str | None = None, seed: int | None = None, **options: Any
) -> tuple[Prediction, ...]:
    """Test prediction 3 of the paper on every task whose targets differ in length.

    Exact match of L tokens is held against (a) the rate of length 1 to the power L, (b) the product over
    positions, of matches in the outputs and of the logged probabilities (the tokens before given), and (c)
    q^L with the likeliest q; the edit distance against a line through the origin. Confirmed: no model departs
    from (a), or without length 1 from (c), or in the edit distance, beyond the tolerance of `lengths`, and
    half of the models or more agree for sure (of those that are neither at the ceiling nor at the floor). Not
    confirmed: a model departs. Not testable: anything else, and tasks with fewer than three lengths of 20
    distinct items.

    Parameters
    ----------
    source: as :func:`unmirage.audit`, or an audit.
    axis, seed: None for those of the audit, or its defaults.
    options: others of :func:`unmirage.audit`.

    Returns
    -------
    One Prediction a task. Its numbers have a row a model and length, with the columns of `NUMBERS`.

    Raises
    ------
    UnmirageError
        As :func:`unmirage.audit`; an audit made with other settings.

    Examples
    --------
    >>> import unmirage
    >>> {one.prediction for one in unmirage.length_scaling(unmirage.simulate("late"))}
    {'length'}
    """
    made = audited(source, axis, seed, options)
    return tuple(scaled(one, made.settings) for one in subjects(made))


def scaled(one: Subject, settings: Settings, groups: ByLength | str | None = None) -> Prediction:
    """:func:`length_scaling` of one task that is ready; `groups` are its items by length, if known."""
    found = by_length(one, settings) if groups is None else groups
    if isinstance(found, str):
        return _not_testable(one.family, one.task, found)
    products = {
        name: (product.values, product.errors)
        for name, product in (("matches", found.matches), ("probabilities", found.probabilities))
        if product is not None
    }
    return lengths_of_counts(
        found.models,
        found.axis_values,
        found.lengths,
        found.rates * found.worth,
        found.worth,
        products=products,
        edits=found.edits,
        edit_errors=found.edit_errors,
        family=one.family,
        task=one.task,
        settings=settings,
        metric=found.metric,
        notes=found.notes,
    )


def lengths_of_counts(
    models: Sequence[str],
    axis_values: ArrayLike,
    lengths: ArrayLike,
    successes: ArrayLike,
    n: ArrayLike,
    *,
    products: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    edits: ArrayLike | None = None,
    edit_errors: ArrayLike | None = None,
    family: str = "",
    task: str = "",
    settings: Settings | None = None,
    metric: str = "exact_match",
    notes: Sequence[str] = (),
) -> Prediction:
    """Prediction 3 from counts alone: a model's formulas, or numbers read off a figure.

    Parameters
    ----------
    models, axis_values: (M,). lengths: (K,) tokens, increasing.
    successes, n: (M, K) right answers of independent items, or rates times n and n.
    products: "matches" or "probabilities" -> (values, errors of the logarithm), each (M, K).
    edits, edit_errors: (M, K) mean edit distances and their errors; where there are no errors the means are
        taken as they are.
    settings: alpha, seed and axis; defaults where None. notes: said after the result.

    Raises
    ------
    SettingsError
        Shapes that differ, impossible counts.
    """
    asked = settings or Settings()
    size = np.asarray(lengths, dtype=np.int64)
    values = np.asarray(axis_values, dtype=np.float64)
    shape = (len(models), size.size)
    k, items = _shaped("successes", successes, shape), _shaped("n", n, shape)
    distances = None if edits is None else _shaped("edits", edits, shape)
    spread = np.zeros(shape) if edit_errors is None else _shaped("edit_errors", edit_errors, shape)
    given = {
        name: (_shaped(name, v, shape), _shaped(name, e, shape)) for name, (v, e) in (products or {}).items()
    }
    if values.shape != shape[:1]:
        raise SettingsError("there must be one scale a model", where="axis_values")
    if size.size < LEAST_LENGTHS:
        said = ", ".join(str(length) for length in size.tolist())
        why = f"targets have {'one length' if size.size == 1 else 'two lengths'} ({said} tokens), and "
        why += f"{LEAST_LENGTHS} are needed"
        return _not_testable(family, task, "; ".join([why, *notes]))
    rng = np.random.default_rng(asked.seed)
    told: list[Told] = []
    rows: list[dict[str, object]] = []
    for m, model in enumerate(models):
        rates = rates_by_length(
            size,
            k[m],
            items[m],
            products={name: (v[m], e[m]) for name, (v, e) in given.items()},
            alpha=asked.alpha,
            tests=k.size,
            seed=rng,
        )
        distance = (
            None
            if distances is None
            else edits_by_length(size, distances[m], spread[m], alpha=asked.alpha, tests=k.size)
        )
        one = told_of(model, float(values[m]), size, rates, distance)
        told.append(one)
        for j in range(size.size):
            rows.append(
                {
                    "model": model,
                    "axis_value": one.axis_value,
                    "length": int(size[j]),
                    "items": float(items[m, j]),
                    "rate": float(rates.seen[j]),
                    "low": float(rates.low[j]),
                    "high": float(rates.high[j]),
                    **_columns("first", "from_first", rates.from_first, j),
                    "p_first": None if rates.from_first is None else _finite(rates.from_first.p[j]),
                    **_columns("matches", "from_matches", rates.from_positions.get("matches"), j),
                    **_columns(
                        "probabilities", "from_probabilities", rates.from_positions.get("probabilities"), j
                    ),
                    **_columns("fitted", "fitted", rates.geometric, j),
                    "q": rates.q,
                    "p_geometric": rates.p_geometric,
                    "slope": rates.slope,
                    "curvature": rates.curvature,
                    "curvature_low": rates.curvature_low,
                    "curvature_high": rates.curvature_high,
                    "rates_are": one.rates_are,
                    "edits_are": one.edits_are,
                }
            )
            if distance is not None and distances is not None:
                rows[-1] |= {
                    "edits": float(distances[m, j]),
                    "edits_error": float(spread[m, j]),
                    "edits_token": float(distance.each[j]),
                    "edits_said": _word(int(distance.state[j])),
                    "p_origin": _finite(distance.p_origin),
                    "edits_curvature": distance.curvature,
                    "edits_curvature_error": _finite(distance.curvature_error),
                }
    outcome, why = outcome_of(told, size, metric, asked.axis)
    return Prediction(
        "length",
        family,
        task,
        SAYS,
        TEST,
        outcome,
        "; ".join([why, *notes]),
        pl.DataFrame(rows, schema=NUMBERS),
    )


def _columns(name: str, column: str, against: Against | None, j: int) -> dict[str, object]:
    if against is None:
        return {column: None, f"{name}_said": None}
    return {column: _finite(against.predicted[j]), f"{name}_said": _word(int(against.state[j]))}


def _word(state: int) -> str:
    return (
        "agrees" if state == AGREES else "open" if state == OPEN else "below" if state == BELOW else "above"
    )


def _shaped(name: str, values: ArrayLike, shape: tuple[int, int]) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != shape:
        raise SettingsError(f"shape {found.shape} is not (models, lengths) = {shape}", where=name)
    return found


def _not_testable(family: str, task: str, why: str) -> Prediction:
    return Prediction("length", family, task, SAYS, TEST, NOT_TESTABLE, why, pl.DataFrame(schema=NUMBERS))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
