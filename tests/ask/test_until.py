"""Which attempts are made next: counts by hand, resumed runs, budgets, estimates over simulated families."""

import numpy as np
import pytest

from unmirage.ask.until import Counts, Plan, sample_until
from unmirage.errors import SettingsError, UnmirageError
from unmirage.statistics import until_interval, until_mean, until_rate

RATES = np.array([[0.02, 0.3, 0.9, 0.1, 0.05], [0.0, 0.01, 0.5, 0.004, 0.2], [1.0, 0.7, 0.03, 0.06, 0.4]])


class Family:
    """Attempt k of an item of a model always ends in the same way; `drawn` counts them."""

    def __init__(self, rates, seed=0):
        self.passed = np.random.default_rng(seed).random((*rates.shape, 4000)) < rates[..., None]
        self.drawn = np.zeros(rates.shape, dtype=int)
        self.calls = []

    def __call__(self, asked):
        self.calls.append(list(asked))
        answers = []
        for model, item, attempts in asked:
            start = self.drawn[model, item]
            self.drawn[model, item] += attempts
            answers.append(self.passed[model, item, start : start + attempts].tolist())
        return answers


def last(counts):
    *_, end = counts
    return end


def same(a, b):
    return all(np.array_equal(getattr(a, k), getattr(b, k), equal_nan=k == "gain") for k in vars(a))


@pytest.mark.parametrize("block", [1, 7, 64, 10**6])
def test_counts_are_those_of_the_sequence_whatever_the_block(block):
    family = Family(RATES)
    end = last(sample_until(3, 5, family, passes=3, cap=200, block=block))
    for at in np.ndindex(RATES.shape):
        places = np.flatnonzero(family.passed[at][:200])
        assert end.done[at] == (len(places) >= 3)
        assert end.n[at] == (places[2] + 1 if len(places) >= 3 else 200)
        assert end.c[at] == min(len(places), 3)
        assert end.n[at] + end.waste[at] == family.drawn[at]
    assert all(sum(k for *_, k in call) <= block for call in family.calls)
    assert all(len({model for model, *_ in call}) == 1 for call in family.calls)
    if block == 1:
        assert not end.waste.any()


def test_few_attempts_are_made_in_vain_and_calls_are_few():
    family = Family(np.full((1, 400), 0.01))
    end = last(sample_until(1, 400, family, passes=5, cap=4000, block=10**6))
    assert end.waste.sum() < 0.12 * end.spent
    assert len(family.calls) < 40


