"""Where a continuation starts in the text that a server reads: with the model's tokenizer, or without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unmirage.ask.replies import AS_ID, Cut
from unmirage.ask.requests import Score
from unmirage.errors import MissingExtraError, SettingsError, UnmirageError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Boundary:
    """How a model's context and continuation are cut.

    As lm-evaluation-harness 0.4.13 (`_encode_pair`, `hf` model): spaces at the end of the context count to
    the continuation; the context is tokenised by itself, and the continuation has the tokens of both as one
    text beyond as many. An empty context is the token that begins texts, and so is one of spaces only.

    Parameters: tokenizer, a path or a hub id, or None: then texts are sent as they are, and the server's
    tokens show where the boundary is; where, the model, for messages.

    Raises
    ------
    SettingsError
        The tokenizer cannot be loaded.
    MissingExtraError
        `transformers` is not there.
    """

    def __init__(self, tokenizer: str | None, where: str) -> None:
        self._tokenizer = _load(tokenizer, where) if tokenizer else None
        self._where = where

    def cut(self, asked: Score) -> tuple[Cut, str | list[int]]:
        """Where the continuation starts, and what to send: a text, or the numbers of its tokens."""
        context = asked.context.rstrip()
        prompt = asked.context + asked.continuation
        if self._tokenizer is None:
            return Cut(prompt, len(context)), prompt
        if context:
            begin = self._encode(context)
            first = len(begin)
            tokens = begin + self._encode(prompt)[first:]
        else:
            tokens, first = self._encode(prompt, special=False), 1
            begins = self._begin()
            if begins is None:
                raise UnmirageError(
                    "an empty context cannot be scored: the tokenizer has no token that begins a text",
                    where=self._where,
                    hint="Let every context have a text.",
                )
            if not tokens or tokens[0] != begins:
                tokens = [begins, *tokens]
        return Cut(prompt, first, len(tokens)), tokens

    def check(self, sent: Sequence[int], echoed: str) -> None:
        """UnmirageError where the server reads another text in the tokens than the tokenizer does."""
        assert self._tokenizer is not None
        found = _squeezed(echoed)
        for special in (True, False):
            text = self._tokenizer.decode(list(sent), skip_special_tokens=special)
            if found.startswith(_squeezed(str(text))):
                return
        raise UnmirageError(
            f"the server reads {echoed[:60]!r} in the tokens of {text[:60]!r}",
            where=self._where,
            hint="The tokenizer of the family file is not that of this model.",
        )

    def named(self, tokens: Sequence[str]) -> list[str] | None:
        """Tokens as texts, where a server names them by number; None without a tokenizer."""
        if not tokens or not all(AS_ID.fullmatch(token) for token in tokens):
            return list(tokens)
        if self._tokenizer is None:
            return None
        numbers = [int(token.removeprefix("token_id:")) for token in tokens]
        return [str(self._tokenizer.decode([number])) for number in numbers]

    def _encode(self, text: str, special: bool = True) -> list[int]:
        assert self._tokenizer is not None
        begin = self._begin()
        begins = begin is not None and text.startswith(str(self._tokenizer.decode([begin])))
        options: dict[str, Any] = {} if special and not begins else {"add_special_tokens": False}
        return [int(number) for number in self._tokenizer.encode(text, **options)]

    def _begin(self) -> int | None:
        assert self._tokenizer is not None
        begin, end = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        return begin if isinstance(begin, int) else end if isinstance(end, int) else None


def _load(name: str, where: str) -> PreTrainedTokenizerBase:
    try:
        from transformers import AutoTokenizer
    except ModuleNotFoundError as problem:
        raise MissingExtraError(
            f"a tokenizer needs {problem.name}",
            where=where,
            hint="Install it with: pip install 'unmirage[models]'",
        ) from None
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, KeyError, ImportError) as problem:
        line = (str(problem).splitlines() or [""])[0]
        raise SettingsError(
            f"the tokenizer {name} cannot be loaded: {line}",
            where=where,
            hint="tokenizer is a folder with tokenizer.json, or a hub id.",
        ) from None
    return found


def _squeezed(text: str) -> str:
    return "".join(text.split())
