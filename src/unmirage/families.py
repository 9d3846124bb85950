"""Model families: how a model name of a log becomes a family, a label, parameters and training tokens.

For names that are known, from families.toml or from a file of the user's. Names are matched whole, never by
likeness, so that pythia-1b is not taken for pythia-1.4b. Reading logs, and the sizes that logs state
themselves, is not done here.

The schema, of the built-in file and of users' files::

    [models."my-model-70m"]       # one model; the key is its name in the log, alone or with its folders
    n_params = 70_000_000
    n_tokens = 1_000_000_000      # optional; at the end of training
    family = "mine"               # optional; else the name without its size, or without its last piece
    names = ["other-name"]        # optional; so are tokens_per_step, stage1_tokens, rounded and source

    [families.mine]
    model = "mine-{size}"         # the label; needed with sizes
    also = ["mine_v1-{size}"]     # optional; other spellings
    variants = { mine-chat = ["mine-{size}-chat"] }   # optional; the same sizes after another recipe
    tokens_per_step = 2_097_152   # optional; gives n_tokens for a revision "step1000"
    final_step = 143_000          # optional; with tokens_per_step gives n_tokens of the last checkpoint
    n_tokens = 300_000_000_000    # optional; for the models below that state none
    rounded = true                # optional; n_params is a published round number, not the exact count
    source = "estimated"          # optional; else "published"
    [families.mine.sizes]
    70m = { n_params = 70_426_624, also = ["0.07b"] }   # `also`: other spellings of the size
    [families.mine.models]
    mine-large = { n_params = 1_000_000_000 }
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from unmirage.counts import count
from unmirage.errors import SourceError

BUILT_IN = Path(__file__).with_name("families.toml")

_Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e30)]  # the upper bound refuses inf
_Struct = TypeVar("_Struct", bound=msgspec.Struct)


@dataclass(frozen=True)
class Scale:
    """What is known of one model, or of one checkpoint of it."""

    family: str  # models that share a recipe; post-trained models have a family of their own
    model: str  # a label unique in the family: "pythia-70m", "pythia-70m@step1000"
    n_params: float | None  # all parameters, embeddings included, tied matrices once
    n_tokens: float | None  # training tokens seen up to this checkpoint; None where they are not public
    source: str  # where the numbers come from: "families.toml", "log", or the path of a user's file
    rounded: bool = False  # n_params is the round number that was published, not the exact count
    estimated: bool = False  # n_params is a guess, because it was never published


@dataclass(frozen=True)
class _Known:
    last: Scale  # the model at the end of its training
    tokens_per_step: float | None
    final_step: int | None
    stage1_tokens: float | None  # a revision of stage 2 counts its tokens from here


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    n_params: _Positive
    n_tokens: _Positive | None = None
    tokens_per_step: _Positive | None = None
    stage1_tokens: _Positive | None = None
    rounded: bool = False
    source: Literal["published", "estimated"] = "published"
    names: tuple[str, ...] = ()


class _Named(_Model, frozen=True, forbid_unknown_fields=True, kw_only=True):
    family: Annotated[str, msgspec.Meta(min_length=1)] | None = None


class _Size(_Model, frozen=True, forbid_unknown_fields=True, kw_only=True):
    also: tuple[str, ...] = ()


_Templates = Annotated[
    tuple[Annotated[str, msgspec.Meta(pattern=r"\{size\}")], ...], msgspec.Meta(min_length=1)
]


class _Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: Annotated[str, msgspec.Meta(pattern=r"\{size\}")] | None = None
    also: _Templates | None = None
    variants: dict[str, _Templates] = {}
    n_tokens: _Positive | None = None
    tokens_per_step: _Positive | None = None
    final_step: Annotated[int, msgspec.Meta(gt=0)] | None = None
    rounded: bool = False
    source: Literal["published", "estimated"] = "published"
    sizes: dict[str, Any] = {}
    models: dict[str, Any] = {}


_NO_FAMILY = _Family()


@dataclass(frozen=True)
class Families:
    """Known models by name. Made by :func:`load`."""

    _names: Mapping[str, _Known]  # the key is a name as _normal writes it

    def find(self, name: str, revision: str | None = None) -> Scale | None:
        """Return the scale of a model that a log names, or None if the name is unknown.

        Parameters
        ----------
        name: a hub id ("EleutherAI/pythia-70m"), a local path, its last part, or "name@revision". Upper and
            lower case, "_" and "-" are the same; lm-eval's "org__name" is a hub id; "-hf", "-base" and "-pt"
            at the end are ignored. A last folder such as "step1000" or "checkpoint-500" is taken as the
            revision.
        revision: the branch or tag of the weights. None, "" and "main" mean what the name says of it, or else
            the end of training. "step1000" gives 1000 x tokens_per_step where the family states that;
            otherwise "step1000-tokens4B" and "stage1-step1000-tokens5B" give the tokens they name, and a
            stage 2 revision those plus the tokens of stage 1.

        Returns
        -------
        The label ends in "@" and the revision if there is one. n_tokens is None for a revision that names no
        step (a commit, say), for a step after the final one, and for a step of a family without a rule.
        """
        for text, found in _readings(name):
            known = next((self._names[form] for form in _forms(text) if form in self._names), None)
            if known is not None:
                stated = (revision or "").strip()
                # Tools that were given a local checkpoint log "main" for it.
                return _at(known, found or "" if stated.lower() in ("", "main") else stated)
        return None

    def models(self) -> tuple[Scale, ...]:
        """Return every known model once, at the end of its training, ordered by family, size and label."""
        scales = {known.last for known in self._names.values()}
        return tuple(sorted(scales, key=lambda scale: (scale.family, scale.n_params or 0.0, scale.model)))


def load(extra: Sequence[str | os.PathLike[str]] = ()) -> Families:
    """Return the built-in families and those of the user's files.

    Parameters
    ----------
    extra: TOML files in the schema at the head of this module. An entry replaces, whole, what an earlier file
        or the built-in one says of the same name.

    Raises
    ------
    SourceError: a file cannot be read, or breaks the schema; it names the file, the key and the rule.
    """
    names = dict(_built_in())
    for path in extra:
        names.update(_read(Path(path), str(path), names))
    return Families(names)


def suggestion(name: str) -> str:
    """Return the TOML lines that make `name`, a model that was not found, known.

    A last piece that reads as a count ("my-model-70m") is offered as n_params; else n_params is 0, which
    :func:`load` refuses until it is replaced.
    """
    pieces = re.split(r"[-_ /\\]", name.strip())
    size = count(pieces[-1]) if re.search(r"[kmbt]$", pieces[-1], re.IGNORECASE) else None
    number = "0  # write the number of parameters here"
    if size is not None and size >= 1 and size == int(size):
        number = f"{int(size):_}  # read from the name: check it"
    key = json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[models.{key}]\nn_params = {number}\n# n_tokens = the number of training tokens, if known\n"


def common_family(names: Sequence[str]) -> str | None:
    """Return the longest common beginning of the names' last parts, cut back to a separator ("-", "_", " ").

    "add-6k" and "add-10k" give "add". Case is ignored, the first spelling returned; None if nothing is left.
    """
    bases = [_parts(name)[-1] if _parts(name) else "" for name in names]
    if not bases:
        return None
    shared = 0
    for letters in zip(*bases, strict=False):
        if len({letter.lower() for letter in letters}) > 1:
            break
        shared += 1
    found = re.match(r"(.*[^-_ ])[-_ ]", bases[0][:shared], re.DOTALL)
    return found[1] if found else None


def unsized(name: str) -> str | None:
    """Return the name's last part without its size ("org/my-1.4b-v2": "my-v2"); None where it has none."""
    base = _parts(name)[-1] if _parts(name) else ""
    rest = re.sub(r"[-_ ]\d+(?:\.\d+)?[kmbt](?=$|[-_ ])", "", base, count=1, flags=re.IGNORECASE)
    return rest if rest != base else None


