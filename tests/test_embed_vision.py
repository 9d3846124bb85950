"""The script that makes the embedded vision families: what it keeps, rounds and refuses."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unmirage import tables

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    found = importlib.util.spec_from_file_location("embed_vision", ROOT / "scripts" / "embed_vision.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def folders(tmp_path):
    """Folders as `unmirage train` writes them, small."""
    rng = np.random.default_rng(0)

    def rows(family, task, n, **more):
        parts = [
            pl.DataFrame(
                {"family": family, "model": f"{family}-{m}", "task": task, "n_params": 1e4 * (m + 1)}
                | {"item_id": [str(i) for i in range(n)], **{k: make(n) for k, make in more.items()}}
            )
            for m in range(2)
        ]
        return pl.concat(parts)

    def probabilities(n):
        p = rng.dirichlet([1.0] * 10, n)
        p[0] = [1.0] + [0.0] * 9
        return np.log(np.maximum(p, 1e-30)).round(3).tolist()

    def errors(n):
        return [[{"metric": "reconstruction_error", "value": v}] for v in rng.random(n)]

    def labels(n):
        return [["1", "2", "3"]] * n

    made = {name: tmp_path / name for name in ("lenet", "autoencoder", "omniglot")}
    for folder in made.values():
        folder.mkdir()
    choice = rows("lenet", "mnist", 5_010, choice_logprobs=probabilities)
    choice = choice.with_columns(answer=pl.lit(0), kind=pl.lit("choice"))
    score = rows("autoencoder", "cifar", 20, recorded=errors).with_columns(kind=pl.lit("score"))
    sequences = [
        rows("omniglot", f"bursty_{k}", 30, target_tokens=labels, output_tokens=labels)
        .with_columns(target_logprobs=pl.lit([-0.1234] * 3), kind=pl.lit("generation"))
        .with_columns(target=pl.lit("1 2 3"), output=pl.lit("1 2 3"))
        for k in (1, 2, 3)
    ]
    for name, frame in (("lenet", choice), ("autoencoder", score), ("omniglot", pl.concat(sequences))):
        checked = tables.check_responses(frame, where=name)[0]
        checked.write_parquet(made[name] / "responses.parquet")
    score.with_columns(family=pl.lit("pca")).write_parquet(made["autoencoder"] / "pca.parquet")
    return made


def test_what_is_kept_is_a_table_of_responses(script, folders, tmp_path):
    script.main(folders, tmp_path)
    made = {
        name: pl.read_parquet(tmp_path / f"{name}.parquet")
        for name in ("lenet", "autoencoder", "autoencoder_pca", "omniglot")
    }
    for name, frame in made.items():
        checked, notes = tables.check_responses(frame, where=name)
        assert notes == []
        assert checked.height == frame.height
    assert made["lenet"].height == 2 * 5_000
    assert made["lenet"]["item_id"].cast(pl.Int64).max() == 4_999
    assert set(made["omniglot"]["task"]) == {"bursty_1", "bursty_3"}
    assert set(made["autoencoder_pca"]["family"]) == {"pca"}


def test_numbers_are_rounded_and_nothing_else(script, folders, tmp_path):
    script.main(folders, tmp_path)
    key = ["model", "item_id"]
    before = pl.read_parquet(folders["lenet"] / "responses.parquet")
    both = pl.read_parquet(tmp_path / "lenet.parquet").join(before, on=key, suffix="_before")
    ours, theirs = (np.array(both[name].to_list()) for name in ("choice_logprobs", "choice_logprobs_before"))
    np.testing.assert_allclose(ours, theirs, atol=0.0051)
    np.testing.assert_array_equal(ours, ours.round(2))
    assert not np.signbit(ours[ours == 0]).any()
    before = pl.read_parquet(folders["autoencoder"] / "responses.parquet")
    both = pl.read_parquet(tmp_path / "autoencoder.parquet").join(before, on=key, suffix="_before")
    ours, theirs = (
        both[name].list.first().struct.field("value").to_numpy() for name in ("recorded", "recorded_before")
    )
    np.testing.assert_allclose(ours, theirs, rtol=5.1e-5)
    assert (both["n_params"] == both["n_params_before"]).all()


def test_too_much_is_refused_and_nothing_written(script, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "MOST", 1_000)
    target = tmp_path / "examples"
    target.mkdir()
    with pytest.raises(SystemExit, match="too large"):
        script.main(folders, target)
    assert list(target.iterdir()) == []
