"""Keys and values of what was read, with room for more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
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

    def keep(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
        """Hold the rows of several, instead of what is held."""
        self.dtype, self.device, self.is_initialized = keys[0].dtype, keys[0].device, True
        slots = max(part.shape[-2] for part in keys)
        self._held = [_stacked(keys, slots), _stacked(values, slots)]
        self.keys, self.values = (held[..., :slots, :] for held in self._held if held is not None)

    def _longer(self, which: int, old: torch.Tensor, more: torch.Tensor) -> torch.Tensor:
        seen, slots = old.shape[-2], old.shape[-2] + more.shape[-2]
        held = self._held[which]
        if held is None or held.shape[-2] < slots:
            held = _space(more, len(more), slots)
            held[..., :seen, :] = old
            self._held[which] = held
        held[..., seen:slots, :] = more
        return held[..., :slots, :]


def _space(like: torch.Tensor, rows: int, slots: int) -> torch.Tensor:
    return like.new_empty((rows, like.shape[1], slots + max(ROOM, slots // 4), like.shape[-1]))


def _stacked(parts: Sequence[torch.Tensor], slots: int) -> torch.Tensor:
    held, start = _space(parts[0], sum(map(len, parts)), slots), 0
    for part in parts:
        rows = held[start : start + len(part)]
        rows[..., : part.shape[-2], :] = part
        rows[..., part.shape[-2] : slots, :] = 0
        start += len(part)
    return held


def joined(caches: Sequence[Cache], into: Cache) -> None:
    """The rows of caches in one that is empty; the shorter ones have slots at their end that hold nothing."""
    for k in range(len(caches[0].layers)):
        layers: list[Any] = [cache.layers[k] for cache in caches]
        one = Roomy()
        one.keep([layer.keys for layer in layers], [layer.values for layer in layers])
        into.layers[k : k + 1] = [one]
