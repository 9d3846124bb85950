"""Figure 2: the model of section 2, panels A to F, from smooth token loss to sharp or smooth scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage.paper import published
from unmirage.paper.drawing import Panel, grid, level, line, points, sizes_between
from unmirage.paper.figure import Figure, numbers
from unmirage.theory import model

Floats = npt.NDArray[np.float64]

LENGTH = 5  # of panels C and E
CHOICES = 2  # of panels D and F
RANGE = (2e8, 4e11)
SERIES = ("model", "published ability (inset)")

# Quantity -> its value at a token probability p and a length; the names are those of `published.model()`.
QUANTITIES: dict[str, Callable[[Floats, int], Floats]] = {
    "cross_entropy": lambda p, length: -np.log(p),
    "token_probability": lambda p, length: p,
    "exact_match": model.exact_match,
    "neg_token_edit_distance": lambda p, length: -model.token_edit_distance(p, length),
    "multiple_choice_grade": lambda p, length: model.multiple_choice_grade(p, CHOICES),
    "neg_brier": lambda p, length: -model.brier_one_sided(p),
}
# In the order they are drawn: letter, quantity, title, y axis, range, logarithmic, length.
PANELS: tuple[tuple[str, str, str, str, tuple[float, float], bool, int], ...] = (
    ("A", "cross_entropy", "Loss of a token", "cross-entropy (nats)", (0.05, 4.0), True, 1),
    ("C", "exact_match", f"Exact match, {LENGTH} tokens", "accuracy", (-0.03, 1.03), False, LENGTH),
    (
        "D",
        "multiple_choice_grade",
        f"Choice among {CHOICES}",
        "multiple-choice grade",
        (-0.03, 1.05),
        False,
        1,
    ),
    ("B", "token_probability", "Probability of the right token", "probability", (-0.03, 1.03), False, 1),
    (
        "E",
        "neg_token_edit_distance",
        f"Edit distance, {LENGTH} tokens",
        "- edit distance",
        (-5.1, 0.1),
        False,
        LENGTH,
    ),
    ("F", "neg_brier", "Brier score", "- Brier score", (-1.03, 0.03), False, 1),
)
AXES = {"C": "nonlinear", "E": "linear", "D": "discontinuous", "F": "continuous"}


def values(quantity: str, sizes: npt.ArrayLike, length: int = 1) -> Floats:
    """A quantity of the paper's model at sizes (S,); `length` tokens, where the quantity depends on it."""
    return QUANTITIES[quantity](model.PAPER.token_probability(sizes), length)


def beside_the_paper() -> list[dict[str, Any]]:
    """Every value of `published.model()` beside ours, as rows of the table of numbers."""
    letters = {(quantity, length): letter for letter, quantity, *_, length in PANELS}
    rows = []
    for quantity, length, size, paper in published.model().iter_rows():
        letter = letters.get((quantity, length), "figures 3 and 4")
        rows.append(
            {
                "group": "model",
                "panel": f"{letter}: {quantity}",
                "series": f"length {length}" if "match" in quantity or "distance" in quantity else "model",
                "n_params": size,
                "ours": float(values(quantity, size, length)),
                "paper": paper,
            }
        )
    return rows


def fig2() -> Figure:
    """The figure; it depends on nothing but the formulas."""
    dense = sizes_between(*RANGE)
    insets = published.insets()
    rows = beside_the_paper()
    panels = []
    for letter, quantity, title, y, domain, logarithmic, length in PANELS:
        curve = [
            {"x": x, "y": float(v), "series": SERIES[0]}
            for x, v in zip(dense, values(quantity, dense, length), strict=True)
        ]
        four = [
            {"x": x, "y": float(values(quantity, x, length)), "series": SERIES[0]} for x in model.PAPER_SIZES
        ]
        inset = [
            {"x": x, "y": v, "series": SERIES[1]}
            for x, v in insets.filter(pl.col("panel") == letter).select("n_params", "value").iter_rows()
        ]
        layers = [line(curve), points(four, size=42)]
        if inset:
            layers += [
                line(inset, dashed=True, faint=True),
                points(inset, shape="square", filled=False, size=34),
            ]
        if letter == "D":
            layers += level(1 / CHOICES, "chance")
        heading = f"{letter}. {title}" + (f" ({AXES[letter]})" if letter in AXES else "")
        panels.append(Panel((heading,), layers, y, RANGE, domain, logarithmic))
        rows += [
            {
                "group": "dense curve",
                "panel": f"{letter}: {quantity}",
                "series": "model",
                "n_params": point["x"],
                "ours": point["y"],
            }
            for point in curve
        ]
        rows += [
            {
                "group": "inset",
                "panel": f"{letter}: inset",
                "series": SERIES[1],
                "n_params": point["x"],
                "paper": point["y"],
            }
            for point in inset
        ]
    chart = grid(
        panels,
        columns=3,
        title="Figure 2. The same smooth loss, by sharp and by smooth scores",
        subtitle=(
            "Loss a token (N/c)^alpha with c = 2.0e9, alpha = -0.5. Points: the paper's four sizes.",
            "Squares: published abilities that the paper draws as insets of C and D.",
        ),
        series=SERIES,
        legend="",
        colours=("#1261a0", "#b5400a"),
        width=240,
    )
    half_one = model.PAPER.scale_of_exact_match(0.5, 1)
    half_five = model.PAPER.scale_of_exact_match(0.5, LENGTH)
    small = float(model.exact_match(model.PAPER.token_probability(model.PAPER_SIZES[0]), LENGTH))
    says = (
        f"Exact match of one token is at one half at {half_one:.3g} parameters, of {LENGTH} tokens at "
        f"{half_five:.3g}: {half_five / half_one:.0f} times as many, from one smooth loss.",
        f"The smallest model gets {LENGTH} tokens right {small:.3g} of the time: one success in "
        f"{float(model.items_for_one_success(small)):,.0f} items; 1,000 items show none with probability "
        f"{float(model.no_success(small, 1000)):.4f}.",
    )
    notes = (
        "The fourth model has 2.0e11 parameters in the paper's drawing, not the 1.75e11 of GPT-3.",
        "Panel F draws (1-p)^2; the sum over the two choices would be twice that.",
        "Erratum E1: the paper's appendix A.2 has L(1-eps) with eps the error a token; panel E draws L(1-p) "
        "with p the probability of the right token, which is L times the error.",
        "Erratum E3: p^L is exact for independent tokens; no expectation of a logarithm is needed (it is "
        "minus "
        "infinity as soon as one item fails).",
        "Erratum E7: L(1-p) counts wrong places; the Levenshtein distance of outputs as long as the "
        "target is "
        "at most that, not at least.",
    )
    return Figure("fig2", "The mathematical model", {"fig2": chart}, numbers(rows), says, notes)
