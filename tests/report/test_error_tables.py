"""Tables of error rates for people: what is counted in which line, in Markdown and in a terminal."""

import importlib.util
import io
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from unmirage.report.error_tables import markdown, sheets, show
from unmirage.verdict.error_rates import COLUMNS, VERDICTS

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "calibration.py"


def row(truth, label, verdict, count, runs=100, **values):
    base = {"kind": "generation", "n_scales": 8, "decades": 3.0, "n_items": 500, "scatter": 0.02}
    base |= {"tails": "normal", "jitter": 0.0, "seeds_per_scale": 1, "tasks": 1, "size": None, "at": None}
    counts = {**dict.fromkeys(VERDICTS, 0), "cannot-tell": runs - count, verdict: count}
    made = {"seed": 0, "version": "0", "code": "0"}
    return {**base, **values, "truth": truth, "label": label, "runs": runs, **counts, **made}


TABLE = pl.DataFrame(
    [
        row("a", "smooth", "robust-break", 0),
        row("b", "narrow", "robust-break", 9, n_scales=12),
        row("s", "step", "robust-break", 40, size=0.3),
        row("s", "step", "metric-artifact", 2, size=0.3, scatter=0.05),
        row("l", "artifact", "metric-artifact", 70),
        row("k", "kink", "metric-artifact", 5),
    ],
    schema=COLUMNS,
)


def lines(title):
    (sheet,) = [sheet for sheet in sheets(TABLE) if sheet.title.startswith(title)]
    return sheet, {cells[0]: cells[1:] for cells in sheet.rows}


def test_wrong_verdicts_are_pooled_and_the_worst_design_is_named():
    sheet, found = lines("Wrong verdicts")
    smooth = found["robust-break on smooth truths"]
    # scipy.stats.binomtest(9, 200) and (9, 100), exact
    assert smooth == ("2", "200", "4.5% (2.1 to 8.4)", "4.2%", "9 of 100: b, 12 scales, 500 items, 0.02")
    assert found["metric-artifact on steps"][:3] == ("2", "200", "1% (0.12 to 3.6)")
    assert found["metric-artifact on steps"][-1] == "2 of 100: s 30%, 8 scales, 500 items, 0.05"
    assert found["robust-break on kinks"][3:] == ("0%", "–")
    assert found["metric-artifact on kinks"][:2] == ("1", "100")
    assert not any("edge" in name for name in found)
    assert all(len(cells) == len(sheet.columns) for cells in sheet.rows)


def test_false_alarms_by_what_varies():
    found = lines("False alarms")[1]
    assert set(found) == {"a", "b", "8 scales", "12 scales"}
    assert found["12 scales"][:2] == ("100", "9")


def test_power_has_a_column_a_scatter():
    sheet, found = lines("Power")
    assert sheet.columns[-2:] == ("scatter 0.02", "scatter 0.05")
    assert found["30%, generation"][:2] == ("8", "1")
    assert [cell.split()[0] for cell in found["30%, generation"][2:]] == ["40%", "0%"]


def test_artifacts_found():
    assert lines("Artifacts found")[1]["l"][-1].startswith("70% (")


def test_markdown_has_as_many_cells_in_every_line():
    for sheet in sheets(TABLE):
        title, *table = markdown(sheet).strip().split("\n\n")
        assert title == sheet.title
        counts = {line.count("|") for line in table[0].splitlines()}
        assert counts == {len(sheet.columns) + 1}


def test_terminal_shows_the_same_numbers():
    stream = io.StringIO()
    show(sheets(TABLE), Console(file=stream, width=80))
    text = stream.getvalue()
    assert "metric-artifact" in text
    assert "9 of 100: b, 12" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "4.5% (2.1 to" in text
    assert "Power" in text


@pytest.mark.parametrize("named", [False, True])
def test_the_benchmark_prints_a_table(named, tmp_path, capsys, monkeypatch):
    spec = importlib.util.spec_from_file_location("calibration_benchmark", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    TABLE.write_csv(tmp_path / "t.csv")
    monkeypatch.setattr("sys.argv", ["calibration.py", *([str(tmp_path / "t.csv")] if named else [])])
    module.main()
    out = capsys.readouterr().out
    assert "| robust-break on smooth truths |" in out
    assert ("4.5% (2.1 to 8.4)" in out) is named
