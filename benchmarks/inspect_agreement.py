"""Logs of inspect_ai: our reader against inspect_ai's own, and the time that reading takes.

inspect_ai is no dependency: run this with the Python of an environment that has inspect_ai, pandas, pyarrow
and unmirage, on a folder of logs:

    python benchmarks/inspect_agreement.py FOLDER [SAMPLES]

It compares every sample of every log (target, output, scores as numbers) and every aggregate that is a mean,
runs an evaluation of its own with inspect_ai (epochs, numbers, letters, dicts, lists, unscored samples; an
archive and a JSON file) and compares that too. Then it repeats the samples of a log up to SAMPLES (default
5,000) and reads them with ours; with `samples_df`, of summaries and of whole samples (an output column needs
these); and with `json.loads` of every entry, which is unpacked by our archive reader or by zipfile: in one
process, one after another, the best of three (inspect_ai's: once).
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import zipfile_zstd  # noqa: F401  (teaches zipfile to read Zstandard; inspect_ai depends on it)
from inspect_ai import Epochs, Task, __version__, eval
from inspect_ai.analysis import SampleColumn, SampleSummary, samples_df
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import list_eval_logs, read_eval_log
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Score, Scorer, Target, accuracy, exact, match, mean, scorer, value_to_float
from inspect_ai.solver import Generate, Solver, TaskState, solver

from unmirage.families import load
from unmirage.readers import Loaded, Options, inspect_ai
from unmirage.readers.inspect_ai_archive import Archive

OPTIONS = Options(families=load(), hashed=False)
NAMES = {"exact": "exact_match_normalised", "choice": "multiple_choice_grade"}


def ours(path: Path) -> Loaded:
    """What our reader makes of one log."""
    return inspect_ai.read([path], OPTIONS, lambda n: None)


def numbers(scores: dict[str, Score]) -> dict[str, float]:
    """inspect_ai's scores of a sample by its own rule, under our names, without the unscored."""
    out = {}
    for name, score in scores.items():
        parts = {name: score.value}
        if isinstance(score.value, dict):
            parts = {f"{name}.{key}": value for key, value in score.value.items()}
        if isinstance(score.value, list):
            parts = {f"{name}.{i}": value for i, value in enumerate(score.value, start=1)}
        for key, value in parts.items():
            number = math.nan if value is None else value_to_float()(value)
            if not math.isnan(number):
                out[NAMES.get(key, key)] = number
    return out


def compare(path: Path) -> tuple[int, int, int, int, float]:
    """(samples, scores, aggregates, differences, largest difference) of one log."""
    theirs, mine = read_eval_log(str(path)), ours(path)
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for frame in mine.responses:
        rows = {(row["item_id"], row["epoch"]): row for row in frame.iter_rows(named=True)}
    scores = differences = aggregates = 0
    largest = 0.0
    for sample in theirs.samples or []:
        wanted = numbers(sample.scores or {})
        row = rows.pop((str(sample.id), sample.epoch - 1), None)
        if row is None or not wanted:
            differences += row is not None or bool(wanted)
            continue
        found = {entry["metric"]: entry["value"] for entry in row["recorded"]}
        targets = [sample.target] if isinstance(sample.target, str) else sample.target
        differences += row["output"] != sample.output.completion.strip()
        differences += row["target"] not in [target.strip() for target in targets]
        differences += found.keys() != wanted.keys()
        for key in found.keys() & wanted.keys():
            scores += 1
            largest = max(largest, abs(found[key] - wanted[key]))
    differences += len(rows)
    means: dict[str, float] = {}
    if mine.responses:
        items = mine.responses[0].explode("recorded").unnest("recorded")
        items = items.group_by("metric", "item_id").agg(pl.col("value").mean())
        means = dict(items.group_by("metric").agg(pl.col("value").mean()).iter_rows())
    for one in theirs.results.scores if theirs.results else []:
        key = one.name if one.name == one.scorer else f"{one.scorer}.{one.name}"
        for name, metric in one.metrics.items():
            known = means.get(NAMES.get(key, key))
            if name in ("accuracy", "mean") and one.reducer in (None, "mean") and known is not None:
                aggregates += 1
                largest = max(largest, abs(metric.value - known))
    return len(theirs.samples or []), scores, aggregates, differences, largest


@scorer(metrics={"*": [mean()]})
def lengths() -> Scorer:
    """A dict of numbers."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value={"output": len(state.output.completion), "target": len(target.text)})

    return score


@scorer(metrics=[accuracy()])
def sometimes() -> Scorer:
    """A score that one sample in three has not."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score.unscored() if int(target.text) % 3 == 0 else Score(value="P")

    return score


@scorer(metrics=[])
def listed() -> Scorer:
    """A list of numbers and letters."""

    async def score(state: TaskState, target: Target) -> Score:
        return Score(value=[0.5, "C"])

    return score


