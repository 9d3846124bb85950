"""python benchmarks/aggregates.py [RUNS]: what a verdict is worth where a log holds aggregates and no items.

Families whose truth is known are simulated, scored, and cut down to what a table of results holds: a mean a
model and metric, with the number of items and standard errors, with standard errors alone, or with neither.
The same families are audited with their items, for comparison. Prints Markdown tables: how often each verdict
is given on smooth families, on artifacts and on steps. Eight sizes over three decades, scatter 2% and 5%.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import polars as pl

import unmirage
from unmirage.calibrate import METRICS
from unmirage.theory.truths import recipes
from unmirage.verdict.outcome import ARTIFACT, CANNOT_TELL, RESOLUTION_LIMITED, ROBUST_BREAK, SMOOTH

RUNS = 5
ITEMS = (50, 500)
SCATTER = (0.02, 0.05)
MODELS = 8
SIZE = 0.8  # share of the loss that goes in a step
KNOWN = (
    *("n, errors", "errors", "n", "neither"),
    *("n, errors; each model its own items", "neither; each model its own items"),
    *("n, errors; no companion", "neither; no companion", "items"),
)
OWN, ALONE = "own items", "no companion"
SHOWN = (ROBUST_BREAK, ARTIFACT, SMOOTH, RESOLUTION_LIMITED, CANNOT_TELL)


def aggregated(responses: pl.DataFrame, metrics: tuple[str, str]) -> pl.DataFrame:
    """The results table of a family: mean, standard error over items, and number of items."""
    scores = unmirage.score(responses, list(metrics))
    sizes = responses.select("model", "n_params").unique(maintain_order=True)
    table = scores.group_by("family", "model", "task", "metric", maintain_order=True).agg(
        value=pl.col("score").mean(),
        stderr=pl.col("score").std() / pl.len().sqrt(),
        n=pl.len().cast(pl.Int64),
    )
    return table.join(sizes, on="model", maintain_order="left")


def known(table: pl.DataFrame, what: str, metrics: tuple[str, str]) -> pl.DataFrame:
    """The table with what `what` says is known of it, and no more."""
    if what.endswith(ALONE):
        table = table.filter(pl.col("metric") == metrics[0])
    if "errors" not in what:
        table = table.drop("stderr")
    return table if what.startswith("n,") or what == "n" else table.drop("n")


def own_items(responses: pl.DataFrame, models: int) -> pl.DataFrame:
    """The responses of each model to items that no other model answered: a share of all."""
    place = pl.col("model").rank("dense") - 1
    item = pl.col("item_id").rank("dense") - 1
    return responses.filter(item % models == place)


def families(truths: list[str], runs: int) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    """(kind, responses, responses of other items a model) of families, each with a seed of its own."""
    seed = 0
    for truth in truths:
        recipe = recipes("test")[truth]
        parameters = {"size": SIZE} if recipe.label == "step" else {}
        for items in ITEMS:
            for scatter in SCATTER:
                for _ in range(runs):
                    seed += 1
                    options = {"scatter": scatter, "seed": seed, "parameters": parameters}
                    same = unmirage.simulate(truth, n_items=items, **options)
                    other = unmirage.simulate(truth, n_items=items * MODELS, **options)
                    yield recipe.kind, same, own_items(other, MODELS)


def counted(truths: list[str], runs: int) -> dict[str, Counter[tuple[str, str]]]:
    """What is known -> how often each (truth, verdict) was met."""
    out: dict[str, Counter[tuple[str, str]]] = {what: Counter() for what in KNOWN}
    for kind, responses, apart in families(truths, runs):
        metrics = METRICS[kind]
        same, own = (aggregated(rows, metrics) for rows in (responses, apart))
        chance = {"*": 0.25} if kind == "choice" else {}
        for what in KNOWN:
            source = (
                responses if what == "items" else known(own if what.endswith(OWN) else same, what, metrics)
            )
            names = {"headline": metrics[0]}
            if not what.endswith(ALONE):
                names["companion"] = metrics[1]
            a = unmirage.audit(source, **names, metrics=[] if what == "items" else None, chance=chance)
            out[what][responses["task"][0], a.verdicts["verdict"][0]] += 1
    return out


def main() -> None:
    """Print a table for each kind of truth."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    held_out = recipes("test")
    for title, label in (("smooth", "smooth"), ("artifact", "artifact"), ("step of 80%", "step")):
        truths = [name for name, one in held_out.items() if one.label == label]
        found = counted(truths, runs)
        print(f"{title}: {', '.join(truths)}; {len(ITEMS) * len(SCATTER) * runs * len(truths)} families\n")
        print(f"| known | {' | '.join(SHOWN)} | {ROBUST_BREAK}, most of a truth |")
        print("|---|" + "---:|" * (len(SHOWN) + 1))
        each = len(ITEMS) * len(SCATTER) * runs
        for what, verdicts in found.items():
            rates = [sum(verdicts[truth, name] for truth in truths) / each / len(truths) for name in SHOWN]
            most = max(verdicts[truth, ROBUST_BREAK] for truth in truths) / each
            print(f"| {what} | {' | '.join(f'{rate:.1%}' for rate in [*rates, most])} |")
        print()


if __name__ == "__main__":
    main()
