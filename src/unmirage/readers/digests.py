"""The SHA-256 of a file, taken while it is read, in a thread beside the decoding."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

WORTH = 1 << 16  # bytes; fewer are hashed sooner than a thread takes them over


class Digest:
    """SHA-256 of pieces that together are a file; one piece at most is waiting."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self._wait()
        if len(piece) < WORTH:
            self._sha.update(piece)
            return
        self._pool = self._pool or ThreadPoolExecutor(1)
        self._last = self._pool.submit(self._sha.update, piece)

    def hexdigest(self) -> str:
        """The digest of all pieces, in hex; none may follow."""
        self._wait()
        if self._pool is not None:
            self._pool.shutdown()
        return self._sha.hexdigest()

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None
