"""Rates and edit distances by length: against scipy, the truth and the paper's digitised data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, chi2

from unmirage.errors import SettingsError
from unmirage.predictions.lengths import ABOVE, AGREES, BELOW, OPEN, edits_by_length, rates_by_length

L = np.arange(1, 6)
# Fig. 3 of the paper, addition at temperature 0, GPT-3 of 6.7B.
GPT3 = np.array([0.889, 0.351, 0.0709, 0.0053, 0.00029])


def test_a_geometric_rate_agrees_everywhere():
    n = np.full(5, 4000.0)
    found = rates_by_length(L, 0.8**L * n, n, products={"matches": (0.8**L, np.full(5, 0.01))})
    for against in (found.from_first, found.from_positions["matches"]):
        assert against.state.tolist() == [OPEN, *[AGREES] * 4]
        assert against.predicted == pytest.approx(0.8**L, rel=0.02)
    assert (found.geometric.state == AGREES).all()
    assert found.q == pytest.approx(0.8, rel=1e-9)
    assert found.slope == pytest.approx(np.log(0.8), abs=0.01)
    assert found.curvature_low < 0 < found.curvature_high
    assert found.p_geometric == 1.0


def test_the_likeliest_q_is_scipy_s():
    k, n = np.array([30.0, 12, 7, 1, 0]), np.array([40.0, 35, 50, 60, 44])
    best = minimize_scalar(
        lambda q: -binom.logpmf(k, n, q**L).sum(), bounds=(1e-6, 1 - 1e-6), method="bounded"
    )
    assert rates_by_length(L, k, n).q == pytest.approx(best.x, abs=1e-5)


def test_the_fit_holds_its_level():
    rng = np.random.default_rng(3)
    n = np.full(5, 300)
    p = np.array([rates_by_length(L, rng.binomial(n, 0.75**L), n, seed=i).p_geometric for i in range(60)])
    assert 0.01 <= (p <= 0.1).mean() <= 0.2
    assert 0.35 <= p.mean() <= 0.65


def test_departures_from_the_first_length_are_rare_where_it_holds():
    rng = np.random.default_rng(4)
    n = np.full(5, 200)
    off = [
        np.isin(
            rates_by_length(L, rng.binomial(n, 0.7**L), n, tests=5, seed=i).from_first.state, (BELOW, ABOVE)
        )
        for i in range(50)
    ]
    assert np.any(off, axis=1).sum() <= 3


def test_the_paper_s_addition_is_harder_than_geometric():
    n = np.full(5, 20_000.0)
    found = rates_by_length(L, GPT3 * n, n, tests=20)
    assert found.from_first.predicted == pytest.approx([0.889, 0.790, 0.702, 0.624, 0.555], abs=2e-3)
    assert (found.from_first.state[1:] == BELOW).all()
    assert found.curvature_high < 0
    assert found.p_geometric <= 0.001


def test_no_success_is_never_more_than_predicted():
    n = np.array([1000.0] * 5)
    found = rates_by_length(
        L, np.array([300.0, 100, 0, 0, 0]), n, products={"p": (np.full(5, 1e-12), np.zeros(5))}
    )
    assert not (found.from_positions["p"].state[2:] == ABOVE).any()
    assert (found.from_positions["p"].state[:2] == [OPEN, ABOVE]).all()
    assert found.low[2] == 0


def test_every_success_is_never_less_than_predicted():
    n = np.full(5, 50.0)
    found = rates_by_length(L, n, n, products={"p": (np.full(5, 1 - 1e-12), np.zeros(5))})
    assert not (found.from_positions["p"].state == BELOW).any()
    assert found.high.tolist() == [1.0] * 5


def test_an_unknown_product_says_nothing():
    n = np.full(3, 100.0)
    values = np.array([0.5, np.nan, 0.1])
    found = rates_by_length([1, 2, 3], 0.5 ** np.arange(1, 4) * n, n, products={"p": (values, np.zeros(3))})
    one = found.from_positions["p"]
    assert one.state[1] == OPEN
    assert np.isnan(one.p[1])
    assert np.isnan(one.predicted[1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.floats(0, 1), min_size=3, max_size=5))
def test_agreement_and_departure_exclude_each_other(seed, shares):
    n = np.full(len(shares), 200.0)
    found = rates_by_length(np.arange(1, len(shares) + 1), np.rint(np.array(shares) * n), n, seed=seed)
    assert np.isin(found.geometric.state, (BELOW, AGREES, ABOVE, OPEN)).all()
    assert ((found.low <= found.seen) & (found.seen <= found.high)).all()
    assert 0 <= found.q <= 1


def test_edits_in_proportion():
    found = edits_by_length(L, 0.3 * L, 0.01 * L)
    assert found.slope == pytest.approx(0.3)
    assert (found.state == AGREES).all()
    assert found.p_origin == pytest.approx(1.0)
    assert found.curvature == pytest.approx(0, abs=1e-12)


def test_edits_against_chi_square_and_polyfit():
    means, errors = np.array([0.1, 0.3, 0.7, 1.2, 1.9]), np.array([0.02, 0.03, 0.04, 0.05, 0.06])
    found = edits_by_length(L, means, errors)
    each, error = means / L, errors / L
    mean = np.average(each, weights=1 / error**2)
    assert found.p_origin == pytest.approx(chi2.sf((((each - mean) / error) ** 2).sum(), 4))
    coefficients, covariance = np.polyfit(L, means, 2, w=1 / errors, cov="unscaled")
    assert found.curvature == pytest.approx(coefficients[0])
    assert found.curvature_error == pytest.approx(np.sqrt(covariance[0, 0]))
    assert found.state.tolist()[0] == BELOW


def test_edits_without_errors_are_taken_as_they_are():
    # Fig. 3, addition at temperature 0: 6.7B and 175B.
    low = edits_by_length(L, [0.17, 1.02, 1.58, 2.63, 3.52], np.zeros(5))
    assert low.state[0] == BELOW
    assert np.isnan(low.p_origin)
    high = edits_by_length(L, [0, 0, 0, 0.08, 0.16], np.zeros(5))
    assert (high.state == AGREES).all()


@pytest.mark.parametrize(
    ("lengths", "k", "n"),
    [
        ([1], [1], [2]),
        ([2, 1], [1, 1], [2, 2]),
        ([0, 1], [1, 1], [2, 2]),
        ([1, 2], [3, 1], [2, 2]),
        ([1, 2], [1], [2]),
    ],
)
def test_bad_counts_are_refused(lengths, k, n):
    with pytest.raises(SettingsError):
        rates_by_length(lengths, k, n)
    with pytest.raises(SettingsError):
        edits_by_length(lengths, -np.array(k, dtype=float), n)
