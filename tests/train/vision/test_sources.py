"""Images from files as they are handed out, and what is said of those that cannot be read."""

import gzip
import pickle
import sys
import types

import numpy as np
import pytest

from unmirage.errors import MissingExtraError, SourceError
from unmirage.train.vision.sources import Source, read_source

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
LABELS = np.array([3, 1, 0, 2, 9, 9])


def idx(values):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def cifar(path, images, labels, key=b"labels"):
    data = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    path.write_bytes(pickle.dumps({b"data": data, key: labels.tolist()}, protocol=2))


def test_digits_come_with_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    source = read_source("digits")
    assert np.array_equal(np.round(source.images / 255 * 16), digits.images)
    assert np.array_equal(source.labels, digits.target)
    assert source.test.sum() == 599


def test_arrays_of_an_npz_file(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=GREY[:4], y_train=LABELS[:4], x_test=GREY[4:], y_test=LABELS[4:])
    source = read_source(str(path))
    assert (source.name, source.labels.tolist()) == ("mnist", LABELS.tolist())
    assert np.array_equal(source.images[source.test], GREY[4:])
    np.savez(tmp_path / "cifar10_2000.npz", images=COLOUR)
    alone = read_source(str(tmp_path / "cifar10_2000.npz"))
    assert (alone.name, alone.labels, alone.test) == ("cifar", None, None)
    np.savez(tmp_path / "mine.npz", x_train=COLOUR, x_test=COLOUR)
    assert read_source(str(tmp_path / "mine.npz")).labels is None


def test_packed_drawings(tmp_path):
    ink = RNG.integers(0, 2, (6, 5, 5)).astype(np.uint8)
    np.savez(
        tmp_path / "omniglot_small.npz",
        images_packed=np.packbits(ink.reshape(6, -1), axis=1),
        height=np.int16(5),
        width=np.int16(5),
        character=LABELS.astype(np.uint16),
        drawer=np.arange(6).astype(np.uint8),
    )
    source = read_source(str(tmp_path / "omniglot_small.npz"))
    assert np.array_equal(source.images, ink * 255)
    assert (source.name, source.drawers.tolist()) == ("omniglot", list(range(6)))


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_mnists_files(tmp_path, packed):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, rows in (("train", slice(4)), ("t10k", slice(4, 6))):
        for what, values in (("images-idx3", GREY), ("labels-idx1", LABELS)):
            raw = idx(values[rows])
            name = f"{part}-{what}-ubyte" + (".gz" if packed else "")
            (folder / name).write_bytes(gzip.compress(raw) if packed else raw)
    source = read_source(str(folder))
    assert source.name == "mnist"
    assert np.array_equal(source.images, GREY)
    assert source.labels.tolist() == LABELS.tolist()
    assert source.test.tolist() == [False] * 4 + [True] * 2


def test_folders_of_cifars_pickles(tmp_path):
    ten, hundred = tmp_path / "ten", tmp_path / "hundred"
    ten.mkdir()
    hundred.mkdir()
    cifar(ten / "data_batch_1", COLOUR[:2], LABELS[:2])
    cifar(ten / "data_batch_2", COLOUR[2:4], LABELS[2:4])
    cifar(ten / "test_batch", COLOUR[4:], LABELS[4:])
    cifar(hundred / "train", COLOUR[:4], LABELS[:4], b"fine_labels")
    cifar(hundred / "test", COLOUR[4:], LABELS[4:], b"fine_labels")
    for folder in (ten, hundred):
        source = read_source(str(folder))
        assert source.name == "cifar"
        assert np.array_equal(source.images, COLOUR)
        assert source.labels.tolist() == LABELS.tolist()
        assert source.test.sum() == 2


