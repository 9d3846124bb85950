"""Made curves against brute force and closed forms, and how sharp they look."""

import numpy as np
import polars as pl
import pytest

from unmirage import metric
from unmirage.mirages.search import (
    cuts_of,
    easiest,
    scored,
    search_groups,
    search_thresholds,
    shares,
    sharpest,
)
from unmirage.statistics import subset_accuracy
from unmirage.verdict.sharpness import sharpness

ERROR = metric("reconstruction_error")


def frame(values, models, epochs=1):
    """Scores (models, items) as rows."""
    return pl.DataFrame(
        [
            {"model": model, "item_id": str(i), "epoch": e, "score": float(value)}
            for model, row in zip(models, values, strict=True)
            for i, value in enumerate(row)
            for e in range(epochs)
        ]
    )


def power_family(exponent, scales=241, items=2000):
    """Errors of which the share below c is (c · t-th size)^exponent, exactly but for the items' steps."""
    sizes = np.geomspace(1e3, 1e6, scales)
    quantiles = (np.arange(items) + 0.5) / items
    values = quantiles[None, :] ** (1 / exponent) / sizes[:, None]
    models = [f"m{i:03}" for i in range(scales)]
    return scored(ERROR, frame(values, models), dict(zip(models, sizes, strict=True)), falling=False), sizes


def test_shares_are_those_of_the_threshold_metric_with_epochs_and_ties():
    rng = np.random.default_rng(0)
    rows = frame(rng.integers(0, 6, (3, 40)), ["a", "b", "c"], epochs=2)
    rows = rows.with_columns(score=pl.Series(rng.integers(0, 6, rows.height).astype(float)))
    rows = rows.filter((pl.col("epoch") == 0) | (pl.col("item_id").cast(pl.Int64) % 3 > 0))
    found = scored(ERROR, rows, {"a": 1.0, "b": 2.0, "c": 3.0}, falling=False)
    cuts = np.array([0.0, 1.0, 2.5, 5.0, 9.0])
    for at, cut in enumerate(cuts):
        items = rows.group_by("model", "item_id").agg((pl.col("score") < cut).mean())
        brute = items.group_by("model").agg(pl.col("score").mean()).sort("model")["score"].to_numpy()
        np.testing.assert_allclose(shares(found, cuts)[at], brute, atol=1e-12)
    higher = scored(metric("choice_prob"), rows, {"a": 1.0, "b": 2.0, "c": 3.0}, falling=False)
    brute = rows.filter(pl.col("model") == "a").group_by("item_id").agg((pl.col("score") > 2).mean())
    assert shares(higher, np.array([2.0]))[0, 0] == pytest.approx(brute["score"].mean())


@pytest.mark.parametrize("exponent", [1, 4])
def test_the_sharpness_of_a_threshold_is_that_of_the_closed_form(exponent):
    found, sizes = power_family(exponent)
    cut = np.array([1 / sizes[-1]])
    value = shares(found, cut)[0]
    np.testing.assert_allclose(value, (sizes / sizes[-1]) ** exponent, atol=1e-3)
    rows, values = search_thresholds(found, 0.3, training=False)
    np.testing.assert_allclose(values, shares(found, np.array([row["cut"] for row in rows])))
    # p = exp(b (t - 1)) on the log range t in [0, 1]: where it has made a share q of its rise.
    b = exponent * np.log(sizes[-1] / sizes[0])
    t10, t90 = (1 + np.log(np.exp(-b) + q * (1 - np.exp(-b))) / b for q in (0.1, 0.9))
    least = min(rows, key=lambda row: abs(np.log(row["cut"] * sizes[-1])))
    assert least["cut"] == pytest.approx(1 / sizes[-1], rel=0.05)
    assert least["width"] == pytest.approx(t90 - t10, rel=0.06)
    assert least["sharpness"] == pytest.approx(t10 / (t90 - t10), rel=0.08)
    assert least["decades"] == pytest.approx(3 * least["width"])


def test_groups_have_the_exact_expectation_and_grow_sharper():
    found, sizes = power_family(0.5, scales=13, items=1200)
    cut = 1 / sizes[-1]
    share = shares(found, np.array([cut]))[0]
    base = metric(f"threshold(reconstruction_error,{cut})")
    rows, values = search_groups(base, cut, share, found, 0.3, training=False)
    assert [row["k"] for row in rows] == list(range(1, 13))
    for k, value in enumerate(values, start=1):
        np.testing.assert_allclose(value, subset_accuracy(np.round(share * 1200), 1200, k), atol=1e-12)
        shape = sharpness(sizes, value)
        assert rows[k - 1]["width"] == pytest.approx(shape.width, rel=1e-6)
    assert np.all(np.diff([row["sharpness"] for row in rows]) > 0)
    assert rows[0]["metric"] == base.card.name
    assert rows[3]["metric"] == f"all_of({base.card.name},4)"
    for row, value in zip(rows, values, strict=True):
        assert row["zeros"] == int((value < 0.01 * value[-1]).sum())


def test_groups_end_where_nothing_is_left_to_see():
    found, _ = power_family(0.5, scales=6, items=1200)
    share = np.full(6, 0.2)
    rows, _ = search_groups(metric("exact_match"), None, share, found, 0.3, training=False)
    assert [row["k"] for row in rows] == [1, 2]  # .2³ is below a hundredth
    assert not any(row["drawable"] for row in rows)
    assert sharpest(rows) is None


def test_cuts_occur_and_keep_apart_what_differs():
    rng = np.random.default_rng(1)
    values = np.exp(rng.normal(0, 2, (4, 500)))
    found = scored(
        ERROR, frame(values, "abcd"), dict(zip("abcd", [1.0, 2.0, 3.0, 4.0], strict=True)), falling=False
    )
    cuts = cuts_of(found)
    assert 60 < cuts.size <= 76
    assert all(float(f"{cut:.4g}") == cut for cut in cuts)
    close = scored(ERROR, frame(1000 + values / 1e4, "abcd"), dict.fromkeys("abcd", 1.0), falling=False)
    assert cuts_of(close).size > 15
    counts = scored(ERROR, frame(rng.integers(0, 4, (2, 50)), "ab"), {"a": 1.0, "b": 2.0}, falling=False)
    assert cuts_of(counts).tolist() == [0, 1, 2, 3]


def test_on_an_axis_that_falls_the_smallest_model_comes_first():
    found = scored(ERROR, frame([[1.0], [2.0], [3.0]], "abc"), {"a": 1.0, "b": 4.0, "c": 4.0}, falling=True)
    assert found.models == ("b", "c", "a")
    np.testing.assert_allclose(found.scales, [0.25, 1])
    np.testing.assert_allclose(found.by_scale(found.means()), [2.5, 1])


def test_the_sharpest_can_be_drawn_and_the_easiest_rises_from_nothing_to_everything():
    def row(sharp, first, last, drawable=True):
        return {"sharpness": sharp, "first": first, "last": last, "drawable": drawable}

    rows = [row(9, 0, 0.1, False), row(3, 0, 0.4), row(3, 0, 0.5), row(None, 0, 0), row(0.2, 0.05, 0.95)]
    assert sharpest(rows) == 2
    assert easiest([*rows, row(0.01, 0.5, 1)]) == 4
    assert easiest(rows[:2]) == 1
    assert easiest([row(None, 0, 0)]) is None
