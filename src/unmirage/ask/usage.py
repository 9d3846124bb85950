"""What was asked of a server, as the server counts it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Usage:
    """Sums over the requests that were answered.

    Attributes
    ----------
    requests: answered; a request may hold several prompts.
    retries: tries that failed and were made again.
    tokens_in, tokens_out: as the server counts them.
    uncounted: requests whose answer states no counts; their tokens are not in the sums.
    filtered: outputs that the provider's content filter ended. They count as outputs.
    """

    requests: int = 0
    retries: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0
    filtered: int = 0

    def add(self, tokens_in: int | None, tokens_out: int | None) -> None:
        """Book one answered request."""
        self.requests += 1
        self.uncounted += tokens_in is None
        self.tokens_in += tokens_in or 0
        self.tokens_out += tokens_out or 0
