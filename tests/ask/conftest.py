"""Servers for the tests of models on servers."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from unmirage.ask import limits


@dataclass(frozen=True)
class Entry:
    """What the backends read of an entry of a family file."""

    options: dict[str, Any] = field(default_factory=dict)
    name: str = "toy-1b"
    model: str = "toy"


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    """The pretended model: `cut`, `best`, `logprob`, `truth`, `likeliest`."""
    spec = importlib.util.spec_from_file_location("fake_server", Path(__file__).with_name("fake_server.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def serve(toy, monkeypatch) -> Callable[..., Any]:
    """Traits -> a server, closed after the test. Waits before another try are short."""
    monkeypatch.setattr(limits, "FIRST_WAIT", 0.01)
    servers = []

    def start(**traits: Any) -> Any:
        servers.append(toy.FakeServer(**traits))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def entry() -> type[Entry]:
    """Makes entries: `entry({"base_url": ...})`."""
    return Entry


@pytest.fixture
def opened(entry) -> Callable[..., Any]:
    """(kind, server, options) -> a backend, closed after the test."""
    made = []

    def make(kind: type, server: Any, **options: Any) -> Any:
        made.append(kind(entry({"base_url": server.url, **options})))
        return made[-1]

    yield make
    for backend in made:
        backend.close()
