"""The options of the commands, once each, in the groups that `--help` shows. The commands are in `cli`.

Those of `unmirage train` are in `cli_training`; where work runs is in `cli_running`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from unmirage.errors import SettingsError

READING = Group("Reading", sort_key=1)
JUDGING = Group("Judging", sort_key=2)
FAMILY = Group("Family", sort_key=1)
OUTPUT = Group("Output", sort_key=4)


def _option(group: Group, help: str, name: str | None = None, many: bool = False) -> Parameter:
    if many:
        return Parameter(
            name=name,
            group=group,
            negative=(),
            consume_multiple=False,
            show_default=False,
            help=f"{help} Can be repeated.",
        )
    return Parameter(name=name, group=group, help=help)


@Parameter(name="*")
@dataclass
class ReadingOptions:
    """How the sources are read."""

    format: Annotated[
        str | None,
        _option(
            READING,
            "lm-eval, bigbench, helm, inspect, lighteval, every-eval-ever or table; by default each file is "
            "looked at.",
        ),
    ] = None
    family: Annotated[str | None, _option(READING, "One family name for all models.")] = None
    families: Annotated[
        tuple[Path, ...],
        _option(READING, "A TOML file with sizes of models that are not known.", many=True),
    ] = ()
    map: Annotated[
        tuple[str, ...],
        _option(
            READING,
            "For tables: SOURCE=NAME, where SOURCE is a column or a SQL expression over columns "
            "(-nll=target_logprob), or a TOML file of them.",
            many=True,
        ),
    ] = ()
    task: Annotated[
        tuple[str, ...],
        _option(READING, "Read these tasks only; * stands for any letters.", many=True),
    ] = ()

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            "format": self.format,
            "family": self.family,
            "families": self.families,
            "map": self.map,
            "tasks": self.task,
        }


@Parameter(name="*")
@dataclass
class ScoringOptions:
    """What is scored."""

    metric: Annotated[
        tuple[str, ...],
        _option(JUDGING, "Score these metrics only; `unmirage metrics` lists them.", many=True),
    ] = ()
    tokens: Annotated[
        tuple[str, ...],
        _option(
            JUDGING,
            "How texts are cut into tokens: characters or words, for all tasks or as TASK=characters. By "
            "default characters where all targets of a task are numbers, else words.",
            many=True,
        ),
    ] = ()

    def metrics(self) -> tuple[str, ...] | None:
        """The metrics that were asked for, or None."""
        return self.metric or None

    def rules(self) -> str | dict[str, str] | None:
        """One tokenisation for all tasks, one a task, or None."""
        named = dict(entry.rsplit("=", 1) for entry in self.tokens if "=" in entry)
        plain = [entry for entry in self.tokens if "=" not in entry]
        if named and plain:
            raise SettingsError(
                "give one rule for all tasks, or TASK=RULE entries, not both", where="--tokens"
            )
        return named or (plain[-1] if plain else None)


@Parameter(name="*")
@dataclass
class AxisOptions:
    """What the curves are drawn against."""

    axis: Annotated[
        str,
        _option(JUDGING, "n_params, n_tokens, flops, loss, or another numeric column of the logs."),
    ] = "n_params"
    checkpoint: Annotated[
        str,
        _option(
            JUDGING,
            "On n_params and flops, which checkpoint of a run stands for it: last, first, or COLUMN=VALUE.",
        ),
    ] = "last"
    chance: Annotated[
        tuple[str, ...],
        _option(
            JUDGING,
            "Chance level of a task's headline where the log cannot tell it: TASK=0.25, or 0.25 for all.",
            many=True,
        ),
    ] = ()
    confidence: Annotated[float, _option(JUDGING, "Of every interval.")] = 0.95
    seed: Annotated[int, _option(JUDGING, "Of every resampling; the same seed gives the same bytes.")] = 0

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            "axis": self.axis,
            "checkpoint": self.checkpoint,
            "chance": self._levels(),
            "confidence": self.confidence,
            "seed": self.seed,
        }

    def _levels(self) -> dict[str, float]:
        levels = {}
        for entry in self.chance:
            task, _, text = entry.rpartition("=")
            try:
                levels[task or "*"] = float(text)
            except ValueError:
                raise SettingsError(
                    f"cannot read {entry!r}", where="--chance", hint="Write TASK=0.25, or 0.25 for all."
                ) from None
        return levels


@Parameter(name="*")
@dataclass
class CurveOptions(AxisOptions):
    """What the curves are drawn against, and with what."""

    samples: Annotated[
        int | None,
        _option(
            JUDGING,
            "Keep this many of the counted attempts an item, drawn at random: what a smaller evaluation "
            "would have shown.",
        ),
    ] = None
    interval: Annotated[Literal["clopper-pearson", "wilson"], _option(JUDGING, "For 0/1 scores.")] = (
        "clopper-pearson"
    )
    replicates: Annotated[int, _option(JUDGING, "Resamples of the items.")] = 2000

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            **AxisOptions.arguments(self),
            "samples": self.samples,
            "interval": self.interval,
            "replicates": self.replicates,
        }


@Parameter(name="*")
@dataclass
class JudgingOptions:
    """What a task is judged by."""

    headline: Annotated[
        str | None,
        _option(
            JUDGING,
            "The metric that people report; by default exact match, multiple-choice accuracy or the pass "
            "rate, as the responses allow.",
        ),
    ] = None
    companion: Annotated[
        str | None,
        _option(
            JUDGING,
            "The continuous metric to hold beside it; by default from log-probabilities, where the logs "
            "have them.",
        ),
    ] = None
    alpha: Annotated[float, _option(JUDGING, "Level of the tests against chance.")] = 0.05
    adjust: Annotated[
        Literal["bh", "holm"], _option(JUDGING, "How p-values are adjusted over the audit.")
    ] = "bh"

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        return {
            "headline": self.headline,
            "companion": self.companion,
            "alpha": self.alpha,
            "adjust": self.adjust,
        }


@Parameter(name="*")
@dataclass
class ReportOptions:
    """What is written beside the report's own files, and what is printed."""

    charts: Annotated[
        tuple[Literal["png", "svg", "pdf"], ...],
        _option(OUTPUT, "Also write each task's chart as a file of this format.", many=True),
    ] = ()
    quiet: Annotated[
        bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the report only.")
    ] = field(default=False)


