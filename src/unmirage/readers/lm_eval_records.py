"""One record of a samples file of lm-evaluation-harness: its layouts, and the one form that they are brought to.

Checked on real logs of 0.4.13 and on the record layouts of 0.4.0 to 0.4.12: numbers written as numbers or as
strings; `arguments` as a dict or as lists. Files since 0.4.3 are decoded straight to that form, many records
at once; a record that does not fit, by way of the layout that takes all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from unmirage.readers.base import lenient_json

RECORD_KEYS = ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics")
KNOWN_KEYS = frozenset((*RECORD_KEYS, "doc_hash", "prompt_hash", "target_hash", "schema_version"))
BYPASS = "bypass"  # the metric of predict-only runs, always 999
LAYOUTS = "Known are the sample logs of lm-evaluation-harness 0.4.0 to 0.4.13."
CHOICE, GENERATION, LIKELIHOOD, ROLLING = (
    "multiple_choice",
    "generate_until",
    "loglikelihood",
    "loglikelihood_rolling",
)


class Sample(msgspec.Struct):
    """The keys that every record has, in any version; metrics are added to it for each file."""

    doc_id: int | str
    doc: msgspec.Raw
    target: Any
    arguments: dict[str, dict[str, Any]] | list[Any]
    resps: msgspec.Raw
    filtered_resps: list[Any]
    filter: str | None = None
    doc_hash: str | None = None
    prompt_hash: Any = None


class Request(msgspec.Struct, gc=False):
    """What the model was asked to score: `arg_1` after `arg_0`."""

    arg_0: str
    arg_1: str


class Prompt(msgspec.Struct, gc=False):
    """What the model was asked to go on with."""

    arg_0: str


class Likelihood(msgspec.Struct, gc=False, array_like=True):
    """A log-likelihood in nats, and whether the text is the model's own greedy continuation."""

    value: float
    greedy: bool | None = None


class Record(msgspec.Struct, gc=False, kw_only=True):
    """What a record of any kind holds; the metrics of its file are added as `metric_0`, `metric_1`, ..."""

    doc_id: int | str
    doc: msgspec.Raw
    doc_hash: Annotated[str, msgspec.Meta(min_length=1)]
    target: Any
    prompt_hash: Any = None
    filter: str | None = None


class Scored(Record, gc=False, kw_only=True):
    """A record of log-likelihoods: `arguments` are the requests in order, a choice each, or the one."""

    arguments: dict[str, Request]
    filtered_resps: list[Likelihood]
    resps: msgspec.Raw


class Generated(Record, gc=False, kw_only=True):
    """A record of outputs: those that the filter passed on, and the raw ones of each request."""

    arguments: dict[str, Prompt]
    filtered_resps: list[str]
    resps: list[list[str]]


_texts = msgspec.json.Decoder(list[Any])
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


class NotARecord(Exception):
    """A text that is no whole JSON, or lacks a key that every record has."""


