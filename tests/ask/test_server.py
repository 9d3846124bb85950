"""Models behind a server of the suite's own, whose every log-probability is known."""

import asyncio
import os
import signal
import sys
import threading
import time

import pytest

from unmirage.ask.requests import Generate, Score
from unmirage.ask.server import Chat, Completions, lost
from unmirage.errors import MissingExtraError, UnmirageError

ASKED = [
    Score("What is red", " blue"),
    Score("one two", "."),
    Score("one two", ". red\n"),
    Score("12+34=", "46"),
    Score("a, b;", " green"),
    Score("Who?", " The quick brown fox."),
]


@pytest.fixture
def opened(entry):
    """(kind, server, options) -> a backend, closed after the test."""
    made = []

    def make(kind, server, **options):
        made.append(kind(entry({"base_url": server.url, **options})))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def truth(toy, one):
    """(tokens, log-probabilities, greedy) of a continuation, from the pretended model itself."""
    context, tokens = toy.cut(one.context), toy.cut(one.continuation)
    assert toy.cut(one.context + one.continuation) == context + tokens
    before = [context[-1], *tokens[:-1]]
    expected = [toy.logprob(last, token) for last, token in zip(before, tokens, strict=True)]
    return (
        tuple(tokens),
        tuple(expected),
        all(token == toy.best(last) for last, token in zip(before, tokens, strict=True)),
    )


def likeliest(toy, prompt, count):
    tokens = toy.cut(prompt)
    for _ in range(count):
        tokens.append(toy.best(tokens[-1]))
    return tuple(tokens[-count:])


@pytest.mark.parametrize(
    "traits",
    [
        {},
        {"least": 1},
        {"lists": False},
        {"begin": "<s>"},
        {"begin": "<s>", "least": 1, "lists": False},
        {"counts": False},
    ],
    ids=str,
)
def test_scores_are_those_of_the_model(serve, opened, toy, traits):
    server = serve(**traits)
    model = opened(Completions, server, concurrency=3)
    assert model.abilities.score
    assert model.abilities.token_logprobs
    greedy = Score("one two", toy.best(" two"))
    asked = [*ASKED, greedy] * 3
    found = model.score(asked)
    assert [(one.tokens, one.logprobs, one.greedy) for one in found] == [truth(toy, one) for one in asked]
    assert found[6].greedy
    assert not found[3].greedy
    assert [model.score([one])[0] for one in asked[:7]] == found[:7]


def test_one_tiny_request_finds_out_what_an_able_server_can_do(serve, opened):
    server = serve()
    model = opened(Completions, server)
    assert server.asked == []
    assert model.abilities is model.abilities
    assert len(server.asked) == 1
    assert server.asked[0][2]["max_tokens"] == 0
    assert model.usage.requests == 1


