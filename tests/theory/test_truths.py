"""The truths: each is of its class, on any range of scales."""

import doctest
import importlib

import numpy as np
import pytest

from unmirage.errors import SettingsError
from unmirage.theory.truths import LABELS, even_scales, listing, recipes, truth

GENERATION = [name for name, recipe in recipes().items() if recipe.kind == "generation"]
DENSE = np.linspace(7, 10, 3001)


def curve(name, low=7.0, high=10.0, points=DENSE, **parameters):
    found = truth(name, np.logspace(low, high, 8), **parameters)
    return found, found.shape.curve(points)


def test_the_two_sets_are_disjoint_and_cover_the_same_classes():
    tuning, test = recipes("tuning"), recipes("test")
    assert not set(tuning) & set(test)
    assert {**tuning, **test}.keys() == recipes().keys()
    for one in (tuning, test):
        assert {recipe.label for recipe in one.values()} == set(LABELS)
        for kind in ("smooth", "artifact", "step"):
            assert {r.kind for r in one.values() if r.label == kind} == {"generation", "choice"}
    for mine in tuning:
        for other in test:
            assert np.abs(curve(mine)[1] - curve(other)[1]).max() > 0.05, (mine, other)


@pytest.mark.parametrize("name", recipes())
def test_a_truth_is_what_its_class_says(name):
    found, y = curve(name)
    better = y if found.kind == "choice" else -y
    steps = np.diff(better)
    assert np.isfinite(y).all()
    if found.label != "narrow":
        assert (steps.min() < -1e-6) == (found.label == "non-monotone")
    # A jump gains far more within an octave (a tenth of the range) than in the octaves on both sides. Those
    # at the edges have less room, and no width.
    w = 60 if found.label == "edge" else 300
    gain = better[w:] - better[:-w]
    more = (gain[w:-w] - np.maximum(gain[: -2 * w], gain[2 * w :])).max() / np.ptp(better)
    if found.label in ("step", "edge"):
        assert more > 0.2
    elif found.label != "narrow":
        assert more < 0.1
    assert (found.shape.breaks_at is not None) == (found.label in ("step", "kink", "edge", "format-failure"))
    assert np.isfinite(found.shape.fails_below) == (found.label == "format-failure")


@pytest.mark.parametrize("name", [n for n, r in recipes().items() if r.label == "step"])
@pytest.mark.parametrize("size", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("at", [0.3, 0.6])
def test_a_step_has_its_size_and_place(name, size, at):
    with_step, y = curve(name, size=size, at=at)
    # Against the same truth with a step of (almost) nothing.
    moved = y - curve(name, size=1e-12, at=at)[1]
    assert with_step.shape.breaks_at == pytest.approx(7 + 3 * at)
    height = {"generation": np.log(1 - size), "choice": -np.log(1 - size)}[with_step.kind]
    unit = 1.0 if with_step.kind == "generation" else {"choice-step": 1.3, "choice-step-curved": 1.2}[name]
    assert moved[-1] - moved[0] == pytest.approx(unit * height, rel=1e-3)
    half = DENSE[np.argmax(np.abs(moved) >= abs(moved[-1]) / 2)]
    assert half == pytest.approx(with_step.shape.breaks_at, abs=2e-3)


@pytest.mark.parametrize("name", [n for n, r in recipes().items() if r.label == "edge"])
def test_an_edge_jump_has_one_scale_beyond_it(name):
    found, _ = curve(name)
    grid = np.linspace(7, 10, 8)
    beyond = min((grid < found.shape.breaks_at).sum(), (grid > found.shape.breaks_at).sum())
    assert beyond == 1


@pytest.mark.parametrize("name", ["kink", "plateau", "kink-on-curve", "plateau-linear"])
def test_a_kink_has_two_slopes(name):
    found, y = curve(name)
    slope = np.gradient(y, DENSE)
    corner = np.searchsorted(DENSE, found.shape.breaks_at)
    assert slope[corner + 20] < 2.5 * slope[corner - 20] - 0.3


@pytest.mark.parametrize("name", ["power-law", "late", "step", "gentle-power"])
def test_truths_follow_the_range(name):
    # A truth that is stated on shares of the range is the same on another range.
    far = curve(name, 3.0, 6.0, DENSE - 4.0)[1]
    assert far == pytest.approx(curve(name)[1], abs=1e-9)


def test_the_power_laws_are_power_laws():
    y = curve("power-law")[1]
    assert np.exp(y[[0, -1]]) == pytest.approx([3.0, 0.2])
    assert np.diff(y) == pytest.approx(np.diff(y)[0])
    offset = np.log(np.exp(curve("power-law-offset")[1]) - 0.4)
    assert np.diff(offset) == pytest.approx(np.diff(offset)[0])


def test_the_logistic_falls_in_two_decades():
    wide = np.linspace(0, 17, 17001)
    y = curve("logistic", points=wide)[1]
    share = (y[0] - y) / (y[0] - y[-1])
    assert wide[np.argmax(share > 0.9)] - wide[np.argmax(share > 0.1)] == pytest.approx(2.0, abs=0.01)
    y = curve("gompertz", points=wide)[1]
    share = (np.log(2.2) - y) / 1.7
    assert wide[np.argmax(share > 0.9)] - wide[np.argmax(share > 0.1)] == pytest.approx(2.2, abs=0.01)


def test_every_truth_is_listed_with_its_sentence():
    text = listing()
    for recipe in recipes().values():
        assert f"  {recipe.name} [{recipe.label}" in text
        assert recipe.description in text
        assert recipe.description.endswith(".")


@pytest.mark.parametrize(
    ("name", "scales", "parameters", "said"),
    [
        ("stpe", [1, 2], {}, "step"),
        ("step", [1, 2], {"hight": 0.5}, "size, at"),
        ("power-law", [1, 2], {"size": 0.5}, "none"),
        ("step", [1, 2], {"size": 1.0}, "between 0 and 1"),
        ("step", [2, 1], {}, "increasing"),
        ("step", [0, 1], {}, "increasing"),
        ("step", [1], {}, "two"),
    ],
)
def test_bad_truths_are_refused(name, scales, parameters, said):
    with pytest.raises(SettingsError, match=said):
        truth(name, scales, **parameters)


@pytest.mark.parametrize("module", ["truths", "simulate"])
def test_the_examples_of_the_docstrings_run(module):
    found = doctest.testmod(importlib.import_module(f"unmirage.theory.{module}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_other_refusals():
    with pytest.raises(SettingsError, match="tuning, test, all"):
        recipes("training")
    with pytest.raises(SettingsError, match="no range"):
        even_scales(1e9, 1e6, 5)
    assert even_scales(1, 100, 3) == pytest.approx([1, 10, 100])
