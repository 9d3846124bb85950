"""Simulated families: the schema, the definitions in the docstring, and what each truth looks like."""

import hashlib
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import unmirage
from unmirage import tables
from unmirage.errors import SettingsError
from unmirage.theory import simulate as simulator
from unmirage.theory.simulate import simulate
from unmirage.theory.truths import Shape, Truth, recipes, truth
from unmirage.verdict.sharpness import sharpness
from unmirage.verdict.thresholds import Thresholds

SIZES = np.geomspace(1e7, 1e10, 8)


def losses(frame):
    """(models, items, tokens) nats, of a table with one epoch."""
    values = -np.array(frame["target_logprobs"].to_list())
    return values.reshape(frame["model"].n_unique(), -1, values.shape[1])


def scores(frame, metric):
    """(models, items)."""
    found = unmirage.score(frame, [metric])
    return found["score"].to_numpy().reshape(frame["model"].n_unique(), -1)


def headline(frame):
    """Mean exact match or accuracy, a model."""
    name = "exact_match" if frame["kind"][0] == "generation" else "multiple_choice_grade"
    return scores(frame, name).mean(axis=1)


@pytest.mark.parametrize("name", recipes())
def test_every_truth_keeps_the_rules_of_the_table(name):
    frame = simulate(name, n_items=12, seed=3)
    checked, notes = tables.check_responses(frame, where="simulated")
    assert checked.equals(frame)
    assert notes == []
    assert frame.columns == list(tables.RESPONSES)
    assert frame.height == 8 * 12
    assert frame["task"].unique().to_list() == [name]


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["power-law", "step", "format-failure", "choice-artifact", "choice-trap"]),
    st.integers(2, 12),
    st.integers(1, 30),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 9),
    st.floats(0, 0.49),
    st.booleans(),
    st.sampled_from(["normal", "t3"]),
)
def test_any_options_give_a_table(name, n_scales, n, seeds, epochs, length, jitter, grouped, tails):
    clusters = max(1, n // 3) if grouped else None
    scales = np.geomspace(1e6, 2e6, n_scales)  # close enough for size labels to collide
    frame = simulate(
        name,
        scales=scales,
        n_items=n,
        length=length,
        choices=length + 1,
        seeds_per_scale=seeds,
        epochs=epochs,
        clusters=clusters,
        jitter=jitter,
        tails=tails,
    )
    assert tables.check_responses(frame, where="simulated")[0].equals(frame)
    assert frame["model"].n_unique() == n_scales * seeds
    assert frame["n_params"].n_unique() == n_scales
    assert frame["item_id"].n_unique() == n
    assert frame["cluster"].drop_nulls().n_unique() == (clusters or 0)
    assert frame.height == n_scales * seeds * n * epochs
    if frame["kind"][0] == "generation":
        assert (frame["target_tokens"].list.join("") == frame["target"]).all()
        assert (frame["output_tokens"].list.join("") == frame["output"]).all()
        assert (frame["target"].str.len_chars() == length).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    def digest(seed, name):
        path = tmp_path / "t.parquet"
        simulate(name, n_items=20, seed=seed, jitter=0.3, clusters=4).write_parquet(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    for name in ("step", "choice-step"):
        assert digest(1, name) == digest(1, name)
        assert digest(1, name) != digest(2, name)


def test_without_scatter_the_mean_loss_is_the_power_law():
    found = losses(simulate("power-law", n_items=20_000, scatter=0.0, length=2))
    expected = 3.0 * (0.2 / 3.0) ** np.linspace(0, 1, 8)
    mean = found.mean(axis=(1, 2))
    error = found.mean(axis=2).std(axis=1) / math.sqrt(20_000)
    assert (np.abs(mean - expected) < 4 * error).all()
    # Items and tokens are common to all models, so the ratio of two models is sharper than either.
    assert mean[:-1] / mean[1:] == pytest.approx(expected[:-1] / expected[1:], rel=0.01)


def test_difficulties_have_the_spread_that_is_said():
    log = np.log(losses(simulate("power-law", n_items=4000, scatter=0.0, length=4)))
    log -= log.mean(axis=(1, 2), keepdims=True)
    common = log.mean(axis=0)
    # Variance of the parts: items between tokens' means, tokens within items, and what models do not share.
    within = common.var(axis=1, ddof=1).mean()
    between = common.mean(axis=1).var() - within / 4
    assert within == pytest.approx(0.6**2 + 0.2**2 / 8, rel=0.05)
    assert between == pytest.approx(0.5**2 + 0.15**2 / 8, rel=0.08)
    own = log - common
    assert own.var() * 8 / 7 == pytest.approx(0.15**2 + 0.2**2, rel=0.05)


@pytest.mark.parametrize("tails", ["normal", "t3"])
def test_the_scatter_has_its_size_and_tails(tails):
    scales = np.geomspace(1e7, 1e10, 3000)
    shape = Shape(lambda t: np.zeros_like(t), item_spread=0.0)
    flat = Truth("flat", "smooth", "generation", shape)
    away = np.log(
        losses(simulate(flat, scales=scales, n_items=40, scatter=0.5, tails=tails)).mean(axis=(1, 2))
    )
    quartile = stats.norm.ppf(0.75) if tails == "normal" else stats.t.ppf(0.75, 3) / math.sqrt(3)
    spread = np.quantile(away, 0.75) - np.quantile(away, 0.25)
    assert spread == pytest.approx(0.5 * 2 * quartile, rel=0.07)
    far = np.mean(np.abs(away - np.median(away)) > 1.5)
    assert (far > 0.008) == (tails == "t3")  # 3 sd: .27% of a normal, 1.4% of t with 3 degrees of freedom


def test_seeds_share_the_curve_and_scatter_on_their_own():
    frame = simulate("step", n_items=300, seeds_per_scale=60, scatter=0.1, scales=[1e7, 1e8, 1e9])
    mean = np.log(losses(frame).mean(axis=(1, 2))).reshape(3, 60)
    expected = truth("step", [1e7, 1e8, 1e9]).shape.curve(np.array([7.0, 8.0, 9.0]))
    assert mean.std(axis=1, ddof=1) == pytest.approx([0.1] * 3, rel=0.3)
    assert np.diff(mean.mean(axis=1)) == pytest.approx(np.diff(expected), abs=0.06)
    assert frame["model"].unique().str.contains("seed").all()


@pytest.mark.parametrize(("name", "size"), [("step", 0.3), ("step", 0.8), ("step-on-curve", 0.5)])
def test_a_step_is_in_the_losses(name, size):
    def mean(value):
        frame = simulate(name, parameters={"size": value, "at": 0.5}, n_items=100, scatter=0.0)
        return losses(frame).mean(axis=(1, 2))

    ratio = mean(size) / mean(1e-9)
    assert ratio[:3] == pytest.approx(1.0, abs=0.01)
    assert ratio[5:] == pytest.approx(1 - size, rel=0.01)


@pytest.mark.parametrize("name", [n for n, r in recipes().items() if r.label == "artifact"])
def test_artifacts_have_a_sharp_headline_and_a_gradual_companion(name):
    limits = Thresholds()
    sharp = []
    for seed in range(12):
        frame = simulate(name, n_items=500, seed=seed)
        found = sharpness(SIZES, headline(frame))
        late = found.width <= limits.sharp_width or found.t10 > limits.late_start
        sharp.append(late and found.t10 >= 1 / 7)
        companion = (
            -np.log(losses(frame).mean(axis=(1, 2)))
            if recipes()[name].kind == "generation"
            else scores(frame, "margin").mean(axis=1)
        )
        assert sharpness(SIZES, companion).width > 0.65
    assert np.mean(sharp) >= 0.9


@pytest.mark.parametrize("name", [n for n, r in recipes().items() if r.label == "smooth"])
def test_smooth_truths_have_a_gradual_headline(name):
    found = [sharpness(SIZES, headline(simulate(name, seed=seed))) for seed in range(4)]
    assert np.mean([one.width for one in found]) > 0.45
    assert np.mean([one.t10 for one in found]) < 0.35


def test_greedy_tokens_are_right_as_often_as_the_beta_law_says():
    flat = Truth(
        "flat", "smooth", "generation", Shape(lambda t: np.full_like(t, np.log(0.8)), item_spread=0.0)
    )
    frame = simulate(flat, scales=[1, 2], n_items=20_000, length=1, scatter=0.0)
    expected = stats.beta(2, 2).cdf(1 / np.expm1(losses(frame)[:, :, 0])).mean(axis=1)
    assert headline(frame) == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(20_000))


def test_greedy_answers_grow_with_the_model_and_samples_follow_p():
    frame = simulate("power-law", n_items=400, length=1, scatter=0.0, epochs=1)
    right = scores(frame, "exact_match")
    assert (np.diff(right.mean(axis=1)) > 0).all()
    sampled = simulate("power-law", n_items=400, length=1, scatter=0.0, epochs=50)
    by_item = sampled.with_columns(
        right=pl.col("target") == pl.col("output"), p=pl.col("target_logprobs").list.first().exp()
    ).group_by("model", maintain_order=True)
    rates = by_item.agg(pl.col("right").mean(), pl.col("p").mean())
    assert rates["right"].to_numpy() == pytest.approx(rates["p"].to_numpy(), abs=4 * 0.5 / math.sqrt(20_000))


def test_wrong_tokens_are_any_other_digit():
    frame = simulate("power-law", n_items=3000, length=1, scales=[1e7, 1e8])
    off = (frame["output"].cast(pl.Int64) - frame["target"].cast(pl.Int64)).to_numpy() % 10
    counts = np.bincount(off, minlength=10)[1:]
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_format_failure_is_in_the_outputs_and_not_in_the_probabilities():
    frame = simulate("format-failure", parameters={"at": 0.5}, scatter=0.0)
    match = headline(frame)
    assert match[:4].max() <= 0.03
    assert match[4:].min() > 0.5
    no_answer = scores(frame, "exact_match").shape[1] * 0.98
    lost = frame.group_by("model", maintain_order=True).agg(pl.col("output").str.contains(r"\?").sum())[
        "output"
    ]
    assert lost[:4].to_numpy() == pytest.approx(no_answer, abs=14)
    assert lost[4:].sum() == 0
    log = np.log(losses(frame).mean(axis=(1, 2)))
    assert np.diff(log) == pytest.approx(np.log(0.2 / 1.5) / 7, abs=0.05)


def test_items_of_a_cluster_go_together():
    frame = simulate("slow", n_items=3000, clusters=300, scatter=0.0, scales=[1e7, 1e8], length=8)
    own = np.log(losses(frame)[0]).mean(axis=1).reshape(300, 10)
    within = own.var(axis=1, ddof=1).mean()
    between = own.mean(axis=1).var(ddof=1) - within / 10
    # Half of .5² between clusters; within, the other half and the parts of tokens and models.
    assert between == pytest.approx(0.125, rel=0.25)
    assert within == pytest.approx(0.125 + 0.6**2 / 8 + 0.15**2 + 0.2**2 / 8, rel=0.1)
    assert simulate("slow", n_items=10, clusters=3)["cluster"][:10].value_counts()["count"].min() == 3


def test_choices_are_balanced_and_start_at_chance():
    frame = simulate("choice-smooth", n_items=2000, choices=5)
    assert frame["answer"].value_counts()["count"].unique().to_list() == [8 * 400]
    accuracy = headline(frame)
    assert accuracy[0] == pytest.approx(0.2, abs=4 * 0.4 / math.sqrt(2000))
    assert np.exp(np.array(frame["choice_logprobs"].to_list())).sum(axis=1) == pytest.approx(1.0)


def test_models_agree_on_items_as_the_shared_part_says():
    flat = Truth("flat", "smooth", "choice", Shape(lambda t: np.zeros_like(t), noise=2.0))
    frame = simulate(flat, scales=[1, 2], n_items=6000, choices=2, scatter=0.0)
    first, second = scores(frame, "margin")
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.7, abs=0.03)
    assert first.std() == pytest.approx(2.0 * math.sqrt(2), rel=0.05)


