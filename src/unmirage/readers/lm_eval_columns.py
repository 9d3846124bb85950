"""One samples file of lm-evaluation-harness as plain columns.

Many records are taken at once, column by column. The file is never held whole: memory is the columns that
are kept, not the prompts and documents that are read.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import adler32, crc32

import numpy as np
import numpy.typing as npt

from unmirage.readers.base import sha256
from unmirage.readers.digests import Digest
from unmirage.readers.lm_eval_gold import Evidence, GoldCandidates, evidence_of
from unmirage.readers.lm_eval_lines import UNKNOWN, Decoding, unknown_layout
from unmirage.readers.lm_eval_records import CHOICE, GENERATION, ROLLING, Layout, Request, flat

DIGITS = 16  # of a document's hash that are kept


@dataclass
class Columns:
    """A samples file as columns; a sequence has one entry a record where nothing else is said.

    Attributes
    ----------
    layout: what the records hold.
    delimiter: what stands between a context and the text of a choice.
    gold: what the records say of their right choice.
    doc_id, filter: as logged, "" where there is no filter.
    item: the first 16 digits of the document's hash.
    target: the text whose likelihood is logged, or that a generation should equal.
    accepted: row -> all texts that a generation may equal, where there are several.
    outputs, repeats: what the filter passed on, and what the model wrote.
    counts: log-likelihoods of the record.
    loglikelihoods: of all records, one after another, in nats; one a request.
    greedy: of each of them, whether it is the model's own greedy text.
    lengths: of each, the characters of the choice; 0 where the choice is not what was scored.
    scored: of each, the characters that are scored.
    recorded: metric -> its scores; NaN where a record has none.
    truncated: where the last record breaks off, if it does.
    sha256: of the file, in hex; "" if it was not asked for.
    """

    layout: Layout
    delimiter: str
    gold: GoldCandidates
    doc_id: list[int | str] = field(default_factory=list)
    item: list[str] = field(default_factory=list)
    filter: list[str] = field(default_factory=list)
    target: list[str] = field(default_factory=list)
    accepted: dict[int, list[str]] = field(default_factory=dict)
    outputs: list[list[str]] = field(default_factory=list)
    repeats: list[list[str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    loglikelihoods: array[float] = field(default_factory=lambda: array("d"))
    greedy: list[bool | None] = field(default_factory=list)
    lengths: array[int] = field(default_factory=lambda: array("i"))
    scored: array[int] = field(default_factory=lambda: array("q"))
    recorded: dict[str, array[float]] = field(default_factory=dict)
    truncated: str | None = None
    sha256: str = ""
    _sums: tuple[array[int], array[int]] = field(default_factory=lambda: (array("I"), array("I")))
    _prompts: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.recorded = {name: array("d") for name in self.layout.metrics}

    def __len__(self) -> int:
        return len(self.item)

    @property
    def output_type(self) -> str:
        """What the records hold."""
        return self.layout.output_type

    @property
    def texts(self) -> npt.NDArray[np.int64]:
        """A checksum of what each request holds in all, which does not depend on where it is cut into context
        and continuation; empty where nothing of the kind was asked."""
        first, second = (np.array(sums, dtype=np.int64) for sums in self._sums)
        return (first << 32) | second

    @property
    def prompts(self) -> npt.NDArray[np.uint64]:
        """The first half of each prompt's SHA-256; 0 where the record has none."""
        return np.frombuffer(self._prompts, dtype=">u8").astype(np.uint64)

    def settled(self) -> bool:
        """Whether nothing but the target need be read to tell the right choices."""
        return self.output_type != CHOICE or self.gold.settled(self.evidence())

    def evidence(self) -> Evidence:
        """What the recorded scores say of the right choices."""
        return evidence_of(
            np.array(self.counts, dtype=np.int64),
            np.array(self.loglikelihoods),
            np.array(self.lengths),
            {name: np.array(values) for name, values in self.recorded.items()},
            self.gold.logged,
        )

    def extend(self, records: Sequence[Any]) -> None:
        """Add records. Raises one of the errors of `Layout.record` where one is laid out in another way."""
        self.doc_id += [one.doc_id for one in records]
        self.item += [one.doc_hash[:DIGITS] for one in records]
        self.filter += [one.filter or "" for one in records]
        self._prompts += _prompts([one.prompt_hash for one in records])
        recorded = {
            name: list(map(attrgetter(f"metric_{i}"), records)) for i, name in enumerate(self.recorded)
        }
        if self.output_type == GENERATION:
            self._add_generations(records)
        elif self.output_type == CHOICE:
            self._add_choices(records, recorded)
        else:
            self._add_likelihoods(records)
        for name, values in recorded.items():
            self.recorded[name] += _numbers(name, values)

    def _add_generations(self, records: Sequence[Any]) -> None:
        before = len(self.target)
        self.target += [str(one.target) for one in records]
        for row, one in enumerate(records, start=before):
            if not isinstance(one.target, str) or one.target[:1] == "[":
                texts = _accepted(one.target)
                self.target[row] = texts[0]
                if len(texts) > 1:
                    self.accepted[row] = texts
        self.outputs += [one.filtered_resps for one in records]
        self.repeats += [one.resps[0] if len(one.resps) == 1 else flat(one.resps) for one in records]

    def _add_likelihoods(self, records: Sequence[Any]) -> None:
        requests = [[*one.arguments.values()][0] for one in records]
        pairs = [one.filtered_resps[0] for one in records]
        if self.output_type == ROLLING:
            self.target += [request.arg_0 for request in requests]
        else:
            self.target += [request.arg_1 for request in requests]
            self._add_texts([request.arg_0 for request in requests], requests, None)
        self.loglikelihoods.extend([pair.value for pair in pairs])
        self.greedy += [pair.greedy for pair in pairs]
        self.counts += [1] * len(records)

    def _add_choices(self, records: Sequence[Any], recorded: dict[str, list[Any]]) -> None:
        asked = [[*one.arguments.values()] for one in records]
        for i in [i for i, requests in enumerate(asked) if not requests[-1].arg_0]:
            asked[i] = asked[i][: _conditional(asked[i])]
        counts = list(map(len, asked))
        answered = [one.filtered_resps for one in records]
        if list(map(len, answered)) != counts:
            for n, pairs in zip(counts, answered, strict=True):
                if len(pairs) < n:
                    raise ValueError(f"{n} choices and {len(pairs)} log-likelihoods")
            answered = [pairs[:n] for n, pairs in zip(counts, answered, strict=True)]
        requests = [request for one in asked for request in one]
        contexts = [one[0].arg_0 for one in asked]
        every = [request.arg_0 for request in requests]
        shared = every == [context for context, n in zip(contexts, counts, strict=True) for _ in range(n)]
        self._add_texts(contexts if shared else every, requests, counts if shared else None)
        texts = [request.arg_1.removeprefix(self.delimiter) for request in requests]
        lengths = [len(text) or 1 for text in texts]
        if not shared:
            # Contexts differ and the continuation is shared (Winogrande): the choices are the contexts, and
            # what the harness divides by is not in the log.
            start = 0
            for context, n in zip(contexts, counts, strict=True):
                own = slice(start, start := start + n)
                if any(one != context for one in every[own]):
                    texts[own], lengths[own] = every[own], [0] * n
        self.lengths.extend(lengths)
        values = [pair.value for pairs in answered for pair in pairs]
        self.loglikelihoods.extend(values)
        self.greedy += [pair.greedy for pairs in answered for pair in pairs]
        self.counts += counts
        self.gold.extend(records, counts, texts, values, recorded)

    def _add_texts(
        self, contexts: Sequence[str], requests: Sequence[Request], counts: Sequence[int] | None
    ) -> None:
        """Keep what tells that two requests hold the same text; `counts`: requests that share a context."""
        before = [context.encode("utf-8", "replace") for context in contexts]
        scored = [request.arg_1.encode("utf-8", "replace") for request in requests]
        for sums, checksum in zip(self._sums, (crc32, adler32), strict=True):
            starts: list[int] = list(map(checksum, before))
            if counts is not None:
                starts = [start for start, n in zip(starts, counts, strict=True) for _ in range(n)]
            sums.extend(map(checksum, scored, starts))
        self.scored.extend([len(request.arg_1) for request in requests])


