"""The paper's two tasks as text: products of two 2-digit integers, sums of two 4-digit integers.

Schaeffer et al. 2023 (arXiv 2304.15004), Sec. 3: few-shot prompts, answers of 1-4 and 1-5 digits, plain digit
order, numbers written without leading zeros. Which pairs are for training, validation and test is decided
here and nowhere else. Nothing here knows a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Tokens = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

SYMBOLS = "0123456789+*=\n"
END = SYMBOLS.index("\n")  # ends an answer, and starts a text
PAD = len(SYMBOLS)
VOCABULARY = 16  # the symbols, the padding, and one spare: a power of two
CONTEXT = 48  # tokens that a model reads: two sums of 4-digit integers and a question
SHOTS = 2
PARTS = ("train", "validation", "test")

MANY = 1_000_000  # pairs that are looked at one by one
_EQUALS = SYMBOLS.index("=")
_WIDTH = 16  # the longest problem: 9999+9999=19998 and its end
_SALT = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Task:
    """One operation on two integers.

    Attributes
    ----------
    name, sign: "addition" and "+".
    digits: of the longest operand.
    held_out: share of the unordered pairs that is kept for the test; a quarter as many are for validation.
    held_out_small: the same where both operands are below `small`: there are few such pairs, and they alone
        have the shortest answers.
    small: see `held_out_small`.
    auxiliary: shapes (digits of the operands, in either order) that stand in for some training problems, so
        that a task with few pairs is not learned by heart; never asked in a test.
    """

    name: str
    sign: str
    digits: int
    held_out: float
    held_out_small: float
    small: int
    auxiliary: tuple[tuple[int, int], ...] = ()

    @property
    def operands(self) -> int:
        """Operands are 0 to this number, exclusive."""
        return int(10**self.digits)

    def answer(self, a: Ints, b: Ints) -> Ints:
        """The right answers."""
        return a + b if self.sign == "+" else a * b

    def part(self, a: Ints, b: Ints) -> Ints:
        """0 for training, 1 for validation, 2 for test: an index into `PARTS`, the same for (b, a).

        Pairs with an operand outside the task's range are for training.
        """
        high = np.maximum(a, b)
        draw = _hash(self._pair(a, b))
        test = np.where(high < self.small, self.held_out_small, self.held_out)
        part = np.where(draw < test, 2, np.where(draw < 1.25 * test, 1, 0))
        return np.where(high < self.operands, part, 0)

    def order(self, a: Ints, b: Ints) -> Bools:
        """Whether the pair is asked in this order: of (a, b) and (b, a) one is, as they are one problem."""
        rising = _hash(~self._pair(a, b)) < 0.5
        return np.asarray((a == b) | ((a < b) == rising), dtype=bool)

    def _pair(self, a: Ints, b: Ints) -> Ints:
        return np.minimum(a, b) * 100_003 + np.maximum(a, b) + ord(self.sign) * 10**10


MULTIPLICATION = Task(
    "multiplication",
    "*",
    2,
    held_out=0.2,
    held_out_small=0.2,
    small=0,
    auxiliary=((1, 3), (1, 4), (2, 3), (2, 3)),
)
ADDITION = Task("addition", "+", 4, held_out=0.1, held_out_small=0.4, small=100)
TASKS = (MULTIPLICATION, ADDITION)


def _hash(keys: Ints) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) that depend on the key alone (splitmix64)."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64(_SALT)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / 2.0**53


def written(task: Task, a: Ints, b: Ints) -> tuple[Tokens, Bools]:
    """Problems as tokens, "37+8=45" and an end: (n, 16) tokens, and which of them are there."""
    tokens = np.full((a.size, _WIDTH), PAD, dtype=np.uint8)
    there = np.zeros(tokens.shape, dtype=bool)
    place = np.zeros(a.size, dtype=np.int64)
    for values, after in ((a, SYMBOLS.index(task.sign)), (b, _EQUALS), (task.answer(a, b), END)):
        length = digits(values)
        for k in range(int(length.max(initial=1))):
            rows = np.flatnonzero(k < length)
            tokens[rows, place[rows] + k] = values[rows] // 10 ** (length[rows] - 1 - k) % 10
        place += length
        tokens[np.arange(a.size), place] = after
        place += 1
    there[:] = np.arange(_WIDTH) < place[:, None]
    return tokens, there


def digits(values: Ints) -> Ints:
    """Number of decimal digits of non-negative integers below 10^9."""
    return np.asarray(1 + (values[..., None] >= 10 ** np.arange(1, 9)).sum(-1), dtype=np.int64)


def text(tokens: Sequence[int] | Tokens) -> str:
    """The symbols of tokens; padding is left out."""
    return "".join(SYMBOLS[t] for t in tokens if t < PAD)


def operands(task: Task, n: int, rng: np.random.Generator, auxiliary: float = 0.0) -> tuple[Ints, Ints]:
    """Pairs of operands for training.

    Half of the pairs are uniform over the task's range, and half have numbers of digits that are uniform, so
    that short problems are not rare. Pairs that are held out are replaced by pairs that are not.

    Parameters
    ----------
    n: pairs; rng: the generator; auxiliary: the share of pairs with a shape of `task.auxiliary`.
    """
    a, b = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    while a.size < n:
        more = 2 * (n - a.size) + 16
        high = np.where(rng.random(more) < 0.5, task.digits, 0)
        pair = [
            _of_digits(rng, np.where(high, 0, rng.integers(1, task.digits + 1, more)), task) for _ in range(2)
        ]
        if task.auxiliary and auxiliary > 0:
            shapes = np.array(task.auxiliary)[rng.integers(len(task.auxiliary), size=more)]
            shapes = np.where(rng.random(more)[:, None] < 0.5, shapes, shapes[:, ::-1])
            replaced = rng.random(more) < auxiliary
            pair = [np.where(replaced, _of_digits(rng, shapes[:, k], task), pair[k]) for k in range(2)]
        keep = task.part(*pair) == 0
        a, b = np.concatenate([a, pair[0][keep]]), np.concatenate([b, pair[1][keep]])
    return a[:n], b[:n]


def _of_digits(rng: np.random.Generator, length: Ints, task: Task) -> Ints:
    """Uniform integers of so many digits; of the task's whole range where the length is 0."""
    low = np.where(length <= 1, 0, 10 ** (np.maximum(length, 1) - 1))
    high = np.where(length == 0, task.operands, 10**length)
    return rng.integers(low, high)


