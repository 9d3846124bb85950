"""Samples of an inspect_ai log as rows of the responses schema (without model and task)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from typing import cast

import polars as pl

from unmirage import tables
from unmirage.counts import listed
from unmirage.readers.inspect_ai_records import (
    UNNAMED,
    Choice,
    Sample,
    Score,
    Token,
    entries,
    number_of,
    unscored,
)
from unmirage.readers.inspect_ai_scores import ours
from unmirage.readers.lm_eval_frames import nearest

# Scorers of the log-probabilities that a prompt's tokens have (`prompt_logprobs`): of its end, and of all.
LIKELIHOODS = ("target_perplexity", "perplexity")
TEXTS = ("item_id", "epoch", "target", "output")
TOKENS = ("output_tokens", "target_tokens", "target_logprobs")

Note = dict[str, object]


class Rows:
    """The rows of one log, sample by sample.

    Parameters
    ----------
    kind: of the rows; see `inspect_ai.read`.
    first: the name of the score of logs from when a sample had one score without a name.

    Attributes
    ----------
    left: reason -> samples that are not among the rows.
    """

    def __init__(self, kind: str, first: str = "score") -> None:
        self.kind = kind
        self.left: Counter[str] = Counter()
        self._first = first
        self._said: Counter[str] = Counter()
        self._choices: Counter[int] = Counter()
        self._columns: dict[str, list[object]] = {name: [] for name in (*TEXTS, *TOKENS)}
        self._recorded: tuple[list[int], list[str], list[float]] = ([], [], [])

    def __len__(self) -> int:
        return len(self._columns["item_id"])

    def add(self, sample: Sample) -> None:
        """Take a sample, or count why not."""
        if sample.invalidation is not None:
            self.left["invalidated"] += 1
            return
        scores = sample.scores or ({} if sample.score is None else {UNNAMED: sample.score})
        numbers = self._numbers(scores)
        choice = sample.output.choices[0] if sample.output and sample.output.choices else None
        likelihood = _prompt(choice, scores) if self.kind == "likelihood" else None
        if sample.error is not None and not numbers:
            self.left["failed"] += 1
            return
        if (self.kind == "score" and not numbers) or (self.kind == "likelihood" and not likelihood):
            self.left["unscored"] += 1
            return
        self._said["edited"] += any(score.history for score in scores.values())
        text = choice.message.text if choice else ""
        output = text.strip()
        targets = [sample.target] if isinstance(sample.target, str) else sample.target or [""]
        accepted = [one.strip() for one in targets]
        target = accepted[0] if len(accepted) == 1 else nearest(accepted, output)
        self._said["stripped"] += output != text or accepted != targets
        values: dict[str, object] = {
            "item_id": str(sample.id),
            "epoch": sample.epoch - 1,
            "target": target,
            "output": output,
            "output_tokens": self._written(choice, text),
        }
        if likelihood:
            values["target_tokens"] = [token.token for token in likelihood]
            values["target_logprobs"] = [float(token.logprob or 0.0) for token in likelihood]
        place = len(self)
        for name, column in self._columns.items():
            column.append(values.get(name))
        self._recorded[0].extend([place] * len(numbers))
        self._recorded[1].extend(numbers)
        self._recorded[2].extend(numbers.values())
        if sample.choices and "multiple_choice_grade" in numbers:
            self._choices[len(sample.choices)] += 1

    def frame(self) -> pl.DataFrame:
        """The rows, in the order they were added."""
        columns = {
            name: pl.Series(name, values, dtype=tables.RESPONSES[name])
            for name, values in self._columns.items()
        }
        rows, names, numbers = self._recorded
        scores = pl.DataFrame(
            {"row": rows, "metric": names, "value": numbers},
            schema={"row": pl.UInt32, "metric": pl.String, "value": pl.Float64},
        )
        recorded = scores.group_by("row", maintain_order=True).agg(recorded=pl.struct("metric", "value"))
        frame = (
            pl.DataFrame(columns)
            .with_row_index("row")
            .join(recorded, on="row", how="left", maintain_order="left")
        )
        return frame.drop("row").with_columns(
            recorded=pl.col("recorded").fill_null(pl.lit([], dtype=tables.RECORDED)), kind=pl.lit(self.kind)
        )

    @property
    def counts(self) -> Counter[str]:
        """What there is to say of the samples -> how many it concerns."""
        return self.left + self._said

    @property
    def choices(self) -> int:
        """The number of choices that most samples have, where these are what is scored; else 0."""
        return self._choices.most_common(1)[0][0] if self._choices else 0

    def _numbers(self, scores: dict[str, Score]) -> dict[str, float]:
        """Our or inspect_ai's name of each score -> its value; scores that are no number are counted."""
        numbers: dict[str, float] = {}
        for name, score in scores.items():
            name = self._first if name == UNNAMED else name
            for key, value in entries(name, score.value):
                number = number_of(value)
                if number is None:
                    self._said["words"] += not unscored(value)
                    continue
                known = ours(key, self.kind)
                numbers[key if known in numbers else known] = number
        return numbers

    def _written(self, choice: Choice | None, text: str) -> list[str] | None:
        """The tokens that the model wrote, where they were logged and spell what it wrote."""
        if choice is None or choice.logprobs is None or not choice.logprobs.content:
            return None
        self._said["own"] += 1
        if not text:
            return []
        tokens = [token.token for token in choice.logprobs.content]
        for read in _readings(tokens):
            if "".join(read).startswith(text):
                ends = list(accumulate(map(len, read)))
                last = bisect_left(ends, len(text))
                if ends[last] == len(text):
                    return read[: last + 1]
        self._said["tokens"] += 1
        return None


