"""Which choice is right, in each of the ways in which the harness logs it."""

from __future__ import annotations

import polars as pl
import pytest

N = 8


def likelihoods(i, n=4):
    """Choice (i * 3) mod n is the likeliest; others less so, all different."""
    return [-0.5 if j == i * 3 % n else -2.0 - j for j in range(n)]


def task(logs, target, doc, *, choices=None, metrics=None, requests=None, gold=lambda i: i % 4):
    """`target`, `doc`, ... are functions of the record's number; acc is what the harness would record."""
    records = []
    for i in range(N):
        texts = choices(i) if choices else [f"choice {j} of {i}" for j in range(4)]
        lls = likelihoods(i, len(texts))
        accuracy = float(lls.index(max(lls)) == gold(i))
        asked = requests(i, texts) if requests else [[f"q{i}", f" {text}"] for text in texts]
        pairs = [[ll, False] for ll in lls]
        scored = {"acc": accuracy} if metrics is None else metrics(i, accuracy)
        records.append(
            logs.Record(i, {"id": i, **doc(i)}, target(i), asked, [[p] for p in pairs], pairs, scored)
        )
    return logs.Task("t", {"output_type": "multiple_choice"}, {"none": records}, {"acc,none": 0.5})


def answers(logs, load_all, tmp_path, one, layout="0.4.10"):
    logs.run(tmp_path, layout, {"pretrained": "a/m"}, [one])
    found = load_all(tmp_path)
    return found, found.responses[0]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.3", "0.4.10"])
@pytest.mark.parametrize(
    ("target", "doc", "said"),
    [
        (lambda i: i % 4, lambda i: {}, None),
        (lambda i: f"choice {i % 4} of {i}", lambda i: {}, "target as text"),
        (lambda i: "ABCD"[i % 4], lambda i: {}, "target as letter"),
        (lambda i: f"({'abcd'[i % 4]})", lambda i: {}, "target as letter"),
        (lambda i: "no help", lambda i: {"label": i % 4}, "doc.label as index"),
        (lambda i: "no help", lambda i: {"answer": str(i % 4 + 1)}, "doc.answer as index from 1"),
        (lambda i: "no help", lambda i: {"answerKey": "ABCD"[i % 4]}, "doc.answerKey as letter"),
        (lambda i: "no help", lambda i: {"gold": f"choice {i % 4} of {i}"}, "doc.gold as text"),
    ],
)  # fmt: skip
def test_every_way_to_say_it(logs, load_all, tmp_path, target, doc, said, layout):
    found, rows = answers(logs, load_all, tmp_path, task(logs, target, doc), layout)
    assert rows["answer"].to_list() == [i % 4 for i in range(N)]
    messages = [note["message"] for note in found.warnings if note["code"] == "answer-found"]
    assert messages == ([] if said is None else [f"the right choice is read from {said}"])


