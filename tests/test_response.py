"""The response of a companion: by hand, against numpy's covariance and a bootstrap of clusters."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from unmirage import metric
from unmirage.cells import Cell, Layer
from unmirage.metrics.recorded import aggregate_card
from unmirage.response import LEAST_LOSS, at, from_worst, reported_response, response_of

RNG = np.random.default_rng(0)
N, SCALES = 60, np.geomspace(1e7, 1e10, 6)
# A covariance that is known from N items is as much wider as Student's interval is.
WIDER = (stats.t.ppf(0.975, N - 1) / stats.norm.ppf(0.975)) ** 2
LOSSES = np.exp(np.linspace(1, -2, 6) + RNG.normal(0, 0.4, (N, 6)) + RNG.normal(0, 0.5, (N, 1)))
RIGHT = (LOSSES < 0.7).astype(float)


def layer(name, scores, present=None):
    return Layer(
        metric(name),
        np.asarray(scores, dtype=float)[:, :, None],
        np.ones(np.shape(scores)[1], dtype=bool) if present is None else present,
        None,
        exact=name == "exact_match",
        trials=np.full(np.shape(scores)[1], float(len(scores))) if name == "exact_match" else None,
    )


def cell(values=SCALES, clusters=None, n=N):
    codes = np.arange(n) if clusters is None else np.asarray(clusters)
    return Cell(
        family="f",
        task="t",
        kind="generation",
        models=tuple(f"m{k}" for k in range(len(values))),
        axis_values=np.asarray(values, dtype=float),
        items=tuple(str(i) for i in range(n)),
        clusters=codes,
        clustered=clusters is not None,
    )


def respond(losses=LOSSES, right=RIGHT, name="cross_entropy", axis="n_params", **where):
    headline = layer("exact_match", right)
    return response_of(cell(**where), headline, layer(name, losses), axis)


def test_a_loss_becomes_the_log_of_its_mean():
    found = respond()
    assert found.logged
    assert found.unit == 1
    assert found.y == pytest.approx(np.log(LOSSES.mean(axis=0) + 0.01))
    assert found.scores == pytest.approx(-np.log(LOSSES + 0.01))
    assert found.right.tolist() == RIGHT.tolist()
    assert found.scales.tolist() == found.axis_values.tolist() == SCALES.tolist()
    assert found.models == tuple((f"m{k}",) for k in range(6))
    assert found.sizes.tolist() == [1] * 6
    assert found.place.tolist() == list(range(6))
    assert found.trials.tolist() == [N] * 6
    assert not found.training


def test_the_log_of_a_probability_is_a_loss_turned_over():
    own, turned = respond(), respond(-LOSSES, name="target_logprob")
    for field in ("y", "items", "scores"):
        assert getattr(turned, field) == pytest.approx(getattr(own, field)), field
    assert turned.logged
    assert turned.name == "target_logprob"


def test_a_loss_without_a_unit_is_the_same_in_any():
    """A squared error of pixels may be of 0 to 1 or of 0 to 255: only the response's level may tell."""
    own, other = respond(name="reconstruction_error"), respond(1e-4 * LOSSES, name="reconstruction_error")
    assert own.floor == pytest.approx(0.001 * LOSSES.mean(axis=0).max())
    assert own.y == pytest.approx(np.log(LOSSES.mean(axis=0) + own.floor))
    assert other.y == pytest.approx(own.y + np.log(1e-4))
    assert other.items == pytest.approx(own.items)
    assert other.log_means[0] == pytest.approx(np.log(1e-4 * LOSSES.mean(axis=0)))
    perfect = respond(LOSSES * (np.arange(6) < 5), name="reconstruction_error")
    assert np.isfinite(perfect.y).all()


def test_any_other_metric_is_minus_its_mean():
    margins = np.linspace(-1, 2, 6) + RNG.normal(0, 1, (N, 6))
    found = respond(margins, name="margin")
    assert not found.logged
    assert found.y == pytest.approx(-margins.mean(axis=0))
    assert found.scores == pytest.approx(margins)
    assert found.unit == pytest.approx(np.ptp(margins.mean(axis=0)))
    assert found.items == pytest.approx(WIDER * np.cov(margins, rowvar=False) / N)


def test_a_metric_with_bounds_that_is_better_low_is_not_logged():
    brier = RNG.uniform(0, 1, (N, 6)) * np.linspace(1, 0.2, 6)
    assert (metric("brier_one_sided").card.low, metric("brier_one_sided").card.high) == (0, 1)
    found = respond(brier, name="brier_one_sided")
    assert not found.logged
    assert found.y == pytest.approx(brier.mean(axis=0))
    assert found.scores == pytest.approx(-brier)


def test_the_covariance_is_that_of_the_items_on_the_log():
    found = respond()
    pull = LOSSES / (LOSSES.mean(axis=0) + LEAST_LOSS)
    assert found.items == pytest.approx(WIDER * np.cov(pull, rowvar=False) / N)
    assert found.items == pytest.approx(found.items.T)


