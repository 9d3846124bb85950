"""Our reader of BIG-bench's score files against the loader of the `bigbench` package, on files of its making.

The package is no dependency. Unpack its source distribution, 1.0.0, and give its folder:

    python benchmarks/bigbench_agreement.py SRC

It writes score files with the package's own `ScoreData`, `ModelData`, `ResultsFileData`,
`add_aggregate_scores` and `score_result_filename`: every metric of `SCORE_RANGES`, every rule for subtasks,
several families, sizes and shots. The package loads them with `load_results`, we with `unmirage.read`; every
value, range, preferred metric and the order by scale are compared. The files and the loader's answers are
kept in `tests/data/bigbench`, where the tests read them. Ends with 1 where anything differs.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import shutil
import sys
import types
import warnings
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import msgspec

import unmirage
from unmirage.bigbench.scores import HUNDREDFOLD, RANGES, as_loaded, with_aggregates
from unmirage.metrics import by_alias
from unmirage.readers.bigbench_rows import ScoreFile

FIXTURES = Path(__file__).parents[1] / "tests" / "data" / "bigbench"
GRADE, MATCH = "multiple_choice_grade", "exact_str_match"
MODELS = {
    # family: (model, all parameters, without embeddings, flop-matched), not in the order of size
    "dense": [("8m", 9_000_000, 8_000_000, 8_000_000), ("2m", 2_500_000, 2_000_000, 2_000_000)],
    "sparse T=0": [("big", 90_000_000, 80_000_000, 4_000_000), ("small", 50_000_000, 40_000_000, 1_000_000)],
}


def main(source: Path) -> int:
    stub()
    sys.path.insert(0, str(source))
    from bigbench.api import json_task, results

    ranges = {name: (float(low), float(high)) for name, (low, high) in json_task.SCORE_RANGES.items()}
    differ = ranges != RANGES or set(results.RENORMALIZED_METRICS) != HUNDREDFOLD
    print(f"{len(ranges)} ranges, {len(HUNDREDFOLD)} metrics times 100: {'different' if differ else 'equal'}")
    shutil.rmtree(FIXTURES, ignore_errors=True)
    made = tasks(ranges)
    write(FIXTURES / "whole", made, aggregated=True)
    whole = answer(results.load_results(str(FIXTURES / "whole")))
    # Files that lack the aggregates: the package's loader knows none then, so they are added to its answers.
    older = {task: parts for task, parts in made.items() if task in ("graded", "mixed", "repeated")}
    write(FIXTURES / "older", older, aggregated=False)
    (FIXTURES / "answers.json").write_text("[\n" + ",\n".join(map(packed, whole)) + "\n]\n")
    differ |= compare(FIXTURES / "whole", whole)
    differ |= compare(FIXTURES / "older", [one for one in whole if one[0] in older and one[3] == "dense"])
    files = list(FIXTURES.rglob("*.json"))
    print(f"\n{len(files)} files, {sum(path.stat().st_size for path in files):,} bytes")
    return int(differ)


def packed(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))


@dataclasses.dataclass
class Part:
    """A task or subtask that the package's classes are asked to write."""

    name: str
    preferred: str
    metrics: tuple[str, ...]
    ends: tuple[float, float]
    shots: tuple[int, ...] = (0,)


