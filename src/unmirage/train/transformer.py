"""A decoder-only transformer, whole and plain: what the arithmetic family is made of.

Pre-norm blocks of causal self-attention and a feed-forward layer; RMS norms without gain, rotary positions,
normalised queries and keys, no biases, embedding and head apart. It is the architecture that transformers
calls NanoChat (with GELU and no cap on the logits), and the parameters bear the same names, so that
`checkpoints.save` writes what `AutoModelForCausalLM` loads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


@dataclass(frozen=True)
class Shape:
    """The size of a model.

    Attributes
    ----------
    width: numbers that stand for a token between the layers.
    heads: of attention; `width / heads` is even.
    layers, vocabulary, context: layers, kinds of tokens, tokens that it reads at most.
    base: of the rotary angles.
    """

    width: int
    heads: int
    layers: int
    vocabulary: int
    context: int
    base: float = 100.0

    @property
    def parameters(self) -> int:
        """Parameters but for embedding and head: 12 width² a layer."""
        return 12 * self.layers * self.width**2


class Attention(nn.Module):
    """Each token looks at itself and the tokens before it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.v_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: list[Tensor]) -> Tensor:
        texts, tokens, width = x.shape
        q, k, v = (
            project(x).view(texts, tokens, self.heads, -1).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = norm(rotate(q, cos, sin)), norm(rotate(k, cos, sin))
        if past:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        past[:] = k, v
        # A token that comes alone after others looks at all of them.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] == k.shape[2])
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(texts, tokens, width))
        return out


class FeedForward(nn.Module):
    """Each token by itself."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.fc1 = nn.Linear(shape.width, 4 * shape.width, bias=False)
        self.fc2 = nn.Linear(4 * shape.width, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, past: list[Tensor]) -> Tensor:
        x = x + self.self_attn(norm(x), cos, sin, past)
        out: Tensor = x + self.mlp(norm(x))
        return out


class Body(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))

    def forward(self, tokens: Tensor, cos: Tensor, sin: Tensor, past: list[list[Tensor]]) -> Tensor:
        x = norm(self.embed_tokens(tokens))
        for layer, mine in zip(self.layers, past, strict=True):
            x = layer(x, cos, sin, mine)
        return norm(x)


class Transformer(nn.Module):
    """Logits of the next token after each of `tokens`.

    Parameters: shape; seed: of the weights, which are the same on every machine for the same seed.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        self.lm_head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        size = shape.width // shape.heads
        angles = torch.outer(torch.arange(shape.context), shape.base ** (-torch.arange(0, size, 2) / size))
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin(), persistent=False)
        self._start(torch.Generator().manual_seed(seed))

    def forward(self, tokens: Tensor, past: list[list[Tensor]] | None = None) -> Tensor:
        """(texts, tokens) integers to (texts, tokens, vocabulary) logits.

        With `past`, a list that :meth:`nothing` gave, the tokens go on after those of earlier calls, one at a
        time from the second call on.
        """
        past = self.nothing() if past is None else past
        first = past[0][0].shape[2] if past[0] else 0
        here = slice(first, first + tokens.shape[1])
        logits: Tensor = self.lm_head(self.model(tokens, self.cos[here], self.sin[here], past))
        return logits

    def nothing(self) -> list[list[Tensor]]:
        """What the layers remember before the first token: keys and values are put there."""
        return [[] for _ in range(self.shape.layers)]

    @torch.no_grad()
    def _start(self, generator: torch.Generator) -> None:
        """Weights of variance 1/inputs, smaller where a layer adds to the stream; the head starts at 0."""
        for name, weight in self.named_parameters():
            if name == "lm_head.weight":
                weight.zero_()
                continue
            scale = 1.0 if "embed" in name else 1 / math.sqrt(weight.shape[1])
            if "o_proj" in name or "fc2" in name:
                scale /= math.sqrt(2 * self.shape.layers)
            weight.normal_(0, scale, generator=generator)


def norm(x: Tensor) -> Tensor:
    """x over its root mean square."""
    return F.rms_norm(x, (x.shape[-1],), eps=EPS)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: pairs of numbers, half a head apart, turned by an angle that grows with the place."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([second, -first], dim=-1) * sin
