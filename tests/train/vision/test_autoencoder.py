"""The autoencoders, small: parameters by formula, errors near those of PCA, killed or not the same bytes."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from unmirage.train.vision import autoencoder  # noqa: E402
from unmirage.train.vision.autoencoder import Autoencoder, Recipe  # noqa: E402
from unmirage.train.vision.sources import Source, read_source  # noqa: E402
from unmirage.train.vision.steps import parameters  # noqa: E402
from unmirage.train.vision.train import train  # noqa: E402


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """A quick family of one seed, from the command line."""
    out = tmp_path_factory.mktemp("autoencoder")
    assert (
        main(["train", "autoencoder", "--quick", "--jobs", "1", "--seeds", "1", "--out", str(out), "--quiet"])
        == 0
    )
    return out


@pytest.fixture(scope="module")
def data():
    return autoencoder.prepare(read_source("digits"))


def errors(frame):
    values = frame["recorded"].list.first().struct.field("value")
    return values.to_numpy()


def test_parameters_are_those_of_the_papers_figure():
    sizes = autoencoder.NETWORK.sizes
    assert [parameters(Autoencoder(h, 3072)) for h in sizes] == [6145 * h + 3072 for h in sizes]
    assert len(sizes) == 19


def test_responses_are_the_errors_of_the_kept_weights(family, data):
    from safetensors.torch import load_file

    mine = pl.read_parquet(family / "responses.parquet").filter(model="autoencoder-h16-seed0")
    network = Autoencoder(16, 64)
    network.load_state_dict(load_file(family / "models" / "autoencoder-h16-seed0" / "model.safetensors"))
    shown = data.images[data.train].astype(float)
    x = (data.images - shown.mean()) / shown.std()
    x = torch.from_numpy(x.reshape(len(x), -1)).float()
    with torch.no_grad():
        left = ((network(x) - x) ** 2).mean(1).numpy()
    assert np.allclose(errors(mine), left[data.test], atol=2e-6)
    assert mine["loss"][0] == pytest.approx(left[data.validation].mean(), abs=1e-6)
    assert mine["item_id"].to_list() == [str(i) for i in range(599)]
    assert mine["n_params"][0] == 129 * 16 + 64


def test_errors_fall_with_size_and_come_near_those_of_pca(family):
    frame = pl.read_parquet(family / "responses.parquet")
    reference = pl.read_parquet(family / "pca.parquet")
    assert reference["family"].unique().to_list() == ["pca"]
    means, near = [], []
    for h in autoencoder.NETWORK.quick_sizes:
        means.append(errors(frame.filter(model=f"autoencoder-h{h}-seed0")).mean())
        near.append(errors(reference.filter(model=f"pca-h{h}")).mean())
    assert np.all(np.diff(means) < 0)
    assert np.all(np.array(means[:5]) < 1.2 * np.array(near[:5]))
    assert (
        frame.filter(pl.col("model").str.contains("-h8-"))["n_params"][0]
        == (reference.filter(model="pca-h8")["n_params"][0])
    )


def test_the_reference_is_pca(family, data):
    from sklearn.decomposition import PCA

    x = data.pixels(data.train)
    found = PCA(8, svd_solver="full").fit(x)
    shown = data.pixels(data.test)
    left = ((found.inverse_transform(found.transform(shown)) - shown) ** 2).mean(1)
    reference = pl.read_parquet(family / "pca.parquet").filter(model="pca-h8")
    assert np.allclose(errors(reference), left, atol=2e-6)


def test_the_decoder_is_the_best_for_its_codes(data):
    model = Autoencoder(5, 64)
    x = torch.from_numpy(data.pixels(data.train))
    x = x - x.mean(0)
    with torch.no_grad():
        autoencoder.solve(model, x, Recipe(ridge=1e-9))
        codes = model.codes(x).double().numpy()
        error = autoencoder._error(model, x)
    design = np.column_stack([codes, np.ones(len(codes))])
    best = design @ np.linalg.lstsq(design, x.numpy(), rcond=None)[0]
    assert error == pytest.approx(((x.numpy() - best) ** 2).mean(), rel=1e-5)


def test_without_scaling_the_way_is_the_gradient(data):
    """Where covariances are unit matrices, the way is minus the gradient, up to a factor."""
    model = Autoencoder(3, 64)
    x = torch.from_numpy(data.pixels(data.train))
    loss = ((model(x) - x) ** 2).sum(1).mean() / 2
    loss.backward()
    ridge = 1e12
    with torch.no_grad():
        weight, bias = autoencoder.downhill(model, x, torch.eye(64), 0.0, ridge)
    scale = (model.decoder.weight.T @ model.decoder.weight).diagonal().mean().item() * ridge
    assert torch.allclose(weight * scale, -model.encoder.weight.grad, rtol=1e-3, atol=1e-5)
    assert torch.allclose(bias * scale, -model.encoder.bias.grad, rtol=1e-3, atol=1e-5)


def test_no_step_raises_the_error(data):
    x = torch.from_numpy(data.pixels(data.train))
    x = x - x.mean(0)
    recipe = Recipe(rate=50.0)
    factor = torch.linalg.cholesky(x.T @ x / len(x) + recipe.decay * torch.eye(64))
    model = Autoencoder(4, 64)
    with torch.no_grad():
        autoencoder.solve(model, x, recipe)
        seen = [autoencoder._error(model, x)]
        for k in range(5):
            autoencoder.step(model, x, factor, recipe, k)
            seen.append(autoencoder._error(model, x))
    assert np.all(np.diff(seen) <= 0)
    assert seen[-1] < seen[0]


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(family, tmp_path, monkeypatch, data):
    monkeypatch.setattr(autoencoder, "SAVE_EVERY", 4)
    folder = tmp_path / "autoencoder-h4-seed0"

    def killed(step):
        if step == 10:
            raise KeyboardInterrupt

    arguments = ((4, 0), data, autoencoder.NETWORK.quick, folder, "cpu")
    with pytest.raises(KeyboardInterrupt):
        autoencoder.train(*arguments, killed)
    seen = []
    autoencoder.train(*arguments, seen.append)
    assert seen[0] == 9
    for name in ("model.safetensors", "responses.parquet"):
        assert (folder / name).read_bytes() == (family / "models" / folder.name / name).read_bytes()


def test_the_same_command_gives_the_same_bytes(family, tmp_path):
    train("autoencoder", tmp_path, quick=True, seeds=[0])
    for name in ("responses.parquet", "pca.parquet", "images.npz"):
        assert (tmp_path / name).read_bytes() == (family / name).read_bytes()


def test_photographs_are_mirrored_and_standardised_by_colour():
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 3)).astype(np.uint8)
    data = autoencoder.prepare(Source("a", images))
    assert data.mirrored
    x = data.pixels(data.train, mirrored=True).reshape(2, -1, 3, 4, 3)
    assert np.array_equal(x[1], x[0][:, :, ::-1])
    assert np.allclose(x[0].mean((0, 1, 2)), 0, atol=1e-6)
    assert np.allclose(x[0].std((0, 1, 2)), 1, atol=1e-6)


def test_the_audit_reads_errors_as_errors(family):
    curves = unmirage.curves(family / "responses.parquet").sort("axis_value")
    assert curves["metric"].unique().to_list() == ["reconstruction_error"]
    mine = pl.read_parquet(family / "responses.parquet").filter(model="autoencoder-h1-seed0")
    assert curves["mean"][0] == pytest.approx(errors(mine).mean())