def read_columns(
    path: Path, config: dict[str, Any] | None, on_rows: Callable[[int], None], *, hashed: bool = True
) -> Columns:
    """Decode a samples file.

    Parameters
    ----------
    path: `samples_*.jsonl`, or the JSON array of versions before 0.4.3.
    config: the task's entry in `configs` of the results file, if there is one.
    on_rows: called with the number of records since the last call.
    hashed: whether the file's SHA-256 is taken too.

    Raises
    ------
    SourceError
        A record is broken, with file and line. A broken last line is not an error: the run was cut, and
        `truncated` says where.
    """
    columns, settled = _read(path, config or {}, on_rows, 0, hashed=hashed, full=False)
    if not settled:
        columns, _ = _read(path, config or {}, on_rows, len(columns), hashed=hashed, full=True)
    return columns


def _read(
    path: Path,
    config: dict[str, Any],
    on_rows: Callable[[int], None],
    told: int,
    *,
    hashed: bool,
    full: bool,
) -> tuple[Columns, bool]:
    """The columns, and whether the right choices are settled; where they are not the rest may be missing.

    Parameters: as of `read_columns`; how many records were told of; whether every reading of the right choice
    is kept.
    """
    columns: Columns | None = None
    digest = Digest() if hashed else None
    decoding = Decoding(path, config)
    for numbers, records in decoding.batches(len if digest is None else digest.update):
        first = columns is None
        if columns is None:
            delimiter = config.get("target_delimiter", " ") or ""
            columns = Columns(decoding.layout, delimiter, GoldCandidates(full))
        _extend(columns, numbers, records, path)
        if len(columns) > told:
            on_rows(len(columns) - told)
            told = len(columns)
        if first and not full and not columns.settled():
            return columns, False
    if columns is None:
        raise decoding.empty()
    columns.truncated = decoding.truncated
    if digest is not None:
        columns.sha256 = digest.hexdigest() if decoding.in_pieces else sha256(path)
    return columns, full or columns.settled()


