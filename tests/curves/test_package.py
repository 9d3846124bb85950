"""The public list of the package, and what importing it costs. Not for any number."""

import ast
import subprocess
import sys
from pathlib import Path

from unmirage.curves import laws

curves = sys.modules["unmirage.curves"]


def test_all_lists_every_public_name_once():
    public = {
        name
        for name, value in vars(curves).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("unmirage.curves.")
    }
    assert set(curves.__all__) == public
    assert curves.__all__ == sorted(set(curves.__all__))
    assert [name for name in curves.__all__ if not getattr(curves, name).__doc__] == []


def test_import_leaves_scipy_alone():
    code = "import sys, unmirage.curves.laws; print([n for n in sys.modules if n.startswith('scipy')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_knows_no_table():
    imported = set()
    for path in Path(laws.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module)
    ours = {name for name in imported if name.startswith("unmirage")}
    floors = ("unmirage.curves", "unmirage.statistics", "unmirage.errors")
    assert all(name.startswith(floors) for name in ours)
    others = {name.split(".")[0] for name in imported - ours}
    assert others <= {"__future__", "collections", "dataclasses", "numpy", "scipy"}
