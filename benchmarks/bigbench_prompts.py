"""Our prompts of BIG-bench's JSON tasks against those that the `bigbench` package gives to a model.

The package is no dependency. Unpack its source distribution, 1.0.0, and give its folder:

    python benchmarks/bigbench_prompts.py SRC

A model that only notes what it is asked goes through the package's own `JsonTask.evaluate_fixed_shot`, task
by task and subtask by subtask: all examples without shots, then 20 drawn ones with two shots, both with seed
42. Compared with `unmirage.tasks.find`: inputs in their order, the texts that are scored, and, on made-up
outputs, what is taken for the answer (`postprocess_output`). Task files above `--mib` (4) are left out and
counted. Ends with 1 where anything differs.

The same is done with small tasks made up here, one rule each, which are kept with the package's answers in
`tests/data/bigbench_prompts`, where the tests read them.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import io
import json
import os
import shutil
import sys
import types
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from unmirage.errors import UnmirageError
from unmirage.tasks import Task, find

SEED, SHOTS, DRAWN = 42, 2, 20
FIXTURES = Path(__file__).parents[1] / "tests" / "data" / "bigbench_prompts"
GRADE, MATCH = "multiple_choice_grade", "exact_str_match"
CAPITALS = {"France": "Paris", "Peru": "Lima", "Japan": "Tokyo", "Ghana": "Accra", "Oman": "Muscat"}

Asked = dict[str, Any]


class Notes:
    """A model that notes what it is asked: inputs, the texts scored after each, and how outputs are read."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.scored: list[list[str]] | None = None
        self.reading: tuple[str | None, str | None] | None = None

    def cond_log_prob(self, inputs: list[str], targets: list[list[str]], **_: object) -> list[list[float]]:
        if not self.inputs:
            self.inputs, self.scored = inputs, [list(one) for one in targets]
        return [[-1.0] * len(one) for one in targets]

    def generate_text(
        self, inputs: list[str], stop_string: str | None, output_regex: str | None
    ) -> list[str]:
        self.inputs, self.reading = inputs, (stop_string, output_regex)
        return ["" for _ in inputs]


