"""Intervals, tests and resampling for scores of items, in plain NumPy arrays.

Not for tables: names of models and tasks stay with the caller, and nothing here knows polars.
"""

from unmirage.statistics.chance import (
    binomial_tail,
    hypergeometric_tail,
    p_above_chance,
    poisson_binomial_pmf,
)
from unmirage.statistics.clustered import (
    PairedDifference,
    clustered_stderr,
    design_effect,
    neighbour_differences,
    paired_difference,
)
from unmirage.statistics.correlations import RowCorrelations, row_correlations
from unmirage.statistics.counts import (
    mean_rate,
    pass_at_k,
    pooled_rate,
    subset_accuracy,
    thin,
    zero_rate_bound,
)
from unmirage.statistics.groups import JointAccuracy, drawn_groups, joint_accuracy
from unmirage.statistics.intervals import (
    clopper_pearson,
    effective_items,
    korn_graubard,
    wald,
    wilson,
    zero_success_upper_bound,
)
from unmirage.statistics.jumps import emergence_scores, linearities, signed_range
from unmirage.statistics.multiplicity import adjust
from unmirage.statistics.resampling import percentile_interval, resample_means, resample_weights
from unmirage.statistics.resolution import floor, items_needed, resolved
from unmirage.statistics.serial import SerialDependence, serial_dependence
from unmirage.statistics.sums import resample_sums, stderr_of_sums, unit_weights
from unmirage.statistics.until import (
    UntilMean,
    until_interval,
    until_mean,
    until_neg_log,
    until_pass_at_k,
    until_rate,
    until_variance,
)

__all__ = [
    "JointAccuracy",
    "PairedDifference",
    "RowCorrelations",
    "SerialDependence",
    "UntilMean",
    "adjust",
    "binomial_tail",
    "clopper_pearson",
    "clustered_stderr",
    "design_effect",
    "drawn_groups",
    "effective_items",
    "emergence_scores",
    "floor",
    "hypergeometric_tail",
    "items_needed",
    "joint_accuracy",
    "korn_graubard",
    "linearities",
    "mean_rate",
    "neighbour_differences",
    "p_above_chance",
    "paired_difference",
    "pass_at_k",
    "percentile_interval",
    "poisson_binomial_pmf",
    "pooled_rate",
    "resample_means",
    "resample_sums",
    "resample_weights",
    "resolved",
    "row_correlations",
    "serial_dependence",
    "signed_range",
    "stderr_of_sums",
    "subset_accuracy",
    "thin",
    "unit_weights",
    "until_interval",
    "until_mean",
    "until_neg_log",
    "until_pass_at_k",
    "until_rate",
    "until_variance",
    "wald",
    "wilson",
    "zero_rate_bound",
    "zero_success_upper_bound",
]
