"""Power laws with offset on many curves at once against scipy from five starts: `python -m speed.laws`."""

from __future__ import annotations

import json
import warnings

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit, least_squares

from speed.measure import part, spent, table

CURVES = 10_000
COMPARED = 200  # curves that scipy fits; its time is scaled from these
STARTS = (0.05, 0.2, 0.5, 1.0, 2.0)  # exponents
TIGHT = {"ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}
EXPONENTS = (1e-3, 10.0)
KINDS = (("offset 1, exponent .2", 1.0, 0.2), ("offset 0, exponent .8", 0.0, 0.8))
SCALES = (6, 8, 12)


def start_of(curve: np.ndarray, exponent: float) -> list[float]:
    """Offset and amplitude from the data."""
    offset = 0.5 * curve.min()
    return [offset, max(float(np.median(curve)) - offset, 1e-3), exponent]


def by_curve_fit(logs: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """(R,) least sums of squares from five starts, derivatives by differences."""
    bounds = ([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[1]])
    best = np.full(len(curves), np.inf)
    for k, curve in enumerate(curves):
        for exponent in STARTS:
            try:
                found, _ = curve_fit(
                    lambda t, e, a, b: e + a * np.exp(-b * t),
                    logs,
                    curve,
                    p0=start_of(curve, exponent),
                    bounds=bounds,
                )
            except RuntimeError:  # out of evaluations
                continue
            residual = found[0] + found[1] * np.exp(-found[2] * logs) - curve
            best[k] = min(best[k], float(residual @ residual))
    return best


def by_least_squares(logs: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """(R,) the same with exact derivatives and tolerances tight enough for six digits."""
    bounds = ([0, 0, EXPONENTS[0]], [np.inf, np.inf, EXPONENTS[1]])
    best = np.full(len(curves), np.inf)
    for k, curve in enumerate(curves):

        def residuals(p: np.ndarray, curve: np.ndarray = curve) -> np.ndarray:
            return p[0] + p[1] * np.exp(-p[2] * logs) - curve

        def jacobian(p: np.ndarray) -> np.ndarray:
            power = np.exp(-p[2] * logs)
            return np.column_stack([np.ones_like(logs), power, -p[1] * logs * power])

        for exponent in STARTS:
            first = start_of(curve, exponent)
            found = least_squares(residuals, first, jacobian, bounds, x_scale="jac", **TIGHT)
            best[k] = min(best[k], 2 * found.cost)
    return best


def fits() -> list[list[object]]:
    """[scales, kind, seconds of ours, of curve_fit, of least_squares, largest and smallest share of sums]."""
    from unmirage.curves import fit_power_laws, geometric_mean

    warnings.simplefilter("ignore", OptimizeWarning)
    rng = np.random.default_rng(0)
    out: list[list[object]] = []
    for scales in SCALES:
        x = np.geomspace(1e7, 1e11, scales)
        logs = np.log(x / geometric_mean(x))
        for name, offset, exponent in KINDS:
            truth = offset + 3 * (x / x[0]) ** -exponent
            y = truth * np.exp(0.02 * rng.normal(size=(CURVES, scales)))
            mine = spent(lambda x=x, y=y: fit_power_laws(x, y, exponents=EXPONENTS), 3)
            sums = fit_power_laws(x, y[:COMPARED], exponents=EXPONENTS).sse
            row: list[object] = [scales, name, mine]
            shares = []
            for peer in (by_curve_fit, by_least_squares):
                theirs: list[np.ndarray] = []
                row.append(spent(lambda p=peer, t=theirs, logs=logs, y=y: t.append(p(logs, y[:COMPARED]))))
                shares.append(sums / theirs[0] - 1)
            best = np.minimum(*(sums / (1 + share) for share in shares))
            out.append([*row, float((sums / best - 1).max()), float((sums / best - 1).min())])
    return out


def print_fits() -> None:
    """Print the table of fits."""
    print(f"## {CURVES:,} power laws with offset\n")
    print(f"scipy from five starts within the same bounds on the first {COMPARED} curves, its time scaled to")
    print(f"{CURVES:,}. CPU seconds; sums of squares: ours over the best of all ten of scipy's, less 1.\n")
    rows = []
    for scales, kind, mine, *theirs, most, least in part("laws")[0]:
        scaled = [one * CURVES / COMPARED for one in theirs]
        cells = [f"{one:,.0f} ({one / mine:,.0f})" for one in scaled]
        rows.append([f"{scales}, {kind}", f"{mine:.3f}", *cells, f"{most:+.0e}", f"{least:+.0e}"])
    head = ["scales, curve", "ours", "curve_fit (times ours)", "least_squares (times ours)"]
    table([*head, "sums, largest", "smallest"], rows)


if __name__ == "__main__":
    print(json.dumps(fits()))