def test_the_covariance_is_that_of_a_bootstrap_of_clusters():
    clusters = np.sort(np.arange(N) % 20)
    losses = LOSSES * np.exp(np.random.default_rng(2).normal(0, 0.8, 20))[clusters][:, None]
    found = respond(losses, (losses < 1).astype(float), clusters=clusters)
    rng = np.random.default_rng(3)
    parts = losses.reshape(20, 3, 6).mean(axis=1)
    drawn = rng.integers(0, 20, (4000, 20))
    replicates = np.log(parts[drawn].mean(axis=1) + LEAST_LOSS)
    # The bootstrap lacks the factor 20/19, and the log bends a little.
    wider = (stats.t.ppf(0.975, 19) / stats.norm.ppf(0.975)) ** 2
    assert found.items == pytest.approx(wider * np.cov(replicates, rowvar=False) * 20 / 19, rel=0.15)
    assert np.trace(found.items) > 1.5 * np.trace(respond(losses).items)
    assert found.trials.min() >= 1
    assert found.trials[1:4].max() < 0.8 * N


def test_models_that_share_a_scale_are_averaged():
    values = [1e7, 1e7, 1e8, 1e8, 1e8, 1e9]
    found = respond(values=values)
    own = np.log(LOSSES.mean(axis=0) + LEAST_LOSS)
    assert found.scales.tolist() == [1e7, 1e8, 1e9]
    assert found.y == pytest.approx([own[:2].mean(), own[2:5].mean(), own[5]])
    assert np.concatenate(found.each) == pytest.approx(own)
    assert [part.size for part in found.each] == [2, 3, 1]
    assert found.models == (("m0", "m1"), ("m2", "m3", "m4"), ("m5",))
    assert found.sizes.tolist() == [2, 3, 1]
    assert found.place.tolist() == [0, 0, 1, 1, 1, 2]
    pull = LOSSES / (LOSSES.mean(axis=0) + LEAST_LOSS)
    averaged = np.stack([pull[:, :2].mean(axis=1), pull[:, 2:5].mean(axis=1), pull[:, 5]], axis=1)
    assert found.items == pytest.approx(WIDER * np.cov(averaged, rowvar=False) / N)
    assert found.scores.shape == (N, 6)


def test_on_a_loss_axis_the_scales_are_reciprocals_from_worst_to_best():
    # A cell is in order of scale, which is from large to small losses.
    values = 3 / np.arange(1, 7)
    found = respond(values=values, axis="loss")
    assert found.axis_values.tolist() == values.tolist()
    assert found.scales == pytest.approx(np.arange(1, 7) / 3)
    assert found.y == pytest.approx(respond().y)


def test_a_training_axis_is_known():
    assert respond(axis="step").training
    assert respond(axis="n_tokens").training
    assert not respond(axis="flops").training


def test_models_without_a_finite_score_are_left_out():
    losses = LOSSES.copy()
    losses[0, 2] = np.inf
    found = respond(losses)
    kept = [0, 1, 3, 4, 5]
    assert found.axis_values.tolist() == SCALES[kept].tolist()
    assert found.y == pytest.approx(respond().y[kept])
    assert found.right.tolist() == RIGHT[:, kept].tolist()
    assert found.items == pytest.approx(respond().items[np.ix_(kept, kept)])


def test_what_cannot_be_tested_has_no_response_and_says_why():
    assert respond(np.tile(LOSSES[:, :1], 6)) == "cross_entropy is the same for every model"
    assert respond(values=[1e7] * 6).y.size == 1
    assert "finite score" in respond(np.full((N, 6), np.inf))
    assert "1 independent items" in respond(clusters=np.zeros(N, dtype=int))
    assert "10 are needed" in respond(clusters=np.arange(N) % 9)
    assert not isinstance(respond(clusters=np.arange(N) % 10), str)


def test_a_loss_of_nothing_is_finite():
    losses = LOSSES.copy()
    losses[:, 5] = 0.0
    found = respond(losses)
    assert found.y[5] == pytest.approx(np.log(0.01))
    assert np.isfinite(found.scores).all()
    assert found.items[5].tolist() == [0] * 6


@pytest.mark.parametrize("factor", [2.0, 10.0])
def test_the_unit_of_a_large_loss_only_shifts_its_log(factor):
    big = LOSSES * 1e4
    one, other = respond(big), respond(big * factor)
    assert other.y - one.y == pytest.approx([np.log(factor)] * 6, abs=1e-4)
    assert other.items == pytest.approx(one.items, rel=1e-3)


def rows(name, means, errors, models=None, values=SCALES):
    names = [f"m{k}" for k in range(len(means))] if models is None else models
    parts = zip(names, values, means, errors, strict=True)
    return [{"model": m, "axis_value": v, "metric": name, "mean": x, "stderr": e} for m, v, x, e in parts]


