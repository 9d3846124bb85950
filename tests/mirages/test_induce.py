"""Mirages made to order: what is chosen, what the audit says of it, and the folder that shows it."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

import unmirage
from unmirage.cli import main
from unmirage.errors import MetricError, ScaleError, SettingsError
from unmirage.mirages.search import MADE

ITEMS = 400


def autoencoders(last=0.5, widths=12, seeds=1):
    """Errors that fall by a power law; items differ in difficulty, and models scatter a little."""
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0, 0.8, ITEMS)
    rows = []
    for h in 2 ** np.arange(widths):
        for seed in range(seeds):
            errors = np.exp(difficulty - last * np.log(h) + rng.normal(0, 0.1, ITEMS) + rng.normal(0, 0.02))
            rows += [
                {
                    "family": "autoencoder",
                    "model": f"autoencoder-h{h}-seed{seed}",
                    "task": "patches",
                    "item_id": str(i),
                    "n_params": 6145.0 * h + 3072,
                    "kind": "score",
                    "recorded": [{"metric": "reconstruction_error", "value": float(error)}],
                }
                for i, error in enumerate(errors)
            ]
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def responses():
    return autoencoders()


@pytest.fixture(scope="module")
def made(responses):
    return unmirage.induce(responses)


@pytest.fixture(scope="module")
def sums():
    """Multiplication by one seed of each size of the embedded family."""
    return pl.read_parquet(unmirage.example()).filter(
        pl.col("task") == "multiplication", pl.col("model").str.ends_with("seed0")
    )


@pytest.fixture(scope="module")
def made_of_sums(sums):
    return unmirage.induce(sums, seed=1)


def test_a_threshold_and_groups_are_chosen_and_both_are_found_out(made):
    assert (made.metric, made.items, made.scales) == ("reconstruction_error", ITEMS, 12)
    cut, groups = made.mirages
    assert cut.metric == f"threshold(reconstruction_error,{cut.cut:g})"
    assert groups.metric == f"all_of(threshold(reconstruction_error,{groups.cut:g}),{groups.k})"
    assert made.sharpest is cut
    for one in made.mirages:
        assert one.companion == "reconstruction_error"
        assert one.verdict["headline"] == one.metric
        assert one.verdict["verdict"] == "metric-artifact"
        assert one.unmasked
    assert (cut.judged, groups.judged) == (ITEMS, ITEMS // groups.k)
    assert any("says metric-artifact, as it should" in sentence for sentence in made.says)
    assert made.says[-1].endswith(f"is {cut.metric}.")


def test_the_search_holds_every_choice_and_marks_the_sharpest_that_can_be_drawn(made):
    search = made.search
    assert search.columns == list(MADE)
    assert search.row(0, named=True)["made"] == "as it is"
    for kind in ("threshold", "groups"):
        rows = search.filter(pl.col("made") == kind)
        drawable = rows.filter(
            pl.col("last") >= 0.3, pl.col("metric").str.starts_with("all_of") | (kind == "threshold")
        )
        chosen = rows.filter("chosen").row(0, named=True)
        assert chosen["sharpness"] == pytest.approx(drawable["sharpness"].max(), abs=1e-6)
        assert chosen["last"] >= 0.3
    widest = search.filter(pl.col("made") == "threshold", pl.col("last") >= 0.9, pl.col("first") <= 0.1)
    assert made.mirages[1].row["cut"] == widest.sort("sharpness")["cut"][0]


def test_made_curves_are_those_of_the_audit(made, responses):
    for one in made.mirages:
        mine = made.curves.filter(pl.col("metric") == one.metric).sort("axis_value")
        audited = unmirage.audit(responses, metrics=[one.metric], replicates=100).curves
        theirs = audited.filter(pl.col("metric") == one.metric).sort("axis_value")
        np.testing.assert_allclose(mine["value"], theirs["mean"], atol=1e-12)
        if one.k is None:
            np.testing.assert_allclose(mine["low"], theirs["low"])
        assert one.row["first"] == pytest.approx(mine["value"][0], abs=1e-9)
        assert one.row["last"] == pytest.approx(mine["value"][-1])


def test_the_interval_of_groups_is_that_of_the_share_to_the_power_k(made):
    groups = made.mirages[1]
    base = groups.metric.removeprefix("all_of(").rpartition(",")[0]
    shares = made.curves.filter(pl.col("metric") == base)
    powers = made.curves.filter(pl.col("metric") == groups.metric)
    for share, power in zip(shares.iter_rows(named=True), powers.iter_rows(named=True), strict=True):
        exact = binomtest(round(share["value"] * ITEMS), ITEMS).proportion_ci(0.95, method="exact")
        assert power["low"] == pytest.approx(min(exact.low**groups.k, power["value"]))
        assert power["high"] == pytest.approx(exact.high**groups.k)
        assert power["low"] <= power["value"] <= power["high"]
        spread = np.sqrt(max(power["value"] * (1 - power["value"]), 1e-9) / 5000)
        assert abs(power["drawn"] - power["value"]) <= 5 * spread + 1e-9


def test_a_language_model_is_made_a_mirage_from_exact_match_in_groups(made_of_sums):
    (groups,) = made_of_sums.mirages
    assert (made_of_sums.metric, groups.companion) == ("exact_match", "cross_entropy")
    assert groups.metric == f"all_of(exact_match,{groups.k})"
    assert groups.k > 2
    assert groups.row["zeros"] > 3
    plain = made_of_sums.search.row(0, named=True)
    assert groups.row["sharpness"] > 2 * plain["sharpness"]
    assert "cross_entropy" in made_of_sums.says[-2]


def test_the_same_seed_gives_the_same_bytes_and_the_groups_can_be_judged_again(
    made_of_sums, tmp_path, capsys
):
    pages = [made_of_sums.save(tmp_path / name) for name in ("a", "b")]
    files = [{path.name: path.read_bytes() for path in page.parent.iterdir()} for page in pages]
    assert files[0] == files[1]
    pictures = {f"{name}.{kind}" for name in ("curves", "sharpness") for kind in ("png", "svg")}
    tables = {"search.csv", "curves.csv", "verdicts.csv", "groups.parquet", "index.md"}
    assert set(files[0]) == {*pictures, *tables}
    (groups,) = made_of_sums.mirages
    text = files[0]["index.md"].decode()
    assert "## The outputs never changed" in text
    assert f"--headline '{groups.metric}' --companion cross_entropy --seed 1 --chance 0" in text
    assert pl.read_csv(tmp_path / "a" / "search.csv").height == made_of_sums.search.height
    again = unmirage.audit(
        tmp_path / "a" / "groups.parquet",
        headline=groups.metric,
        companion="cross_entropy",
        chance={"*": 0.0},
        seed=1,
    )
    assert again.verdicts["verdict"][0] == groups.verdict["verdict"]
    assert again.verdicts["p_break"][0] == groups.verdict["p_break"]


def test_a_step_in_the_outputs_is_no_artifact_and_that_is_said():
    rows = unmirage.simulate("step", n_items=500, parameters={"size": 0.9}, seed=2)
    found = unmirage.induce(rows, metric="target_logprob")
    assert found.mirages
    assert {one.verdict["verdict"] for one in found.mirages} == {"robust-break"}
    assert any(
        "robust-break, and not metric-artifact, which was expected" in sentence for sentence in found.says
    )


def test_what_does_not_rise_makes_no_mirage(tmp_path):
    found = unmirage.induce(autoencoders(last=-0.2, widths=6))
    assert (found.mirages, found.sharpest) == ((), None)
    assert "there is no mirage to draw" in found.says[-1]
    assert "no mirage to draw" in found.save(tmp_path).read_text()


def test_bad_input_is_one_clear_error(responses, tmp_path):
    with pytest.raises(MetricError, match=r"no metric 'error'(?s:.*)These rows have: reconstruction_error\."):
        unmirage.induce(responses, metric="error")
    with pytest.raises(MetricError, match="aggregate"):
        unmirage.induce(responses, metric="all_of(threshold(reconstruction_error,0.1),2)")
    with pytest.raises(
        SettingsError, match=r"2 tasks; a mirage is made from one(?s:.*)--task: others, patches"
    ):
        unmirage.induce(pl.concat([responses, responses.with_columns(task=pl.lit("others"))]))
    with pytest.raises(SettingsError, match="2 families"):
        unmirage.induce(pl.concat([responses, responses.with_columns(family=pl.lit("g"))]))
    with pytest.raises(SettingsError, match="--least"):
        unmirage.induce(responses, least=0.0)
    with pytest.raises(ScaleError, match="at 2 scales"):
        unmirage.induce(autoencoders(widths=2))
    with pytest.raises(SettingsError, match="there is no task"):
        unmirage.induce(responses, task="digits")


def test_the_command_writes_the_page_and_says_what_it_found(responses, tmp_path, capsys):
    source = tmp_path / "responses.parquet"
    responses.write_parquet(source)
    out = tmp_path / "made"
    assert (
        main(["induce", str(source), "--metric", "reconstruction_error", "--least", "0.5", "--out", str(out)])
        == 0
    )
    printed = capsys.readouterr().out.replace("\n", " ")
    assert "a mirage made from reconstruction_error" in printed
    assert "metric-artifact, as it should" in printed
    assert f"unmirage audit {source} --headline" in (out / "index.md").read_text()
    rows = pl.read_csv(out / "search.csv").filter(pl.col("chosen"))
    assert rows["last"].min() >= 0.5
    for arguments, says in (
        ([], "name a file or a folder"),
        ([str(source), "--task", "a", "--task", "b"], "one task"),
        ([str(tmp_path / "none.parquet")], "no such file"),
    ):
        assert main(["induce", *arguments, "--out", str(tmp_path / "other")]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
