"""How fast and how often a server is asked: requests at once, rates a minute, waits before another try.

Requests are coroutines of one event loop in a thread of its own, so that they work under any caller (a
notebook has a loop already), and so that an interrupt or a failure ends the others at once, sockets and all.
Nothing here knows what is asked.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from unmirage.errors import UnmirageError

T = TypeVar("T")

FIRST_WAIT = 0.5  # seconds before the second try; each wait after it is twice as long
LONGEST_WAIT = 30.0
INTERRUPTS = 0.2  # seconds between looks for an interrupt
LONGEST_ASKED = 600.0  # seconds that a server may ask us to wait (Retry-After)


class TryAgain(Exception):
    """A request failed in a way that may pass.

    Attributes
    ----------
    problem: what is raised after the last try.
    after: seconds that the server asks us to wait, or None.
    """

    def __init__(self, problem: UnmirageError, after: float | None = None) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.after = after


@dataclass(frozen=True)
class Limits:
    """How a server is asked.

    Attributes
    ----------
    concurrency: requests at once.
    requests_per_minute, tokens_per_minute: None for no limit.
    retries: tries after the first.
    """

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    retries: int = 6


class Pace:
    """So much a minute, evenly spaced: in no minute is more sent than one request beyond the rate."""

    def __init__(self, per_minute: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._second = 60.0 / per_minute if per_minute else 0.0
        self._now = now
        self._free = now()

    def take(self, amount: float = 1.0) -> float:
        """Seconds to wait before `amount` may be sent; it is booked."""
        at = max(self._free, self._now())
        self._free = at + amount * self._second
        return at - self._now()

    def correct(self, difference: float) -> None:
        """Book what a request took beyond what was booked for it; negative where it took less."""
        self._free += difference * self._second


@dataclass(frozen=True)
class Job(Generic[T]):
    """One request.

    Attributes
    ----------
    ask: sends it; raises TryAgain where another try may help.
    tokens: that it will take, as far as is known.
    """

    ask: Callable[[], Awaitable[T]]
    tokens: float = 0.0


class Sender:
    """Runs jobs within limits. Parameters: limits; on_retry: called before each wait for another try."""

    def __init__(self, limits: Limits, on_retry: Callable[[], None] = lambda: None) -> None:
        self.limits = limits
        self.requests = Pace(limits.requests_per_minute)
        self.tokens = Pace(limits.tokens_per_minute)
        self._on_retry = on_retry
        self._jitter = random.Random()  # moves waits, never answers
        self._held = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def all(self, jobs: Sequence[Job[T]]) -> list[T]:
        """The answers, in the order of the jobs.

        The first job that fails for good, and an interrupt, end all others; nothing of them is left running.
        """
        return self.run(self._all(jobs)) if jobs else []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it."""
        ended = threading.Event()

        async def whole() -> T:
            try:
                return await work
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(whole(), self._running())
        try:
            # A wait without an end is not interrupted on every system.
            while not future.done():
                wait([future], timeout=INTERRUPTS)
            return future.result()
        except BaseException:
            future.cancel()
            ended.wait(5.0)
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5.0)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_serve, args=(self._loop,), name="unmirage-ask", daemon=True
            )
            self._thread.start()
        return self._loop

    async def _all(self, jobs: Sequence[Job[T]]) -> list[T]:
        answers: dict[int, T] = {}
        queue = iter(enumerate(jobs))

        async def work() -> None:
            for k, job in queue:
                answers[k] = await self._one(job)

        workers = [asyncio.create_task(work()) for _ in range(min(self.limits.concurrency, len(jobs)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return [answers[k] for k in range(len(jobs))]

    async def _one(self, job: Job[T]) -> T:
        for tried in range(1, self.limits.retries + 2):
            await self._turn(job.tokens)
            try:
                return await job.ask()
            except TryAgain as failed:
                problem, after = failed.problem, failed.after
            if after is not None and after > LONGEST_ASKED:
                raise _given_up(problem, f"it asks to wait {after:.0f} seconds, which is too long")
            if tried > self.limits.retries:
                raise _given_up(problem, f"tried {tried} times" if tried > 1 else "")
            self._on_retry()
            if after is not None:  # it holds for all requests, not for this one only
                self._held = max(self._held, time.monotonic() + after)
            await asyncio.sleep(max(backoff(tried, self._jitter), after or 0.0))
        raise AssertionError("a job has at least one try")

    async def _turn(self, tokens: float) -> None:
        await asyncio.sleep(max(self.requests.take(), self.tokens.take(tokens)))
        while (wait := self._held - time.monotonic()) > 0:
            await asyncio.sleep(wait)


def backoff(tried: int, jitter: random.Random) -> float:
    """Seconds before the next try after `tried` failed: doubled each time, less a random part up to half."""
    return float(min(FIRST_WAIT * 2.0 ** min(tried - 1, 30), LONGEST_WAIT) * jitter.uniform(0.5, 1.0))


def _given_up(problem: UnmirageError, said: str) -> UnmirageError:
    if said:
        problem.what = f"{problem.what} ({said})"
        problem.args = (str(problem),)
    return problem


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