def training_batch(
    size: int, step: int, seed: int, *, share: float, auxiliary: float
) -> tuple[Tokens, Bools]:
    """One batch of texts: problems of one task a text, one after the other, cut at the context's end.

    Parameters
    ----------
    size: texts; step, seed: the same two give the same batch; share: of the texts that multiply;
    auxiliary: see :func:`operands`.

    Returns
    -------
    (size, CONTEXT + 1) tokens, and which of them belong to an answer: what a model learns to predict.
    """
    rng = np.random.default_rng([seed, step])
    n = {MULTIPLICATION: round(size * share)}
    n[ADDITION] = size - n[MULTIPLICATION]
    parts = [_texts(task, k, rng, auxiliary) for task, k in n.items() if k]
    return np.concatenate([t for t, _ in parts]), np.concatenate([s for _, s in parts])


def _texts(task: Task, n: int, rng: np.random.Generator, auxiliary: float) -> tuple[Tokens, Bools]:
    each = CONTEXT // len("0+0=0\n") + 1
    tokens, there = written(task, *operands(task, n * each, rng, auxiliary))
    answer = there & ((tokens == _EQUALS).cumsum(axis=1) > 0) & (tokens != _EQUALS)
    starts = np.concatenate([[0], there.sum(axis=1).cumsum()])[: n * each : each]
    window = starts[:, None] + np.arange(CONTEXT)
    first = np.full((n, 1), END, dtype=np.uint8)
    return (
        np.hstack([first, tokens[there][window]]),
        np.hstack([np.zeros((n, 1), dtype=bool), answer[there][window]]),
    )


