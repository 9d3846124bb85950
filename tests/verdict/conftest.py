"""Evidence of simulated families, as the decision tree gets it."""

import pytest

from unmirage import simulate
from unmirage.verdict.curve import Curve
from unmirage.verdict.evidence import Evidence


@pytest.fixture(scope="session")
def late(examined) -> tuple[Curve, Evidence]:
    """The headline and companion of a family whose exact match jumps late: an artifact of the metric."""
    found = examined(simulate("late", n_items=200, seed=1))
    return found.cases[0].curve, found.evidence[0]


@pytest.fixture(scope="session")
def stepped(examined) -> tuple[Curve, Evidence]:
    """Those of a family whose loss halves at once."""
    found = examined(simulate("step", n_items=200, seed=1))
    return found.cases[0].curve, found.evidence[0]
