"""python benchmarks/until.py [--runs N]: do rates of attempts that go on until so many passes come out right?

Simulated families: six models with pass rates from 1e-5 to .5, 16 items, attempts until 5 passes. Items are
alike, or their rates scatter by a log-normal factor. Without a budget and a cap; with a cap, so that hard
items are censored; with a budget over the family, which ends most of them, by our plan and by one that looks
at a model's own passes as they come. For each model: the mean estimate over the truth and its Monte-Carlo
error, the same of passes over attempts (c/K) and of the pooled ratio, and how often nominal 95% intervals
hold the truth: those of the items' own rates (`until_interval`) and of the mean rate of these items
(`until_mean`). Then the error of each model under a budget, and under as many equal attempts. Prints Markdown
tables.

Not for the scatter of items about their population: `benchmarks/interval_coverage.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmirage.ask.until import Counts, Plan
from unmirage.statistics import until_interval, until_mean, until_rate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ITEMS, PASSES = 16, 5
MEANS = np.geomspace(1e-5, 0.5, 6)
NO_CAP = 10**9


@dataclass(frozen=True)
class Case:
    """One family under one rule.

    Attributes
    ----------
    name: of the rule.
    scatter: standard deviation of the log of the items' rates.
    cap, budget: as in :class:`unmirage.ask.until.Plan`.
    plan: the rule that spends the budget.
    """

    name: str
    scatter: float
    cap: int = NO_CAP
    budget: int | None = None
    plan: type[Plan] = Plan


class Looking(Plan):
    """What the plan does not do: the second half of the budget goes by a model's own passes, as they come."""

    def next(self, counts: Counts) -> tuple[Counts, list[tuple[int, int, int]]]:
        """As the plan, with the gains of the counts as they are now."""
        counts, asked = super().next(counts)
        if np.isnan(counts.gain).any():
            return counts, asked
        rate = (counts.c + 0.5) / (counts.n + 1)
        spread = np.ma.masked_array(rate * (1 - rate), counts.done).mean(axis=1).filled(0.0)
        own = spread / until_rate(counts.c, counts.n, self.passes).mean(axis=1).clip(min=1e-12) ** 2
        own = np.where(counts.c.any(axis=1), own, counts.n.sum(axis=1) / 3)
        return replace(counts, gain=np.column_stack([own, own])), asked


CASES = (
    Case("until 5 passes", 0.0),
    Case("until 5 passes", 1.0),
    Case("cap of 10,000", 1.0, cap=10_000),
    Case("budget of 2,000,000", 1.0, budget=2_000_000),
    Case("budget of 200,000", 1.0, budget=200_000),
    Case("budget of 200,000, looking", 1.0, budget=200_000, plan=Looking),
)


def rates_of(scatter: float) -> Floats:
    """(models, items) true rates, the same in all runs."""
    normal = np.random.default_rng(7).normal(size=(len(MEANS), ITEMS))
    return np.minimum(MEANS[:, None] * np.exp(scatter * normal - scatter**2 / 2), 0.95)


def played(plan: Plan, at: Ints) -> Counts:
    """The counts at the end of a plan; `at` (models, items, R) are the attempts, from 1, that pass."""
    counts = Counts.start(plan.models, plan.items)
    while True:
        counts, asked = plan.next(counts)
        if not asked:
            return counts
        places = [at[model, item] - 1 - counts.n[model, item] for model, item, _ in asked]
        passed = [p[(p >= 0) & (p < k)] for p, (*_, k) in zip(places, asked, strict=True)]
        counts = plan.counted(counts, asked, passed)


def simulated(case: Case, rates: Floats, rng: np.random.Generator) -> tuple[Ints, Ints, int]:
    """Passes and attempts (models, items), and the attempts in all, of one run."""
    at = rng.geometric(rates[..., None], (*rates.shape, PASSES)).cumsum(axis=2)
    if case.budget is None:
        c = (at <= case.cap).sum(axis=2)
        n = np.where(c == PASSES, at[..., -1], case.cap)
        return c, n, int(n.sum())
    end = played(case.plan(*rates.shape, PASSES, case.cap, case.budget, 10**9), at)
    return end.c, end.n, end.spent


def report(case: Case, runs: int, seed: int) -> None:
    """The rows of a case, one a model."""
    rates, rng = rates_of(case.scatter), np.random.default_rng(seed)
    truth = rates.mean(axis=1)
    ours, plain, pooled = np.zeros((3, runs, len(truth)))
    means, items, censored = np.zeros((3, len(truth)))
    for run in range(runs):
        c, n, _ = simulated(case, rates, rng)
        ours[run] = until_rate(c, n, PASSES).mean(axis=1)
        plain[run], pooled[run] = (c / n).mean(axis=1), c.sum(axis=1) / n.sum(axis=1)
        low, high = until_interval(c, n, PASSES)
        items += ((low <= rates) & (rates <= high)).mean(axis=1) / runs
        censored += (c < PASSES).mean(axis=1) / runs
        for model in range(len(truth)):
            found = until_mean(c[model], n[model], PASSES)
            means[model] += (found.low <= truth[model] <= found.high) / runs
    error = ours.std(axis=0, ddof=1) / truth / runs**0.5
    ratio, naive, whole = (found.mean(axis=0) / truth for found in (ours, plain, pooled))
    for m, mean in enumerate(truth):
        numbers = (f"{ratio[m]:.3f} ± {error[m]:.3f}", f"{naive[m]:.2f}", f"{whole[m]:.2f}")
        held = (f"{items[m]:.3f}", f"{means[m]:.3f}")
        first = (case.name, f"{case.scatter:g}", f"{mean:.2g}", f"{censored[m]:.2f}")
        print("| " + " | ".join((*first, *numbers, *held)) + " |")


def bought(runs: int, seed: int = 99) -> None:
    """The relative error of each model's mean rate under a budget, and under equal attempts."""
    rates, budget = rates_of(1.0), 2_000_000
    truth = rates.mean(axis=1)
    rng = np.random.default_rng(seed)
    each = budget // rates.size
    ours, equal = np.zeros((2, runs, len(truth)))
    for run in range(runs):
        c, n, _ = simulated(Case("", 1.0, budget=budget), rates, rng)
        ours[run] = until_rate(c, n, PASSES).mean(axis=1)
        equal[run] = (rng.binomial(each, rates) / each).mean(axis=1)
    print("| mean rate | " + " | ".join(f"{mean:.2g}" for mean in truth) + " |")
    print("|---|" + "---:|" * len(truth))
    for name, found in (("until 5 passes, this budget", ours), (f"{each:,} attempts an item", equal)):
        shares = np.sqrt(((found / truth - 1) ** 2).mean(axis=0))
        print(f"| {name} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300, help="simulated families a case (default 300)")
    runs = parser.parse_args().runs
    print(
        "| rule | scatter of items | mean rate | censored items | ours / truth | (c/K) / truth | "
        "pooled / truth | items covered | mean covered |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for number, case in enumerate(CASES):
        report(case, runs, number)
    print()
    bought(runs)


if __name__ == "__main__":
    main()
