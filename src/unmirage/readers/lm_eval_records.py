"""One samples file of lm-evaluation-harness, decoded record by record into plain columns.

Checked on real logs of 0.4.13 and on the record layouts of 0.4.0 to 0.4.12: true JSON lines since 0.4.3, one
indented JSON array before; numbers written as numbers or as strings; `arguments` as a dict or as lists. The file is never held
whole: memory is the columns that are kept, not the prompts and documents that are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import head, lenient_json, numbered_lines
from unmirage.readers.lm_eval_gold import GoldCandidates

KNOWN_KEYS = frozenset(
    [
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
        "schema_version",
    ]
)
BYPASS = "bypass"  # the metric of predict-only runs, always 999

Number = float | int | str | bool


class Sample(msgspec.Struct):
    """The keys that every record has, in any version; metrics are added to it for each file."""

    doc_id: int | str
    doc: msgspec.Raw
    target: msgspec.Raw
    arguments: dict[str, dict[str, Any]] | list[Any]
    resps: list[Any]
    filtered_resps: list[Any]
    filter: str | None = None
    doc_hash: str | None = None
    prompt_hash: str | None = None


@dataclass
class Columns:
    """A samples file as columns; every list has one entry a record.

    `output_type` is what the records show: multiple_choice, loglikelihood, loglikelihood_rolling or generate_until.
    """

    output_type: str
    doc_id: list[str] = field(default_factory=list)
    item: list[str] = field(default_factory=list)
    filter: list[str] = field(default_factory=list)
    prompt: list[str | None] = field(default_factory=list)
    target: list[str | None] = field(default_factory=list)
    outputs: list[list[str]] = field(default_factory=list)  # what the filter passed on
    repeats: list[list[str]] = field(default_factory=list)  # raw repeats
    loglikelihoods: list[list[float]] = field(default_factory=list)
    lengths: list[list[int] | None] = field(default_factory=list)
    greedy: list[bool | None] = field(default_factory=list)
    recorded: list[list[dict[str, object]]] = field(default_factory=list)
    gold: GoldCandidates = field(default_factory=GoldCandidates)
    truncated: str | None = None  # where the last record breaks off, if it does

    def __len__(self) -> int:
        return len(self.item)


def read_columns(path: Path, config: dict[str, Any] | None, on_rows: Callable[[int], None]) -> Columns:
    """Decode a samples file.

    Parameters
    ----------
    path: `samples_*.jsonl`, or the JSON array of versions before 0.4.3.
    config: the task's entry in `configs` of the results file, if there is one.
    on_rows: called with the number of records since the last call.

    Raises
    ------
    SourceError
        A record is broken, with file and line. A broken last line is not an error: the run was cut, and
        `truncated` says where.
    """
    config = config or {}
    decoder: msgspec.json.Decoder[Any] | None = None
    metrics: list[str] = []
    columns: Columns | None = None
    broken: tuple[int, str] | None = None
    pending = 0
    for number, line in _records(path):
        if broken is not None:
            raise SourceError(
                f"line {broken[0]} is not a record of lm-evaluation-harness: {broken[1]}", where=str(path)
            )
        try:
            if decoder is None:
                keys = _decode(msgspec.json.Decoder(dict[str, msgspec.Raw]), line)
                metrics = [key for key in keys if key not in KNOWN_KEYS]
                decoder = msgspec.json.Decoder(_sample_type(metrics))
            sample = _decode(decoder, line)
        except ValueError as problem:  # msgspec's and json's errors are ValueErrors both
            broken = (number, str(problem))
            continue
        try:
            if columns is None:
                columns = Columns(_output_type(sample, config))
            _append(columns, sample, metrics, config)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as problem:
            raise SourceError(
                f"line {number} has a layout that is not known ({type(problem).__name__}: {problem})",
                where=str(path),
                hint="Known are the sample logs of lm-evaluation-harness 0.4.0 to 0.4.13.",
            ) from None
        pending += 1
        if pending == 1000:
            on_rows(pending)
            pending = 0
    on_rows(pending)
    if columns is None:
        raise SourceError(
            "there is no complete record in it"
            if broken is None
            else f"line {broken[0]} is not JSON: {broken[1]}",
            where=str(path),
        )
    if broken is not None:
        columns.truncated = f"line {broken[0]}"
    return columns


def _decode(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        return decoder.decode(lenient_json(line))


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines of a JSON-lines file, or the elements of an indented array, with the line that each starts on.

    The array of versions before 0.4.3 is written with an indent of two, and JSON strings hold no line
    break, so an element ends exactly where a line is a closing brace at that indent.
    """
    if not head(path, 64).lstrip().startswith(b"["):
        yield from numbered_lines(path)
        return
    start, parts = 0, []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and line.strip() != b"[":
                yield from enumerate(msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw]), start=1)
                return
            if line.startswith(b"  {"):
                start, parts = number, []
            parts.append(line)
            if line.rstrip() in (b"  }", b"  },"):
                yield start, b"".join(parts).rstrip().removesuffix(b",")
                parts = []
    leftover = b"".join(parts).strip()
    if leftover not in (b"", b"]"):
        yield start, leftover


