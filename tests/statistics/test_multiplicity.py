"""Adjusted p-values against statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from unmirage.errors import SettingsError
from unmirage.statistics import adjust

P = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@settings(deadline=None, max_examples=25)
@given(p=P)
def test_adjusted_are_those_of_statsmodels_and_scipy(p):
    np.testing.assert_allclose(adjust(p, "holm"), multipletests(p, method="holm")[1], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(adjust(p, "bh"), multipletests(p, method="fdr_bh")[1], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(adjust(p), false_discovery_control(p), rtol=1e-12, atol=1e-300)


@settings(deadline=None, max_examples=50)
@given(p=P, seed=st.integers(0, 1000))
def test_order_does_not_matter(p, seed):
    order = np.random.default_rng(seed).permutation(len(p))
    for method in ("bh", "holm"):
        np.testing.assert_array_equal(adjust(np.array(p)[order], method), adjust(p, method)[order])


@pytest.mark.parametrize("method", ["bh", "holm"])
def test_nan_stays_and_is_not_counted(method):
    p = np.array([0.01, np.nan, 0.04, 0.03, np.nan])
    got = adjust(p, method)
    tested = ~np.isnan(p)
    np.testing.assert_array_equal(np.isnan(got), ~tested)
    np.testing.assert_array_equal(got[tested], adjust(p[tested], method))


def test_by_hand():
    np.testing.assert_allclose(adjust([0.01, 0.04, 0.03], "holm"), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(adjust([0.01, 0.04, 0.03], "bh"), [0.03, 0.04, 0.04])


@pytest.mark.parametrize("method", ["bh", "holm"])
def test_single_empty_and_all_nan(method):
    assert adjust([0.02], method) == [0.02]
    assert adjust([], method).shape == (0,)
    assert np.isnan(adjust([np.nan, np.nan], method)).all()


@pytest.mark.parametrize("arguments", [([1.1],), ([-0.1],), ([[0.5]],), ([0.5], "bonferroni")])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(SettingsError):
        adjust(*arguments)
