"""Hashes of names against the same written in plain Python."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.streaming.hashing import hash_names, joined, spread

MASK = 2**64 - 1


def finish(h):
    h ^= h >> 30
    h = h * 0xBF58476D1CE4E5B9 & MASK
    h ^= h >> 27
    h = h * 0x94D049BB133111EB & MASK
    return h ^ h >> 31


def reference(name):
    data = name.encode()
    h = (len(data) + 1) * 0x9E3779B97F4A7C15 & MASK
    for start in range(0, len(data), 8):
        h ^= int.from_bytes(data[start : start + 8], "little")
        h = h * 0xD6E8FEB86659FD93 & MASK
        h ^= h >> 29
    return finish(h)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40)))
def test_every_name_has_its_hash_whatever_stands_beside_it(names):
    assert hash_names(pl.Series(names, dtype=pl.String)).tolist() == [reference(name) for name in names]


KNOWN = ["e220a8397b1dcdaf", "048b125abcb60d87", "62a166d8003978a5", "7c0733c01e659818", "7c935f5d75a6a4c9"]


def test_hashes_are_those_of_every_version():
    found = hash_names(pl.Series(["", "a", "question-1", "ähnlich", "\0"]))
    assert [f"{h:016x}" for h in found.tolist()] == KNOWN


def test_many_names_are_hashed_piece_by_piece():
    names = pl.Series([f"q{i}" for i in range(70_000)])
    found = hash_names(names)
    assert found[[0, 32_767, 32_768, 69_999]].tolist() == [
        reference(names[i]) for i in (0, 32_767, 32_768, 69_999)
    ]
    assert len(np.unique(found)) == 70_000
    # Buckets are filled as evenly as balls thrown at random: a chi-squared of 4,095 degrees of freedom.
    filled = np.bincount((found % np.uint64(4096)).astype(int), minlength=4096)
    expected = 70_000 / 4096
    assert abs(((filled - expected) ** 2 / expected).sum() - 4095) < 5 * np.sqrt(2 * 4095)


def test_a_missing_name_is_refused():
    with pytest.raises(ValueError, match="missing"):
        hash_names(pl.Series(["a", None]))


def test_spreading_is_the_finish_and_joining_minds_the_order():
    words = np.array([0, 1, 2**63, MASK], dtype=np.uint64)
    assert spread(words).tolist() == [finish(int(word)) for word in words]
    one, two = hash_names(pl.Series(["a", "b"])), np.array([3, -1])
    assert len({*joined(one, two).tolist(), *joined(two, one).tolist()}) == 4
    assert joined(one, 3)[0] == joined(one[:1], np.array([3]))[0]
