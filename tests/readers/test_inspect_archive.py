"""Archives that are cut off, damaged, hostile or none: a clear error, or what is whole; never a traceback."""

from __future__ import annotations

import contextlib
import json
import random
import struct
import tracemalloc

import pytest

from unmirage.errors import SourceError, UnmirageError
from unmirage.families import load
from unmirage.readers import Options, inspect_ai
from unmirage.readers.inspect_ai_archive import MAX_ENTRY, Archive


def small(inspect_logs, path, **how):
    samples = [inspect_logs.sample(i, scores={"exact": "C"}) for i in range(3)]
    return inspect_logs.log(path, inspect_logs.header(), samples, **how)


def tiny(inspect_logs, path, **how):
    """Of what an archive needs to be a log, the least."""
    head = {
        "version": 2,
        "status": "success",
        "eval": {"task": "t", "model": "m", "scorers": [{"name": "j"}]},
    }
    samples = [{"id": i, "epoch": 1, "target": "a", "scores": {"j": {"value": i}}} for i in range(2)]
    if path.suffix == ".json":
        return inspect_logs.log(path, head, samples)
    entries = [("_journal/start.json", head), *((f"samples/{s['id']}.json", s) for s in samples)]
    return inspect_logs.archive(path, [(name, json.dumps(value).encode()) for name, value in entries], **how)


@pytest.fixture(scope="module")
def read_one():
    """path -> what the reader gives, or its error."""
    options = Options(families=load())

    def read(path):
        try:
            return inspect_ai.read([path], options, lambda n: None)
        except UnmirageError as problem:
            return problem

    return read


def test_cut_off_at_every_byte(tmp_path, inspect_logs, read_one):
    path = tiny(inspect_logs, tmp_path / "a.eval")
    whole = path.read_bytes()
    rows = set()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found = read_one(path)
        if isinstance(found, UnmirageError):
            assert str(path) in str(found)
            continue
        assert "truncated-file" in {note["code"] for note in found.warnings}
        rows.update(frame.height for frame in found.responses)
    assert rows == {1, 2}


@pytest.mark.parametrize("method", [8, 0])
def test_cut_off_in_other_layouts(tmp_path, inspect_logs, read_one, method):
    path = tiny(inspect_logs, tmp_path / "a.eval", method=method)
    path.write_bytes(path.read_bytes()[:-60])
    assert read_one(path).responses[0].height == 2


def test_json_that_is_cut_off_at_every_byte(tmp_path, inspect_logs, read_one):
    path = tiny(inspect_logs, tmp_path / "a.json")
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert str(path) in str(read_one(path))


def test_every_byte_changed(tmp_path, inspect_logs, read_one):
    path = tiny(inspect_logs, tmp_path / "a.eval")
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        found = read_one(path)
        if isinstance(found, UnmirageError):
            assert str(path) in str(found)
            refused += 1
    assert refused > len(whole) / 2


def test_a_damaged_sample_is_named(tmp_path, inspect_logs, load_all):
    path = small(inspect_logs, tmp_path / "a.eval", method=0)
    path.write_bytes(path.read_bytes().replace(b'"id": 1', b'"id": 9', 1))
    with pytest.raises(SourceError, match=r"entry 'samples/1_epoch_1.json': is damaged: its length or its"):
        load_all(path)


def test_encrypted_entries(tmp_path, inspect_logs, load_all):
    with pytest.raises(SourceError, match="is encrypted"):
        load_all(small(inspect_logs, tmp_path / "a.eval", flags=1))


def test_other_ways_to_compress(tmp_path, inspect_logs, load_all):
    with pytest.raises(SourceError, match=r"in a way that is not known \(method 12\)"):
        load_all(small(inspect_logs, tmp_path / "a.eval", method=12))


def test_names_that_lead_elsewhere_are_only_names(tmp_path, inspect_logs, load_all):
    folder = tmp_path / "logs"
    folder.mkdir()
    head = json.dumps(inspect_logs.header()).encode()
    sample = json.dumps(inspect_logs.sample(1, scores={"exact": "C"})).encode()
    names = ["samples/../../../evil.json", "samples//etc/passwd.json", "samples/C:\\x.json", "../up.json"]
    entries = [("header.json", head), *((name, sample) for name in names[:1] + names[3:])]
    loaded = load_all(inspect_logs.archive(folder / "a.eval", entries))
    assert loaded.responses[0].height == 1
    with Archive(inspect_logs.archive(folder / "b.eval", [(name, sample) for name in names])) as archive:
        assert list(archive.entries) == names
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "logs",
        "logs/a.eval",
        "logs/b.eval",
    ]


