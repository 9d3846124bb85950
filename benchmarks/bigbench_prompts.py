"""Our prompts of BIG-bench's JSON tasks against those that the `bigbench` package gives to a model.

The package is no dependency. Unpack its source distribution, 1.0.0, and give its folder:

    python benchmarks/bigbench_prompts.py SRC

A model that only notes what it is asked goes through the package's own `JsonTask.evaluate_fixed_shot`, task by
task and subtask by subtask: all examples without shots, then 20 drawn ones with two shots, both with seed 42.
Compared with `unmirage.tasks.find`: inputs in their order, the texts that are scored, and, on made-up outputs,
what is taken for the answer (`postprocess_output`). Files above `--mib` (4) are left out and counted. Ends with
1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import io
import json
import os
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from unmirage.errors import UnmirageError
from unmirage.tasks import Task, find

SEED, SHOTS, DRAWN = 42, 2, 20


class Notes:
    """A model that notes what it is asked: inputs, the texts scored after each, and how outputs are read."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.scored: list[tuple[str, ...]] | None = None
        self.reading: tuple[str | None, str | None] | None = None

    def cond_log_prob(self, inputs: list[str], targets: list[list[str]], **_: object) -> list[list[float]]:
        if not self.inputs:
            self.inputs, self.scored = inputs, [tuple(one) for one in targets]
        return [[-1.0] * len(one) for one in targets]

    def generate_text(
        self, inputs: list[str], stop_string: str | None, output_regex: str | None
    ) -> list[str]:
        self.inputs, self.reading = inputs, (stop_string, output_regex)
        return ["" for _ in inputs]


def main(source: Path, mib: float) -> int:
    stub()
    sys.path.insert(0, str(source))
    from bigbench.api import json_task
    from bigbench.models.model_utils import postprocess_output

    counts: Counter[str] = Counter()
    differ = []
    for path in files(source / "bigbench" / "benchmark_tasks", mib, counts):
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = json_task.JsonTask(str(path), shot_list=[0, SHOTS])
        parts = sorted(path.parent.glob("*/task.json")) if theirs.subtasks else [path]
        counts["files with subtasks"] += bool(theirs.subtasks)
        for leaf, task in zip(parts, theirs.subtasks or [theirs], strict=True):
            for shots in (0, SHOTS):
                task.max_examples = DRAWN if shots and task.num_examples > DRAWN else None
                differ += compare(leaf, task, shots, postprocess_output, counts)
        if theirs.subtasks:
            try:
                whole = find(str(path))
                counts["tasks of subtasks asked as one"] += 1
                differ += [f"{path}: items"] * (
                    len(whole.items) != sum(t.num_examples for t in theirs.subtasks)
                )
            except UnmirageError as problem:
                counts["tasks of subtasks to be asked one by one"] += "different ways" in problem.what
    for name, count in counts.items():
        print(f"{count:10,}  {name}")
    print(f"{len(differ):10,}  differences", *differ[:20], sep="\n")
    return int(bool(differ))


def files(folder: Path, mib: float, counts: Counter[str]) -> Iterator[Path]:
    """Task files that are small enough, subtasks counted with the task."""
    for path in sorted(folder.glob("*/task.json")):
        size = sum(one.stat().st_size for one in (path, *path.parent.glob("*/task.json")))
        counts["task files" if size <= mib * 2**20 else "larger files left out"] += 1
        if size <= mib * 2**20:
            yield path


def compare(leaf: Path, task: Any, shots: int, read: Callable[..., str], counts: Counter[str]) -> list[str]:
    """What differs between the requests of both."""
    model = Notes()
    before = json.dumps(task._ds)
    with contextlib.redirect_stdout(io.StringIO()):
        task.evaluate_fixed_shot(model, shots, score=False, random_seed=SEED)
    assert json.dumps(task._ds) == before, "the package changed its own examples"
    ours = find(str(leaf), items=task.max_examples, shots=shots, seed=SEED)
    counts["files with examples"] += shots == 0
    counts[f"prompts with {shots} shots"] += len(ours.items)
    found = []
    if ours.name != task.name:
        found.append("name")
    if [one.context for one in ours.items] != model.inputs:
        found.append("prompts")
    if ours.kind == "choice" and [one.continuations for one in ours.items] != model.scored:
        found.append("choices")
    if model.reading and any(
        ours.said(one) != read(one, None, *model.reading).strip() for one in outputs(ours)
    ):
        found.append("answers")
    counts["prompts that show their own question as an example"] += (
        sum(
            one.context.removesuffix(own(one.context, task)).count(own(one.context, task)) > 0
            for one in ours.items
        )
        if shots
        else 0
    )
    return [f"{leaf}, {shots} shots: {one}" for one in found]


def own(context: str, task: Any) -> str:
    """The question at the end of a context."""
    return max((one["input"] for one in task._ds if context.endswith(one["input"])), key=len)


def outputs(task: Task) -> Sequence[str]:
    """Made-up outputs around the right answers."""
    targets = [one.target for one in task.items[:DRAWN] if one.target]
    frames = ("{}", " {}\n\nQ: next?", "{}. And more!", "\n{}", "it is '{}'; [1, 2], 3 km or -4.", "")
    return [frame.replace("{}", target) for target in targets for frame in frames]


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
