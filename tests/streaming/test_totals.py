"""Totals: the same bytes in any order and any split, and the sums of plain Python."""

import math
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem

from unmirage.statistics import clustered_stderr
from unmirage.streaming import totals as module
from unmirage.streaming.adding import Adder
from unmirage.streaming.grouping import Answers
from unmirage.streaming.hashing import hash_names
from unmirage.streaming.totals import Totals

MODELS = ("small", "middle", "large")


def hashed(prefix, codes):
    return hash_names(pl.Series([f"{prefix}{code}" for code in codes], dtype=pl.String))


def add(totals, models, codes, items, units, epochs, scores):
    """Add rows of one task to its totals."""
    adder = Adder(lambda _: totals, lambda _: models)
    adder.add(np.zeros(len(codes), dtype=int), Answers(codes, items, units, epochs), scores)


class Rows:
    """Rows of a task; `cut` gives some of them as arguments of `add`."""

    def __init__(self, seed, n, items=50, clusters=None, epochs=1):
        rng = np.random.default_rng(seed)
        self.codes = rng.integers(0, 3, n)
        self.item = rng.integers(0, items, n)
        self.unit = self.item if clusters is None else self.item % clusters
        self.epochs = rng.integers(0, epochs, n)
        wild = rng.normal(size=n) * 10.0 ** rng.integers(-15, 15, n)
        some = rng.random(n)
        self.scores = {
            "right": (some > 0.5).astype(float),
            "wild": wild,
            "prob": some,
            "parts": rng.normal(size=(n, 2)),
            "gaps": np.where(some < 0.02, np.nan, np.where(some > 0.98, -np.inf, wild)),
            "nothing": np.zeros(n),
            "histogram": np.where(np.arange(5) == rng.integers(0, 6, n)[:, None], wild[:, None], 0.0),
        }

    def cut(self, at):
        items = hashed("q", self.item[at])
        units = items if self.unit is self.item else hashed("c", self.unit[at])
        scores = {name: values[at] for name, values in self.scores.items()}
        return MODELS, self.codes[at], items, units, self.epochs[at], scores

    def totals(self, *pieces):
        """Totals of all rows, or of each of the pieces merged in turn."""
        whole = Totals()
        if not pieces:
            add(whole, *self.cut(np.arange(len(self.codes))))
        for at in pieces:
            part = Totals()
            add(part, *self.cut(at))
            whole.merge(part)
        return whole


def bytes_of(totals):
    totals.trim()
    scores = {
        name: (
            *(
                getattr(one, key).tobytes()
                for key in ("have", "infinite", "binary", "low", "high", "exponent")
            ),
            sorted((key, sums.tobytes()) for key, sums in one.parts.items()),
            sorted((level, sums.tobytes()) for level, sums in one.squares.items()),
        )
        for name, one in totals.scores.items()
    }
    rest = (totals.units, totals.rows, totals.epochs, totals.answers, totals.prints, totals.alone)
    return pickle.dumps((totals.models, totals.folded, [a.tobytes() for a in rest], sorted(scores.items())))


@pytest.fixture(params=[4096, 16], ids=["apart", "folded"])
def most(request, monkeypatch):
    monkeypatch.setattr(module, "MOST", request.param)
    monkeypatch.setattr(module, "_LAST", np.uint64(request.param - 1))
    return request.param


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 300), pieces=st.integers(1, 9), epochs=st.integers(1, 2))
def any_split(seed, n, pieces, epochs):
    rows = Rows(seed, n, epochs=epochs, clusters=None if seed % 2 else 30)
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, n + 1, pieces))
    split = [at for at in np.split(rng.permutation(n), cuts) if at.size]
    again = rows.totals(*split)
    assert bytes_of(again) == bytes_of(rows.totals())
    # Of the parts some may be merged first, and some added to what is there.
    tree = rows.totals(*split[::2])
    for at in split[1::2]:
        add(tree, *rows.cut(at))
    assert bytes_of(tree) == bytes_of(again)


def test_any_order_and_any_split_give_the_same_bytes(most):
    any_split()


