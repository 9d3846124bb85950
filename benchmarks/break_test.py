"""python benchmarks/break_test.py [--table power] [--only GRID ...]: how often does the break test err?

Curves are simulated as means at each scale: a truth plus the scatter of the models. False alarms on smooth
truths and found steps, by number of scales and scatter, with Clopper-Pearson intervals over runs. The truths
of the tuning set were looked at when the rule was chosen; those of the test set were not. Prints Markdown.

Not for items (the whole decision tree is measured elsewhere), nor for speed.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmirage.statistics import clopper_pearson
from unmirage.verdict.breaks import ALPHA, LOST, PRIOR, BreakTest, break_test, smooth_residuals
from unmirage.verdict.scatter import combined, pooled

Floats = NDArray[np.float64]
Truth = Callable[[Floats, float], Floats]
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
    "tuning": (TUNING["smooth"], TUNING["slow"], TUNING["mix"], lambda t, r: 1 - 0.05 * t),
    "test": (
        lambda t, r: np.log(0.2 + 3.0 * 10 ** (-0.35 * t)),
        lambda t, r: np.log(0.5 + 2.0 * 10 ** (-0.25 * t)),
        lambda t, r: np.log(4.0 * 10 ** (-0.2 * t) + 1.0 * 10 ** (-0.6 * t)),
        lambda t, r: 0.5 - 0.02 * t,
    ),
}


@dataclass(frozen=True)
class Grid:
    """How scales lie and scatter falls.

    Attributes
    ----------
    size: number of scales; decades: range.
    jitter: share of a gap that each inner scale is moved by at most.
    tails: degrees of freedom of a t scatter of the same standard deviation, or 0 for a normal one.
    tasks: other tasks of the family that the scatter is estimated on; unequal: standard deviation of their
        log sigma about this task's.
    """

    size: int
    decades: float = 3.0
    jitter: float = 0.0
    tails: int = 0
    tasks: int = 0
    unequal: float = 0.0


def simulated_p(truth: Truth, sigma: float, grid: Grid, rng: np.random.Generator) -> float:
    """p where the other gates pass, 1 where one does not."""
    size = grid.size
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
    truths: dict[str, Truth], grid: Grid, runs: int, rng: np.random.Generator
) -> dict[tuple[str, float], int]:
    """Truth and sigma -> breaks called."""
    return {
        (name, sigma): sum(simulated_p(truth, sigma, grid, rng) <= ALPHA for _ in range(runs))
        for name, truth in truths.items()
        for sigma in SIGMAS
    }


def with_step(base: Truth, drop: float, centre: float) -> Truth:
    """The loss falls by the share `drop` over one octave about the centre, a share of the range."""

    def curve(t: Floats, r: float) -> Floats:
        done = np.clip((t - centre * r) / OCTAVE + 0.5, 0.0, 1.0)
        return np.asarray(base(t, r) + np.log1p(-drop) * done)

    return curve


def powers(
    bases: tuple[Truth, ...], grid: Grid, runs: int, rng: np.random.Generator
) -> dict[tuple[float, float], int]:
    """Drop and sigma -> breaks called; the centre lies in the middle 30% of the range."""
    return {
        (drop, sigma): sum(
            simulated_p(with_step(bases[i % len(bases)], drop, rng.uniform(0.35, 0.65)), sigma, grid, rng)
            <= ALPHA
            for i in range(runs)
        )
        for drop in DROPS
        for sigma in SIGMAS
    }


def share(hits: int, runs: int) -> str:
    """A share with its 95% Clopper-Pearson interval."""
    low, high = clopper_pearson(np.array([hits]), runs, 0.95)
    return f"{hits / runs:.3f} [{float(low[0]):.3f}, {float(high[0]):.3f}]"


SETS = {"tuning": TUNING, "test": TEST}
GRIDS = {
    "5": Grid(5),
    "6": Grid(6),
    "8": Grid(8),
    "10": Grid(10),
    "12": Grid(12),
    "6, pooled": Grid(6, tasks=7, unequal=0.2),
    "8, pooled": Grid(8, tasks=7, unequal=0.2),
    "8, t3 scatter": Grid(8, tails=3),
    "8, uneven": Grid(8, jitter=0.3),
    "8, 2 decades": Grid(8, decades=2.0),
    "8, 5 decades": Grid(8, decades=5.0),
    "12, 5 decades": Grid(12, decades=5.0),
}


def print_alarms(grids: list[str], runs: int, seed: int) -> None:
    """The worst smooth truth of each grid, over truths and scatters; the narrow bump apart."""
    print("| scales | truths | false alarms, worst smooth cell | at | mean | narrow bump, worst | at sigma |")
    print("|---|---|---|---|---:|---|---:|", flush=True)
    for grid in grids:
        for i, (name, truths) in enumerate(SETS.items()):
            rng = np.random.default_rng([seed, list(GRIDS).index(grid), i])
            found = false_alarms(truths, GRIDS[grid], runs, rng)
            smooth = {cell: hits for cell, hits in found.items() if cell[0] != "narrow bump"}
            bump = {cell: hits for cell, hits in found.items() if cell[0] == "narrow bump"}
            worst, worst_bump = max(smooth, key=lambda c: smooth[c]), max(bump, key=lambda c: bump[c])
            mean = sum(smooth.values()) / (len(smooth) * runs)
            print(
                f"| {grid} | {name} | {share(smooth[worst], runs)} | {worst[0]}, {worst[1]:.1%} | {mean:.4f} "
                f"| {share(bump[worst_bump], runs)} | {worst_bump[1]:.1%} |",
                flush=True,
            )


def print_powers(grids: list[str], runs: int, seed: int) -> None:
    """How often a step is called, by its height and the scatter."""
    print("| scales | truths | sigma | " + " | ".join(f"{drop:.0%} drop" for drop in DROPS) + " |")
    print("|---|---|---:|" + "---|" * len(DROPS), flush=True)
    for grid in grids:
        for i, name in enumerate(SETS):
            rng = np.random.default_rng([seed, list(GRIDS).index(grid), i, 1])
            called = powers(STEP_BASES[name], GRIDS[grid], runs, rng)
            for sigma in SIGMAS:
                cells = " | ".join(share(called[drop, sigma], runs) for drop in DROPS)
                print(f"| {grid} | {name} | {sigma:.1%} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="a cell")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(GRIDS), choices=list(GRIDS))
    parser.add_argument("--table", choices=["alarms", "power"], default="alarms")
    options = parser.parse_args()
    print(f"`python {shlex.join(sys.argv)}`, alpha {ALPHA}\n")
    table = print_alarms if options.table == "alarms" else print_powers
    table(options.only, options.runs, options.seed)


if __name__ == "__main__":
    main()
