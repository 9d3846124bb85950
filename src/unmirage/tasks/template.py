"""How a question is written: format strings for the prompt, its answer and its choices.

A field in braces is replaced by its text, once: braces in the text stay as they are. Nothing is evaluated.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from string import Formatter
from typing import Any

from unmirage.errors import SettingsError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OF_CHOICE = ("choice", "letter", "number")
_OF_TARGET = ("target", "letter", "number")


@dataclass(frozen=True)
class Template:
    """How questions and examples are written. The defaults are those of lm-evaluation-harness 0.4.13.

    Attributes
    ----------
    prompt: fields {prompt}, {choices} (see `choice`), and any other field of a JSONL record.
    target: what follows the prompt, {target} being the answer's or the choice's text, {letter} and {number}
        (from 1) the choice's.
    choice: how one of {choices} is written: {choice}, {letter}, {number}; they are joined without more.
    instruction: at the start, before all examples.
    separator: between an example and what comes after it.
    stop: texts that end an output; None: the separator, or a new line where that is empty.
    max_tokens: of an output; None: as many as the longest target has bytes, and 8.
    examples: a JSONL file that the examples are drawn from; None: from the task itself.
    held_out: so many records at the end of the task's own file are never asked, and the examples are drawn
        from them; 0: from all other records.
    """

    prompt: str = "{prompt}"
    target: str = " {target}"
    choice: str = "\n{letter}. {choice}"
    instruction: str = ""
    separator: str = "\n\n"
    stop: tuple[str, ...] | None = None
    max_tokens: int | None = None
    examples: Path | None = None
    held_out: int = 0

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an output."""
        return self.stop if self.stop is not None else (self.separator or "\n",)

    def asked(self, values: Mapping[str, str], choices: Sequence[str] = ()) -> str:
        """The prompt of one question.

        Parameters
        ----------
        values: the fields by name; choices: their texts, which make the field {choices}.
        """
        if choices:
            lines = [_filled(self.choice, choice_fields(text, k)) for k, text in enumerate(choices)]
            values = {**values, "choices": "".join(lines)}
        return _filled(self.prompt, values)

    def answered(self, target: str, place: int | None = None) -> str:
        """What follows the prompt where the answer is `target`, the choice number `place` (from 0)."""
        values = {"target": target}
        return _filled(self.target, values if place is None else {**choice_fields(target, place), **values})

    def context(self, examples: Sequence[str], prompt: str) -> str:
        """All that a model reads.

        Parameters
        ----------
        examples: each with its answer; prompt: of the question.
        """
        return self.instruction + self.separator.join([*examples, prompt])


def choice_fields(text: str, place: int) -> dict[str, str]:
    """The fields of one choice; there is no letter for the 27th."""
    values = {"choice": text, "number": str(place + 1)}
    return {**values, "letter": LETTERS[place]} if place < len(LETTERS) else values


def read_template(given: str | Path | None, default: Template) -> Template:
    """A template as the user gave it.

    Parameters
    ----------
    given: a TOML file with attributes of :class:`Template`; or the prompt itself, a text with fields in
        braces, which may end in {target}, {letter} or {number} with the spaces before it; or None.
    default: what holds where nothing is given; its separator only with its own prompt.

    Raises
    ------
    SettingsError: no such file, an unknown or ill-typed key, a field that is not known, a text that ends in
    another way.
    """
    if given is None:
        return default
    if isinstance(given, str) and "{" in given:
        return _checked(_of_text(given, default), "--template")
    path = Path(given)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(
            f"the template cannot be read: {problem}",
            where="--template",
            hint='Give a TOML file, or a text with fields such as "Q: {prompt}\\nA: {target}".',
        ) from None
    except tomllib.TOMLDecodeError as problem:
        raise SettingsError(f"this is not TOML: {problem}", where=str(path)) from None
    return _checked(_of_table(found, default, path), str(path))


