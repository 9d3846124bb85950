"""The power of the break test, against the test itself run on curves drawn from the same alternative."""

import numpy as np
import pytest

from unmirage.errors import SettingsError
from unmirage.verdict.breaks import break_test
from unmirage.verdict.power import power
from unmirage.verdict.scatter import Scatter

X = np.logspace(7, 10, 8)
T = np.log10(X) - 7
SMOOTH = np.log(0.1 + 2.5 * 10 ** (-0.3 * T))
ITEMS = 0.02**2 * np.exp(-np.abs(T[:, None] - T) / 2)


def stepped(step, gap, smooth=SMOOTH):
    """The curve flattened by `step` in all, with the step put in at the gap; its ends stay."""
    fall = smooth[0] - smooth[-1]
    return smooth[0] - (smooth[0] - smooth) * (1 - step / fall) - step * (np.arange(smooth.size) > gap)


@pytest.mark.parametrize(
    ("step", "gap", "sigma", "extra"),
    [
        (0.25, 3, 0.03, {}),
        (0.35, 4, 0.04, {"known": Scatter(0.04, 8.0)}),
        (0.3, 2, 0.02, {"items": ITEMS}),
        (0.25, 3, 0.04, {"models": np.array([1, 2, 2, 1, 3, 1, 2, 2])}),
    ],
)
def test_it_is_how_often_the_test_finds_the_step(step, gap, sigma, extra):
    rng = np.random.default_rng(1)
    covariance = sigma**2 * np.diag(1 / np.broadcast_to(extra.get("models", 1.0), 8)) + extra.get("items", 0)
    curves = rng.multivariate_normal(stepped(step, gap), covariance, 200)
    found = np.mean([break_test(X, y, replicates=199, seed=rng, **extra).is_break for y in curves])
    settings = {"step": step, "gap": gap, "sigma": sigma, "simulations": 120} | extra
    told = np.mean([power(X, SMOOTH, seed=seed, **settings) for seed in range(4)])
    # Standard errors: .035 of what is found, .03 of what is told; and .05 for the interpolation.
    assert abs(told - found) < 0.05 + 2 * np.hypot(0.035, 0.03)
    assert 0.1 < found < 0.97


def test_a_large_step_is_always_seen_and_hardly_any_never():
    assert power(X, SMOOTH, step=1.2, gap=3, sigma=0.01) > 0.97
    assert power(X, SMOOTH, step=0.02, gap=3, sigma=0.02) == 0.0
    assert power(X, SMOOTH, step=0.2, gap=3, sigma=0.3) < 0.1


def test_it_grows_with_the_step_and_with_models_and_falls_with_scatter():
    def seen(step=0.3, sigma=0.04, **more):
        return power(X, SMOOTH, step=step, gap=3, sigma=sigma, simulations=60, **more)

    assert seen(step=0.15) < seen() < seen(step=0.6)
    assert seen(sigma=0.08) < seen() < seen(sigma=0.015)
    assert seen(models=np.full(8, 4.0)) > seen()


def test_a_step_in_a_flat_curve_that_ends_where_it_began_is_no_break():
    # It must worsen on both sides of the step, which the test refuses.
    assert power(X, np.zeros(8), step=0.8, gap=3, sigma=0.02, simulations=50) == 0.0


def test_the_least_step_and_the_width_are_the_tests_own():
    big = {"step": 0.4, "gap": 3, "sigma": 0.02, "simulations": 60}
    assert power(X, SMOOTH, **big) > 0.5
    assert power(X, SMOOTH, min_step=0.9, **big) < 0.1
    assert power(X, SMOOTH, w_min=4.0, **big) != power(X, SMOOTH, w_min=1.1, **big)


def test_the_same_seed_gives_the_same_number():
    def seen(seed):
        return power(X, SMOOTH, step=0.25, gap=3, sigma=0.04, simulations=20, seed=seed)

    assert seen(4) == seen(4) == seen(np.random.default_rng(4))
    assert len({seen(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    "change",
    [{"gap": -1}, {"gap": 7}, {"step": 0.0}, {"step": np.nan}, {"sigma": 0.0}, {"simulations": 0}],
)
def test_numbers_outside_their_range_are_refused(change):
    with pytest.raises(SettingsError, match="outside its range"):
        power(X, SMOOTH, **({"step": 0.3, "gap": 3, "sigma": 0.02} | change))


@pytest.mark.parametrize(
    "change",
    [
        {"smooth": SMOOTH[:5]},
        {"smooth": np.full(8, np.nan)},
        {"alpha": 0.0},
        {"min_step": -1.0},
        {"items": -ITEMS},
    ],
)
def test_so_is_what_the_test_refuses(change):
    given = {"smooth": SMOOTH, "step": 0.3, "gap": 3, "sigma": 0.02} | change
    with pytest.raises(SettingsError):
        power(X, **given)