def tasks(ranges: dict[str, tuple[float, float]]) -> dict[str, list[Part]]:
    """Every metric preferred by a task without subtasks; then a task for each rule about subtasks."""
    made = {}
    for metric, ends in ranges.items():
        others = (GRADE, MATCH) if metric == "log_likelihood" else ()
        made[f"only_{metric}"] = [Part(f"only_{metric}", metric, (metric, *others), ends)]
    grades = ((0.2, 1.0), (0.5, 1.0))
    made["graded"] = [
        Part(f"graded:k{i}", GRADE, (GRADE, "expected_calibration_error"), ends, (0, 2))
        for i, ends in enumerate(grades)
    ]
    made["mixed"] = [
        Part(f"mixed:{metric}", metric, (metric, *more), ranges[metric])
        for metric, more in ((GRADE, ()), (MATCH, ("bleu",)), ("bleu", ()), ("log_likelihood", (GRADE,)))
    ]
    made["repeated"] = [
        *(Part("anything: 3 tokens.", "accuracy", ("accuracy",), (0.25, 1.0), (0,)) for _ in range(2)),
        Part("repeated:once", "accuracy", ("accuracy", "f1"), (0.0, 1.0), (0,)),
        *(Part("repeated", "accuracy", ("accuracy",), (0.0, 1.0), (1,)) for _ in range(2)),
    ]
    made["written_in_python"] = [
        Part(
            "overall gender bias of it", "overall gender bias", ("overall gender bias",), (-1.0, 0.0), (-1,)
        ),
        Part("a game", "full", ("full", "hard"), (-20.0, 20.0), (-1,)),
        Part("written_in_python", "full", ("full", "pair-wise-accuracy"), (0.0, 1.0), (-1,)),
    ]
    made["with_its_own_whole"] = [
        Part("with_its_own_whole", GRADE, (GRADE,), (0.5, 1.0)),
        Part("with_its_own_whole:other", MATCH, (MATCH,), (0.0, 1.0)),
    ]
    return made


def write(folder: Path, tasks: dict[str, list[Part]], *, aggregated: bool) -> None:
    """`<task>/results/scores_*.json`, as the package's own evaluation writes them."""
    from bigbench.api import model as models
    from bigbench.api import results
    from bigbench.api.task import ScoreData

    for task, parts in tasks.items():
        place = folder / task / "results"
        place.mkdir(parents=True)
        few = MODELS if aggregated else {"dense": MODELS["dense"]}
        few = {"dense": MODELS["dense"][:1]} if task.startswith("only_") else few
        for family, sizes in few.items():
            for name, total, inner, matched in sizes:
                draw = random.Random(f"{task} {family} {name}")
                scores = [
                    ScoreData(
                        score_dict={m: value(draw, m, part.ends) for m in part.metrics},
                        preferred_score=part.preferred,
                        number_of_shots=shots,
                        low_score=part.ends[0],
                        high_score=part.ends[1],
                        subtask_description=part.name,
                    )
                    for part in parts
                    for shots in part.shots
                ]
                if aggregated:
                    scores = results.add_aggregate_scores(task_name=task, scores=scores)
                    for score in scores:  # the package collects their metrics in a set
                        score.score_dict = dict(sorted(score.score_dict.items()))
                model = models.ModelData(family, name, total, inner, matched, 0, 0, "", {})
                data = results.ResultsFileData(scores, results.TaskData(task), model, [])
                text = packed(dataclasses.asdict(data))
                (place / results.score_result_filename(model)).write_text(text + "\n")


def value(draw: random.Random, metric: str, ends: tuple[float, float]) -> float:
    low, high = RANGES.get(metric, ends)
    return round(draw.uniform(low, high), 4)


def answer(loaded: dict[str, Any]) -> list[Any]:
    """What `load_results` gives: [task, subtask, metric, family, shots, [[score, scale], ...], preferred,
    low, high], the last two for the preferred metric only."""
    rows = []
    for task, results in sorted(loaded.items()):
        for subtask in results.subtasks:
            for metric, families in sorted(results.data[subtask].items()):
                mine = metric == results.preferred_metric[subtask]
                ends = (results.preferred_metric_low[subtask], results.preferred_metric_high[subtask])
                for family, shots in sorted(families.items()):
                    for n, samples in sorted(shots.items()):
                        points = [[sample.score, sample.params] for sample in samples]
                        rows.append([task, subtask, metric, family, n, points, mine, *(ends if mine else ())])
    return rows


