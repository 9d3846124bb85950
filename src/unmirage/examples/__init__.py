"""The embedded family: real logs of eight small transformers that learned addition."""

from __future__ import annotations

from pathlib import Path


def example() -> Path:
    """The folder of lm-evaluation-harness logs of the embedded family."""
    return Path(__file__).parent / "addition"
