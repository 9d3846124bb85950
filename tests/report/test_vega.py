"""The script that draws, which comes with the package, is what vl-convert makes of its own Vega."""

import runpy
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src" / "unmirage" / "report"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "embed_vega.py"))


def test_the_script_is_the_one_of_the_versions_that_are_fixed():
    [fixed] = [
        line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("vl-convert")
    ]
    if fixed.partition("==")[2] != metadata.version("vl-convert-python"):
        pytest.skip("another vl-convert is installed")
    assert (FOLDER / "vega.js").read_bytes().decode() == SCRIPT["script"]()


def test_nothing_in_it_ends_a_script_element():
    text = (FOLDER / "vega.js").read_bytes()
    assert b"</script" not in text
    assert b"<!--" not in text
    assert b"\r" not in text


def test_licences_are_those_of_the_packages(tmp_path):
    for name, text in {"vega": "one", "d3-array": "two", "vega-lite": "one\n", "yargs": "no"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "LICENSE").write_text(text)
    assert SCRIPT["licences"](tmp_path).split("\n\n", 1)[1].split() == [
        "d3-array", "two", "-" * 80, "vega,", "vega-lite", "one",
    ]  # fmt: skip
