"""Power laws with offset on 1,000 replicates at once, against scipy.optimize.curve_fit from four starts.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/fitting.py

Prints times and ratios (ours: median of five; curve_fit: the first 100 replicates, scaled), and how the sums
of squares compare on those 100. curve_fit minimises within the same bounds, from exponents .05, .2, .6 and
1.5, each with offset and amplitude from the data.
"""

from __future__ import annotations

import statistics as standard
import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy.optimize import OptimizeWarning, curve_fit

from unmirage.curves import fit, fit_power_laws, geometric_mean, power_law, resample

REPLICATES = 1000
COMPARED = 100
CURVES = (("offset 1, exponent .2", 1.0, 0.2), ("offset 0, exponent .8", 0.0, 0.8))


def seconds(run: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return standard.median(times)


def curve_fits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(R,) least sums of squares that curve_fit finds from four starts."""
    reference = geometric_mean(x)
    logs = np.log(x / reference)
    best = np.full(len(y), np.inf)
    for k, curve in enumerate(y):
        for exponent in (0.05, 0.2, 0.6, 1.5):
            start = [0.5 * curve.min(), max(np.median(curve) - 0.5 * curve.min(), 1e-3), exponent]
            try:
                found, _ = curve_fit(
                    lambda t, e, a, b: e + a * np.exp(-b * t),
                    logs,
                    curve,
                    p0=start,
                    bounds=([0, 0, 1e-3], [np.inf, np.inf, 10]),
                )
            except RuntimeError:  # curve_fit ran out of evaluations
                continue
            residual = found[0] + found[1] * np.exp(-found[2] * logs) - curve
            best[k] = min(best[k], float(residual @ residual))
    return best


def main() -> None:
    """Print the table."""
    import warnings

    warnings.simplefilter("ignore", OptimizeWarning)
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, {REPLICATES:,} replicates\n")
    print(
        "| scales | curve | variable projection, ms | resample, ms | curve_fit, s | ratio "
        "| our sum over theirs, less 1: largest, median, smallest |"
    )
    print("|---:|---|---:|---:|---:|---:|---|")
    rng = np.random.default_rng(0)
    for scales in (6, 8, 12):
        x = np.geomspace(1e7, 1e11, scales)
        for name, offset, exponent in CURVES:
            truth = offset + 3 * (x / x[0]) ** -exponent
            y = truth * np.exp(0.02 * rng.normal(size=(REPLICATES, scales)))
            one = fit(power_law(geometric_mean(x)), x, y[0])
            ours = seconds(lambda x=x, y=y: fit_power_laws(x, y), 5)
            drawn = seconds(lambda one=one: resample(one, REPLICATES, 0), 3)
            theirs = []
            slow = seconds(lambda x=x, y=y, t=theirs: t.append(curve_fits(x, y[:COMPARED])), 1)
            slow *= REPLICATES / COMPARED
            share = fit_power_laws(x, y[:COMPARED]).sse / theirs[0]
            print(
                f"| {scales} | {name} | {1e3 * ours:.0f} | {1e3 * drawn:.0f} | {slow:.0f} "
                f"| {slow / ours:,.0f} | {share.max() - 1:+.0e}, "
                f"{np.median(share) - 1:+.0e}, {share.min() - 1:+.0e} |"
            )


if __name__ == "__main__":
    main()
