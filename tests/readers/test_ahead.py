"""Files that are read before they are asked for: the order is the reader's, whatever ends first."""

from __future__ import annotations

import pytest

from unmirage.engine.calls import made
from unmirage.errors import SourceError
from unmirage.families import load
from unmirage.readers import ahead as module
from unmirage.readers.ahead import Ahead
from unmirage.readers.base import Meter, Options, meter, reached


class Backwards:
    """An engine whose calls end in the opposite order."""

    jobs = 2

    def __init__(self):
        self.calls, self.closed = [], False

    def map(self, function, calls, *, long=False, told=None):
        try:
            for key in reversed(list(calls)):
                self.calls.append(key)
                yield key, made(function, calls[key], told)
        finally:
            self.closed = True


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr(module, "PAYS", 0)
    return Backwards()


def length(on_rows, path):
    on_rows(1)
    if path.name == "bad":
        raise SourceError("is bad", where=str(path))
    text = path.read_text()
    reached(path)
    return len(text)


@pytest.fixture
def files(tmp_path):
    found = []
    for i, name in enumerate(("a", "b", "bad", "c")):
        (tmp_path / name).write_text("x" * (i + 1))
        found.append(tmp_path / name)
    return found


def options(engine):
    return Options(families=load(), engine=engine)


def test_each_is_given_when_its_turn_comes(engine, files):
    rows = []
    with Ahead(options(engine), length, {path: (path,) for path in files}, files, rows.append) as ahead:
        assert [ahead.get(path, path) for path in files[:2]] == [1, 2]
        assert engine.calls == files[::-1]
        with pytest.raises(SourceError, match="is bad"):
            ahead.get(files[2], files[2])
        assert ahead.get(files[3], files[3]) == 4
        assert ahead.get("another", files[0]) == 1  # was not told beforehand
    assert rows == [1] * 5


def test_progress_in_bytes_comes_from_where_files_are_read(engine, files):
    told = []
    token = meter.set(Meter({path: path.stat().st_size for path in files}, lambda *now: told.append(now)))
    try:
        with Ahead(options(engine), length, {p: (p,) for p in files}, files, lambda n: None) as ahead:
            ahead.get(files[0], files[0])
    finally:
        meter.reset(token)
    assert told == [(4, 10), (6, 10), (7, 10)]


def test_what_is_not_asked_for_is_cancelled(engine, files):
    with Ahead(options(engine), length, {p: (p,) for p in files}, files, lambda n: None) as ahead:
        ahead.get(files[3], files[3])
    assert engine.closed
    assert engine.calls == files[3:]


def test_small_files_and_single_ones_start_no_process(monkeypatch, files):
    engine = Backwards()
    with Ahead(options(engine), length, {p: (p,) for p in files}, files, lambda n: None) as ahead:
        assert ahead.get(files[0], files[0]) == 1
    monkeypatch.setattr(module, "PAYS", 0)
    with Ahead(options(engine), length, {files[0]: (files[0],)}, files, lambda n: None) as ahead:
        assert ahead.get(files[0], files[0]) == 1
    assert engine.calls == []