@pytest.mark.parametrize("method", [93, 8])
def test_bombs_are_refused_before_they_unpack(tmp_path, inspect_logs, load_all, method):
    content = b" " * (64 * 2**20)
    head = json.dumps(inspect_logs.header()).encode()
    path = tmp_path / "a.eval"
    entries = [("header.json", head), ("samples/1.json", content)]
    inspect_logs.archive(path, entries, method=method)
    tracemalloc.start()
    with pytest.raises(SourceError, match="unpack to 67,108,864, which no log does"):
        load_all(path)
    inspect_logs.archive(path, entries, method=method, sizes={"samples/1.json": 1000})
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with pytest.raises(SourceError, match="is larger than the 1000 bytes that it says"):
        load_all(path)
    assert tracemalloc.get_traced_memory()[1] - before < 2**22
    tracemalloc.stop()
    inspect_logs.archive(path, [("header.json", head)], method=method, sizes={"header.json": MAX_ENTRY + 1})
    with pytest.raises(SourceError, match="which no log does"):
        load_all(path)


def test_entries_that_share_their_bytes(tmp_path, inspect_logs, load_all):
    """A directory that names the same stored bytes a thousand times: each is allowed, all are a bomb."""
    head = ("header.json", json.dumps(inspect_logs.header()).encode())
    noise = random.Random(0).randbytes(3000)
    path = inspect_logs.archive(tmp_path / "a.eval", [head, ("samples/0000.json", noise + b" " * 2**21)])
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    first = data.index(b"PK\x01\x02", start + 1)
    names = [f"samples/{i:04}.json".encode() for i in range(2000)]
    listing = data[start:first] + b"".join(data[first:end].replace(b"samples/0000.json", n) for n in names)
    close = struct.pack("<4H2LH", 0, 0, 2001, 2001, len(listing), start, 0)
    path.write_bytes(data[:start] + listing + b"PK\x05\x06" + close)
    with pytest.raises(SourceError, match="which no log does"):
        load_all(path)


def test_what_is_no_archive(tmp_path, load_all):
    path = tmp_path / "a.eval"
    for content in (b"", b"PK\x03\x04", b"hello", b"PK\x05\x06" + bytes(18)):
        path.write_bytes(content)
        with pytest.raises(SourceError, match="no format that is known"):
            load_all(path)
        with pytest.raises(SourceError, match=r"no zip archive|neither header\.json"):
            load_all(path, format="inspect")


def test_arguments_nested_as_deeply_as_can_be(tmp_path, inspect_logs, load_all):
    """Just below the depth at which decoding fails, encoding does: both are met here."""
    sample = json.dumps(inspect_logs.sample(1, scores={"exact": "C"})).encode()
    for depth in range(900, 1010, 3):
        for i in range(2):
            head = json.dumps(inspect_logs.header(eval_id=str(i), task_args={"n": i, "x": "XX"}))
            deep = head.replace('"XX"', "[" * depth + "]" * depth).encode()
            inspect_logs.archive(tmp_path / f"{i}.eval", [("header.json", deep), ("samples/1.json", sample)])
        with contextlib.suppress(SourceError):
            load_all(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": 1}',
        b'{"id": 1, "epoch": -1}',
        b'{"id": 1, "epoch": 1e400}',
        b'{"id": 1, "epoch": 99999999999999999999}',
        b'{"id": ' + b"9" * 5000 + b', "epoch": 1}',
        b'{"id": 1, "epoch": 1, "store": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": 1, "epoch": 1, "scores": {"exact": {"value": 1e999}}}',
        b'{"id": 1, "epoch": 1, "scores": {"exact": {"value": ' + b"9" * 5000 + b"}}}",
        b'{"id": 1, "epoch": 1, "scores": {"exact": "C"}}',
        b'{"id": 1, "epoch": 1, "output": {"choices": [{"message": {"content": 5}}]}}',
        b'{"id": "\xff", "epoch": 1}',
    ],
)
@pytest.mark.parametrize("scorer", ["exact", "target_perplexity", "other"])
def test_samples_that_are_none(tmp_path, inspect_logs, load_all, content, scorer):
    head = json.dumps(inspect_logs.header(scorers=[{"name": scorer}])).encode()
    path = inspect_logs.archive(tmp_path / "a.eval", [("header.json", head), ("samples/1.json", content)])
    with pytest.raises(UnmirageError) as caught:
        load_all(path)
    assert str(path) in str(caught.value)
