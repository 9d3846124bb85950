"""Metrics that exist for a set of items only: expected calibration error and macro F1."""

from __future__ import annotations

import numpy as np
import polars as pl

from unmirage.metrics.cards import Alias, Card, FloatArray, Metric
from unmirage.metrics.choices import Choices, needs_answer, top_shares

_BINS = 15


def _gaps(frame: pl.DataFrame) -> FloatArray:
    """(rows, 15): right minus confidence in the bin of the row's confidence, 0 in the other bins.

    The ECE is the sum over bins of (n_b / n) |accuracy_b - confidence_b|, and n_b cancels: what is left is
    the absolute mean over all rows of these gaps.
    """
    right, confidence = np.empty(frame.height), np.empty(frame.height)
    for rows, choices in Choices.parts(frame):
        right[rows] = choices.right_of(top_shares(choices.logs))
        confidence[rows] = choices.softmax.max(axis=0)
    upper = np.arange(1, _BINS + 1) / _BINS
    bins = np.minimum(np.searchsorted(upper, confidence, side="right"), _BINS - 1)
    gaps = np.zeros((frame.height, _BINS))
    gaps[np.arange(frame.height), bins] = right - confidence
    return gaps


def _ece(means: FloatArray, items: int) -> FloatArray:
    return np.asarray(np.abs(means).sum(axis=-1), dtype=np.float64)


def _class_counts(frame: pl.DataFrame) -> FloatArray:
    """(rows, 3 classes): true positive, false positive and false negative for each class; ties share."""
    parts = list(Choices.parts(frame))
    out = np.zeros((frame.height, max((choices.k for _, choices in parts), default=0), 3))
    for rows, choices in parts:
        truth, picked = choices.one_hot, top_shares(choices.logs)
        counts = np.stack([picked * truth, picked * (1.0 - truth), (1.0 - picked) * truth])
        out[rows, : choices.k] = counts.transpose(2, 1, 0)
    return out.reshape(frame.height, -1)


def _macro_f1(means: FloatArray, items: int) -> FloatArray:
    counts = means.reshape(*means.shape[:-1], -1, 3)
    hits, extra, missed = counts[..., 0], counts[..., 1], counts[..., 2]
    size = 2.0 * hits + extra + missed
    used = size > 0
    f1 = np.divide(2.0 * hits, size, out=np.zeros_like(size), where=used)
    return np.asarray(f1.sum(axis=-1) / used.sum(axis=-1), dtype=np.float64)


METRICS = (
    Metric(
        Card(
            name="ece",
            title="Expected calibration error",
            group="choice",
            inputs=("choice_logprobs", "answer"),
            low=0.0,
            high=1.0,
            higher_is_better=False,
            binary=False,
            continuous=False,
            linear=False,
            unit="",
            definition="Items fall into 15 bins of equal width by the largest choice probability (softmax of "
            "choice_logprobs; an edge belongs to the bin above it, 1 to the last). Sum over bins of the "
            "share of items times |accuracy - mean confidence|. Exact ties for the largest share, as in "
            "multiple_choice_grade. Aggregate: no score an item. Biased upwards when items are few.",
            source="Naeini et al. 2015; BIG-bench 1.0.0, expected_calibration_error",
            aliases=(
                Alias(
                    "BIG-bench",
                    "expected_calibration_error",
                    "BIG-bench gives a tie to the first of the choices",
                ),
            ),
        ),
        _gaps,
        _ece,
        check=needs_answer,
    ),
    Metric(
        Card(
            name="macro_f1",
            title="Macro F1",
            group="choice",
            inputs=("choice_logprobs", "answer"),
            low=0.0,
            high=1.0,
            higher_is_better=True,
            binary=False,
            continuous=False,
            linear=False,
            unit="",
            definition="Unweighted mean over classes of 2 TP / (2 TP + FP + FN). A class is an index into "
            "the choices, predicted where its summed log-probability is the largest; exact ties share one "
            "prediction. Classes that are neither an answer nor predicted among the items are left out. "
            "Aggregate: no score an item.",
            source="scikit-learn 1.9, f1_score(average='macro'); BIG-bench 1.0.0, macro_f1",
            aliases=(
                Alias(
                    "BIG-bench",
                    "macro_f1",
                    "BIG-bench takes the text of the choices as classes, so it differs where their order "
                    "does; it breaks ties by a hash",
                ),
            ),
        ),
        _class_counts,
        _macro_f1,
        check=needs_answer,
    ),
)
