"""What every family that is trained here shares: settings kept beside it, models in processes, one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from unmirage.engine import Engine, say
from unmirage.engine.local import Local
from unmirage.errors import MissingExtraError, OutputError, SettingsError
from unmirage.export import write_table
from unmirage.result import Progress
from unmirage.tables import RESPONSES

Key = TypeVar("Key", bound=Hashable)
Rule = tuple[bool, str, str]  # holds, option, what must hold


@dataclass(frozen=True)
class Report:
    """Tells whoever waits for a model how many of its steps are done."""

    key: Hashable

    def __call__(self, done: int) -> None:
        say((self.key, done))


def needs_torch(command: str) -> None:
    """MissingExtraError where what the extra `models` brings is not installed."""
    try:
        import safetensors
        import torch  # noqa: F401
    except ModuleNotFoundError as problem:
        raise MissingExtraError(
            f"training needs {problem.name}",
            where=command,
            hint="Install it with: pip install 'unmirage[models]'",
        ) from None
    del safetensors


def check(rules: Iterable[Rule]) -> None:
    """SettingsError for the first rule that does not hold."""
    for holds, where, rule in rules:
        if not holds:
            raise SettingsError(rule, where=where)


def common_rules(seeds: tuple[int, ...], device: str, engine: Engine | None) -> tuple[Rule, ...]:
    """The rules of the options that all families have."""
    import torch

    return (
        (bool(seeds) and min(seeds) >= 0, "--seeds", "there must be one at least, and none below 0"),
        (len(set(seeds)) == len(seeds), "--seeds", "must differ"),
        (
            device != "cuda" or torch.cuda.is_available(),
            "--device",
            "PyTorch finds no CUDA GPU here; use cpu",
        ),
        (
            device != "cuda" or engine is None or isinstance(engine, Local),
            "--device",
            "cuda needs --engine local: calls on a cluster are given no GPU",
        ),
    )


def keep_settings(out: Path, settings: Mapping[str, Any]) -> None:
    """Write `recipe.json` beside the models, and refuse to mix models that were trained in two ways.

    Raises
    ------
    OutputError
        The folder has other settings, settings that cannot be read, or cannot be written to.
    """
    path = out / "recipe.json"
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            before = None
        if before != settings:
            raise OutputError(
                "the folder holds models that were trained in another way"
                if before is not None
                else "recipe.json cannot be read, so that it is not known how its models were trained",
                where=str(out),
                hint="Name another folder, or repeat the options that it was made with (recipe.json).",
            )
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        draft.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as problem:
        raise OutputError(f"cannot be written: {problem.strerror}", where=str(out)) from None


def train_models(
    function: Callable[..., None],
    shared: tuple[Any, ...],
    folders: Mapping[Key, Path],
    device: str,
    *,
    steps: int,
    engine: Engine | None,
    progress: Progress,
) -> None:
    """Train each model that has no responses yet: `function(key, *shared, folder, device, report)`.

    Parameters
    ----------
    function: importable; trains one model and writes `responses.parquet` to its folder, last. It calls
        `report(done)` as steps are done.
    shared: what all models are trained by.
    folders: key of a model -> its folder.
    device: "cpu" or "cuda".
    steps: of each model.
    engine: where the models are trained; None: in this process. Its machines see the folders.
    progress: called as steps and models are done.
    """
    total = len(folders) * steps
    done = dict.fromkeys(folders, 0)

    def told(message: tuple[Key, int]) -> None:
        key, done[key] = message
        progress("training (steps)", sum(done.values()), total)

    calls = {
        key: (function, key, shared, folder.absolute(), device, Report(key))
        for key, folder in folders.items()
    }
    going = (engine or Local()).map(_one, calls, long=True, told=told)
    for finished, (key, _) in enumerate(going, start=1):
        told((key, steps))
        progress("models", finished, len(folders))


def _one(
    function: Callable[..., None],
    key: Key,
    shared: tuple[Any, ...],
    folder: Path,
    device: str,
    report: Report,
) -> None:
    """One model, in a process of its own where there are several; nothing where it is there already."""
    if (folder / "responses.parquet").is_file():
        return
    import torch

    torch.set_num_threads(1)
    function(key, *shared, folder, device, report)


def join(parts: Iterable[Path], out: Path) -> Path:
    """Write the tables of the models as one; returns its path.

    Raises OutputError where one is missing: it was trained on a machine with another folder of that name.
    """
    parts = list(parts)
    for part in parts:
        if not part.is_file():
            raise OutputError(
                "is not here, though its model is trained",
                where=str(part),
                hint="The machines of a cluster must share the folder of --out.",
            )
    write_table(pl.concat([pl.read_parquet(part) for part in parts]), out, "parquet")
    return out


def responses(known: Mapping[str, Any], n: int) -> pl.DataFrame:
    """n rows in the schema `tables.RESPONSES`: a list is a column, anything else the same in each row.

    Columns that are not known are null, but for `epoch`, which is 0.
    """
    known = {"epoch": 0, **known}
    columns = {c: v if isinstance(v := known.get(c), list) else [v] * n for c in RESPONSES}
    return pl.DataFrame([pl.Series(c, columns[c], dtype) for c, dtype in RESPONSES.items()])
