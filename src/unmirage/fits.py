"""The losses of an audit as power laws of scale: exponents with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from unmirage import tables
from unmirage.curves import Fit, fit, geometric_mean, log_of, power_law
from unmirage.judge import Case
from unmirage.response import Response
from unmirage.result import Settings
from unmirage.scales import FALLING

PLAIN, OFFSET = "power law", "power law with offset"
# A fit must leave this many scales over, or its error means nothing.
LEFT_OVER = 2
# A loss that scatters more than this about a power law, on the log, follows none.
NO_LAW = 0.5
# Relative error of a loss as it is logged: what is left where items and models leave none.
ROUNDING = 1e-7


def fit_losses(cases: Sequence[Case], settings: Settings) -> pl.DataFrame:
    """Power laws of the mean loss of each companion that is a loss, with and without an offset.

    Least squares on the log of the mean, weighted by the covariance from the items and an estimated scatter
    of the models (`curves.fit`). The better law by AICc is marked.

    Returns a frame in the schema `tables.FITS`.
    """
    rows: list[dict[str, Any]] = []
    for case in cases:
        response = case.found
        if not isinstance(response, Response) or not response.logged or response.training:
            continue
        if settings.axis in FALLING:
            continue
        found = {
            law: one
            for law, one in ((PLAIN, _fit(response, 2)), (OFFSET, _fit(response, 3)))
            if one is not None
        }
        # With few scales AICc is infinite or unknown for the larger law.
        scores = {law: one.aicc if np.isfinite(one.aicc) else np.inf for law, one in found.items()}
        best = min(scores, key=lambda law: scores[law], default=None)
        rows += [_row(case, law, one, settings.confidence, best=law == best) for law, one in found.items()]
    return pl.DataFrame(rows, schema=dict(tables.FITS))


def law_of(case: Case, fits: pl.DataFrame, settings: Settings) -> list[str]:
    """One sentence on the best law of a case; none where there is none or it does not fall."""
    mine = fits.filter(pl.col("family") == case.family, pl.col("task") == case.task, "best")
    for row in mine.iter_rows(named=True):
        known = row["exponent_stderr"] is not None and row["exponent_stderr"] < row["exponent"] / 2
        if known and row["scatter"] < NO_LAW:
            floor = f" above an offset of {row['offset']:.3g}" if row["law"] == OFFSET else ""
            return [
                f"as a power law in {settings.axis} the loss ({row['metric']}) falls with exponent "
                f"{row['exponent']:.3f} ± {row['exponent_stderr']:.4f}{floor}; models scatter by "
                f"{row['scatter']:.1%} about it"
            ]
    return []


def _fit(response: Response, parameters: int) -> Fit | None:
    """The law with so many parameters; None where it leaves too few scales over."""
    if response.y.size < parameters + LEFT_OVER or not np.isfinite(response.log_means[0]).all():
        return None
    y, items = response.log_means
    law = power_law(geometric_mean(response.scales))
    return fit(
        log_of(law if parameters == 3 else law.fix(offset=0.0)),
        response.scales,
        y,
        items + ROUNDING**2 * np.eye(y.size),
        # Without an offset the law is a line on log axes, and any start finds it.
        starts=2 if parameters == 2 else 12,
    )


def _row(case: Case, law: str, one: Fit, confidence: float, *, best: bool) -> dict[str, Any]:
    from scipy.special import stdtrit

    exponent, error = one["exponent"], float(one.stderr[one.law.index("exponent")])
    known = bool(np.isfinite(error)) and not one.at_bound[one.law.index("exponent")]
    half = float(stdtrit(one.dof, (1 + confidence) / 2)) * error if known else np.nan
    return {
        "family": case.family,
        "task": case.task,
        "metric": case.choice.companion,
        "law": law,
        "scales": len(one.x),
        "exponent": exponent,
        "exponent_stderr": error if known else None,
        "exponent_low": exponent - half if known else None,
        "exponent_high": exponent + half if known else None,
        "offset": one["offset"] if law == OFFSET else 0.0,
        "amplitude": one["amplitude"],
        "reference": float(geometric_mean(one.x)),
        "scatter": one.scatter,
        "aicc": one.aicc if np.isfinite(one.aicc) else None,
        "best": best,
    }
