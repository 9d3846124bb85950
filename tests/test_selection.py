"""Which tasks are read."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main
from unmirage.errors import SettingsError

pytestmark = pytest.mark.filterwarnings("ignore::unmirage.errors.UnmirageWarning")


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["add2_gen"], {"add2_gen"}),
        (["add?_gen"], {"add1_gen", "add2_gen", "add3_gen"}),
        (["add2_mc", "add3*"], {"add2_mc", "add3_gen"}),
        (["*"], {"add1_gen", "add2_gen", "add2_mc", "add2_target_ll", "add3_gen"}),
    ],
)
def test_tasks_are_named_or_matched(addition_logs, names, kept):
    found = set()
    for table in ("responses", "results"):
        mine = unmirage.read(addition_logs, table=table, tasks=names)
        assert mine.equals(unmirage.read(addition_logs, table=table).filter(pl.col("task").is_in(kept)))
        found |= set(mine["task"])
    assert found == kept


def test_the_rows_of_a_task_are_those_of_the_whole(addition_logs):
    whole = unmirage.read(addition_logs)
    assert unmirage.read(addition_logs, tasks=["add2_mc"]).equals(whole.filter(pl.col("task") == "add2_mc"))


def test_a_name_that_no_task_has(addition_logs):
    with pytest.raises(SettingsError, match="there is no task 'add2_gem'") as problem:
        unmirage.audit(addition_logs, tasks=["add2_gem"])
    assert "Tasks: add2_gen" in str(problem.value)  # the closest first


def test_on_the_command_line(addition_logs, tmp_path, capsys):
    out = tmp_path / "scores.parquet"
    assert main(["score", str(addition_logs), "--task", "add2_mc", "--out", str(out)]) == 0
    assert set(pl.read_parquet(out)["task"]) == {"add2_mc"}
    assert main(["score", str(addition_logs), "--task", "add9", "--out", str(tmp_path / "no.csv")]) == 2
    assert "there is no task 'add9'" in capsys.readouterr().err
    assert not (tmp_path / "no.csv").exists()


def test_attempts_are_kept_of_those_that_went_on_until_so_many_passes():
    # The first ten of the attempts at a rate of .1, as if no more had been made.
    at = np.random.default_rng(0).geometric(0.1, (4000, 3)).cumsum(axis=1)[:, -1]
    kept = np.maximum(at, 10)
    assert (at >= 10).mean() > 0.9
    rows = {
        "family": "f",
        "model": ["small"] * 4000 + ["large"] * 4000,
        "task": "t",
        "item_id": [f"i{i}" for i in range(4000)] * 2,
        "n_params": [1e6] * 4000 + [1e7] * 4000,
        "n_samples": np.tile(kept, 2),
        "n_correct": 3,
        "until": np.tile(np.where(at >= 10, 3, 0), 2),
    }
    a = unmirage.audit(pl.DataFrame(rows), samples=10)
    drawn = a.responses.filter(pl.col("until").is_null())
    assert drawn.height == 8000
    assert (a.responses["n_samples"] == 10).all()
    mine = a.responses.filter(pl.col("model") == "small")["n_correct"].to_numpy()[at > 10]
    # Given the third pass after attempt ten, the passes among the first ten are binomial, below three.
    expected = sum(k * p for k, p in enumerate([0.3487, 0.3874, 0.1937])) / (0.3487 + 0.3874 + 0.1937)
    assert mine.max() == 2
    assert mine.mean() == pytest.approx(expected, abs=0.04)


def rows(models, *, task="t"):
    """Responses of models of increasing size, two items each."""
    return pl.DataFrame(
        [
            {"family": "f", "model": f"m{i}", "n_params": 10.0**i, "task": task, "item_id": str(k),
             "target": "x", "output": "x" if i % 2 else "y", "kind": "generation"}
            for i in models for k in range(2)
        ]
    )  # fmt: skip


def aggregates(models, *, task="t"):
    return pl.DataFrame(
        [
            {"family": "f", "model": f"m{i}", "n_params": 10.0**i, "task": task, "metric": "exact_match",
             "value": float(i % 2), "n": 2}
            for i in models
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("itemised", "aggregated", "from_items"),
    [(1, 6, False), (4, 5, False), (4, 4, True), (5, 6, True), (1, 3, True)],
)
def test_items_of_too_few_models_do_not_stand_in_the_way_of_aggregates(itemised, aggregated, from_items):
    found = unmirage.audit([rows(range(3, 3 + itemised)), aggregates(range(3, 3 + aggregated))])
    (verdict,) = found.verdicts.iter_rows(named=True)
    assert verdict["headline"] == "exact_match"
    codes = found.warnings["code"].to_list()
    assert ("items-of-few-models" in codes) is not from_items
    logged = found.curves.filter(metric="exact_match")
    assert logged["model"].n_unique() == max(itemised, aggregated)
    assert ("aggregates-only" in codes) is (from_items and aggregated > itemised)
    if not from_items:
        (note,) = found.warnings.filter(code="items-of-few-models")["message"]
        assert note.startswith("t: items are logged for m3")
    # Recorded and own scores are compared all the same, and the responses are kept.
    assert found.responses.height == 2 * itemised
