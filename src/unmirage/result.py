"""What an audit gives back: its tables, its settings, and how to save them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from unmirage.errors import SettingsError
from unmirage.images import Images
from unmirage.readers.base import Input
from unmirage.verdict.thresholds import Thresholds

Progress = Callable[[str, int, int | None], None]  # (step, done, total or None)


def silent(step: str, done: int, total: int | None) -> None:
    """A progress callback that tells nobody."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides an audit's numbers; written to audit.json.

    Attributes
    ----------
    axis: the column that the curves are drawn against.
    headline, companion: metric names for every task, or None to choose by the kind of its responses.
    metrics: further metrics to score, or None for all that the responses allow.
    seed: of every resampling.
    alpha: level of the tests against chance.
    confidence: of every interval.
    interval: "clopper-pearson" or "wilson", for 0/1 scores of independent items.
    replicates: resamples of the items.
    adjust: "bh" or "holm", over the audit.
    checkpoint: "last", "first" or "COLUMN=VALUE": which checkpoint of a run stands for it on a size axis.
    samples: attempts an item to keep of kind count (drawn without replacement), or None for all.
    tokens: how texts are cut into tokens: "characters", "words", a mapping task -> rule, or None for the
        default.
    chance: task (or "*") -> chance level of its headline metric where the log cannot tell it.
    """

    axis: str = "n_params"
    headline: str | None = None
    companion: str | None = None
    metrics: tuple[str, ...] | None = None
    seed: int = 0
    alpha: float = 0.05
    confidence: float = 0.95
    interval: str = "clopper-pearson"
    replicates: int = 2000
    adjust: str = "bh"
    checkpoint: str = "last"
    samples: int | None = None
    tokens: str | Mapping[str, str] | None = None
    chance: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for audit.json, with the thresholds of the decision tree."""
        return {**asdict(self), "thresholds": Thresholds().as_dict()}


def checked(settings: Settings) -> Settings:
    """The settings, or a SettingsError that names the option whose value is out of range."""
    rules = (
        (0 < settings.alpha < 1, "--alpha", "must lie between 0 and 1"),
        (0 < settings.confidence < 1, "--confidence", "must lie between 0 and 1"),
        (settings.replicates >= 100, "--replicates", "must be 100 at least"),
        (settings.seed >= 0, "--seed", "must be 0 at least"),
        (settings.samples is None or settings.samples >= 1, "--samples", "must be 1 at least"),
        (
            settings.interval in ("clopper-pearson", "wilson"),
            "--interval",
            "must be clopper-pearson or wilson",
        ),
        (settings.adjust in ("bh", "holm"), "--adjust", "must be bh or holm"),
    )
    for holds, where, rule in rules:
        if not holds:
            raise SettingsError(rule, where=where)
    return replace(settings, chance=dict(sorted(settings.chance.items())))


@dataclass(frozen=True)
class Audit:
    """The result of `unmirage.audit`.

    Attributes
    ----------
    verdicts, curves, scores, responses, warnings, breaks, fits, predictions: polars frames in the schemas of
        `unmirage.tables`.
    differences: paired differences of the headline between neighbouring scales, with p-values adjusted over
        the audit.
    recorded: our scores against the source tool's own: family, task, metric, recorded_as, n, equal,
        largest_difference.
    skipped: metrics that could not be computed: task, metric, reason.
    settings: what decided the numbers.
    inputs: the files that were read.
    images: pictures of items, which the page shows, or None.
    """

    verdicts: pl.DataFrame
    curves: pl.DataFrame
    scores: pl.DataFrame
    responses: pl.DataFrame
    warnings: pl.DataFrame
    differences: pl.DataFrame
    recorded: pl.DataFrame
    skipped: pl.DataFrame
    breaks: pl.DataFrame
    fits: pl.DataFrame
    predictions: pl.DataFrame
    settings: Settings
    inputs: tuple[Input, ...]
    images: Images | None = None

    @property
    def w_min(self) -> float | None:
        """Decades that a rise takes at least (10-90%) to be called smooth; None where tests differ in it."""
        values = self.breaks["w_min"].unique().to_list()
        return float(values[0]) if len(values) == 1 else None

    def save(
        self, directory: str | Path, *, formats: tuple[str, ...] = (), progress: Progress = silent
    ) -> Path:
        """Write the report folder, whole or not at all; returns the path of report.html.

        `formats` names image formats (png, svg, pdf) for one chart file a task, under `charts/`.
        """
        from unmirage.report.files import write

        return write(self, Path(directory), formats=formats, progress=progress)
