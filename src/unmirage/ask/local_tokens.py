"""Text to tokens as lm-evaluation-harness 0.4.13 cuts it, and back.

The rules are those of `_encode_pair` and `loglikelihood` in its api/model.py, and of `tok_encode` in its
models/huggingface.py: white space at the end of a context belongs to the continuation, the continuation is
what the whole text has more tokens than its context, an empty context is the token that starts or ends a
text, and nothing is put before a text that starts with that token already.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from unmirage.ask.requests import Score
from unmirage.errors import SourceError

_PROBE = "A cat's hat. 12 + 3 = 15,\n\n  Q: so?\tIt is; the end\n"
_SPACE = "▁"
_BROKEN = "\ufffd"  # a part of a character


class Tokens:
    """A tokenizer.

    Parameters
    ----------
    tokenizer: of transformers.
    vocabulary: number of tokens that the model knows.
    where: the model's name, for messages.

    Attributes
    ----------
    joins: whether a text is its tokens one after the other, so that it can be searched as it grows.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocabulary: int, where: str) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._where = where
        first = tokenizer.bos_token_id
        self._first = tokenizer.eos_token_id if first is None else first
        self._first_text = "" if self._first is None else str(tokenizer.decode([self._first]))
        self._pieces: dict[int, str] = {}
        self._special = frozenset(tokenizer.all_special_ids)
        probe = self.encode([_PROBE])[0]
        text, joined = self.text(probe), "".join(map(self.shown, probe))
        self._strips = text == joined[1:] and joined.startswith(" ")
        self.joins = text == joined or self._strips

    def encode(self, texts: Sequence[str], special: bool | None = None) -> list[list[int]]:
        """The tokens of texts.

        Parameters
        ----------
        special: whether the tokenizer adds its own tokens; None: as it is set, but not where the text starts
            with
            them.
        """
        if special is None:
            bare = [bool(self._first_text) and text.startswith(self._first_text) for text in texts]
            if any(bare) and not all(bare):
                out: list[list[int]] = [[] for _ in texts]
                for is_bare in (False, True):
                    at = [k for k, value in enumerate(bare) if value is is_bare]
                    found = self._encode([texts[k] for k in at], not is_bare)
                    for k, tokens in zip(at, found, strict=True):
                        out[k] = tokens
                return out
            special = not any(bare)
        return self._encode(texts, special)

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of texts that are to be continued; an empty one is the token that starts a text."""
        return [tokens or [self._start()] for tokens in self.encode(texts)]

    def pairs(self, asked: Sequence[Score]) -> list[tuple[list[int], list[int]]]:
        """The tokens of contexts and continuations, one of each at least."""
        cut = [len(one.context.rstrip()) for one in asked]
        told = [one.context[:k] for one, k in zip(asked, cut, strict=True)]
        after = [one.context[k:] + one.continuation for one, k in zip(asked, cut, strict=True)]
        known = dict(zip(kept := [*dict.fromkeys(filter(None, told))], self.encode(kept), strict=True))
        joined = iter(self.encode([a + b for a, b in zip(told, after, strict=True) if a]))
        alone = iter(self.encode([b for a, b in zip(told, after, strict=True) if not a], special=False))
        out = []
        for one, context in zip(asked, told, strict=True):
            if context:
                before, whole = known[context], next(joined)
                rest = whole[len(before) :]
            else:
                before, rest = [self._start()], next(alone)
                if rest and rest[0] == before[0]:
                    rest = rest[1:]
            if not before or not rest:
                raise SourceError(
                    f"{one.continuation!r} after {one.context[-40:]!r} is no token more than without it",
                    where=self._where,
                    hint="Every continuation needs a token of its own.",
                )
            out.append((before, rest))
        return out

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; special ones have none."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def joined(self, pieces: str, tokens: Sequence[int]) -> str:
        """The same from what :meth:`shown` gives for each of the tokens."""
        if not self.joins or _BROKEN in pieces:
            return self.text(tokens)
        return pieces[1:] if self._strips and pieces.startswith(" ") else pieces

    def piece(self, token: int) -> str:
        """One token as text."""
        known = self._pieces.get(token)
        if known is None:
            known = str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))
            raw = self._tokenizer.convert_ids_to_tokens(token)
            if isinstance(raw, str) and raw.startswith(_SPACE) and not known.startswith(" "):
                known = f" {known}"
            self._pieces[token] = known
        return known

    def shown(self, token: int) -> str:
        """The same; nothing for a special token, as in :meth:`text`."""
        return "" if token in self._special else self.piece(token)

    def _start(self) -> int:
        if self._first is None:
            raise SourceError(
                "an empty text cannot be asked: the tokenizer has no token that starts or ends one",
                where=self._where,
            )
        return int(self._first)

    def _encode(self, texts: Sequence[str], special: bool) -> list[list[int]]:
        if not texts:
            return []
        found: list[list[int]] = self._tokenizer(
            list(texts),
            add_special_tokens=special,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        highest = max((max(tokens) for tokens in found if tokens), default=0)
        if highest >= self._vocabulary:
            raise SourceError(
                f"its tokenizer gives token {highest}, and the model knows {self._vocabulary} tokens",
                where=self._where,
                hint="Model and tokenizer do not belong together.",
            )
        return found
