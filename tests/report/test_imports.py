"""Importing the reports is cheap: what draws or lays out is loaded only when it is used."""

from __future__ import annotations

import subprocess
import sys


def test_no_drawing_library_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, unmirage.report.files, unmirage.report.text\n"
        "print([m for m in ('altair', 'vl_convert', 'jinja2', 'rich', 'scipy.stats') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
