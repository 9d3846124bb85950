"""python benchmarks/verdict.py: how long does a verdict take, against the same test with scipy's curve_fit?

One core. Our break test with 1,000 replicates at eight scales: the whole library of smooth curves and all
breaks for every replicate. The peer fits each replicate with one of the smooth laws only, a power law with an
offset, by scipy.optimize.curve_fit from four starts, and each step by least squares; it is timed on a tenth
of the replicates. Then the parts of a whole verdict, for 500 and 10,000 items. Prints Markdown tables.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit

import unmirage
from unmirage.verdict.breaks import break_test
from unmirage.verdict.link import check_link
from unmirage.verdict.power import power

SCALES = np.geomspace(1e7, 1e10, 8)
REPLICATES = 1000
STARTS = ((0.1, 3.0, 0.3), (1.0, 3.0, 0.1), (0.01, 1.0, 0.5), (0.5, 2.0, 1.0))

Floats = npt.NDArray[np.float64]


def timed(call: Callable[[], Any], repeats: int = 5) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def law(x: Floats, offset: float, amplitude: float, exponent: float) -> Floats:
    """Log of a power law with an offset, scales relative to the smallest."""
    return np.asarray(np.log(offset + amplitude * x**-exponent), dtype=np.float64)


def peer(y: Floats) -> tuple[float, float]:
    """Residual sums of squares of the best smooth fit and of the best trend and step."""
    x = SCALES / SCALES[0]
    best = np.inf
    for start in STARTS:
        try:
            found, _ = curve_fit(law, x, y, start, bounds=((1e-9, 1e-9, 1e-3), (10, 50, 5)))
        except RuntimeError:
            continue
        best = min(best, float(((law(x, *found) - y) ** 2).sum()))
    t = np.log10(x)
    steps = []
    for gap in range(1, 6):
        design = np.column_stack([np.ones(8), t, np.arange(8) > gap])
        steps.append(float(np.linalg.lstsq(design, y, rcond=None)[1].sum()))
    return best, min(steps)


def print_ratio() -> None:
    """The break test against the peer, in one process."""
    rng = np.random.default_rng(0)
    smooth = np.log(3) - 0.9 * np.log10(SCALES / SCALES[0])
    curves = smooth + rng.normal(0, 0.02, (REPLICATES // 10, 8))
    break_test(SCALES, curves[0], replicates=REPLICATES)  # the library of a grid is made once
    ours = timed(lambda: break_test(SCALES, curves[0], replicates=REPLICATES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        theirs = 10 * timed(lambda: [peer(y) for y in curves], repeats=1)
    print("| 1,000 replicates, 8 scales | ms | ratio |")
    print("|---|---:|---:|")
    print(f"| break test | {1000 * ours:.1f} | 1 |")
    print(f"| curve_fit from four starts, one law | {1000 * theirs:,.0f} | {theirs / ours:,.0f} |")


def print_parts() -> None:
    """The parts of a verdict on a sharp headline, and the whole audit of the table."""
    print("| items | break test, 2,000 replicates | link | power | all three | audit of the table |")
    print("|---:|---:|---:|---:|---:|---:|")
    for n in (500, 10_000):
        cells = [f"{1000 * seconds:.0f} ms" for seconds in parts(n)]
        print(f"| {n:,} | {' | '.join(cells)} |")


def parts(n: int) -> list[float]:
    """Seconds of the break test, the link, the power, all three, and the whole audit, for n items."""
    frame = unmirage.simulate("late", n_items=n, seed=1)
    metrics = ["exact_match", "cross_entropy"]
    scores = unmirage.score(frame, metrics)
    loss, right = (
        scores.filter(metric=name)["score"].to_numpy().reshape(8, n).T
        for name in ("cross_entropy", "exact_match")
    )
    y = np.log(loss.mean(axis=0))
    items = np.cov(loss.T) / n / np.outer(loss.mean(axis=0), loss.mean(axis=0))
    test = break_test(SCALES, y, items=items)
    found = [
        timed(lambda: break_test(SCALES, y, items=items)),
        timed(
            lambda: check_link(
                -np.log(loss), right, np.arange(8), y - test.smooth, trials=np.full(8, float(n))
            )
        ),
        timed(lambda: power(SCALES, test.smooth, step=0.5, gap=4, sigma=test.sigma, items=items)),
    ]
    return [*found, sum(found), timed(lambda: unmirage.audit(frame, metrics=metrics))]


def main() -> None:
    """Print both tables."""
    print_ratio()
    print()
    print_parts()


if __name__ == "__main__":
    main()
