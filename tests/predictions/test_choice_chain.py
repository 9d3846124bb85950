"""The chain from log-probability to accuracy: correlations item by item, what is lost, and the masses."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage
from unmirage.cells import Cell, Layer
from unmirage.errors import SettingsError
from unmirage.predictions.choice_chain import CURVES, LINKS, LOSSES, MASSES, SAYS, SWAPS, chains, choice_chain
from unmirage.predictions.choice_links import CORRELATIONS, linked, links_of
from unmirage.predictions.choice_tasks import choice_tasks, scale_places

CHAIN = links_of("brier_mean")
SIZES = (1e8, 3e8, 1e9, 4e9, 2e10)


def choice_frame(sizes=SIZES, n=120, rng=0, axis="n_params", task="quiz", seeds=1, spread=1.0, clusters=None):
    """Items with three or four choices: the right text grows likelier with scale, the wrong ones wander."""
    rng = np.random.default_rng(rng)
    ks = rng.integers(3, 5, n)
    answer = rng.integers(0, 3, n)
    hard = rng.normal(size=n) if clusters is None else rng.normal(size=clusters)[np.arange(n) % clusters]
    frames = []
    for place, size in enumerate(sizes):
        for seed in range(seeds):
            rows = -8 + 0.5 * place + rng.normal(size=(n, 4)) * spread
            rows[np.arange(n), answer] += 0.3 * place * (1 + hard)
            rows = np.minimum(rows, -0.01)
            frames.append(
                pl.DataFrame(
                    {
                        "family": "quizzers",
                        "model": f"m{place}-seed{seed}",
                        "task": task,
                        "item_id": [str(i) for i in range(n)],
                        axis: float(size),
                        "choice_logprobs": [r[:k].tolist() for r, k in zip(rows, ks, strict=True)],
                        "answer": answer,
                        **({} if clusters is None else {"cluster": [str(i % clusters) for i in range(n)]}),
                    }
                )
            )
    return pl.concat(frames)


@pytest.fixture(scope="module")
def frame():
    return choice_frame()


@pytest.fixture(scope="module")
def made(frame):
    return unmirage.audit(frame, replicates=400)


@pytest.fixture(scope="module")
def found(made):
    return choice_chain(made)


def by_hand(frame):
    """Link -> (items, models), and the logs of the masses, straight from the definitions."""
    out = {name: [] for name in (*CHAIN, "right", "wrong", "total")}
    for _, rows in frame.sort("n_params", "item_id").group_by("n_params", maintain_order=True):
        parts = {name: [] for name in out}
        for logs, answer in rows.select("choice_logprobs", "answer").iter_rows():
            p = np.exp(np.array(logs))
            q = p / p.sum()
            truth = np.arange(p.size) == answer
            parts["vocab_logprob"].append(logs[answer])
            parts["vocab_prob"].append(p[answer])
            parts["choice_prob"].append(q[answer])
            parts["brier_mean"].append(-np.mean((q - truth) ** 2))
            parts["multiple_choice_grade"].append(float(p.argmax() == answer))
            parts["right"].append(logs[answer])
            parts["wrong"].append(np.log(p[~truth].sum()))
            parts["total"].append(np.log(p.sum()))
        for name, values in parts.items():
            out[name].append(values)
    return {name: np.array(values).T for name, values in out.items()}


def test_frames_keep_their_columns(found):
    schemas = {"curves": CURVES, "swaps": SWAPS, "links": LINKS, "losses": LOSSES, "masses": MASSES}
    for name, schema in (schemas | {"says": SAYS}).items():
        assert dict(getattr(found, name).schema) == schema
        assert getattr(found, name).height > 0


def test_correlations_are_scipys_item_by_item(frame, found):
    scores = by_hand(frame)
    x = np.log(SIZES)
    functions = (stats.pearsonr, stats.spearmanr, stats.kendalltau)
    for link in CHAIN:
        varied = scores[link][np.ptp(scores[link], axis=1) > 0]
        for kind, function in zip(CORRELATIONS, functions, strict=True):
            row = found.links.row(
                by_predicate=(pl.col("link") == link) & (pl.col("correlation") == kind), named=True
            )
            theirs = np.array([function(x, y)[0] for y in varied])
            assert row["items"] == len(varied)
            assert row["constant"] == len(scores[link]) - len(varied)
            assert row["mean"] == pytest.approx(theirs.mean(), abs=1e-9)
            assert row["median"] == pytest.approx(np.median(theirs), abs=1e-9)
            half = 1.96 * theirs.std(ddof=1) / np.sqrt(theirs.size)
            assert row["high"] - row["low"] == pytest.approx(2 * half, rel=0.25)
            assert row["median_low"] <= row["median"] <= row["median_high"]


def test_the_three_summaries_are_one_number(made, frame):
    """The area under the complementary CDF is 1 + mean, minus the distance to perfection mean - 1."""
    (task,) = choice_tasks(made, "brier_mean")
    rows, _ = linked(task.cell, CHAIN, made.settings)
    links = choice_chain(made).links
    grid = np.linspace(-1, 1, 200_001)
    for one in rows[:6]:
        values = np.sort(one.values[np.isfinite(one.values)])
        above = 1 - np.searchsorted(values, grid, side="right") / values.size
        row = links.row(
            by_predicate=(pl.col("link") == one.link)
            & (pl.col("against") == one.against)
            & (pl.col("correlation") == one.correlation),
            named=True,
        )
        assert row["auc"] == pytest.approx(np.trapezoid(above, grid), abs=1e-4)
        theirs = -stats.wasserstein_distance(values, np.ones(values.size))
        assert row["distance"] == pytest.approx(theirs, abs=1e-9)


def test_losses_are_paired_on_the_items_that_have_both(frame, found):
    scores, x = by_hand(frame), np.log(SIZES)
    each = {
        link: np.array([stats.kendalltau(x, y)[0] if np.ptp(y) else np.nan for y in scores[link]])
        for link in CHAIN
    }
    mine = found.losses.filter(pl.col("correlation") == "kendall")
    assert mine.select("from", "to").rows() == list(pairwise(CHAIN))
    for row in mine.iter_rows(named=True):
        both = each[row["to"]] - each[row["from"]]
        assert row["items"] == np.isfinite(both).sum()
        assert row["change"] == pytest.approx(np.nanmean(both), abs=1e-9)
        if row["low"] is not None:
            assert row["low"] <= row["change"] <= row["high"]
            assert row["named"] == (row["low"] > 0 or row["high"] < 0)
    assert mine["largest"].sum() <= 1
    # A monotone step changes no rank, and a width of 0 would be false.
    first = mine.row(0, named=True)
    assert (first["change"], first["low"], first["named"]) == (0, None, False)


def test_where_the_mass_on_wrong_choices_moves_along_it_is_lost_there(found):
    largest = found.losses.filter("largest")
    assert set(largest["from"]) == {"vocab_prob"}
    assert set(largest["to"]) == {"choice_prob"}
    chain = found.says.filter(pl.col("about") == "chain")["says"][0]
    assert "most is lost from vocab_prob to choice_prob (pearson" in chain
    assert "left out" in chain


def test_masses_are_those_of_the_definition(frame, found):
    scores = by_hand(frame)
    for mass in ("right", "wrong", "total"):
        rows = found.masses.filter(pl.col("mass") == mass).sort("axis_value")
        np.testing.assert_allclose(rows["mean"], scores[mass].mean(axis=0), rtol=1e-9)
        assert (rows["low"] < rows["mean"]).all()
    with_right = found.links.filter(
        pl.col("link") == "wrong mass", pl.col("against") == "right mass", pl.col("correlation") == "pearson"
    )
    pairs = zip(scores["wrong"], scores["right"], strict=True)
    theirs = np.mean([stats.pearsonr(a, b)[0] for a, b in pairs])
    assert with_right["mean"][0] == pytest.approx(theirs, abs=1e-9)


def test_a_falling_axis_turns_the_scale(frame, found):
    # The loss falls as the power of size that keeps distances on the log axis.
    falling = frame.with_columns(loss=1e3 * pl.col("n_params") ** -0.25)
    turned = choice_chain(falling, axis="loss", replicates=400)
    np.testing.assert_allclose(turned.links["mean"], found.links["mean"], atol=1e-9)
    places = scale_places(
        choice_tasks(unmirage.audit(falling, axis="loss", replicates=100), "brier_mean")[0].cell
    )
    assert np.all(np.diff(places[0]) < 0)


def test_models_of_one_scale_tie_in_it():
    frame = choice_frame(sizes=SIZES[:3], seeds=2, n=30)
    found = choice_chain(frame, replicates=100)
    (task,) = choice_tasks(unmirage.audit(frame, replicates=100), "brier_mean")
    x = np.log(task.cell.axis_values)
    theirs = [stats.kendalltau(x, y)[0] for y in task.cell.layers["vocab_logprob"].scores]
    row = found.links.filter(pl.col("link") == "vocab_logprob", pl.col("correlation") == "kendall")
    assert row["mean"][0] == pytest.approx(np.mean(theirs), abs=1e-9)


def test_clusters_widen_the_intervals():
    wide = choice_chain(choice_frame(n=200, clusters=8, spread=0.3), replicates=400)
    plain = choice_chain(choice_frame(n=200, clusters=8, spread=0.3).drop("cluster"), replicates=400)
    both = [
        one.links.filter(pl.col("link") == "choice_prob", pl.col("correlation") == "pearson")
        .select(mean="mean", width=pl.col("high") - pl.col("low"))
        .row(0)
        for one in (wide, plain)
    ]
    assert both[0][0] == both[1][0]
    assert both[0][1] > 1.5 * both[1][1]


def test_probability_zero_is_infinite_and_counted(frame):
    first = (pl.col("model") == "m0-seed0") & pl.col("item_id").is_in(["0", "1"]) & (pl.col("answer") >= 0)
    logs = [
        [-np.inf if j == a and hit else v for j, v in enumerate(row)]
        for row, a, hit in frame.select("choice_logprobs", "answer", first).iter_rows()
    ]
    found = choice_chain(frame.with_columns(choice_logprobs=pl.Series(logs)), replicates=100)
    rows = found.links.filter(pl.col("link") == "vocab_logprob", pl.col("against") == "scale")
    counted = dict(rows.select("correlation", "infinite").iter_rows())
    assert counted == {"pearson": 2, "spearman": 0, "kendall": 0}
    swap = found.swaps.filter(pl.col("metric") == "vocab_logprob")
    assert swap["emergence_score"][0] is None
    masses = found.masses.filter(pl.col("mass") == "right", pl.col("model") == "m0-seed0")
    assert masses["mean"][0] is None


def test_two_scales_have_no_chain_and_say_so():
    found = choice_chain(choice_frame(sizes=SIZES[:2], n=20), replicates=100)
    assert found.links.is_empty()
    assert found.losses.is_empty()
    assert found.curves.height > 0
    left = found.says.filter(pl.col("about") == "left out")["says"][0]
    assert "2 scales" in left
    few = choice_chain(choice_frame(sizes=SIZES[:3], n=20), replicates=100)
    assert "coarse" in few.says["about"].to_list()


def test_an_audit_serves_and_is_not_asked_twice(frame, made, found):
    again = choice_chain(frame, replicates=400)
    for name in ("curves", "swaps", "links", "losses", "masses", "says"):
        assert getattr(again, name).equals(getattr(found, name))
    with pytest.raises(SettingsError, match="seed"):
        choice_chain(made, seed=3)


def test_metrics_that_the_audit_lacks_are_scored(frame, found):
    few = unmirage.audit(frame, metrics=["multiple_choice_grade"], replicates=400)
    again = choice_chain(few)
    assert again.links.equals(found.links)
    for name in ("mean", "low", "high", "reference"):
        mine, theirs = (one.curves[name].cast(pl.Float64).to_numpy() for one in (again, found))
        np.testing.assert_allclose(mine, theirs, rtol=1e-9)


def test_other_kinds_are_refused_or_left_out():
    made = unmirage.audit(unmirage.simulate("late", n_items=30), replicates=100)
    with pytest.raises(SettingsError, match="no tasks of kind choice"):
        choice_chain(made)
    assert chains(made).says.is_empty()
    with pytest.raises(SettingsError, match="no Brier score"):
        choice_chain(made, brier="brier")


def test_where_scale_changes_nothing_nothing_is_said_to_be_lost():
    """The intervals of the steps hold together: at most 5% of chains name one (of 100, with 3 errors)."""
    settings = unmirage.Settings(replicates=100)
    x = np.geomspace(1e8, 1e10, 6)
    wrong = 0
    for run in range(100):
        rng = np.random.default_rng(run)
        logs = -3 + rng.normal(size=(80, 6, 3))
        p = np.exp(logs)
        share = p / p.sum(axis=2, keepdims=True)
        truth = np.arange(3) == 0
        scores = (
            logs[..., 0],
            p[..., 0],
            share[..., 0],
            ((share - truth) ** 2).mean(axis=2),
            p.argmax(axis=2) == 0,
        )
        layers = {
            name: Layer(
                unmirage.metric(name), np.asarray(one, dtype=float)[..., None], np.ones(6, dtype=bool), None
            )
            for name, one in zip(CHAIN, scores, strict=True)
        }
        items, models = tuple(map(str, range(80))), tuple("abcdef")
        cell = Cell("f", "t", "choice", models, x, items, np.arange(80), clustered=False, layers=layers)
        _, losses = linked(cell, CHAIN, settings)
        wrong += any(one.named for one in losses if one.correlation == "pearson")
    assert wrong <= 11


def test_real_items(shared_data):
    """GPT-2 on boolq: log p goes with scale, accuracy does not, and it is lost among the choices."""
    made = unmirage.audit(shared_data / "gpt_per_example_losses.parquet", tasks=["boolq"], replicates=200)
    found = choice_chain(made)
    largest = found.losses.filter(pl.col("largest"), pl.col("family") == "gpt2")
    assert set(largest["from"]) == {"vocab_prob"}
    means = dict(
        found.links.filter(
            pl.col("correlation") == "pearson", pl.col("against") == "scale", pl.col("family") == "gpt2"
        )
        .select("link", "mean")
        .iter_rows()
    )
    assert means["vocab_logprob"] > 0.4
    assert abs(means["multiple_choice_grade"]) < 0.15