def _sample_type(metrics: list[str]) -> type[Any]:
    # Field names must be identifiers; metric names need not be.
    fields = [
        (f"metric_{i}", msgspec.Raw, msgspec.field(name=name, default=msgspec.Raw(b"null")))
        for i, name in enumerate(metrics)
    ]
    return msgspec.defstruct("SampleWithMetrics", fields, bases=(Sample,))


def _output_type(sample: Any, config: dict[str, Any]) -> str:
    named = config.get("output_type")
    if isinstance(named, str):
        return named
    requests = _requests(sample.arguments)
    first = requests[0]
    if len(first) == 1:
        return "loglikelihood_rolling"
    if isinstance(first[1], dict):
        return "generate_until"
    return "loglikelihood" if len(requests) == 1 else "multiple_choice"


def _requests(arguments: dict[str, dict[str, Any]] | list[Any]) -> list[list[Any]]:
    """The arguments of each request, in order: [context, continuation or generation settings]."""
    if isinstance(arguments, dict):
        return [list(entry.values()) for entry in arguments.values()]
    return [list(entry) if isinstance(entry, list) else [entry] for entry in arguments]


def _append(columns: Columns, sample: Any, metrics: list[str], config: dict[str, Any]) -> None:
    requests = _requests(sample.arguments)
    recorded = {
        name: msgspec.json.decode(getattr(sample, f"metric_{i}"))
        for i, name in enumerate(metrics)
        if name != BYPASS
    }
    columns.doc_id.append(str(sample.doc_id))
    columns.item.append(sample.doc_hash or _doc_hash(sample.doc))
    columns.filter.append(sample.filter or "")
    columns.prompt.append(sample.prompt_hash)
    target = msgspec.json.decode(sample.target)
    if columns.output_type == "generate_until":
        columns.repeats.append([str(text) for text in _flat(sample.resps)])
        columns.outputs.append([str(text) for text in _flat(sample.filtered_resps)])
        columns.target.append(_reference(target, columns.outputs[-1]))
        columns.greedy.append(None)
    else:
        pairs = [_likelihood(entry) for entry in sample.filtered_resps]
        loglikelihoods = [pair[0] for pair in pairs]
        if columns.output_type == "loglikelihood_rolling":
            columns.target.append(str(requests[0][0]))
            columns.greedy.append(None)
        elif columns.output_type == "loglikelihood":
            columns.target.append(str(requests[0][1]))
            columns.greedy.append(pairs[0][1])
        else:
            _append_choices(columns, sample, requests, pairs, target, recorded, config)
            loglikelihoods = loglikelihoods[: _conditional(requests)]
        columns.loglikelihoods.append(loglikelihoods)
    columns.recorded.append(_numbers(recorded))


