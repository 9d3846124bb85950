"""Whatever is in a file, reading gives rows, warnings or one clear error.

`benchmarks/fuzz.py` does the same for long.
"""

from __future__ import annotations

import importlib.util
import random
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unmirage.readers import READERS

LIMIT = 10  # seconds an input


def _load():
    """The module that the fuzzer uses; benchmarks are no package."""
    path = Path(__file__).parents[2] / "benchmarks" / "mutations.py"
    spec = importlib.util.spec_from_file_location("mutations", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = module
    spec.loader.exec_module(module)
    return module


mutations = _load()
LOGS = Path(__file__).parents[3] / "shared" / "data" / "logs"
SHIPPED = Path(__file__).parents[1] / "data" / "every_eval_ever"
SEEDS = mutations.seeds(SHIPPED, *([LOGS] if LOGS.is_dir() else []))


@pytest.fixture(autouse=True)
def no_hang():
    """No test here may hang: an input that takes over ten seconds ends with an error."""

    def stop(signum, frame):
        raise TimeoutError("an input took too long")

    before = signal.signal(signal.SIGALRM, stop)
    yield lambda: signal.alarm(LIMIT)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {seed.name: tmp_path_factory.mktemp("seed") for seed in SEEDS}


@pytest.mark.parametrize("reader", [reader.name for reader in READERS])
def test_every_reader_has_a_small_log_that_it_reads(reader, folders):
    mine = [seed for seed in SEEDS if seed.reader == reader]
    if not mine:
        pytest.skip(f"no small log of {reader} is made here, and no real one is beside the checkout")
    for seed in mine:
        assert mutations.execute(seed, seed.files[seed.target], folders[seed.name]) == "read"


def named(*kinds):
    """One small log of each kind, named by a part of its target."""
    return [next(seed for seed in SEEDS if kind in seed.target) for kind in kinds]


@pytest.mark.parametrize(
    "seed",
    named("loglikelihood_2", "results_", "stats.json", "scores_", "t.csv", "t.jsonl"),
    ids=lambda s: s.target,
)
def test_cut_at_every_byte(seed, folders, no_hang):
    """Every byte of the last hundred, where the most can go wrong, and every eleventh before."""
    data = seed.files[seed.target]
    for end in sorted({*range(0, len(data), 11), *range(max(0, len(data) - 100), len(data))}):
        no_hang()
        mutations.execute(seed, data[:end], folders[seed.name])


@settings(max_examples=150, suppress_health_check=list(HealthCheck), derandomize=True)
@given(number=st.integers(0, 2**32), place=st.integers(0, len(SEEDS) - 1))
def test_spoiled_logs(number, place, folders, no_hang):
    seed = SEEDS[place]
    no_hang()
    mutations.execute(
        seed, mutations.spoil(seed.files[seed.target], random.Random(number)), folders[seed.name]
    )


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_hostile_content(seed, folders, no_hang):
    """Each hostile value once, in the place of a value, at a place that the value decides."""
    data = seed.files[seed.target]
    places = list(mutations.SCALAR.finditer(data))
    for number, other in enumerate(mutations.HOSTILE[number_of(seed) % 3 :: 3]):
        no_hang()
        if places:
            place = places[(number * 7919) % len(places)]
            spoiled = data[: place.start()] + other + data[place.end() :]
        else:
            spoiled = data[: len(data) // 2] + other + data[len(data) // 2 :]
        mutations.execute(seed, spoiled, folders[seed.name])


def number_of(seed):
    return SEEDS.index(seed)


def test_nothing_is_written_beside_the_log(tmp_path, no_hang):
    """Names with ../ in a log lead nowhere."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for seed in SEEDS:
        for name in (b"../../x", b"/tmp/unmirage-x"):
            data = seed.files[seed.target].replace(b"a/m-7b", name).replace(b"BIG-G", name)
            mutations.execute(seed, data, inner)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not Path("/tmp/unmirage-x").exists()