@dataclass(frozen=True)
class Layout:
    """How the records of one file are decoded.

    Attributes
    ----------
    output_type: what they hold: one of CHOICE, GENERATION, LIKELIHOOD, ROLLING.
    metrics: the names of each record's scores.
    form: what a record becomes: Scored or Generated, with the metrics.
    """

    output_type: str
    metrics: Sequence[str]
    form: type[Any]
    _usual: msgspec.json.Decoder[Any]
    _any: msgspec.json.Decoder[Any]

    @classmethod
    def of(cls, first: bytes, config: dict[str, Any]) -> Layout:
        """The layout of a file by its first record. Errors as of `record`."""
        metrics = [key for key in _decoded(_keys, first) if key not in KNOWN_KEYS and key != BYPASS]
        anything = msgspec.json.Decoder(_with(Sample, metrics))
        output_type = _output_type(_decoded(anything, first), config)
        form = _with(Generated if output_type == GENERATION else Scored, metrics)
        usual = msgspec.json.Decoder(form, strict=False)  # numbers and flags are written as text
        return cls(output_type, metrics, form, usual, anything)

    def records(self, piece: memoryview, count: int) -> list[Any] | None:
        """All `count` records of a piece, one a line; None where one of them needs `record`."""
        try:
            found = self._usual.decode_lines(piece)
        except (ValueError, RecursionError):
            return None
        return found if len(found) == count else None

    def record(self, text: bytes) -> Any:
        """One record in any layout.

        Raises
        ------
        NotARecord
        ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError
            Its values are laid out in a way that is not known.
        """
        sample = _decoded(self._any, text)
        if self.output_type == GENERATION:
            values = {
                "arguments": {},
                "filtered_resps": flat(sample.filtered_resps),
                "resps": [flat(_texts.decode(sample.resps))],
            }
        else:
            requests = _requests(sample.arguments)
            if self.output_type == ROLLING:
                requests = [[requests[0][0], ""]]
            likelihoods = sample.filtered_resps[: len(requests) if self.output_type == CHOICE else 1]
            values = {
                "arguments": {str(i): Request(_text(r[0]), str(r[1])) for i, r in enumerate(requests)},
                "filtered_resps": [_likelihood(one) for one in likelihoods],
                "resps": sample.resps,
            }
        return self.form(
            doc_id=sample.doc_id,
            doc=sample.doc,
            doc_hash=sample.doc_hash or _doc_hash(sample.doc),
            target=sample.target,
            prompt_hash=sample.prompt_hash,
            filter=sample.filter,
            **values,
            **{f"metric_{i}": getattr(sample, f"metric_{i}") for i in range(len(self.metrics))},
        )


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    try:
        try:
            return decoder.decode(text)
        except msgspec.DecodeError:
            return decoder.decode(lenient_json(text))
    except (ValueError, RecursionError) as problem:  # msgspec's and json's errors are ValueErrors both
        raise NotARecord(str(problem)) from None


def _with(base: type[Any], metrics: Sequence[str]) -> type[Any]:
    # Field names must be identifiers; metric names need not be.
    fields = [(f"metric_{i}", Any, msgspec.field(name=name, default=None)) for i, name in enumerate(metrics)]
    return msgspec.defstruct(f"{base.__name__}WithMetrics", fields, bases=(base,), gc=False, kw_only=True)


def _output_type(sample: Any, config: dict[str, Any]) -> str:
    named = config.get("output_type")
    if isinstance(named, str):
        return named
    requests = _requests(sample.arguments)
    first = requests[0]
    if len(first) == 1:
        return ROLLING
    if isinstance(first[1], dict):
        return GENERATION
    return LIKELIHOOD if len(requests) == 1 else CHOICE


def _requests(arguments: dict[str, dict[str, Any]] | list[Any]) -> list[list[Any]]:
    """The arguments of each request, in order: [context, continuation or generation settings]."""
    if isinstance(arguments, dict):
        return [list(entry.values()) for entry in arguments.values()]
    return [entry if isinstance(entry, list) else [entry] for entry in arguments]


def _text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def flat(values: Any) -> list[str]:
    """The texts in a nested list; a missing one (a request that failed) is empty text."""
    if not isinstance(values, list):
        return ["" if values is None else str(values)]
    if len(values) == 1 and isinstance(values[0], str):
        return values
    return [inner for value in values for inner in flat(value)]


def _likelihood(entry: Any) -> Likelihood:
    """From ["-4.3", "False"], [-4.3, false], "-4.3" or [["-4.3"]]."""
    while isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    if not isinstance(entry, list):
        return Likelihood(float(entry))
    flag = entry[1]
    return Likelihood(float(entry[0]), None if flag is None else flag in ("True", "true", "1", True))


def _doc_hash(doc: msgspec.Raw) -> str:
    """The harness's own `doc_hash`, for versions that did not write it."""
    text = json.dumps(json.loads(bytes(doc)), indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
