"""The command line: what it prints, what it writes, and one clear message with exit code 2 for bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage.cli import main

HEADER = "family,model,task,item_id,n_params,target,output\n"


def table(path, rows=None, header=HEADER):
    rows = rows or [f"f,m{m},t,i{i},{10 ** (m + 6)},1,{int(i < 4 * m)}" for m in range(6) for i in range(20)]
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def refused(capsys, tmp_path, *arguments, code=2):
    """Run an audit that must fail; returns its message. Nothing may be written."""
    out = tmp_path / "out"
    assert main(["audit", *map(str, arguments), "--out", str(out)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.startswith("unmirage: ")
    assert not out.exists()
    return captured.err


def test_audit_writes_its_files_and_prints_the_table(tmp_path, capsys):
    source = table(tmp_path / "logs.csv")
    assert main(["audit", str(source), "--out", str(tmp_path / "out"), "--charts", "svg"]) == 0
    out = capsys.readouterr().out
    assert "exact_match" in out
    assert str(tmp_path / "out" / "report.html") in out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "report.html",
        "audit.json",
        "responses.parquet",
        "scores.parquet",
        "curves.parquet",
        "verdicts.csv",
        "differences.csv",
        "charts",
    }
    assert [path.suffix for path in (tmp_path / "out" / "charts").iterdir()] == [".svg"]


def test_demo_needs_nothing(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "demo" / "report.html")
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000


def test_several_sources_and_repeated_options(tmp_path):
    first = table(tmp_path / "a.csv")
    second = table(
        tmp_path / "b.csv", [f"g,k{m},t,i{i},{10 ** (m + 6)},1,1" for m in range(2) for i in range(9)]
    )
    arguments = [
        "audit",
        str(first),
        str(second),
        "--metric",
        "exact_match",
        "--metric",
        "token_f1",
        "--chance",
        "t=0.1",
    ]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {v["family"] for v in document["verdicts"]} == {"f", "g"}
    assert {row["metric"] for row in document["curves"]} == {"exact_match", "token_f1"}
    assert document["settings"]["chance"] == {"t": 0.1}


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_read_score_and_curves_write_tables(tmp_path, kind):
    source = str(table(tmp_path / "logs.csv"))
    for command in ("read", "score", "curves"):
        assert main([command, source, "--out", str(tmp_path / f"{command}.{kind}")]) == 0
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}
    assert readers[kind](tmp_path / f"read.{kind}").height == 120
    assert set(readers[kind](tmp_path / f"score.{kind}").columns) == {
        "family",
        "model",
        "task",
        "item_id",
        "epoch",
        "metric",
        "score",
    }
    curves = readers[kind](tmp_path / f"curves.{kind}")
    assert curves.filter(pl.col("metric") == "exact_match")["mean"].to_list() == pytest.approx(
        [0, 0.2, 0.4, 0.6, 0.8, 1]
    )
    # What read wrote is a source again.
    assert main(["audit", str(tmp_path / f"read.{kind}"), "--out", str(tmp_path / "again"), "--quiet"]) == 0


def test_a_table_on_standard_output_is_csv(tmp_path, capfdbinary):
    assert main(["curves", str(table(tmp_path / "logs.csv"))]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert out.splitlines()[0].startswith("family,task,metric,model,axis,axis_value,n,mean")


def test_metrics_lists_and_explains(capsys):
    assert main(["metrics"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("exact_match", "brier_one_sided", "pass_rate", "ece"))
    assert main(["metrics", "multiple_choice_grade"]) == 0
    card = capsys.readouterr().out
    assert "lm-eval" in card
    assert "tie" in card
    assert main(["metrics", "exact_mach"]) == 2
    assert "exact_match" in capsys.readouterr().err


def test_help_teaches_and_answers_without_loading_the_heavy_parts():
    code = (
        "import sys, unmirage.cli as cli\n"
        "try:\n    cli.app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'polars', 'numpy', 'scipy', 'altair', 'vl_convert', 'jinja2', 'torch'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "unmirage audit LOGS --out REPORT" in done.stdout
    version = subprocess.run(
        [sys.executable, "-m", "unmirage", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.strip() == unmirage.__version__


# Bad input: one clear message, exit code 2, nothing half written.


def test_a_path_that_does_not_exist(tmp_path, capsys):
    assert "no such file or folder" in refused(capsys, tmp_path, tmp_path / "nowhere")


def test_an_empty_folder(tmp_path, capsys):
    (tmp_path / "logs").mkdir()
    message = refused(capsys, tmp_path, tmp_path / "logs")
    assert "holds no log" in message
    assert "lm-evaluation-harness" in message


def test_nothing_to_read(tmp_path, capsys):
    assert "name a file or a folder" in refused(capsys, tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "parquet", "txt"])
def test_a_file_that_is_not_text(tmp_path, capsys, suffix):
    path = tmp_path / f"logs.{suffix}"
    path.write_bytes(bytes(range(256)) * 40)
    assert str(path) in refused(capsys, tmp_path, path)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_an_empty_file(tmp_path, capsys, suffix):
    (tmp_path / f"logs.{suffix}").touch()
    assert "empty" in refused(capsys, tmp_path, tmp_path / f"logs.{suffix}").lower()


def test_a_csv_without_the_scale_column(tmp_path, capsys):
    rows = [f"f,m{m},t,i{i},1,1" for m in range(6) for i in range(5)]
    path = table(tmp_path / "logs.csv", rows, "family,model,task,item_id,target,output\n")
    message = refused(capsys, tmp_path, path)
    assert "the scale of m0, m1, m2 and 3 more is not known" in message
    assert '[models."m0"]' in message
    # What the message says to write is enough.
    blocks = "".join(f'[models."m{m}"]\nn_params = {10 ** (m + 6)}\n' for m in range(6))
    (tmp_path / "sizes.toml").write_text(blocks)
    assert (
        main(
            [
                "audit",
                str(path),
                "--families",
                str(tmp_path / "sizes.toml"),
                "--out",
                str(tmp_path / "out"),
                "--quiet",
            ]
        )
        == 0
    )


def test_a_duplicate_item(tmp_path, capsys):
    rows = ["f,m1,t,i0,1000,1,1", "f,m1,t,i0,1000,1,0"]
    message = refused(capsys, tmp_path, table(tmp_path / "logs.csv", rows))
    assert "contradict each other" in message
    assert "item i0" in message


def test_an_item_that_is_repeated_exactly_is_left_out_with_a_warning(tmp_path, capsys):
    source = table(tmp_path / "logs.csv")
    source.write_text(source.read_text() + source.read_text().splitlines()[-1] + "\n")
    assert main(["audit", str(source), "--out", str(tmp_path / "out")]) == 0
    assert "duplicate-rows" in capsys.readouterr().out


def test_a_truncated_last_line_is_left_out_with_a_warning(tmp_path, capsys):
    lines = [
        json.dumps(
            {
                "family": "f",
                "model": f"m{m}",
                "task": "t",
                "item_id": f"i{i}",
                "n_params": 10.0 ** (m + 6),
                "target": "1",
                "output": "1",
            }
        )
        for m in range(6)
        for i in range(5)
    ]
    path = tmp_path / "logs.jsonl"
    path.write_text("\n".join(lines)[:-20])
    assert main(["audit", str(path), "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    codes = {w["code"]: w["message"] for w in document["warnings"]}
    assert "line 30" in codes["truncated-file"]
    assert "compared on the 4" in codes["different-items"]
    # In the middle it is no cut run but a broken file.
    path.write_text("\n".join([*lines[:3], lines[3][:20], *lines[4:]]))
    capsys.readouterr()
    (tmp_path / "second").mkdir()
    assert "line 4" in refused(capsys, tmp_path / "second", path)


@pytest.mark.parametrize("value", ["NaN", "nan"])
def test_a_nan_log_probability(tmp_path, capsys, value):
    rows = [
        f'f,m{m},t,i{i},{10 ** (m + 6)},"[-1.0, {value if m == 3 else -2.0}]",0'
        for m in range(6)
        for i in range(3)
    ]
    path = table(tmp_path / "logs.csv", rows, "family,model,task,item_id,n_params,choice_logprobs,answer\n")
    message = refused(capsys, tmp_path, path)
    assert str(path) in message


def test_a_log_probability_of_minus_infinity_is_a_probability_of_zero(tmp_path):
    frame = pl.DataFrame(
        [
            {
                "family": "f",
                "model": f"m{m}",
                "task": "t",
                "item_id": f"i{i}",
                "n_params": 10.0 ** (m + 6),
                "answer": 0,
                "choice_logprobs": [-1.0, float("-inf") if i == 0 else -2.0],
            }
            for m in range(6)
            for i in range(10)
        ]
    )
    frame.write_parquet(tmp_path / "logs.parquet")
    assert main(["audit", str(tmp_path / "logs.parquet"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    curves = pl.read_parquet(tmp_path / "out" / "curves.parquet")
    margin = curves.filter(pl.col("metric") == "margin").row(0, named=True)
    assert margin["mean"] is None
    assert "infinite" in margin["note"]
    assert curves.filter(pl.col("metric") == "choice_prob")["mean"][0] > 0.7


def test_every_choice_at_minus_infinity_is_refused(tmp_path, capsys):
    frame = pl.DataFrame(
        [
            {
                "family": "f",
                "model": "m",
                "task": "t",
                "item_id": "i",
                "n_params": 10.0,
                "answer": 0,
                "choice_logprobs": [float("-inf")] * 2,
            }
        ]
    )
    frame.write_parquet(tmp_path / "logs.parquet")
    assert "every choice has log-probability -inf" in refused(capsys, tmp_path, tmp_path / "logs.parquet")


def test_a_model_that_misses_half_of_the_items_is_compared_on_the_rest(tmp_path):
    rows = [f"f,m{m},t,i{i},{10 ** (m + 6)},1,1" for m in range(6) for i in range(20) if m != 2 or i < 10]
    source = table(tmp_path / "logs.csv", rows)
    assert main(["audit", str(source), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {row["n"] for row in document["curves"]} == {10}
    assert any(
        w["code"] == "different-items" and "m2 10, the most 20" in w["message"] for w in document["warnings"]
    )


def test_models_that_share_no_item(tmp_path, capsys):
    rows = [f"f,m{m},t,m{m}i{i},{10 ** (m + 6)},1,1" for m in range(6) for i in range(5)]
    assert "no task has an item that all its models answered" in refused(
        capsys, tmp_path, table(tmp_path / "logs.csv", rows)
    )


def test_two_runs_of_one_model(tmp_path, shared_data):
    sources = [str(shared_data / "logs" / name) for name in ("lm_eval", "lm_eval_short")]
    assert main(["audit", *sources, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    document = json.loads((tmp_path / "out" / "audit.json").read_text())
    older = [w for w in document["warnings"] if w["code"] == "older-run"]
    assert older
    assert all("the newest" in w["message"] for w in older)


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_a_report_folder_that_is_not_writable(tmp_path, capsys, kind):
    blocked = tmp_path / "blocked"
    blocked.write_text("here first")
    out = blocked if kind == "a file" else blocked / "report"
    assert main(["audit", str(table(tmp_path / "logs.csv")), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(out) in captured.err
    assert blocked.read_text() == "here first"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_report_folder_without_permission(tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "cannot be written" in refused(capsys, tmp_path / "locked", table(tmp_path / "logs.csv"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--axis", "depth"], "Axes with values here"),
        (["--headline", "nothing_like_it"], ""),
        (["--metric", "exact_mach"], "exact_match"),
        (["--map", "nonsense"], "SOURCE=NAME"),
        (["--map", "nowhere=target"], "cannot be made"),
        (["--checkpoint", "best"], "--checkpoint"),
        (["--chance", "t=often"], "--chance"),
        (["--alpha", "2"], "--alpha"),
        (["--format", "other"], "--format"),
        (["--tokens", "syllables"], "syllables"),
        (["--families", "nowhere.toml"], "nowhere.toml"),
        (["--interval", "wald"], "wald"),
        (["--no-such-option", "1"], "no-such-option"),
    ],
)
def test_bad_arguments(tmp_path, capsys, arguments, says):
    message = refused(capsys, tmp_path, table(tmp_path / "logs.csv"), *arguments)
    assert says in message


def test_a_defect_of_ours_is_no_exit_code_two(tmp_path, monkeypatch):
    monkeypatch.setattr(unmirage, "audit", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["audit", str(table(tmp_path / "logs.csv"))])


def test_an_interrupt_is_said(tmp_path, monkeypatch, capsys):
    def stop(*a, **k):
        raise KeyboardInterrupt

    monkeypatch.setattr(unmirage, "audit", stop)
    assert main(["audit", str(table(tmp_path / "logs.csv")), "--out", str(tmp_path / "out")]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not Path(tmp_path / "out").exists()
