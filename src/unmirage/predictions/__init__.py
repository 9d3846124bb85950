"""The three predictions of the paper as tests on any family: metric, resolution, length.

Each is a function of a source or an audit, and each has its numbers from a core on arrays beside it, which
serves where there are no items (formulas, numbers read off a figure). `choice_chain` swaps the metrics of
choice tasks and follows the chain from log-probability to accuracy.
"""

from unmirage.predictions.choice_chain import ChoiceChain, choice_chain
from unmirage.predictions.length_scaling import length_scaling, lengths_of_counts
from unmirage.predictions.metric_swap import metric_swap, swap_of_means
from unmirage.predictions.prediction import CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE, Prediction
from unmirage.predictions.resolution_sweep import resolution_sweep, sweep_of_counts

__all__ = [
    "CONFIRMED",
    "NOT_CONFIRMED",
    "NOT_TESTABLE",
    "ChoiceChain",
    "Prediction",
    "choice_chain",
    "length_scaling",
    "lengths_of_counts",
    "metric_swap",
    "resolution_sweep",
    "swap_of_means",
    "sweep_of_counts",
]
