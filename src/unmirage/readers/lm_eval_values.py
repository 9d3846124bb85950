"""What single values of lm-evaluation-harness's records mean: scores, hashes, targets, requests."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from unmirage.readers.lm_eval_records import Request


def prompt_hashes(digests: Sequence[Any]) -> bytes:
    """Eight bytes of each prompt's hash, zeros where a record has none."""
    try:
        halves = [digest[:16] for digest in digests]
        found = bytes.fromhex("".join(halves))
        if len(found) == 8 * len(digests) and set(map(len, halves)) == {16}:
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


def conditional(requests: Sequence[Request]) -> int:
    """How many requests score a choice: acc_mutual_info adds as many again with an empty context."""
    half, odd = divmod(len(requests), 2)
    if odd or not half or requests[-1].arg_0 != "":
        return len(requests)
    mutual = all(request.arg_0 == "" for request in requests[half:])
    return half if mutual and any(request.arg_0 for request in requests[:half]) else len(requests)


def accepted_texts(target: object) -> list[str]:
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


def as_numbers(name: str, values: Sequence[Any]) -> array[float]:
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
