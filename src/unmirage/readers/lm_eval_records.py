"""One samples file of lm-evaluation-harness, decoded record by record into plain columns.

Checked on real logs of 0.4.13 and on the record layouts of 0.4.0 to 0.4.12: true JSON lines since 0.4.3, one
indented JSON array before; numbers written as numbers or as strings; `arguments` as a dict or as lists. The
file is never held whole: memory is the columns that are kept, not the prompts and documents that are read.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from unmirage.errors import SourceError
from unmirage.readers.base import head, lenient_json, numbered_lines
from unmirage.readers.lm_eval_gold import GoldCandidates

RECORD_KEYS = ("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics")
KNOWN_KEYS = frozenset((*RECORD_KEYS, "doc_hash", "prompt_hash", "target_hash", "schema_version"))
BYPASS = "bypass"  # the metric of predict-only runs, always 999
LAYOUTS = "Known are the sample logs of lm-evaluation-harness 0.4.0 to 0.4.13."


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


_texts = msgspec.json.Decoder(list[Any])


@dataclass
class Columns:
    """A samples file as columns; a list has one entry a record where nothing else is said.

    `output_type` is what the records show: multiple_choice, loglikelihood, loglikelihood_rolling or
    generate_until.
    """

    output_type: str
    gold: GoldCandidates
    doc_id: list[str] = field(default_factory=list)
    item: list[str] = field(default_factory=list)
    filter: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    accepted: list[list[str]] = field(default_factory=list)  # the texts that a generation may equal
    outputs: list[list[str]] = field(default_factory=list)  # what the filter passed on
    repeats: list[list[str]] = field(default_factory=list)  # raw repeats
    counts: list[int] = field(default_factory=list)  # log-likelihoods of the record
    loglikelihoods: list[float] = field(default_factory=list)  # those of all records, one after another
    lengths: list[int] = field(default_factory=list)  # of the choices, in the same way
    measured: list[bool] = field(default_factory=list)  # whether the record has lengths
    greedy: list[bool | None] = field(default_factory=list)
    texts: array[int] = field(
        default_factory=lambda: array("q")
    )  # checksum of what each request holds in all
    scored: array[int] = field(default_factory=lambda: array("q"))  # characters of it that are scored
    prompts: array[int] = field(default_factory=lambda: array("Q"))  # hash of the prompt; 0 where none is
    recorded: dict[str, list[float | None]] = field(default_factory=dict)  # metric -> its scores
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
    columns = _read(path, config or {}, on_rows, full=False)
    if columns.output_type == "multiple_choice" and not columns.gold.settled():
        return _read(path, config or {}, lambda n: None, full=True)
    return columns


def _read(path: Path, config: dict[str, Any], on_rows: Callable[[int], None], *, full: bool) -> Columns:
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
                metrics = [key for key in keys if key not in KNOWN_KEYS and key != BYPASS]
                decoder = msgspec.json.Decoder(_sample_type(metrics))
            sample = _decode(decoder, line)
        except (ValueError, RecursionError) as problem:  # msgspec's and json's errors are ValueErrors both
            broken = (number, str(problem))
            continue
        try:
            if columns is None:
                columns = Columns(_output_type(sample, config), GoldCandidates(full))
                columns.recorded = {name: [] for name in metrics}
            _append(columns, sample, metrics, config)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError) as problem:
            raise SourceError(
                f"line {number} has a layout that is not known ({type(problem).__name__}: {problem})",
                where=str(path),
                hint=LAYOUTS,
            ) from None
        pending += 1
        if pending == 1000:
            on_rows(pending)
            pending = 0
    on_rows(pending)
    if columns is None:
        what = "is empty" if broken is None else f"line {broken[0]} is not a record: {broken[1]}"
        raise SourceError(f"there is no complete record in it ({what})", where=str(path), hint=LAYOUTS)
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
    break, so an element ends exactly where a line is a closing brace at that indent. An array that is laid
    out in another way is decoded whole.
    """
    if not head(path, 64).lstrip().startswith(b"["):
        yield from numbered_lines(path)
        return
    start = 0
    parts: list[bytes] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith(b"  {"):
                start, parts = number, []
            parts.append(line)
            if start == 0 and number > 1 and line.strip():
                break
            if line.rstrip() in (b"  }", b"  },"):
                yield start, b"".join(parts).rstrip().removesuffix(b",")
                parts = []
    if start == 0:
        try:
            records = msgspec.json.decode(path.read_bytes(), type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError) as problem:
            raise SourceError(
                f"is not a whole JSON array: {problem}", where=str(path), hint=LAYOUTS
            ) from None
        yield from enumerate(map(bytes, records), start=1)
        return
    leftover = b"".join(parts).strip()
    if leftover not in (b"", b"]"):
        yield start, leftover


def _sample_type(metrics: list[str]) -> type[Any]:
    # Field names must be identifiers; metric names need not be.
    fields = [(f"metric_{i}", Any, msgspec.field(name=name, default=None)) for i, name in enumerate(metrics)]
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
    return [entry if isinstance(entry, list) else [entry] for entry in arguments]


def _append(columns: Columns, sample: Any, metrics: list[str], config: dict[str, Any]) -> None:
    columns.doc_id.append(str(sample.doc_id))
    columns.item.append(sample.doc_hash or _doc_hash(sample.doc))
    columns.filter.append(sample.filter or "")
    columns.prompts.append(_prompt(sample.prompt_hash))
    recorded = {name: getattr(sample, f"metric_{i}") for i, name in enumerate(metrics)}
    if columns.output_type == "generate_until":
        columns.outputs.append(_flat(sample.filtered_resps))
        columns.repeats.append(_flat(_texts.decode(sample.resps)))
        columns.accepted.append(_accepted(sample.target))
    elif columns.output_type == "multiple_choice":
        _append_choices(columns, sample, recorded, config)
    else:
        value, greedy = _likelihood(sample.filtered_resps[0])
        rolling = columns.output_type == "loglikelihood_rolling"
        request = _requests(sample.arguments)[0]
        columns.target.append(str(request[0 if rolling else 1]))
        if not rolling:
            _append_texts(columns, [request])
        columns.greedy.append(None if rolling else greedy)
        columns.loglikelihoods.append(value)
        columns.counts.append(1)
    for name, value in recorded.items():
        columns.recorded[name].append(_number(name, value))


