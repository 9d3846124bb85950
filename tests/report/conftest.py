"""A synthetic audit with everything that a report must survive: nulls, notes, hostile names, replicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from unmirage import tables
from unmirage.readers.base import Input
from unmirage.result import Audit, Settings

HOSTILE_TASK = "</script><b>&"
HOSTILE_MODEL = "say \"8\" 'b'"
FAMILIES = ("arith", "=HYPERLINK(1)")
SCALES = np.geomspace(1e4, 7e9, 8)
HEADLINE = np.array([0, 0, 0, 0.02, 0.5, 0.95, 1, 1])
N = 100
Rows = list[dict[str, Any]]


def exact(successes: float, n: int) -> tuple[float, float]:
    """The Clopper-Pearson interval at 95 %, from scipy."""
    ends = stats.binomtest(int(successes), n).proportion_ci(0.95, method="exact")
    return float(ends.low), float(ends.high)


def models() -> list[tuple[str, float]]:
    """Eight scales, two models at the last."""
    names = [f"m{i}" for i in range(7)] + [HOSTILE_MODEL]
    return [*zip(names, SCALES.tolist(), strict=True), ("m7-seed2", float(SCALES[-1]))]


def curve_row(family: str, task: str, metric: str, model: str, x: float, **more: Any) -> dict[str, Any]:
    return {
        "family": family,
        "task": task,
        "metric": metric,
        "model": model,
        "axis": "n_params",
        "axis_value": x,
        "n": N,
        "method": "bootstrap over items",
        **more,
    }


def task_curves(family: str, task: str) -> Rows:
    rows: Rows = []
    choice = task == HOSTILE_TASK
    for i, (model, x) in enumerate(models()):
        t = min(i, 7) / 7
        share = HEADLINE[min(i, 7)]
        if choice:
            share = 0.25 + 0.7 * share
        if task == "gaps" and i == 2:
            rows.append(
                curve_row(
                    family,
                    task,
                    "exact_match",
                    model,
                    x,
                    n=None,
                    method=None,
                    note="the log has no rows of this model",
                )
            )
            continue
        low, high = exact(round(share * N), N)
        rows.append(
            curve_row(
                family,
                task,
                "multiple_choice_grade" if choice else "exact_match",
                model,
                x,
                mean=round(share * N) / N,
                stderr=float(np.sqrt(share * (1 - share) / N)),
                low=low,
                high=high,
                chance=0.25 if choice else 0.0,
                resolution=0.34 if choice else 0.03,
                method="clopper-pearson",
            )
        )
        smooth = {
            "target_logprob": -22.5 * float(np.exp(-2.2 * t)),
            "token_edit_distance": 4.2 * float(np.exp(-3 * t)),
        }
        if choice:
            smooth = {"choice_prob": 0.25 + 0.6 * t, "brier_sum": 0.9 - 0.7 * t}
        for name, mean in smooth.items():
            width = 0.05 * abs(mean) + 0.01
            void = task == "gaps" and name == "target_logprob" and i == 4
            rows.append(
                curve_row(
                    family,
                    task,
                    name,
                    model,
                    x,
                    mean=float("nan") if void else mean,
                    stderr=width / 2,
                    low=None if void else mean - width,
                    high=None if void else mean + width,
                    note="log-probabilities are missing" if void else None,
                )
            )
    return rows


def resolution(task: str) -> Rows:
    chance = 0.25 if task == HOSTILE_TASK else 0.0
    rows = []
    for i, (model, x) in enumerate(models()):
        share = HEADLINE[min(i, 7)]
        successes = round((chance + (1 - chance) * share) * N)
        p = float(stats.binom.sf(successes - 1, N, chance)) if chance else 1.0 if successes == 0 else 0.0
        rows.append(
            {
                "model": model,
                "axis_value": x,
                "n": N,
                "successes": float(successes),
                "chance": chance,
                "p_above_chance": p,
                "floor": 0.03,
                "resolved": successes >= 3 and p < 0.05,
                "n_needed": 4605 if i < 3 else None,
            }
        )
    return rows


def verdict_row(family: str, task: str, word: str, reason: str) -> dict[str, Any]:
    choice = task == HOSTILE_TASK
    return {
        "family": family,
        "task": task,
        "axis": "n_params",
        "headline": "multiple_choice_grade" if choice else "exact_match",
        "companion": "choice_prob" if choice else "target_logprob",
        "verdict": word,
        "p_break": 2.181818e-4 if word == "robust-break" else 0.31,
        "p_break_adjusted": None if word == "insufficient" else 0.0012345678901234567,
        "step": 0.12,
        "sharpness": {
            "width": 0.21,
            "t10": 0.45,
            "t90": float("inf"),
            "emergence_score": float("nan"),
            "breakthroughness": 3.5,
            "linearity": 2.0,
        },
        "link": {"r2_held_out": 0.97, "r2_smooth": None},
        "resolution": resolution(task),
        "reasons": [reason, "the link fitted on the other scales predicts the headline (R² 0.97)"],
        "would_settle": ["4,605 items would resolve the 10K model"],
    }


CELLS = [
    (
        "arith",
        "addition",
        "metric-artifact",
        "exact match jumps at 70M, but the log-probability moves smoothly",
    ),
    ("arith", HOSTILE_TASK, "robust-break", "choice_prob steps between 70M and 490M"),
    ("arith", "gaps", "cannot-tell", "one scale has no log-probabilities"),
    ("=HYPERLINK(1)", "addition", "smooth", "the headline has no sharp rise"),
    ("=HYPERLINK(1)", HOSTILE_TASK, "resolution-limited", "+three small scales cannot be told from chance"),
    ("=HYPERLINK(1)", "gaps", "insufficient", "four scales are too few"),
]


def make_audit(cells: list[tuple[str, str, str, str]] | None = None) -> Audit:
    cells = CELLS if cells is None else cells
    curves = [row for family, task, _, _ in cells for row in task_curves(family, task)]
    responses = pl.DataFrame(
        [
            {
                "family": family,
                "model": model,
                "task": task,
                "item_id": str(item),
                "epoch": 0,
                "n_params": x,
                "kind": "choice" if task == HOSTILE_TASK else "generation",
                "target": "12",
                "output": "12",
            }
            for family, task, _, _ in cells
            for model, x in models()
            for item in range(3)
        ],
        schema=tables.RESPONSES,
    )
    scores = responses.select(
        "family",
        "model",
        "task",
        "item_id",
        "epoch",
        metric=pl.lit("exact_match"),
        score=pl.lit(1.0),
    )
    first, second = cells[0][:2], models()[:2]
    return Audit(
        breaks=pl.DataFrame(schema=dict(tables.BREAKS)),
        fits=pl.DataFrame(schema=dict(tables.FITS)),
        predictions=pl.DataFrame(
            [
                {
                    "family": first[0],
                    "task": first[1],
                    "prediction": "resolution",
                    "outcome": outcome,
                    "why": f"it is {outcome} & <so>",
                    "says": "small models are above zero",
                    "test": "a test",
                }
                for outcome in ("confirmed", "not testable")
            ],
            schema=dict(tables.PREDICTIONS),
        ),
        verdicts=pl.DataFrame([verdict_row(*cell) for cell in cells], schema=tables.VERDICTS),
        curves=pl.DataFrame(curves, schema=tables.CURVES),
        scores=scores,
        responses=responses,
        warnings=tables.warnings_frame(
            [
                tables.warning("duplicate-rows", "3 rows repeat an earlier row", where="run.jsonl", count=3),
                tables.warning("last-checkpoint", "the last checkpoint of m1 is used", where="run.jsonl"),
            ]
        ),
        differences=pl.DataFrame(
            [
                {
                    "family": first[0],
                    "task": first[1],
                    "metric": "exact_match",
                    "model_a": second[0][0],
                    "model_b": HOSTILE_MODEL,
                    "difference": 0.48,
                    "low": 0.38,
                    "high": float("nan"),
                    "p": 3e-9,
                    "p_adjusted": 6e-9,
                }
            ]
        ),
        recorded=pl.DataFrame(
            [
                {
                    "family": "arith",
                    "task": "addition",
                    "metric": "exact_match",
                    "recorded_as": "acc",
                    "n": 900,
                    "equal": 900,
                    "largest_difference": 0.0,
                }
            ]
        ),
        skipped=pl.DataFrame([{"task": "gaps", "metric": "bleu", "reason": "needs the extra text"}]),
        settings=Settings(chance={HOSTILE_TASK: 0.25}),
        inputs=(Input(path='logs/<run> "1".jsonl', format="table", sha256="ab" * 32, rows=162),),
    )


@pytest.fixture(scope="session")
def audit() -> Audit:
    return make_audit()


@pytest.fixture(scope="session")
def audit_of() -> Callable[[list[tuple[str, str, str, str]]], Audit]:
    """Builds an audit of the given (family, task, verdict, reason) cells."""
    return make_audit
