"""Requests to a server: faults, rates, keys and interrupts."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from unmirage.ask.requests import Score
from unmirage.ask.server import Completions
from unmirage.errors import MissingExtraError, UnmirageError

ASKED = [Score(f"number {k}", " blue. red") for k in range(6)]


@pytest.mark.parametrize(
    "fault", ["429", "429 after 0.05", "500", "503", "cut", "not json", "page", "hang", "drip"]
)
def test_what_may_pass_is_tried_again(serve, opened, toy, fault):
    server = serve()
    late = fault in ("hang", "drip")
    model = opened(Completions, server, timeout=1.0 if late else 60.0, concurrency=2)
    assert model.abilities.score
    server.faults.extend(["", fault, fault])
    found = model.score(ASKED)
    assert [one.logprobs for one in found] == [toy.truth(one)[1] for one in ASKED]
    assert model.usage.retries >= 2 if late else model.usage.retries == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", r"the server answers 429: fault 429 for .* \(tried 3 times\)"),
        ("503", r"the server answers 503.*\(tried 3 times\)"),
        ("cut", r"the connection failed: .*\(tried 3 times\)"),
        ("not json", r"the reply is not JSON: .*\(tried 3 times\)"),
        ("hang", r"gave no answer within 1 seconds \(tried 3 times\)"),
    ],
)
def test_after_the_last_try_one_error_says_what_and_what_to_do(serve, opened, fault, message):
    server = serve()
    model = opened(Completions, server, timeout=1.0 if fault == "hang" else 60.0, retries=2)
    assert model.abilities.score
    server.faults.extend([fault] * 3)
    with pytest.raises(UnmirageError, match=message) as caught:
        model.score(ASKED[:1])
    assert caught.value.where == f"toy-1b ({server.url})"
    assert caught.value.hint
    assert caught.value.__cause__ is None
    assert len(server.asked) == 4
    assert str(caught.value).isprintable() or "\x1b" not in str(caught.value)


@pytest.mark.parametrize("fault", ["400", "401", "403", "404", "422", "429 quota", "429 after 9999"])
def test_what_cannot_pass_is_not_tried_again(serve, opened, fault):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    server.faults.append(fault)
    with pytest.raises(UnmirageError, match=f"answers {fault[:3]}"):
        model.score(ASKED[:1])
    assert len(server.asked) == 2


def test_the_first_failure_ends_the_rest(serve, opened):
    server = serve(slow=0.05, lists=False)
    model = opened(Completions, server, concurrency=4)
    assert model.abilities.score
    before = len(server.asked)
    server.faults.extend(["", "", "403"])
    with pytest.raises(UnmirageError, match="403"):
        model.score(ASKED * 10)
    time.sleep(0.15)
    assert len(server.asked) - before <= 8


def test_so_many_at_once_and_not_more(serve, opened):
    server = serve(slow=0.1, lists=False)
    model = opened(Completions, server, concurrency=5)
    model.score(ASKED * 4)
    assert server.most_at_once == 5


def test_requests_keep_to_the_rate(serve, opened):
    server = serve(lists=False)
    model = opened(Completions, server, requests_per_minute=1200)
    began = time.monotonic()
    assert model.abilities.score
    model.score(ASKED)
    # A loaded machine makes it longer, never shorter.
    assert time.monotonic() - began >= (len(server.asked) - 1) * 0.05 - 0.02


def test_a_wait_that_the_server_asks_for_holds_for_all(serve, opened):
    server = serve(lists=False)
    model = opened(Completions, server, concurrency=3)
    assert model.abilities.score
    server.faults.append("429 after 0.3")
    started = time.monotonic()
    model.score(ASKED * 3)
    late = [at - started for at in server.times if at - started > 0.3]
    assert len(late) >= len(ASKED) * 3 - 6


def test_an_interrupt_ends_all_at_once(serve, opened):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    server.faults.extend(["hang"] * 8)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.score(ASKED * 4)
    assert time.monotonic() - started < 3
    timer.join()
    model.close()
    assert not any(thread.name == "unmirage-ask" for thread in threading.enumerate())


def test_works_where_a_loop_runs_already(serve, opened, toy):
    model = opened(Completions, serve())

    async def cell_of_a_notebook():
        return model.score(ASKED)

    assert asyncio.run(cell_of_a_notebook())[0].logprobs == toy.truth(ASKED[0])[1]


class TestKeys:
    def test_from_the_environment_into_the_header_only(self, serve, opened, monkeypatch):
        monkeypatch.setenv("TOY_KEY", "sk-very-secret")
        server = serve(key="sk-very-secret")
        model = opened(Completions, server, key_env="TOY_KEY", retries=0)
        model.score(ASKED)
        assert server.asked[0][1]["authorization"] == "Bearer sk-very-secret"
        server.faults.append("503")
        with pytest.raises(UnmirageError) as caught:
            model.score(ASKED[:1])
        assert "sk-very" not in f"{caught.value}{caught.value!r}{model!r}{vars(model)}"
        assert "Bearer ***" in str(caught.value)

    def test_a_wrong_one(self, serve, opened, monkeypatch):
        monkeypatch.setenv("TOY_KEY", "sk-wrong")
        model = opened(Completions, serve(key="sk-right"), key_env="TOY_KEY")
        with pytest.raises(UnmirageError, match=r"401: Incorrect key Bearer \*\*\*\n.*TOY_KEY is not taken"):
            assert model.abilities

    def test_openais_is_not_sent_to_others_unless_named(self, serve, opened, monkeypatch):
        monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
        server = serve()
        assert opened(Completions, server).abilities.score
        assert server.asked[0][1]["authorization"] == "Bearer none"
        assert opened(Completions, server, key_env="OPENAI_API_KEY").abilities.score
        assert server.asked[1][1]["authorization"] == "Bearer sk-openai"


def test_another_service_and_no_service(serve, opened, entry):
    model = opened(Completions, serve())
    model._model = "other"
    with pytest.raises(UnmirageError, match=r"404: The model `other` does not exist.\n.*/v1/models lists"):
        assert model.abilities
    gone = serve()
    gone.http.server_close()
    with pytest.raises(UnmirageError, match=r"the connection failed.*\(tried 2 times\)\nDoes the server run"):
        assert opened(Completions, gone, retries=1).abilities


def test_without_openai(entry, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"unmirage\[api\]"):
        Completions(entry({"base_url": "http://127.0.0.1:1/v1"}))
