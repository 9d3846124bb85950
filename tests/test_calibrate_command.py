"""`unmirage calibrate`: the table that it writes and prints, and exit code 2 for bad input."""

import polars as pl
import pytest

from unmirage import calibrate as module
from unmirage.calibrate import calibrate
from unmirage.cli import main
from unmirage.theory import designs
from unmirage.theory.designs import Block, design_set


@pytest.fixture
def small(monkeypatch):
    """A set of two designs in place of the quick one."""
    block = Block(("narrow", "artifact"), ("generation",), n_scales=(4,), n_items=(5,))
    monkeypatch.setitem(designs.SETS, "quick", (block,))


@pytest.mark.usefixtures("small")
def test_it_writes_what_the_python_function_gives(tmp_path, capsys):
    path = tmp_path / "t.csv"
    arguments = [
        "calibrate",
        "--truths",
        "tuning",
        "--runs",
        "2",
        "--seed",
        "3",
        "--jobs",
        "1",
        "--out",
        str(path),
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "False alarms" in out
    assert str(path) in out
    written = pl.read_csv(path)
    assert written["truth"].to_list() == ["bump", "late"]
    assert written["insufficient"].to_list() == [2, 2]
    again = tmp_path / "again.csv"
    calibrate(design_set("quick", "tuning"), runs=2, seed=3, out=again)
    assert again.read_bytes() == path.read_bytes()
    assert main([*arguments, "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    other = [argument if argument != "3" else "4" for argument in arguments]
    assert main([*other, "--quiet"]) == 0
    assert capsys.readouterr().err.startswith("note: ")


@pytest.mark.usefixtures("small")
def test_an_interrupt_says_that_the_same_command_goes_on(tmp_path, capsys, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_counts", stop)
    assert main(["calibrate", "--jobs", "1", "--out", str(tmp_path / "t.csv")]) == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a file"),
        (["--out", "OUT.parquet"], "must be .csv"),
        (["--out", "OUT.csv", "--designs", "slow"], "designs"),
        (["--out", "OUT.csv", "--truths", "all"], "truths"),
        (["--out", "OUT.csv", "--runs", "0"], "runs"),
        (["--out", "OUT.csv", "--jobs", "0"], "jobs"),
        (["--out", "OUT.csv", "--seed", "-1"], "seed"),
        (["--out", "other.csv"], "not a table of error rates"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("a\n1\n")
    assert main(["calibrate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("unmirage: ")
    assert said in error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]
    assert (tmp_path / "other.csv").read_text() == "a\n1\n"
