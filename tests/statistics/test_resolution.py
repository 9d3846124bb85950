"""Resolution and planning: closed forms, scipy's binomial by brute force, published numbers."""

import numpy as np
import pytest
from scipy.stats import binom, norm

from unmirage.errors import SettingsError
from unmirage.statistics import floor, items_needed, p_above_chance, resolved


def test_floor_from_zero_is_the_published_table():
    got = floor([50, 100, 200, 500, 1000, 5000, 10_000])
    expected = [0.058, 0.030, 0.015, 0.0060, 0.0030, 0.00060, 0.00030]
    np.testing.assert_allclose(got, expected, rtol=0.017)
    # Its meaning: at that rate, n items without a success have probability alpha.
    np.testing.assert_allclose((1 - got) ** np.array([50, 100, 200, 500, 1000, 5000, 10_000]), 0.05)


def test_floor_takes_real_n_and_zero_items_resolve_nothing():
    got = floor([0, 0.5, 12.5])
    assert np.isnan(got[:2]).all()
    assert got[2] == pytest.approx(1 - 0.05 ** (1 / 12.5))
    assert np.isnan(floor(0, 0.25))


@pytest.mark.parametrize("chance", [0.01, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_floor_above_chance_is_the_smallest_significant_count(chance, alpha):
    n = np.array([1, 2, 3, 10, 57, 400, 2000])
    for size, got in zip(n, floor(n, chance, alpha), strict=True):
        enough = np.flatnonzero(binom.sf(np.arange(size + 1) - 1, size, chance) <= alpha)
        if enough.size:
            assert got == enough[0] / size
        else:
            assert np.isnan(got)


def test_floor_above_chance_rounds_an_effective_n_down():
    assert floor(50.9, 0.25) == floor(50, 0.25)


def test_items_needed_from_zero_expects_three_successes():
    assert items_needed(0.1) == 30
    assert items_needed(0.001) == 3000
    assert items_needed(0.3, min_successes=1) == 4
    # The smallest model of the paper's figure 2 at five tokens.
    assert items_needed(6.44e-6, min_successes=1) == 155_280
    assert items_needed(1.0) == 3


def test_items_needed_at_or_below_chance_is_none():
    assert items_needed(0.0) is None
    assert items_needed(0.25, 0.25) is None
    assert items_needed(0.2, 0.25) is None


def test_items_needed_beyond_any_test_set_is_none():
    assert items_needed(1e-15) is None
    assert items_needed(np.nextafter(0.25, 1), 0.25) is None
    assert items_needed(1e-14) == pytest.approx(3e14, rel=1e-11)


@pytest.mark.parametrize(("rate", "about"), [(0.402, 50), (0.298, 500), (0.261, 10_000)])
def test_items_needed_above_chance_is_about_the_normal_numbers(rate, about):
    # The normal numbers take chance's variance for both and have no saw-tooth: lower for few items.
    assert items_needed(rate, 0.25) == pytest.approx(about, rel=0.31)


def _brute(rate, chance, alpha, power, top):
    n = np.arange(1, top)
    critical = binom.isf(alpha, n, chance) + 1
    fails = np.flatnonzero(binom.sf(critical - 1, n, rate) < power)
    return int(n[fails[-1]]) + 1 if fails.size else 1


@pytest.mark.parametrize(
    ("rate", "chance", "alpha", "power", "top"),
    [
        (0.402, 0.25, 0.05, 0.8, 400),
        (0.298, 0.25, 0.05, 0.8, 1500),
        (0.261, 0.25, 0.05, 0.8, 13_000),
        (0.6, 0.5, 0.001, 0.9, 1500),
        (0.02, 0.01, 0.05, 0.8, 5000),
        (0.95, 0.9, 0.01, 0.5, 2000),
        (0.99, 0.25, 0.05, 0.8, 100),
        (0.3, 0.25, 0.6, 0.5, 300),
    ],
)
def test_items_needed_above_chance_is_the_brute_force_envelope(rate, chance, alpha, power, top):
    assert items_needed(rate, chance, alpha, power) == _brute(rate, chance, alpha, power, top)


def test_items_needed_for_a_sure_rate():
    assert items_needed(1.0, 0.25) == 3  # .25³ = .016 <= .05 < .25²
    assert items_needed(1.0, 0.5, alpha=0.125) == 3
    assert items_needed(1 - 1e-9, 0.25) == 3


def test_items_needed_joins_the_normal_approximation():
    def normal(rate):
        z_a, z_b = norm.isf(0.05), norm.isf(0.2)
        return ((z_a * np.sqrt(0.1875) + z_b * np.sqrt(rate * (1 - rate))) / (rate - 0.25)) ** 2

    below, above = items_needed(0.2512, 0.25), items_needed(0.251, 0.25)
    assert below < 1_000_000 < above
    assert above == np.ceil(normal(0.251))
    # What the join costs: the exact number just below it exceeds the approximation by less than .2 %.
    assert 1 < below / normal(0.2512) < 1.003


def test_resolved_from_zero_needs_three_successes():
    assert resolved(3, 1000, 0.0, 0.05, 8) == (True, 0.0)
    assert resolved(2, 1000, 0.0, 0.05, 8) == (False, 0.0)
    assert resolved(0, 1000, 0.0, 0.05, 8) == (False, 1.0)
    assert resolved(1, 1000, min_successes=1)[0]


def test_resolved_above_chance_divides_alpha_by_the_scales():
    n, k = 100, 34
    p = binom.sf(k - 1, n, 0.25)
    assert 0.05 / 8 < p < 0.05
    assert resolved(k, n, 0.25, 0.05, 1) == (True, pytest.approx(p))
    assert resolved(k, n, 0.25, 0.05, 8) == (False, pytest.approx(p))


def test_resolved_takes_chance_per_item_and_clusters():
    chance = np.repeat([0.2, 0.5], 50)
    passed, p = resolved(50, 100, chance, 0.05, 4)
    assert passed
    assert p == p_above_chance(50, chance)
    passed, p = resolved(50, 100, chance, 0.05, 4, effective_n=20)
    assert not passed
    assert p == p_above_chance(50, chance, effective_n=20)
    # Three successes in one cluster of five: worth less than one.
    assert not resolved(3, 100, 0.0, effective_n=20)[0]
    assert resolved(15, 100, 0.0, effective_n=20)[0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: floor(-1),
        lambda: floor(10, 1.0),
        lambda: floor(10, -0.1),
        lambda: floor(10, 0.2, 0.0),
        lambda: items_needed(1.2),
        lambda: items_needed(np.nan),
        lambda: items_needed(0.5, 1.0),
        lambda: items_needed(0.5, 0.2, alpha=1.0),
        lambda: items_needed(0.5, 0.2, power=0.0),
        lambda: items_needed(0.5, min_successes=0),
        lambda: resolved(1, 0),
        lambda: resolved(1, 10, [0.5, 0.5]),
        lambda: resolved(11, 10),
        lambda: resolved(1, 10, scales=0),
        lambda: resolved(1, 10, alpha=2.0),
        lambda: resolved(1, 10, min_successes=0),
    ],
)
def test_impossible_arguments_are_refused(call):
    with pytest.raises(SettingsError):
        call()


@pytest.mark.parametrize(("rate", "chance"), [(0.02, 0.005), (0.2, 0.009), (0.05, 1e-3), (0.9, 0.002)])
def test_items_needed_at_a_rare_chance_are_those_of_every_number_tried(rate, chance):
    n = np.arange(1, 5000)
    critical = binom.isf(0.05, n, chance).astype(int) + 1
    fails = binom.sf(critical - 1, n, rate) < 0.8
    assert items_needed(rate, chance) == n[fails].max(initial=0) + 1


def test_items_needed_at_a_chance_near_zero_wait_for_one_success():
    for chance in (1e-6, 1e-9, 1e-18, 1e-60):
        assert items_needed(0.3, chance) == 5  # 1 - .7^5 is the first above .8
        assert items_needed(0.001, chance) == int(np.ceil(np.log(0.2) / np.log(0.999)))