_STEP = re.compile(
    r"(?:stage(?P<stage>\d)-)?(?:ingredient\d+-)?"
    r"(?:(?:global[-_]?)?step|checkpoint|ckpt)[-_]?(?P<step>\d{1,15})"
    r"(?:-tokens(?P<tokens>\d+(?:\.\d+)?[kmbt]))?",
    re.IGNORECASE | re.ASCII,
)


def _at(known: _Known, revision: str) -> Scale:
    if not revision:
        return known.last
    return replace(known.last, model=f"{known.last.model}@{revision}", n_tokens=_tokens_at(known, revision))


def _tokens_at(known: _Known, revision: str) -> float | None:
    found = _STEP.fullmatch(revision)
    if not found or (known.final_step is not None and int(found["step"]) > known.final_step):
        return None
    step, stage = int(found["step"]), int(found["stage"] or 1)
    if known.tokens_per_step is not None and found["stage"] is None:
        return step * known.tokens_per_step
    named = count(found["tokens"]) if found["tokens"] else None
    if named is None or stage == 1:
        return named
    return named + known.stage1_tokens if stage == 2 and known.stage1_tokens is not None else None


def _parts(name: str) -> list[str]:
    # "__" stands for "/" in lm-eval's folder names, and models--org--name is a folder of the hub's cache.
    cached = re.search(r"models--[^/]+?--([^/\\]+)", name)
    return [cached[1]] if cached else [part for part in re.split(r"[/\\]|__", name.strip()) if part]


def _readings(name: str) -> Iterator[tuple[str, str | None]]:
    """Yield the ways to read a name, each a name and the revision that it holds."""
    text = name.strip()
    yield text, None
    if "@" in text:
        before, _, after = text.rpartition("@")
        yield before, after
    parts = _parts(text)
    if len(parts) > 1 and _STEP.fullmatch(parts[-1]):
        yield "/".join(parts[:-1]), parts[-1]


