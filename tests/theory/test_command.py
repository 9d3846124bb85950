"""`unmirage simulate`: the file it writes, and one message with exit code 2 for bad input."""

import polars as pl
import pytest

import unmirage
from unmirage.cli import main


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_what_it_writes_can_be_audited(tmp_path, kind):
    path = tmp_path / f"family.{kind}"
    options = ["--items", "40", "--scales", "6", "--set", "size=0.3", "--set", "at=0.4", "--seeds", "2"]
    assert main(["simulate", "--truth", "step", str(path), *options]) == 0
    assert main(["audit", str(path), "--out", str(tmp_path / "out"), "--quiet", "--replicates", "100"]) == 0
    assert (tmp_path / "out" / "report.html").is_file()


def test_options_and_the_python_function_agree(tmp_path):
    arguments = ["simulate", "--truth", "choice-trap", str(tmp_path / "a.parquet"), "--items", "30"]
    arguments += ["--scales", "5", "--smallest", "1e6", "--largest", "1e8", "--jitter", "0.2", "--seeds", "2"]
    arguments += ["--scatter", "0.05", "--tails", "t3", "--choices", "3", "--clusters", "6", "--epochs", "2"]
    assert main([*arguments, "--seed", "7"]) == 0
    frame = unmirage.simulate(
        "choice-trap",
        scales=[1e6, 10**6.5, 1e7, 10**7.5, 1e8],
        n_items=30,
        jitter=0.2,
        seeds_per_scale=2,
        scatter=0.05,
        tails="t3",
        choices=3,
        clusters=6,
        epochs=2,
        seed=7,
    )
    written = pl.read_parquet(tmp_path / "a.parquet")
    assert written.drop("n_params").equals(frame.drop("n_params"))
    assert written["n_params"].to_numpy() == pytest.approx(frame["n_params"].to_numpy())
    assert main([*arguments[:3], str(tmp_path / "b.parquet"), *arguments[4:], "--seed", "7"]) == 0
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_truths_are_listed(capsys):
    assert main(["simulate", "--list"]) == 0
    out = capsys.readouterr().out
    assert "tuning set" in out
    assert "  step [step] size=0.5 at=0.5" in out
    assert "  choice-trap [artifact, choice]" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a truth and a file"),
        (["OUT"], "name a truth and a file"),
        (["--truth", "stp", "OUT"], "there is no truth 'stp'"),
        (["--truth", "step", "OUT.txt"], "the ending must be"),
        (["--truth", "step", "--set", "size", "OUT"], "NAME=NUMBER"),
        (["--truth", "step", "--set", "size=2", "OUT"], "between 0 and 1"),
        (["--truth", "step", "--scales", "1", "OUT"], "no range"),
        (["--truth", "step", "--items", "0", "OUT"], "n_items"),
        (["--truth", "step", "--tails", "flat", "OUT"], "tails"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(tmp_path, capsys, arguments, said):
    named = [a.replace("OUT", str(tmp_path / "out.parquet")) if a == "OUT" else a for a in arguments]
    named = [str(tmp_path / "out.txt") if a == "OUT.txt" else a for a in named]
    assert main(["simulate", *named]) == 2
    error = capsys.readouterr().err
    assert error.startswith("unmirage: ")
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
