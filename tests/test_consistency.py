"""Logs that contradict themselves or each other: each rule on its own, with a case on either side of it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unmirage import tables
from unmirage.consistency import ASKED, Setup, check_setups, contradicted, impossible
from unmirage.row_checks import check_rows

# What the selection of models says that is no fault of the logs.
NO_DEFECTS = {"checkpoints-left-out", "near-scales", "replicates", "sizes-apart", "zero-scale"}


def responses(rows):
    """Rows with the columns that are given, in the schema."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return tables.check_responses(frame.with_columns(n_params=pl.lit(1.0)), where="test")[0]


def codes(notes):
    return [note["code"] for note in notes]


def likelihood(model, values, **more):
    return [
        {"family": "f", "model": model, "task": "t", "item_id": f"i{i}", "kind": "likelihood",
         "target": f"x{i}", "target_logprobs": [value], **more}
        for i, value in enumerate(values)
    ]  # fmt: skip


def choices(model, counts, answers=None, task="t"):
    right = answers or [0] * len(counts)
    return [
        {"family": "f", "model": model, "task": task, "item_id": f"i{i}", "kind": "choice",
         "choice_logprobs": [-1.0 - j - i / 7 for j in range(n)], "answer": right[i]}
        for i, n in enumerate(counts)
    ]  # fmt: skip


def test_a_greedy_text_below_every_vocabulary_is_impossible():
    bound = -math.log(2**19)
    some = np.array([bound - 0.1, bound + 0.1, 2 * bound + 0.1, bound - 0.1, -np.inf])
    loglik = np.concatenate([some, np.full(300, -0.1)])
    size = np.array([1, 1, 2, 1, 1] + [1] * 300)
    greedy = np.array([True, True, True, False, True] + [True] * 300)
    assert np.flatnonzero(impossible(loglik, greedy, size)).tolist() == [0, 4]


def test_seldom_greedy_texts_are_named_when_they_are_too_many():
    """Of 200 texts the binomial with rate 1/256 has 0.8 below it; 8 have a chance of 1e-6 (by summing)."""
    n, rate = 200, 1 / 256

    def tail(k):
        return 1 - sum(math.comb(n, j) * rate**j * (1 - rate) ** (n - j) for j in range(k))

    needed = next(k for k in range(n) if tail(k) < 1e-6)
    for k in (needed - 1, needed):
        loglik = np.full(n, -1.0)
        loglik[:k] = -6.0
        found = impossible(loglik, np.ones(n, bool), np.ones(n, int))
        assert found.sum() == (k if k == needed else 0)


def test_a_calibrated_model_is_not_accused():
    """Targets drawn from the model itself, over 50,000 tokens with flat and with peaked chances."""
    random = np.random.default_rng(0)
    for sharpness in (0.1, 1.0, 3.0):
        logits = random.normal(size=(500, 5000)) * sharpness
        logp = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        drawn = np.array([random.choice(5000, p=np.exp(row)) for row in logp])
        picked = logp[np.arange(500), drawn]
        assert not impossible(picked, drawn == logp.argmax(axis=1), np.ones(500, int)).any()


def test_the_end_of_a_text_is_at_least_as_likely_as_more_of_it():
    texts = np.array([7, 7, 7, 8, 8, 9])
    scored = np.array([1, 2, 3, 1, 1, 1])
    loglik = np.array([-9.0, -1.0, -8.0, -0.5, -4.0, -99.0])
    # The first holds less than the second and is less likely; of two equal requests the less likely is named.
    assert contradicted(texts, scored, loglik).tolist() == [True, False, False, False, True, False]
    assert not contradicted(texts, scored, np.array([-3.0, -1.0, -8.0, -0.5, -1.0, -99.0])).any()


def test_the_same_log_probabilities_are_one_model():
    values = [-1.0 - i / 10 for i in range(12)]
    twice = likelihood("a", values) + likelihood("b", values) + likelihood("c", [v - 1e-9 for v in values])
    (note,) = check_rows(responses(twice), None, [])
    assert note["code"] == "identical-models"
    assert str(note["message"]).startswith("a, b have the same log-probabilities to the last digit")
    few = likelihood("a", values[:9]) + likelihood("b", values[:9])
    constant = likelihood("a", [0.0] * 20) + likelihood("b", [0.0] * 20)
    for rows in (few, constant):
        assert check_rows(responses(rows), None, []) == []


