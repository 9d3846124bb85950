"""What figures 9 and 10 have in common: drawn as published, and as claimed, with the real metric on
sampled strings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unmirage.paper import published
from unmirage.paper.drawing import Panel, bars, grid, line, points, sizes_between
from unmirage.paper.figure import Figure, numbers
from unmirage.paper.strings import (
    DRAWS,
    REFERENCES,
    SIZES,
    VARIANTS,
    Agreement,
    Variant,
    agreement,
    matches_any,
    sample,
    sample_matches,
)
from unmirage.result import Progress, silent

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SERIES = tuple(str(r) for r in REFERENCES)
COLOURS = ("#d9820b", "#8f2a6b", "#101a4d")
RANGE = (7e7, 4.2e11)
DRAWN = ("attempts", "independent", "attempts-digits", "independent-digits")  # variants that the chart shows
NORMAL = 1.96


# References -> mean (S,) and standard error (S,), None where no error is estimated.
Means = Mapping[int, tuple[Floats, Floats | None]]
# Outputs (S, D, R or 1, L) and references (S, D, R, L) of a variant -> score's name -> its means.
Scorer = Callable[[Ints, Ints, Variant], Mapping[str, Means]]


@dataclass(frozen=True)
class Sampled:
    """A figure's numbers.

    Attributes
    ----------
    published: (length, references) -> the paper's rates (S,), where they were read off.
    drawn: (length, references) -> ours (S,), by sampling what is published.
    real: (score, variant, length, references) -> mean (S,) and error of the real metric.
    """

    published: Mapping[tuple[int, int], Floats]
    drawn: Mapping[tuple[int, int], Floats]
    real: Mapping[tuple[str, str, int, int], tuple[Floats, Floats | None]]

    def against_formula(self) -> Agreement:
        """The paper's points against 1-(1-p^L)^R."""
        rates, expected = self._joined(self.published)
        return agreement(rates, expected)

    def ours_against_formula(self) -> Agreement:
        """Our draws against 1-(1-p^L)^R, at all lengths."""
        rates, expected = self._joined(self.drawn)
        return agreement(rates, expected)

    def against_ours(self) -> Agreement:
        """The paper's points against our draws."""
        keys = list(self.published)
        theirs = np.concatenate([self.published[key] for key in keys])
        return agreement(np.concatenate([self.drawn[key] for key in keys]), theirs, sampled=True)

    @staticmethod
    def _joined(rates: Mapping[tuple[int, int], Floats]) -> tuple[Floats, Floats]:
        return (
            np.concatenate(list(rates.values())),
            np.concatenate([matches_any(length, references) for length, references in rates]),
        )


def measure(
    figure: int, lengths: Sequence[int], scorer: Scorer, seed: int, progress: Progress = silent
) -> Sampled:
    """Draw the strings and score them; the same seed gives the same numbers."""
    rng = np.random.default_rng([seed, figure])
    theirs = {
        (int(length), int(references)): rows["value"].to_numpy()
        for (length, references), rows in published.text_scores(figure).group_by(
            "length", "references", maintain_order=True
        )
    }
    drawn = {(length, r): sample_matches(length, r, rng) for length in lengths for r in REFERENCES}
    real: dict[tuple[str, str, int, int], tuple[Floats, Floats | None]] = {}
    steps = len(VARIANTS) * len(lengths)
    for done, (variant, length) in enumerate((v, n) for v in VARIANTS for n in lengths):
        progress(f"scoring strings of figure {figure}", done, steps)
        outputs, references = sample(variant, length, rng)
        for score, means in scorer(outputs, references, variant).items():
            real |= {(score, variant.name, length, r): found for r, found in means.items()}
    progress(f"scoring strings of figure {figure}", steps, steps)
    return Sampled(theirs, drawn, real)


def largest_step(values: Floats) -> float:
    """The largest step between neighbouring sizes, as a share of the range of (S,) values."""
    return float(np.diff(values).max() / (values.max() - values.min()))


def sharpness(sampled: Sampled, length: int) -> str:
    """How sharp the published and the real scores are at a length, a sentence."""
    theirs = [largest_step(matches_any(length, r)) for r in REFERENCES]
    real = [largest_step(mean) for (_, _, n, _), (mean, _) in sampled.real.items() if n == length]
    return (
        f"At {length} tokens the largest step between neighbouring sizes makes {min(theirs):.0%} to "
        f"{max(theirs):.0%} of "
        f"the range of what is published, and {min(real):.0%} to {max(real):.0%} of that of the real "
        "score, over all "
        "variants of references and wrong tokens."
    )


def mean_and_error(values: Floats) -> tuple[Floats, Floats]:
    """(S, D) -> mean and standard error over D."""
    return values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])


def draw(
    name: str,
    title: str,
    metric: str,
    lengths: Sequence[int],
    sampled: Sampled,
    shown: str,
    says: Sequence[str],
    notes: Sequence[str],
) -> Figure:
    """The figure: chart `name` as published, chart `name`_claimed with the score `shown`."""
    charts = {
        name: _as_published(name, metric, lengths, sampled),
        f"{name}_claimed": _as_claimed(name, metric, lengths, sampled, shown),
    }
    return Figure(name, title, charts, numbers(_rows(sampled, lengths)), tuple(says), tuple(notes))


