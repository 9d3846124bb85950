"""Resampling against scipy.stats.bootstrap, against its own bound, and its error against the analytic one.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/resampling.py

Prints CPU times (the least of three) and ratios.

1. Intervals of every metric and model of a task from the items (`resample_means`; the resamples are scipy's).
2. One metric and fifteen of n items from sums of units (`resample_sums`), each item its own unit, and folded
   into 4,096 buckets, folding included. Scipy as it is called by default (BCa intervals), with percentile
   intervals, and all metrics in one call.
3. The bound of 15 metrics with every row weighted: making the weights, and one product of matrices that are
   there. All models of a task share the weights; a row is an item of a model.
4. The standard deviation of replicates over the closed-form standard error of the items.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy import stats

from unmirage.statistics import (
    clustered_stderr,
    percentile_interval,
    resample_means,
    resample_sums,
    unit_weights,
)

REPLICATES = 2000
BUCKETS = 4096
Run = Callable[[], object]


def seconds(run: Run, repeats: int = 3) -> float:
    """CPU time of a call, in seconds: the least of several."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def ours(scores: np.ndarray) -> np.ndarray:
    """(2, columns) interval ends."""
    return np.array(percentile_interval(resample_means(scores, None, REPLICATES, 0)))


def one_call(scores: np.ndarray, replicates: int = REPLICATES, batch: int | None = 10) -> np.ndarray:
    """The same from scipy in one call; of 80 columns a batch of 10 was faster than 1, 50 or 100."""
    found = stats.bootstrap(
        (scores,), np.mean, n_resamples=replicates, batch=batch, method="percentile", axis=0, rng=0
    )
    return np.array([found.confidence_interval.low, found.confidence_interval.high])


def a_call_a_column(scores: np.ndarray, replicates: int = REPLICATES, batch: int | None = 100) -> np.ndarray:
    """The same from scipy, a call a column."""
    columns = range(scores.shape[1])
    return np.concatenate([one_call(scores[:, [j]], replicates, batch) for j in columns], axis=1)


def tasks() -> None:
    """Table 1."""
    print(
        "| items | models × metrics | unmirage, s | scipy, a call a cell, s (ratio) | scipy, one call, s "
        "(ratio) | largest difference |"
    )
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for items, columns in ((200, 80), (1_000, 80), (5_000, 160)):
        scores = rng.normal(size=(items, 1)) + rng.normal(size=(items, columns))
        mine, theirs = ours(scores), one_call(scores)
        fast = seconds(lambda s=scores: ours(s))
        slow = seconds(lambda s=scores: a_call_a_column(s), 1)
        middle = seconds(lambda s=scores: one_call(s))
        print(
            f"| {items:,} | {columns} | {fast:.3f} | {slow:.2f} ({slow / fast:.0f}) | {middle:.2f} "
            f"({middle / fast:.1f}) | {np.abs(mine - theirs).max():.1e} |"
        )


