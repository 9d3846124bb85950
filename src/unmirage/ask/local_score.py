"""Log-probabilities of given continuations, with no token read twice where that can be spared.

Three savings, none of which changes a value by more than rounding: a text that another one starts with is
read with it (so all one-token choices of a question need one reading); a context that several continuations
have in common is read once, and they after it; what all texts of a call start with is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from unmirage.ask.local_network import Network, State

SHARED = 16  # tokens in common from which on they are read apart
PAYS = 1.5  # times fewer tokens with which a context is read apart
TOKENS = 2**16  # at most so many are read at once, padding with them
LOGITS = 2**28  # at most so many are made at once
CHUNK = 2**23  # of them so many are normalised at once
Pair = tuple[Sequence[int], Sequence[int]]
Found = tuple[list[float], bool]


@dataclass(frozen=True)
class Text:
    """One text to read.

    Attributes
    ----------
    tokens: all of it but the last token.
    low: the first place whose logits are wanted.
    asked: the pairs that are read with it.
    """

    tokens: list[int]
    low: int
    asked: list[int]


def common(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows start with."""
    low, high = min(rows, key=list), max(rows, key=list)
    return next((k for k, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(map(len, rows)))


def texts(pairs: Sequence[Pair], wanted: Sequence[int]) -> list[Text]:
    """The texts to read for the pairs that are wanted, the longest first.

    A text that another one starts with is read with that one.
    """
    whole = [[*context, *after[:-1]] for context, after in pairs]
    starts = [len(context) - 1 for context, _ in pairs]
    order = sorted(wanted, key=whole.__getitem__)
    groups: list[list[int]] = []
    for k in reversed(order):
        if groups and whole[k] == whole[groups[-1][0]][: len(whole[k])]:
            groups[-1].append(k)
        else:
            groups.append([k])
    made = [Text(whole[group[0]], min(starts[k] for k in group), group) for group in groups]
    return sorted(made, key=lambda one: (-len(one.tokens), one.low, one.asked[0]))


def plan(network: Network, made: Sequence[Text], skip: int) -> tuple[list[Text], list[Text]]:
    """The texts that are read whole, and those whose context is read once for several, which stand together.

    Parameters
    ----------
    skip: tokens that were read already.
    """
    if not network.shares:
        return list(made), []
    groups: dict[tuple[int, ...], list[Text]] = {}
    for one in made:
        groups.setdefault(tuple(one.tokens[: one.low + 1]), []).append(one)
    whole: list[Text] = []
    shared: list[Text] = []
    for context, group in groups.items():
        apart = sum(len(one.tokens) - skip for one in group)
        together = apart - (len(group) - 1) * (len(context) - skip)
        (shared if len(group) > 1 and apart >= PAYS * together else whole).extend(group)
    return whole, shared


def fill(sizes: Sequence[tuple[int, int]], most: int, vocabulary: int) -> int:
    """How many texts are read at once, from the first on.

    Parameters
    ----------
    sizes: of each text its tokens, and how many of its last places have logits.
    most: texts at most.
    """
    longest, kept = 0, 0
    for rows, (tokens, logits) in enumerate(sizes[:most], start=1):
        longest, kept = max(longest, tokens), max(kept, logits)
        if rows > 1 and (rows * longest > TOKENS or rows * kept * vocabulary > LOGITS):
            return rows - 1
    return min(most, len(sizes))


def read_whole(
    network: Network, made: Sequence[Text], pairs: Sequence[Pair], prefix: State | None
) -> list[Found]:
    """What the pairs of texts have, in the order of `asked_of`.

    Parameters
    ----------
    prefix: what was read already, with which every text starts.
    """
    skip = size(prefix)
    low = min(one.low for one in made)
    before = None if prefix is None else network.repeated(prefix, len(made))
    logits = network.logits([one.tokens[skip:] for one in made], low - skip, before)
    width = logits.shape[1]
    places, tokens = [], []
    for row, one in enumerate(made):
        for k in one.asked:
            context, after = pairs[k]
            places.append(row * width + len(context) - 1 - low + np.arange(len(after)))
            tokens.append(after)
    return pick(logits.reshape(-1, logits.shape[-1]), places, tokens)


def read_shared(
    network: Network, made: Sequence[Text], pairs: Sequence[Pair], prefix: State | None
) -> list[Found]:
    """The same where texts that stand together have their context in common."""
    skip = size(prefix)
    contexts = [tuple(one.tokens[skip : one.low + 1]) for one in made]
    alone = list(dict.fromkeys(contexts))
    owner = [alone.index(context) for context in contexts]
    before = None if prefix is None else network.repeated(prefix, len(alone))
    state, first = network.read(alone, before)
    state.select(owner)
    after = network.logits([one.tokens[one.low + 1 :] for one in made], 0, state)
    width = after.shape[1]
    places, tokens = [], []
    for row, one in enumerate(made):
        line = np.concatenate([[owner[row]], len(alone) + row * width + np.arange(width)])
        for k in one.asked:
            start = len(pairs[k][0]) - 1 - one.low
            places.append(line[start : start + len(pairs[k][1])])
            tokens.append(pairs[k][1])
    return pick(torch.cat([first, after.reshape(-1, after.shape[-1])]), places, tokens)


def size(prefix: State | None) -> int:
    """Tokens of what was read already."""
    return 0 if prefix is None else int(prefix.sizes[0])


def asked_of(made: Sequence[Text]) -> list[int]:
    """The pairs that are read with texts."""
    return [k for one in made for k in one.asked]


def pick(
    logits: torch.Tensor, places: Sequence[npt.NDArray[np.int64]], tokens: Sequence[Sequence[int]]
) -> list[Found]:
    """Log-probabilities of tokens at places of (N, V) logits, and whether all of them are the likeliest."""
    at, back = np.unique(np.concatenate(places), return_inverse=True)
    wanted = torch.tensor([token for row in tokens for token in row], device=logits.device)
    norms, best = [], []
    index = torch.from_numpy(at).to(logits.device)
    step = max(1, CHUNK // logits.shape[-1])
    for start in range(0, len(index), step):
        part = logits[index[start : start + step]]
        norms.append(precise(part).logsumexp(-1))
        best.append(part.argmax(-1))
    inverse = torch.from_numpy(back).to(logits.device)
    values = precise(logits[index[inverse], wanted]) - torch.cat(norms)[inverse]
    greedy = (torch.cat(best)[inverse] == wanted).cpu().numpy()
    flat = np.minimum(values.cpu().double().numpy(), 0)
    ends = np.cumsum([len(row) for row in tokens]).tolist()
    return [
        (flat[start:end].tolist(), bool(greedy[start:end].all()))
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def precise(logits: torch.Tensor) -> torch.Tensor:
    """In double precision, where the device has it."""
    return logits.float() if logits.device.type == "mps" else logits.double()