def published_sentences(metric: str, sampled: Sampled) -> list[str]:
    """How well the closed form and our draws agree with the paper's points."""
    formula, ours, draws = sampled.against_formula(), sampled.ours_against_formula(), sampled.against_ours()
    return [
        "As published, 'the output is one of R references', 1-(1-p^L)^R: the paper's points have a "
        "chi-square of "
        f"{formula.statistic:.1f} on {formula.points} points (p = {formula.p:.2f}) for {DRAWS} strings each.",
        f"Our {DRAWS} strings a point have {ours.statistic:.1f} on {ours.points} (p = {ours.p:.2f}) "
        "against the "
        f"formula, and {draws.statistic:.1f} on {draws.points} (p = {draws.p:.2f}) against the paper's "
        "points: what is "
        f"drawn as {metric} is exact match with one of R tries.",
    ]


def _as_published(name: str, metric: str, lengths: Sequence[int], sampled: Sampled) -> dict[str, Any]:
    panels = []
    for logarithmic in (False, True):
        for length in lengths:
            curves, ours, theirs = [], [], []
            for r in REFERENCES:
                dense = sizes_between(*RANGE)
                curves += _points(dense, matches_any(length, r, dense), r)
                ours += _points(SIZES, sampled.drawn[length, r], r)
                if (length, r) in sampled.published:
                    theirs += _points(SIZES, sampled.published[length, r], r)
            if logarithmic:
                curves, ours, theirs = (
                    [row for row in rows if row["y"] > 0] for rows in (curves, ours, theirs)
                )
            layers = [
                line(curves),
                points(ours, size=20),
                points(theirs, shape="square", filled=False, size=58),
            ]
            domain = (8e-4, 1.5) if logarithmic else (-0.03, 1.05)
            panels.append(Panel((f"{length} tokens",), layers, f"'{metric}'", RANGE, domain, logarithmic))
    missing = "" if len(sampled.published) == len(sampled.drawn) else " Not all panels could be read off."
    return grid(
        panels,
        columns=len(lengths),
        title=f"Figure {name[3:]} as published: 'one of R references is matched exactly', drawn as {metric}",
        subtitle=(
            f"Curves: 1-(1-p^L)^R. Dots: our {DRAWS} strings. Squares: the paper's points.{missing}",
            "Top: linear axis. Bottom: logarithmic.",
        ),
        series=SERIES,
        legend="References",
        colours=COLOURS,
    )


def _as_claimed(
    name: str, metric: str, lengths: Sequence[int], sampled: Sampled, shown: str
) -> dict[str, Any]:
    panels = []
    dense = sizes_between(*RANGE)
    for variant in (v for v in VARIANTS if v.name in DRAWN):
        for length in lengths:
            formula, real, errors = [], [], []
            for r in REFERENCES:
                mean, error = sampled.real[shown, variant.name, length, r]
                formula += _points(dense, matches_any(length, r, dense), r)
                real += _points(SIZES, mean, r)
                if error is not None:
                    errors += [
                        {"x": x, "low": m - NORMAL * e, "high": m + NORMAL * e, "series": str(r)}
                        for x, m, e in zip(SIZES, mean, error, strict=True)
                    ]
            layers = [line(formula, dashed=True, faint=True), line(real), bars(errors), points(real, size=20)]
            title = (f"{length} tokens", *variant.words)
            panels.append(Panel(title, layers, metric, RANGE, (-0.03, 1.05)))
    return grid(
        panels,
        columns=len(lengths),
        title=f"Figure {name[3:]} as claimed: {metric} of the sampled strings",
        subtitle=(
            f"Solid: {shown}, mean of {DRAWS} strings a point with 95% interval. Dashed: what is "
            "published, 1-(1-p^L)^R.",
            "Rows: where references and wrong tokens come from. Lines that coincide hide one another.",
        ),
        series=SERIES,
        legend="References",
        colours=COLOURS,
        height=140,
    )


def _points(sizes: Sequence[float], values: Floats, references: int) -> list[dict[str, Any]]:
    return [{"x": x, "y": float(v), "series": str(references)} for x, v in zip(sizes, values, strict=True)]


def _rows(sampled: Sampled, lengths: Sequence[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(
        group: str, panel: str, length: int, r: int, ours: Floats, error: Floats | None, n: int | None
    ) -> None:
        theirs = sampled.published.get((length, r))
        for k, x in enumerate(SIZES):
            rows.append(
                {
                    "group": group,
                    "panel": panel,
                    "series": f"length {length}, R={r}",
                    "n_params": x,
                    "n": n,
                    "ours": float(ours[k]),
                    "low": None if error is None else float(ours[k] - NORMAL * error[k]),
                    "high": None if error is None else float(ours[k] + NORMAL * error[k]),
                    "paper": None if theirs is None else float(theirs[k]),
                }
            )

    for length in lengths:
        for r in REFERENCES:
            add("closed form", "1-(1-p^L)^R", length, r, matches_any(length, r), None, None)
            drawn = sampled.drawn[length, r]
            add(
                "as published",
                "exact match, R tries",
                length,
                r,
                drawn,
                np.sqrt(drawn * (1 - drawn) / DRAWS),
                DRAWS,
            )
    for (score, variant, length, r), (mean, error) in sampled.real.items():
        add(f"as claimed: {score}", variant, length, r, mean, error, DRAWS)
    return rows
