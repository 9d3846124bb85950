"""Which files make a run of HELM, and what its `run_spec.json` and `stats.json` say.

A run is a folder: `run_spec.json` names the model and how it was asked, `stats.json` holds the aggregates.
Which of these are scores is decided in `helm`; records of items are read in `helm_items`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import Stated, head, json_file

STATS, SPEC = "stats.json", "run_spec.json"
STATES, ITEM_STATS = "scenario_state.json", "per_instance_stats.json"
# Copies of what is in these, for the page of a run.
OTHERS = ("instances.json", "scenario.json", "display_predictions.json", "display_requests.json")
# Parts of a run's name that are no part of the task: `adapter_spec` holds them.
OWN_ARGUMENTS = ("model", "model_deployment", "method", "max_train_instances")

_STATS_HEAD = re.compile(rb'^\s*\[\s*\{\s*"name"\s*:\s*\{\s*"name"\s*:')
_SPEC_HEAD = re.compile(rb'^\s*\{\s*"name"\s*:\s*"[^"]*"\s*,\s*"scenario_spec"\s*:')


class Adapter(msgspec.Struct):
    """`adapter_spec`: how the model was asked."""

    model: str
    method: str = ""
    max_train_instances: int = 0
    output_suffix: str = ""
    global_suffix: str = ""
    instructions: Any = None
    input_prefix: Any = None
    input_suffix: Any = None
    output_prefix: Any = None
    temperature: Any = None
    max_tokens: Any = None
    num_outputs: Any = None
    stop_sequences: Any = None
    num_train_trials: Any = None

    def settings(self) -> dict[str, str | None]:
        """What should be the same for all models of a family, by its name, as text."""
        words = (self.input_prefix, self.input_suffix, self.output_prefix, self.output_suffix)
        generation = (self.temperature, self.max_tokens, self.num_outputs, self.stop_sequences)
        return {
            "instructions": _text(self.instructions),
            "words around input and output": _text(words),
            "generation settings": _text(generation),
            "draws of the examples": _text(self.num_train_trials),
        }


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


class Augmenter(msgspec.Struct):
    """`data_augmenter_spec`: the perturbations of the instances that were asked for."""

    perturbation_specs: list[Any] = []


class Spec(msgspec.Struct):
    """`run_spec.json`, the keys that are used."""

    name: str
    adapter: Adapter = msgspec.field(name="adapter_spec")
    augmenter: Augmenter = msgspec.field(name="data_augmenter_spec", default_factory=Augmenter)

    @property
    def task(self) -> str:
        """The run's name without model, method and number of examples: "mmlu:subject=anatomy"."""
        scenario, _, arguments = self.name.partition(":")
        kept = [part for part in arguments.split(",") if part.split("=", 1)[0] not in (*OWN_ARGUMENTS, "")]
        return f"{scenario}:{','.join(kept)}" if kept else scenario

    @property
    def model(self) -> tuple[str, str | None]:
        """(name, revision) of the model: "huggingface/org/name@step1000"."""
        name, _, revision = self.adapter.model.partition("@")
        return name, revision or None


class Name(msgspec.Struct):
    """What a statistic is of."""

    name: str
    split: str | None = None
    sub_split: str | None = None
    perturbation: dict[str, Any] | None = None


class Stat(msgspec.Struct):
    """A statistic over the trials of a run: each trial's mean over the instances counts once.

    So `count` is the number of trials, and `stddev` the spread of their means; neither is about instances.
    """

    name: Name
    count: int
    mean: float | Literal["NaN", "Infinity", "-Infinity"] | None = None

    @property
    def value(self) -> float | None:
        """The mean over trials; None where there is none."""
        return None if self.mean is None or self.count == 0 else float(self.mean)


@dataclass(frozen=True)
class Run:
    """A run folder, and how the model was asked."""

    folder: Path
    spec: Spec

    def stats(self) -> list[Stat]:
        """The statistics of the run; SourceError where they cannot be read."""
        return json_file(self.folder / STATS, list[Stat], f"a {STATS} of HELM")


def states(path: Path) -> Stated:
    """The number of examples in the prompt that a run states; HELM writes no version of itself."""
    if path.name != SPEC:
        return Stated()
    spec = json_file(path, Spec, f"a {path.name} of HELM")
    return Stated(shots={spec.task: spec.adapter.max_train_instances})


def claims(path: Path) -> bool:
    """Whether a file is one of a HELM run: by its name, its first bytes, and the files beside it."""
    if path.name == STATS and _STATS_HEAD.match(head(path)):
        return True
    if path.name == SPEC:
        return _SPEC_HEAD.match(head(path)) is not None
    spec = path.parent / SPEC
    return path.name in (STATS, STATES, ITEM_STATS, *OTHERS) and spec.is_file() and claims(spec)


def runs_of(paths: Iterable[Path]) -> tuple[list[Run], list[Path]]:
    """The runs whose files are among `paths`, and the folders of runs that have no statistics (yet).

    Raises
    ------
    SourceError
        A file cannot be read, or statistics have no run_spec.json beside them.
    """
    runs, unfinished = [], []
    for folder in sorted({path.parent for path in paths}):
        spec, stats = folder / SPEC, folder / STATS
        if not stats.is_file():
            unfinished.append(folder)
            continue
        if not spec.is_file():
            raise SourceError(
                f"there is no {SPEC} beside it, which names the model and the task",
                where=str(stats),
                hint="Give the whole folder of the run, as HELM wrote it.",
            )
        runs.append(Run(folder, json_file(spec, Spec, f"a {SPEC} of HELM")))
    return runs, unfinished
