"""Time to start: `unmirage --help`, and the audit of the embedded family against importing torch."""

from __future__ import annotations

import statistics
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from speed.measure import Run, run, table

HELP = 10  # runs
OTHERS = 3


def print_start() -> None:
    """Print the table."""
    print("## Start\n")
    print(f"Wall seconds and CPU seconds, each the median of {HELP} runs of the help and {OTHERS} of the others, in turn.\n")
    with TemporaryDirectory() as name:
        commands = {
            "python -c pass": ["-c", "pass"],
            "python -c 'import numpy, polars'": ["-c", "import numpy, polars"],
            "unmirage --help": ["-m", "unmirage", "--help"],
            "unmirage audit of the embedded family": ["-m", "unmirage", "demo", "--out", str(Path(name) / "demo")],
        }
        if find_spec("torch"):
            commands["python -c 'import torch'"] = ["-c", "import torch"]
        found: dict[str, list[Run]] = {label: [] for label in commands}
        for k in range(HELP):
            for label, command in commands.items():
                if k < OTHERS or label == "unmirage --help":
                    found[label].append(run(command))
    wall = {label: statistics.median(one.wall for one in runs) for label, runs in found.items()}
    cpu = {label: statistics.median(one.cpu for one in runs) for label, runs in found.items()}
    torch = "python -c 'import torch'"
    rows = [
        [label, f"{wall[label]:.2f}", f"{cpu[label]:.2f}", f"{wall[torch] / wall[label]:.2f}" if torch in wall else "no torch"]
        for label in commands
    ]
    table(["command", "wall s", "CPU s", "import torch, wall, over it"], rows)
