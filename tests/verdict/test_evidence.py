"""What evidence says of places, slopes and power, by hand and against the power of the test."""

import dataclasses

import numpy as np
import pytest

from unmirage.verdict.library import smallest_width
from unmirage.verdict.power import power
from unmirage.verdict.scatter import Scatter


def with_smooth(evidence, smooth, **more):
    test = dataclasses.replace(evidence.test, smooth=np.asarray(smooth, dtype=float))
    return dataclasses.replace(evidence, test=test, **more)


def test_a_place_on_the_headlines_range_is_one_on_the_companions(late):
    # The headline is there from 1e6 to 1e10, the companion from 1e7 to 1e10.
    _, evidence = late
    headline = np.geomspace(1e6, 1e10, 9)
    assert evidence.place_of(headline, 0.25) == pytest.approx(0)
    assert evidence.place_of(headline, 0.5) == pytest.approx(1 / 3)
    assert evidence.place_of(headline, 1.0) == pytest.approx(1)
    assert evidence.place_of(headline, 0.1) == 0
    assert evidence.place_of(np.geomspace(1e7, 1e12, 6), 0.9) == 1
    assert evidence.place_of(evidence.scales, 0.37) == pytest.approx(0.37)


def test_early_slope_compares_the_fall_before_a_place_with_the_whole(late):
    _, evidence = late
    line = with_smooth(evidence, np.linspace(3, 1, 8))
    assert line.early_slope(0.3) == pytest.approx(1)
    # Flat for 3 of 7 gaps, then even: at 4/7 a quarter of the fall is done.
    bent = with_smooth(evidence, [2, 2, 2, 2, 1.5, 1, 0.5, 0])
    assert bent.early_slope(3 / 7) == pytest.approx(0, abs=1e-6)
    assert bent.early_slope(4 / 7) == pytest.approx(0.25 / (4 / 7))
    assert with_smooth(evidence, np.zeros(8)).early_slope(0.5) != line.early_slope(0.5)
    assert np.isnan(with_smooth(evidence, np.zeros(8)).early_slope(0.5))
    assert np.isnan(with_smooth(evidence, np.linspace(1, 2, 8)).early_slope(0.5))
    assert np.isnan(line.early_slope(0.0))


def loosened(evidence, sigma):
    """The evidence with models that scatter more, so that power is neither 0 nor 1."""
    test = dataclasses.replace(evidence.test, sigma=sigma)
    return dataclasses.replace(evidence, test=test, known=Scatter(sigma, 20.0))


def test_power_is_that_of_a_step_in_the_middle_of_the_window(late):
    evidence = loosened(late[1], 0.09)
    window = (2 / 7, 5 / 7)
    improved = evidence.test.smooth[2] - evidence.test.smooth[5]
    settings = {
        "sigma": 0.09,
        "items": evidence.items,
        "models": evidence.sizes,
        "known": evidence.known,
        "min_step": evidence.min_step,
        "alpha": evidence.alpha,
        "w_min": smallest_width(np.log10(evidence.scales)),
    }
    told = [
        power(evidence.scales, evidence.test.smooth, step=0.75 * improved, gap=gap, **settings)
        for gap in (2, 3, 4)
    ]
    assert evidence.power(window, 0.75) == pytest.approx(told[1], abs=0.004)
    assert told[1] not in (told[0], told[2])
    assert evidence.power(window, 0.75) > evidence.power(window, 0.3)


def test_more_scales_and_more_models_show_more(late):
    loose = loosened(late[1], 0.12)
    window = (0.4, 0.8)
    here = loose.power(window, 0.75)
    assert here < 0.6
    assert loose.power(window, 0.75, models=6) > here + 0.2
    assert loose.power(window, 0.75, more=8, models=3) > here + 0.2


def test_there_is_no_step_where_nothing_improves(late):
    _, evidence = late
    assert with_smooth(evidence, np.zeros(8)).power((0.3, 0.7), 0.75) == 0
    assert evidence.power((0.5, 0.5), 0.75) == 0


def test_words(late):
    _, evidence = late
    assert evidence.between(2) == "simulated-72M and simulated-193M"
    assert evidence.percent(0.0263) == "2.6%"
    assert dataclasses.replace(evidence, logged=False).percent(0.0263) == "0.026"
    assert evidence.alpha == 0.03