def _append_choices(
    columns: Columns,
    sample: Any,
    requests: list[list[Any]],
    pairs: list[tuple[float, bool | None]],
    target: object,
    recorded: dict[str, Any],
    config: dict[str, Any],
) -> None:
    conditional = _conditional(requests)
    requests, pairs = requests[:conditional], pairs[:conditional]
    same_context = len({request[0] for request in requests}) == 1
    if same_context:
        delimiter = config.get("target_delimiter", " ")
        choices = [str(request[1]).removeprefix(delimiter) for request in requests]
        columns.lengths.append([max(len(choice), 1) for choice in choices])
    else:
        # Contexts differ and the continuation is shared (Winogrande): the choices are the contexts, and what the
        # harness divides by is not in the log.
        choices = [str(request[0]) for request in requests]
        columns.lengths.append(None)
    columns.target.append(None)
    columns.greedy.append(None)
    columns.gold.add(
        choices, [pair[0] for pair in pairs], [pair[1] for pair in pairs], target, sample.doc, recorded
    )


def _conditional(requests: list[list[Any]]) -> int:
    """How many requests score a choice: acc_mutual_info adds as many again with an empty context."""
    half, odd = divmod(len(requests), 2)
    if (
        not odd
        and half
        and all(request[0] == "" for request in requests[half:])
        and any(r[0] for r in requests[:half])
    ):
        return half
    return len(requests)


def _flat(values: Any) -> list[Any]:
    if not isinstance(values, list):
        return [values]
    return [inner for value in values for inner in (_flat(value) if isinstance(value, list) else [value])]


def _likelihood(entry: Any) -> tuple[float, bool | None]:
    """(log-likelihood in nats, is it the greedy continuation) from ["-4.3", "False"], [-4.3, false] or "-4.3"."""
    while isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    if not isinstance(entry, list):
        return float(entry), None
    flag = entry[1]
    return float(entry[0]), (str(flag) in ("True", "true", "1") if flag is not None else None)


def _reference(target: object, outputs: list[str]) -> str:
    """The one reference that a generation is compared with.

    Several accepted answers are logged as a list or as the text of one: the one that the output equals, else the nearest in edit
    distance (the best single reference, as BIG-bench scores them).
    """
    accepted = target
    if isinstance(target, str) and target[:2] in ("['", '["'):
        import ast

        try:
            accepted = ast.literal_eval(target)
        except (ValueError, SyntaxError):
            accepted = target
    if (
        isinstance(accepted, list)
        and accepted
        and all(isinstance(text, str | int | float) for text in accepted)
    ):
        texts = [str(text) for text in accepted]
        output = outputs[0] if outputs else ""
        if output in texts:
            return output
        from rapidfuzz.distance import Levenshtein

        return min(texts, key=lambda text: Levenshtein.distance(text, output))
    return str(target)


def _doc_hash(doc: msgspec.Raw) -> str:
    """The harness's own `doc_hash`, for versions that did not write it."""
    text = json.dumps(json.loads(bytes(doc)), indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_ARRAY = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?|nan|inf", re.IGNORECASE)


def _numbers(recorded: dict[str, Any]) -> list[dict[str, object]]:
    """The recorded scores that are one number an item; brier_score is turned into one from what is logged."""
    out: list[dict[str, object]] = []
    for name, value in recorded.items():
        number: float | None = None
        if isinstance(value, bool | int | float):
            number = float(value)
        elif name == "brier_score" and isinstance(value, list) and len(value) == 2:
            chances = [float(text) for text in _ARRAY.findall(str(value[1]))]
            number = sum((p - (j == int(value[0]))) ** 2 for j, p in enumerate(chances))
        elif name in ("bits_per_byte", "byte_perplexity") and isinstance(value, list) and len(value) == 2:
            name, number = "bits_per_byte", -float(value[0]) / float(value[1]) / 0.6931471805599453
        elif isinstance(value, str):
            try:
                number = float(value)
            except ValueError:
                number = None
        if number is not None and not any(entry["metric"] == name for entry in out):
            out.append({"metric": name, "value": number})
    return out
