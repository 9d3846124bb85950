"""Counts of parameters and tokens as text: "70M" for people, and back; and lists of names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from unmirage.errors import SettingsError

_SEED = re.compile(r"((?:seed|run|replicate)[-_]?)\d+", re.IGNORECASE)


def size_label(n_params: float) -> str:
    """Return a count with at most three significant digits and K, M, B or T: "70M", "1.4B", "175B", "3.4K".

    Raises
    ------
    SettingsError: the count is negative or not finite.
    """
    if not (math.isfinite(n_params) and n_params >= 0):
        raise SettingsError(f"{n_params} is not a count.", hint="Counts are finite and not negative.")
    value = float(f"{n_params:.3g}")
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if value >= unit:
            return f"{value / unit:.12g}{letter}"
    return f"{value:.12g}"


def count(text: str) -> float | None:
    """Return the number that a count such as "70m", "1.4B", "143k", "2T" or "6e9" means, or None.

    Case is ignored; "_" may stand between digits; the letters are thousand, million, billion and trillion.
    """
    digits = r"\d+(?:_\d+)*"
    found = re.fullmatch(
        rf"({digits}(?:\.{digits})?)(?:([kmbt])|(e\+?\d+))?", text.strip(), re.IGNORECASE | re.ASCII
    )
    if not found:
        return None
    number, letter, exponent = found.groups()
    power = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}[letter.lower()] if letter else exponent or ""
    value = float(number + power)  # read in one go: 2.3 * 1e6 is not 2_300_000
    return value if math.isfinite(value) else None


def together(models: Sequence[str]) -> str:
    """The models of one scale: "small-a, small-b"; "d12-seed*" where only the number of a seed differs."""
    cut = {_SEED.sub(r"\1*", name) for name in models}
    return cut.pop() if len(models) > 1 and len(cut) == 1 else ", ".join(models)


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "a, b, c and 4 more"."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