def test_jitter_moves_inner_scales_only():
    moved = simulate("slow", n_items=1, jitter=0.3, seed=5)["n_params"].unique(maintain_order=True).to_numpy()
    away = (np.log10(moved) - np.linspace(7, 10, 8)) / (3 / 7)
    assert away[[0, -1]] == pytest.approx(0.0, abs=1e-9)
    assert 0.01 < np.abs(away[1:-1]).max() <= 0.3
    assert (np.diff(moved) > 0).all()


def test_a_simulated_family_can_be_audited():
    for name in ("step", "choice-artifact", "format-failure"):
        frame = simulate(name, n_items=60, seeds_per_scale=2, clusters=20)
        verdicts = unmirage.audit(frame, replicates=100).verdicts
        assert verdicts["task"].to_list() == [name]
        assert verdicts["axis"].to_list() == ["n_params"]


@pytest.mark.parametrize(
    "options",
    [
        {"n_items": 0},
        {"length": 0},
        {"choices": 1},
        {"scatter": -0.1},
        {"scatter": math.nan},
        {"tails": "cauchy"},
        {"seeds_per_scale": 0},
        {"clusters": 501},
        {"clusters": 0},
        {"epochs": 0},
        {"jitter": 0.5},
        {"seed": -1},
        {"scales": [1e7]},
        {"scales": [1e7, 1e7]},
        {"parameters": {"size": 0}},
        {"parameters": {"nothing": 0.5}},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(SettingsError):
        simulate("step", **options)


def test_a_ready_truth_takes_no_parameters():
    with pytest.raises(SettingsError, match="named"):
        simulate(truth("step", SIZES), parameters={"size": 0.5})
    assert simulator.SCALES == (7.0, 10.0, 8)
