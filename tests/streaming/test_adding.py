"""Rows of several tasks are added in long runs, in short ones and one task at a time, with the same bytes."""

import numpy as np
import polars as pl
import pytest

from unmirage.streaming.adding import Adder
from unmirage.streaming.grouping import Answers
from unmirage.streaming.hashing import hash_names
from unmirage.streaming.sums import Sums
from unmirage.streaming.totals import MOST, Totals

MODELS = ("a", "b", "c")


def rows_of(items, clusters=1, tasks=2, gaps=False):
    """Rows in the order model, task, item; the models of a task answer the same items in the same order."""
    n = items * tasks * len(MODELS)
    at = np.arange(n)
    item, task, model = at % items, at // items % tasks, at // (items * tasks)
    rng = np.random.default_rng(items)
    names = hash_names(pl.Series([f"{t} {i}" for t, i in zip(task, item, strict=True)]))
    units = names
    if clusters > 1:
        units = hash_names(pl.Series([f"{t} {i // clusters}" for t, i in zip(task, item, strict=True)]))
    wild = rng.normal(size=n) * 10.0 ** rng.integers(-9, 9, n)
    scores = {
        "right": (rng.random(n) > 0.5).astype(float),
        "wild": np.where(rng.random(n) < 0.01, -np.inf, wild) if gaps else wild,
        "two": rng.normal(size=(n, 2)),
        "histogram": np.where(np.arange(5) == rng.integers(0, 6, n)[:, None], wild[:, None], 0.0),
    }
    return task, Answers(model, names, units, np.zeros(n, dtype=np.int64)), scores


def added(pieces, rows):
    """cell -> totals of rows that are added piece by piece."""
    cells, answers, scores = rows
    found = {}
    adder = Adder(lambda cell: found.setdefault(cell, Totals()), lambda _: MODELS)
    for at in pieces:
        adder.add(cells[at], answers.take(at), {name: one[at] for name, one in scores.items()})
    for totals in found.values():
        totals.trim()
    return found


def bytes_of(value):
    """What totals hold, in types that can be compared."""
    if isinstance(value, Totals | Sums):
        return bytes_of(vars(value))
    if isinstance(value, dict):
        return {key: bytes_of(one) for key, one in value.items()}
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(("items", "clusters"), [(300, 1), (300, 4), (10, 1), (MOST + 100, 1)])
def test_runs_of_any_length_give_the_same_bytes(items, clusters, gaps):
    rows = rows_of(items, clusters, gaps=gaps)
    n = len(rows[0])
    whole = added([np.arange(n)], rows)
    assert sorted(whole) == [0, 1]
    assert all(totals.folded == (items > MOST) for totals in whole.values())
    shuffled = np.random.default_rng(0).permutation(n)
    for pieces in (
        np.array_split(np.arange(n), 7),  # runs that are cut
        np.array_split(np.arange(n), n // items),  # whole runs, one after another
        np.array_split(shuffled, 5),
        [np.flatnonzero(rows[0] == task) for task in (1, 0)],
    ):
        assert bytes_of(added(pieces, rows)) == bytes_of(whole)


def test_each_task_has_the_sums_of_its_own_rows():
    rows = rows_of(200)
    cells, answers, scores = rows
    for cell, totals in added([np.arange(len(cells))], rows).items():
        assert totals.models == MODELS
        for m in range(len(MODELS)):
            mine = (cells == cell) & (answers.models == m)
            place = np.searchsorted(totals.units, answers.units[mine])
            for name in ("wild", "two", "histogram"):
                values = scores[name][mine].reshape(200, -1)
                ours = totals.unit_sums(name)[m, place, : values.shape[1]]
                np.testing.assert_allclose(ours, values, rtol=1e-15, atol=1e-7)
            assert totals.rows[m, place].tolist() == [1] * 200
            assert totals.scores["wild"].low[m, 0] == scores["wild"][mine].min()
            assert totals.scores["right"].binary[m]
            assert not totals.scores["wild"].binary[m]


def test_huge_scores_of_one_model_leave_the_errors_of_the_others():
    cells, answers, scores = rows_of(200, tasks=1)
    wild = scores["wild"]
    huge = np.where(answers.models == 1, 1e200 * np.abs(wild), wild)
    at = [np.arange(len(cells))]
    (alone,) = added(at, (cells, answers, {"wild": wild})).values()
    (beside,) = added(at, (cells, answers, {"wild": huge})).values()
    usual, found = alone.plain_errors("wild"), beside.plain_errors("wild")
    assert np.isnan(found[1])
    assert found[[0, 2]].tolist() == usual[[0, 2]].tolist()
    assert usual[0] == pytest.approx(wild[answers.models == 0].std(ddof=1) / np.sqrt(200), rel=1e-12)
