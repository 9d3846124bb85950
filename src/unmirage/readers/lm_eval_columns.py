"""One samples file of lm-evaluation-harness as plain columns.

Many records are taken at once, column by column. The file is never held whole: memory is the columns that
are kept, not the prompts and documents that are read.
"""

from __future__ import annotations

import gc
import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
import numpy.typing as npt

from unmirage.readers.base import sha256
from unmirage.readers.lm_eval_gold import Evidence, GoldCandidates, evidence_of
from unmirage.readers.lm_eval_lines import UNKNOWN, Decoding, unknown_layout
from unmirage.readers.lm_eval_records import CHOICE, GENERATION, ROLLING, Layout, flat
from unmirage.readers.lm_eval_values import accepted_texts, as_numbers, conditional, prompt_hashes

Integers = npt.NDArray[np.int64]

UNKNOWN_FLAG = 2  # of a greedy flag that is not there
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
    counts: outputs, or log-likelihoods, of the record.
    outputs: what the filter passed on, of all records, one after another.
    repeats: row -> what the model wrote, where that is several texts.
    takes_first: whether the filter passed on the first text that the model wrote, and no other.
    loglikelihoods: of all records, one after another, in nats; one a request.
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
    counts: array[int] = field(default_factory=lambda: array("q"))
    outputs: list[str] = field(default_factory=list)
    repeats: dict[int, list[str]] = field(default_factory=dict)
    takes_first: bool = True
    loglikelihoods: array[float] = field(default_factory=lambda: array("d"))
    recorded: dict[str, array[float]] = field(default_factory=dict)
    truncated: str | None = None
    sha256: str = ""
    # Of each request: the CRC-32 of all its text, the characters that are scored, those of them that are no
    # part of the choice (-1 where nothing is). Of each context: its characters, the requests that share it.
    _sums: array[int] = field(default_factory=lambda: array("L"))
    _after: array[int] = field(default_factory=lambda: array("q"))
    _cuts: array[int] = field(default_factory=lambda: array("q"))
    _before: array[int] = field(default_factory=lambda: array("q"))
    _shares: array[int] = field(default_factory=lambda: array("q"))
    _greedy: bytearray = field(default_factory=bytearray)
    _evidence: Evidence | None = None
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
    def texts(self) -> Integers:
        """A checksum of what each request holds in all, its CRC-32 and length, which does not depend on where
        it is cut into context and continuation; empty where nothing of the kind was asked."""
        before = np.repeat(np.array(self._before), np.array(self._shares))
        return (np.array(self._sums).astype(np.int64) << 31) | (before + self.scored)

    @property
    def scored(self) -> Integers:
        """The characters of each request that are scored."""
        return np.array(self._after)

    @property
    def lengths(self) -> Integers:
        """The characters of each choice, 0 where it is not what was scored; empty where there are none."""
        cuts = np.array(self._cuts)
        return np.where(cuts < 0, 0, np.maximum(self.scored[: len(cuts)] - cuts, 1))

    @property
    def prompts(self) -> npt.NDArray[np.uint64]:
        """The first half of each prompt's SHA-256; 0 where the record has none."""
        return np.frombuffer(self._prompts, dtype=">u8").astype(np.uint64)

    def settled(self) -> bool:
        """Whether nothing but the target need be read to tell the right choices."""
        return self.output_type != CHOICE or self.gold.settled(self.evidence())

    @property
    def greedy(self) -> npt.NDArray[np.int8]:
        """Whether what each request scores is the model's own greedy text: 0, 1, or UNKNOWN_FLAG."""
        return np.array(self._greedy, dtype=np.int8)

    def evidence(self) -> Evidence:
        """What the recorded scores say of the right choices."""
        if self._evidence is None or len(self._evidence.pick) != len(self):
            self._evidence = evidence_of(
                np.array(self.counts),
                np.array(self.loglikelihoods),
                self.lengths,
                {name: np.array(values) for name, values in self.recorded.items()},
                self.gold.logged,
            )
        return self._evidence

    def extend(self, records: Sequence[Any]) -> None:
        """Add records. Raises one of the errors of `Layout.record` where one is laid out in another way."""
        self.doc_id += [one.doc_id for one in records]
        self.item += [one.doc_hash[:DIGITS] for one in records]
        filters = [one.filter or "" for one in records]
        same = filters.count(filters[0]) == len(filters)  # then one text is kept, and not many that are equal
        self.filter += [filters[0]] * len(filters) if same else filters
        self._prompts += prompt_hashes([one.prompt_hash for one in records])
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
            self.recorded[name] += as_numbers(name, values)

    def _add_generations(self, records: Sequence[Any]) -> None:
        before = len(self.target)
        self.target += [str(one.target) for one in records]
        for row, one in enumerate(records, start=before):
            if not isinstance(one.target, str) or one.target[:1] == "[":
                texts = accepted_texts(one.target)
                self.target[row] = texts[0]
                if len(texts) > 1:
                    self.accepted[row] = texts
        outputs = [one.filtered_resps for one in records]
        repeats = [one.resps[0] if len(one.resps) == 1 else flat(one.resps) for one in records]
        sizes = list(map(len, repeats))
        if max(sizes) > 1:
            self.repeats |= {row: texts for row, texts in enumerate(repeats, start=before) if len(texts) > 1}
        self.takes_first &= outputs == [texts[:1] for texts in repeats]
        self.outputs += chain.from_iterable(outputs)
        self.counts.fromlist(list(map(len, outputs)))

    def _add_likelihoods(self, records: Sequence[Any]) -> None:
        try:
            requests = [next(iter(one.arguments.values())) for one in records]
        except StopIteration:
            raise IndexError("no request in it") from None
        pairs = [one.filtered_resps[0] for one in records]
        contexts = [request.arg_0 for request in requests]
        if self.output_type == ROLLING:
            self.target += contexts
        else:
            texts = [request.arg_1 for request in requests]
            self.target += texts
            self._add_texts(contexts, texts, None)
        self.loglikelihoods.fromlist([pair.value for pair in pairs])
        self._add_greedy([pair.greedy for pair in pairs])
        self.counts.extend(array("q", [1]) * len(records))

    def _add_choices(self, records: Sequence[Any], recorded: dict[str, list[Any]]) -> None:
        arguments = [one.arguments for one in records]
        counts = list(map(len, arguments))
        requests = list(chain.from_iterable(map(dict.values, arguments)))
        contexts = [request.arg_0 for request in requests]
        if min(counts) == 0:
            raise IndexError("no request in it")
        if not all(contexts):
            asked = [[*one.values()] for one in arguments]
            counts = list(map(conditional, asked))
            requests = [request for one, n in zip(asked, counts, strict=True) for request in one[:n]]
            contexts = [request.arg_0 for request in requests]
        answered = [one.filtered_resps for one in records]
        if list(map(len, answered)) != counts:
            for n, pairs in zip(counts, answered, strict=True):
                if len(pairs) < n:
                    raise ValueError(f"{n} choices and {len(pairs)} log-likelihoods")
            answered = [pairs[:n] for n, pairs in zip(counts, answered, strict=True)]
        texts = [request.arg_1 for request in requests]
        cuts = self._cut(texts)
        shared = _shared(contexts, counts)
        if shared is not None:
            self._add_texts(shared, texts, counts)
        else:
            # Contexts differ and the continuation is shared (Winogrande): the choices are the contexts, and
            # what the harness divides by is not in the log.
            self._add_texts(contexts, texts, None)
            start = 0
            for n in counts:
                own = slice(start, start := start + n)
                if _shared(contexts[own], [n]) is None:
                    texts[own], cuts[own] = contexts[own], array("q", [-1]) * n
        self._cuts.extend(cuts)
        pairs = [pair for one in answered for pair in one]
        values = [pair.value for pair in pairs]
        self.loglikelihoods.fromlist(values)
        self._add_greedy([pair.greedy for pair in pairs])
        self.counts.fromlist(counts)
        self.gold.extend(records, counts, texts, cuts, values, recorded)

    def _add_greedy(self, flags: Sequence[bool | None]) -> None:
        try:
            self._greedy += bytes(flags)  # type: ignore[arg-type]
        except TypeError:  # None among them
            self._greedy += bytes(UNKNOWN_FLAG if flag is None else flag for flag in flags)

    def _cut(self, texts: Sequence[str]) -> array[int]:
        """How many characters of each text are the delimiter before a choice."""
        size = len(self.delimiter)
        if [text[:size] for text in texts].count(self.delimiter) == len(texts):
            return array("q", [size]) * len(texts)
        return array("q", [size if text.startswith(self.delimiter) else 0 for text in texts])

    def _add_texts(self, contexts: Sequence[str], texts: Sequence[str], counts: Sequence[int] | None) -> None:
        """Keep what tells that two requests hold the same text; `counts`: requests that share a context."""
        self._before.fromlist(list(map(len, contexts)))
        self._shares.extend(array("q", [1]) * len(texts) if counts is None else array("q", counts))
        sums = _checksums(contexts, repeat(0))
        starts = sums if counts is None else _spread(sums, counts)
        self._sums.fromlist(_checksums(texts, starts))
        self._after.fromlist(list(map(len, texts)))


