"""The data that would settle a question: the fewest that do, in words."""

import dataclasses
import itertools

import numpy as np
import pytest

from unmirage.verdict.settling import MORE, needed_text, seeing_a_bend, seeing_a_step
from unmirage.verdict.thresholds import Thresholds

LIMITS = Thresholds()
WINDOW = (0.4, 0.8)


def answering(evidence, monkeypatch, powers):
    """What is asked, (more, models), of evidence whose power is looked up; 0 where there is none."""
    asked = []

    def power(self, window, share, more=0, models=1):
        assert (window, share) == (WINDOW, LIMITS.step_share)
        asked.append((more, models))
        return powers.get((more, models), 0.0)

    monkeypatch.setattr(type(evidence), "power", power)
    return asked


@pytest.mark.parametrize("enough", range(len(MORE)))
def test_the_first_of_the_list_that_is_enough_is_advised(late, monkeypatch, enough):
    _, evidence = late
    asked = answering(evidence, monkeypatch, {MORE[k]: 0.81 for k in range(enough, len(MORE))})
    text = seeing_a_step(evidence, WINDOW, LIMITS)
    more, models = MORE[enough]
    assert asked == list(MORE[: enough + 1])
    # The window lies between the third scale (2/7) and the seventh (6/7).
    assert (f"{more} more scales between simulated-72M and simulated-3.73B" in text) == (more > 0)
    assert (f"{models} times as many models" in text) == (models > 1)
    assert "a step of 75% of what cross_entropy changes there would then be found with 81% power" in text


def test_where_none_is_enough_that_is_said(late, monkeypatch):
    _, evidence = late
    asked = answering(evidence, monkeypatch, {(8, 3): 0.79})
    text = seeing_a_step(evidence, WINDOW, LIMITS)
    assert asked == list(MORE)
    assert text.startswith("more than 8 more scales")
    assert "even they would not find" in text


def test_the_list_grows(late):
    assert all(a != b for a, b in itertools.pairwise(MORE))
    costs = [(8 + more) * models for more, models in MORE]
    assert costs == sorted(costs)


def test_what_is_advised_is_enough_and_the_entry_before_is_not(late):
    _, evidence = late
    test = dataclasses.replace(evidence.test, sigma=0.06)
    known = dataclasses.replace(evidence.known, sigma=0.06, df=20.0)
    loose = dataclasses.replace(evidence, test=test, known=known)
    powers = [loose.power(WINDOW, LIMITS.step_share, *one) for one in MORE]
    first = next(k for k, seen in enumerate(powers) if seen >= LIMITS.power)
    assert f"{powers[first]:.0%} power" in seeing_a_step(loose, WINDOW, LIMITS)


def test_a_bend_is_shown_by_scales_about_the_corner(late):
    _, evidence = late
    # The slope steepens most at the fourth scale; the gaps beside it are 3/7 of a decade each.
    smooth = np.array([2, 1.9, 1.8, 1.7, 1.2, 0.7, 0.3, 0.0])
    bent = dataclasses.replace(evidence, test=dataclasses.replace(evidence.test, smooth=smooth))
    text = seeing_a_bend(bent)
    wanted = int(np.ceil(6 / 7 / 0.1)) - 2
    assert text.startswith(f"{wanted} more scales between simulated-72M and simulated-518M")
    assert "cross_entropy begins to move" in text


def test_amounts_are_rounded_up(late):
    curve, _ = late
    assert needed_text(curve, 767.2) == "768 items"
    assert needed_text(curve, 768 * (1 + 1e-15)) == "768 items"
    attempts = dataclasses.replace(curve, unit="attempts", problems=128)
    assert needed_text(attempts, 1281) == "1,281 attempts (11 a problem)"
