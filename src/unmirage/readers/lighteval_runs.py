"""Which files make a run of lighteval, and what its `results_*.json` says.

A run is one invocation for one model: `results/MODEL/results_TIME.json` and, where details were saved,
`details/MODEL/TIME/details_TASK|SHOTS_TIME.parquet`. Decoding details is in `lighteval_details`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from unmirage.readers.base import Stated, head, json_file

TIME = r"\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d(?:\.\d+)?"
DETAILS = re.compile(rf"^details_(?P<task>.+)_(?P<time>{TIME})\.parquet$", re.DOTALL)
RESULTS = re.compile(rf"^results_(?P<time>{TIME})\.json$")
_HEAD = re.compile(rb'^\s*\{\s*"config_general"\s*:\s*\{')
_MAGIC = b"PAR1"


def claims(path: Path) -> bool:
    """Whether a file is one of lighteval, by its name and first bytes."""
    if path.suffix == ".json":
        return _HEAD.match(head(path)) is not None
    return DETAILS.match(path.name) is not None and head(path, len(_MAGIC)) == _MAGIC


class General(msgspec.Struct):
    """`config_general`, the keys that are used."""

    model_name: str | None = None
    model_config: Any = None
    sha: Any = msgspec.field(name="lighteval_sha", default=None)
    seeds: Any = msgspec.field(name="num_fewshot_seeds", default=None)

    @property
    def version(self) -> str | None:
        """The commit of lighteval that ran; None where it did not know it."""
        return self.sha if isinstance(self.sha, str) and self.sha.strip("? ") else None


class Results(msgspec.Struct):
    """`results_*.json`, the keys that are used."""

    general: General = msgspec.field(name="config_general")
    results: dict[str, dict[str, Any]]
    tasks: dict[str, Any] = msgspec.field(name="config_tasks", default_factory=dict)
    summaries: Any = msgspec.field(name="summary_tasks", default=None)

    def config(self, task: str) -> dict[str, Any]:
        """What is written of how a task was set up."""
        config = self.tasks.get(task, self.tasks.get(shots_of(task)[0]))
        return config if isinstance(config, dict) else {}

    def settings(self, task: str) -> dict[str, str | None]:
        """What should be the same for all models of a family, by its name, as text."""
        model = self.general.model_config if isinstance(self.general.model_config, dict) else {}
        generation = model.get("generation_parameters")
        given = {k: v for k, v in generation.items() if v is not None} if isinstance(generation, dict) else {}
        summary = self.summaries.get(task) if isinstance(self.summaries, dict) else None
        hashes = summary.get("hashes") if isinstance(summary, dict) else None
        hashes = hashes if isinstance(hashes, dict) else {}
        config = self.config(task)
        return {
            "task version": _text(config.get("version")),
            "system instruction": _text(model.get("system_prompt")),
            "chat template": _text(model.get("override_chat_template")),
            "generation settings": _text([given, config.get("generation_size"), config.get("stop_sequence")]),
            "draws of the examples": _text(self.general.seeds),
            "number format": _text(model.get("dtype")),
            "lighteval version": self.general.version,
            "hash of all prompts": _text(
                hashes.get("hash_full_prompts") if isinstance(hashes, dict) else None
            ),
        }

    def functions(self, task: str) -> dict[str, str]:
        """Metric -> the call that scores an item, as text; versions before 0.11 do not write it."""
        metrics = self.config(task).get("metrics")
        found = {}
        for metric in metrics if isinstance(metrics, list) else []:
            if isinstance(metric, dict):
                names = metric.get("metric_name")
                for name in names if isinstance(names, list) else [names]:
                    found[str(name)] = str(metric.get("sample_level_fn") or "")
        return found


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


@dataclass
class Run:
    """One invocation for one model: its results and the details of each task; either may be missing."""

    time: str
    path: Path | None = None
    results: Results | None = None
    details: dict[str, Path] = field(default_factory=dict)

    @property
    def where(self) -> Path:
        """A file of the run."""
        return self.path or next(iter(self.details.values()))

    def model(self) -> tuple[str, str | None]:
        """(name, revision) of the model; where no results file tells, the folders are its name."""
        general = self.results.general if self.results else General()
        config = general.model_config if isinstance(general.model_config, dict) else {}
        name = general.model_name or config.get("model_name") or config.get("pretrained")
        if not isinstance(name, str) or not name.strip("/"):
            name = place(next(iter(self.details.values()))) if self.details else self.where.parent.name
        pieces = [config.get("revision"), config.get("subfolder")]
        kept = [piece for piece in pieces if isinstance(piece, str) and piece not in ("", "main")]
        return name, "/".join(kept) or None


def states(path: Path) -> Stated:
    """The commit of lighteval that a results file states, and its tasks' numbers of shots."""
    if path.suffix != ".json" or not claims(path):
        return Stated()
    results = _results(path)
    shots = dict(shots_of(name) for name in results.results)
    version = results.general.version
    return Stated(
        f"lighteval {version[:12]}" if version else None,
        {name: n for name, n in shots.items() if n is not None},
    )


