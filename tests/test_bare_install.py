"""The wheel, alone with the dependencies that it declares, runs the demo.

A bare environment is made from the wheel and from the files of the distributions that its metadata asks for
(extras left out), taken from the
environment of the tests: no network is needed, and a dependency that is used but not declared is missing
    there.
"""

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def closure(requirements, extras=frozenset({""}), found=None):
    """Canonical name -> distribution of all that the requirements need."""
    found = {} if found is None else found
    for wanted in map(Requirement, requirements):
        needed = wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras)
        name = canonicalize_name(wanted.name)
        if needed and name not in found:
            found[name] = distribution(name)
            closure(found[name].requires or [], wanted.extras or {""}, found)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """The python of an environment that holds the wheel and its declared dependencies only."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    requires = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    for one in closure(requires).values():
        for file in one.files or []:
            source = Path(str(one.locate_file(file)))
            if file.parts[0] == ".." or source.suffix == ".pyc" or not source.exists():
                continue
            place = site / file
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                os.symlink(source, place)
    return folder / "bin" / "python"


def run(python, *arguments, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [str(python), "-P", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_the_demo_runs(bare, tmp_path):
    done = run(bare, "-m", "unmirage", "demo", "--out", "report", "--charts", "png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "report.html").is_file()
    found = json.loads((tmp_path / "report" / "audit.json").read_text())
    verdicts = {row["task"]: row["verdict"] for row in found["verdicts"]}
    # Smooth, and a jump in cross-entropy too, for which a bump that recovers is another explanation.
    assert verdicts == {"multiplication": "smooth", "addition": "cannot-tell"}
    assert all(verdict in done.stdout for verdict in verdicts.values())
    (addition,) = (row for row in found["verdicts"] if row["task"] == "addition")
    assert addition["p_break_adjusted"] < 0.01
    assert list((tmp_path / "report" / "charts").glob("*.png"))


def test_extras_are_not_there_and_say_how_to_install_them(bare, tmp_path):
    missing = run(bare, "-c", "import sacrebleu", cwd=tmp_path)
    assert missing.returncode == 1
    said = run(
        bare,
        "-c",
        "import polars as pl, unmirage\n"
        "f = pl.DataFrame({'family': ['f'], 'model': ['m'], 'task': ['t'], 'item_id': ['i'], 'n_params': "
        "[1e6], 'target': ['a'], 'output': ['a']})\n"
        "try:\n    unmirage.score(f, ['bleu'])\nexcept unmirage.UnmirageError as problem:\n    "
        "print(problem)",
        cwd=tmp_path,
    )
    assert "unmirage[text]" in said.stdout, said.stderr


def test_the_wheel_is_typed_and_holds_what_it_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tables = [f"unmirage/examples/arithmetic{which}.parquet" for which in ("", "_checkpoints")]
    for needed in (
        "unmirage/py.typed",
        "unmirage/families.toml",
        "unmirage/report/page.html.j2",
        "unmirage/paper/published/fig3_gpt3.csv",
        *tables,
    ):
        assert needed in names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)
    assert wheel.stat().st_size < 20 * 2**20
