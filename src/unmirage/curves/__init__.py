"""Scaling laws and their fits, in plain NumPy arrays.

Not for tables, and not for the verdict. Import from here, `from unmirage.curves import fit`: the attribute
`unmirage.curves` of the package is the public function of that name.
"""

from unmirage.curves.fitting import Fit, fit, fit_binomial
from unmirage.curves.laws import (
    Law,
    broken_power_law,
    exponential,
    geometric_mean,
    hinge,
    log_of,
    logistic,
    power_law,
)
from unmirage.curves.solver import Minima, least_squares
from unmirage.curves.uncertainty import Resampled, profile_interval, refit, resample
from unmirage.curves.varpro import PowerLawFits, fit_power_laws

__all__ = [
    "Fit",
    "Law",
    "Minima",
    "PowerLawFits",
    "Resampled",
    "broken_power_law",
    "exponential",
    "fit",
    "fit_binomial",
    "fit_power_laws",
    "geometric_mean",
    "hinge",
    "least_squares",
    "log_of",
    "logistic",
    "power_law",
    "profile_interval",
    "refit",
    "resample",
]
