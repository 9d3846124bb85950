"""How often the break test would find a step, had there been one: the other half of "no break was found"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.verdict.breaks import (
    ALPHA,
    PRIOR,
    curve_of,
    look,
    null_statistics,
    nulls_of,
    root_of,
    setting_of,
)
from unmirage.verdict.scatter import Scatter

Floats = npt.NDArray[np.float64]

_REPLICATES = 499
_LEVELS = 3


def power(
    scales: ArrayLike,
    smooth: ArrayLike,
    *,
    step: float,
    gap: int,
    sigma: float,
    items: ArrayLike | None = None,
    models: ArrayLike | None = None,
    known: Scatter = PRIOR,
    min_step: float = 0.05,
    alpha: float = ALPHA,
    w_min: float | None = None,
    simulations: int = 200,
    seed: int | np.random.Generator = 0,
) -> float:
    """How often the test would find a break if a part of what a curve improves came at once.

    The curve is flattened so that all it improves is less by `step`, and the step put in at the gap: the ends
    stay where they are. Curves are drawn about it with the noise of the test, and tested. The critical value
    of the statistic is simulated at three levels of scatter and interpolated, so that all curves are judged
    in a few matrix products; `tests/verdict/test_power.py` holds that against the test itself.

    Parameters
    ----------
    smooth: (S,) a smooth curve that falls, as `BreakTest.smooth`.
    step: its height, in the unit of the response, above 0.
    gap: the step lies between scales gap and gap+1, counted from 0; 0 <= gap < S-1.
    sigma: the true scatter of one model; above 0.
    simulations: 1 or more. The critical values are simulated too, so the standard error is some .05 for 200,
        and no less than .04 for more.
    Others as in `breaks.break_test`.

    Returns the share of simulations in which every gate is passed, in [0, 1].
    Raises SettingsError as there, and on a gap, step or sigma outside its range.
    """
    setting = setting_of(scales, items, models, known, min_step, alpha, 99, w_min)
    shapes = setting.shapes
    f = curve_of("smooth", smooth, shapes)
    size = shapes.t.size
    if not 0 <= gap < size - 1 or not step > 0 or not sigma > 0 or simulations < 1:
        raise SettingsError("gap, step, sigma or simulations is outside its range", where="power")
    fall = float(f[0] - f[-1])
    share = (f[0] - f) / fall if fall > 0 else np.linspace(0, 1, size)
    stepped = f + step * (share - (np.arange(size) > gap))
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((simulations, size)) @ root_of(setting.items + sigma**2 * np.eye(size))
    seen = look(setting, stepped + noise / shapes.weights)
    most = float(np.median(seen.most))
    levels = np.unique(np.quantile(seen.variance, np.linspace(0, 1, _LEVELS)))
    nulls = nulls_of(setting, look(setting, stepped[None]), 0)
    limits = [
        np.quantile(
            null_statistics(setting, nulls, level, max(most, level), _REPLICATES, rng),
            1 - alpha,
            axis=1,
        ).max()
        for level in levels
    ]
    return float((seen.passed & (seen.statistic >= np.interp(seen.variance, levels, limits))).mean())
