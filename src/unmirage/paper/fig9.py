"""Figure 9: what the paper draws as ROUGE-L-Sum, as published and with the real ROUGE-L-Sum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from unmirage.paper.figure import Figure
from unmirage.paper.overlaps import common_positions
from unmirage.paper.strings import REFERENCES, SIZES, Variant, matches_any
from unmirage.paper.text_figure import Means, draw, mean_and_error, measure, published_sentences, sharpness
from unmirage.result import Progress, silent
from unmirage.theory.model import PAPER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LENGTHS = (4, 20, 36)
BEST, UNION = "ROUGE-L-Sum, best reference", "ROUGE-L-Sum, union of references"


def rouge(outputs: Ints, references: Ints, variant: Variant) -> dict[str, Means]:
    """Both ways to count several references, for each number of them.

    Best: the F-measure of the longest common subsequence with the best reference, as rouge-score takes it.
    Union (appendix A.4): the share of the output's positions in its subsequence with any reference; not
    defined where each reference has an output of its own.
    """
    kept = common_positions(outputs, references)
    share = kept.mean(axis=-1)
    found: dict[str, Means] = {BEST: {r: mean_and_error(share[:, :, :r].max(axis=2)) for r in REFERENCES}}
    if not variant.attempts:
        found[UNION] = {r: mean_and_error(kept[:, :, :r].any(axis=2).mean(axis=-1)) for r in REFERENCES}
    return found


def fig9(seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure; the same seed gives the same strings."""
    sampled = measure(9, LENGTHS, rouge, seed, progress)
    p = PAPER.token_probability(SIZES)
    away = max(float(np.abs(sampled.real[BEST, "attempts", n, 1][0] - p).max()) for n in LENGTHS)
    longest = LENGTHS[-1]
    real = sampled.real[BEST, "attempts", longest, 1][0]
    sharp = matches_any(longest, 1)
    k = int(np.abs(real - sharp).argmax())
    says = [
        *published_sentences("ROUGE-L-Sum", sampled),
        "As claimed, the real ROUGE-L-Sum with one reference is the probability of a right token itself, "
        "at every "
        f"length: it is within {away:.3f} of p everywhere. It is linear in the error of a token.",
        f"The two differ most, for {longest} tokens and one reference, at {SIZES[k]:.3g} parameters: "
        f"{real[k]:.3f} "
        f"against {sharp[k]:.3f} as published.",
        *_more_references(sampled.real, longest),
        sharpness(sampled, longest),
    ]
    notes = (
        "Erratum E6: the paper's curves are not ROUGE-L-Sum; both are drawn here, the real one in "
        "fig9_claimed.",
        "The paper says neither where references come from nor what a wrong token is. With one reference "
        "this does not "
        "matter beyond chance hits among ten tokens; with more, all variants are in the table.",
        "Texts are one line, so ROUGE-L-Sum is ROUGE-L; outputs are as long as references, so recall, "
        "precision and F "
        "are one number.",
    )
    return draw("fig9", "ROUGE-L-Sum", "ROUGE-L-Sum", LENGTHS, sampled, BEST, says, notes)


def _more_references(
    real: Mapping[tuple[str, str, int, int], tuple[Floats, Floats | None]], length: int
) -> list[str]:
    most = max(REFERENCES)
    first, last = 0, len(SIZES) - 1
    parts = []
    for score, variant, words in (
        (BEST, "attempts", "the best of as many outputs"),
        (BEST, "independent", "the best, others unrelated"),
        (UNION, "paraphrases", "the union of references that share half of the target"),
        (UNION, "independent-digits", "the union of unrelated references of ten tokens"),
    ):
        one, many = real[score, variant, length, 1][0], real[score, variant, length, most][0]
        parts.append(
            f"{words}: {one[first]:.2f} to {many[first]:.2f} for the smallest model, {one[last]:.2f} to "
            f"{many[last]:.2f} for the largest"
        )
    return [f"From 1 to {most} references at {length} tokens: {'; '.join(parts)}."]
