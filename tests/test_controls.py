"""Real families whose answer is known; skipped where the data are not beside the checkout."""

import polars as pl
import pytest

import unmirage


@pytest.fixture(scope="module")
def grokking(shared_data):
    runs = pl.read_parquet(shared_data / "grokking_modular_addition.parquet")
    frame = (
        runs.filter(pl.col("step") > 0)
        .select(
            family=pl.col("model"),
            model=pl.format("{}-step{}", "model", "step"),
            step="step",
            task="task",
            accuracy="test_accuracy",
            test_loss="test_loss",
        )
        .unpivot(
            on=["accuracy", "test_loss"],
            index=["family", "model", "step", "task"],
            variable_name="metric",
            value_name="value",
        )
        .with_columns(n=pl.lit(8939), value=pl.col("value").cast(pl.Float64))
    )
    return unmirage.audit(frame, axis="step", chance={"*": 1 / 113}).verdicts


def of(verdicts, word):
    return verdicts.filter(pl.col("family").str.contains(word))


def test_runs_that_grok_break(grokking):
    stable = of(grokking, "adamw_stable")
    assert stable["verdict"].to_list() == ["robust-break"] * 3
    assert all("test_loss itself breaks" in reasons[0] for reasons in stable["reasons"])
    assert (stable["p_break_adjusted"] <= 0.03).all()


def test_runs_that_learn_along_the_way_are_smooth(grokking):
    assert of(grokking, "stable_muon")["verdict"].to_list() == ["smooth"] * 3


def test_runs_that_are_unstable_do_not_break(grokking):
    unstable = of(grokking, "adamw_unstable")
    assert unstable.height == 2
    assert "robust-break" not in unstable["verdict"].to_list()


def test_the_loss_of_gold_answers_is_a_power_law_of_compute(shared_data):
    audit = unmirage.audit(shared_data / "pythia_gsm8k_gold_nll.parquet", axis="flops")
    verdict = audit.verdicts.row(0, named=True)
    assert verdict["verdict"] == "smooth"
    assert any(
        "exact reproduction of the target would read 0 at every scale" in r for r in verdict["reasons"]
    )
    best = audit.fits.filter("best").row(0, named=True)
    assert best["exponent"] == pytest.approx(0.142, abs=0.007)
    assert any(f"exponent {best['exponent']:.3f}" in reason for reason in verdict["reasons"])


def test_lambada_losses_have_the_papers_exponents(shared_data):
    audit = unmirage.audit(shared_data / "gpt_per_example_losses.parquet", metrics=["target_logprob"])
    laws = audit.fits.filter(
        pl.col("task").str.to_lowercase().str.contains("lambada"), pl.col("law") == "power law"
    )
    assert sorted(laws["exponent"].to_list()) == pytest.approx([0.11, 0.18], abs=0.01)
