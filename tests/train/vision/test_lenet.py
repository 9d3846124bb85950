"""The LeNet family, small: parameters by formula, a seed gives the same bytes, killed or not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main
from unmirage.engine import engine
from unmirage.errors import OutputError, SettingsError, SourceError

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from unmirage.train.vision import lenet  # noqa: E402
from unmirage.train.vision.sources import Source, read_source  # noqa: E402
from unmirage.train.vision.steps import batch, parameters, rate  # noqa: E402
from unmirage.train.vision.train import train  # noqa: E402


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """A quick family of one seed, from the command line."""
    out = tmp_path_factory.mktemp("lenet")
    assert main(["train", "lenet", "--quick", "--seeds", "1", "--out", str(out), "--quiet"]) == 0
    return out


def test_parameters_are_those_of_the_papers_figure():
    counts = [parameters(lenet.LeNet(k, 28, 28, 10)) for k in lenet.NETWORK.sizes]
    assert counts == [6283 * k + 264 for k in (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)]
    assert (counts[0], counts[-1]) == (6547, 402376)


def test_responses_say_what_the_network_says(family):
    frame = pl.read_parquet(family / "responses.parquet")
    assert frame["model"].unique().sort().to_list() == sorted(
        f"lenet-k{k}-seed0" for k in (1, 2, 3, 4, 8, 16)
    )
    mine = frame.filter(model="lenet-k16-seed0")
    data = lenet.prepare(read_source("digits"))
    assert mine["item_id"].to_list() == [str(i) for i in range(599)]
    assert mine["answer"].to_list() == data.labels[data.test].tolist()
    from safetensors.torch import load_file

    network = lenet.LeNet(16, 8, 8, 10)
    network.load_state_dict(load_file(family / "models" / "lenet-k16-seed0" / "model.safetensors"))
    shown = data.images[data.train].astype(float)
    x = torch.from_numpy((data.images.astype(float) - shown.mean()) / shown.std()).float()[:, None]
    with torch.no_grad():
        said = torch.log_softmax(network(x), -1).numpy()
    assert np.allclose(np.array(mine["choice_logprobs"].to_list()), said[data.test], atol=6e-4)
    assert max(mine["choice_logprobs"].list.max()) <= 0
    right = data.labels[data.validation]
    assert mine["loss"][0] == pytest.approx(-said[data.validation, right].mean(), abs=1e-5)
    assert mine["n_params"][0] == 523 * 16 + 264


def test_larger_networks_are_better(family):
    curves = unmirage.curves(family / "responses.parquet", metrics=["multiple_choice_grade"])
    assert curves.sort("axis_value")["mean"][-1] > 0.9
    assert curves.sort("axis_value")["mean"][0] < 0.4
    assert curves["chance"].to_list() == pytest.approx([0.1] * 6)


def test_pictures_are_the_test_items(family):
    with np.load(family / "images.npz", allow_pickle=False) as file:
        item_id, images = file["item_id"], file["images"]
    source = read_source("digits")
    assert item_id.tolist() == [str(i) for i in range(len(item_id))]
    assert np.array_equal(images, source.images[source.test])


def test_what_is_missing_is_made_again_to_the_same_bytes(family, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(family, again)
    shutil.rmtree(again / "models" / "lenet-k8-seed0")
    for name in ("responses.parquet", "images.npz"):
        (again / name).unlink()
    train("lenet", again, quick=True, seeds=[0])
    for path in (path for path in family.rglob("*") if path.is_file()):
        assert (again / path.relative_to(family)).read_bytes() == path.read_bytes(), path


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(family, tmp_path):
    """SIGKILL while the second model trains."""
    out, done = tmp_path / "killed", "lenet-k16-seed0"
    command = [
        sys.executable,
        "-m",
        "unmirage",
        "train",
        "lenet",
        "--quick",
        "--seeds",
        "1",
        "--out",
        str(out),
    ]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "models" / done / "responses.parquet").is_file():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (out / "responses.parquet").exists()
    train("lenet", out, quick=True, seeds=[0])
    for name in ("responses.parquet", f"models/{done}/model.safetensors"):
        assert (out / name).read_bytes() == (family / name).read_bytes()


def test_a_model_goes_on_from_its_state(family, tmp_path, monkeypatch):
    monkeypatch.setattr(lenet, "SAVE_EVERY", 100)
    data, recipe = lenet.prepare(read_source("digits")), lenet.NETWORK.quick
    folder = tmp_path / "lenet-k2-seed0"

    def killed(step):
        if step == 250:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lenet.train((2, 0), data, recipe, folder, "cpu", killed)
    seen = []
    lenet.train((2, 0), data, recipe, folder, "cpu", seen.append)
    assert seen[0] == 201  # from the state after step 200
    for name in ("model.safetensors", "responses.parquet"):
        assert (folder / name).read_bytes() == (family / "models" / folder.name / name).read_bytes()
    assert not (folder / "state.pt").exists()


def test_seeds_differ_and_processes_do_not(family, tmp_path):
    train("lenet", tmp_path, quick=True, seeds=[0, 1], sizes=[2], engine=engine(jobs=2))
    first, second = pl.read_parquet(tmp_path / "responses.parquet").partition_by("model", maintain_order=True)
    assert (first["model"][0], second["model"][0]) == ("lenet-k2-seed0", "lenet-k2-seed1")
    assert first["choice_logprobs"].to_list() != second["choice_logprobs"].to_list()
    assert first.equals(pl.read_parquet(family / "responses.parquet").filter(model="lenet-k2-seed0"))


def test_an_epoch_takes_each_row_once():
    rows = np.concatenate([batch(10, 3, 7, step) for step in range(3)])
    assert len(set(rows.tolist())) == 9
    assert batch(10, 3, 7, 3).tolist() != batch(10, 3, 7, 0).tolist()
    assert sorted(batch(4, 9, 0, 5).tolist()) == [0, 1, 2, 3]


def test_the_rate_rises_and_falls_to_zero():
    rates = [rate(step, 100, 9) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(0.91)
    assert rates[100] == 0


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"sizes": [0]}, "--sizes"),
        ({"seeds": []}, "--seeds"),
        ({"seeds": [1, 1]}, "--seeds"),
        ({"steps": 0}, "--steps"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, options, where):
    with pytest.raises(SettingsError, match=where):
        train("lenet", tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no CUDA GPU"):
        train("lenet", tmp_path / "out", device="cuda")


def test_images_that_do_not_fit_are_refused():
    grey = np.zeros((5, 4, 4), np.uint8)
    with pytest.raises(SourceError, match="no labels"):
        lenet.prepare(Source("a", grey))
    with pytest.raises(SourceError, match="in colour"):
        lenet.prepare(Source("a", np.zeros((5, 4, 4, 3), np.uint8), np.zeros(5, np.int64)))


def test_models_that_were_trained_otherwise_are_not_mixed(family):
    with pytest.raises(OutputError, match="another way"):
        train("lenet", family, quick=True, steps=50)
    assert json.loads((family / "recipe.json").read_text())["recipe"]["steps"] == 300
