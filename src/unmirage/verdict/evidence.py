"""What the companion metric says of a jump: the break test, the link, and the power to have seen a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.verdict.breaks import BreakTest, power
from unmirage.verdict.link import LinkCheck
from unmirage.verdict.scatter import Scatter

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Evidence:
    """A companion over the scales, tested.

    Attributes
    ----------
    name: of the companion metric; logged whether y is the log of its mean.
    scales, y, items, sizes: as `break_test` took them; sizes are the models at each scale.
    names: (S,) the models at each scale, in words.
    known: what was known of the scatter beside this curve; `sources` says from where.
    test: the break test; p_adjusted its p-value over the audit.
    link: how the companion predicts the headline; None where that cannot be asked, with `why_no_link`.
    min_step: the least height of a step, as the test took it.
    """

    name: str
    logged: bool
    scales: Floats
    y: Floats
    items: Floats
    sizes: Ints
    names: tuple[str, ...]
    known: Scatter
    sources: str
    test: BreakTest
    p_adjusted: float
    link: LinkCheck | None
    why_no_link: str
    min_step: float

    def early_slope(self, t10: float) -> float:
        """How fast the smooth curve falls before the place t10 of the log range, against the whole of it.

        1 for a straight line on the log axis, 0 where the companion is as late as the headline; NaN where the
        curve does not fall, or t10 is 0.
        """
        t = np.log10(self.scales)
        u = (t - t[0]) / (t[-1] - t[0])
        smooth = self.test.smooth
        whole, early = smooth[0] - smooth[-1], smooth[0] - float(np.interp(t10, u, smooth))
        return float(early / t10 / whole) if whole > 0 and t10 > 0 else float("nan")

    def power(self, window: tuple[float, float], share: float, more: int = 0, models: int = 1) -> float:
        """How often a break would be found, were `share` of the smooth fall within the window a step.

        Parameters
        ----------
        window: (t10, t90), places on the log range. The step is at the gap in the middle of it.
        more: scales added evenly within the window. models: times as many models at each scale.

        Scatter, and the error from items, are taken as they are here.
        """
        t = np.log10(self.scales)
        low, high = (t[0] + place * (t[-1] - t[0]) for place in window)
        added = np.linspace(low, high, more + 2)[1:-1]
        grid = np.unique(np.concatenate([t, added]).round(9))
        smooth, spread = (
            np.interp(grid, t, self.test.smooth),
            np.sqrt(np.interp(grid, t, np.diag(self.items))),
        )
        gap = int(np.clip(np.searchsorted(grid, (low + high) / 2) - 1, 0, grid.size - 2))
        sizes = np.rint(np.interp(grid, t, self.sizes)) * models
        # The covariance of new scales is not known: the size of its errors is, and the test drops what they share.
        same = grid.size == t.size
        return power(
            10**grid,
            smooth,
            window=(10**low, 10**high),
            gap=gap,
            sigma=self.test.sigma,
            share=share,
            items=self.items if same else np.diag(spread**2) * (1 - self._common()),
            models=sizes,
            known=self.known,
            min_step=self.min_step,
            alpha=self.alpha,
            seed=0,
        )

    def between(self, gap: int) -> str:
        """ "70M and 160M": the scales on both sides of a gap, in words."""
        return f"{self.names[gap]} and {self.names[gap + 1]}"

    def percent(self, sigma: float) -> str:
        """A scatter in words: in percent of the loss, or in units of the metric."""
        return f"{sigma:.1%}" if self.logged else f"{sigma:.2g}"

    @property
    def alpha(self) -> float:
        """The limit of the test's p-value."""
        return next(gate.limit for gate in self.test.gates if gate.name == "p")

    def _common(self) -> float:
        """Mean correlation of the item errors of two scales: difficulty that all models share."""
        spread = np.sqrt(np.diag(self.items))
        if not (spread > 0).all():
            return 0.0
        r = self.items / np.outer(spread, spread)
        return float(np.clip(r[np.triu_indices(len(r), 1)].mean(), 0.0, 1.0))
