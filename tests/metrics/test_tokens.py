"""Which rows are cut into tokens, and how."""

from __future__ import annotations

import polars as pl
import pytest

from unmirage.errors import SettingsError
from unmirage.metrics import tokenise


def cut(frame, rule=None):
    return tokenise(frame, rule).select("target_tokens", "output_tokens").rows()


def test_numbers_are_cut_into_characters_and_text_into_words(rows):
    sums = rows(
        "generation", [{"target": " 85", "output": "8 "}, {"target": "-1,234.5", "output": ""}], task="sums"
    )
    text = rows(
        "generation", [{"target": "85", "output": "85"}, {"target": "a  cat", "output": "a\ncat"}], task="x"
    )
    assert cut(pl.concat([sums, text])) == [
        ([" ", "8", "5"], ["8", " "]),
        (list("-1,234.5"), []),
        (["85"], ["85"]),
        (["a", "cat"], ["a", "cat"]),
    ]


def test_rules_can_be_given_for_all_or_one_task(rows):
    frame = pl.concat(
        [rows("generation", [{"target": "12 3", "output": "é\n"}], task=task) for task in ("one", "two")]
    )
    characters, words = (list("12 3"), ["é", "\n"]), (["12", "3"], ["é"])
    assert cut(frame, "characters") == [characters, characters]
    assert cut(frame, {"two": "characters"}) == [words, characters]
    assert cut(frame) == [words, words]


def test_two_logged_lists_stay(rows):
    frame = rows(
        "generation", [{"target": "85", "output": "8", "target_tokens": ["85"], "output_tokens": ["x"]}]
    )
    assert cut(frame) == [(["85"], ["x"])]


def test_a_lone_logged_list_gives_way_so_that_both_are_cut_alike(rows):
    cells = [
        {"target": "85", "output": "86", "output_tokens": ["86"]},
        {"target": "85", "output": "86", "target_tokens": ["85"]},
    ]
    assert cut(rows("generation", cells)) == [(["8", "5"], ["8", "6"])] * 2


def test_target_tokens_with_log_probabilities_are_kept(rows):
    cells = [
        {"target": "85", "output": "86", "target_tokens": ["85"], "target_logprobs": [-1.0]},
        {"target": "85", "output": "86", "target_tokens": ["8", "5"], "target_logprobs": [-1.0, -1.0]},
    ]
    assert cut(rows("generation", cells)) == [(["85"], None), (["8", "5"], ["8", "6"])]


def test_a_target_without_output_is_not_cut(rows):
    assert cut(rows("likelihood", [{"target": "5", "target_logprobs": [-2.0]}])) == [(None, None)]


def test_other_columns_stay(rows):
    frame = rows("generation", [{"target": "5", "output": "5"}])
    drop = ["target_tokens", "output_tokens"]
    assert tokenise(frame).columns == frame.columns
    assert tokenise(frame).drop(drop).equals(frame.drop(drop))
    assert tokenise(tokenise(frame)).equals(tokenise(frame))


def test_unknown_rules_and_tasks_are_refused(rows):
    frame = rows("generation", [{"target": "5", "output": "5"}], task="sums")
    with pytest.raises(SettingsError, match="unknown tokenisation 'bpe'"):
        tokenise(frame, "bpe")
    with pytest.raises(SettingsError, match="no task 'sum'"):
        tokenise(frame, {"sum": "words"})
