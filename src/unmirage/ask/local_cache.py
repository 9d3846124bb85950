"""Keys and values of what was read, with room for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer

ROOM = 16  # tokens


class Roomy(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values, (B, heads, slots, width) each: a token more copies none that are there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys: Any
        self.values: Any
        self._held: list[torch.Tensor | None] = [None, None]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add those of the next tokens; returns all."""
        if not self.is_initialized:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            self.keys, self.values = key_states[..., :0, :], value_states[..., :0, :]
        self.keys = self._longer(0, self.keys, key_states)
        self.values = self._longer(1, self.values, value_states)
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Keep these rows."""
        super().reorder_cache(beam_idx)
        self._held = [None, None]

    def _longer(self, which: int, old: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        seen, slots = old.shape[-2], old.shape[-2] + more.shape[-2]
        held = self._held[which]
        if held is None or held.shape[-2] < slots:
            held = more.new_empty((*more.shape[:-2], slots + max(ROOM, slots // 4), more.shape[-1]))
            held[..., :seen, :] = old
            self._held[which] = held
        held[..., seen:slots, :] = more
        return held[..., :slots, :]


def joined(caches: Sequence[Cache], into: Cache) -> None:
    """The rows of caches in one that is empty; the shorter ones have slots at their end that hold nothing."""
    longest = max(int(cache.get_seq_length()) for cache in caches)
    for k in range(len(caches[0].layers)):
        layers: list[Any] = [cache.layers[k] for cache in caches]
        into.update(
            torch.cat([pad(layer.keys, (0, 0, 0, longest - layer.keys.shape[-2])) for layer in layers]),
            torch.cat([pad(layer.values, (0, 0, 0, longest - layer.values.shape[-2])) for layer in layers]),
            k,
        )