def _prompt(choice: Choice | None, scores: dict[str, Score]) -> list[Token] | None:
    """The prompt's tokens that the perplexity scorer read, or None where it read none."""
    name = next((name for name in LIKELIHOODS if name in scores), None)
    if choice is None or choice.prompt_logprobs is None or name is None or unscored(scores[name].value):
        return None
    tokens = [token for token in choice.prompt_logprobs.content or [] if token.logprob is not None]
    remarks = scores[name].metadata
    count = remarks.num_tokens if remarks else None
    return tokens[-count:] if isinstance(count, int) and 0 < count <= len(tokens) else None


def _readings(tokens: list[str]) -> Iterator[list[str]]:
    """The tokens as they are, and as entries of a vocabulary: of byte-level BPE, or of SentencePiece."""
    yield tokens
    read = [_bytes_of(token) for token in tokens]
    if None not in read:
        yield cast(list[str], read)
    if any("▁" in token for token in tokens):
        yield [token.replace("▁", " ") for token in tokens]


@lru_cache(1 << 16)
def _bytes_of(token: str) -> str | None:
    """The text of an entry of a byte-level BPE vocabulary; None where it is none."""
    letters = _byte_letters()
    try:
        return bytes([letters[letter] for letter in token]).decode(errors="replace")
    except KeyError:
        return None


@cache
def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in the vocabulary of byte-level BPE (GPT-2)."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + i): byte for i, byte in enumerate(others)}


@dataclass(frozen=True)
class Samples:
    """What there is to say of the samples of a log.

    Attributes
    ----------
    task, model, where: of which log. kind: of its rows.
    counts, choices: as :class:`Rows` has them.
    """

    task: str
    model: str
    where: str
    kind: str
    counts: Counter[str]
    choices: int


def notes_of(read: Sequence[Samples]) -> list[Note]:
    """Warnings on the samples of all logs: those that are no rows, and how the others were read.

    There is one warning a task and kind of remark.
    """
    by_task: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    chances: dict[str, int] = {}
    for one in read:
        for what, count in one.counts.items():
            if count and (what != "stripped" or one.kind == "generation"):
                by_task.setdefault((what, one.task), []).append((one.model, one.where, count))
        if one.choices:
            chances.setdefault(one.task, one.choices)
    notes = []
    for what, (code, text) in _TEXTS.items():
        for (word, task), found in by_task.items():
            if word == what:
                count = sum(n for _, _, n in found)
                message = text.format(n=count, of=f"{task} by {listed([model for model, _, _ in found])}")
                notes.append(tables.warning(code, message, where=found[0][1], count=count))
    for task, choices in chances.items():
        message = (
            f"{task} asks for one of {choices} choices, and the log holds no chance level: give it with "
            f'--chance "{task}={1 / choices:.4g}"'
        )
        notes.append(tables.warning("chance-not-given", message))
    return notes


_TEXTS = {
    "invalidated": (
        "invalidated-samples",
        "{n} samples of {of} were marked as invalid and are left out",
    ),
    "failed": (
        "failed-samples",
        "{n} samples of {of} ended in an error without a score and are left out",
    ),
    "unscored": (
        "unscored-samples",
        "{n} samples of {of} have no score and are left out, as inspect_ai does",
    ),
    "words": (
        "scores-not-numbers",
        "{n} scores of {of} are words that stand for no number; they are left out (inspect_ai's "
        "accuracy and mean count them as 0)",
    ),
    "edited": (
        "edited-scores",
        "{n} samples of {of} have scores that were edited after the run; the last edit is used",
    ),
    "stripped": (
        "stripped-text",
        "{n} samples of {of} have white space at the ends of outputs or targets; it is left out, as "
        "inspect_ai's scorers do",
    ),
    "own": (
        "own-text",
        "{n} samples of {of} hold log-probabilities of the text that the model wrote itself; they "
        "are not those of the right answer and are left out",
    ),
    "tokens": (
        "tokens-differ",
        "{n} samples of {of} hold logged tokens that do not spell the output; the tokens are left "
        "out (inspect_ai's hf provider logs the likeliest token of each place, not the one that was sampled)",
    ),
}
