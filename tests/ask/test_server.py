"""Models behind a server of the suite's own, whose every log-probability is known."""

import pytest

from unmirage.ask.requests import Generate, Score
from unmirage.ask.server import Chat, Completions, lost
from unmirage.errors import UnmirageError

ASKED = [
    Score("What is red", " blue"),
    Score("one two", "."),
    Score("one two", ". red\n"),
    Score("12+34=", "46"),
    Score("a, b;", " green"),
    Score("Who?", " The quick brown fox."),
]


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
    assert [(one.tokens, one.logprobs, one.greedy) for one in found] == [toy.truth(one) for one in asked]
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
    expected = toy.likeliest("one two", 3)
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
        tokens = toy.likeliest(one.prompt, one.max_tokens)
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
    free = toy.likeliest("red", 12)
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


class TestChat:
    def test_outputs_with_their_tokens(self, serve, opened, toy):
        server = serve()
        model = opened(Chat, server)
        assert (model.abilities.score, model.abilities.token_logprobs) == (False, True)
        asked = [Generate(f"say {k} times", max_tokens=3) for k in range(9)]
        for one, output in zip(asked, model.generate(asked), strict=True):
            tokens = toy.likeliest(one.prompt, 3)
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
