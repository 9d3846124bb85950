"""The embedded family: real logs of eight small transformers that learned addition, so that everything runs
with no download.
"""

from __future__ import annotations

from pathlib import Path


def example() -> Path:
    """The folder of lm-evaluation-harness logs of the embedded family: eight models of 3.4 to 460 thousand
    parameters.
    """
    return Path(__file__).parent / "addition"
