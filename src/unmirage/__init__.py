"""unmirage: is that jump in a model family's ability real, or did the metric make it?"""

from unmirage.audit import UnmirageWarning, audit, curves, read, score
from unmirage.errors import UnmirageError
from unmirage.examples import example
from unmirage.metrics import Card, Metric, metric
from unmirage.result import Audit, Settings

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Card",
    "Metric",
    "Settings",
    "UnmirageError",
    "UnmirageWarning",
    "__version__",
    "audit",
    "curves",
    "example",
    "metric",
    "read",
    "score",
]
