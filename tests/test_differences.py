"""Paired differences between neighbouring scales, through an audit."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

import unmirage


def audit(right, sizes):
    rows = [
        {
            "family": "f",
            "model": f"m{m}",
            "task": "t",
            "item_id": f"i{i}",
            "kind": "generation",
            "n_params": size,
            "target": "1",
            "output": "1" if ok else "0",
        }
        for m, (size, row) in enumerate(zip(sizes, right, strict=True))
        for i, ok in enumerate(row)
    ]
    return unmirage.audit(pl.DataFrame(rows))


def test_single_models_are_compared_by_mcnemar_s_exact_test():
    rng = np.random.default_rng(0)
    right = rng.random((2, 60)) < [[0.3], [0.6]]
    found = audit(right, [1e6, 1e7]).differences.row(0, named=True)
    wins, losses = int((right[1] & ~right[0]).sum()), int((right[0] & ~right[1]).sum())
    assert found["p_value"] == pytest.approx(stats.binomtest(wins, wins + losses).pvalue)
    assert (found["model_from"], found["model_to"]) == ("m0", "m1")


def test_models_of_one_scale_are_averaged_and_none_is_left_out():
    rng = np.random.default_rng(1)
    right = rng.random((4, 60)) < [[0.2], [0.6], [0.5], [0.9]]
    differences = audit(right, [1e6, 1e6, 1e7, 1e7]).differences
    found = differences.row(0, named=True)
    assert differences.height == 1
    assert (found["model_from"], found["model_to"]) == ("m0, m1", "m2, m3")
    paired = stats.ttest_rel(right[2:].mean(axis=0), right[:2].mean(axis=0))
    assert found["p_value"] == pytest.approx(paired.pvalue)
    assert found["difference"] == pytest.approx(right[2:].mean() - right[:2].mean())
