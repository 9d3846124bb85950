"""python benchmarks/break_test.py [--runs R] [--seed N] [--scales S ...]: how often does the break test err?

Curves are simulated as means at each scale: a truth plus the scatter of the models. False alarms on smooth
truths and found steps, by number of scales and scatter, with Clopper-Pearson intervals over runs. The truths
of the tuning set were looked at when the rule was chosen; those of the test set were not. Prints Markdown.

Not for items (the whole decision tree is measured elsewhere), nor for speed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmirage.statistics import clopper_pearson
from unmirage.verdict.breaks import LOST, PRIOR, BreakTest, break_test, smooth_residuals
from unmirage.verdict.scatter import combined, pooled

Floats = NDArray[np.float64]
Truth = Callable[[Floats, float], Floats]
ALPHAS = (0.02, 0.03, 0.05)
SIGMAS = (0.005, 0.01, 0.02, 0.05)
DROPS = (0.1, 0.2, 0.3, 0.5, 0.8)
OCTAVE = float(np.log10(2))


def logistic(t: Floats, centre: float, width: float) -> Floats:
    """Rises from 0 to 1, 10% to 90% within the width, in decades."""
    return np.asarray(1 / (1 + np.exp(-2 * np.log(9) * (t - centre) / width)))


def bend(t: Floats, before: float, after: float, at: float, width: float) -> Floats:
    """Falls with one slope a decade, later with another; the change takes the width."""
    k = width / (2 * np.log(9))
    return -before * t - (after - before) * k * np.logaddexp(0.0, (t - at) / k)


# t: decades past the first scale; r: the range in decades.
TUNING: dict[str, Truth] = {
    "smooth": lambda t, r: np.log(0.1 + 2.5 * 10 ** (-0.3 * t)),
    "mix": lambda t, r: np.log(1.5 * 10 ** (-0.1 * t) + 1.5 * 10 ** (-0.8 * t)),
    "late": lambda t, r: bend(t, 0.05, 0.5, 0.6 * r, 2.0),
    "slow": lambda t, r: np.log(2.5 * 10 ** (-0.15 * t)),
    "sat": lambda t, r: np.log(0.8 + 2.5 * 10 ** (-0.8 * t)),
    "logistic": lambda t, r: 1.0 - 1.2 * logistic(t, 0.5 * r, 2.0),
    "U-shape": lambda t, r: 0.8 * (2 * t / r - 1.2) ** 2,
    "narrow bump": lambda t, r: 1.0 - 0.2 * t + 0.4 * np.exp(-0.5 * ((t - 0.5 * r) / 0.3) ** 2),
}
TEST: dict[str, Truth] = {
    "smooth": lambda t, r: np.log(0.03 + 4 * 10 ** (-0.45 * t)),
    "mix": lambda t, r: np.log(0.4 + 2.0 * 10 ** (-0.2 * t) + 3.0 * 10 ** (-1.0 * t)),
    "late": lambda t, r: bend(t, 0.1, 0.7, 0.75 * r, 2.4),
    "slow": lambda t, r: np.log(1.2 + 1.5 * 10 ** (-0.12 * t)),
    "sat": lambda t, r: np.log(0.3 + 4.0 * 10 ** (-1.1 * t)),
    "logistic": lambda t, r: 0.5 - 0.1 * t - 0.9 * logistic(t, 0.42 * r, 2.3),
    "U-shape": lambda t, r: 0.5 + 0.6 * (2 * t / r - 0.7) ** 2,
    "narrow bump": lambda t, r: 0.5 - 0.15 * t + 0.45 * np.exp(-0.5 * ((t - 0.6 * r) / 0.3) ** 2),
}
STEP_BASES: dict[str, tuple[Truth, ...]] = {
    "tuning": (TUNING["smooth"], TUNING["slow"], TUNING["mix"]),
    "test": (
        lambda t, r: np.log(0.2 + 3.0 * 10 ** (-0.35 * t)),
        lambda t, r: np.log(0.5 + 2.0 * 10 ** (-0.25 * t)),
        lambda t, r: np.log(4.0 * 10 ** (-0.2 * t) + 1.0 * 10 ** (-0.6 * t)),
    ),
}


@dataclass(frozen=True)
class Grid:
    """How scales lie and scatter falls.

    Attributes
    ----------
    decades: range; jitter: share of a gap that each inner scale is moved by at most; tails: degrees of
        freedom of a t scatter of the same standard deviation, or 0 for a normal one.
    tasks: other tasks of the family that the scatter is estimated on; unequal: standard deviation of their
        log sigma about this task's.
    """

    decades: float = 3.0
    jitter: float = 0.0
    tails: int = 0
    tasks: int = 0
    unequal: float = 0.0


def simulated_p(
    truth: Callable[[Floats, float], Floats], size: int, sigma: float, grid: Grid, rng: np.random.Generator
) -> float:
    """p where the other gates pass, 1 where one does not."""
    t = np.linspace(0.0, grid.decades, size)
    gap = grid.decades / (size - 1)
    t[1:-1] += grid.jitter * gap * rng.uniform(-1, 1, size - 2)
    noise = (
        rng.standard_t(grid.tails, size) / np.sqrt(grid.tails / (grid.tails - 2))
        if grid.tails
        else (rng.standard_normal(size))
    )
    y = truth(t, grid.decades) + sigma * noise
    x = 10.0 ** (6 + t)
    known = PRIOR
    if grid.tasks:
        unequal = sigma * np.exp(grid.unequal * rng.standard_normal((grid.tasks, 1)))
        others = unequal * rng.standard_normal((grid.tasks, size))
        names = [name for name in TUNING if name != "narrow bump"]
        residuals = [smooth_residuals(x, y)[0]]
        for e in others:
            residuals.append(smooth_residuals(x, TUNING[str(rng.choice(names))](t, grid.decades) + e)[0])
        seen = pooled(residuals, 0, lost=LOST)
        known = combined(PRIOR, seen) if seen else PRIOR
    seed = int(rng.integers(2**31))

    def run(replicates: int) -> BreakTest:
        return break_test(x, y, known=known, replicates=replicates, seed=seed)

    # A first look with few replicates settles most curves: p > .25 at 99 is not .05 at 999.
    test = run(99)
    if not all(gate.passed for gate in test.gates if gate.name != "p") or test.p > 0.25:
        return 1.0
    return run(999).p


def false_alarms(
    truths: dict[str, Truth], size: int, grid: Grid, runs: int, rng: np.random.Generator
) -> dict[tuple[str, float], Floats]:
    """Truth and sigma -> p (runs,)."""
    return {
        (name, sigma): np.array([simulated_p(truth, size, sigma, grid, rng) for _ in range(runs)])
        for name, truth in truths.items()
        for sigma in SIGMAS
    }


def powers(
    bases: tuple[Truth, ...],
    size: int,
    grid: Grid,
    runs: int,
    rng: np.random.Generator,
    drops: tuple[float, ...] = DROPS,
    sigmas: tuple[float, ...] = SIGMAS,
) -> dict[tuple[float, float], Floats]:
    """Drop of the loss and sigma -> p (runs,); the drop takes one octave, its centre in the middle 30%."""

    def truth(drop: float, run: int) -> Truth:
        centre = float(rng.uniform(0.35, 0.65))

        def curve(t: Floats, r: float) -> Floats:
            done = np.clip((t - centre * r) / OCTAVE + 0.5, 0.0, 1.0)
            return np.asarray(bases[run % len(bases)](t, r) + np.log1p(-drop) * done)

        return curve

    return {
        (drop, sigma): np.array([simulated_p(truth(drop, i), size, sigma, grid, rng) for i in range(runs)])
        for drop in drops
        for sigma in sigmas
    }


def share(p: Floats, alpha: float) -> str:
    """Share at most alpha, with its 95% Clopper-Pearson interval."""
    hits = int((p <= alpha).sum())
    low, high = clopper_pearson(np.array([hits]), p.size, 0.95)
    return f"{hits / p.size:.3f} [{float(low[0]):.3f}, {float(high[0]):.3f}]"