def shots_of(task: str) -> tuple[str, int | None]:
    """(task without its numbers, shots) of "arc|5", "lighteval|arc:easy|5|0"; None where there are none.

    A second number, of versions to 0.10, says whether examples were left out of long prompts.
    """
    parts = task.split("|")
    numbers: list[int] = []
    while len(parts) > 1 and parts[-1].isdecimal() and len(parts[-1]) < 5 and len(numbers) < 2:
        numbers.append(int(parts.pop()))
    return "|".join(parts), numbers[-1] if numbers else None


def place(details: Path) -> str:
    """The model in the path of a details file: what is between the folder `details` and the time."""
    folders = details.parent.parts
    if folders and re.fullmatch(TIME, folders[-1]):
        folders = folders[:-1]
    after = len(folders) - folders[::-1].index("details") if "details" in folders else len(folders) - 1
    return "/".join(folders[after:]) or details.parent.name


def runs_of(paths: Iterable[Path]) -> list[Run]:
    """The runs that the files belong to, the newest first; the results of details are read in any case.

    Raises
    ------
    SourceError
        A results file cannot be read.
    """
    given = sorted(set(paths))
    results = [path for path in given if path.suffix == ".json"]
    details = [path for path in given if path.suffix != ".json"]
    for path in details:
        beside = _results_of(path)
        if beside is not None and beside not in results:
            results.append(beside)
    runs: list[Run] = []
    for path in sorted(results):
        match = RESULTS.match(path.name)
        run = Run(match["time"] if match else "", path, _results(path))
        # Versions to 0.5 put a copy beside the details.
        if all((run.time, run.results) != (other.time, other.results) for other in runs):
            runs.append(run)
    for path in details:
        match = DETAILS.match(path.name)
        time, task = (match["time"], match["task"]) if match else ("", path.stem)
        _owner(runs, path, time).details[task] = path
    return sorted(runs, key=lambda run: (run.time, str(run.where)), reverse=True)


def _owner(runs: list[Run], path: Path, time: str) -> Run:
    """The run of a details file; a new one where there is none yet."""
    name = place(path)
    for run in runs:
        if run.time == time and run.results is not None:
            model = run.model()[0].strip("/")
            if model == name or model.endswith(f"/{name}") or name.endswith(f"/{model}"):
                return run
    at_that_time = [run for run in runs if run.time == time and run.results is not None]
    if len(at_that_time) == 1:
        return at_that_time[0]
    for run in runs:
        if (
            run.time == time
            and run.results is None
            and next(iter(run.details.values())).parent == path.parent
        ):
            return run
    runs.append(Run(time))
    return runs[-1]


def _results_of(details: Path) -> Path | None:
    """The results file that lighteval put beside the details, if it is there."""
    match = DETAILS.match(details.name)
    folders = details.parent.parts
    if match is None or "details" not in folders:
        return None
    at = len(folders) - 1 - folders[::-1].index("details")
    time = match["time"]
    model = folders[at + 1 :]
    model = model[:-1] if model and model[-1] == time else model
    found = Path(*folders[:at], "results", *model, f"results_{time}.json")
    return found if found.is_file() and claims(found) else None


def _results(path: Path) -> Results:
    return json_file(path, Results, "a results file of lighteval")
