"""A causal language model of transformers, asked for no more than is needed.

Texts are padded on the right and read without a mask: a causal model reads nothing to the right of a token,
which :func:`is_causal` checks once. What comes after such a text has a mask that leaves the padding out, and
positions that count tokens. Architectures whose layers do not all attend to all that was read (sliding
windows, recurrent states), or that take no positions, are padded on the left when they go on, and share
nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from unmirage.ask.local_cache import Roomy, joined

Rows = Sequence[Sequence[int]]


@dataclass
class State:
    """What B texts have been read so far.

    Attributes
    ----------
    cache: keys and values; None for an architecture that takes none, whose texts are read from their start.
    rows: the texts, where there is no cache.
    mask: (B, slots) 1 for a token and 0 for padding; None where there is no padding.
    sizes: (B,) tokens read.
    """

    cache: Any
    rows: list[list[int]]
    mask: torch.Tensor | None
    sizes: torch.Tensor

    def select(self, index: Sequence[int]) -> None:
        """Keep these texts, in this order; a text may be kept several times."""
        at = torch.tensor(index, device=self.sizes.device)
        if self.cache is None:
            self.rows = [list(self.rows[k]) for k in index]
        else:
            self.cache.reorder_cache(at)
        self.mask = None if self.mask is None else self.mask[at]
        self.sizes = self.sizes[at]


class Network:
    """A model and what its forward takes.

    Attributes
    ----------
    vocabulary: number of tokens that it knows.
    context: tokens that it can read, or None where its configuration does not say.
    shares: whether a part that several texts have in common can be read once for all of them, and texts that
        were read apart can go on together.
    """

    def __init__(self, model: Any, context: int | None) -> None:
        self.model = model
        self.device = model.device
        self.context = context
        self.vocabulary = int(self.model.get_input_embeddings().weight.shape[0])
        taken = inspect.signature(model.forward).parameters
        # "past_key_values" became "cache" in transformers 5.24.
        self._cache = next((name for name in ("cache", "past_key_values") if name in taken), None)
        self._positions = "position_ids" in taken
        self._keeps = "logits_to_keep" in taken
        layers = DynamicCache(config=self.model.config).layers if self._cache else []
        plain = all(type(layer) is DynamicLayer for layer in layers)
        self.shares = self._cache is not None and self._positions and plain

    def read(self, rows: Rows, before: State | None = None) -> tuple[State, torch.Tensor]:
        """Texts to go on with, and the (B, V) logits of what comes next.

        Parameters
        ----------
        rows: B texts of one token at least.
        before: what was read before each of them, without padding; it is used up.
        """
        counts = [len(row) for row in rows]
        longest, ragged = max(counts), min(counts) < max(counts)
        sizes = torch.tensor(counts, device=self.device)
        state = self._start(len(rows)) if before is None else before
        if not self.shares:
            tokens = self._padded(rows, longest, left=True)
            mask = self._last(longest, sizes) if ragged else None
            return state, self._go_on(state, tokens, mask, sizes, 1)[:, -1]
        seen = state.sizes
        kept = longest - min(counts) + 1
        logits = self._go_on(state, self._padded(rows, longest, left=False), None, sizes, kept)
        if ragged:
            slots = torch.arange(int(state.cache.get_seq_length()), device=self.device)
            state.mask = (slots < (seen + sizes)[:, None]).long()
        return state, logits[torch.arange(len(rows), device=self.device), sizes - min(counts)]

    def step(self, state: State, tokens: torch.Tensor) -> torch.Tensor:
        """The (B, V) logits after one more token each; the state goes on."""
        one = torch.ones_like(tokens)
        return self._go_on(state, tokens[:, None], None if state.mask is None else one[:, None], one, 1)[
            :, -1
        ]

    def logits(self, rows: Rows, low: int = 0, before: State | None = None) -> torch.Tensor:
        """The (B, K, V) logits at tokens `low` and later of B texts; behind its end a text has none.

        Parameters
        ----------
        before: what was read before each of them; it is used up.
        """
        longest = max(map(len, rows))
        tokens = self._padded(rows, longest, left=False)
        if before is None:
            return self._run(tokens, longest - low)
        mask = None if before.mask is None else torch.ones_like(tokens)
        return self._go_on(before, tokens, mask, torch.full_like(before.sizes, longest), longest - low)

    def repeated(self, state: State, times: int) -> State:
        """So many copies of the one text of a state, which stays as it is."""
        cache = self._new_cache()
        for k, layer in enumerate(state.cache.layers):
            cache.update(layer.keys.expand(times, -1, -1, -1), layer.values.expand(times, -1, -1, -1), k)
        return State(cache, [], None, state.sizes.expand(times).clone())

    def together(self, states: Sequence[State]) -> State:
        """States as one, where the network shares."""
        if len(states) == 1:
            return states[0]
        cache = self._new_cache()
        joined([state.cache for state in states], cache)
        slots = torch.arange(int(cache.get_seq_length()), device=self.device)
        sizes = torch.cat([state.sizes for state in states])
        there = slots < sizes[:, None]
        return State(cache, [], None if bool(there.all()) else there.long(), sizes)

    def _go_on(
        self, state: State, tokens: torch.Tensor, mask: torch.Tensor | None, sizes: torch.Tensor, keep: int
    ) -> torch.Tensor:
        """Read tokens, of which `mask` says which are no padding (None: all), and keep the last logits."""
        before, state.sizes = state.sizes, state.sizes + sizes
        if state.cache is None:
            self._lengthen(state, tokens, mask)
            longest = max(map(len, state.rows))
            tokens = self._padded(state.rows, longest, left=True)
            there = self._last(longest, state.sizes)
            return self._run(tokens, keep, mask=there, positions=(there.cumsum(1) - 1).clamp(min=0))
        if mask is None and state.mask is None:
            return self._run(tokens, keep, state.cache)
        mask = torch.ones_like(tokens) if mask is None else mask
        # Padding on the right may count on behind the last place that the model knows.
        last = None if self.context is None else self.context - 1
        positions = (before[:, None] + mask.cumsum(1) - 1).clamp(0, last)
        seen = state.cache.get_seq_length()
        old = mask.new_ones((len(mask), seen)) if state.mask is None else state.mask
        state.mask = torch.cat([old, mask], dim=1)
        return self._run(tokens, keep, state.cache, state.mask, positions)

    @staticmethod
    def _lengthen(state: State, tokens: torch.Tensor, mask: torch.Tensor | None) -> None:
        kept = torch.ones_like(tokens) if mask is None else mask
        for row, more, there in zip(state.rows, tokens.tolist(), kept.tolist(), strict=True):
            row += [token for token, is_there in zip(more, there, strict=True) if is_there]

    def _run(
        self,
        tokens: torch.Tensor,
        keep: int,
        cache: Any = None,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        given: dict[str, Any] = {"input_ids": tokens, "use_cache": cache is not None}
        if cache is not None and self._cache is not None:
            given[self._cache] = cache
        if mask is not None:
            given["attention_mask"] = mask
        if positions is not None and self._positions:
            given["position_ids"] = positions
        if self._keeps:
            given["logits_to_keep"] = keep
        logits: torch.Tensor = self.model(**given).logits
        return logits[:, -keep:]

    def _start(self, rows: int) -> State:
        cache = self._new_cache() if self._cache else None
        nothing: list[list[int]] = [[] for _ in range(rows)] if cache is None else []
        return State(cache, nothing, None, torch.zeros(rows, dtype=torch.long, device=self.device))

    def _new_cache(self) -> Any:
        cache = DynamicCache(config=self.model.config)
        if self.shares:
            cache.layers = [Roomy() for _ in cache.layers]
            cache.layer_class_to_replicate = Roomy
        return cache

    def _padded(self, rows: Rows, longest: int, *, left: bool) -> torch.Tensor:
        filled = [
            [0] * (longest - len(row)) + list(row) if left else [*row, *[0] * (longest - len(row))]
            for row in rows
        ]
        return torch.tensor(filled, device=self.device)

    def _last(self, longest: int, sizes: torch.Tensor) -> torch.Tensor:
        return (torch.arange(longest, device=self.device) >= longest - sizes[:, None]).long()


def is_causal(network: Network) -> bool:
    """Whether what a model says of a token depends on nothing to the right of it."""
    most = min(network.vocabulary, 8)
    with torch.inference_mode():
        logits = network.logits([[1 % most, 2 % most, k] for k in range(most)])[:, :2].float()
    rounding = 1e-4 if torch.finfo(network.model.dtype).bits >= 32 else 5e-2
    return bool((logits - logits[:1]).abs().max() <= rounding * logits.abs().max().clamp(min=1))
