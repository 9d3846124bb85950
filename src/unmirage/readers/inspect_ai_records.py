"""The JSON of an inspect_ai log: header, samples and reductions, the keys that are used, and what a score is.

Checked on logs of inspect_ai 0.3.110 and 0.3.285 and against its source. What a log holds thousands of is
not tracked by the garbage collector (gc=False): nothing in it refers back.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import lenient_json

UNNAMED = "88F74D2C"  # what inspect_ai calls the score of logs from when a sample had one
Number = float | Literal["NaN", "Infinity", "-Infinity"]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class Part(msgspec.Struct, gc=False):
    """A part of a message: text, or a picture and the like, which has none here."""

    type: str
    text: str | None = None


class Message(msgspec.Struct, gc=False):
    """A message of a model."""

    content: str | list[Part] = ""

    @property
    def text(self) -> str:
        """Its text; parts are joined by line ends, as inspect_ai does."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text or "" for part in self.content if part.type == "text")


class Token(msgspec.Struct, gc=False):
    """A token and its log-probability in nats."""

    token: str
    logprob: Number | None = None


class Tokens(msgspec.Struct, gc=False):
    """The tokens of a text."""

    content: list[Token] | None = None


class Choice(msgspec.Struct, gc=False):
    """One of the outputs of a request."""

    message: Message
    logprobs: Tokens | None = None
    prompt_logprobs: Tokens | None = None


class Output(msgspec.Struct, gc=False):
    """What the model gave last."""

    choices: list[Choice] = []


class Edit(msgspec.Struct, gc=False):
    """A value that a score had; only their number is used."""


class Remarks(msgspec.Struct, gc=False):
    """Metadata of a score. Perplexity scorers say over how many of the prompt's last tokens they are."""

    num_tokens: Any = None


class Score(msgspec.Struct, gc=False):
    """A scorer's word on a sample: a letter, a number, a list or a dict of these. Of edited ones the last."""

    value: Any = None
    history: list[Edit] = []
    metadata: Remarks | None = None


class Sample(msgspec.Struct, gc=False):
    """One sample in one epoch (from 1)."""

    id: int | str
    epoch: Count
    target: str | list[str] = ""
    choices: list[str] | None = None
    output: Output | None = None
    scores: dict[str, Score] | None = None
    score: Score | None = None
    error: Any = None
    invalidation: Any = None


class Scorer(msgspec.Struct):
    """A scorer of the task and its options."""

    name: str
    options: dict[str, Any] = {}


class Eval(msgspec.Struct):
    """`eval`: what was run."""

    task: str
    model: str
    created: str = ""
    eval_id: str = ""
    task_id: str = ""
    task_args: dict[str, Any] = {}
    model_args: dict[str, Any] = {}
    solver: str | None = None
    scorers: list[Scorer] | None = None
    metadata: dict[str, Any] | None = None
    version: Any = msgspec.field(name="task_version", default=None)
    packages: Any = None
    generation: Any = msgspec.field(name="model_generate_config", default=None)


class Metric(msgspec.Struct):
    """An aggregate."""

    name: str
    value: Number | None = None


class Scored(msgspec.Struct):
    """The aggregates of a scorer, after one reducer of epochs."""

    name: str
    scorer: str = ""
    reducer: str | None = None
    scored_samples: Count | None = None
    metrics: dict[str, Metric] = {}


class Results(msgspec.Struct):
    """`results`: counts of samples, and the aggregates."""

    total_samples: Count = 0
    completed_samples: Count = 0
    scores: list[Scored] = []


class Reduced(msgspec.Struct):
    """A score of one sample over its epochs."""

    value: Any = None
    sample_id: int | str | None = None


class Reduction(msgspec.Struct):
    """The scores of all samples after one reducer."""

    scorer: str
    samples: list[Reduced]
    reducer: str | None = None


class Header(msgspec.Struct):
    """A log without its samples; `status` is "started" where it is running, or was when it broke off."""

    eval: Eval
    status: str = "started"
    results: Results | None = None
    metadata: dict[str, Any] = {}
    plan: Any = None


class Whole(Header):
    """A `.json` log."""

    samples: list[Sample] | None = None
    reductions: list[Reduction] | None = None


_T = TypeVar("_T")


def decode(content: bytes | mmap.mmap, kind: type[_T], where: str) -> _T:
    """JSON as one of these classes; NaN and Infinity, which inspect_ai writes, are allowed.

    Raises SourceError where it is something else.
    """
    try:
        try:
            return _DECODERS[kind].decode(content)  # type: ignore[no-any-return]
        except msgspec.DecodeError:
            return _DECODERS[kind].decode(lenient_json(bytes(content)))  # type: ignore[no-any-return]
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise SourceError(f"is not what inspect_ai writes: {problem}", where=where) from None


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (Header, Whole, Sample, list[Reduction])
}


def decode_file(path: Path, kind: type[_T]) -> _T:
    """A `.json` log, by way of the page cache: its text is never copied whole."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return decode(content, kind, str(path))
    except OSError as problem:
        raise SourceError(f"cannot be read: {problem.strerror}", where=str(path)) from None
    except ValueError:
        raise SourceError("is empty", where=str(path)) from None


WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
LOWER_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def number_of(value: object) -> float | None:
    """A score as a number, as inspect_ai's `value_to_float` reads it; NaN and what is no number are None.

    C is 1, P 0.5, I and N are 0; yes and true 1, no and false 0; text that is a finite number is that number.
    inspect_ai counts other text as 0 with a warning; here it is no score.
    """
    if isinstance(value, str):
        known = WORDS.get(value, LOWER_WORDS.get(value.lower()))
        if known is not None:
            return known
        try:
            number = float(value) if value.isascii() else math.nan
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
        return None if math.isnan(number) else number
    return None


def unscored(value: object) -> bool:
    """Whether a value is inspect_ai's mark of a sample that could not be scored."""
    return value is None or value == "NaN" or (isinstance(value, float) and math.isnan(value))


def entries(name: str, value: object) -> list[tuple[str, object]]:
    """(name, value) of each part of a score: "scorer", or "scorer.key" and "scorer.1" of dicts and lists."""
    if isinstance(value, Mapping):
        return [(f"{name}.{key}", one) for key, one in value.items()]
    if isinstance(value, list):
        return [(f"{name}.{i}", one) for i, one in enumerate(value, start=1)]
    return [(name, value)]