def mock(folder: Path) -> None:
    """Logs of an evaluation that asks no model: an archive and a JSON file."""

    @solver
    def answers() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            state.output = ModelOutput.from_content("mock", f" {int(state.input_text[:-1]) % 4}\n")
            return state

        return solve

    task = Task(
        dataset=MemoryDataset([Sample(input=f"{i}?", target=str(i % 5)) for i in range(40)]),
        solver=answers(),
        scorer=[exact(), match(location="exact"), lengths(), sometimes(), listed()],
        epochs=Epochs(3, ["mean", "at_least_1"]),
        name="mocked",
    )
    for kind in ("eval", "json"):
        eval(task, model="mockllm/model", log_dir=str(folder), log_format=kind, display="none")


def repeat(source: Path, target: Path, count: int) -> int:
    """An archive with the samples of another, again and again under new ids; returns its unpacked bytes."""
    size = 0
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w", 93) as made:
        names = given.namelist()
        samples = [json.loads(given.read(name)) for name in names if name.startswith("samples/")]
        summaries = {(s["id"], s["epoch"]): s for s in json.loads(given.read("summaries.json"))}
        kept = []
        made.writestr("_journal/start.json", given.read("_journal/start.json"))
        for i in range(count):
            sample = samples[i % len(samples)]
            changed = {**sample, "id": i, "uuid": f"{sample['uuid']}-{i}"}
            kept.append({**summaries[sample["id"], sample["epoch"]], "id": i, "uuid": changed["uuid"]})
            content = json.dumps({**changed, "epoch": 1}, separators=(",", ":"))
            size += len(content)
            made.writestr(f"samples/{i}_epoch_1.json", content)
        made.writestr("summaries.json", json.dumps(kept))
        header = json.loads(given.read("header.json"))
        header["results"] = None
        made.writestr("header.json", json.dumps(header))
    return size


def plain(path: Path, opened: type[Archive] | type[zipfile.ZipFile]) -> int:
    """json.loads of every sample, and the columns that people need."""
    with opened(path) as archive:
        names = archive.entries if isinstance(archive, Archive) else archive.namelist()
        found = []
        for name in names:
            if name.startswith("samples/"):
                sample = json.loads(archive.read(name))
                scores = {key: score["value"] for key, score in sample["scores"].items()}
                found.append((sample["id"], sample["epoch"], sample["output"]["completion"], scores))
    return len(found)


def parsed_only(contents: list[bytes]) -> int:
    """json.loads alone, of entries that are unpacked already."""
    return sum(len(json.loads(content)) > 0 for content in contents)


def best(work: Callable[[], object], runs: int = 3) -> float:
    """The least CPU seconds of several runs."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def speed(source: Path, count: int) -> None:
    """Print the table of times."""
    output = SampleColumn("output", path="output.choices[0].message.content", full=True)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "2026-01-01T00-00-00-00-00_repeated_x.eval"
        size = repeat(source, path, count) / 2**20
        with zipfile.ZipFile(path) as archive:
            contents = [archive.read(name) for name in archive.namelist() if name.startswith("samples/")]
        times = {
            "unmirage": best(lambda: ours(path)),
            "json.loads of every entry, unpacked as ours": best(lambda: plain(path, Archive)),
            "json.loads of every entry, zipfile": best(lambda: plain(path, zipfile.ZipFile)),
            "json.loads alone, nothing unpacked": best(lambda: parsed_only(contents)),
            "samples_df, summaries": best(lambda: samples_df(str(path), quiet=True), 1),
            "samples_df, full samples": best(
                lambda: samples_df(str(path), columns=[*SampleSummary, output], quiet=True), 1
            ),
        }
    print(f"\n{count:,} samples, {size:,.0f} MiB unpacked; CPU seconds in one process, one core\n")
    print("| reader | seconds | samples a second | MiB a second | times ours |")
    print("|---|---:|---:|---:|---:|")
    for label, seconds in times.items():
        rate, ratio = size / seconds, seconds / times["unmirage"]
        print(f"| {label} | {seconds:.2f} | {count / seconds:,.0f} | {rate:.0f} | {ratio:.1f} |")


def main() -> None:
    """Print both tables."""
    folder = Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    print(f"inspect_ai {__version__}, Python {sys.version.split()[0]}\n")
    print("| log | samples | scores | means | differences | largest difference |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as made:
        mock(Path(made))
        for where in (folder, Path(made)):
            for info in sorted(list_eval_logs(str(where)), key=lambda info: info.name):
                path = Path(info.name.removeprefix("file://"))
                samples, scores, means, differences, largest = compare(path)
                label = f"{path.stem[26:40]} {path.suffix}"
                print(f"| {label} | {samples} | {scores} | {means} | {differences} | {largest:.1e} |")
    speed(sorted(folder.glob("*.eval"))[1], count)


if __name__ == "__main__":
    main()
