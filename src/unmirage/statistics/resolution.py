"""What a number of items can show: the smallest rate that they tell from zero or from chance.

Not for measured intervals (see `intervals`). A score below resolution is not evidence of no ability.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.statistics._arrays import Bools, Floats, Ints, check_at_least, check_fraction, counts
from unmirage.statistics.chance import binomial_tail, p_above_chance

# Above this many items the exact search gives way to the normal approximation, which is then
# within about 0.1 % of it, and takes no time.
EXACT_ITEMS = 1_000_000
# Below this chance the teeth of the power curve are long, and are searched one by one.
RARE = 0.01
# No test set is larger; the answer stays a 64-bit integer.
MOST_ITEMS = 10**15

# A whole number of items that was computed may come out as much too small.
_ROUNDING = 1e-12


def floor(n: ArrayLike, chance: float = 0.0, alpha: float = 0.05) -> Floats:
    """The smallest rate that n items can tell from zero (chance 0) or from chance.

    Chance 0: the true rate 1 - alpha^(1/n). Below it, n items without one success are likelier than alpha.
    For n = 50, 100, 1,000, 10,000 and alpha .05: 5.8 %, 3.0 %, 0.30 %, 0.030 %.

    Chance > 0: the observed rate k/n, with the smallest k such that P(X >= k | n, chance) <= alpha; NaN where
    not even n right answers are that unlikely.

    Parameters: n >= 0, may be an array and may be real (an effective number of items; with chance > 0
    it is rounded down); chance in [0, 1); alpha in (0, 1).
    Returns an array of the shape of n, in (0, 1]; NaN at n < 1.
    Raises SettingsError on values outside these ranges.
    """
    _check_chance(chance)
    check_fraction("alpha", alpha)
    _, items = counts(0.0, n)
    some = np.maximum(items, 1.0)
    if chance == 0:
        return np.where(items < 1, np.nan, -np.expm1(math.log(alpha) / some))
    whole = np.floor(some * (1 + _ROUNDING)).astype(np.int64)
    k = _critical(whole, chance, alpha)
    return np.where((items < 1) | (k > whole), np.nan, k / whole)


def items_needed(
    rate: float, chance: float = 0.0, alpha: float = 0.05, power: float = 0.8, min_successes: int = 3
) -> int | None:
    """How many independent items would show a true rate.

    Chance 0: ceil(min_successes / rate), so that `min_successes` successes are expected.

    Chance > 0: the smallest N such that with N or any larger number of items the one-sided exact binomial
    test at level alpha rejects with at least the probability `power`. (The power of an exact test is a
    saw-tooth in n; some smaller numbers may do, and adding one item to them may undo it.) Exact up to 10^6
    items, above that the normal approximation, within about 0.1 %.

    Parameters: rate, chance in [0, 1]; alpha, power in (0, 1); min_successes >= 1 (chance 0 only).
    Returns a number of items, or None where no number would do: the rate is at or below chance, or so
    close to it that more than 10^15 would be needed.
    Raises SettingsError on values outside these ranges.
    """
    _check_chance(chance)
    check_fraction("alpha", alpha)
    check_fraction("power", power)
    check_at_least("min_successes", min_successes, 1)
    if not 0 <= rate <= 1:
        raise SettingsError(f"{rate} is not in [0, 1]", where="rate")
    if rate <= chance:
        return None
    if chance == 0:
        # 3 / 0.1 may come out just above 30: the last bits must not cost an item.
        expected = min_successes / rate * (1 - 1e-12)
        return math.ceil(expected) if expected <= MOST_ITEMS else None
    if rate == 1:
        return math.ceil(math.log(alpha) / math.log(chance) * (1 - 1e-12))
    guess = _normal_items(rate, chance, alpha, power)
    if guess > EXACT_ITEMS:
        return math.ceil(guess) if guess <= MOST_ITEMS else None
    search = _items_by_tooth if chance < RARE else _exact_items
    return search(guess, rate, chance, alpha, power)


def resolved(
    successes: float,
    n: int,
    chance: ArrayLike = 0.0,
    alpha: float = 0.05,
    scales: int = 1,
    min_successes: int = 3,
    *,
    effective_n: float | None = None,
) -> tuple[bool, float]:
    """Whether the score of one scale can be told from zero or from chance.

    Every chance 0: at least `min_successes` successes. Otherwise: p <= alpha / scales, with p from
    :func:`unmirage.statistics.p_above_chance` (Bonferroni over the scales of the curve).
    With `effective_n` (clustered items) the successes count as successes · effective_n / n.

    Parameters: successes in [0, n]; n >= 1; chance a number or (n,), in [0, 1]; alpha in (0, 1); scales >= 1;
    min_successes >= 1; effective_n in (0, n].
    Returns (resolved, p); with chance 0, p is 1.0 at 0 successes and 0.0 otherwise.
    Raises SettingsError on values outside these ranges.
    """
    check_at_least("n", n, 1)
    check_at_least("scales", scales, 1)
    check_at_least("min_successes", min_successes, 1)
    check_fraction("alpha", alpha)
    given = np.asarray(chance, dtype=np.float64)
    if given.shape not in ((), (n,)):
        raise SettingsError(
            f"shape {given.shape} is not one chance, or one for each of {n} items", where="chance"
        )
    per_item = np.broadcast_to(given, (n,))
    p = p_above_chance(successes, per_item, effective_n=effective_n)
    if (per_item == 0).all():
        worth = successes if effective_n is None else successes * effective_n / n
        return bool(worth >= min_successes), p
    return p <= alpha / scales, p


def _check_chance(chance: float) -> None:
    if not 0 <= chance < 1:
        raise SettingsError(f"{chance} is not in [0, 1)", where="chance")


def _critical(n: Ints, chance: float, alpha: float) -> Ints:
    """Smallest k in 0..n+1 with P(X >= k | n, chance) <= alpha; n+1 says that none will do."""
    low, high = np.zeros_like(n), n + 1  # the tail is above alpha at low, at or below it at high
    while (high - low > 1).any():
        middle = (low + high) // 2
        enough = binomial_tail(middle, n, chance) <= alpha
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _powerful(n: Ints, rate: float, chance: float, alpha: float, power: float) -> Bools:
    return np.asarray(binomial_tail(_critical(n, chance, alpha), n, rate) >= power)


def _exact_items(guess: float, rate: float, chance: float, alpha: float, power: float) -> int:
    """One more than the largest n that lacks power.

    The teeth of the power curve sit where the critical number steps up, every 1/chance items or so, and
    shrink as 1/sqrt(n) while the power grows: beyond a few dozen teeth and a few standard errors above a
    stretch where all n have power, none can fall below it again.
    """
    stretch = math.ceil(40 / min(chance, 1 - chance) + 3 * math.sqrt(guess / (chance * (1 - chance))))
    top = math.ceil(guess) + stretch
    while True:
        n = np.arange(max(1, top - 2 * stretch), top + 1)
        fails = np.flatnonzero(~_powerful(n, rate, chance, alpha, power))
        if fails.size == 0 and n[0] > 1:
            top = int(n[0]) + stretch // 2
        elif fails.size and int(n[fails[-1]]) > top - stretch // 2:
            top += stretch
        else:
            return int(n[fails[-1]]) + 1 if fails.size else 1


def _items_by_tooth(guess: float, rate: float, chance: float, alpha: float, power: float) -> int:
    """As :func:`_exact_items`, by the teeth of the power curve.

    From the first n whose critical number is c to the last, power grows; so the last n without power lies in
    the last tooth whose first n lacks it.
    """
    last = math.ceil(chance * guess + 40 + 3 * math.sqrt(guess * chance))
    number = np.arange(1, last + 1)
    # The critical number is c from where c-1 successes are likelier than alpha.
    first = _smallest(lambda n: binomial_tail(number - 1, n, chance) > alpha, number - 1)
    lacking = np.flatnonzero(binomial_tail(number, first, rate) < power)
    if lacking.size == 0:
        return 1
    tooth = int(lacking[-1])
    enough = _smallest(lambda n: binomial_tail(number[[tooth]], n, rate) >= power, first[[tooth]])
    end = float(first[tooth + 1]) if tooth + 1 < last else math.inf
    return int(min(float(enough[0]), end))


def _smallest(holds: Callable[[Floats], Bools], start: ArrayLike) -> Floats:
    """For each element the smallest whole n, at least 1 and `start`, where `holds`; `MOST_ITEMS` at the most.

    What holds at some n must hold at every larger one.
    """
    low = np.maximum(np.asarray(start, dtype=np.float64), 1.0) - 1
    high = np.full_like(low, float(MOST_ITEMS))
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        enough = holds(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


def _normal_items(rate: float, chance: float, alpha: float, power: float) -> float:
    from scipy.special import ndtri

    spread = -ndtri(alpha) * math.sqrt(chance * (1 - chance)) + ndtri(power) * math.sqrt(rate * (1 - rate))
    return max(1.0, float(spread / (rate - chance)) ** 2)
