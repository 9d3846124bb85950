"""Coverage of the intervals for rare successes, as `benchmarks/interval_coverage.py` measures it."""

import importlib.util
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

PATH = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"


@pytest.fixture(scope="module")
def benchmark_module():
    spec = importlib.util.spec_from_file_location("interval_coverage", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize(("n", "p"), [(50, 0.002), (100, 0.01)])
def test_exact_interval_covers_and_wald_and_bootstrap_do_not(benchmark_module, n, p):
    rows = {row.method: row for row in benchmark_module.coverage(n, p)}
    assert rows["Clopper-Pearson"].exact >= 0.95
    # Without a success both have width 0, so they miss at least as often as there is none.
    for method in ("Wald", "bootstrap percentile"):
        assert rows[method].exact <= 1 - binom.pmf(0, n, p)
        assert rows[method].exact < 0.95
    for row in rows.values():
        assert row.simulated == pytest.approx(row.exact, abs=0.015)
        assert row.width > 0


def test_wald_coverage_by_hand(benchmark_module):
    # n = 50, p = .002: one success gives [-.019, .059], two [-.014, .094], three [-.006, .126]; none gives
    # [0, 0], and four or more (2e-6) begin above .002.
    rows = {row.method: row for row in benchmark_module.coverage(50, 0.002)}
    assert rows["Wald"].exact == pytest.approx(1 - 0.998**50, abs=5e-6)


def test_prints_markdown_tables(benchmark_module, capsys, monkeypatch):
    monkeypatch.setattr(benchmark_module, "CASES", ((50, 0.002),))
    monkeypatch.setattr(benchmark_module, "RATE_CASES", ((0.3, 1.0, 8),))
    monkeypatch.setattr(benchmark_module, "RUNS", 200)
    benchmark_module.main()
    first, second = capsys.readouterr().out.strip().split("\n\n")
    lines, rates = first.splitlines(), second.splitlines()
    assert {line.count("|") for line in rates} == {8}
    ours, plain = (float(rates[-1].split("|")[k]) for k in (4, 6))
    assert ours > 0.93
    assert ours > plain
    assert len(lines) == 2 + len(benchmark_module.METHODS)
    assert {line.count("|") for line in lines} == {7}
    assert lines[2].startswith("| 50 | 0.002 | Clopper-Pearson | 0.995 |")
