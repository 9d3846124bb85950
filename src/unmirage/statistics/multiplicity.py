"""Adjusting p-values for the number of questions asked.

Not for the search inside one test (lags, break positions): those tests count it themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Floats, probabilities


def adjust(p: ArrayLike, method: str = "bh") -> Floats:
    """Adjusted p-values, in the order given.

    "bh" bounds the expected share of false discoveries (Benjamini & Hochberg 1995; for tests that are
    independent or positively dependent); equal to ``scipy.stats.false_discovery_control``. "holm" bounds the
    chance of even one (Holm 1979; any dependence); equal to statsmodels ``multipletests(method="holm")``.
    A single p-value is not changed by either.

    Parameters: p (m,), each in [0, 1] or NaN; method "bh" or "holm".
    Returns (m,), each in [0, 1]; NaN stays NaN and is not counted as a test.
    Raises SettingsError on a value outside [0, 1], another shape, or another method.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1:
        raise SettingsError(f"shape {values.shape} is not one p-value a test", where="p")
    if method not in ("bh", "holm"):
        raise SettingsError(f"{method!r} is unknown", where="method", hint="Use 'bh' or 'holm'.")
    tested = ~np.isnan(values)
    probabilities("p", values[tested])
    order = np.argsort(values[tested], kind="stable")
    ranked = values[tested][order]
    m = ranked.size
    if method == "bh":
        stepped = np.minimum.accumulate((ranked * m / np.arange(1, m + 1))[::-1])[::-1]
    else:
        stepped = np.maximum.accumulate(ranked * np.arange(m, 0, -1))
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1.0)
    answer = np.full(values.shape, np.nan)
    answer[tested] = adjusted
    return answer
