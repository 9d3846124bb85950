"""Calls in processes: all results, with any number of jobs, also of those whose process was killed."""

import operator
import os
import signal
import time
from multiprocessing import active_children

import pytest

from unmirage.engine import cores, engine, say
from unmirage.errors import SettingsError, SourceError, WorkError

CALLS = {f"{a}*{b}": (a, b) for a in range(4) for b in range(3)}
MINUTE = 60


def killed_once(marker, value):
    """The value, in the second process that is asked for it."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value, os.environ["OMP_NUM_THREADS"], os.environ["POLARS_MAX_THREADS"]


def killed(marker):
    with marker.open("a") as file:
        file.write(".")
    os.kill(os.getpid(), signal.SIGKILL)


def said(words):
    for word in words:
        say(word)
    return len(words)


def unreadable(path):
    raise SourceError("cannot be read", where=path, hint="Look at it.")


class Awkward(Exception):
    """An error that cannot be sent as it is."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def awkward():
    raise Awkward(1, 2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_call_gives_its_result(jobs):
    with engine("local", jobs) as local:
        assert local.jobs == jobs
        found = dict(local.map(operator.mul, CALLS))
        assert found == {key: a * b for key, (a, b) in CALLS.items()}
        assert dict(local.map(operator.mul, {})) == {}
    assert not active_children()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_calls_say_is_heard_before_their_result(jobs):
    heard = []
    for key, count in engine(jobs=jobs).map(said, {"a": (["x", "y"],), "b": (["z"],)}, told=heard.append):
        assert count == len({"a": "xy", "b": "z"}[key])
        assert {"a": "xy", "b": "z"}[key][-1] in heard
    assert sorted(heard) == ["x", "y", "z"]
    say("nobody listens")


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_a_call_is_raised_as_it_is(jobs):
    with pytest.raises(ZeroDivisionError):
        list(engine(jobs=jobs).map(operator.truediv, {"a": (1, 0), "b": (1, 1)}))
    with pytest.raises(SourceError) as found:
        list(engine(jobs=jobs).map(unreadable, {"a": ("this",), "b": ("this",)}))
    assert (found.value.what, found.value.where, found.value.hint) == (
        "cannot be read",
        "this",
        "Look at it.",
    )
    assert str(found.value) == "this: cannot be read\nLook at it."
    assert not active_children()


def test_an_error_that_cannot_be_sent_is_told():
    with pytest.raises(RuntimeError, match="1 and 2"):
        list(engine(jobs=2).map(awkward, {"a": (), "b": ()}))


def test_an_error_has_the_traceback_of_its_process():
    with pytest.raises(SourceError) as found:
        list(engine(jobs=2).map(unreadable, {"a": ("this",), "b": ("this",)}))
    assert "in unreadable" in found.value.__notes__[0]


def test_what_a_killed_process_was_at_is_done_again(tmp_path):
    calls = {number: (tmp_path / "marker", number) for number in range(6)}
    found = dict(engine(jobs=2).map(killed_once, calls))
    assert found == {number: (number, "1", "1") for number in range(6)}
    assert (tmp_path / "marker").exists()
    assert not active_children()


def test_a_call_that_kills_its_process_each_time_is_named(tmp_path):
    calls = {"good": (operator.add, 1, 1), "bad": (killed, tmp_path / "marker")}
    with pytest.raises(WorkError, match=r"^call bad: its process was killed by signal 9, 4 times\n"):
        list(engine(jobs=2).map(operator.call, calls))
    assert (tmp_path / "marker").read_text() == "...."
    assert not active_children()


def test_a_process_that_ends_by_itself_is_named():
    with pytest.raises(WorkError, match=r"^call [01]: its process ended with code 3, 4 times\n"):
        list(engine(jobs=2).map(os._exit, {0: (3,), 1: (3,)}))


def test_long_calls_in_hand_are_ended():
    start = time.monotonic()
    going = engine(jobs=2).map(time.sleep, {"short": (0.01,), "long": (MINUTE,)}, long=True)
    assert next(going) == ("short", None)
    going.close()
    assert time.monotonic() - start < MINUTE
    assert not active_children()


def test_other_calls_in_hand_finish_and_no_more_begin(tmp_path):
    calls = {place: (tmp_path / str(place),) for place in range(8)}
    going = engine(jobs=2).map(slow_touch, calls)
    next(going)
    going.close()
    assert 2 <= len(list(tmp_path.iterdir())) <= 4
    assert not active_children()


def slow_touch(path):
    time.sleep(0.2)
    path.touch()


def test_an_interrupt_reaches_no_process():
    (handler,) = set(
        dict(engine(jobs=2).map(signal.getsignal, dict.fromkeys(range(2), (signal.SIGINT,)))).values()
    )
    assert handler == signal.SIG_IGN


def test_threads_that_the_environment_names_stay(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    found = dict(engine(jobs=2).map(os.getenv, dict.fromkeys(range(2), ("OMP_NUM_THREADS",))))
    assert found == {0: "3", 1: "3"}
    assert "POLARS_MAX_THREADS" not in os.environ


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"name": "cloud"}, "--engine"),
        ({"jobs": 0}, "--jobs"),
        ({"name": "ray", "jobs": -1}, "--jobs"),
        ({"address": "auto"}, "--ray-address"),
    ],
)
def test_what_an_engine_cannot_be(arguments, where):
    with pytest.raises(SettingsError) as found:
        engine(**arguments)
    assert found.value.where == where


def test_cores_are_those_that_may_be_used():
    assert 1 <= cores() <= (os.cpu_count() or 1)