@dataclass(frozen=True)
class Questions:
    """Few-shot questions of one task.

    Attributes
    ----------
    task: the task.
    a, b: (n,) the operands.
    prompts: (n, P) tokens up to and with "=", padded on the right.
    prompt_lengths: (n,).
    answers: (n, digits + 1) tokens of the right answer and its end, padded on the right.
    answer_lengths: (n,) with the end.
    """

    task: Task
    a: Ints
    b: Ints
    prompts: Tokens
    prompt_lengths: Ints
    answers: Tokens
    answer_lengths: Ints

    @property
    def item_ids(self) -> list[str]:
        """ "12*34" """
        return [f"{a}{self.task.sign}{b}" for a, b in zip(self.a.tolist(), self.b.tolist(), strict=True)]


def questions(task: Task, part: str, limit: int | None = None, seed: int = 0) -> Questions:
    """Two-shot questions on held-out pairs, shuffled. Of a pair and its mirror one is asked.

    Parameters
    ----------
    part: one of `PARTS`.
    limit: at most so many pairs of each length of answer (None: all that are looked at).
    seed: draws the pairs, and the examples, which are training pairs.
    """
    rng = np.random.default_rng([seed, ord(task.sign), PARTS.index(part)])
    a, b = _candidates(task, rng)
    mine = np.flatnonzero((task.part(a, b) == PARTS.index(part)) & task.order(a, b))
    length = digits(task.answer(a[mine], b[mine]))
    chosen = []
    for k in np.unique(length):
        those = mine[length == k]
        few = those if limit is None or those.size <= limit else rng.choice(those, limit, replace=False)
        chosen.append(few)
    # In no order: next to each other, problems that are alike would look like copies of a few.
    index = rng.permutation(np.concatenate(chosen))
    a, b = a[index], b[index]
    shown = [written(task, *operands(task, index.size, rng)) for _ in range(SHOTS)]
    asked, there = written(task, a, b)
    told = there & ((asked == _EQUALS).cumsum(axis=1) - (asked == _EQUALS) == 0)
    start = np.full((index.size, 1), END, dtype=np.uint8)
    always = np.ones((index.size, 1), dtype=bool)
    prompts, lengths = _left(
        np.hstack([start, *(t for t, _ in shown), asked]), np.hstack([always, *(m for _, m in shown), told])
    )
    answers, answer_lengths = _left(asked, there & ~told)
    return Questions(task, a, b, prompts, lengths, answers, answer_lengths)


def _candidates(task: Task, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """All pairs of a task that has few; of another all small ones and some drawn. Sorted, none twice."""
    whole = task.operands if task.operands**2 <= MANY else task.small
    pairs = np.arange(whole**2, dtype=np.int64)
    keys = pairs // whole * task.operands + pairs % whole
    if whole < task.operands:
        # As in training, half of them uniform and half with uniform numbers of digits.
        length = rng.integers(1, task.digits + 1, (2, MANY)) * (rng.random(MANY) < 0.5)
        more = [_of_digits(rng, one, task) for one in length]
        keys = np.unique(np.concatenate([keys, more[0] * task.operands + more[1]]))
    a, b = np.divmod(keys, task.operands)
    return a, b


def _left(tokens: Tokens, there: Bools) -> tuple[Tokens, Ints]:
    """The tokens that are there, moved to the left of each row; and how many they are."""
    lengths = there.sum(axis=1)
    out = np.full((tokens.shape[0], int(lengths.max())), PAD, dtype=np.uint8)
    out[np.arange(out.shape[1]) < lengths[:, None]] = tokens[there]
    return out, lengths
