"""Is a metric more frequent among the tasks that were claimed emergent than among all tasks?

A share of the claimed tasks says nothing by itself: most tasks of a benchmark use the same few metrics. Here
it stands beside the share among all tasks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.errors import SettingsError

Floats = npt.NDArray[np.float64]

COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "metric": pl.String,
    "claimed": pl.Int64,
    **dict.fromkeys(("claimed_share", "low", "high"), pl.Float64),
    "all": pl.Int64,
    **dict.fromkeys(("all_share", "enrichment", "enrichment_low", "enrichment_high"), pl.Float64),
    **dict.fromkeys(("p_binomial", "p_hypergeometric"), pl.Float64),
}


def base_rates(
    claimed: Mapping[str, int],
    everything: Mapping[str, int],
    *,
    claimed_tasks: int,
    all_tasks: int,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Each metric's share of the claimed tasks beside its share of all tasks.

    Parameters
    ----------
    claimed: metric, or a name for several -> how many of the claimed tasks use it.
    everything: the same names -> how many of all tasks use it.
    claimed_tasks, all_tasks: the numbers of tasks; the claimed ones are some of all.
    confidence: of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        A row a name, in the order of `claimed`: metric, claimed (count), claimed_share with its exact
        (Clopper-Pearson) interval low and high, all (count), all_share, enrichment = claimed_share over
        all_share with enrichment_low and enrichment_high, and two one-sided p-values for so many claimed
        tasks or more: p_binomial, each claimed task a draw with all_share, and p_hypergeometric, the claimed
        tasks drawn from all tasks without putting back. all_share is that of a whole benchmark and carries no
        error, so the interval of the enrichment is that of claimed_share over it. Enrichment is null where no
        task uses the metric.

    Raises
    ------
    SettingsError
        A count is negative, a name of `claimed` is not in `everything`, or more tasks are claimed than there
        are.
    """
    if not 0 < claimed_tasks <= all_tasks:
        raise SettingsError(
            f"{claimed_tasks} claimed tasks of {all_tasks} are impossible", where="base_rates"
        )
    rows = []
    for name, k in claimed.items():
        if name not in everything:
            raise SettingsError(f"it is not known how many of all tasks use {name}", where="base_rates")
        total = everything[name]
        if not (0 <= k <= total and k <= claimed_tasks and claimed_tasks - k <= all_tasks - total):
            raise SettingsError(
                f"{k} of {claimed_tasks} claimed and {total} of all {all_tasks} tasks cannot both be",
                where=name,
                hint="The claimed tasks must be some of all tasks, counted by the same rule.",
            )
        share, rate = k / claimed_tasks, total / all_tasks
        low, high = (float(end) for end in statistics.clopper_pearson(k, claimed_tasks, confidence))
        ratios = [x / rate if total else None for x in (share, low, high)]
        tail = float(statistics.binomial_tail(k, claimed_tasks, rate))
        without = statistics.hypergeometric_tail(k, claimed_tasks, total, all_tasks)
        rows.append((name, k, share, low, high, total, rate, *ratios, tail, without))
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def preferring(tasks: Iterable[Collection[str]], metrics: Collection[str], *, any_of: bool = False) -> int:
    """How many tasks prefer only metrics of `metrics`; with `any_of` at least one of them.

    Parameters: tasks, the preferred metrics of each task. A task without a preferred metric is not counted.
    """
    wanted = set(metrics)
    found = [set(names) for names in tasks]
    return sum(bool(names & wanted) if any_of else bool(names) and names <= wanted for names in found)
