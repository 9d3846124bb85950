"""Which files make a run of lm-evaluation-harness: a results file, and the samples files that belong to it.

A run is one invocation for one model. Since 0.4.3 its files share a time stamp; before, they share a folder,
and the model's arguments head the name of a samples file. Reading the records is not done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from unmirage.readers.base import Stated, Unreadable, head, json_file, reached

TIME = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?"
SAMPLES = re.compile(rf"^samples_(?P<task>.+)_(?P<time>{TIME})\.jsonl$")
RESULTS_HEAD = re.compile(rb'^\s*\{\s*"results"\s*:\s*\{')
# A table of a user's may begin with doc_id too; only the harness goes on with the document.
RECORD_HEAD = re.compile(rb'^\s*\[?\s*\{\s*"doc_id"\s*:\s*(?:\d+|"[^"]*")\s*,\s*"doc"\s*:')
MODEL_KEYS = ("peft", "delta", "pretrained", "model", "path", "engine")
# Of a task's entry in `configs`, the keys that are used; the others hold prompts and lists of examples.
CONFIG = ("output_type", "num_fewshot", "target_delimiter", "filter_list", "metric_list")
CHECKPOINT = re.compile(r"(?:global[-_]?)?(?:step|checkpoint|ckpt|iter)[-_]?(\d+)", re.IGNORECASE)


def claims(path: Path) -> bool:
    """Whether a file is a results or a samples file of the harness, by its name and first bytes."""
    if path.suffix == ".json":
        return RESULTS_HEAD.match(head(path)) is not None
    if path.suffix == ".jsonl":
        return SAMPLES.match(path.name) is not None or RECORD_HEAD.match(head(path)) is not None
    return False


class Config(msgspec.Struct):
    """`config` of a results file: how the model was made."""

    model_args: dict[str, Any] | str | None = None
    model_num_parameters: float | None = None
    model_revision: str | None = None
    model_dtype: Any = None
    gen_kwargs: Any = None
    fewshot_seed: Any = None


class Results(msgspec.Struct):
    """A results file, the keys that are used."""

    results: dict[str, dict[str, Any]]
    configs: dict[str, dict[str, Any]] = {}
    config: Config = msgspec.field(default_factory=Config)
    samples: dict[str, dict[str, Any]] = msgspec.field(name="n-samples", default_factory=dict)
    model_name: str | None = None
    version: Any = msgspec.field(name="lm_eval_version", default=None)
    shots: dict[str, Any] = msgspec.field(name="n-shot", default_factory=dict)
    versions: Any = None
    hashes: Any = msgspec.field(name="task_hashes", default=None)
    chat_template: Any = msgspec.UNSET
    system: Any = msgspec.field(name="system_instruction", default=msgspec.UNSET)
    multiturn: Any = msgspec.field(name="fewshot_as_multiturn", default=msgspec.UNSET)

    def arguments(self) -> dict[str, str]:
        """`model_args`, which was the text "k=v,k=v" before 0.4.10; arguments that are null are left out."""
        raw = self.config.model_args
        if isinstance(raw, dict):
            return {key: str(value) for key, value in raw.items() if value is not None}
        return dict(part.split("=", 1) for part in (raw or "").split(",") if "=" in part)

    def prefix(self) -> str:
        """What a samples file's name begins with before 0.4.3."""
        raw = self.config.model_args
        return re.sub("/|=", "__", raw) if isinstance(raw, str) else ""

    def filters(self, task: str) -> list[str]:
        """The filters that the task was scored with, in the order of the file."""
        keys = [key.split(",", 1)[1] for key in self.results.get(task, {}) if "," in key]
        return list(dict.fromkeys(keys))


@dataclass
class Run:
    """One invocation for one model: its results file and its samples; either may be missing."""

    time: str
    folder: Path
    path: Path | None = None
    results: Results | None = None
    samples: dict[str, Path] = field(default_factory=dict)
    named: Mapping[str, str] | None = None  # model arguments read from the name of a samples file

    def config(self, task: str) -> dict[str, Any] | None:
        """The task's entry in `configs`."""
        return self.results.configs.get(task) if self.results else None

    def arguments(self) -> Mapping[str, str]:
        """The model's arguments: of the results file, else of the samples files' names."""
        return self.results.arguments() if self.results else self.named or {}

    def model(self) -> tuple[str, str | None]:
        """(name, revision) of the model; the folder is its name where nothing else tells.

        A `subfolder` that holds the weights is part of the revision; so is a last folder such as
        "checkpoint-500".
        """
        arguments = self.arguments()
        name = next((arguments[key] for key in MODEL_KEYS if arguments.get(key)), None)
        name = name or (self.results.model_name if self.results else None) or self.folder.name.split("__")[-1]
        revision = arguments.get("revision") or (self.results.config.model_revision if self.results else None)
        pieces = [
            piece for piece in (revision, arguments.get("subfolder")) if piece not in (None, "", "main")
        ]
        parent, _, last = name.rstrip("/").rpartition("/")
        if not pieces and parent and CHECKPOINT.fullmatch(last):
            name, pieces = parent, [last]
        return name, "/".join(str(piece) for piece in pieces) or None


