"""Choices of HELM runs, each a request of its own or letters."""

from __future__ import annotations

import pytest

ORIGINAL, CALIBRATED = "multiple_choice_separate_original", "multiple_choice_separate_calibrated"


def test_separate_choices(write, tmp_path, load_all, helm):
    states = helm.choices(1, ("ab", -1.0), ("abc", -0.5), right=(1,)) + helm.choices(
        2, ("x", -1.0), ("y", -0.5)
    )
    records = [helm.record(1, exact_match=1, predicted_index=1, logprob=-9), helm.record(2, exact_match=0)]
    write(states, records, method=ORIGINAL)
    found = load_all(tmp_path)
    names = ("item_id", "kind", "choice_logprobs", "choice_lengths", "length_unit", "answer")
    assert helm.rows(found, *names) == [
        ("id1", "choice", [-2.0, -1.5], [2, 3], "tokens", 1),
        ("id2", "choice", [-1.0, -0.5], [1, 1], "tokens", 0),
    ]
    assert [helm.scores_of(row) for row in found.responses[0]["recorded"].to_list()] == [
        {"acc_norm": 1.0},
        {"acc_norm": 0.0},
    ]
    assert found.results[0]["metric"].to_list() == ["acc_norm"]


def test_the_score_of_separate_choices_is_that_of_helm(write, tmp_path, sizes, helm):
    """HELM's formula, on another mean than the sum: the best log-probability a token, ties shared."""
    states, records = [], []
    for i in range(12):
        lengths = [1 + (i + j) % 4 for j in range(3)]
        each = [-((i * 5 + j * 3) % 7 + 1) / 4 for j in range(3)]
        pairs = [("abcd"[:n], p) for n, p in zip(lengths, each, strict=True)]
        states += helm.choices(i, *pairs, right=(i % 3,))
        best = [j for j in range(3) if each[j] == max(each)]
        records.append(helm.record(i, exact_match=(i % 3 in best) / len(best)))
    write(states, records, method=ORIGINAL)
    a, found = helm.compared(tmp_path / "runs", sizes)
    for level, n in (("item", 12), ("aggregate", 1)):
        assert (found["acc_norm", level]["equal"], found["acc_norm", level]["n"]) == (n, n)
    assert "multiple_choice_grade" in a.curves["metric"].to_list()


def test_calibrated_choices_are_read_without_the_calibration(write, tmp_path, load_all, helm):
    states = helm.choices(1, ("a", -1.0), ("b", -2.0))
    states += helm.choices(1, ("a", -0.1), ("b", -0.1), request_mode="calibration")
    write(states, [helm.record(1, exact_match=1)], method=CALIBRATED)
    found = load_all(tmp_path)
    assert helm.rows(found, "choice_logprobs") == [([-1.0, -2.0],)]
    assert found.results[0]["metric"].to_list() == ["accuracy (calibrated)"]


@pytest.mark.parametrize(
    ("prompt", "tokens", "adapter", "expected"),
    [
        ("Q: x\nA: 42", [("Q: x\nA:", -1), (" 42", -2)], {}, (-2.0, 1)),
        ("Q: x\nA: 42", [("<s>", 0), ("Q:", 0), ("x", -1), ("A:", -1), ("4", -2), ("2", -3)], {}, (-5.0, 2)),
        ("Q: x\nA: 42\n", [("Q: x\nA:", -1), (" 42", -2), ("\n", -8)], {"output_suffix": "\n"}, (-2.0, 1)),
        ("A42 ##", [("A", -1), ("42", -2), (" ", -4), ("##", -8)], {"output_suffix": " ##"}, (-2.0, 1)),
        ("A42.#", [("A", -1), ("42.", -2), ("#", -8)], {"global_suffix": ".#"}, (-2.0, 1)),
        ("A 42", [("A ", -1), (" ", -4), ("4", -2), ("2", -2)], {}, (-4.0, 2)),
        ("x=42", [("x", -1), ("=4", -2), ("2", -3)], {}, (-5.0, 2)),
        ("x=42", [("x=", -1), ("bytes:\\x34", -2), ("2", -3)], {}, (-5.0, 2)),
        ("x=42", [("x=", -1), ("\ufffd", -2), ("2", -3)], {}, None),
        ("x=4", [("x=", -1), ("4", -2)], {}, None),
        ("x=42", [("2", -2)], {}, None),
    ],
)
def test_a_choice_is_cut_out_by_its_characters(
    write, tmp_path, load_all, prompt, tokens, adapter, expected, helm
):
    one = helm.instance(1, "42", "42")
    states = [
        helm.state(one, prompt, tokens=tokens, prompt=prompt, reference_index=j, request_mode="original")
        for j in range(2)
    ]
    write(states, [helm.record(1, exact_match=1)], method=ORIGINAL, **adapter)
    found = load_all(tmp_path)
    if expected is None:
        assert helm.codes(found) == {"uncut-choices": 1}
        assert helm.rows(found, "kind") == [("score",)]
    else:
        logprob, length = expected
        assert helm.rows(found, "choice_logprobs", "choice_lengths") == [([logprob] * 2, [length] * 2)]


def test_choices_that_cannot_be_used_are_counted(write, tmp_path, load_all, helm):
    states = [
        *helm.choices(1, ("a", -1.0), ("b", -2.0), ("c", -0.5), right=(0, 1)),
        *helm.choices(2, ("a", -1.0), ("b", -2.0), right=()),
        *helm.choices(3, ("a", -1.0), ("b", -2.0))[:1],
        *helm.choices(4, ("a", -1.0)),
    ]
    states += [{**one, "result": None} for one in helm.choices(5, ("a", -1.0), ("b", -2.0))]
    write(states, [helm.record(i, exact_match=0) for i in range(1, 6)], method=ORIGINAL)
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "answer") == [("id1", 0)]
    assert helm.codes(found) == {"several-answers": 1, "no-answer": 2, "no-output": 2}


def test_log_probabilities_that_are_all_zero_are_not_used(write, tmp_path, load_all, helm):
    states = helm.choices(1, ("a", -1.0), ("b", -2.0)) + helm.choices(2, ("a", 0.0), ("b", 0.0))
    write(states, [helm.record(1, exact_match=1), helm.record(2, exact_match=0.5)], method=ORIGINAL)
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "kind", "choice_logprobs") == [
        ("id1", "score", None),
        ("id2", "score", None),
    ]
    (note,) = found.warnings
    assert (note["code"], note["count"]) == ("zero-logprobs", 1)
    assert "log-probabilities that are 0 for every choice, which cannot be" in note["message"]


def test_choices_by_letter_have_the_scores_of_helm(write, tmp_path, load_all, sizes, helm):
    states = [helm.state(helm.instance(i, "cat", "dog"), "A", output_mapping={"A": "cat"}) for i in range(3)]
    records = [helm.record(i, exact_match=i % 2, quasi_exact_match=i % 2) for i in range(3)]
    write(states, records, method="multiple_choice_joint")
    found = load_all(tmp_path)
    assert helm.rows(found, "item_id", "kind", "output") == [(f"id{i}", "score", None) for i in range(3)]
    assert helm.codes(found) == {"letter-choices": 1}
    a, _ = helm.compared(tmp_path / "runs", sizes)
    grade = a.curves.filter(metric="multiple_choice_grade")
    assert grade.select("n", "mean").rows() == [(3, pytest.approx(1 / 3))]
