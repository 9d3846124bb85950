"""The command that asks: what it prints, and its exit codes."""

import json

import pytest

from unmirage.cli import main

FAMILY = """
family = "pretended"
[defaults]
backend = "mock"
"""
MODEL = '[[models]]\nname = "m{k}"\nn_params = 1e{k}\nskill = 0.{k}\n'


@pytest.fixture
def family(tmp_path):
    path = tmp_path / "family.toml"
    path.write_text(FAMILY + "".join(MODEL.format(k=k) for k in range(3, 9)))
    return path


def run(capsys, *arguments):
    code = main(["ask", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_asked_and_audited(family, tmp_path, capsys):
    out = tmp_path / "out"
    code, said, _ = run(
        capsys, family, "--task", "two_digit_addition", "--items", 40, "--out", out, "--audit", "--quiet"
    )
    assert code == 0
    assert said.strip() == str(out / "audit" / "report.html")
    verdicts = json.loads((out / "audit" / "audit.json").read_text())["verdicts"]
    assert [(one["task"], one["headline"]) for one in verdicts] == [("two_digit_addition", "exact_match")]
    assert json.loads((out / "run.json").read_text())["tasks"][0]["items"] == 40


def test_pass_at_is_the_headline(family, tmp_path, capsys):
    out = tmp_path / "out"
    code, _, _ = run(
        *(capsys, family, "--task", "two_digit_addition", "--items", 20, "--pass-at", 5),
        *("--temperature", 1, "--out", out, "--audit", "--quiet"),
    )
    assert code == 0
    assert json.loads((out / "audit" / "audit.json").read_text())["verdicts"][0]["headline"] == "pass_at_5"


def test_without_audit_the_path_of_the_responses(family, tmp_path, capsys):
    code, said, _ = run(capsys, family, "--task", "copy_4", "--items", 3, "--out", tmp_path, "--quiet")
    assert (code, said.strip()) == (0, str(tmp_path / "responses.parquet"))


def test_a_dry_run_asks_nothing(family, tmp_path, capsys):
    out = tmp_path / "out"
    code, said, _ = run(
        capsys, family, "--task", "two_digit_addition", "--items", 10, "--dry-run", "--out", out
    )
    assert code == 0
    assert "In all 120 requests" in said
    assert not out.exists()


def test_a_dry_run_of_attempts_says_the_most(family, capsys):
    code, said, _ = run(
        *(capsys, family, "--task", "two_digit_addition", "--items", 10, "--until", 3),
        *("--cap", 50, "--temperature", 1, "--dry-run"),
    )
    assert code == 0
    assert "In all at most 3,000 requests" in said


def test_the_tasks_are_listed(capsys):
    code, said, _ = run(capsys, "--tasks")
    assert code == 0
    assert "two_digit_multiplication" in said
    assert "sort_N" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a family file"),
        (["FAMILY"], "name a task"),
        (["FAMILY", "--task", "no_such_task"], "no_such_task"),
        (["none.toml", "--task", "copy_4"], "cannot be read"),
        (["FAMILY", "--task", "copy_4", "--pass-at", "0"], "--pass-at"),
        (["FAMILY", "--task", "copy_4", "--pass-at", "5", "--attempts", "3"], "needs 5 attempts"),
        (["FAMILY", "--task", "copy_4", "--pass-at", "5", "--until", "3"], "cannot stand beside"),
        (["FAMILY", "--task", "copy_4", "--temperature", "warm"], "temperature"),
    ],
)
def test_what_is_wrong_ends_with_2(family, tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, said = run(capsys, *[family if one == "FAMILY" else one for one in arguments])
    assert code == 2
    assert words in said
    assert not (tmp_path / "unmirage-asked").exists()