def main(source: Path, mib: float) -> int:
    stub()
    sys.path.insert(0, str(source))
    make_fixtures()
    counts: Counter[str] = Counter()
    differ, answers = [], []
    for path in sorted(FIXTURES.glob("*/task.json")):
        found, asked = both(path, counts)
        differ, answers = differ + found, answers + asked
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in answers)
    (FIXTURES / "answers.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    for path in files(source / "bigbench" / "benchmark_tasks", mib, counts):
        differ += both(path, counts)[0]
    for name, count in counts.items():
        print(f"{count:10,}  {name}")
    print(f"{len(differ):10,}  differences", *differ[:20], sep="\n")
    return int(bool(differ))


def both(path: Path, counts: Counter[str]) -> tuple[list[str], list[Asked]]:
    """One task, its subtasks one by one: what differs, and what the package asks."""
    from bigbench.api import json_task

    with contextlib.redirect_stdout(io.StringIO()):
        theirs = json_task.JsonTask(str(path), shot_list=[0, SHOTS])
    parts = sorted(path.parent.glob("*/task.json")) if theirs.subtasks else [path]
    differ, answers = [], []
    for leaf, task in zip(parts, theirs.subtasks or [theirs], strict=True):
        for shots in (0, SHOTS):
            found, asked = compare(leaf, task, shots, counts)
            differ += found
            answers.append(asked)
    if theirs.subtasks:
        try:
            whole = find(str(path))
            counts["tasks of subtasks that are asked as one"] += 1
            if len(whole.items) != sum(len(task._ds) for task in theirs.subtasks):
                differ.append(f"{path}: items")
        except UnmirageError as problem:
            if "different ways" not in problem.what:
                raise
            counts["tasks of subtasks that must be asked one by one"] += 1
    return differ, answers


def files(folder: Path, mib: float, counts: Counter[str]) -> Iterator[Path]:
    """Task files that are small enough, subtasks counted with the task."""
    for path in sorted(folder.glob("*/task.json")):
        size = sum(one.stat().st_size for one in (path, *path.parent.glob("*/task.json")))
        counts["task files" if size <= mib * 2**20 else "larger files left out"] += 1
        if size <= mib * 2**20:
            yield path


def compare(leaf: Path, task: Any, shots: int, counts: Counter[str]) -> tuple[list[str], Asked]:
    """What differs between the requests of both, and those of the package."""
    from bigbench.models.model_utils import postprocess_output

    model = Notes()
    items = task.max_examples = DRAWN if shots and len(task._ds) > DRAWN else None
    with contextlib.redirect_stdout(io.StringIO()):
        task.evaluate_fixed_shot(model, shots, score=False, random_seed=SEED)
    ours = find(str(leaf), items=items, shots=shots, seed=SEED)
    counts["files with examples"] += shots == 0
    counts[f"prompts with {shots} shots"] += len(ours.items)
    for note in ours.notes:
        counts[f"noted as {note['code']}, {shots} shots"] += int(str(note["count"]))
    said = outputs(ours) if model.reading else []
    asked: Asked = {
        "path": "/".join(leaf.parts[-3:]) if ":" in task.name else "/".join(leaf.parts[-2:]),
        "items": items,
        "shots": shots,
        "seed": SEED,
        "name": task.name,
        "inputs": model.inputs,
        "scored": model.scored,
        "answers": [[one, postprocess_output(one, None, *model.reading).strip()] for one in said],
    }
    return [f"{leaf}, {shots} shots: {one}" for one in differences(ours, asked)], asked


def differences(ours: Task, asked: Asked) -> list[str]:
    """What of a task is not as the package has it."""
    same = {
        "name": ours.name == asked["name"],
        "prompts": [one.context for one in ours.items] == asked["inputs"],
        "choices": ours.kind != "choice"
        or [list(one.continuations) for one in ours.items] == asked["scored"],
        "answers": all(ours.said(output) == answer for output, answer in asked["answers"]),
    }
    return [name for name, good in same.items() if not good]


def outputs(task: Task) -> Sequence[str]:
    """Made-up outputs around the right answers."""
    targets = [one.target for one in task.items[:DRAWN] if one.target]
    frames = ("{}", " {}\n\nQ: next?", "{}. And more!", "\n{}", "it is '{}'; [1, 2], 3 km or -4.", "")
    return [frame.replace("{}", target) for target in targets for frame in frames]


def make_fixtures() -> None:
    """Small tasks, one rule of the format each."""
    asked = [{"input": f"The capital of {land}?", "target": town} for land, town in CAPITALS.items()]
    towns = list(CAPITALS.values())
    scored = [
        {
            "input": one["input"],
            "target_scores": {town: float(town == one["target"]) for town in towns[k:] + towns[:k]},
        }
        for k, one in enumerate(asked)
    ]
    several = [{**one, "target_scores": {**one["target_scores"], "both right": 1}} for one in scored]
    made: dict[str, dict[str, Any]] = {
        "defaults": {"examples": asked},
        "repeated": {"examples": [*asked, asked[0], asked[0]]},
        "many_targets": {
            "examples": [{**one, "target": [one["target"], " Town ", "Größe"]} for one in asked]
        },
        "choices": {"examples": scored, "preferred_score": GRADE},
        "several_right": {"examples": several, "preferred_score": GRADE},
        "not_appended": {"examples": scored, "preferred_score": GRADE, "append_choices_to_input": False},
        "own_words": {
            "examples": [{**one, "target": asked[k]["target"]} for k, one in enumerate(scored)],
            "preferred_score": GRADE,
            "metrics": [GRADE, MATCH],
            "task_prefix": "Say where.\n",
            "example_input_prefix": "land> ",
            "example_output_prefix": "\ntown> ",
            "choice_prefix": "\n * ",
            "few_shot_example_separator": "\n--\n",
        },
        "stopped": {"examples": asked, "stop_string": "."},
        "matched": {"examples": asked, "output_regex": "([A-Z][a-z]+)[.!]?"},
        "stopped_and_matched": {"examples": asked, "stop_string": "\n", "output_regex": "[a-z]+"},
        "long": {"examples": [{"input": f"{k} + {k}", "target": str(2 * k)} for k in range(60)]},
        "whole": {"subtasks": {"far": {"examples": asked}, "near": {"examples": asked[::-1]}}},
    }
    shutil.rmtree(FIXTURES, ignore_errors=True)
    for name, data in made.items():
        for part, content in data.pop("subtasks", {}).items():
            write(FIXTURES / name / part, part, content)
        write(FIXTURES / name, name, data)


def write(folder: Path, name: str, data: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    about = {"canary": "made up for unmirage", "name": name, "description": "", "keywords": []}
    if "examples" in data:
        about |= {"metrics": [data.get("preferred_score", MATCH)], "preferred_score": MATCH}
    text = json.dumps(about | data, ensure_ascii=False, indent=1)
    (folder / "task.json").write_text(text + "\n", encoding="utf-8")


def stub() -> None:
    """What the package imports and does not need here, and TensorFlow's files."""

    def module(name: str, **attributes: object) -> types.ModuleType:
        made = types.ModuleType(name)
        made.__spec__ = ModuleSpec(name, None)
        made.__dict__.update(attributes)
        sys.modules[name] = made
        return made

    disk = types.SimpleNamespace(isdir=os.path.isdir, glob=glob.glob, GFile=open)
    v1 = module("tensorflow.compat.v1")
    v2 = module("tensorflow.compat.v2", io=types.SimpleNamespace(gfile=disk))
    module("tensorflow", compat=module("tensorflow.compat", v1=v1, v2=v2))
    module("t5", evaluation=module("t5.evaluation", metrics=module("t5.evaluation.metrics")))
    module("datasets", load_metric=None)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("source", type=Path)
    options.add_argument("--mib", type=float, default=4.0)
    given = options.parse_args()
    sys.exit(main(given.source, given.mib))
