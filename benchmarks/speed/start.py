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
    print(f"Median of {HELP} runs of the help and {OTHERS} of the others, in turn, after one of each.\n")
    with TemporaryDirectory() as name:
        commands = {
            "python -c pass": ["-c", "pass"],
            "python -c 'import numpy, polars'": ["-c", "import numpy, polars"],
            "unmirage --help": ["-m", "unmirage", "--help"],
            "unmirage audit of the embedded family": [
                "-m",
                "unmirage",
                "demo",
                "--out",
                str(Path(name) / "demo"),
            ],
        }
        if find_spec("torch"):
            commands["python -c 'import torch'"] = ["-c", "import torch"]
        found: dict[str, list[Run]] = {label: [] for label in commands}
        for k in range(HELP + 1):
            for label, command in commands.items():
                if k <= OTHERS or label == "unmirage --help":
                    found[label].append(run(command))
        found = {label: runs[1:] for label, runs in found.items()}
    torch = found.get("python -c 'import torch'", [])
    rows = []
    for label, runs in found.items():
        wall, cpu = (statistics.median(getattr(one, what) for one in runs) for what in ("wall", "cpu"))
        over = f"{statistics.median(one.cpu for one in torch) / cpu:.2f}" if torch else "no torch"
        rows.append([label, f"{wall:.2f}", f"{cpu:.2f}", over])
    table(["command", "wall s", "CPU s", "import torch, CPU, over it"], rows)
