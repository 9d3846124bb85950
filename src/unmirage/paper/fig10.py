"""Figure 10: what the paper draws as BLEU, as published and with the real BLEU."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unmirage.paper.figure import Figure
from unmirage.paper.overlaps import bleu, ngram_matches
from unmirage.paper.strings import DRAWS, REFERENCES, SIZES, Variant, matches_any
from unmirage.paper.text_figure import Means, draw, mean_and_error, measure, published_sentences, sharpness
from unmirage.result import Progress, silent
from unmirage.theory.model import PAPER

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LENGTHS = (8, 12, 16, 20)
SENTENCE, CORPUS = "BLEU of each string", "BLEU of the corpus"
# The geometric mean of p, p^2, p^3 and p^4, the expected precisions of n-grams with independent tokens.
EXPONENT = 2.5


def scored(outputs: Ints, references: Ints, variant: Variant) -> dict[str, Means]:
    """The mean of each string's BLEU, and the BLEU of all strings as one corpus; no smoothing in either.

    Where each reference has an output of its own, the best of a string counts; the corpus holds all outputs.
    """
    length = outputs.shape[-1]
    sentence: dict[int, tuple[Floats, Floats | None]] = {}
    corpus: dict[int, tuple[Floats, Floats | None]] = {}
    if variant.attempts:
        matches = ngram_matches(outputs, references[:, :, :, None, :])
        each = bleu(matches, length)
    for r in REFERENCES:
        if variant.attempts:
            best, pooled = each[:, :, :r].max(axis=2), matches[:, :, :r].sum(axis=(1, 2))
            segments = outputs.shape[1] * r
        else:
            matches = ngram_matches(outputs[:, :, 0], references[:, :, :r])
            best, pooled, segments = bleu(matches, length), matches.sum(axis=1), outputs.shape[1]
        sentence[r] = mean_and_error(best)
        corpus[r] = (bleu(pooled, length, segments), None)
    return {SENTENCE: sentence, CORPUS: corpus}


def fig10(seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure; the same seed gives the same strings."""
    sampled = measure(10, LENGTHS, scored, seed, progress)
    power = PAPER.token_probability(SIZES) ** EXPONENT
    away = max(float(np.abs(sampled.real[CORPUS, "attempts", n, 1][0] - power).max()) for n in LENGTHS)
    longest = LENGTHS[-1]
    real, sharp = sampled.real[SENTENCE, "attempts", longest, 1][0], matches_any(longest, 1)
    k = int(np.abs(real - sharp).argmax())
    zero = int((real < 0.01).sum())
    short = sampled.real[SENTENCE, "attempts", LENGTHS[0], 1][0]
    says = [
        *published_sentences("BLEU", sampled),
        f"As claimed, the real BLEU gives partial credit. Of a corpus it is p^{EXPONENT} at every length, "
        f"within {away:.3f} for {DRAWS} strings: nonlinear in the error a token, but far from p^L.",
        f"The mean BLEU of single strings differs most from what is published, for {longest} tokens and "
        f"one reference, at {SIZES[k]:.3g} parameters: {real[k]:.3f} against {sharp[k]:.3f}.",
        f"That mean is below 0.01 for the {zero} smallest of {len(SIZES)} sizes, as a string without one "
        f"right 4-gram scores 0. For the largest it is {short[-1]:.3f} at {LENGTHS[0]} tokens and "
        f"{real[-1]:.3f} at {longest}, where what is published falls from "
        f"{matches_any(LENGTHS[0], 1)[-1]:.3f} to {sharp[-1]:.3f}.",
        sharpness(sampled, longest),
    ]
    notes = (
        "Erratum E4: the caption of the paper's figure 10 says ROUGE-L-Sum where BLEU is meant.",
        "Erratum E6: the paper's curves are not BLEU; both are drawn here, the real one in fig10_claimed.",
        "Six of the paper's twelve panels could be read off: lengths 8 and 20.",
        "The paper says neither where references come from nor what a wrong token is; all variants are "
        "in the table.",
    )
    return draw("fig10", "BLEU", "BLEU", LENGTHS, sampled, SENTENCE, says, notes)