_T = TypeVar("_T")


def _shared(contexts: Sequence[str], counts: Sequence[int]) -> Sequence[str] | None:
    """The context that the requests of each record share, one a record; None where they do not.

    Parameters: the contexts of all requests, one record after another; requests of each record.
    """
    n = counts[0]
    if counts.count(n) == len(counts):
        first = contexts[::n]
        return first if all(contexts[i::n] == first for i in range(1, n)) else None
    first = [contexts[end - n] for n, end in zip(counts, accumulate(counts), strict=True)]
    return first if contexts == _spread(first, counts) else None


def _spread(values: Sequence[_T], counts: Sequence[int]) -> list[_T]:
    """Each value as often as its count says."""
    return list(chain.from_iterable(map(repeat, values, counts)))


def _checksums(texts: Sequence[str], starts: list[int] | repeat[int]) -> list[int]:
    """The CRC-32 of each text, going on from that of what stands before it."""
    try:
        return list(map(crc32, map(str.encode, texts), starts))  # one encoded text at a time
    except UnicodeEncodeError:  # half a surrogate pair
        return list(map(crc32, (text.encode(errors="replace") for text in texts), starts))


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
    collects = gc.isenabled()
    gc.disable()  # records hold no cycles, and looking for some takes a tenth of the time
    try:
        columns, settled = _read(path, config or {}, on_rows, 0, hashed=hashed, full=False)
        if not settled:
            columns, _ = _read(path, config or {}, on_rows, len(columns), hashed=hashed, full=True)
        return columns
    finally:
        if collects:
            gc.enable()


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
    digest = hashlib.sha256() if hashed else None
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
