"""The files of every_eval_ever: an evaluation's aggregates (`.json`), its items (`_samples.jsonl`).

Checked on files that the converters of the package every-eval-ever 0.3.0 wrote, on its two schemas
(eval.schema.json and instance_level_eval.schema.json, 0.3.0), and on published files of the schemas 0.0.1 and
0.2.1. Laying them out as rows is `every_eval_ever`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import Stated, head, lenient_json, numbered_lines

_LOG_WORDS = (b'"evaluation_id"', b'"schema_version"', b'"retrieved_timestamp"')
_LINE_WORDS = (b'"evaluation_id"', b'"model_id"', b'"evaluation_name"', b'"sample_id"')

LM_EVAL = "lm-eval"
# Their word for a tool -> the word of our cards' aliases.
TOOLS = {
    **dict.fromkeys(("lm_eval", "lm-evaluation-harness"), LM_EVAL),
    **dict.fromkeys(("helm", "crfm-helm"), "HELM"),
}

Number = float | str | None  # "Infinity" stands for a bound that is none
Count = Annotated[int, msgspec.Meta(le=2**53)]


class Library(msgspec.Struct):
    """`eval_library`: the tool that ran the evaluation."""

    name: str = "unknown"
    version: str = "unknown"


class ModelInfo(msgspec.Struct):
    """`model_info`."""

    id: str
    details: dict[str, Any] | None = msgspec.field(name="additional_details", default=None)

    def detail(self, name: str) -> str | None:
        """One of the additional details as text, None where it is not given."""
        value = (self.details or {}).get(name)
        return None if value is None else str(value)


class MetricConfig(msgspec.Struct):
    """`metric_config` of a result."""

    lower_is_better: bool | None = None
    metric_name: str | None = None
    description: str | None = msgspec.field(name="evaluation_description", default=None)
    low: Number = msgspec.field(name="min_score", default=None)
    high: Number = msgspec.field(name="max_score", default=None)

    @property
    def percent(self) -> bool:
        """Whether scores lie between 0 and 100."""
        return (self.low, self.high) == (0, 100)


class StandardError(msgspec.Struct):
    """`standard_error`."""

    value: float | None = None


class Uncertainty(msgspec.Struct):
    """`uncertainty` of a score."""

    standard_error: StandardError | float | None = None
    num_samples: Count | None = None


class ScoreDetails(msgspec.Struct):
    """`score_details` of a result."""

    score: float | None = None
    uncertainty: Uncertainty | None = None

    @property
    def stderr(self) -> float | None:
        """The standard error, None where none is given."""
        found = self.uncertainty.standard_error if self.uncertainty else None
        return found.value if isinstance(found, StandardError) else found


class Result(msgspec.Struct):
    """One aggregate of an evaluation."""

    evaluation_name: str
    metric_config: MetricConfig
    score_details: ScoreDetails
    id: str | None = msgspec.field(name="evaluation_result_id", default=None)

    @property
    def word(self) -> str:
        """The source's word for the metric; "score" where it gives none."""
        config = self.metric_config
        if config.metric_name:
            return config.metric_name
        text = (config.description or "").removesuffix(f" on {self.evaluation_name}").strip()
        return "_".join(text.lower().split()) if 0 < len(text.split()) <= 3 else "score"


class Evaluation(msgspec.Struct):
    """A file of aggregates: one run of a tool for one model."""

    evaluation_id: str
    model: ModelInfo = msgspec.field(name="model_info")
    results: list[Result] = msgspec.field(name="evaluation_results")
    retrieved: str | float = msgspec.field(name="retrieved_timestamp", default="0")
    library: Library = msgspec.field(name="eval_library", default_factory=Library)

    @property
    def tool(self) -> str:
        """The tool that ran it, by the word of our cards' aliases where that is another."""
        return TOOLS.get(self.library.name, self.library.name)

    @property
    def time(self) -> float:
        """When the record was made, in seconds since 1970; 0 where that cannot be read."""
        try:
            found = float(self.retrieved)
        except ValueError:
            return 0.0
        return found if math.isfinite(found) else 0.0