@Parameter(name="*")
@dataclass
class SimulationOptions:
    """The family that is simulated."""

    scales: Annotated[int, _option(FAMILY, "Number of sizes, evenly spaced in the logarithm.")] = 8
    smallest: Annotated[float, _option(FAMILY, "Parameters of the smallest model.")] = 1e7
    largest: Annotated[float, _option(FAMILY, "Parameters of the largest model.")] = 1e10
    jitter: Annotated[
        float, _option(FAMILY, "Move each inner size by up to this share of a gap, below 0.5.")
    ] = 0.0
    seeds: Annotated[int, _option(FAMILY, "Models of each size.")] = 1
    scatter: Annotated[
        float, _option(FAMILY, "Standard deviation of models about their curve, on the log of the loss.")
    ] = 0.02
    tails: Annotated[Literal["normal", "t3"], _option(FAMILY, "Of the scatter.")] = "normal"
    items: Annotated[int, _option(FAMILY, "Items, the same for all models.")] = 500
    length: Annotated[int, _option(FAMILY, "Tokens of a target, where truths generate.")] = 4
    choices: Annotated[int, _option(FAMILY, "Choices of an item, where truths choose.")] = 4
    clusters: Annotated[
        int | None, _option(FAMILY, "Groups of items that share half of their difficulty's variance.")
    ] = None
    epochs: Annotated[int, _option(FAMILY, "Answers of each model to each item.")] = 1
    parameter: Annotated[
        tuple[str, ...],
        _option(
            FAMILY, "A parameter of the truth: size=0.3 or at=0.4; --list names them.", "--set", many=True
        ),
    ] = ()
    seed: Annotated[int, _option(FAMILY, "The same seed gives the same bytes.")] = 0

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        from unmirage.theory.truths import even_scales

        return {
            "scales": even_scales(self.smallest, self.largest, self.scales),
            "jitter": self.jitter,
            "seeds_per_scale": self.seeds,
            "scatter": self.scatter,
            "tails": self.tails,
            "n_items": self.items,
            "length": self.length,
            "choices": self.choices,
            "clusters": self.clusters,
            "epochs": self.epochs,
            "parameters": self._parameters(),
            "seed": self.seed,
        }

    def _parameters(self) -> dict[str, float]:
        found = {}
        for entry in self.parameter:
            name, _, text = entry.partition("=")
            try:
                found[name] = float(text)
            except ValueError:
                raise SettingsError(
                    f"cannot read {entry!r}", where="--set", hint="Write NAME=NUMBER: --set size=0.3"
                ) from None
        return found


@Parameter(name="*")
@dataclass
class CalibrationOptions:
    """What is simulated to measure error rates."""

    designs: Annotated[
        Literal["quick", "main"],
        _option(
            FAMILY,
            "quick: 8 scales, 500 items and a scatter of 2%, each truth once, a minute or so. main: also "
            "other scales, items, scatter, tails, ranges and sizes of steps, hours.",
        ),
    ] = "quick"
    truths: Annotated[
        Literal["tuning", "test"],
        _option(
            FAMILY,
            "Rules are tuned on one set and their error rates are those on the other, which shares no "
            "curve with it; `unmirage simulate --list` prints both.",
        ),
    ] = "test"
    runs: Annotated[
        int | None, _option(FAMILY, "Families of each design; by default 30 for quick and 300 for main.")
    ] = None
    others: Annotated[
        int | None, _option(FAMILY, "Families of each design whose truth is not smooth; by default as many.")
    ] = None
    seed: Annotated[int, _option(FAMILY, "The same seed gives the same table, wherever it is made.")] = 0
    quiet: Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Print the path of the table only.")] = (
        field(default=False)
    )

    def arguments(self) -> dict[str, Any]:
        """As arguments of the API."""
        from unmirage.theory.designs import RUNS, design_set

        return {
            "designs": design_set(self.designs, self.truths),
            "runs": RUNS[self.designs] if self.runs is None else self.runs,
            "others": self.others,
            "seed": self.seed,
        }