def _append_choices(columns: Columns, sample: Any, recorded: dict[str, Any], config: dict[str, Any]) -> None:
    requests = _requests(sample.arguments)
    n = _conditional(requests)
    if len(sample.filtered_resps) < n:
        raise ValueError(f"{n} choices and {len(sample.filtered_resps)} log-likelihoods")
    pairs = [_likelihood(entry) for entry in sample.filtered_resps[:n]]
    requests = requests[:n]
    _append_texts(columns, requests)
    context = requests[0][0]
    lengths: list[int] | None = None
    if all(request[0] == context for request in requests):
        delimiter = config.get("target_delimiter", " ") or ""
        choices = [str(request[1]).removeprefix(delimiter) for request in requests]
        lengths = [len(choice) or 1 for choice in choices]
        columns.lengths += lengths
    else:
        # Contexts differ and the continuation is shared (Winogrande): the choices are the contexts, and what
        # the harness divides by is not in the log.
        choices = [str(request[0]) for request in requests]
    columns.measured.append(lengths is not None)
    values = [pair[0] for pair in pairs]
    columns.loglikelihoods += values
    columns.counts.append(n)
    columns.gold.add(
        choices, values, [pair[1] for pair in pairs], lengths, sample.target, sample.doc, recorded
    )


def _append_texts(columns: Columns, requests: Sequence[Sequence[Any]]) -> None:
    """Keep what tells that two requests hold the same text: checksums that do not depend on where it is cut
    into context and continuation."""
    before: object = None
    crc = adler = 0
    for request in requests:
        context, scored = request[0], str(request[1])
        if context != before:
            encoded, before = str(context).encode(errors="replace"), context
            crc, adler = zlib.crc32(encoded), zlib.adler32(encoded)
        encoded = scored.encode(errors="replace")
        columns.texts.append((zlib.crc32(encoded, crc) << 32 | zlib.adler32(encoded, adler)) - 2**63)
        columns.scored.append(len(scored))


def _prompt(digest: Any) -> int:
    """The first half of a prompt's SHA-256 as a number; 0 where the record has none."""
    if not isinstance(digest, str):
        return 0
    try:
        return int(digest[:16], 16) & (2**64 - 1)
    except ValueError:
        return zlib.crc32(digest.encode(errors="replace"))


def _conditional(requests: Sequence[Sequence[Any]]) -> int:
    """How many requests score a choice: acc_mutual_info adds as many again with an empty context."""
    half, odd = divmod(len(requests), 2)
    if odd or not half or requests[-1][0] != "":
        return len(requests)
    mutual = all(request[0] == "" for request in requests[half:]) and any(r[0] for r in requests[:half])
    return half if mutual else len(requests)


def _flat(values: Any) -> list[str]:
    """The texts in a nested list; a missing one (a request that failed) is empty text."""
    if not isinstance(values, list):
        return ["" if values is None else str(values)]
    if len(values) == 1 and isinstance(values[0], str):
        return values
    return [inner for value in values for inner in _flat(value)]


def _likelihood(entry: Any) -> tuple[float, bool | None]:
    """(log-likelihood in nats, is it greedy) from ["-4.3", "False"], [-4.3, false], "-4.3" or [["-4.3"]]."""
    while isinstance(entry, list) and len(entry) == 1:
        entry = entry[0]
    if not isinstance(entry, list):
        return float(entry), None
    flag = entry[1]
    return float(entry[0]), None if flag is None else flag in ("True", "true", "1", True)


def _accepted(target: object) -> list[str]:
    """The texts that a generation may equal: several are logged as a list, or as the text of one."""
    accepted = target
    if isinstance(target, str) and target[:2] in ("['", '["'):
        import ast

        try:
            accepted = ast.literal_eval(target)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            accepted = target
    if (
        isinstance(accepted, list)
        and accepted
        and all(isinstance(text, str | int | float) for text in accepted)
    ):
        return [str(text) for text in accepted]
    return [str(target)]


def _doc_hash(doc: msgspec.Raw) -> str:
    """The harness's own `doc_hash`, for versions that did not write it."""
    text = json.dumps(json.loads(bytes(doc)), indent=2, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_ARRAY = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?|nan|inf", re.IGNORECASE)


def _number(name: str, value: Any) -> float | None:
    """A recorded score as one number, or None where it is none or NaN.

    `brier_score` becomes the sum of squares over the choices that the logged probabilities give,
    `bits_per_byte` the item's own; other pairs are parts of an aggregate and not a score of the item.
    """
    if isinstance(value, bool | int | float | str):
        try:
            number = float(value)
        except ValueError:
            return None
        return None if math.isnan(number) else number
    if not isinstance(value, list) or len(value) != 2:
        return None
    if name == "brier_score" and isinstance(value[0], int):
        chances = [float(text) for text in _ARRAY.findall(str(value[1]))]
        total = sum((p - (j == value[0])) ** 2 for j, p in enumerate(chances))
        return None if math.isnan(total) else total
    if name == "bits_per_byte" and float(value[1]) > 0:
        return -float(value[0]) / float(value[1]) / math.log(2)
    return None