@pytest.mark.parametrize(
    ("traits", "named", "why"),
    [
        ({"ignores": ["echo", "logprobs"], "lists": False}, False, "ignores echo and logprobs"),
        ({"ignores": ["echo"]}, True, "ignores echo"),
        ({"ignores": ["logprobs"]}, False, "gave no log-probabilities of the prompt"),
        ({"refuses": ["echo"]}, True, "the server answers 400: echo is not supported"),
        ({"refuses": ["echo"], "status": 500}, True, "the server answers 500: echo is not supported"),
        ({"refuses": ["logprobs"]}, False, "logprobs is not supported"),
        ({"by_number": True}, False, "names tokens by number"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_servers_that_cannot_score_say_why(serve, opened, toy, traits, named, why):
    server = serve(**traits)
    model = opened(Completions, server)
    able = model.abilities
    assert (able.score, able.token_logprobs) == (False, named)
    assert why in able.why_not
    with pytest.raises(UnmirageError, match="cannot be scored"):
        model.score(ASKED[:1])
    (one,) = model.generate([Generate("one two", max_tokens=3)])
    expected = likeliest(toy, "one two", 3)
    assert one.text == "".join(expected)
    assert one.tokens == (expected if named else None)
    lists = any(isinstance(body["prompt"], list) for _, _, body in server.asked[-1:])
    assert not lists


def test_logprobs_false_asks_for_none(serve, opened):
    server = serve()
    model = opened(Completions, server, logprobs=False)
    assert not model.abilities.score
    assert not model.abilities.token_logprobs
    assert "logprobs = false" in model.abilities.why_not
    assert model.generate([Generate("one", max_tokens=2)])[0].logprobs is None
    assert not any("logprobs" in body for _, _, body in server.asked)


def test_outputs_with_their_tokens(serve, opened, toy):
    server = serve()
    model = opened(Completions, server)
    asked = [Generate(f"say {k} times", max_tokens=k % 3 + 1) for k in range(20)]
    found = model.generate(asked)
    for one, output in zip(asked, found, strict=True):
        tokens = likeliest(toy, one.prompt, one.max_tokens)
        before = [toy.cut(one.prompt)[-1], *tokens[:-1]]
        assert output.tokens == tokens
        assert output.text == "".join(tokens)
        assert output.logprobs == tuple(map(toy.logprob, before, tokens))
        assert output.finish == "length"
    assert max(len(body["prompt"]) for _, _, body in server.asked if isinstance(body["prompt"], list)) > 2


@pytest.mark.parametrize("keeps_stop", [False, True])
@pytest.mark.parametrize("kind", [Completions, Chat])
def test_a_stop_text_ends_the_output_and_is_not_in_it(serve, opened, toy, keeps_stop, kind):
    model = opened(kind, serve(keeps_stop=keeps_stop))
    free = likeliest(toy, "red", 12)
    at = next(k for k in range(1, 12) if free[k] not in free[:k])
    stop = free[at].strip(" ") or free[at]
    (one,) = model.generate([Generate("red", stop=(stop,), max_tokens=12)])
    assert one.text == "".join(free).partition(stop)[0]
    assert one.finish == "stop"
    assert "".join(one.tokens) == one.text
    assert len(one.tokens) == len(one.logprobs) == at + free[at].startswith(" ")


def test_samples_bear_their_seeds(serve, opened):
    server = serve()
    model = opened(Completions, server)
    asked = [Generate("red", max_tokens=6, temperature=0.7, seed=seed) for seed in (1, 2, 1, 3)]
    found = model.generate(asked)
    assert found[0] == found[2]
    assert len({one.text for one in found}) == 3
    sent = [body for _, _, body in server.asked[1:]]
    assert {(body["seed"], body["temperature"], body["top_p"]) for body in sent} == {
        (seed, 0.7, 1) for seed in (1, 2, 3)
    }
    assert not model.abilities.seeded


@pytest.mark.parametrize(
    "fault", ["429", "429 after 0.05", "500", "503", "cut", "not json", "page", "hang", "drip"]
)
def test_what_may_pass_is_tried_again(serve, opened, toy, fault):
    server = serve()
    model = opened(Completions, server, timeout=0.5, concurrency=2)
    assert model.abilities.score
    server.faults.extend(["", fault, fault])
    found = model.score(ASKED)
    assert [one.logprobs for one in found] == [truth(toy, one)[1] for one in ASKED]
    assert model.usage.retries == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", r"the server answers 429: fault 429 for .* \(tried 3 times\)"),
        ("503", r"the server answers 503.*\(tried 3 times\)"),
        ("cut", r"the connection failed: .*\(tried 3 times\)"),
        ("not json", r"the reply is not JSON: .*\(tried 3 times\)"),
        ("hang", r"gave no answer within 0.2 seconds \(tried 3 times\)"),
    ],
)
def test_after_the_last_try_one_error_says_what_and_what_to_do(serve, opened, fault, message):
    server = serve()
    model = opened(Completions, server, timeout=0.2, retries=2)
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


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no logprobs", "gave no log-probabilities"),
        ("short", "differ in length: 4 tokens, 3 token_logprobs"),
        ("short tops", "differ in length"),
        ("fewer", "gave 0 outputs for 1 prompts"),
        ("null", "has no log-probability"),
        ("nan", "is nan"),
    ],
)
def test_wrong_replies_are_errors(serve, opened, fault, message):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    server.faults.append(fault)
    with pytest.raises(UnmirageError, match=message):
        model.score(ASKED[:1])
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", ["no logprobs", "short", "fewer", "nan"])
def test_wrong_outputs_are_errors(serve, opened, fault):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    server.faults.append(fault)
    with pytest.raises(UnmirageError):
        model.generate([Generate("one", max_tokens=2)])


def test_ties_and_missing_alternatives_leave_greedy_open(serve, opened, toy):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    assert [one.greedy for one in model.score([Score("one", toy.TIE), Score("one", f"{toy.TIE} 7")])] == [
        None,
        False,
    ]
    server.faults.append("no tops")
    assert model.score(ASKED[:1])[0].greedy is None