def test_items_that_are_others_for_some_models():
    rows = likelihood("a", [-1.0, -2.0]) + likelihood("b", [-1.5, -2.5], target="other")
    (note,) = check_rows(responses(rows), None, [])
    assert (note["code"], note["count"], note["where"]) == ("different-targets", 2, "f / t")
    assert check_rows(responses(rows), None, [Setup("f", "a", "t", nearest=True)]) == []
    answers = choices("a", [4, 4], [0, 1]) + choices("b", [4, 4], [0, 2])
    assert codes(check_rows(responses(answers), None, [])) == ["different-answers"]
    counts = choices("a", [4, 4]) + choices("b", [4, 3])
    assert codes(check_rows(responses(counts), None, [])) == ["different-choices", "choice-counts"]


def test_numbers_of_choices_that_vary_are_said_once():
    rows = choices("a", [3, 4, 5]) + choices("a", [2, 2], task="u") + choices("a", [2, 3], task="v")
    (note,) = check_rows(responses(rows), None, [])
    assert (note["code"], note["count"]) == ("choice-counts", 2)
    assert "t (3 to 5), v (2 to 3)" in str(note["message"])


def test_scores_without_items_beside_items():
    results = pl.DataFrame(
        {"family": "f", "model": "a", "task": ["t", "u", "w"], "metric": "m", "value": 0.5}
    )
    results, _ = tables.check_results(results, where="test")
    (note,) = check_rows(responses(likelihood("a", [-1.0])), results, [])
    assert (note["code"], note["count"]) == ("results-without-items", 2)
    assert "u, w" in str(note["message"])
    assert check_rows(None, results, []) == []


def asked(model, *prompts, **settings):
    frame = pl.DataFrame({"item_id": [f"i{i}" for i in range(len(prompts))], "prompt": prompts}, schema=ASKED)
    return Setup("f", model, "t", settings, frame if prompts else None)


def test_prompts_that_differ_name_the_odd_model():
    notes = check_setups([asked("a", 1, 2, 3), asked("b", 1, 2, 3), asked("c", 1, 9, 9)])
    (note,) = notes
    assert (note["code"], note["count"]) == ("different-prompts", 2)
    assert "2 of 3 items were put to c in another prompt" in str(note["message"])
    assert check_setups([asked("a", 1, 2), asked("b", 1, 2, 3)]) == []  # fewer items, the same prompts


def test_settings_that_differ_are_one_warning_a_setting():
    one = [asked("a", template="x", version="1"), asked("b", template=None, version="1")]
    assert check_setups(one) == []  # one log does not say
    (note,) = check_setups([*one, asked("c", template="y" * 50, version="1")])
    assert note["code"] == "different-settings"
    assert f"template is x for a, {'y' * 40}... for c (tasks: t)" in str(note["message"])


@pytest.mark.parametrize("other", ["g", "f"])
def test_families_are_not_compared_with_each_other(other):
    setups = [Setup("f", "a", "t", {"x": "1"}), Setup(other, "b", "t", {"x": "2"})]
    assert codes(check_setups(setups)) == (["different-settings"] if other == "f" else [])


def test_every_rule_is_in_the_documentation():
    root = Path(__file__).parents[1]
    text = (root / "docs" / "checks.md").read_text()
    source = root / "src" / "unmirage"
    for path in (source / "consistency.py", source / "readers" / "lm_eval_checks.py", source / "scales.py"):
        codes = set(re.findall(r'warning\(\s*"([a-z-]+)"', path.read_text()))
        assert codes
        for code in codes - {
            "checkpoints-left-out",
            "near-scales",
            "replicates",
            "sizes-apart",
            "zero-scale",
        }:
            assert f"`{code}`" in text, code
    everywhere = "".join(path.read_text() for path in source.rglob("*.py"))
    for code in re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \|", text, re.MULTILINE):
        for one in re.findall(r"[a-z-]+", code):
            assert f'"{one}"' in everywhere, one
