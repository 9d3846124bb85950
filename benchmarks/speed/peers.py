"""One way to the means and errors of a Parquet file of choice responses.

    python -m speed.peers WAY FILE [OUT]

Prints one JSON line: the processor seconds of its sections, reading and imports left out. With OUT it writes
the means and standard errors that it came to. The ten columns of item scores that are averaged are made by
our own functions, at no cost to the peer; harness and pandas_rows also score every row with their own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from speed import METRICS, REPLICATES
from speed.measure import cpu

KEYS = ["family", "task", "model"]


class Clock:
    """Processor seconds of named sections, one after another."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = cpu()

    def done(self, name: str | None) -> None:
        """End a section; None: it is not to be counted."""
        now = cpu()
        if name is not None:
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


def scores_of(frame: pl.DataFrame) -> np.ndarray:
    """(metrics, rows) by our own functions."""
    from unmirage.metrics.registry import REGISTRY
    from unmirage.metrics.shared import item_scores

    return np.stack(item_scores([REGISTRY[name] for name in METRICS], frame))


def groups(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows of each family, task and model."""
    yield from frame.partition_by(*KEYS, maintain_order=True)


def result(frame: pl.DataFrame, means: Any, errors: Any) -> list[dict[str, object]]:
    """Rows of a result for one group."""
    key = {name: frame[name][0] for name in KEYS}
    return [
        {**key, "metric": name, "mean": float(mean), "stderr": float(error)}
        for name, mean, error in zip(METRICS, means, errors, strict=True)
    ]


def harness_task(metrics: tuple[str, ...] | None = None) -> Any:
    """What lm-evaluation-harness's function for a sample asks of its task; by default for all metrics."""
    every = ("acc", "acc_norm", "acc_bytes", "exact_match", "brier_score", "likelihood")
    return SimpleNamespace(
        config=SimpleNamespace(process_results=None),
        _metric_fn_list=dict.fromkeys(metrics or every),
        OUTPUT_TYPE="multiple_choice",
        multiple_input=0,
        multiple_target=0,
        doc_to_choice=lambda doc: doc["choices"],
        doc_to_target=lambda doc: doc["gold"],
    )


def harness_samples(frame: pl.DataFrame) -> list[tuple[dict[str, Any], list[tuple[float, bool]]]]:
    """(document, results) of each row as the harness has them."""
    return [
        ({"choices": ["x" * k for k in lengths], "gold": answer}, [(value, False) for value in logs])
        for logs, lengths, answer in frame.select("choice_logprobs", "choice_lengths", "answer").iter_rows()
    ]


def with_harness(frame: pl.DataFrame, clock: Clock) -> list[dict[str, object]]:
    """process_results of every sample; mean and bootstrap_stderr of every metric."""
    from lm_eval.api.metrics import bootstrap_stderr, mean, mean_stderr
    from lm_eval.api.task import ConfigurableTask

    task, out = harness_task(), []
    for group in groups(frame):
        samples, columns = harness_samples(group), scores_of(group).tolist()
        clock.done(None)
        found = [ConfigurableTask.process_results(task, doc, results) for doc, results in samples]
        clock.done("samples")
        assert [one["acc"] for one in found] == columns[0]
        clock.done(None)
        means = [mean(column) for column in columns]
        clock.done("means")
        for column in columns:
            mean_stderr(column)
        clock.done("closed form")
        with redirect_stdout(None), redirect_stderr(StringIO()):  # a line and a bar a call
            errors = [bootstrap_stderr(mean, column, REPLICATES) for column in columns]
        clock.done("bootstrap")
        out += result(group, means, errors)
    return out


def with_scipy(frame: pl.DataFrame, clock: Clock) -> list[dict[str, object]]:
    """scipy.stats.bootstrap, one call for the ten metrics of a group, its faster use."""
    from scipy.stats import bootstrap

    out = []
    for group in groups(frame):
        scores = scores_of(group)
        clock.done(None)
        found = bootstrap(
            (scores,),
            np.mean,
            axis=-1,
            n_resamples=REPLICATES,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        out += result(group, scores.mean(axis=1), found.standard_error)
        clock.done("bootstrap")
    return out


def with_pandas(frame: pl.DataFrame, clock: Clock) -> list[dict[str, object]]:
    """Means and closed-form errors from ready item scores: groups are sums over clusters, as Miller 2024."""
    return _pandas(frame, scores_of(frame), clock)


def with_pandas_rows(frame: pl.DataFrame, clock: Clock) -> list[dict[str, object]]:
    """The same with the ten metrics computed by a function a row."""
    logs, lengths = (frame[name].to_list() for name in ("choice_logprobs", "choice_lengths"))
    answers = frame["answer"].to_list()
    clock.done(None)
    scores = np.array([_row(*row) for row in zip(logs, lengths, answers, strict=True)])
    clock.done("samples")
    assert np.allclose(scores.T, scores_of(frame))
    clock.done(None)
    return _pandas(frame, scores.T, clock)


def _row(logs: list[float], lengths: list[int], answer: int) -> tuple[float, ...]:
    values = np.array(logs)
    weights = np.exp(values - values.max())
    p = weights / weights.sum()
    log_p = np.log(p)
    others = np.delete(values, answer)
    top = others.max()
    wrong_by = p.copy()
    wrong_by[answer] -= 1.0
    return (
        float(values.argmax() == answer),
        float((values / np.array(lengths)).argmax() == answer),
        p[answer],
        log_p[answer],
        values[answer],
        np.exp(values[answer]),
        values[answer] - top - np.log(np.exp(others - top).mean()),
        (1.0 - p[answer]) ** 2,
        (wrong_by**2).sum(),
        -(p * log_p).sum(),
    )


def _pandas(frame: pl.DataFrame, scores: np.ndarray, clock: Clock) -> list[dict[str, object]]:
    import pandas as pd

    names = list(METRICS)
    columns: dict[str, Any] = {key: frame[key].to_list() for key in KEYS}
    columns["cluster"] = frame.select(pl.coalesce("cluster", "item_id")).to_series().to_list()
    clock.done(None)
    data = pd.DataFrame({**columns, **dict(zip(names, scores, strict=True))})
    by = data.groupby(KEYS, sort=False)
    means = by[names].mean()
    plain = by[names].sem()
    sizes = by.size()
    centred = data[names] - by[names].transform("mean")
    sums = centred.groupby([data[key] for key in (*KEYS, "cluster")], sort=False).sum()
    squares = (sums**2).groupby(level=KEYS, sort=False).sum()
    units = sums.groupby(level=KEYS, sort=False).size()
    errors = np.sqrt(squares.mul(units / (units - 1.0), axis=0)).div(sizes, axis=0)
    clustered = errors.where(units < sizes, plain)
    clock.done("closed form")
    return [
        {
            **dict(zip(KEYS, key, strict=True)),
            "metric": name,
            "mean": row[name],
            "stderr": clustered.loc[key, name],
        }
        for key, row in means.iterrows()
        for name in names
    ]


def decode(path: Path) -> int:
    """Read every column that holds something, a row group at a time; the number of rows."""
    from unmirage.streaming.rowgroups import row_groups

    scan = pl.scan_parquet(path)
    head = scan.head(1000).collect()
    columns = [name for name in head.columns if head[name].null_count() < len(head)]
    start = 0
    for rows in row_groups(path):
        start += scan.select(columns).slice(start, rows).collect().height
    return start


WAYS = {
    "harness": with_harness,
    "scipy": with_scipy,
    "pandas": with_pandas,
    "pandas_rows": with_pandas_rows,
}


def main() -> None:
    """Go one way and say what it took."""
    way, path = sys.argv[1], Path(sys.argv[2])
    clock = Clock()
    if way == "decode":
        rows = decode(path)
        clock.done("decode")
    else:
        if way == "harness":
            os.environ["DISABLE_MULTIPROC"] = "1"  # one process: less work in all than its pool
            import lm_eval.api.task  # noqa: F401, the time of importing it is not counted
        if way.startswith("pandas"):
            import pandas  # noqa: F401
        frame = pl.read_parquet(path).sort(KEYS, maintain_order=True)
        rows = frame.height
        clock.done(None)
        found = WAYS[way](frame, clock)
        if len(sys.argv) > 3:
            pl.DataFrame(found).write_parquet(sys.argv[3])
    print(json.dumps({"rows": rows, **clock.seconds}))


if __name__ == "__main__":
    main()