ACCURACY = rows("accuracy", [0.1, 0.1, 0.2, 0.5, 0.8, 0.9], [0.02] * 6)
MEANS = [4.0, 3.0, 2.0, 1.0, 0.5, 0.2]


def test_aggregates_have_the_errors_that_the_log_gives():
    card = aggregate_card("test_loss", MEANS)
    errors = [0.1, 0.1, None, 0.05, 0.02, 0.01]
    found = reported_response(ACCURACY, rows("test_loss", MEANS, errors), card, "n_params")
    assert found.logged
    assert found.name == "test_loss"
    assert found.y == pytest.approx(np.log(np.array(MEANS) + 0.01))
    relative = [(e or 0.0) / (m + 0.01) for e, m in zip(errors, MEANS, strict=True)]
    assert found.items == pytest.approx(np.diag(np.square(relative)))
    assert found.scores.shape == found.right.shape == (0, 6)
    assert found.models[3] == ("m3",)


def test_aggregates_that_rise_or_go_below_zero_are_not_logged():
    up = reported_response(
        ACCURACY, rows("score", MEANS[::-1], [0.1] * 6), aggregate_card("score", MEANS), "n_params"
    )
    assert not up.logged
    assert up.y.tolist() == [-x for x in MEANS[::-1]]
    assert up.items == pytest.approx(np.eye(6) * 0.01)
    below = [1.0, 0.5, 0.0, -0.5, -1.0, -1.5]
    card = dataclasses.replace(aggregate_card("test_loss", MEANS), low=-np.inf)
    found = reported_response(ACCURACY, rows("test_loss", below, [0.1] * 6), card, "n_params")
    assert not found.logged
    assert found.y.tolist() == below


def test_aggregates_are_those_of_models_that_have_both_metrics():
    card = aggregate_card("test_loss", MEANS)
    headline = [*ACCURACY[:4], {**ACCURACY[4], "mean": None}]
    losses = rows("test_loss", [None, *MEANS[1:]], [0.1] * 6)
    found = reported_response(headline, losses, card, "n_params")
    assert found.axis_values.tolist() == SCALES[1:4].tolist()
    assert reported_response(headline[:1], losses, card, "n_params") == "no model has a finite value of both"
    flat = rows("test_loss", [1.0] * 6, [0.1] * 6)
    assert "same for every" in reported_response(ACCURACY, flat, card, "n_params")


def test_aggregates_of_replicates_are_averaged_on_the_log():
    card = aggregate_card("test_loss", MEANS)
    values = [1e7, 1e7, 1e8, 1e8, 1e9, 1e10]
    found = reported_response(ACCURACY, rows("test_loss", MEANS, [0.1] * 6, values=values), card, "n_params")
    own = np.log(np.array(MEANS) + LEAST_LOSS)
    assert found.y == pytest.approx([own[:2].mean(), own[2:4].mean(), own[4], own[5]])
    assert found.items[0, 0] == pytest.approx((0.1**2 + 0.1**2) / 4 / (3.5 + LEAST_LOSS) ** 2)
    assert found.place.tolist() == [0, 0, 1, 1, 2, 3]
    falling = reported_response(ACCURACY, rows("test_loss", MEANS, [0.1] * 6, values=values), card, "loss")
    assert falling.axis_values.tolist() == [1e10, 1e9, 1e8, 1e7]
    assert falling.y == pytest.approx(found.y[::-1])


def test_some_scales_only():
    values = [1e7, 1e7, 1e8, 1e8, 1e8, 1e9]
    whole = respond(values=values)
    part = at(whole, [1e7, 1e9, 5.0])
    assert part.axis_values.tolist() == [1e7, 1e9]
    assert part.y.tolist() == whole.y[[0, 2]].tolist()
    assert part.items.tolist() == whole.items[np.ix_([0, 2], [0, 2])].tolist()
    assert part.models == (("m0", "m1"), ("m5",))
    assert part.place.tolist() == [0, 0, 1]
    assert part.scores.tolist() == whole.scores[:, [0, 1, 5]].tolist()
    assert part.right.tolist() == whole.right[:, [0, 1, 5]].tolist()
    assert part.trials.tolist() == whole.trials[[0, 2]].tolist()
    assert at(whole, whole.axis_values).y.tolist() == whole.y.tolist()


def test_from_the_scale_where_it_is_worst():
    order = [2, 1, 0, 3, 4, 5]
    found = from_worst(respond(LOSSES[:, order]), SCALES[4])
    assert found.axis_values.tolist() == SCALES[2:].tolist()
    assert found.y.argmax() == 0
    # Two scales up to the jump are kept.
    assert from_worst(respond(LOSSES[:, order]), SCALES[2]).y.size == 5
    assert from_worst(respond(), SCALES[4]).y.tolist() == respond().y.tolist()
