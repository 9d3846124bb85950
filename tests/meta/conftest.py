"""Made curves and suites: what is in them is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import unmirage
from unmirage import tables
from unmirage.meta.found import Meta
from unmirage.meta.smooth import Points

Floats = npt.NDArray[np.float64]
Suite = dict[tuple[str, str, str], Any]  # (family, task, metric) -> values of eight models
SCALES = np.geomspace(1e7, 1e10, 8)
HOSTILE = "</script><b>&"
STEP = (0.1, 0.102, 0.099, 0.101, 0.8, 0.803, 0.801, 0.805)


def make_points(y: Any, **more: Any) -> Points:
    """Points of a curve: no known error and one model a scale, unless said."""
    y = np.asarray(y, dtype=float)
    arrays = {
        name: np.broadcast_to(np.asarray(more.pop(name, default), dtype=float), y.shape)
        for name, default in (("variance", 0), ("n", 0), ("models", 1))
    }
    return Points(y, **arrays, low=more.pop("low", -np.inf), high=more.pop("high", np.inf), **more)


def make_curves(*curves: dict[str, Any]) -> pl.DataFrame:
    """Rows in the schema of curves; each curve a dict of its means and, if not the usual, its names."""
    rows = []
    for curve in curves:
        fixed = {"family": "f", "task": "t", "metric": "exact_match", "axis": "n_params", **curve}
        means, scales = fixed.pop("means"), fixed.pop("scales", SCALES)
        each = {name: fixed.pop(name) for name in list(fixed) if isinstance(fixed[name], list)}
        for i, mean in enumerate(means):
            row = {**fixed, "model": f"m{i}", "axis_value": float(scales[i]), "mean": mean}
            rows.append({**row, **{name: values[i] for name, values in each.items()}})
    return pl.DataFrame(rows, schema=dict(tables.CURVES))


def make_results(suite: Suite, **more: Any) -> pl.DataFrame:
    """A table of results."""
    rows = [
        {"family": family, "model": f"{family}-m{i}", "n_params": float(SCALES[i]), "task": task}
        | {"metric": metric, "value": float(value), **more}
        for (family, task, metric), values in suite.items()
        for i, value in enumerate(values)
    ]
    return pl.DataFrame(rows)


def make_smooth(seed: int, steepness: float = 3.0, centre: float = 0.5) -> Floats:
    """A share that rises along a logistic curve, with a scatter of half a percent."""
    t = np.linspace(0, 1, 8)
    y = 0.05 + 0.9 / (1 + np.exp(-steepness * (t - centre)))
    return np.round(np.clip(y + 0.005 * np.random.default_rng(seed).standard_normal(8), 0, 1), 3)


def make_suite(family: str = "f", tasks: int = 9) -> Suite:
    """Two metrics a task; all smooth but the exact match of the last task, which steps."""
    suite: Suite = {
        (family, f"task{k}", "exact_match"): make_smooth(k, centre=0.2 + 0.08 * k) for k in range(tasks - 1)
    }
    suite[family, f"task{tasks - 1}", "exact_match"] = STEP
    return suite | {(family, f"task{k}", "rouge_l"): make_smooth(100 + k, 2.0) for k in range(tasks)}


@pytest.fixture(scope="session")
def points() -> Callable[..., Points]:
    return make_points


@pytest.fixture(scope="session")
def curves() -> Callable[..., pl.DataFrame]:
    return make_curves


@pytest.fixture(scope="session")
def results() -> Callable[..., pl.DataFrame]:
    return make_results


@pytest.fixture(scope="session")
def suite_of() -> Callable[..., Suite]:
    return make_suite


@pytest.fixture(scope="session")
def made() -> Meta:
    """Two families of nine tasks, two metrics each; one family and one of its tasks have hostile names."""
    other = {
        ("=HYPERLINK(1)", task.replace("task0", HOSTILE), metric): values
        for (_, task, metric), values in make_suite().items()
    }
    return unmirage.meta(make_results(make_suite() | other, n=1000))


@pytest.fixture(scope="session")
def choosing() -> Meta:
    """Items of two choice tasks."""
    frame = pl.concat(
        unmirage.simulate(truth, n_items=60, seed=k)
        for k, truth in enumerate(["choice-curved", "choice-late-curved"])
    )
    return unmirage.meta(frame, metrics=["multiple_choice_grade", "brier_mean"])