@pytest.mark.parametrize("budget", [None, 900])
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(budget):
    whole = Family(RATES)
    steps = list(sample_until(3, 5, whole, passes=3, cap=400, budget=budget, block=50))
    for cut in (1, len(steps) // 2, len(steps) - 1):
        rest = Family(RATES)
        rest.drawn += steps[cut - 1].n + steps[cut - 1].waste
        end = last(sample_until(3, 5, rest, passes=3, cap=400, budget=budget, block=50, known=steps[cut - 1]))
        assert rest.calls == whole.calls[cut:]
        assert same(end, steps[-1])
    again = list(sample_until(3, 5, whole, passes=3, cap=400, budget=budget, block=50, known=steps[-1]))
    assert len(again) == 1
    assert same(again[0], steps[-1])


@pytest.mark.parametrize("budget", [15, 40, 300, 2000, 10**6])
def test_a_budget_is_kept_and_spent(budget):
    family = Family(RATES)
    end = last(sample_until(3, 5, family, passes=4, cap=1000, budget=budget, block=30))
    assert end.spent == family.drawn.sum() <= budget
    assert (end.n >= 1).all()
    left = ~end.done & (end.n < 1000)
    assert not left.any() or budget - end.spent < left.sum()
    if budget == 10**6:
        assert (end.done | (end.n == 1000)).all()


def test_open_items_of_a_half_have_equal_attempts():
    end = last(sample_until(3, 5, Family(RATES), passes=4, cap=4000, budget=3000, block=40))
    for model in range(3):
        for half in range(2):
            assert len(set(end.n[model, half::2][~end.done[model, half::2]])) <= 1


def test_the_second_half_of_a_budget_goes_where_it_buys_most():
    # Rates of 1e-4 and .03: the same attempts cut the relative variance of the first far more.
    rates = np.repeat([[1e-4], [0.03]], 40, axis=1)
    end = last(sample_until(2, 40, Family(rates), passes=40, cap=4000, budget=40_000, block=10**5))
    assert end.n[0].mean() > 2.9 * end.n[1].max()


def test_progress_is_told():
    told = []
    last(sample_until(3, 5, Family(RATES), passes=2, cap=50, progress=lambda *a: told.append(a)))
    assert told[-1] == ("sampling until passes", 15, 15)


def positions(rng, rates, passes):
    """The attempts, from 1, at which the first passes fall: (models, items, passes)."""
    return rng.geometric(rates[..., None], (*rates.shape, passes)).cumsum(axis=2)


def played(plan, at):
    counts = Counts.start(plan.models, plan.items)
    while True:
        counts, asked = plan.next(counts)
        if not asked:
            return counts
        places = [at[model, item] - 1 - counts.n[model, item] for model, item, _ in asked]
        passed = [p[(p >= 0) & (p < k)] for p, (*_, k) in zip(places, asked, strict=True)]
        counts = plan.counted(counts, asked, passed)


def test_places_of_passes_give_the_same_counts_as_answers():
    family = Family(RATES)
    at = np.full((3, 5, 3), 10**9)
    for cell in np.ndindex(RATES.shape):
        places = np.flatnonzero(family.passed[cell])[:3] + 1
        at[cell][: len(places)] = places
    for budget in (None, 700):
        end = last(sample_until(3, 5, family, passes=3, cap=300, budget=budget, block=80))
        family.drawn[:] = 0
        assert same(played(Plan(3, 5, 3, 300, budget, 80), at), end)


@pytest.mark.parametrize("budget", [None, 60_000])
def test_estimates_are_unbiased_and_intervals_cover_with_and_without_a_budget(budget):
    rng = np.random.default_rng(0)
    rates = np.geomspace(1e-3, 0.5, 4)[:, None] * np.exp(rng.normal(0, 0.7, (4, 20)) - 0.25)
    rates = np.minimum(rates, 0.9)
    plan = Plan(4, 20, 5, 10**6 if budget is None else 10**5, budget, 10**9)
    runs = 250
    means, held, items = np.zeros((runs, 4)), np.zeros(4), 0.0
    for run in range(runs):
        end = played(plan, positions(rng, rates, 5))
        means[run] = until_rate(end.c, end.n, 5).mean(axis=1)
        low, high = until_interval(end.c, end.n, 5)
        items += ((low <= rates) & (rates <= high)).mean() / runs
        for model in range(4):
            found = until_mean(end.c[model], end.n[model], 5)
            held[model] += found.low <= rates[model].mean() <= found.high
    ratio = means.mean(axis=0) / rates.mean(axis=1)
    error = means.std(axis=0) / rates.mean(axis=1) / runs**0.5
    assert (abs(ratio - 1) < np.maximum(3.3 * error, 0.03)).all()
    assert abs(ratio.mean() - 1) < 0.03
    assert (held >= 0.92 * runs).all()
    assert held.mean() >= 0.94 * runs
    assert items >= 0.95


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"passes": 1}, "passes: 1 is below 2"),
        ({"cap": 2}, "cap: 2 is below 3"),
        ({"block": 0}, "block: 0 is below 1"),
        ({"items": 0}, "items: 0 is below 1"),
        ({"budget": 14}, "budget: 14 attempts are not one at each of 5 items"),
    ],
)
def test_impossible_settings(change, says):
    given = {"models": 3, "items": 5, "passes": 3, "cap": 100} | change
    with pytest.raises(SettingsError, match=says):
        next(sample_until(draw_many=Family(RATES), **given))


def test_known_counts_of_another_plan():
    end = last(sample_until(3, 5, Family(RATES), passes=3, cap=100))
    for models, cap in ((2, 100), (3, 50)):
        with pytest.raises(SettingsError, match="known"):
            next(sample_until(models, 5, Family(RATES), passes=3, cap=cap, known=end))
    with pytest.raises(SettingsError, match="not of this plan"):
        next(sample_until(3, 5, Family(RATES), passes=4, cap=100, known=end))


def test_wrong_number_of_answers():
    with pytest.raises(UnmirageError, match="14 answers to 15 attempts"):
        next(sample_until(3, 5, lambda asked: [[True] * 3] * 4 + [[True] * 2], passes=3, cap=100))
