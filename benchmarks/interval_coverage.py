"""python benchmarks/interval_coverage.py: do 95 % intervals for rare successes cover what they promise?

For n items and true rate p: the share of samples whose interval holds p, summed exactly over the binomial
distribution and simulated from 20,000 draws, and the mean width. Clopper-Pearson, Wilson, Wald, and the
percentile bootstrap over items (2,000 resamples). Then, simulated, the mean pass rate over problems whose
own rates differ (beta distributed), alone or in clusters: Korn-Graubard, as the audit uses it, against the
percentile bootstrap over clusters. Prints Markdown tables.

Not for differences between models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unmirage.statistics import (
    clopper_pearson,
    clustered_stderr,
    korn_graubard,
    percentile_interval,
    resample_means,
    wald,
    wilson,
)

CASES = ((50, 0.002), (100, 0.01), (100, 0.05), (500, 0.002), (1000, 0.001), (1000, 0.25))
DRAWS = 20_000
CONFIDENCE = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Coverage:
    """One row of the table.

    Attributes
    ----------
    n: items; p: true rate.
    method: name of the interval.
    exact: coverage summed over the binomial distribution.
    simulated: coverage in 20,000 draws.
    width: mean width over the binomial distribution.
    """

    n: int
    p: float
    method: str
    exact: float
    simulated: float
    width: float


def bootstrap(successes: NDArray[np.int64], n: int) -> tuple[Floats, Floats]:
    """Percentile bootstrap intervals, one for each number of successes, from one set of resamples."""
    values = (np.arange(n)[:, None] < successes[None, :]).astype(np.float64)
    return percentile_interval(resample_means(values, replicates=2000, seed=0), CONFIDENCE)


METHODS: dict[str, Callable[[NDArray[np.int64], int], tuple[Floats, Floats]]] = {
    "Clopper-Pearson": lambda k, n: clopper_pearson(k, n, CONFIDENCE),
    "Wilson": lambda k, n: wilson(k, n, CONFIDENCE),
    "Wald": lambda k, n: wald(k, n, CONFIDENCE),
    "bootstrap percentile": bootstrap,
}


def coverage(n: int, p: float, draws: int = DRAWS, seed: int = 0) -> list[Coverage]:
    """The rows of one case, one a method. n items, true rate p in (0, 1)."""
    from scipy.stats import binom

    # Outside these counts lies 1e-10 of the probability; what is left out counts as not covered.
    successes = np.arange(int(binom.ppf(5e-11, n, p)), int(binom.isf(5e-11, n, p)) + 1)
    weight = np.asarray(binom.pmf(successes, n, p))
    drawn = np.random.default_rng(seed).binomial(n, p, size=draws)
    rows = []
    for method, interval in METHODS.items():
        low, high = interval(successes, n)
        covers = (low <= p) & (p <= high)
        held = covers[np.clip(drawn, successes[0], successes[-1]) - successes[0]]
        rows.append(
            Coverage(n, p, method, float(weight @ covers), float(held.mean()), float(weight @ (high - low)))
        )
    return rows


PROBLEMS, ATTEMPTS, RUNS = 128, 64, 1000
# (mean rate, a + b of the beta distribution of rates, problems a cluster)
RATE_CASES = (
    *((mean, spread, 1) for mean in (0.001, 0.01, 0.05, 0.3, 0.99) for spread in (0.1, 1.0, 20.0)),
    *((mean, spread, 8) for mean in (0.05, 0.3, 0.9) for spread in (1.0, 10.0)),
)


def rate_coverage(mean: float, spread: float, size: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Method -> (coverage, mean width) of the mean rate; problems of a cluster of `size` share a rate."""
    rng = np.random.default_rng(seed)
    clusters = np.arange(PROBLEMS // size).repeat(size)
    found: dict[str, list[tuple[float, float]]] = {"Korn-Graubard": [], "bootstrap percentile": []}
    for _ in range(RUNS):
        p = rng.beta(mean * spread, (1 - mean) * spread, PROBLEMS // size).repeat(size)
        rates = (rng.binomial(ATTEMPTS, p) / ATTEMPTS)[:, None]
        value, error = rates.mean(), np.nan_to_num(clustered_stderr(rates, clusters)[0])
        units = int(clusters.max()) + 1
        low, high = korn_graubard(value, error, PROBLEMS, units, CONFIDENCE, PROBLEMS * ATTEMPTS)
        found["Korn-Graubard"].append((float(low), float(high)))
        ends = percentile_interval(resample_means(rates, clusters, 1000, rng), CONFIDENCE)
        found["bootstrap percentile"].append((float(ends[0][0]), float(ends[1][0])))
    return {
        name: (
            float(np.mean([low <= mean <= high for low, high in ends])),
            float(np.mean([high - low for low, high in ends])),
        )
        for name, ends in found.items()
    }


def main() -> None:
    """Print the tables."""
    print("| items | true rate | interval | coverage | simulated | mean width |")
    print("|---:|---:|---|---:|---:|---:|")
    for n, p in CASES:
        for row in coverage(n, p):
            print(
                f"| {n:,} | {p:g} | {row.method} | {row.exact:.3f} | {row.simulated:.3f} | {row.width:.4f} |"
            )
    print()
    print("| mean rate | a+b | problems a cluster | Korn-Graubard | width | bootstrap percentile | width |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for mean, spread, size in RATE_CASES:
        (ours, wide), (plain, narrow) = rate_coverage(mean, spread, size).values()
        print(f"| {mean:g} | {spread:g} | {size} | {ours:.3f} | {wide:.4f} | {plain:.3f} | {narrow:.4f} |")


if __name__ == "__main__":
    main()
