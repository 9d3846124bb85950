"""Is a score beyond what a smooth curve would give? Its distribution under the smooth law, and the p-value.

The same grid of scales, items and scatter of models; so a score is compared with what it would be here, and
not with a score of another grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.meta.smooth import Floats, Law, Points
from unmirage.statistics import emergence_scores, linearities

# Curves that are drawn for every law; more for those few that could be beyond it.
FIRST, AGAIN, LAST = 199, 1999, 19_999
PROMISING, RARE = 0.1, 0.01
# Values drawn at most for one law.
BUDGET = 160_000
HIGH = 0.95


@dataclass(frozen=True)
class Scores:
    """The scores of one curve beside those of smooth curves.

    Attributes
    ----------
    emergence: the emergence score as it is defined; infinite where half the steps or more are flat.
    guarded: the same with the smallest step that the items tell from none; this one is tested.
    linearity: in [-1, 1].
    median, high: of the guarded score under the smooth law: median and 95% quantile.
    linearity_median, linearity_low: of the linearity: median and 5% quantile.
    p: chance of a guarded score as high, under the least favourable of the laws that fit; 1 where the score
        is below 0, since a fall is no emergence. NaN for a constant curve.
    p_linearity: chance of a linearity as low.
    draws: smooth curves that p rests on.
    """

    emergence: float
    guarded: float
    linearity: float
    median: float
    high: float
    linearity_median: float
    linearity_low: float
    p: float
    p_linearity: float
    draws: int


def tested(one: Points, smooth: Law, rng: np.random.Generator) -> Scores:
    """The scores of one curve, each beside its distribution under the smooth law.

    Parameters: the curve, its laws, and the generator of its own.
    """
    emergence, line = float(emergence_scores(one.y)), float(linearities(one.y))
    if np.isnan(line):
        return Scores(*(np.nan,) * 9, draws=0)
    guard = one.guard
    seen = float(emergence_scores(one.y, guard))
    worst: Scores | None = None
    for curve, spread in ((c, s) for c in smooth.curves for s in one.spreads(c, smooth.t)):
        drawn, lines = _drawn(one, curve, spread, smooth, guard, seen, rng)
        p = _share(drawn >= seen) if seen > 0 else 1.0
        if worst is None or p > worst.p:
            worst = Scores(
                emergence,
                seen,
                line,
                float(np.median(drawn)),
                float(np.quantile(drawn, HIGH)),
                float(np.median(lines)),
                float(np.quantile(lines, 1 - HIGH)),
                p,
                _share(lines <= line),
                drawn.size,
            )
        if p > 0.5:  # no law can make it matter
            break
    assert worst is not None
    return worst


def _drawn(
    one: Points,
    curve: Floats,
    spread: Floats,
    smooth: Law,
    guard: float,
    seen: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Scores and linearities of smooth curves: more of them where few scores are as high as the one seen."""
    scores, lines = np.empty(0), np.empty(0)
    for count, below in ((FIRST, 1.0), (AGAIN, PROMISING), (LAST, RARE)):
        more = min(count, max(BUDGET // one.y.size, FIRST)) - scores.size
        if more <= 0 or (scores.size and (seen < 0 or _share(scores >= seen) >= below)):
            continue
        made = one.drawn(curve, smooth.scatters(more, rng), spread, rng)
        # A constant curve has no rise.
        scores = np.concatenate([scores, np.nan_to_num(emergence_scores(made, guard), nan=0.0)])
        lines = np.concatenate([lines, np.nan_to_num(linearities(made), nan=0.0)])
    return scores, lines


def _share(beyond: npt.NDArray[np.bool_]) -> float:
    return (1 + int(beyond.sum())) / (beyond.size + 1)
