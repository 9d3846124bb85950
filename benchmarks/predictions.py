"""How often the predictions come out on families whose truth is known.

python benchmarks/predictions.py [RUNS] prints a Markdown table: families as `simulate` makes them by itself.
"""

from __future__ import annotations

import sys
from collections import Counter

import unmirage
from unmirage.predictions import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE

TRUTHS = {
    "smooth": (
        "power-law",
        "mixture",
        "logistic",
        "gompertz",
        "choice-smooth",
        "choice-late",
        "choice-curved",
    ),
    "made by the metric": ("late", "late-curved", "choice-artifact"),
    "step": ("step", "step-on-curve", "choice-step", "choice-step-curved"),
}
METRICS = {
    False: ("exact_match", "cross_entropy", "token_edit_distance"),
    True: ("multiple_choice_grade", "margin", "brier_sum", "choice_prob"),
}
OUTCOMES = (CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE)


def main(runs: int) -> None:
    print(
        "| truth | | metric-swap: " + " | ".join(OUTCOMES) + " | resolution: " + " | ".join(OUTCOMES) + " |"
    )
    print("|---" * 8 + "|")
    for group, truths in TRUTHS.items():
        for truth in truths:
            counts: dict[str, Counter[str]] = {"metric-swap": Counter(), "resolution": Counter()}
            for run in range(runs):
                made = unmirage.audit(
                    unmirage.simulate(truth, seed=1000 + run),
                    metrics=METRICS[truth.startswith("choice")],
                    replicates=100,
                )
                for name, outcome in made.predictions.select("prediction", "outcome").iter_rows():
                    if name in counts:
                        counts[name][outcome] += 1
            cells = [str(counts[name][outcome]) for name in counts for outcome in OUTCOMES]
            print(f"| {truth} | {group} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
