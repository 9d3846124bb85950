"""The truths that families can be simulated from: what a truth is, and how one is found by name.

The truths themselves are in `tuning` and `held_out`: rules may be tuned on the first set, and their error
rates are measured on the second, which shares no curve with it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from unmirage.errors import SettingsError
from unmirage.theory.shapes import Curve, Floats

Label = Literal["smooth", "narrow", "non-monotone", "artifact", "step", "kink", "edge", "format-failure"]
Kind = Literal["generation", "choice"]
LABELS: dict[Label, str] = {
    "smooth": "the loss or margin moves smoothly, and the headline does too",
    "narrow": "smooth, with a bump less than a decade wide that a coarse grid may take for a jump",
    "non-monotone": "smooth, but it gets worse somewhere on the way",
    "artifact": "the loss or margin moves smoothly, and the headline jumps",
    "step": "the loss or margin itself jumps, within an octave",
    "kink": "the slope of the loss changes at once, the loss does not",
    "edge": "a jump that has one scale only on one side of it",
    "format-failure": "log-probabilities are smooth; below a scale the outputs are wrong all the same",
}


@dataclass(frozen=True)
class Shape:
    """What a truth says of the responses.

    Attributes
    ----------
    curve: log10 scales -> generation: log of the mean nats a token; choice: the margin of the right choice
        over a neutral one, in nats, for an item of average difficulty.
    breaks_at: log10 scale of the step, kink or failure; None where there is none.
    fails_below: log10 scale below which the output is wrong 98% of the time whatever the probabilities say.
    item_spread: standard deviation of the log difficulty of items.
    noise: choice: standard deviation of the score of one choice of one item, in nats.
    first_bias: choice: nats that every model adds to the first choice, as models do that prefer a position.
    trap: choice: nats that every model adds to one wrong choice of each item, a distractor that misleads all.
    """

    curve: Curve
    breaks_at: float | None = None
    fails_below: float = -np.inf
    item_spread: float = 0.5
    noise: float = 1.0
    first_bias: float = 0.0
    trap: float = 0.0


@dataclass(frozen=True)
class Truth:
    """A truth on a grid of scales.

    Attributes
    ----------
    name, label, kind: as in its recipe.
    shape: what it says of the responses.
    """

    name: str
    label: Label
    kind: Kind
    shape: Shape


@dataclass(frozen=True)
class Recipe:
    """A truth before it is laid on scales.

    Attributes
    ----------
    name: what `truth` and the command line call it.
    label: its class, a key of `LABELS`.
    kind: what its responses are.
    description: one sentence.
    parameters: name -> default of what can be changed.
    build: grid of log10 scales (S,) and parameters -> its shape.
    """

    name: str
    label: Label
    kind: Kind
    description: str
    parameters: dict[str, float]
    build: Callable[..., Shape]


class TruthSet:
    """Recipes by name, in the order they were added."""

    def __init__(self) -> None:
        self.recipes: dict[str, Recipe] = {}

    def add(
        self, name: str, label: Label, description: str, kind: Kind = "generation"
    ) -> Callable[[Callable[..., Shape]], Callable[..., Shape]]:
        """Register a builder; its keyword-only arguments are the parameters."""

        def register(build: Callable[..., Shape]) -> Callable[..., Shape]:
            options = inspect.signature(build).parameters.values()
            parameters = {p.name: float(p.default) for p in options if p.kind is p.KEYWORD_ONLY}
            self.recipes[name] = Recipe(name, label, kind, description, parameters, build)
            return build

        return register


def recipes(which: Literal["tuning", "test", "all"] = "all") -> dict[str, Recipe]:
    """Name -> recipe of the tuning set, of the test set, or of both (their names differ)."""
    from unmirage.theory.held_out import TEST
    from unmirage.theory.tuning import TUNING

    sets = {"tuning": [TUNING], "test": [TEST], "all": [TUNING, TEST]}
    if which not in sets:
        raise SettingsError(f"there is no set {which!r}", where="which", hint=f"Sets: {', '.join(sets)}.")
    return {name: recipe for one in sets[which] for name, recipe in one.recipes.items()}


def truth(name: str, scales: ArrayLike, **parameters: float) -> Truth:
    """A truth laid on a range of scales.

    Parameters
    ----------
    name: one of `recipes()`.
    scales: (S,) increasing, above 0, S >= 2; the ends and places of the truth follow them.
    parameters: those of the recipe; most steps have `size` (share of the loss that goes) and `at` (share of
        the log range where it goes).

    Raises
    ------
    SettingsError
        An unknown name or parameter, a parameter outside (0, 1), or scales that do not increase.

    Examples
    --------
    >>> step = truth("step", [1e7, 1e8, 1e9, 1e10], size=0.3)
    >>> step.label, step.shape.breaks_at
    ('step', 8.5)
    """
    known = recipes()
    if name not in known:
        close = difflib.get_close_matches(name, known) or list(known)
        raise SettingsError(f"there is no truth {name!r}", where="truth", hint=f"Truths: {', '.join(close)}.")
    recipe = known[name]
    for key, value in parameters.items():
        if key not in recipe.parameters:
            there = ", ".join(recipe.parameters) or "none"
            raise SettingsError(f"{name} has no parameter {key!r}", where="truth", hint=f"It has: {there}.")
        if not 0 < value < 1:
            raise SettingsError(f"{value} is not between 0 and 1", where=f"{key} of {name}")
    shape = recipe.build(log_grid(scales), **parameters)
    return Truth(name, recipe.label, recipe.kind, shape)


def listing() -> str:
    """The truths of both sets as text: name, class, parameters with defaults, and a sentence."""
    known = recipes()
    lines = [f"{label}: {meaning}" for label, meaning in LABELS.items()]
    for which in ("tuning", "test"):
        lines += ["", f"{which} set"]
        for name in recipes(which):
            recipe = known[name]
            options = "".join(f" {key}={value:g}" for key, value in recipe.parameters.items())
            lines.append(f"  {name} [{recipe.label}{', choice' * (recipe.kind == 'choice')}]{options}")
            lines.append(f"      {recipe.description}")
    return "\n".join(lines)


def even_scales(smallest: float, largest: float, n: int) -> Floats:
    """n scales from smallest to largest, evenly spaced in the logarithm.

    Raises SettingsError where n is below 2 or the ends are not above 0 and in order.
    """
    if n < 2 or not 0 < smallest < largest < np.inf:
        raise SettingsError(
            f"{n} scales from {smallest:g} to {largest:g} are no range",
            where="scales",
            hint="Two at least, from a smaller to a larger number above 0.",
        )
    return np.geomspace(smallest, largest, n)


def log_grid(scales: ArrayLike) -> Floats:
    """log10 of scales that increase and are above 0; SettingsError for others, or fewer than two."""
    x = np.asarray(scales, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not (np.isfinite(x).all() and (x > 0).all() and (np.diff(x) > 0).all()):
        raise SettingsError("two scales at least, above 0 and increasing, are needed", where="scales")
    return np.asarray(np.log10(x), dtype=np.float64)