def folded(scores: np.ndarray, buckets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sizes of the buckets."""
    sums = [np.bincount(buckets, column, BUCKETS) for column in scores.T]
    return np.column_stack(sums), np.bincount(buckets, minlength=BUCKETS)


def sums_of_units(n: int, replicates: int) -> None:
    """Table 2."""
    print("| items | metrics | replicates | how | CPU s | scipy's time over ours, apart | folded |")
    print("|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for metrics in (1, 15):
        scores, buckets = rng.exponential(size=(n, metrics)), rng.integers(0, BUCKETS, n)
        apart = seconds(lambda s=scores: percentile_interval(resample_sums(s, np.ones(n), replicates, 0)))
        fold = seconds(
            lambda s=scores, b=buckets: percentile_interval(resample_sums(*folded(s, b), replicates))
        )
        head = f"| {n:,} | {metrics} | {replicates:,} |"
        print(f"{head} unmirage, every item a unit | {apart:.3f} | | |")
        print(f"{head} unmirage, folded into {BUCKETS:,} | {fold:.3f} | | |")
        ways: dict[str, Run] = {
            "scipy, percentile, a call a metric": lambda s=scores: a_call_a_column(s, replicates, None),
            "the same, batches of 100": lambda s=scores: a_call_a_column(s, replicates, 100),
        }
        if metrics == 1:
            ways = {
                "scipy, as it is by default (BCa)": lambda s=scores: stats.bootstrap(
                    (s[:, 0],), np.mean, n_resamples=replicates, rng=0
                )
            } | ways
        else:
            ways["scipy, percentile, one call"] = lambda s=scores: one_call(s, replicates)
        for name, way in ways.items():
            taken = seconds(way, 2)
            print(f"{head} {name} | {taken:.3f} | {taken / apart:.1f} | {taken / fold:.1f} |")


def bound(metrics: int, replicates: int) -> None:
    """Table 3."""
    print(
        "| items | models | weights, s | product, s | unmirage, s | share of the bound | rows a CPU second |"
    )
    print("|---|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for n, models in ((BUCKETS, 1), (BUCKETS, 20), (10_000, 1), (10_000, 20)):
        scores, sizes = rng.normal(size=(n, models * metrics)), np.ones(n)
        both = np.column_stack([scores, sizes])
        weights = unit_weights(n, replicates, 0).astype(np.float64)
        making = seconds(lambda n=n: unit_weights(n, replicates, 0))
        product = seconds(lambda w=weights, b=both: w @ b)
        mine = seconds(lambda s=scores, o=sizes: resample_sums(s, o, replicates, 0))
        share, speed = (making + product) / mine, n * models / mine
        print(
            f"| {n:,} | {models} | {making:.3f} | {product:.3f} | {mine:.3f} | {share:.0%} | {speed:,.0f} |"
        )
    n = 1_000_000
    scores, buckets = rng.normal(size=(n, metrics)), rng.integers(0, BUCKETS, n)
    mine = seconds(lambda: resample_sums(*folded(scores, buckets), replicates, 0))
    print(f"| {n:,}, folded | 1 | | | {mine:.3f} | | {n / mine:,.0f} |")


def errors(columns: int, replicates: int) -> None:
    """Table 4."""
    print("| items | units | scores | bootstrap error over analytic error | of the mean of the columns |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(1)
    for n, clustered in ((10_000, False), (100_000, False), (100_000, True)):
        codes = rng.integers(0, n // 5, n) if clustered else np.arange(n)
        codes = np.unique(codes, return_inverse=True)[1]
        shared = rng.normal(size=(codes.max() + 1, columns))[codes] if clustered else 0.0
        for name, scores in (
            ("normal", shared + rng.normal(size=(n, columns))),
            ("lognormal", np.exp(shared + rng.normal(size=(n, columns)))),
            ("0 or 1", (shared + rng.normal(size=(n, columns)) > 1).astype(float)),
        ):
            buckets = rng.integers(0, BUCKETS, codes.max() + 1)[codes]
            sums, sizes = folded(scores, buckets)
            ratio = resample_sums(sums, sizes, replicates, rng).std(axis=0, ddof=1)
            ratio /= clustered_stderr(scores, codes)
            units = f"{codes.max() + 1:,} {'clusters' if clustered else 'items'} in {BUCKETS:,}"
            print(
                f"| {n:,} | {units} | {name} | {ratio.mean():.3f} ± {ratio.std(ddof=1) / columns**0.5:.3f} | "
                f"{ratio.std(ddof=1):.3f} a column |"
            )


def main() -> None:
    """Print the tables."""
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, CPU seconds\n")
    tasks()
    for table in (
        lambda: sums_of_units(10_000, 1000),
        lambda: bound(15, 1000),
        lambda: errors(40, 2000),
    ):
        print()
        table()


if __name__ == "__main__":
    main()
