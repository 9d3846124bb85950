"""Keys that stand twice, against a set in memory."""

import numpy as np
import pytest

from unmirage.streaming import keys as module
from unmirage.streaming.keys import Keys


@pytest.mark.parametrize("kept", [10, 10_000])
@pytest.mark.parametrize("twice", [0, 1, 50])
def test_repeated(monkeypatch, kept, twice):
    monkeypatch.setattr(module, "IN_MEMORY", kept)
    rng = np.random.default_rng(twice)
    once = rng.integers(0, 2**64, 3000, dtype=np.uint64)
    again = once[:twice]
    every = rng.permutation(np.concatenate([once, again, again]))
    with Keys() as keys:
        for part in np.array_split(every, 17):
            keys.add(part)
        assert keys.repeated().tolist() == sorted(again.tolist())


def test_no_key_and_no_file_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "IN_MEMORY", 2)
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    with Keys() as keys:
        assert keys.repeated().tolist() == []
        keys.add(np.arange(5, dtype=np.uint64))
        assert list(tmp_path.iterdir())
        assert keys.repeated().tolist() == []
    assert not list(tmp_path.iterdir())