def test_sums_of_units_are_those_of_fsum(most):
    rows = Rows(3, 2000, clusters=40)
    totals = rows.totals(*np.array_split(np.arange(2000), 7))
    names = hashed("c", rows.unit)
    where = names % np.uint64(most) if totals.folded else names
    assert totals.folded == (most < 40)
    for name in ("wild", "right", "parts", "histogram"):
        sums = totals.unit_sums(name)
        values = rows.scores[name].reshape(2000, -1)
        for m, model in enumerate(totals.models):
            mine = rows.codes == MODELS.index(model)
            largest = np.abs(values[mine]).max(axis=0)
            for u, unit in enumerate(totals.units):
                some = values[mine & (where == unit)]
                assert totals.rows[m, u] == len(some)
                for c in range(values.shape[1]):
                    exact = math.fsum(some[:, c])
                    assert sums[m, u, c] == pytest.approx(
                        exact, rel=1e-15, abs=len(some) * 2**-53 * largest[c]
                    )
            one, m = totals.scores[name], totals.models.index(model)
            assert one.low[m].tolist() == values[mine].min(axis=0).tolist()
            assert one.high[m].tolist() == values[mine].max(axis=0).tolist()
            exact = [math.fsum(column) for column in values[mine].T]
            assert totals.sums(name)[m] == pytest.approx(exact, rel=1e-14)


def test_errors_are_those_of_the_items(most):
    rows = Rows(5, 1, items=600)
    rows.codes, rows.item = np.zeros(600, dtype=int), np.arange(600)
    rows.unit, rows.epochs = rows.item, np.zeros(600, dtype=int)
    values = np.random.default_rng(0).normal(size=600)
    rows.scores = {"near": values + 3, "far": values + 1e4, "right": (values > 0).astype(float)}
    totals = rows.totals(*np.array_split(np.random.default_rng(1).permutation(600), 5))
    assert totals.folded == (most < 600)
    assert totals.alone.all()
    for name, scores in rows.scores.items():
        error = totals.plain_errors(name)[0]
        assert error == pytest.approx(sem(scores), rel=1e-9 if name == "far" else 1e-13)
        assert error == pytest.approx(clustered_stderr(scores[:, None])[0], rel=1e-9)


def test_rows_without_a_score_and_infinite_ones_are_counted_and_left_out():
    totals = Totals()
    items = hashed("q", range(4))
    scores = {"x": np.array([1.0, np.nan, -np.inf, 2.0**1000]), "y": np.ones((4, 2))}
    add(totals, ("m",), np.zeros(4, dtype=int), items, items, np.zeros(4, dtype=int), scores)
    add(totals, ("m",), np.zeros(4, dtype=int), items, items, np.ones(4, dtype=int), {"y": np.ones((4, 3))})
    one = totals.scores["x"]
    assert (one.have[0], one.infinite[0], one.low[0, 0], one.high[0, 0]) == (3, 2, 1, 1)
    assert totals.sums("x").tolist() == [[1.0]]
    assert totals.sums("y").tolist() == [[8.0, 8.0, 4.0]]
    assert (totals.scores["y"].have[0], totals.rows.sum()) == (8, 8)
    assert totals.answers.tolist() == [[4, 4]]


def test_fingerprints_tell_whether_the_items_are_the_same():
    def asked(items, model, epoch=0):
        n, totals = len(items), Totals()
        names = hashed("q", items)
        add(totals, (model,), np.zeros(n, dtype=int), names, names, np.full(n, epoch), {"x": np.ones(n)})
        return totals

    totals = asked([1, 2, 3], "a")
    for other in (asked([3, 1, 2], "b"), asked([1, 2, 4], "c"), asked([2, 3, 1], "a", epoch=1)):
        totals.merge(other)
    prints = {
        (model, epoch): totals.prints[m, e]
        for m, model in enumerate(totals.models)
        for e, epoch in enumerate(totals.epochs.tolist())
    }
    assert prints["a", 0] == prints["b", 0] == prints["a", 1] != prints["c", 0]
    assert totals.answers.tolist() == [[3, 3], [3, 0], [3, 0]]


def test_more_units_than_are_kept_apart_are_folded_at_any_time():
    names = hashed("q", range(module.MOST + 200))
    n = len(names)
    values = np.random.default_rng(0).random(n)

    def part(at):
        totals = Totals()
        zeros = np.zeros(len(at), dtype=int)
        add(totals, ("m",), zeros, names[at], names[at], zeros, {"x": values[at]})
        return totals

    whole = part(np.arange(n))
    first, second = part(np.arange(module.MOST)), part(np.arange(module.MOST, n))
    assert (first.folded, second.folded, whole.folded) == (False, False, True)
    early = first.fold()
    early.merge(second)
    first.merge(second)
    assert bytes_of(first) == bytes_of(early) == bytes_of(whole)
    buckets = np.bincount((names % np.uint64(module.MOST)).astype(int), values, module.MOST)
    assert whole.unit_sums("x")[0, :, 0] == pytest.approx(buckets, rel=1e-14)
    assert len(pickle.dumps(whole)) < 200_000
