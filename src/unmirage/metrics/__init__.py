"""Metrics: from the fixed outputs of models to scores, each with a card that says exactly what it is."""

from unmirage.metrics.cards import GROUPS, Alias, Card, FloatArray, Metric
from unmirage.metrics.describe import describe, listing, table
from unmirage.metrics.recorded import recorded_metric, recorded_metrics
from unmirage.metrics.registry import by_alias, metric, missing_inputs, names
from unmirage.metrics.scoring import ScoreResult, aggregate_names, available, score
from unmirage.metrics.tokens import tokenise

__all__ = [
    "GROUPS",
    "Alias",
    "Card",
    "FloatArray",
    "Metric",
    "ScoreResult",
    "aggregate_names",
    "available",
    "by_alias",
    "describe",
    "listing",
    "metric",
    "missing_inputs",
    "names",
    "recorded_metric",
    "recorded_metrics",
    "score",
    "table",
    "tokenise",
]