def _forms(text: str) -> Iterator[str]:
    """Yield the keys under which a name may be known, the most exact first."""
    parts = _parts(text)
    # Two last parts: BIG-bench names a model by a family and a size, "BIG-G T=0/2m".
    for form in (text, *parts[-1:], "-".join(parts[-2:])):
        yield _normal(form)
        yield re.sub(r"(?:-hf|-base|-pt)+$", "", _normal(form))


def _normal(name: str) -> str:
    return re.sub(r"[-_\s]+", "-", name.strip().rstrip("/\\")).lower()


@cache
def _built_in() -> Mapping[str, _Known]:
    return _read(BUILT_IN, BUILT_IN.name, {})


def _read(path: Path, source: str, earlier: Mapping[str, _Known]) -> dict[str, _Known]:
    """Return what one file says, by normal name. `earlier` knows the family of a model that states none."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"The file cannot be read: {error.strerror}.", where=source) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"The file is not TOML: {error}.", where=source) from error
    hint = "It needs a [models.NAME] or [families.NAME] table, and nothing else at the top."
    if not content:
        raise SourceError("The file names no model.", where=source, hint=hint)
    for key in content:
        if key not in ("models", "families"):
            raise SourceError(f"`{key}` is not a key of this file.", where=source, hint=hint)
    names: dict[str, _Known] = {}
    for block, entry in _table(content.get("families", {}), source, "families").items():
        _add_family(names, block, entry, source)
    for name, entry in _table(content.get("models", {}), source, "models").items():
        place = _place(source, "models", name)
        model = _convert(entry, _Named, place)
        family = model.family or _family_of(name, earlier)
        known = _known(model, family, name, source)
        _add(names, known, (name, *model.names), place)
    return names


def _family_of(name: str, earlier: Mapping[str, _Known]) -> str:
    known = Families(earlier).find(name)
    if known:
        return known.family
    return unsized(name) or common_family([name]) or (_parts(name) or [name])[-1]


def _add_family(names: dict[str, _Known], label: str, entry: object, source: str) -> None:
    place = _place(source, "families", label)
    family = _convert(entry, _Family, place)
    if not family.sizes and not family.models:
        raise SourceError("The family has neither sizes nor models.", where=place)
    if bool(family.sizes) != (family.model is not None):
        raise SourceError("`model` and `sizes` need each other.", where=place)
    if not family.sizes and (family.also or family.variants):
        raise SourceError("`also` and `variants` need `sizes`.", where=place)
    if family.final_step is not None and family.tokens_per_step is None:
        raise SourceError("`final_step` needs `tokens_per_step`.", where=place)
    for size, raw in family.sizes.items():
        inner = _place(source, "families", label, "sizes", size)
        model = _convert(raw, _Size, inner)
        base = (family.model or "", *(family.also or ()))
        for recipe, templates in ((label, base), *family.variants.items()):
            spelled = [
                template.replace("{size}", text) for template in templates for text in (size, *model.also)
            ]
            known = _known(model, recipe, templates[0].replace("{size}", size), source, family)
            _add(names, known, (*spelled, *(model.names if recipe == label else ())), inner)
    for name, raw in family.models.items():
        inner = _place(source, "families", label, "models", name)
        single = _convert(raw, _Model, inner)
        _add(names, _known(single, label, name, source, family), (name, *single.names), inner)


def _known(model: _Model, label: str, name: str, source: str, family: _Family = _NO_FAMILY) -> _Known:
    per_step = model.tokens_per_step or family.tokens_per_step
    tokens = model.n_tokens or family.n_tokens
    if tokens is None and family.final_step is not None and per_step is not None:
        tokens = family.final_step * per_step
    estimated = "estimated" in (model.source, family.source)
    last = Scale(label, name, model.n_params, tokens, source, model.rounded or family.rounded, estimated)
    return _Known(last, per_step, family.final_step, model.stage1_tokens)


def _add(names: dict[str, _Known], known: _Known, spelled: Sequence[str], place: str) -> None:
    for name in spelled:
        key = _normal(name)
        if not key:
            raise SourceError("A name is empty.", where=place)
        other = names.setdefault(key, known)
        if other is not known:
            raise SourceError(f'"{name}" already names {other.last.model} in this file.', where=place)


def _convert(entry: object, kind: type[_Struct], place: str) -> _Struct:
    try:
        return msgspec.convert(entry, kind)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        raise SourceError(f"{rule}.", where=place + path.rstrip("`")) from error


def _table(value: object, source: str, key: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SourceError(
            f"`{key}` must be a table.", where=source, hint=f"Write [{key}.NAME] above each entry."
        )
    return value


def _place(source: str, *keys: str) -> str:
    shown = (
        key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False) for key in keys
    )
    return f"{source}: {'.'.join(shown)}"
