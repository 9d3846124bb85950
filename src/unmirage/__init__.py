"""unmirage: is that jump in a model family's ability real, or did the metric make it?

The public names, one line each. They are loaded when first used, so that the command line answers at once.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unmirage.ask.run import ask
    from unmirage.audit import audit, read, score
    from unmirage.errors import UnmirageError, UnmirageWarning
    from unmirage.examples import example
    from unmirage.meta.analyse import meta
    from unmirage.meta.found import Meta
    from unmirage.metrics import Card, Metric, metric
    from unmirage.mirages.found import Induced, Mirage
    from unmirage.mirages.induce import induce
    from unmirage.predictions.choice_chain import ChoiceChain, choice_chain
    from unmirage.predictions.length_scaling import length_scaling
    from unmirage.predictions.metric_swap import metric_swap
    from unmirage.predictions.prediction import Prediction
    from unmirage.predictions.resolution_sweep import resolution_sweep
    from unmirage.result import Audit, Settings
    from unmirage.streaming.curves import curves
    from unmirage.theory.simulate import simulate

__version__ = "0.1.0"

_HOME = {
    "Audit": "unmirage.result",
    "Card": "unmirage.metrics",
    "ChoiceChain": "unmirage.predictions",
    "Induced": "unmirage.mirages.found",
    "Meta": "unmirage.meta.found",
    "Metric": "unmirage.metrics",
    "Mirage": "unmirage.mirages.found",
    "Prediction": "unmirage.predictions",
    "Settings": "unmirage.result",
    "UnmirageError": "unmirage.errors",
    "UnmirageWarning": "unmirage.errors",
    "ask": "unmirage.ask.run",
    "audit": "unmirage.audit",
    "choice_chain": "unmirage.predictions",
    "curves": "unmirage.streaming.curves",
    "example": "unmirage.examples",
    "induce": "unmirage.mirages.induce",
    "length_scaling": "unmirage.predictions",
    "meta": "unmirage.meta.analyse",
    "metric": "unmirage.metrics",
    "metric_swap": "unmirage.predictions",
    "read": "unmirage.audit",
    "resolution_sweep": "unmirage.predictions",
    "score": "unmirage.audit",
    "simulate": "unmirage.theory.simulate",
}

__all__ = [
    "Audit",
    "Card",
    "ChoiceChain",
    "Induced",
    "Meta",
    "Metric",
    "Mirage",
    "Prediction",
    "Settings",
    "UnmirageError",
    "UnmirageWarning",
    "__version__",
    "ask",
    "audit",
    "choice_chain",
    "curves",
    "example",
    "induce",
    "length_scaling",
    "meta",
    "metric",
    "metric_swap",
    "read",
    "resolution_sweep",
    "score",
    "simulate",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'unmirage' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps the functions `unmirage.audit` and `unmirage.curves` when the modules of those names are loaded.

    What the modules hold is imported from them: `from unmirage.curves import fit`.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
