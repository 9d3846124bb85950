"""`unmirage meta`: what it prints and writes, and one clear message with exit code 2 for bad input."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unmirage
from unmirage.cli import main
from unmirage.meta.shapes import RULES

FILES = {
    *("report.html", "meta.json", "cells.parquet", "laws.parquet", "curves.parquet"),
    *("cells.csv", "scores.csv", "groups.csv", "concentration.csv", "claims.csv"),
}
HEADER = "family,model,n_params,task,metric,value,n\n"
VALUES = [0.1, 0.15, 0.25, 0.35, 0.5, 0.6, 0.7, 0.75]


def table(path, tasks=("t", "t:part", "u"), header=HEADER):
    rows = [
        f"f,m{i},{10.0 ** (7 + i / 2):g},{task},{metric},{value},200"
        for task in tasks
        for metric in ("exact_match", "rouge_l")
        for i, value in enumerate(VALUES)
    ]
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def document(folder):
    return json.loads((folder / "meta.json").read_text())


def refused(capsys, tmp_path, *arguments):
    """Run a command that must fail; returns its message. Nothing may be written."""
    out = tmp_path / "out"
    assert main(["meta", *map(str, arguments), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.startswith("unmirage: ")
    assert not out.exists()
    return captured.err


def test_it_prints_what_it_found_and_writes_its_files(tmp_path, capsys):
    source = table(tmp_path / "results.csv")
    out = tmp_path / "out"
    assert main(["meta", str(source), "--out", str(out), "--charts", "svg"]) == 0
    printed = capsys.readouterr().out
    found = unmirage.meta(source)
    flat = " ".join(printed.split())
    assert all(f"- {one}" in flat for one in found.says)
    assert "parts-left-out" in flat
    assert printed.endswith(f"The report is in {out / 'report.html'}\n")
    assert {path.name for path in out.iterdir()} == FILES | {"charts"}
    assert {path.name for path in (out / "charts").iterdir()} == {
        f"{name}.svg" for name in ("curves", "scores", "shares", "shapes")
    }
    assert document(out)["says"] == list(found.says)


def test_quiet_prints_the_path_of_the_page_alone(tmp_path, capsys):
    assert main(["meta", str(table(tmp_path / "r.csv")), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'out' / 'report.html'}\n"
    assert captured.err == ""


def test_options_reach_the_analysis(tmp_path):
    (tmp_path / "claimed.txt").write_text("t\n")
    source = table(tmp_path / "r.csv")
    arguments = ["--metric", "exact_match", "--alpha", "0.1", "--adjust", "holm", "--seed", "3", "--subtasks"]
    arguments += ["--claimed", str(tmp_path / "claimed.txt"), "--confidence", "0.9"]
    assert main(["meta", str(source), *arguments, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    told = document(tmp_path / "out")
    settings = told["settings"]
    assert (settings["alpha"], settings["adjust"], settings["seed"], settings["confidence"]) == (
        0.1,
        "holm",
        3,
        0.9,
    )
    assert settings["metrics"] == ["exact_match"]
    assert {row["task"] for row in told["cells"]} == {"t", "t:part", "u"}
    assert [row["claimed"] for row in told["claims"]] == [1]


def test_several_sources_and_tasks(tmp_path):
    first, second = table(tmp_path / "a.csv", ("t",)), table(tmp_path / "b.csv", ("u", "v"))
    arguments = [str(first), str(second), "--task", "?", "--out", str(tmp_path / "out")]
    assert main(["meta", *arguments, "--quiet"]) == 0
    told = document(tmp_path / "out")
    assert {row["task"] for row in told["cells"]} == {"t", "u", "v"}
    assert [one["path"] for one in told["inputs"]] == [str(first), str(second)]


def test_the_default_folder_is_said_in_the_help_and_used(tmp_path, capsys, monkeypatch):
    source = table(tmp_path / "r.csv", ("t",))
    monkeypatch.chdir(tmp_path)
    assert main(["meta", str(source), "--quiet"]) == 0
    assert (tmp_path / "unmirage-meta" / "report.html").is_file()
    capsys.readouterr()
    assert main(["meta", "--help"]) == 0
    assert "[default: unmirage-meta]" in capsys.readouterr().out


def test_help_names_the_options_and_loads_no_heavy_part():
    code = (
        "import sys, unmirage.cli as cli\n"
        "try:\n    cli.app(['meta', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'polars', 'numpy', 'scipy', 'altair', 'vl_convert', 'jinja2', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in (
        "--alpha",
        "--adjust",
        "--claimed",
        "--subtasks",
        "--axis",
        "--metric",
        "--out",
        "--quiet",
    ):
        assert option in done.stdout
    assert "unmirage meta SOURCE..." in done.stdout


def test_nothing_to_read(tmp_path, capsys):
    assert "name files or folders" in refused(capsys, tmp_path)


def test_a_path_that_does_not_exist(tmp_path, capsys):
    assert "no such file or folder" in refused(capsys, tmp_path, tmp_path / "nowhere")


def test_a_table_without_scales(tmp_path, capsys):
    path = tmp_path / "r.csv"
    path.write_text(
        "family,model,task,metric,value\n" + "".join(f"f,k{i},t,rouge_l,0.{i}\n" for i in range(6))
    )
    assert "the scale of k0, k1, k2 and 3 more is not known" in refused(capsys, tmp_path, path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--alpha", "2"], "--alpha"),
        (["--alpha", "often"], "--alpha"),
        (["--adjust", "bonferroni"], "bonferroni"),
        (["--metric", "rouge"], "All names: rouge_l, exact_match."),
        (["--axis", "depth"], "Axes with values here"),
        (["--task", "nothing"], "there is no task 'nothing'"),
        (["--claimed", "nowhere.txt"], "nowhere.txt"),
        (["--charts", "gif"], "gif"),
        (["--chance", "t=often"], "--chance"),
        (["--no-such-option", "1"], "no-such-option"),
    ],
)
def test_bad_arguments(tmp_path, capsys, arguments, says):
    assert says in refused(capsys, tmp_path, table(tmp_path / "r.csv"), *arguments)


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    blocked = tmp_path / "blocked"
    blocked.write_text("here first")
    assert main(["meta", str(table(tmp_path / "r.csv")), "--out", str(blocked)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the meta-analysis cannot be written here" in captured.err
    assert blocked.read_text() == "here first"


def test_no_curve_that_can_be_tested_is_no_error(tmp_path, capsys):
    path = tmp_path / "r.csv"
    path.write_text(
        HEADER + "".join(f"f,m{i},{10.0 ** (7 + i):g},t,exact_match,0.{i},10\n" for i in range(3))
    )
    assert main(["meta", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "No curve can be tested" in capsys.readouterr().out
    assert document(tmp_path / "out")["cells"][0]["note"] == "3 scales: the shape of a curve needs 5"


def test_the_example_of_the_documentation_says_what_it_is_said_to_say(tmp_path, monkeypatch):
    page = Path(__file__).parents[1] / "docs" / "meta.md"
    if not page.is_file():
        pytest.skip("docs/meta.md is not here: this is no checkout")
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    found = unmirage.meta("results.csv")
    quoted = [
        " ".join(one.replace("\n>", " ").split()) for one in re.findall(r"^> (.*?)\n\n", text, re.S | re.M)
    ]
    assert len(quoted) == 2
    assert set(quoted) <= set(found.says)
    rows = re.findall(r"^\| (\S.*?) \| (exact_match|token_edit_distance) \| (.*?) \|$", text, re.M)
    assert len(rows) == 4
    for task, metric, numbers in rows:
        row = found.cells.filter(task=task, metric=metric).row(0, named=True)
        *values, shape = numbers.split(" | ")
        names = ("last", "emergence_score", "guarded_score", "null_high", "p", "p_adjusted")
        assert [float(one) for one in values] == [float(f"{row[name]:.3g}") for name in names]
        assert shape == row["shape"]
    for name, rule in RULES.items():
        assert f"| {name} | {rule} |" in text
    for frame in (found.cells, found.scores, found.groups.drop(RULES), found.concentration, found.claims):
        assert all(f"`{column}`" in text for column in frame.columns)