def compare(folder: Path, answers: list[Any]) -> bool:
    """Print a line a task; whether anything differs."""
    scores, rows = scores_of(folder), rows_of(folder)
    counts: dict[str, list[int]] = {}
    for task, subtask, metric, family, shots, points, *preferred in answers:
        count = counts.setdefault(task, [0, 0, 0])
        count[0] += len(points)
        if scores.pop((task, subtask, metric, family, shots), None) == [points, *preferred]:
            count[1] += len(points)
        ours = by_alias("BIG-bench", metric)
        times = 100 if metric in HUNDREDFOLD or (ours and RANGES[metric] == (0, 100)) else 1
        label = subtask if subtask == task or subtask.startswith(f"{task}:") else f"{task}:{subtask}"
        mine = rows.pop((label, ours or metric, family, shots), [])
        wanted = [
            (value / times, scale, *preferred[:1], *(end / times for end in preferred[1:]))
            for value, scale in points
        ]
        if len(mine) == len(wanted) and all(map(close, mine, wanted)):
            count[2] += len(points)
    print(f"\n{folder.name}\n{'task':45} {'values':>6} {'scores equal':>12} {'rows equal':>10}")
    for task, (values, *equal) in counts.items():
        print(f"{task:45} {values:6} {equal[0]:12} {equal[1]:10}")
    for where, left in (("scores", scores), ("rows", rows)):
        if left:
            print(f"{len(left)} {where} of ours that the package does not have, such as {next(iter(left))}")
    return bool(scores or rows) or any(len(set(count)) > 1 for count in counts.values())


def close(mine: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return len(mine) == len(wanted) and all(
        math.isclose(a, b, rel_tol=1e-12) for a, b in zip(mine, wanted, strict=True)
    )


def scores_of(folder: Path) -> dict[tuple[object, ...], list[object]]:
    """By task, subtask, metric, family and shots: the points, whether it is preferred and its ends, computed
    by our rules from the files and put on the loader's scale."""
    found: dict[tuple[object, ...], list[Any]] = {}
    for path in sorted(folder.glob("*/results/*.json")):
        file = msgspec.json.decode(path.read_bytes(), type=ScoreFile)
        for score in map(as_loaded, with_aggregates(file.task.name, file.scores)):
            for metric, value in score.values.items():
                mine = metric == score.preferred
                key = (file.task.name, score.subtask, metric, file.model.family, score.shots)
                entry = found.setdefault(key, [[], mine, *((score.low, score.high) if mine else ())])
                entry[0] = sorted(
                    [*entry[0], [value, int(file.model.matched or 0)]], key=lambda point: point[1]
                )
    return found


def rows_of(folder: Path) -> dict[tuple[object, ...], list[tuple[float, ...]]]:
    """By task, metric, family and shots: value, scale, whether preferred and its ends, in the rows' order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", unmirage.UnmirageWarning)
        frame = unmirage.read(folder, table="results")
    found: dict[tuple[object, ...], list[tuple[float, ...]]] = {}
    for row in frame.iter_rows(named=True):
        shots = int(row["shots"])
        key = (row["task"].removesuffix(f" ({shots}-shot)"), row["metric"], row["family"], shots)
        ends = (row["low_score"], row["high_score"]) if row["preferred"] else ()
        found.setdefault(key, []).append((row["value"], row["n_params"], row["preferred"], *ends))
    return found


def stub() -> None:
    """What the package imports and does not need here."""

    def module(name: str, **attributes: object) -> types.ModuleType:
        made = types.ModuleType(name)
        made.__spec__ = ModuleSpec(name, None)
        made.__dict__.update(attributes)
        sys.modules[name] = made
        return made

    v1, v2 = module("tensorflow.compat.v1"), module("tensorflow.compat.v2")
    module("tensorflow", compat=module("tensorflow.compat", v1=v1, v2=v2))
    module("t5", evaluation=module("t5.evaluation", metrics=module("t5.evaluation.metrics")))
    module("datasets", load_metric=None)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
