"""Files of images: what is read, what is refused, the PNG, and the way to the audit."""

import struct
import zlib

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.cli import main
from unmirage.errors import SourceError
from unmirage.images import LONGEST, load, png

RNG = np.random.default_rng(0)


def saved(path, items=("0", "1"), images=None, **more):
    images = RNG.integers(0, 256, (len(items), 5, 4), dtype=np.uint8) if images is None else images
    np.savez(path, item_id=np.array(items), images=images, **more)
    return path


def decoded(data):
    """(width, height, colour type, pixels of each row) of a PNG without filters, its checksums checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        parts[kind] = body
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert (depth, int(rows[:, 0].max())) == (8, 0)
    return width, height, colour, rows[:, 1:]


@pytest.mark.parametrize("shape", [(3, 7), (28, 28), (6, 5, 3)])
def test_a_png_holds_the_pixels(shape):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    width, height, colour, rows = decoded(png(picture))
    assert (height, width, colour) == (*shape[:2], 2 if len(shape) == 3 else 0)
    np.testing.assert_array_equal(rows.reshape(shape), picture)
    assert png(picture) == png(picture.copy(order="F"))


def test_a_large_picture_is_thinned():
    picture = RNG.integers(0, 256, (300, 90), dtype=np.uint8)
    width, height, _, rows = decoded(png(picture))
    assert (height, width) == (100, 30)
    assert height <= LONGEST
    np.testing.assert_array_equal(rows, picture[::3, ::3])


def test_images_are_read_by_item(tmp_path):
    images = RNG.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    found = load(saved(tmp_path / "x.npz", ("b", "a", "7"), images))
    np.testing.assert_array_equal(found.pictures["a"], images[1])
    assert (found.input.format, found.input.rows, len(found.input.sha256)) == ("images", 3, 64)


def test_other_files_are_refused(tmp_path):
    two = np.zeros((2, 5, 4), dtype=np.uint8)
    np.savez(tmp_path / "names.npz", images=two)
    np.savez(tmp_path / "objects.npz", item_id=np.array(["a", 1], dtype=object), images=two)
    np.save(tmp_path / "one.npy", two)
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "short.npz").write_bytes(saved(tmp_path / "whole.npz").read_bytes()[:90])
    cases = {
        "none": "No such file",
        "names": "no arrays item_id and images",
        "objects": "cannot be read as images",
        "text": "cannot be read as images",
        "short": "cannot be read as images",
        saved(tmp_path / "type.npz", images=two.astype(float)).stem: r"float64 of shape \(2, 5, 4\)",
        saved(tmp_path / "four.npz", images=np.zeros((2, 5, 4, 4), np.uint8)).stem: r"\(2, 5, 4, 4\)",
        saved(tmp_path / "length.npz", ("a", "b", "c"), two).stem: "do not match",
        saved(tmp_path / "empty.npz", images=two[:, :0]).stem: "do not match",
        saved(tmp_path / "twice.npz", ("a", "a"), two).stem: "item a is there twice",
    }
    for name, says in cases.items():
        with pytest.raises(SourceError, match=says):
            load(tmp_path / f"{name}.npz")
    with pytest.raises(SourceError, match="no arrays"):
        load(tmp_path / "one.npy")


@pytest.fixture(scope="module")
def rows():
    return unmirage.simulate("late", n_items=60, scales=[1e7, 1e8, 1e9], seed=1)


def audited(source, **options):
    return unmirage.audit(source, metrics=["exact_match"], replicates=100, **options)


def test_the_file_beside_a_single_source_is_used_by_itself(rows, tmp_path):
    rows.write_parquet(tmp_path / "responses.parquet")
    item = rows["item_id"][0]
    assert audited(tmp_path / "responses.parquet").images is None
    saved(tmp_path / "images.npz", (item, "other"))
    for source in (tmp_path / "responses.parquet", [str(tmp_path / "responses.parquet")], tmp_path):
        found = audited(source)
        assert item in found.images.pictures
        assert found.inputs[-1].path.endswith("images.npz")
    rows.filter(pl.col("n_params") > 1e8).write_parquet(tmp_path / "b.parquet")
    both = [tmp_path / "responses.parquet", tmp_path / "b.parquet"]
    assert audited(both).images is None
    assert audited(rows).images is None


def test_images_that_fit_nothing_are_an_error_where_named_and_a_warning_where_met(rows, tmp_path):
    rows.write_parquet(tmp_path / "responses.parquet")
    saved(tmp_path / "images.npz", ("no", "such"))
    met = audited(tmp_path / "responses.parquet")
    assert met.images is None
    assert "none of the items" in met.warnings.filter(pl.col("code") == "images-not-used")["message"][0]
    (tmp_path / "images.npz").write_text("another program's")
    assert "images-not-used" in audited(tmp_path / "responses.parquet").warnings["code"]
    saved(tmp_path / "named.npz", ("no", "such"))
    with pytest.raises(SourceError, match="none of the items"):
        audited(rows, images=tmp_path / "named.npz")


def test_the_command_shows_images_and_refuses_a_bad_file(rows, tmp_path, capsys):
    rows.write_parquet(tmp_path / "responses.parquet")
    file = saved(tmp_path / "pictures.npz", rows["item_id"].unique(maintain_order=True).to_list())
    command = ["audit", str(tmp_path / "responses.parquet"), "--metric", "exact_match", "--quiet", "--images"]
    assert main([*command, str(file), "--out", str(tmp_path / "out")]) == 0
    assert "data:image/png;base64,iVBOR" in (tmp_path / "out" / "report.html").read_text()
    assert main([*command, str(tmp_path / "responses.parquet"), "--out", str(tmp_path / "bad")]) == 2
    assert "cannot be read as images" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()
