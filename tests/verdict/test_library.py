"""The shapes, against numpy's least squares on the curves that they are made of."""

import numpy as np
import pytest

from unmirage.errors import SettingsError
from unmirage.verdict.library import library, smallest_width

SCALES = {size: np.logspace(7, 10, size) for size in (5, 6, 8, 12)}


def weighted_rss(columns, y, w):
    design = np.stack(columns, axis=1) * w[:, None]
    fit = np.linalg.lstsq(design, y * w)[0]
    return float(((y * w - design @ fit) ** 2).sum()), fit


def columns_of(shapes, member, w):
    """The base in unweighted coordinates, and the curve."""
    base = shapes.bases[shapes.base[member]] / w[:, None]
    return [*base.T, shapes.raw[member]]


@pytest.mark.parametrize("models", [None, (1, 3, 1, 2, 5, 1, 1, 4)])
def test_residuals_are_those_of_least_squares(models):
    shapes = library(SCALES[8], models)
    w = shapes.weights
    assert w == pytest.approx(np.ones(8) if models is None else np.sqrt(models))
    y = np.random.default_rng(1).normal(size=(3, 8))
    smooth, broken, bumps = (
        np.stack([made.rss(v * w) for v in y]) for made in (shapes.smooth, shapes.breaks, shapes.bumps)
    )
    for made, all_of_them in ((shapes.smooth, smooth), (shapes.breaks, broken), (shapes.bumps, bumps)):
        assert made.least_rss(y * w) == pytest.approx(all_of_them.min(axis=1), rel=1e-9)
    for b in range(3):
        for member in range(len(shapes.bumps.kinds)):
            rss, _ = weighted_rss(columns_of(shapes.bumps, member, w), y[b], w)
            assert bumps[b, member] == pytest.approx(rss, rel=1e-9)
        for member in range(len(shapes.smooth.kinds)):
            rss, _ = weighted_rss(columns_of(shapes.smooth, member, w), y[b], w)
            assert smooth[b, member] == pytest.approx(rss, rel=1e-9)
        for member in range(len(shapes.breaks.kinds)):
            columns = columns_of(shapes.breaks, member, w)
            rss, fit = weighted_rss(columns, y[b], w)
            if fit[-1] < 0:  # a step upward is no break: the trend alone
                rss, _ = weighted_rss(columns[:-1], y[b], w)
            assert broken[b, member] == pytest.approx(rss, rel=1e-9)


def test_fitted_curves_are_those_of_least_squares():
    shapes = library(SCALES[8])
    y = np.random.default_rng(2).normal(size=8)
    for member in range(len(shapes.smooth.kinds)):
        columns = columns_of(shapes.smooth, member, np.ones(8))
        _, fit = weighted_rss(columns, y, np.ones(8))
        assert shapes.smooth.fitted(y, member) == pytest.approx(np.stack(columns, axis=1) @ fit, abs=1e-9)


@pytest.mark.parametrize("size", SCALES)
def test_the_library_holds_its_own_shapes_and_no_step(size):
    x = SCALES[size]
    shapes = library(x)
    t = np.log10(x) - 7
    smooth = [0.3 - 0.4 * t, 1 - t + 0.2 * t**2, np.logaddexp(0, -0.35 * np.log(10) * (t - 1.5))]
    w = 1.4 * shapes.w_min
    smooth.append(2 - 0.1 * t - 1 / (1 + np.exp(-2 * np.log(9) * (t - 1.5) / w)))
    for y in smooth:
        centred = y - y.mean()
        # A shape stands for all within .02 radians.
        assert shapes.smooth.rss(centred).min() <= 0.02**2 * (centred**2).sum()
    step = -(np.arange(size) > size // 2 - 1).astype(float)
    assert shapes.smooth.rss(step - step.mean()).min() > 0.01
    assert shapes.breaks.rss(step - step.mean()).min() < 1e-12


@pytest.mark.parametrize("size", SCALES)
def test_every_step_has_two_scales_on_both_sides(size):
    shapes = library(SCALES[size])
    assert (shapes.breaks.raw[:, :2] == 0).all()
    assert (shapes.breaks.raw[:, -2:] == -1).all()
    assert set(shapes.gaps) == set(range(1, size - 2))


def test_shapes_that_are_kept_differ():
    shapes = library(SCALES[8]).smooth
    spaces = [
        np.column_stack([shapes.bases[b], d]) for b, d in zip(shapes.base, shapes.directions, strict=True)
    ]
    for i, a in enumerate(spaces):
        assert a.T @ a == pytest.approx(np.eye(a.shape[1]), abs=1e-12)
        for b in spaces[:i]:
            if a.shape == b.shape:
                sines = np.sqrt(np.maximum(1 - np.linalg.svd(a.T @ b, compute_uv=False) ** 2, 0))
                assert sines.max() > 0.01


@pytest.mark.parametrize(
    ("t", "width"),
    [
        ((0, 0.5, 1, 1.5, 2), 1.25),  # 2.5 gaps
        ((0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2), 1.2),  # .6 of the range
        (np.linspace(0, 5, 21), 2.0),
    ],
)
def test_smallest_width(t, width):
    assert smallest_width(np.array(t, dtype=float)) == pytest.approx(width)


def test_a_grid_is_made_once_and_its_unit_does_not_matter():
    assert library(SCALES[8]) is library(SCALES[8])
    other = library(SCALES[8] * 1e3)
    y = np.random.default_rng(0).normal(size=8)
    assert other.smooth.rss(y) == pytest.approx(library(SCALES[8]).smooth.rss(y), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    ("scales", "models"),
    [
        ((1, 2, 3, 4), None),
        ((1, 2, 2, 3, 4), None),
        ((0, 1, 2, 3, 4), None),
        ((1, 2, 3, 4, np.inf), None),
        ((1, 2, 3, 4, 5), (1, 1, 1, 1)),
        ((1, 2, 3, 4, 5), (1, 1, 0, 1, 1)),
    ],
)
def test_bad_grids_are_refused(scales, models):
    with pytest.raises(SettingsError):
        library(scales, models)
