"""A details file of lighteval as rows: what each is, what it holds, and what its scores are called.

Decoding is in `lighteval_details`; models, tasks and runs are in `lighteval`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.readers.base import Input, sha256
from unmirage.readers.lighteval_details import Details, read_details
from unmirage.readers.lm_eval import NAME as LM_EVAL
from unmirage.readers.lm_eval_frames import nearest
from unmirage.readers.parts import Table, kept

NAME = "lighteval"
GENERATIVE, LOGPROBS, PERPLEXITY = "GENERATIVE", "LOGPROBS", "PERPLEXITY"

SAID = {
    "no-answer": "have no right answer among their choices, or a single choice, and are left out",
    "several-answers": "have several right choices; the likeliest of them stands for all, so choice "
    "probabilities there count it alone",
    "no-output": "have neither an output nor a log-probability for each choice, and are left out",
    "repeats-used": "have several outputs; all are used, as epochs",
}


@dataclass(frozen=True)
class File:
    """What a details file gave, as :class:`_Task` has it; `left` counts items a code of `SAID`."""

    input: Input
    frames: dict[str, Table]
    words: dict[str, str]
    samples: int
    items: int
    left: Counter[str]


def read_file(
    on_rows: Callable[[int], None], path: Path, functions: dict[str, str], folder: Path | None
) -> File:
    """Read a details file; `functions` are the calls that score its items."""
    details = read_details(path)
    left: Counter[str] = Counter()
    frames, words, samples = _frames(details, functions, left)
    on_rows(details.rows.height)
    return File(
        Input(str(path), NAME, sha256(path), details.rows.height),
        {kind: kept(frame, folder) for kind, frame in frames.items()},
        words,
        samples,
        details.rows["item_id"].n_unique(),
        left,
    )


def metric_of(word: str, function: str, kind: str | None, samples: int = 1) -> str:
    """Our name for what lighteval calls `word`, else a name that is no other metric's.

    Parameters
    ----------
    function: the call that scores an item, such as "LoglikelihoodAcc(logprob_normalization=None)"; "" where
        the log does not say. With it "acc" is told from its forms that divide by lengths, and `em` from those
        that change the strings.
    kind: of the rows that it scores; None where there are none.
    samples: outputs an item; with several, lighteval's `em` is the best of them.
    """
    from unmirage.metrics import by_alias, names

    base, form = word.split(":", 1)[0], f"{word} {function}"
    if base == "acc":
        if kind == "likelihood" or (kind is None and "AccGoldLikelihood" in function):
            return "greedy_match"
        if "AccGoldLikelihood" in function:
            return "accuracy (greedy)"
        if "LogProbCharNorm" in form and "ignore_first_space=True" not in form:
            return "acc_norm"
        if "LogProb" in form:
            return f"accuracy ({'PMI' if 'PMI' in form else 'normalised'})"
        return by_alias("lighteval", "acc", "choice") or word
    if base == "acc_norm":
        return "acc_norm"
    if word == "em" and not any(
        part in function for part in ("prefix", "suffix", "normalize_gold=<", "normalize_pred=<")
    ):
        plain = "normalize_gold=" not in function or "normalize_gold=None, normalize_pred=None" in function
        if plain:
            return "exact_match" if samples == 1 else f"exact_match (best of {samples})"
    group = kind if kind in ("generation", "choice", "likelihood") else None
    other = word in names() or by_alias(LM_EVAL, word, group) is not None
    return f"{word} (lighteval)" if other else word


def _frames(
    details: Details, functions: dict[str, str], left: Counter[str]
) -> tuple[dict[str, pl.DataFrame], dict[str, str], int]:
    """Rows of each kind; metric -> the kind that it scores; outputs an item."""
    rows = list(details.rows.iter_rows(named=True))
    found = [_kind(row) for row in rows]
    words = {
        word: kind
        for word, values in details.scores.items()
        for kind, value in reversed(list(zip(found, values, strict=True)))
        if value == value and kind
    }
    texts = [len(row["texts"]) for row, kind in zip(rows, found, strict=True) if kind == "generation"]
    samples = max(texts, default=1)
    named = {
        word: metric_of(word, functions.get(word, ""), words.get(word), samples) for word in details.scores
    }
    strip = "strip_strings=False" not in functions.get("em", "")
    columns: dict[str, dict[str, list[Any]]] = {}
    for at, (row, kind) in enumerate(zip(rows, found, strict=True)):
        recorded = [
            {"metric": named[word], "value": values[at]}
            for word, values in details.scores.items()
            if values[at] == values[at]
        ]
        kind = kind or ("score" if recorded and not any(found) else None)
        entries = _entries(row, kind, strip, left) if kind else []
        left["no-output"] += kind is None
        of_kind = columns.setdefault(kind, {}) if kind and entries else {}
        for epoch, entry in enumerate(entries):
            entry |= {
                "item_id": row["item_id"],
                "epoch": epoch,
                "kind": kind,
                "recorded": recorded if epoch == 0 else [],
            }
            for name, value in entry.items():
                of_kind.setdefault(name, []).append(value)
    frames = {
        kind: pl.DataFrame(of_kind, schema={name: tables.RESPONSES[name] for name in of_kind})
        for kind, of_kind in columns.items()
    }
    return frames, words, samples


def _kind(row: dict[str, Any]) -> str | None:
    """What a row is: by what it holds, and where both a text and log-probabilities are there, by how the
    item was asked."""
    k, n, methods = len(row["choices"]), len(row["logprobs"]), row["methods"]
    if row["texts"] and row["golds"] and (n == 0 or GENERATIVE in methods):
        return "generation"
    if k >= 2 and n in (k, 2 * k):
        return "choice"
    if n >= 1 and (PERPLEXITY in methods or (k == 1 and n <= 2)):
        return "likelihood"
    return None


def _entries(row: dict[str, Any], kind: str, strip: bool, left: Counter[str]) -> list[dict[str, Any]]:
    """What the rows of an item hold, one an output; [] where it cannot be used."""
    if kind == "score":
        return [{}]
    if kind == "generation":
        left["repeats-used"] += len(row["texts"]) > 1
        outputs, golds = row["texts"], row["golds"]
        if strip:
            outputs, golds = [text.strip() for text in outputs], [text.strip() for text in golds]
        return [{"target": nearest(golds, output), "output": output} for output in outputs]
    choices, logprobs, greedy = row["choices"], row["logprobs"], row["greedy"]
    if kind == "likelihood":
        whole = PERPLEXITY in row["methods"]
        target = row["query"] if whole else choices[0]
        values = logprobs if whole else logprobs[:1]
        flag = greedy[0] if greedy and not whole else None
        return [{"target": target, "target_logprobs": values, "greedy": flag}]
    k = len(choices)
    right = [i for i in row["gold"] if 0 <= i < k]
    if not right:
        left["no-answer"] += 1
        return []
    left["several-answers"] += len(right) > 1
    answer = max(right, key=lambda i: logprobs[i])
    lengths = [len(text) for text in choices]
    return [
        {
            "choice_logprobs": logprobs[:k],
            "choice_lengths": lengths if all(lengths) else None,
            "length_unit": "characters",
            "answer": answer,
            "greedy": greedy[answer] if len(greedy) >= k else None,
        }
    ]
