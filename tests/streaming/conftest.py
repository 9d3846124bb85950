"""What the streamed curves are held against: the same curves from rows in memory."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage import findings, recorded, tables
from unmirage.aggregate import curve_rows, curves_frame
from unmirage.reported import result_rows
from unmirage.result import Settings, checked
from unmirage.selection import select
from unmirage.steps import Reading, gathered, generator, load, scored
from unmirage.verdict.thresholds import Thresholds

Curves = tuple[pl.DataFrame, list[str]]
KEY = ["family", "task", "metric", "model"]


def in_memory(source: Any, tasks: tuple[str, ...] = (), **settings: Any) -> Curves:
    """Curves and warnings as an audit makes them, without its tests."""
    asked = checked(Settings(**settings))
    loaded = load(source, Reading(tasks=tasks))
    kept = select(loaded, asked)
    scores = scored(kept.responses, asked)
    aggregated = [] if kept.results is None else result_rows(kept.results, asked)
    cells = list(gathered(kept, scores, asked))
    found = {cell.task for cell in cells} | {row["task"] for row in aggregated}
    notes = [*loaded.warnings, *kept.notes, *findings.partial_metrics(scores.partial)]
    notes += findings.unused_chance(asked, found)
    rows: list[dict[str, Any]] = []
    for cell in cells:
        mine = curve_rows(cell, asked, generator(cell, asked))
        extra, more = findings.aggregates_only(cell, mine, aggregated)
        rows += [*mine, *extra]
        notes += more + findings.unequal_attempts(cell, mine)
    for (family, task), said in findings.dependent_items(cells, asked, Thresholds()).items():
        notes.append(tables.warning("dependent-items", f"{task}: {said}", where=f"{family} / {task}"))
    itemised = {(cell.family, cell.task) for cell in cells}
    rows += [row for row in aggregated if (row["family"], row["task"]) not in itemised]
    frame = curves_frame(rows)
    compared = [recorded.compare_items(kept.responses, scores.scores)]
    if kept.results is not None:
        compared.append(recorded.compare_aggregates(kept.results, frame))
    notes += recorded.differing(pl.concat(compared))
    texts = [f"{n['where']}: {n['message']}" if n["where"] else str(n["message"]) for n in notes]
    return frame, sorted(set(texts))


def streamed(source: Any, **options: Any) -> Curves:
    """`unmirage.curves` and what it said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = unmirage.curves(source, **options)
    return frame, sorted(str(one.message) for one in caught)


def assert_agree(one: Curves, other: Curves) -> None:
    """Means, errors and exact intervals are equal, resampled ones are alike, and the same is said."""
    (memory, said), (stream, told) = one, other
    assert told == said
    assert stream.schema == memory.schema
    assert stream.select(KEY).equals(memory.select(KEY))
    both = memory.join(stream, on=KEY, suffix="_s", nulls_equal=True)
    assert both.height == memory.height
    noisy = both.select(
        pl.any_horizontal(
            pl.col("method", "method_s").str.contains("bootstrap"),
            pl.col("note", "note_s").fill_null("").str.contains("resampl"),
        )
    ).to_series()
    exact = both.filter(~noisy)
    for name in ("axis_value", "n", "mean", "stderr", "low", "high", "chance", "resolution"):
        rows = exact if name in ("stderr", "low", "high") else both
        ours, theirs = (rows[c].cast(pl.Float64).to_numpy() for c in (f"{name}_s", name))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9 if name == "resolution" else 1e-11, atol=1e-12)
    for name in ("method", "note", "axis"):
        assert exact[f"{name}_s"].equals(exact[name], null_equal=True)
    # A value that moves under resampling has one of two intervals, and which may be up to the draws.
    drawn = both.filter(noisy, pl.col("method") == pl.col("method_s")).filter(
        pl.all_horizontal(pl.col("low", "high", "low_s", "high_s").is_not_null())
    )
    width = (drawn["high"] - drawn["low"]).to_numpy()
    for end in ("low", "high"):
        moved = np.abs((drawn[f"{end}_s"] - drawn[end]).to_numpy())
        assert (moved <= 0.3 * width + 1e-9).all(), drawn.filter(pl.Series(moved > 0.3 * width + 1e-9))


@pytest.fixture(scope="session")
def curves_in_memory() -> Callable[..., Curves]:
    return in_memory


@pytest.fixture(scope="session")
def curves_streamed() -> Callable[..., Curves]:
    return streamed


@pytest.fixture(scope="session")
def agree() -> Callable[[Curves, Curves], None]:
    return assert_agree


def made_rows(
    seed: int = 0, items: int = 60, models: int = 5, tasks: int = 2, clusters: int = 0
) -> pl.DataFrame:
    """Responses of kind choice, in the order model, task, item."""
    rng = np.random.default_rng(seed)
    n = items * models * tasks
    at = np.arange(n)
    item, task, model = at % items, at // items % tasks, at // (items * tasks)
    logs = -rng.gamma(2.0, 2.0, (n, 4)) * (1 + model[:, None] * (np.arange(4) > 0) / 2)
    frame = pl.DataFrame(
        {
            "family": ["made"] * n,
            "model": [f"made-{k}" for k in model],
            "task": [f"task {k}" for k in task],
            "item_id": [f"item {k}" for k in item],
            "epoch": pl.Series([0] * n, dtype=pl.Int32),
            "n_params": 1e6 * 4.0**model,
            "kind": ["choice"] * n,
            "choice_logprobs": logs.tolist(),
            "choice_lengths": (3 + (item[:, None] + np.arange(4)) % 7).tolist(),
            "length_unit": ["characters"] * n,
            "answer": (item % 4).astype(np.int32),
        }
    )
    if clusters:
        frame = frame.with_columns(cluster=pl.Series([f"text {k // clusters}" for k in item]))
    return unmirage.read(frame)


@pytest.fixture(scope="session")
def made() -> Callable[..., pl.DataFrame]:
    return made_rows


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of about fifty rows, few in a call, so that everything is added and merged."""
    monkeypatch.setattr("unmirage.streaming.table.BATCH", 50)
    monkeypatch.setattr("unmirage.streaming.regroup.BATCH", 50)
    monkeypatch.setattr("unmirage.streaming.regroup._HELD", 70)
    monkeypatch.setattr("unmirage.streaming.passes.SPAN", 3)
    monkeypatch.setattr("unmirage.streaming.keys.IN_MEMORY", 100)
