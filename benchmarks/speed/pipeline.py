"""From a Parquet file to means, errors and intervals, against named peers on the same rows."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from speed import METRICS, REPLICATES
from speed.measure import BENCHMARKS, Run, part, run, table

ABOUT = """\
Ours is `unmirage curves FILE.parquet`, whole: start, imports, reading, scoring, errors, replicates and
intervals. Peers: reading and imports left out. The harness is lm_eval's process_results for each sample, then
its mean and bootstrap_stderr of ten columns of ready item scores; of metrics that are means it would itself
take the closed form, which is shown apart. Nothing is scaled.
"""
PANDAS, PANDAS_ROWS = "pandas, ready scores, closed form", "pandas, a function a row, closed form"
SCIPY = "scipy.stats.bootstrap, ready scores"


def ours(path: Path, out: Path) -> Run:
    """The command as a user runs it, start of Python and imports included."""
    asked = [word for name in METRICS for word in ("--metric", name)]
    options = ["--replicates", str(REPLICATES), "--out", str(out)]
    return run(["-m", "unmirage", "curves", str(path), *asked, *options])


def measure(sizes: list[int], tasks: int, harness: int, bootstrap: int) -> None:
    """Print the tables: ten models of two families on so many tasks. The slow peers are measured up to
    `harness` and `bootstrap` rows."""
    print(f"## Whole path: {len(METRICS)} metrics, {REPLICATES:,} replicates, {20 * tasks} models' tasks\n")
    print(ABOUT)
    mine: dict[int, Run] = {}
    plain: dict[int, float] = {}
    agreed = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        rows_out = []
        for size in sizes:
            path, out = folder / f"{size}.parquet", folder / f"{size}_ours.parquet"
            run([str(BENCHMARKS / "big_responses.py"), str(size), str(path), "--tasks", str(tasks)])
            mine[size] = ours(path, out)
            found, decoding = part("peers", "decode", path)
            rows, plain[size] = found["rows"], found["decode"]
            rows_out.append(_row(rows, "unmirage curves", mine[size], mine[size].cpu, mine[size].cpu))
            rows_out.append(_row(rows, "decoding alone (polars)", decoding, plain[size], mine[size].cpu))
            for label, way, limit in (
                (PANDAS, "pandas", 4e6),
                (PANDAS_ROWS, "pandas_rows", 4e6),
                (SCIPY, "scipy", bootstrap),
                ("harness, bootstrap_stderr", "harness", harness),
            ):
                if size > limit:
                    continue
                if find_spec("lm_eval" if way == "harness" else way.split("_")[0]) is None:
                    rows_out.append([f"{rows:,}", label, "not installed", "", "", ""])
                    continue
                peer = folder / "peer.parquet"
                found, done = part("peers", way, path, peer)
                seconds = {k: v for k, v in found.items() if k != "rows"}
                if way == "harness":
                    form = seconds.pop("closed form")
                    closed = seconds["samples"] + seconds["means"] + form
                    rows_out.append(_row(rows, "harness, closed form", done, closed, mine[size].cpu))
                rows_out.append(_row(rows, label, done, sum(seconds.values()), mine[size].cpu))
                same, _ = part("agree", out, peer)
                agreed.append(
                    [
                        label,
                        f"{rows:,}",
                        f"{same['cells']:,}",
                        f"{same['means']:.0e}",
                        f"{same['errors']:.0e}",
                        f"{same['ratio']:.4f}",
                    ]
                )
            path.unlink()
    table(["rows", "what", "CPU s", "wall s", "peak MB", "CPU, times ours"], rows_out)
    print(
        "Their numbers and ours (errors of a bootstrap differ by its noise, those of harness and scipy know"
    )
    print("of no clusters):\n")
    head = ["peer", "rows", "numbers", "means differ by", "errors differ by, at most", "mean ratio of errors"]
    table(head, agreed)
    _growth(mine, plain)


def _row(rows: int, label: str, done: Run, cpu: float, ours: float) -> list[str]:
    times = f"{cpu / ours:,.2f}" if cpu < ours else f"{cpu / ours:,.1f}"
    return [f"{rows:,}", label, f"{cpu:.2f}", f"{done.wall:.1f}", f"{done.peak:,.0f}", times]


def _growth(mine: dict[int, Run], plain: dict[int, float]) -> None:
    """Rates against decoding; how time and memory grow from one size to the next."""
    rows = []
    sizes = sorted(mine)
    for before, size in zip([None, *sizes], sizes, strict=False):
        share = plain[size] / mine[size].cpu
        grown = ["", ""]
        if before is not None:
            slope = math.log(mine[size].cpu / mine[before].cpu) / math.log(size / before)
            grown = [f"{slope:.2f}", f"{mine[size].peak / mine[before].peak:.2f}"]
        rows.append([f"{size:,}", f"{size / mine[size].cpu:,.0f}", f"{share:.0%}", *grown])
    head = [
        "rows",
        "rows a CPU second",
        "share of the rate of decoding",
        "slope of log time",
        "peak memory, ratio",
    ]
    table(head, rows)
