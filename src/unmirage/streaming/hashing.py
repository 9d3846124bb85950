"""64-bit hashes of names, defined here, so that they are the same with every version of every library.

A text of L bytes (UTF-8) is cut into little-endian 64-bit words, the last filled up with zeros. With
multiplication modulo 2^64, from h = (L + 1) · G:

    for each word w:  h = (h ^ w) · A;  h = h ^ (h >> 29)

and `spread` at the end. Not for secrets: whoever wants two names with one hash can make them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]

G = np.uint64(0x9E3779B97F4A7C15)
A = np.uint64(0xD6E8FEB86659FD93)
# The finish of splitmix64 (Steele, Lea & Flood 2014), a bijection.
B, C = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = 8
# Names hashed at a time: they fit into a cache.
_CHUNK = 2**15
_MASKS = np.array([(1 << (8 * k)) - 1 for k in range(_WORD + 1)], dtype=np.uint64)


def hash_names(names: pl.Series) -> Hashes:
    """(n,) hashes of texts.

    Parameters
    ----------
    names: (n,) of type String, none missing.

    Raises
    ------
    ValueError: a name is missing.
    """
    if names.null_count():
        raise ValueError("a name is missing")
    out = np.empty(len(names), dtype=np.uint64)
    for start in range(0, len(names), _CHUNK):
        out[start : start + _CHUNK] = _hashed(names.slice(start, _CHUNK))
    return out


def _hashed(names: pl.Series) -> Hashes:
    text = names.str.join("").item().encode()
    lengths = names.str.len_bytes().to_numpy().astype(np.int64)
    padded = np.frombuffer(text + bytes(_WORD), dtype=np.uint8)
    words: Hashes = np.ndarray((len(text) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    h = (lengths.astype(np.uint64) + np.uint64(1)) * G
    where: npt.NDArray[np.int64] | slice = slice(None)
    starts, rest = np.cumsum(lengths) - lengths, lengths
    while (longer := rest > 0).any():
        if not longer.all():
            kept = np.flatnonzero(longer)
            where = kept if isinstance(where, slice) else where[kept]
            starts, rest = starts[kept], rest[kept]
        word = words[starts].astype(np.uint64, copy=False)
        if rest.min() < _WORD:
            word &= _MASKS[np.minimum(rest, _WORD)]
        word ^= h[where]
        word *= A
        word ^= word >> np.uint64(29)
        h[where] = word
        starts, rest = starts + _WORD, rest - _WORD
    return spread(h)


def spread(hashes: Hashes) -> Hashes:
    """(n,) a bijection of 64-bit words after which every bit depends on all: of equal use as another hash."""
    out = hashes.copy()
    for start in range(0, len(out), _CHUNK):
        _spread(out[start : start + _CHUNK])
    return out


def joined(*parts: npt.ArrayLike) -> Hashes:
    """(n,) one hash of several hashes or codes a row, in this order.

    Parameters
    ----------
    parts: (n,) or single whole numbers; negative ones count modulo 2^64.
    """
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(part)) for part in parts))
    out = np.zeros(arrays[0].shape, dtype=np.uint64)
    for start in range(0, len(out), _CHUNK):
        h = out[start : start + _CHUNK]
        for one in arrays:
            h ^= one[start : start + _CHUNK].astype(np.uint64)
            h *= A
            h += G
            _spread(h)
    return out


def _spread(h: Hashes) -> None:
    h ^= h >> np.uint64(30)
    h *= B
    h ^= h >> np.uint64(27)
    h *= C
    h ^= h >> np.uint64(31)