def _extend(columns: Columns, numbers: Sequence[int], records: Sequence[Any], path: Path) -> None:
    try:
        columns.extend(records)
    except UNKNOWN:
        # Which one? That is seen from each of them alone.
        for number, record in zip(numbers, records, strict=True):
            try:
                Columns(columns.layout, columns.delimiter, GoldCandidates(columns.gold.full)).extend([record])
            except UNKNOWN as problem:
                raise unknown_layout(path, number, problem) from None
        raise


def _prompts(digests: Sequence[Any]) -> bytes:
    """Eight bytes of each prompt's hash, zeros where a record has none."""
    try:
        halves = [digest[:16] for digest in digests]
        found = bytes.fromhex("".join(halves))
        if len(found) == 8 * len(digests) and all([len(half) == 16 for half in halves]):
            return found
    except (TypeError, ValueError):
        pass
    return b"".join(_prompt(digest).to_bytes(8, "big") for digest in digests)


def _prompt(digest: Any) -> int:
    """The first half of a prompt's SHA-256 as a number; 0 where the record has none."""
    if not isinstance(digest, str):
        return 0
    try:
        return int(digest[:16], 16) & (2**64 - 1)
    except ValueError:
        return crc32(digest.encode(errors="replace"))


def _conditional(requests: Sequence[Request]) -> int:
    """How many requests score a choice: acc_mutual_info adds as many again with an empty context."""
    half, odd = divmod(len(requests), 2)
    if odd or not half or requests[-1].arg_0 != "":
        return len(requests)
    mutual = all(request.arg_0 == "" for request in requests[half:])
    return half if mutual and any(request.arg_0 for request in requests[:half]) else len(requests)


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


def _numbers(name: str, values: Sequence[Any]) -> array[float]:
    """Recorded scores as numbers; NaN where one is none."""
    try:
        return array("d", values)
    except TypeError:  # None, text or a list among them
        return array("d", [_number(name, value) for value in values])


_ARRAY = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?|nan|inf", re.IGNORECASE)


def _number(name: str, value: Any) -> float:
    """A recorded score as one number, NaN where it is none.

    `brier_score` becomes the sum of squares over the choices that the logged probabilities give,
    `bits_per_byte` the item's own; other pairs are parts of an aggregate and not a score of the item.
    """
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except ValueError:
            return math.nan
    if not isinstance(value, list) or len(value) != 2:
        return math.nan
    if name == "brier_score" and isinstance(value[0], int):
        chances = [float(text) for text in _ARRAY.findall(str(value[1]))]
        return sum((p - (j == value[0])) ** 2 for j, p in enumerate(chances))
    if name == "bits_per_byte" and float(value[1]) > 0:
        return -float(value[0]) / float(value[1]) / math.log(2)
    return math.nan
