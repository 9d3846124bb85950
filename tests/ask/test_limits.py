"""Rates and waits, with a clock of the test's own."""

import random

import pytest

from unmirage.ask import limits
from unmirage.ask.limits import Job, Limits, Pace, Sender, TryAgain, backoff
from unmirage.errors import SettingsError, UnmirageError


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_pace_is_even_and_never_above_its_rate():
    clock = Clock()
    pace = Pace(60, clock)
    sent = []
    for k in range(200):
        clock.now += pace.take()
        sent.append(clock.now)
        clock.now += (k % 3) * 0.4  # what the caller does in between
    for at in sent:
        assert sum(at <= other < at + 60 for other in sent) <= 61
    assert sent[-1] - sent[0] == pytest.approx(199, abs=1)


def test_a_pace_counts_amounts_and_what_they_turn_out_to_be():
    clock = Clock()
    pace = Pace(600, clock)
    assert pace.take(300) == 0
    assert pace.take(10) == pytest.approx(30)
    pace.correct(-200)
    assert pace.take(10) == pytest.approx(11)
    clock.now += 1000
    assert pace.take(10) == 0
    assert Pace(None, clock).take(1e9) == Pace(None, clock).take(1) == 0


def test_waits_double_up_to_the_longest():
    jitter = random.Random(0)
    for tried in range(1, 40):
        whole = min(0.5 * 2 ** (tried - 1), limits.LONGEST_WAIT)
        found = [backoff(tried, jitter) for _ in range(50)]
        assert whole / 2 <= min(found) < max(found) <= whole


def run(jobs, monkeypatch, **options):
    monkeypatch.setattr(limits, "FIRST_WAIT", 0.001)
    sender = Sender(Limits(**options))
    try:
        return sender.all(jobs)
    finally:
        sender.close()


def failing(times, answer, after=None, kind=UnmirageError):
    left = [times]

    async def ask():
        if left[0]:
            left[0] -= 1
            raise TryAgain(kind("no", where="w", hint="h"), after)
        return answer

    return Job(ask)


def test_answers_in_order_after_failures(monkeypatch):
    assert run([failing(k % 3, k) for k in range(20)], monkeypatch, concurrency=4, retries=2) == list(
        range(20)
    )
    assert run([], monkeypatch) == []


def test_the_last_failure_is_raised_as_it_is(monkeypatch):
    with pytest.raises(SettingsError) as caught:
        run([failing(9, 0, kind=SettingsError)], monkeypatch, retries=3)
    assert str(caught.value) == "w: no (tried 4 times)\nh"
    with pytest.raises(UnmirageError) as caught:
        run([failing(9, 0)], monkeypatch, retries=0)
    assert str(caught.value) == "w: no\nh"


def test_a_wait_beyond_reason_ends_it(monkeypatch):
    with pytest.raises(UnmirageError, match="asks to wait 86400 seconds, which is too long"):
        run([failing(1, 0, after=86400.0)], monkeypatch)
