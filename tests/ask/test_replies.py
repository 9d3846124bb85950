"""From replies to tokens: what is found by spelling, what by offsets, and what is an error."""

import math

import pytest

from unmirage.ask.replies import (
    Choice,
    Completion,
    Cut,
    Logprobs,
    echoed,
    generated,
    greedy,
    in_order,
    scored,
)
from unmirage.errors import UnmirageError


def choice(tokens, offsets=None, logprobs=None, tops=None):
    numbers = [None, *[-1.0] * (len(tokens) - 1)] if logprobs is None else logprobs
    return Choice(0, "".join(tokens), Logprobs(list(tokens), numbers, tops, offsets))


def test_parts_of_characters_are_found_by_offset():
    # "é" is two tokens, and neither can be printed.
    found = choice(["a", "\ufffd", "\ufffd", " b"], [0, 1, 1, 2])
    cut = Cut("aé b", 2)
    assert echoed(found, cut, 0, "m") == [0, 1, 1, 2]
    assert scored(found, cut, 0, "m").tokens == (" b",)


@pytest.mark.parametrize("offsets", [None, [0, 1, 2, 3], [0, 2, 1, 2], [1, 1, 1, 2], [0, 1, 1, 9]])
def test_offsets_that_do_not_fit_are_an_error(offsets):
    with pytest.raises(UnmirageError, match="do not spell the prompt"):
        echoed(choice(["a", "\ufffd", "\ufffd", " b"], offsets), Cut("aé b", 2), 0, "m")


def test_a_generated_token_is_cut_though_it_is_empty():
    tokens = ["one", " two", ""]
    assert scored(choice(tokens), Cut("one two", 3), 1, "m").tokens == (" two",)
    # And kept out where the server leaves it out.
    assert scored(choice(tokens[:2]), Cut("one two", 3), 1, "m").tokens == (" two",)


def test_tokens_that_lost_their_spaces_are_an_error():
    with pytest.raises(UnmirageError, match="do not spell"):
        echoed(choice(["one", "two"]), Cut("one two", 3), 0, "m")


@pytest.mark.parametrize("value", [0.5, math.nan])
def test_what_is_no_log_probability(value):
    with pytest.raises(UnmirageError, match="log-probability of the token ' two' is"):
        scored(choice(["one", " two"], logprobs=[None, value]), Cut("one two", 3), 0, "m")


def test_rounding_above_zero_is_zero_and_infinity_stays():
    found = scored(choice(["a", "b", "c"], logprobs=[None, 1e-6, -math.inf]), Cut("abc", 1), 0, "m")
    assert found.logprobs == (0.0, -math.inf)


def test_greedy():
    best = {"a": -0.1, "b": -2.0}
    assert greedy([-0.1, -0.1], [best, best]) is True
    assert greedy([-0.1, -2.0], [best, best]) is False
    assert greedy([-0.1], None) is None
    assert greedy([-0.1, -0.1], [best, None]) is None
    tie = {"a": -0.5, "b": -0.5}
    assert greedy([-0.5], [tie]) is None
    assert greedy([-0.5, -2.0], [tie, best]) is False


def test_outputs_go_by_their_numbers():
    two = Completion(choices=(Choice(1, "b"), Choice(0, "a")))
    assert [one.text for one in in_order(two, 2, "m")] == ["a", "b"]
    for wrong in ((Choice(0, "a"), Choice(0, "b")), (Choice(0, "a"),), (Choice(1, "a"), Choice(2, "b"))):
        with pytest.raises(UnmirageError, match="outputs for 2 prompts"):
            in_order(Completion(choices=wrong), 2, "m")


def test_a_token_of_the_stop_text_is_left_out_and_one_that_holds_its_beginning_cut():
    out = generated("36", "stop", ["3", "6", "\n"], [-0.1, -0.2, -0.3], ["\n"], "m")
    assert (out.text, out.tokens, out.logprobs, out.finish) == ("36", ("3", "6"), (-0.1, -0.2), "stop")
    out = generated("3;\n4", "length", ["3", ";\n", "4"], [-0.1, -0.2, -0.3], ["\n"], "m")
    assert (out.text, out.tokens, out.finish) == ("3;", ("3", ";"), "stop")
    out = generated("\n", "stop", ["\n"], [-0.3], ["\n"], "m")
    assert (out.text, out.tokens) == ("", ())


def test_output_tokens_that_do_not_spell_the_text_are_not_given():
    out = generated("é", "length", ["\ufffd", "\ufffd"], [-1.0, -1.0], [], "m")
    assert (out.text, out.tokens, out.logprobs) == ("é", None, None)
