"""The public list of the package, and what importing it costs. Not for any number."""

import ast
import subprocess
import sys
from pathlib import Path

import unmirage.statistics as statistics


def test_all_lists_every_public_name_once():
    public = {
        name
        for name, value in vars(statistics).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("unmirage.statistics.")
    }
    assert set(statistics.__all__) == public
    assert statistics.__all__ == sorted(set(statistics.__all__))


def test_every_public_name_has_a_docstring():
    assert [name for name in statistics.__all__ if not getattr(statistics, name).__doc__] == []


def test_import_leaves_the_slow_part_of_scipy_alone():
    code = "import sys, unmirage.statistics; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_knows_no_table():
    imported = set()
    for path in Path(statistics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
    ours = {name for name in imported if name.startswith("unmirage")}
    assert {name for name in ours if not name.startswith("unmirage.statistics")} == {"unmirage.errors"}
    assert {name.split(".")[0] for name in imported - ours} <= {
        "__future__",
        "collections",
        "dataclasses",
        "math",
        "numpy",
        "scipy",
    }
