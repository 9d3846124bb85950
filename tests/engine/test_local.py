"""Calls in processes: all results, with any number of jobs, and an end that does not wait for hours."""

import operator
import time
from multiprocessing import active_children

import pytest

from unmirage.processes import in_processes

CALLS = {f"{a}*{b}": (a, b) for a in range(4) for b in range(3)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_call_gives_its_result(jobs):
    found = dict(in_processes(operator.mul, CALLS, jobs))
    assert found == {key: a * b for key, (a, b) in CALLS.items()}


def test_an_error_of_a_call_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(operator.truediv, {"a": (1, 0), "b": (1, 1)}, 2))


def test_long_calls_in_hand_are_ended():
    minute = 60
    start = time.monotonic()
    going = in_processes(time.sleep, {"short": (0.01,), "long": (minute,)}, 2, long=True)
    assert next(going) == ("short", None)
    going.close()
    assert time.monotonic() - start < minute
    assert not active_children()
