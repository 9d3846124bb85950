"""Requests and their batches, and what they cost."""

import pytest

from unmirage.ask.family import Model
from unmirage.ask.plan import SEEDS, Settings, cell, load_of, load_of_attempts
from unmirage.ask.requests import Abilities
from unmirage.tasks.item import Item, make_task

OPTIONS = {"skill": 0.5, "delay": 0.0, "batch": 2}
MODEL = Model("a", "m", "mock", "m", n_params=1.0, options=OPTIONS)
SERVER = Model("a", "s", "completions", "s", n_params=1.0, options={"price_in": 2.0, "price_out": 8.0})


def generation(n=3):
    items = [Item(f"q{k}", f"question {k}", str(k), (f" {k}",)) for k in range(n)]
    return make_task("g", "generation", items, stop=("\n",), max_tokens=5, shots=0)


def choice(n=2):
    items = [Item(f"q{k}", f"{k}?", None, (" yes", " no"), ("yes", "no"), 1) for k in range(n)]
    return make_task("c", "choice", items, stop=(), max_tokens=1, shots=0)


def test_a_generation_is_an_output_and_a_score():
    one = cell(MODEL, generation(), Settings(temperature=0.5, epochs=2, seed=3, max_tokens=4))
    assert [(p.item, p.epoch) for p, _ in one.outputs] == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]
    request = one.outputs[4][1]
    assert (request.prompt, request.stop, request.max_tokens) == ("question 1", ("\n",), 4)
    assert (request.temperature, request.seed) == (0.5, 3 * SEEDS + 1)
    assert [(p.item, p.continuation, s.continuation) for p, s in one.scores] == [
        (0, 0, " 0"),
        (1, 0, " 1"),
        (2, 0, " 2"),
    ]
    assert one.requests == 9


def test_a_choice_is_scores_alone():
    one = cell(MODEL, choice(), Settings())
    assert one.outputs == ()
    assert [(p.item, p.continuation) for p, _ in one.scores] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_batches_cover_every_request_once():
    one = cell(MODEL, generation(40), Settings())
    assert one.size == 16
    covered = {"outputs": [], "scores": []}
    for what, part in one.batches:
        covered[what] += getattr(one, what)[part]
    assert covered == {"outputs": list(one.outputs), "scores": list(one.scores)}


def test_what_a_backend_cannot_do_is_left_out():
    mute = Abilities(score=False, token_logprobs=False, seeded=True, why_not="no echo")
    one = cell(SERVER, generation(), Settings(), mute)
    assert one.scores == ()
    assert "no echo" in one.left_out
    assert cell(SERVER, choice(), Settings(), mute).requests == 0
    assert cell(Model("a", "x", "chat", "x"), choice(), Settings()).requests == 0


def test_costs():
    load = load_of(cell(SERVER, generation(), Settings()))
    read = 3 * 3 + 3 * 3  # "question 0" is 3 tokens of four characters, and so is it with its answer
    assert (load.requests, load.tokens_in, load.tokens_out) == (6, read, 15)
    assert load.cost == pytest.approx((2 * read + 8 * 15) / 1e6)
    assert load_of(cell(MODEL, generation(), Settings())).cost is None
    many = load_of_attempts(cell(SERVER, generation(), Settings()), 1000)
    assert (many.requests, many.tokens_in, many.tokens_out) == (1000, 3000, 5000)


@pytest.mark.parametrize("changed", [{"temperature": 0.7}, {"seed": 1}, {"epochs": 3}, {"max_tokens": 9}])
def test_the_key_holds_all_that_decides(changed):
    plain = cell(MODEL, generation(), Settings()).key
    assert plain == cell(MODEL, generation(), Settings()).key
    assert plain != cell(MODEL, generation(), Settings(**changed)).key
    assert plain != cell(MODEL, generation(4), Settings()).key
