"""What a run will ask: requests of each model and task, in batches that never change, and what they cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from unmirage.ask.family import Model
from unmirage.ask.requests import Abilities, Generate, Score
from unmirage.tasks import Task

# Requests of a batch: of a local model so many of its own batches, which it sorts by length.
LOCAL_BATCHES = 8
SERVER_BATCH = 64
# Samples of one seed of the user's have their own seeds, below the next one's.
SEEDS = 1_000_003
# Characters a token, for counts before a run: English text in common vocabularies.
CHARACTERS = 4


@dataclass(frozen=True)
class Settings:
    """What is asked, beside models and tasks.

    Attributes
    ----------
    temperature: of generated outputs.
    epochs: outputs an item.
    seed: of samples; epoch k of an item is the same request each time.
    max_tokens: of an output, or None for what the task needs.
    """

    temperature: float = 0.0
    epochs: int = 1
    seed: int = 0
    max_tokens: int | None = None


@dataclass(frozen=True)
class Place:
    """Where an answer belongs: the item's number, the epoch of an output, the number of a continuation."""

    item: int
    epoch: int | None = None
    continuation: int | None = None


@dataclass(frozen=True)
class Cell:
    """One model and task.

    Attributes
    ----------
    outputs, scores: requests with where their answers belong, in order.
    size: requests of a batch.
    together: whether outputs and scores of the same items are one batch, which a model that runs here answers
        quicker: there is one output and one score an item.
    left_out: what cannot be asked of the model, in words; "" where all can.
    """

    model: Model
    task: Task
    settings: Settings
    outputs: tuple[tuple[Place, Generate], ...]
    scores: tuple[tuple[Place, Score], ...]
    size: int
    together: bool = False
    left_out: str = ""

    @property
    def key(self) -> dict[str, Any]:
        """All that decides the answers and their batches."""
        return {
            "schema": 1,
            "model": self.model.name,
            **self.model.deciding,
            "task": self.task.name,
            "digest": self.task.digest,
            "settings": asdict(self.settings),
            "asked": [len(self.outputs), len(self.scores), self.size, self.together],
        }

    @property
    def batches(self) -> list[tuple[str, slice]]:
        """("outputs", "scores" or, of `together`, "both"; and which of them), in order."""
        if self.together:
            starts = range(0, len(self.outputs), self.size)
            return [("both", slice(start, start + self.size)) for start in starts]
        return [
            (what, slice(start, start + self.size))
            for what, requests in (("outputs", self.outputs), ("scores", self.scores))
            for start in range(0, len(requests), self.size)
        ]

    @property
    def requests(self) -> int:
        """How many there are."""
        return len(self.outputs) + len(self.scores)


@dataclass(frozen=True)
class Load:
    """What a model and task come to, before they are asked.

    Attributes
    ----------
    requests: how many; where they are sampled until so many are right, at most.
    tokens_in: about how many tokens are read, at four characters a token.
    tokens_out: how many are put out at most.
    """

    model: Model
    task: Task
    requests: int
    tokens_in: int
    tokens_out: int

    @property
    def cost(self) -> float | None:
        """About what it costs at most, in the unit of the prices; None where the family file has none."""
        price_in, price_out = self.model.options.get("price_in"), self.model.options.get("price_out")
        if price_in is None and price_out is None:
            return None
        return float(((price_in or 0.0) * self.tokens_in + (price_out or 0.0) * self.tokens_out) / 1e6)


def load_of(one: Cell) -> Load:
    """Of all requests of a cell."""
    texts = [len(request.prompt) for _, request in one.outputs]
    texts += [len(request.context) + len(request.continuation) for _, request in one.scores]
    out = sum(request.max_tokens for _, request in one.outputs)
    return Load(one.model, one.task, one.requests, sum(map(_tokens, texts)), out)


def load_of_attempts(one: Cell, attempts: int) -> Load:
    """Of so many attempts at all items of a cell together."""
    each = [request for _, request in one.outputs]
    read = sum(_tokens(len(request.prompt)) for request in each) / max(len(each), 1)
    out = max((request.max_tokens for request in each), default=0)
    return Load(one.model, one.task, attempts, round(read * attempts), out * attempts)


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS)


def cell(model: Model, task: Task, settings: Settings, abilities: Abilities | None = None) -> Cell:
    """What is asked of a model on a task.

    Parameters: abilities, of the model's backend; None before it is opened, for all that its kind can do.
    """
    scores = model.backend != "chat" if abilities is None else abilities.score
    left_out = ""
    if not scores:
        left_out = (
            "no log-probabilities of given texts"
            + (f" ({abilities.why_not})" if abilities is not None and abilities.why_not else "")
            + ": of choice tasks nothing, of others exact match and the like only"
        )
    outputs: list[tuple[Place, Generate]] = []
    if task.kind == "generation":
        limit = task.max_tokens if settings.max_tokens is None else settings.max_tokens
        outputs = [
            (
                Place(i, epoch=epoch),
                Generate(item.context, task.stop, limit, settings.temperature, settings.seed * SEEDS + epoch),
            )
            for epoch in range(settings.epochs)
            for i, item in enumerate(task.items)
        ]
    asked = [
        (Place(i, continuation=k), Score(item.context, text))
        for i, item in enumerate(task.items)
        for k, text in enumerate(item.continuations)
        if scores
    ]
    batch = model.options.get("batch")
    size = SERVER_BATCH if batch is None else LOCAL_BATCHES * int(batch)
    alike = [place.item for place, _ in outputs] == [place.item for place, _ in asked]
    together = model.backend == "transformers" and bool(outputs) and alike
    return Cell(model, task, settings, tuple(outputs), tuple(asked), size, together, left_out)