def states(path: Path) -> Stated:
    """The version of the harness that a results file states, and its tasks' numbers of shots."""
    if path.suffix != ".json" or not claims(path) or RESULTS_HEAD.match(head(path)) is None:
        return Stated()
    results = _decode(path)
    shots = {task: n for task, n in results.shots.items() if isinstance(n, int)}
    return Stated(f"lm_eval {results.version}" if results.version else None, shots)


def step_of(revision: str | None) -> float | None:
    """The optimizer step that a revision such as "step1000" or "checkpoint-500" names, or None."""
    found = CHECKPOINT.search(revision or "")
    return float(found[1]) if found else None


def runs_of(paths: Iterable[Path], unreadable: Unreadable) -> list[Run]:
    """The runs that the files belong to; a results file beside samples is read in any case.

    Raises
    ------
    SourceError
        A results file cannot be read, and may not be left out.
    """
    given = sorted(set(paths))
    runs: dict[tuple[Path, str, str], Run] = {}
    for path in given:
        if path.suffix == ".json":
            _add_results(runs, path, unreadable)
    untimed = []
    for path in given:
        if path.suffix != ".jsonl":
            continue
        match = SAMPLES.match(path.name)
        if match is None:
            untimed.append(path)
            continue
        key = (path.parent, match["time"], "")
        if key not in runs or runs[key].results is None:
            for beside in _beside(path, match["time"]):
                _add_results(runs, beside, unreadable)
        runs.setdefault(key, Run(match["time"], path.parent)).samples[match["task"]] = path
    for folder in dict.fromkeys(path.parent for path in untimed):
        _add_untimed(runs, folder, [path for path in untimed if path.parent == folder], unreadable)
    return list(runs.values())


def _add_results(runs: dict[tuple[Path, str, str], Run], path: Path, unreadable: Unreadable) -> None:
    time = _time(path)
    # Without a time stamp the name of the file tells the runs of one folder apart.
    key = (path.parent, time, "" if time else path.name)
    if key in runs and runs[key].path == path:
        return
    with unreadable.attempt(path):
        results = _decode(path)
        run = runs.setdefault(key, Run(time, path.parent))
        run.path, run.results = path, results


def _beside(path: Path, time: str) -> list[Path]:
    return [p for p in sorted(path.parent.glob("*.json")) if _time(p) == time and claims(p)][:1]


def _time(path: Path) -> str:
    match = re.search(rf"_({TIME})\.json$", path.name)
    return match[1] if match else ""


def _add_untimed(
    runs: dict[tuple[Path, str, str], Run], folder: Path, paths: list[Path], unreadable: Unreadable
) -> None:
    """Give `<model arguments>_<task>.jsonl` to the results file with these arguments, if there is one."""
    for beside in sorted(folder.glob("*.json")):
        if _time(beside) == "" and claims(beside):
            _add_results(runs, beside, unreadable)
    there = [run for (place, time, _), run in runs.items() if place == folder and not time and run.results]
    tasks = {task for run in there if run.results for task in run.results.results}
    for path in paths:
        fits = [
            (len(p), run)
            for run in there
            if run.results and (p := run.results.prefix()) and path.stem.startswith(f"{p}_")
        ]
        if fits:
            length, run = max(fits, key=lambda pair: pair[0])
            run.samples[path.stem[length + 1 :]] = path
            continue
        task = max((t for t in tasks if f"_{path.stem}".endswith(f"_{t}")), key=len, default=None)
        named = _named(path.stem, task)
        if task is not None and not named and len(there) == 1:
            there[0].samples[task] = path  # renamed by hand: the folder's one results file lists the task
            continue
        task = task or path.stem.rpartition("_")[2]
        prefix = path.stem.removesuffix(task).rstrip("_")
        run = runs.setdefault((folder, "", prefix), Run("", folder, named=named))
        run.samples[task] = path


def _named(stem: str, task: str | None) -> dict[str, str]:
    """The model arguments in the name of a samples file ("pretrained__org__name,revision__step1"); {} where
    there are none."""
    prefix = stem.removesuffix(task or stem.rpartition("_")[2]).rstrip("_")
    pairs = [part.split("__", 1) for part in prefix.split(",") if "__" in part]
    named = {key: value.replace("__", "/") for key, value in pairs}
    return named if any(key in named for key in MODEL_KEYS) else {}


def _decode(path: Path) -> Results:
    results = json_file(path, Results, "a results file of lm-evaluation-harness")
    reached(path)
    results.configs = {
        task: {key: config[key] for key in CONFIG if key in config}
        for task, config in results.configs.items()
    }
    return results
