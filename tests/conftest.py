"""Fixtures that several parts of the suite share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings as hypothesis_settings

from unmirage.cells import cells
from unmirage.judge import Case, prepare
from unmirage.metrics import score
from unmirage.result import Settings
from unmirage.scales import FALLING
from unmirage.testing import examine
from unmirage.verdict.evidence import Evidence
from unmirage.verdict.thresholds import Thresholds

# A busy machine is no failure: examples have no time limit.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data beside the checkout (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def addition_logs() -> Path:
    """Logs of lm-evaluation-harness of a small family: eight models, five tasks (data/README.md)."""
    return Path(__file__).parent / "data" / "addition_logs"


@dataclass(frozen=True)
class Examined:
    """Cases of simulated families as the audit examines them.

    Attributes: cases, evidence (one a case), breaks the table of the tests.
    """

    cases: tuple[Case, ...]
    evidence: tuple[Evidence | str | None, ...]
    breaks: pl.DataFrame


@pytest.fixture(scope="session")
def examined() -> Callable[..., Examined]:
    """Simulated responses, or one frame of several, -> what the audit has before it decides."""

    def examine_frames(*frames: pl.DataFrame, axis: str = "n_params", **options: object) -> Examined:
        settings, limits = Settings(axis=axis, **options), Thresholds()
        rows = pl.concat(frames).with_columns(axis_value=pl.col(axis).cast(pl.Float64))
        order = rows["family"].unique(maintain_order=True).to_list()
        found = cells(rows, score(rows).scores, order=order, falling=axis in FALLING, chance={}, wanted=[])
        cases = tuple(prepare(cell, [], settings, limits, None) for cell in found)
        evidence, breaks = examine(cases, settings, limits, lambda *_: None)
        return Examined(cases, tuple(evidence), breaks)

    return examine_frames
