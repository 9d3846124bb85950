"""The scatter that the moments give, where the variances of the items are next to nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.curves.noise import moment_scatter


@given(st.integers(0, 10**6), st.integers(1, 7))
def test_without_variances_it_is_the_mean_square(seed, dof):
    r = np.random.default_rng(seed).normal(size=8) * 1e-2
    # With one direction that the curve meets exactly, the sum at the bracket's end is dof but for rounding.
    r[-1] = 1e-15
    values = np.zeros(8)
    values[-1] = 7e-5
    assert moment_scatter(r, values, dof) == pytest.approx(r[:-1] @ r[:-1] / dof, rel=1e-9)