class Graded(msgspec.Struct):
    """`evaluation` of a line."""

    score: float | bool | None


class Input(msgspec.Struct):
    """`input` of a line, without the prompt."""

    reference: list[str] | str | None = None
    choices: list[str] | None = None


class Output(msgspec.Struct):
    """`output` of a line."""

    raw: list[str] | str | None = None


class Metadata(msgspec.Struct):
    """`metadata` of a line: what the converters of lm_eval and inspect put there."""

    doc_hash: str | None = None
    epoch: str | int | None = None


class Line(msgspec.Struct):
    """A line of a samples file: one item under one metric."""

    evaluation_id: str
    model_id: str
    evaluation_name: str
    sample_id: str
    evaluation: Graded
    input: Input = msgspec.field(default_factory=Input)
    output: Output | None = None
    result_id: str | None = msgspec.field(name="evaluation_result_id", default=None)
    metadata: Metadata | None = None
    error: str | None = None

    @property
    def references(self) -> list[str]:
        """The right answers."""
        found = self.input.reference
        return [found] if isinstance(found, str) else found or []

    @property
    def text(self) -> str | None:
        """The model's answer, the first of several; None of conversations."""
        raw = self.output.raw if self.output else None
        return raw if isinstance(raw, str) or raw is None else next(iter(raw), None)

    @property
    def chosen(self) -> bool:
        """Whether it is a multiple choice: choices that are not only the right answers."""
        return bool(self.input.choices) and set(self.input.choices or ()) != set(self.references)


_evaluation = msgspec.json.Decoder(Evaluation)
_line = msgspec.json.Decoder(Line)


def claims(path: Path) -> bool:
    """Whether a file is one of every_eval_ever, by the keys in its first bytes."""
    if path.suffix not in (".json", ".jsonl"):
        return False
    start = head(path)
    words = _LOG_WORDS if path.suffix == ".json" else _LINE_WORDS
    return start.lstrip().startswith(b"{") and all(word in start for word in words)


def evaluation_of(path: Path) -> Evaluation:
    """A file of aggregates. SourceError where it cannot be read, is no whole JSON or lacks a key."""
    try:
        content = path.read_bytes()
        try:
            return _evaluation.decode(content)
        except msgspec.DecodeError:
            return msgspec.json.decode(lenient_json(content), type=Evaluation, strict=False)
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise SourceError(f"is not an evaluation of every_eval_ever: {problem}", where=str(path)) from None


def lines_of(path: Path) -> Iterator[Line | int]:
    """The lines of a samples file, one in memory at a time; last, where the last one breaks off, its number.

    Raises SourceError where the file cannot be read, or a line before the last is no sample.
    """
    broken: tuple[int, str] | None = None
    for number, text in numbered_lines(path):
        if broken is not None:
            raise _no_sample(path, *broken)
        try:
            yield _decoded(text)
        except msgspec.ValidationError as problem:
            raise _no_sample(path, number, str(problem)) from None
        except (msgspec.DecodeError, ValueError, RecursionError) as problem:
            broken = (number, str(problem))
    if broken is not None:
        yield broken[0]


def _no_sample(path: Path, number: int, problem: str) -> SourceError:
    return SourceError(f"line {number} is not a sample of every_eval_ever: {problem}", where=str(path))


def _decoded(text: bytes) -> Line:
    try:
        return _line.decode(text)
    except msgspec.DecodeError as problem:
        try:
            return msgspec.json.decode(lenient_json(text), type=Line, strict=False)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise problem from None


def states(path: Path) -> Stated:
    """The tool that ran the evaluation of a file of aggregates."""
    if path.suffix != ".json":
        return Stated()
    library = evaluation_of(path).library
    return Stated(None if library.name == "unknown" else f"{library.name} {library.version}")