def test_several_right_choices(logs, load_all, codes, tmp_path):
    gold = [[0, 2] if i % 2 else [3] for i in range(N)]

    def accuracy(i, _):
        return {"acc": float((i * 3 % 4) in gold[i])}

    one = task(logs, lambda i: gold[i], lambda i: {}, metrics=accuracy)
    found, rows = answers(logs, load_all, tmp_path, one)
    for i, (answer, lls) in enumerate(rows.select("answer", "choice_logprobs").iter_rows()):
        assert answer == max(gold[i], key=lambda j: lls[j])
    assert codes(found) == ["several-answers"]
    assert [note["count"] for note in found.warnings] == [N // 2]


@pytest.mark.parametrize("as_text", [False, True])
def test_choices_that_are_numbers_are_told_by_the_recorded_accuracy(logs, load_all, tmp_path, as_text):
    """Choices 1, 2, 3, 0: the target "2" is the index 2 or the text "2", which is at index 1."""
    texts = ["1", "2", "3", "0"]
    gold = (lambda i: texts.index(str(i % 4))) if as_text else (lambda i: i % 4)
    one = task(logs, lambda i: str(i % 4), lambda i: {}, choices=lambda i: texts, gold=gold)
    _, rows = answers(logs, load_all, tmp_path, one)
    assert rows["answer"].to_list() == [gold(i) for i in range(N)]


@pytest.mark.parametrize("name", ["brier_score", "f1", "mcc", "likelihood"])
def test_choices_that_are_numbers_are_told_by_a_recorded_index(logs, load_all, codes, tmp_path, name):
    texts = ["1", "2", "3", "0"]
    gold = [texts.index(str(i % 4)) for i in range(N)]
    one = task(
        logs, lambda i: str(i % 4), lambda i: {}, choices=lambda i: texts,
        metrics=lambda i, _: {name: [gold[i], "[0.1 0.2 0.3 0.4]"]},
    )  # fmt: skip
    found, rows = answers(logs, load_all, tmp_path, one)
    assert rows["answer"].to_list() == gold
    assert codes(found) == ["answer-found"]


def test_choices_that_are_numbers_are_told_by_acc_norm_where_acc_is_not_recorded(logs, load_all, tmp_path):
    texts = ["1", "2", "3", "0"]
    gold = [texts.index(str(i % 4)) for i in range(N)]
    one = task(
        logs, lambda i: str(i % 4), lambda i: {}, choices=lambda i: texts,
        metrics=lambda i, _: {"acc_norm": float(i * 3 % 4 == gold[i])},
    )  # fmt: skip
    _, rows = answers(logs, load_all, tmp_path, one)
    assert rows["answer"].to_list() == gold


def test_what_nothing_can_tell_is_said(logs, load_all, codes, tmp_path):
    texts = ["1", "2", "3", "0"]
    one = task(logs, lambda i: str(i % 4), lambda i: {}, choices=lambda i: texts, metrics=lambda i, _: {})
    found, rows = answers(logs, load_all, tmp_path, one)
    assert "answer-unchecked" in codes(found)
    assert rows["answer"].to_list() == [i % 4 for i in range(N)]


def test_winogrande_style_inputs(logs, load_all, tmp_path):
    """Contexts differ and share a continuation: acc_norm divides by what is not in the log."""
    import unmirage

    one = task(
        logs, lambda i: "was late.", lambda i: {"answer": str(i % 2 + 1)},
        choices=lambda i: [f"Ann {i}", f"Bob {i}"], gold=lambda i: i % 2,
        requests=lambda i, texts: [[text, " was late."] for text in texts],
    )  # fmt: skip
    _, rows = answers(logs, load_all, tmp_path, one)
    assert rows["answer"].to_list() == [i % 2 for i in range(N)]
    assert rows["choice_lengths"].null_count() == N
    scored = unmirage.metrics.score(rows)
    assert "multiple_choice_grade" in scored.scores["metric"].unique()
    assert "acc_norm" not in scored.scores["metric"].unique()
    assert "acc_norm" in scored.skipped["metric"].to_list()


def test_two_choices_follow_from_the_recorded_accuracy_alone(logs, load_all, tmp_path):
    one = task(
        logs, lambda i: "was late.", lambda i: {}, choices=lambda i: [f"Ann {i}", f"Bob {i}"],
        gold=lambda i: i % 2, requests=lambda i, texts: [[text, " was late."] for text in texts],
    )  # fmt: skip
    _, rows = answers(logs, load_all, tmp_path, one)
    assert rows["answer"].to_list() == [i % 2 for i in range(N)]


def test_where_no_reading_holds_the_recorded_scores_are_kept(logs, load_all, codes, tmp_path):
    one = task(logs, lambda i: "no help", lambda i: {})
    found, rows = answers(logs, load_all, tmp_path, one)
    assert codes(found) == ["unknown-answer"]
    assert rows["kind"].unique().to_list() == ["score"]
    assert [r[0]["value"] for r in rows["recorded"].to_list()] == [
        float(i * 3 % 4 == i % 4) for i in range(N)
    ]


def test_a_reading_that_contradicts_the_recorded_accuracy_is_not_used(logs, load_all, codes, tmp_path):
    one = task(logs, lambda i: i % 4, lambda i: {}, metrics=lambda i, acc: {"acc": 1.0 - acc})
    found, rows = answers(logs, load_all, tmp_path, one)
    assert codes(found) == ["unknown-answer"]
    assert rows["kind"].unique().to_list() == ["score"]


def test_a_few_records_without_a_right_choice_are_left_out(logs, load_all, codes, tmp_path):
    """The harness scores them 0 ("gold index error"); 1 of 40 here."""
    one = logs.choice(3, 40)
    record = one.filters["none"][7]
    record.target, record.metrics = -100, {"acc": 0.0, "acc_norm": 0.0}
    record.doc["label"] = None
    found, rows = answers(logs, load_all, tmp_path, one)
    assert codes(found) == ["no-answer"]
    assert rows.height == 39
    assert rows["answer"].to_list() == [i % 4 for i in range(40) if i != 7]


def test_mutual_information_doubles_the_requests(logs, load_all, tmp_path):
    one = task(
        logs, lambda i: i % 4, lambda i: {}, metrics=lambda i, acc: {"acc": acc, "acc_mutual_info": 1.0}
    )
    for record in one.filters["none"]:
        record.requests += [["", request[1]] for request in record.requests]
        record.filtered += [[-7.5, False]] * 4
        record.resps += [[[-7.5, False]]] * 4
    _, rows = answers(logs, load_all, tmp_path, one)
    assert rows["choice_logprobs"].to_list() == [likelihoods(i) for i in range(N)]
    assert rows["choice_lengths"].list.len().unique().to_list() == [4]
    assert rows.select(pl.col("recorded").list.len()).to_series().unique().to_list() == [2]