def _of_text(text: str, default: Template) -> Template:
    found = re.search(r"\{(target|letter|number)\}\Z", text)
    before = text[: found.start()] if found else text
    default = replace(default, separator=Template.separator)
    if not found:
        return replace(default, prompt=text)
    prompt = before.rstrip()
    return replace(default, prompt=prompt, target=before[len(prompt) :] + found[0])


def _of_table(found: Mapping[str, Any], default: Template, path: Path) -> Template:
    def text(value: Any) -> str | None:
        return value if isinstance(value, str) else None

    def texts(value: Any) -> tuple[str, ...] | None:
        good = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        return tuple(value) if good else None

    def number(low: int) -> Callable[[Any], int | None]:
        return lambda value: value if type(value) is int and value >= low else None

    kinds: dict[str, tuple[Callable[[Any], Any], str]] = {
        "stop": (texts, "a list of texts"),
        "max_tokens": (number(1), "a whole number from 1 on"),
        "held_out": (number(0), "a whole number from 0 on"),
    }
    values: dict[str, Any] = {}
    names = [field.name for field in fields(Template)]
    for key, value in found.items():
        if key not in names:
            raise SettingsError(
                f"a template has no key {key!r}", where=str(path), hint=f"Keys: {', '.join(names)}."
            )
        read, what = kinds.get(key, (text, "a text"))
        values[key] = read(value)
        if values[key] is None:
            raise SettingsError(f"{key} must be {what}, not {value!r}", where=str(path))
    if "examples" in values:
        values["examples"] = path.parent / values["examples"]
        if values.get("held_out"):
            raise SettingsError("examples and held_out exclude each other", where=str(path))
    if "prompt" in values:
        values.setdefault("separator", Template.separator)
    return replace(default, **values)


def _checked(template: Template, where: str) -> Template:
    """The template, if its strings can be filled; the prompt's fields depend on the records."""
    for key, known, needed in (
        ("prompt", None, ()),
        ("choice", _OF_CHOICE, ()),
        ("target", _OF_TARGET, _OF_TARGET),
    ):
        text = getattr(template, key)
        named = field_names(text, f"{where}, {key}")
        unknown = [name for name in named if known is not None and name not in known]
        if unknown or (needed and not set(named) & set(needed)):
            what = f"has no field {{{unknown[0]}}}" if unknown else "needs a field for the answer"
            raise SettingsError(
                f"{key} = {text!r} {what}",
                where=where,
                hint=f"Fields: {', '.join(f'{{{name}}}' for name in known or ())}.",
            )
    named = field_names(template.prompt, where)
    if "target" in named:
        raise SettingsError(
            f"prompt = {template.prompt!r} would tell the answer",
            where=where,
            hint="{target} stands at the very end of a text; in a TOML file it has a key of its own.",
        )
    if not named:
        raise SettingsError(
            f"prompt = {template.prompt!r} has no field, so all questions would be the same",
            where=where,
            hint="Write {prompt} where the question goes.",
        )
    return template


def field_names(text: str, where: str) -> tuple[str, ...]:
    """The fields of a format string in their order.

    Raises
    ------
    SettingsError: a brace without its partner, or a field that is more than a name.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError as problem:
        raise SettingsError(
            f"{text!r} cannot be read: {problem}", where=where, hint="A brace as such is written {{ or }}."
        ) from None
    for _, name, form, conversion in parts:
        if name is not None and (not name.isidentifier() or form or conversion):
            raise SettingsError(
                f"{text!r} has a field that is no plain name",
                where=where,
                hint="A field is a name in braces: {prompt}. A brace as such is written {{ or }}.",
            )
    return tuple(name for _, name, _, _ in parts if name is not None)


def _filled(text: str, values: Mapping[str, str]) -> str:
    """The string with its fields replaced; SettingsError where there is no such field."""
    pieces = []
    for literal, name, _, _ in Formatter().parse(text):
        pieces.append(literal)
        if name is None:
            continue
        if name not in values:
            raise SettingsError(
                f"{text!r} has the field {{{name}}}, which is not there",
                where="--template",
                hint=f"Fields here: {', '.join(f'{{{one}}}' for one in values)}.",
            )
        pieces.append(values[name])
    return "".join(pieces)
