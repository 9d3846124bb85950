"""What the companion metric says of a jump: the break test, the link, and the power to have seen a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unmirage.verdict.breaks import BreakTest
from unmirage.verdict.library import smallest_width
from unmirage.verdict.link import LinkCheck
from unmirage.verdict.power import power
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
    training: whether the scales are points of a training run.
    notes: what to know of the scales that were tested.
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
    training: bool
    notes: tuple[str, ...] = ()

    def place_of(self, scales: Floats, place: float) -> float:
        """A place on the log range of the headline's scales as one on the range of these, in [0, 1]."""
        first, last = np.log10(scales[[0, -1]])
        start, end = np.log10(self.scales[[0, -1]])
        return float(np.clip((first + place * (last - first) - start) / (end - start), 0.0, 1.0))

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
        """How often a break would be found, had `share` of what improves within the window come at once.

        Parameters
        ----------
        window: (t10, t90), places on the log range. The step is at the gap in the middle of it.
        more: scales added evenly within the window. models: times as many models at each scale.

        Scatter, and the error from items, are taken as they are here. 0 where nothing improves there.
        """
        t = np.log10(self.scales)
        low, high = (t[0] + place * (t[-1] - t[0]) for place in window)
        added = np.linspace(low, high, more + 2)[1:-1]
        grid = np.unique(np.concatenate([t, added]).round(9))
        smooth = np.interp(grid, t, self.test.smooth)
        step = share * float(np.interp(low, t, self.test.smooth) - np.interp(high, t, self.test.smooth))
        if step <= 0:
            return 0.0
        # How the items' errors at new scales go with the others is not known: they get the size of their
        # neighbours' errors, less what all scales share, which the test drops.
        spread = np.interp(grid, t, np.sqrt(np.diag(self.items))) * np.sqrt(1 - self._common())
        return power(
            10**grid,
            smooth,
            step=step,
            gap=_gap(grid, (low + high) / 2),
            sigma=self.test.sigma,
            items=self.items if grid.size == t.size else np.diag(spread**2),
            models=np.rint(np.interp(grid, t, self.sizes)) * models,
            known=self.known,
            min_step=self.min_step,
            alpha=self.alpha,
            w_min=smallest_width(grid, training=self.training),
        )

    def gap_of(self, window: tuple[float, float]) -> int:
        """The gap in the middle of the window: it lies between scales gap and gap+1, counted from 0."""
        t = np.log10(self.scales)
        return _gap(t, float(t[0] + (window[0] + window[1]) / 2 * (t[-1] - t[0])))

    def leaps_at(self) -> str:
        """ "first" or "last" where the response falls far more in that gap than beside it, else "".

        Far more is twice as fast, and three errors beyond it. No test can tell such a step from one odd
        model, as it has one scale on a side.
        """
        gaps = np.diff(np.log10(self.scales))
        speeds = -np.diff(self.y) / gaps
        for name, end, beside in (("first", 0, 1), ("last", -1, -2)):
            # Two neighbouring speeds share a scale, which counts against both.
            noise = self.test.sigma * np.sqrt(
                2 / gaps[end] ** 2 + 2 / gaps[beside] ** 2 + 2 / gaps[end] / gaps[beside]
            )
            if speeds[end] > 2 * max(speeds[beside], 0.0) and speeds[end] > speeds[beside] + 3 * noise:
                return name
        return ""

    def beside(self, low: float, high: float) -> bool:
        """Whether the break lies between two scales, log10, or not more than its own gap away from them."""
        a, b = np.log10(self.scales[self.test.gap : self.test.gap + 2])
        return bool(b >= low - (b - a) - 1e-9 and a <= high + (b - a) + 1e-9)

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


def _gap(t: Floats, middle: float) -> int:
    return int(np.clip(np.searchsorted(t, middle) - 1, 0, t.size - 2))
