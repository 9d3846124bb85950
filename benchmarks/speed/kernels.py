"""Edit distance and choice metrics from Arrow columns: `python -m speed.kernels edits|choices`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from speed.measure import in_turn, part, spent, table

LENGTHS = {5: 100_000, 20: 50_000, 200: 5_000}  # tokens a list -> rows
CHOICE_ROWS = 100_000
CHANGED = 0.2  # of the tokens
REPEATS = 5
ROUTES = ("lists, one by one", "lists, cpdist", "joined strings, cpdist", "code points, cpdist")


def pair(kind: str, length: int, rows: int) -> tuple[pl.Series, pl.Series]:
    """Targets and outputs that differ in some places, some outputs one token short."""
    rng = np.random.default_rng(length)
    if kind == "digits":
        words = np.array(list("0123456789"))
    else:
        letters = np.array(list("abcdefghijklmnop"))
        words = np.array(["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(5000)])
    target = rng.integers(0, len(words), (rows, length))
    output = np.where(rng.random(target.shape) < CHANGED, rng.integers(0, len(words), target.shape), target)
    lists = [words[row].tolist() for row in target], [words[row].tolist() for row in output]
    for row in lists[1][::2]:
        row.pop()
    return pl.Series(lists[0]), pl.Series(lists[1])


def by_lists(target: pl.Series, output: pl.Series) -> np.ndarray:
    """What people write."""
    pairs = zip(target.to_list(), output.to_list(), strict=True)
    return np.array([Levenshtein.distance(a, b) for a, b in pairs])


def by_cpdist(target: pl.Series, output: pl.Series) -> np.ndarray:
    """Lists of strings in one call."""
    return process.cpdist(target.to_list(), output.to_list(), scorer=Levenshtein.distance, dtype=np.int64)


def by_joined(target: pl.Series, output: pl.Series) -> np.ndarray:
    """Strings, where every token is one character."""
    texts = [series.list.join("").to_list() for series in (target, output)]
    return process.cpdist(*texts, scorer=Levenshtein.distance, dtype=np.int64)


def by_code_points(target: pl.Series, output: pl.Series) -> np.ndarray:
    """One code point a distinct token, from Arrow's dictionary codes."""
    flat = pl.concat([target.explode(), output.explode()])
    codes = flat.cast(pl.Categorical).to_physical().cast(pl.UInt32).to_numpy() + np.uint32(1)
    text = codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
    counts = pl.concat([target.list.len(), output.list.len()]).cast(pl.Int64).to_numpy()
    ends = np.cumsum(counts)
    strings = [text[a:b] for a, b in zip((ends - counts).tolist(), ends.tolist(), strict=True)]
    rows = len(target)
    return process.cpdist(strings[:rows], strings[rows:], scorer=Levenshtein.distance, dtype=np.int64)


def edits() -> list[list[object]]:
    """[kind, length, rows, seconds of ours and of each route or None]."""
    from unmirage.metrics.sequences import edit_distances

    out = []
    for kind in ("digits", "words"):
        for length, rows in LENGTHS.items():
            target, output = pair(kind, length, rows)
            truth = by_lists(target, output)
            routes: list[Callable[[pl.Series, pl.Series], np.ndarray] | None]
            routes = [
                edit_distances,
                by_lists,
                by_cpdist,
                by_joined if kind == "digits" else None,
                by_code_points,
            ]
            used = [route for route in routes if route is not None]
            assert all((route(target, output) == truth).all() for route in used)
            times = iter(in_turn([lambda r=r, t=target, o=output: r(t, o) for r in used], REPEATS))
            seconds = [None if route is None else next(times) for route in routes]
            out.append([kind, length, rows, *seconds])
    return out


def choices() -> dict[str, float]:
    """Nanoseconds a row."""
    from unmirage.metrics.registry import REGISTRY
    from unmirage.metrics.shared import item_scores

    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "choice_logprobs": pl.Series(rng.normal(-9, 3, (CHOICE_ROWS, 4)).tolist()),
            "choice_lengths": pl.Series(
                rng.integers(1, 30, (CHOICE_ROWS, 4)).tolist(), dtype=pl.List(pl.Int32)
            ),
            "length_unit": ["characters"] * CHOICE_ROWS,
            "answer": pl.Series(rng.integers(0, 4, CHOICE_ROWS), dtype=pl.Int32),
        }
    )
    same = [REGISTRY[name] for name in ("multiple_choice_grade", "acc_norm", "brier_sum")]
    every = [one for one in REGISTRY.values() if one.card.group == "choice" and one.combine is None]
    found = {
        "same": spent(lambda: item_scores(same, frame), REPEATS),
        "every": spent(lambda: item_scores(every, frame), REPEATS),
        "metrics": float(len(every)),
    }
    if find_spec("lm_eval"):
        from lm_eval.api.task import ConfigurableTask

        from speed.peers import harness_samples, harness_task

        for name, wanted in (("harness", ("acc", "acc_norm", "brier_score")), ("harness, six", None)):
            task, samples = harness_task(wanted), harness_samples(frame)
            scored = [ConfigurableTask.process_results(task, *sample) for sample in samples[:100]]
            assert [one["acc"] for one in scored] == item_scores(same, frame[:100])[0].tolist()
            found[name] = spent(
                lambda t=task, s=samples: [ConfigurableTask.process_results(t, *one) for one in s]
            )
    return found


def print_edits() -> None:
    """Print the table of edit distances."""
    print("## Edit distance from Arrow list columns\n")
    print(
        "A fifth of the tokens changed, half the outputs a token short. Microseconds of CPU a pair, median of"
    )
    print(f"{REPEATS}; the last column is the best route of rapidfuzz over ours.\n")
    rows = []
    for kind, length, _, mine, *theirs in part("kernels", "edits")[0]:
        size = LENGTHS[length]
        best = min(one for one in theirs if one is not None)
        cells = [f"{1e6 * one / size:.2f}" if one is not None else "" for one in (mine, *theirs)]
        rows.append([kind, length, f"{size:,}", *cells, f"{best / mine:.2f}"])
    table(["tokens", "length", "pairs", "ours", *ROUTES, "best / ours"], rows)


def print_choices() -> None:
    """Print the table of choice metrics."""
    found, _ = part("kernels", "choices")
    each = {name: 1e9 * value / CHOICE_ROWS for name, value in found.items() if name != "metrics"}
    print(f"## Choice metrics, {CHOICE_ROWS:,} rows of four choices\n")
    rows = [
        ["ours: multiple_choice_grade, acc_norm, brier_sum", f"{each['same']:,.0f}", "1"],
        [f"ours: all {found['metrics']:.0f}", f"{each['every']:,.0f}", f"{each['every'] / each['same']:.1f}"],
    ]
    for name, label in (
        ("harness", "harness, process_results a sample: acc, acc_norm, brier_score"),
        ("harness, six", "harness, process_results a sample: its six"),
    ):
        if name in each:
            rows.append([label, f"{each[name]:,.0f}", f"{each[name] / each['same']:,.0f}"])
        else:
            rows.append([label, "lm_eval is not installed", ""])
    table(["what", "CPU ns a row", "times ours"], rows)


if __name__ == "__main__":
    print(json.dumps({"edits": edits, "choices": choices}[sys.argv[1]]()))
