"""The Omniglot transformers, small: sequences as promised, causal, killed or not the same bytes."""

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main
from unmirage.errors import SettingsError, SourceError

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from unmirage.train.vision import omniglot  # noqa: E402
from unmirage.train.vision.omniglot import Reader, sequences, shifted  # noqa: E402
from unmirage.train.vision.sources import Source, read_source  # noqa: E402
from unmirage.train.vision.steps import parameters  # noqa: E402
from unmirage.train.vision.train import train  # noqa: E402

LABELS = np.random.default_rng(1).permutation(np.repeat(np.arange(30), 5))


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """A quick family of the two smallest widths, from the command line."""
    out = tmp_path_factory.mktemp("omniglot")
    options = ["--sizes", "8", "--sizes", "10", "--seeds", "1", "--steps", "60"]
    assert main(["train", "omniglot", "--quick", "--jobs", "1", *options, "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture(scope="module")
def data():
    return omniglot.prepare(read_source("digits"))


def test_parameters_are_the_sum_of_the_parts():
    for shape in omniglot.SHAPES.values():
        d, c = shape.width, shape.channels
        eye = (9 * c + c) + (18 * c * c + 2 * c) + (98 * c * d + d)
        block = 12 * d * d + 13 * d
        tables = 242 * d + 10 * d
        assert parameters(Reader(shape, 28, 242)) == (
            eye + tables + shape.layers * block + 2 * d + 242 * d + 242
        )
    assert parameters(Reader(omniglot.SHAPES[8], 28, 242)) == 7640


def test_no_label_is_seen_before_it_is_named():
    torch.manual_seed(0)
    model = Reader(omniglot.SHAPES[32], 8, 10)
    images, labels = torch.rand(2, 5, 8, 8), torch.randint(10, (2, 5))
    other = labels.clone()
    other[:, 2:] = (other[:, 2:] + 1) % 10
    later = images.clone()
    later[:, 3:] = 0
    with torch.no_grad():
        said, changed = model(images, labels), model(later, other)
        assert torch.allclose(said[:, :3], changed[:, :3], atol=1e-6)
        assert not torch.allclose(said[:, 3], changed[:, 3], atol=1e-3)
        first = model(images[:, :2], labels[:, :2])
    assert torch.allclose(said[:, :2], first, atol=1e-5)


@pytest.mark.parametrize("kind", omniglot.KINDS)
@pytest.mark.parametrize("length", omniglot.LENGTHS)
def test_no_image_is_twice_in_a_sequence(kind, length):
    rows = sequences(LABELS, length, 400, kind, np.random.default_rng(0))
    assert rows.shape == (400, length)
    assert all(len(set(row)) == length for row in rows.tolist())
    assert np.unique(rows).size > 100


def test_bursty_sequences_are_of_few_characters():
    for length, few, most in ((2, 1, 2), (3, 2, 2), (4, 2, 2), (5, 2, 3)):
        drawn = LABELS[sequences(LABELS, length, 200, "bursty", np.random.default_rng(0))]
        counts = [np.unique(row, return_counts=True)[1] for row in drawn]
        assert all(len(c) == few and c.max() == most for c in counts)
    orders = {tuple(row == row[0]) for row in drawn}
    assert len(orders) == 10  # every order of three and two


def test_independent_characters_are_uniform_and_independent():
    """The first and second characters of many sequences, against a uniform table: chi-square."""
    from scipy.stats import chisquare

    few = np.repeat(np.arange(4), 6)
    drawn = few[sequences(few, 2, 4000, "independent", np.random.default_rng(0))]
    assert chisquare(np.bincount(4 * drawn[:, 0] + drawn[:, 1], minlength=16)).pvalue > 1e-4


def test_images_are_moved_whole():
    image = torch.arange(16.0).reshape(1, 4, 4)
    moves = torch.tensor([[2], [1]])  # one pixel down, none to the right
    moved = shifted(image, moves, 1)[0]
    assert torch.equal(moved[1:], image[0, :3])
    assert torch.equal(moved[0], torch.zeros(4))
    assert torch.equal(shifted(image, torch.tensor([[1], [1]]), 1), image)


def test_drawers_of_the_test_are_apart():
    labels = np.repeat(np.arange(6), 40)
    drawers = np.tile(np.arange(1, 41), 6)
    images = np.random.default_rng(0).integers(0, 256, (240, 56, 56)).astype(np.uint8)
    data = omniglot.prepare(Source("a", images, labels, drawers=drawers))
    assert set(drawers[data.test]) == set(range(31, 41))
    assert set(drawers[data.validation]) == {30}
    assert set(drawers[data.train]) == set(range(1, 30))
    means = images.reshape(240, 28, 2, 28, 2).mean((2, 4))
    assert np.allclose(data.images, means / means.max((1, 2), keepdims=True), atol=1e-6)


def test_responses_say_what_the_network_says(family, data):
    from safetensors.torch import load_file

    frame = pl.read_parquet(family / "responses.parquet")
    tasks = {f"{kind}_{length}" for kind in omniglot.KINDS for length in omniglot.LENGTHS}
    assert set(frame["task"]) == tasks
    assert not (family / "images.npz").exists()
    mine = frame.filter(model="omniglot-d10c3-seed0", task="bursty_3")
    assert mine["item_id"].to_list() == [str(i) for i in range(200)]
    network = Reader(omniglot.SHAPES[10], 8, 10)
    network.load_state_dict(load_file(family / "models" / "omniglot-d10c3-seed0" / "model.safetensors"))
    own = data.labels[data.test]
    rows = data.test[sequences(own, 3, 200, "bursty", np.random.default_rng((1, 3)))]
    labels = torch.from_numpy(data.labels[rows])
    with torch.no_grad():
        said = torch.log_softmax(network(torch.from_numpy(data.images[rows]), labels), -1)
    right = said.gather(-1, labels[..., None])[..., 0]
    assert np.allclose(np.array(mine["target_logprobs"].to_list()), right.numpy(), atol=6e-4)
    assert mine["output_tokens"].to_list() == said.argmax(-1).numpy().astype(str).tolist()
    assert mine["target"].to_list() == [" ".join(map(str, row)) for row in labels.tolist()]
    assert (mine["greedy"] == (mine["target_tokens"] == mine["output_tokens"])).all()


def test_accuracy_goes_through_the_door_of_language_models(family):
    metrics = ["exact_match", "token_accuracy", "cross_entropy"]
    curves = unmirage.curves(family / "responses.parquet", metrics=metrics, tasks=["independent_1"])
    values = {m: curves.filter(metric=m).sort("axis_value")["mean"].to_list() for m in metrics}
    assert values["exact_match"] == pytest.approx(values["token_accuracy"])
    assert min(values["exact_match"]) > 0.2


def test_a_training_that_was_killed_goes_on_to_the_same_bytes(family, tmp_path, monkeypatch):
    monkeypatch.setattr(omniglot, "SAVE_EVERY", 20)
    options = {"quick": True, "steps": 60, "sizes": [8, 10], "seeds": [0]}
    real, seen = omniglot.fit, []

    def killed(model, optimisers, loss, steps, warm_up, folder, every, report):
        def watched(step):
            seen.append(step)
            if len(seen) == 31:
                raise KeyboardInterrupt
            return loss(step)

        real(model, optimisers, watched, steps, warm_up, folder, every, report)

    monkeypatch.setattr(omniglot, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train("omniglot", tmp_path, **options)
    train("omniglot", tmp_path, **options)
    assert seen[30:32] == [30, 20]  # from the state after step 20
    for path in (path for path in family.rglob("*") if path.is_file()):
        assert (tmp_path / path.relative_to(family)).read_bytes() == path.read_bytes(), path


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"--sizes.*8, 10, 14, 32, 128"):
        train("omniglot", tmp_path / "out", sizes=[9])
    images = np.zeros((60, 8, 8), np.uint8)
    with pytest.raises(SourceError, match="no labels"):
        omniglot.prepare(Source("a", images))
    with pytest.raises(SourceError, match="has 2 drawers"):
        omniglot.prepare(Source("a", images, np.repeat([0, 1], 30), drawers=np.tile([0, 1], 30)))
    with pytest.raises(SourceError, match="test images"):
        omniglot.prepare(Source("a", images, np.arange(60) % 20, drawers=np.arange(60) // 20))