def test_a_pickle_that_asks_for_more_than_arrays_is_refused(tmp_path):
    class Bad:
        def __reduce__(self):
            return (print, ("run",))

    for name in ("train", "test"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": Bad(), b"fine_labels": []}))
    with pytest.raises(SourceError, match=r"asks for builtins\.print"):
        read_source(str(tmp_path))


def hub(parts):
    """What of `datasets` is used, with a data set in memory."""

    class Kind:
        pass

    class Part:
        def __init__(self, columns):
            self.columns = columns
            self.features = {
                name: module.Image() if name == "img" else module.ClassLabel() for name in columns
            }

        def select_columns(self, names):
            return Part({name: self.columns[name] for name in names})

        def with_format(self, kind):
            assert kind == "numpy"
            return self

        def __getitem__(self, rows):
            return {name: values[rows] for name, values in self.columns.items()}

    module = types.ModuleType("datasets")
    module.Image = type("Image", (Kind,), {})
    module.ClassLabel = type("ClassLabel", (Kind,), {})
    module.load_dataset = lambda name: {part: Part(columns) for part, columns in parts.items()}
    return module


def test_a_data_set_of_the_hub(monkeypatch):
    columns = {"coarse_label": LABELS // 5, "fine_label": LABELS, "img": COLOUR}
    parts = {"train": {k: v[:4] for k, v in columns.items()}, "test": {k: v[4:] for k, v in columns.items()}}
    monkeypatch.setitem(sys.modules, "datasets", hub(parts))
    source = read_source("hub:uoft-cs/cifar100")
    assert source.name == "cifar"
    assert np.array_equal(source.images, COLOUR)
    assert source.labels.tolist() == LABELS.tolist()
    monkeypatch.setitem(sys.modules, "datasets", hub({"train": columns}))
    with pytest.raises(SourceError, match="has the parts train"):
        read_source("hub:some/thing")
    monkeypatch.setitem(sys.modules, "datasets", hub({k: {"label": LABELS} for k in ("train", "test")}))
    with pytest.raises(SourceError, match="has the columns label"):
        read_source("hub:some/thing")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"unmirage\[datasets\]"):
        read_source("hub:some/thing")


def test_images_are_split_once_and_apart():
    free = Source("a", np.zeros((100, 2, 2), np.uint8))
    train, validation, test = free.split(1 / 16)
    assert (len(train), len(validation), len(test)) == (75, 5, 20)
    assert sorted(np.concatenate([train, validation, test]).tolist()) == list(range(100))
    own = Source("a", free.images, test=np.arange(100) >= 90)
    train, validation, test = own.split(0.1)
    assert (len(train), len(validation), test.tolist()) == (81, 9, list(range(90, 100)))
    assert not set(train.tolist()) & set(validation.tolist())


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": GREY}, "holds x"),
        ({"images": GREY.astype(float)}, "images are float64"),
        ({"images": GREY[0]}, "of shape"),
        ({"images": GREY, "labels": LABELS[:3]}, "labels are"),
        ({"images": GREY, "labels": LABELS - 1}, "a label is -1"),
        ({"x_train": GREY, "x_test": COLOUR}, "training images are of shape"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, said):
    path = tmp_path / "some.npz"
    np.savez(path, **arrays)
    with pytest.raises(SourceError, match=said):
        read_source(str(path))


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SourceError, match="no such file"):
        read_source(str(tmp_path / "none.npz"))
    (tmp_path / "junk.npz").write_text("junk")
    (tmp_path / "junk.txt").write_text("junk")
    with pytest.raises(SourceError, match=r"junk\.npz.*cannot be read"):
        read_source(str(tmp_path / "junk.npz"))
    with pytest.raises(SourceError, match="format is unknown"):
        read_source(str(tmp_path / "junk.txt"))
    with pytest.raises(SourceError, match=r"holds junk\.npz, junk\.txt"):
        read_source(str(tmp_path))
    for name in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        (tmp_path / f"{name}-idx-ubyte").write_bytes(idx(GREY)[:-1])
    with pytest.raises(SourceError, match="cut short"):
        read_source(str(tmp_path))