def test_outputs_that_a_filter_ended_are_counted(serve, opened):
    server = serve()
    model = opened(Completions, server)
    assert model.abilities.score
    server.faults.append("filtered")
    model.generate([Generate("one", max_tokens=2)])
    assert model.usage.filtered == 1


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
    server = serve(slow=0.03, lists=False)
    model = opened(Completions, server, concurrency=5)
    model.score(ASKED * 4)
    assert server.most_at_once == 5


def test_requests_keep_to_the_rate(serve, opened):
    server = serve(lists=False)
    model = opened(Completions, server, requests_per_minute=1200)
    assert model.abilities.score
    model.score(ASKED)
    gaps = [later - earlier for earlier, later in zip(server.times[-6:], server.times[-5:], strict=False)]
    assert sum(gaps) >= 5 * 0.05 - 0.02


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

    assert asyncio.run(cell_of_a_notebook())[0].logprobs == truth(toy, ASKED[0])[1]


def test_a_token_across_the_boundary_is_an_error_without_a_tokenizer(serve, opened):
    model = opened(Completions, serve())
    with pytest.raises(
        UnmirageError, match=r"'cat' holds the end of the context .* continuation 't'"
    ) as caught:
        model.score([Score("ca", "t")])
    assert "tokenizer" in caught.value.hint


def test_spaces_at_the_end_of_the_context_count_to_the_continuation(serve, opened, toy):
    model = opened(Completions, serve())
    assert model.score([Score("one ", "two")]) == model.score([Score("one", " two")])


def test_a_continuation_without_context(serve, opened, toy):
    model = opened(Completions, serve())
    with pytest.raises(UnmirageError, match="'red' has no log-probability"):
        model.score([Score("", "red")])
    with pytest.raises(UnmirageError, match="has no token"):
        model.score([Score("red", "")])
    begun = opened(Completions, serve(begin="<s>"))
    assert begun.score([Score("", "red")])[0].logprobs == (toy.logprob("<s>", "red"),)


def test_nothing_asked_is_nothing_answered(serve, opened):
    for kind in (Completions, Chat):
        assert opened(kind, serve()).generate([]) == []
    assert opened(Completions, serve()).score([]) == []


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


class TestChat:
    def test_outputs_with_their_tokens(self, serve, opened, toy):
        server = serve()
        model = opened(Chat, server)
        assert (model.abilities.score, model.abilities.token_logprobs) == (False, True)
        asked = [Generate(f"say {k} times", max_tokens=3) for k in range(9)]
        for one, output in zip(asked, model.generate(asked), strict=True):
            tokens = likeliest(toy, one.prompt, 3)
            assert output.tokens == tokens
            assert output.logprobs == tuple(map(toy.logprob, [toy.cut(one.prompt)[-1], *tokens], tokens))
        assert server.asked[1][2]["messages"] == [{"role": "user", "content": asked[0].prompt}]

    def test_without_log_probabilities(self, serve, opened):
        for traits in ({"ignores": ["logprobs"]}, {"refuses": ["logprobs"]}):
            model = opened(Chat, serve(**traits))
            assert not model.abilities.token_logprobs
            assert "none of generated tokens" in model.abilities.why_not
            assert model.generate([Generate("one", max_tokens=2)])[0].logprobs is None

    def test_models_that_count_thoughts(self, serve, opened):
        server = serve(limit="max_completion_tokens", refuses=["max_tokens"])
        model = opened(Chat, server)
        assert model.generate([Generate("one", max_tokens=2)])[0].finish == "length"
        assert server.asked[-1][2]["max_completion_tokens"] == 2

    def test_a_given_text_cannot_be_scored(self, serve, opened):
        model = opened(Chat, serve())
        with pytest.raises(UnmirageError, match="no log-probability of a given text") as caught:
            model.score(ASKED)
        assert {"cross_entropy", "brier_sum", "acc_norm"} <= set(lost())
        assert all(name in caught.value.hint for name in lost())

    def test_silence_is_an_empty_output_and_no_output_an_error(self, serve, opened):
        server = serve()
        model = opened(Chat, server)
        assert model.abilities.token_logprobs
        server.faults.append("silent")
        assert model.generate([Generate("one", max_tokens=2)])[0].text == ""
        server.faults.append("fewer")
        with pytest.raises(UnmirageError, match="0 outputs for one prompt"):
            model.generate([Generate("one", max_tokens=2)])


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
