"""The metric swap on choice tasks: references, skill, and what goes or gets worse."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.predictions.choice_chain import choice_chain
from unmirage.predictions.choice_swap import Swap, swap_words, worse_where_it_rises

SIZES = np.geomspace(1e8, 1e11, 7)


def family(logits, answer, ks, sizes=SIZES):
    """Logits (models, items, choices), of which item i has the first ks[i]."""
    frames = []
    for place, (size, one) in enumerate(zip(sizes, logits, strict=True)):
        frames.append(
            pl.DataFrame(
                {
                    "family": "f",
                    "model": f"m{place}",
                    "task": "t",
                    "item_id": [str(i) for i in range(len(answer))],
                    "n_params": float(size),
                    "choice_logprobs": [
                        (row[:k] - np.log(np.exp(row[:k]).sum())).tolist()
                        for row, k in zip(one, ks, strict=True)
                    ],
                    "answer": answer,
                }
            )
        )
    return pl.concat(frames)


def wobbling(n=300, rng=0, gain=0.25, late=None):
    """Models whose right choice gains a little at each scale, or only at the last one."""
    rng = np.random.default_rng(rng)
    ks = np.where(np.arange(n) % 3 == 0, 2, 4)
    answer = rng.integers(0, 2, n)
    logits = rng.normal(size=(len(SIZES), n, 4)) * 0.5 + rng.normal(size=(n, 4)) * 0.5
    for place in range(len(SIZES)):
        logits[place, np.arange(n), answer] += gain * place if late is None else late * (place == 6)
    return family(logits, answer, ks), ks


@pytest.fixture(scope="module")
def found():
    frame, ks = wobbling()
    return choice_chain(frame, replicates=400), ks


def curve(result, metric):
    return result.curves.filter(pl.col("metric") == metric).sort("axis_value")


@pytest.mark.parametrize(
    ("metric", "level"),
    [
        ("multiple_choice_grade", lambda k: 1 / k),
        ("brier_mean", lambda k: (k - 1) / k**2),
        ("choice_prob", lambda k: 1 / k),
        ("choice_logprob", lambda k: -np.log(k)),
    ],
)
def test_references_are_averaged_over_items(found, metric, level):
    result, ks = found
    expected = np.mean([level(k) for k in ks.astype(float)])
    assert curve(result, metric)["reference"].to_list() == pytest.approx([expected] * 7)


def test_the_vocabulary_has_no_reference(found):
    for metric in ("vocab_logprob", "vocab_prob"):
        assert curve(found[0], metric)["reference"].null_count() == 7


def test_curves_are_the_audits(found):
    frame, _ = wobbling()
    theirs = unmirage.audit(frame, replicates=400).curves
    mine = found[0].curves.filter(~pl.col("metric").str.ends_with("skill"))
    both = mine.join(theirs, on=["metric", "model"], suffix="_audit")
    assert both.height == mine.height == 6 * 7
    for name in ("mean", "low", "high", "n"):
        assert both[name].to_list() == both[f"{name}_audit"].to_list()


@pytest.mark.parametrize(
    ("brier", "level"),
    [
        ("brier_mean", lambda k: (k - 1) / k**2),
        ("brier_sum", lambda k: (k - 1) / k),
        ("brier_one_sided", lambda k: ((k - 1) / k) ** 2),
    ],
)
def test_skill_is_one_less_the_ratio(brier, level):
    frame, ks = wobbling(n=150)
    result = choice_chain(frame, brier=brier, replicates=400)
    uniform = np.mean([level(k) for k in ks.astype(float)])
    skill = curve(result, f"{brier} skill")
    expected = 1 - curve(result, brier)["mean"].to_numpy() / uniform
    np.testing.assert_allclose(skill["mean"], expected)
    assert (skill["low"] < skill["mean"]).all()
    assert (skill["mean"] < skill["high"]).all()
    # With K alike the ratio is a scaled mean: the interval is that of the mean.
    alike, _ = wobbling(n=150)
    alike = alike.filter(pl.col("choice_logprobs").list.len() == 4)
    one = choice_chain(alike, brier=brier, replicates=400)
    ends = curve(one, f"{brier} skill")
    n = alike["item_id"].n_unique()
    scored = unmirage.score(alike, [brier]).group_by("model").agg(pl.col("score").std()).sort("model")
    half = 1.96 * scored["score"].to_numpy() / np.sqrt(n) / level(4.0)
    np.testing.assert_allclose((ends["high"] - ends["low"]).to_numpy(), 2 * half, rtol=0.2)


def test_a_uniform_forecast_has_no_skill_and_no_false_interval():
    n = 60
    logits = np.zeros((7, n, 4))
    result = choice_chain(family(logits, np.arange(n) % 2, np.full(n, 4)), replicates=100)
    skill = curve(result, "brier_mean skill")
    np.testing.assert_allclose(skill["mean"], 0, atol=1e-12)
    assert skill["low"].null_count() == 7
    assert skill["method"].to_list() == ["none"] * 7
    told = result.says.filter(pl.col("about") == "skill")["says"][0]
    assert "nowhere above 0" in told


def test_emergence_scores_are_those_of_the_means(found):
    from unmirage.verdict.sharpness import emergence_score

    result, _ = found
    for metric, sign in (("multiple_choice_grade", 1), ("brier_mean", -1), ("vocab_logprob", 1)):
        row = result.swaps.filter(pl.col("metric") == metric)
        means = sign * curve(result, metric)["mean"].to_numpy()
        assert row["emergence_score"][0] == pytest.approx(emergence_score(means))


def test_a_jump_of_all_metrics_stays():
    frame, _ = wobbling(late=3.0)
    result = choice_chain(frame, replicates=200)
    sharp = dict(result.swaps.select("metric", "sharp").iter_rows())
    assert sharp["multiple_choice_grade"]
    assert sharp["brier_mean"]
    told = result.says.filter(pl.col("about") == "swap")["says"][0]
    assert "it stays" in told
    row = result.swaps.filter(pl.col("metric") == "brier_mean").row(0, named=True)
    assert (row["jump_from"], row["jump_to"]) == (SIZES[5], SIZES[6])
    assert row["low"] < row["change"] < row["high"]


def test_a_simulated_artifact_goes():
    frame = unmirage.simulate("choice-artifact", n_items=600, scales=np.geomspace(1e7, 1e10, 12))
    result = choice_chain(frame, replicates=200)
    sharp = dict(result.swaps.select("metric", "sharp").iter_rows())
    assert sharp["multiple_choice_grade"]
    assert not sharp["choice_logprob"]
    assert "the sharpness disappears" in result.says.filter(pl.col("about") == "swap")["says"][0]


def test_a_grade_that_rises_while_brier_gets_worse_is_said():
    rng = np.random.default_rng(4)
    n = 400
    answer = np.zeros(n, dtype=int)
    logits = np.zeros((7, n, 2))
    for place in range(7):
        # The last model is right more often, and very sure of itself when it is wrong.
        right = rng.random(n) < (0.5 if place < 6 else 0.62)
        sure = 0.4 if place < 6 else 6.0
        logits[place, :, 0] = np.where(right, sure, -sure)
    result = choice_chain(family(logits, answer, np.full(n, 2)), replicates=400)
    told = result.says.filter(pl.col("about") == "worse")["says"]
    assert told.len() == 1
    assert "brier_mean by" in told[0]
    row = result.swaps.filter(pl.col("metric") == "brier_mean").row(0, named=True)
    assert row["high"] < 0
    skill = curve(result, "brier_mean skill").row(6, named=True)
    assert skill["high"] < 0


def test_words_where_nothing_can_be_judged():
    none = Swap("multiple_choice_grade", None, None, None, np.nan, np.nan, np.nan)
    assert "4 scales sharpness cannot be judged" in swap_words(none, [], 4)
    flat = Swap("multiple_choice_grade", None, False, None, np.nan, np.nan, np.nan)
    assert "none can disappear" in swap_words(flat, [none], 7)
    assert not worse_where_it_rises(none, flat)


def test_the_same_seed_gives_the_same(found):
    frame, _ = wobbling()
    again = choice_chain(frame, replicates=400)
    assert again.curves.equals(found[0].curves)
    other = choice_chain(frame, replicates=400, seed=5)
    assert not other.curves.equals(found[0].curves)
