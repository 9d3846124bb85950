"""Intervals of every metric and model of a task: one set of item resamples, against scipy.stats.bootstrap.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/resampling.py

Prints times (median of three) and ratios. Scipy is used in two ways: a call a cell, as a loop over models and
metrics does, and one vectorised call with the batch that was fastest here. All give percentile intervals from
the same 2,000 resamples.
"""

from __future__ import annotations

import statistics as standard
import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy import stats

from unmirage.statistics import percentile_interval, resample_means

REPLICATES = 2000


def median_time(run: Callable[[], object], repeats: int = 3) -> float:
    """Median wall time of a call, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return standard.median(times)


def ours(scores: np.ndarray) -> np.ndarray:
    """(2, columns) interval ends."""
    return np.array(percentile_interval(resample_means(scores, None, REPLICATES, 0)))


def cell_by_cell(scores: np.ndarray) -> np.ndarray:
    """The same from scipy, a call a column."""
    return np.concatenate([vectorised(scores[:, [j]], 100) for j in range(scores.shape[1])], axis=1)


def vectorised(scores: np.ndarray, batch: int = 10) -> np.ndarray:
    """The same from scipy in one call; a batch of 10 resamples was faster than 1, 50 or 100."""
    found = stats.bootstrap(
        (scores,), np.mean, n_resamples=REPLICATES, batch=batch, method="percentile", axis=0, rng=0
    )
    return np.array([found.confidence_interval.low, found.confidence_interval.high])


def main() -> None:
    """Print the table."""
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, {REPLICATES} resamples\n")
    print(
        "| items | models × metrics | unmirage, s | scipy, a call a cell, s (ratio) | scipy, one call, s "
        "(ratio) | largest difference |"
    )
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for items, columns in ((200, 80), (1_000, 80), (5_000, 160)):
        scores = rng.normal(size=(items, 1)) + rng.normal(size=(items, columns))
        mine, theirs = ours(scores), vectorised(scores)
        fast = median_time(lambda s=scores: ours(s))
        slow = median_time(lambda s=scores: cell_by_cell(s), 1)
        middle = median_time(lambda s=scores: vectorised(s))
        print(
            f"| {items:,} | {columns} | {fast:.3f} | {slow:.2f} ({slow / fast:.0f}) | {middle:.2f} "
            f"({middle / fast:.1f}) | {np.abs(mine - theirs).max():.1e} |"
        )


if __name__ == "__main__":
    main()
