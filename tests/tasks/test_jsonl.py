"""Tasks from JSON lines: the fields that are read, the examples that are shown, what is refused."""

import json

import pytest

from unmirage.errors import UnmirageError
from unmirage.tasks import find


@pytest.fixture
def file(tmp_path):
    """Records -> the path of their file."""

    def write(*records: object, name: str = "task.jsonl") -> str:
        path = tmp_path / name
        lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in records]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    return write


SUMS = [{"id": f"s{k}", "question": f"{k}+{k}?", "answer": 2 * k} for k in range(12)]
CHOSEN = [
    {"question": f"Is {k} odd?", "choices": ["yes", "no", "perhaps"], "answer": (k + 1) % 2}
    for k in range(12)
]


def test_a_generation(file):
    task = find(
        file({"prompt": "Hello", "target": " wörld "}, {"input": "2+2=", "targets": ["4", "four", "4 "]})
    )
    first, second = task.items
    assert (task.name, task.kind, task.stop, task.shots) == ("task", "generation", ("\n\n",), 0)
    assert task.max_tokens == len("wörld".encode()) + 8
    assert (first.item_id, first.context, first.target, first.continuations) == (
        "0",
        "Hello",
        "wörld",
        (" wörld",),
    )
    assert (second.item_id, second.target, second.others) == ("1", "4", ("four",))
    assert task.said(" 4\n") == "4"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"choices": ["a b", "c"], "answer": 1}, 1),
        ({"choices": ["a b", "c"], "gold": "c"}, 1),
        ({"options": ["a b", "c"], "answer": "A"}, 0),
        ({"choices": {"text": ["a b", "c"], "label": ["1", "2"]}, "answerKey": "2"}, 1),
        ({"choices": [1, 2.5], "label": 0}, 0),
        ({"choices": ["B", "no"], "answer": "no"}, 1),
    ],
)
def test_ways_to_say_which_choice_is_right(fields, place, file):
    task = find(file({"question": "Which?"} | fields))
    item = task.items[0]
    assert (task.kind, item.answer, item.target) == ("choice", place, item.choices[place])
    assert item.continuations == tuple(f" {one}" for one in item.choices)


def test_what_tells_ids_and_clusters(file):
    task = find(
        file({"doc_id": 7, "prompt": "a", "target": "b", "cluster": "p1"}, {"prompt": "c", "target": "d"})
    )
    assert [(one.item_id, one.cluster) for one in task.items] == [("7", "p1"), ("1", None)]


@pytest.mark.parametrize("records", [SUMS, CHOSEN], ids=["generation", "choice"])
def test_examples_are_others_with_their_answers(records, file):
    path = file(*records)
    task = find(path, shots=4, seed=3)
    answers = {one["question"]: one for one in records}
    for item, record in zip(task.items, records, strict=True):
        *shown, asked = item.context.split("\n\n")
        assert asked == record["question"]
        assert len({*shown, asked}) == 5
        for one in shown:
            question, _, answer = one.partition("? ")
            told = answers[question + "?"]
            right = told["choices"][told["answer"]] if "choices" in told else str(told["answer"])
            assert answer == right
            assert question + "?" != asked
    assert find(path, shots=4, seed=3) == task
    assert find(path, shots=4, seed=4).digest != task.digest
    assert [one.item_id for one in find(path, seed=9).items] == [one.item_id for one in task.items]


def test_a_question_that_is_asked_twice_is_never_its_own_example(file):
    twice = [{"id": f"{k}{part}", "prompt": f"{k}?", "target": str(k)} for k in range(4) for part in "ab"]
    for item in find(file(*twice), shots=6).items:
        *shown, asked = item.context.split("\n\n")
        assert len(shown) == 6
        assert not [one for one in shown if one.startswith(asked)]
    with pytest.raises(UnmirageError, match=r"7 examples are asked for, but .* has 6"):
        find(file(*twice), shots=7)


def test_each_other_record_is_shown_as_often(file):
    path = file(*({"prompt": f"<{k}>", "target": "x"} for k in range(6)))
    shown = [find(path, shots=1, seed=seed).items[0].context[:3] for seed in range(500)]
    # Binomial of 500 and 1/5: 100, standard deviation 9; five of them.
    assert {one: abs(shown.count(one) - 100) < 45 for one in set(shown)} == {
        f"<{k}>": True for k in range(1, 6)
    }


def test_fewer_items_are_drawn_in_the_order_of_the_file(file):
    path = file(*SUMS)
    places = [[int(one.item_id[1:]) for one in find(path, items=5, seed=seed).items] for seed in range(20)]
    assert all(one == sorted(set(one)) and len(one) == 5 for one in places)
    assert len({tuple(one) for one in places}) > 15
    fewer = {one.item_id for one in find(path, items=4, shots=2).items}
    assert fewer < {one.item_id for one in find(path, items=5, shots=2).items}
    with pytest.raises(UnmirageError, match=r"13 items are asked for, but task\.jsonl has 12"):
        find(path, items=13)


def test_held_out_records_are_the_examples(file, tmp_path):
    template = tmp_path / "t.toml"
    template.write_text("held_out = 3\n")
    task = find(file(*SUMS), shots=2, template=template)
    assert [one.item_id for one in task.items] == [f"s{k}" for k in range(9)]
    shown = {one for item in task.items for one in item.context.split("\n\n")[:-1]}
    assert shown == {"9+9? 18", "10+10? 20", "11+11? 22"}
    template.write_text("held_out = 12\n")
    with pytest.raises(UnmirageError, match="leaves none to ask"):
        find(file(*SUMS), template=template)


def test_examples_from_a_file(file, tmp_path):
    file({"prompt": "1+1?", "target": "2"}, {"prompt": "3+3?", "target": "6"}, name="few.jsonl")
    template = tmp_path / "t.toml"
    template.write_text('examples = "few.jsonl"\n')
    task = find(file(*SUMS), shots=1, template=template)
    contexts = {one.item_id: one.context for one in task.items}
    assert contexts["s1"] == "3+3? 6\n\n1+1?"  # never the question itself
    assert {one.split("\n\n")[0] for one in contexts.values()} == {"1+1? 2", "3+3? 6"}
    with pytest.raises(UnmirageError, match="of kind generation, the questions of kind choice"):
        find(file(*CHOSEN), shots=1, template=template)


def test_a_template_names_any_field(file):
    path = file({"premise": "It {rains}.", "n": 3, "target": "wet"})
    task = find(path, template="{premise} ({n}) So: {target}")
    assert task.items[0].context == "It {rains}. (3) So:"
    with pytest.raises(UnmirageError, match=r"field \{other\}, which is not there"):
        find(path, template="{other}")


def test_choices_by_letter(file, tmp_path):
    template = tmp_path / "t.toml"
    template.write_text('prompt = "{prompt}{choices}\\nAnswer:"\ntarget = " {letter}"\n')
    task = find(file(*CHOSEN), shots=1, template=template)
    item = task.items[0]
    question = "Is 0 odd?\nA. yes\nB. no\nC. perhaps\nAnswer:"
    example, asked = item.context.split("\n\n")
    assert asked == question
    assert example.endswith(("\nAnswer: A", "\nAnswer: B"))
    assert item.continuations == (" A", " B", " C")
    assert (item.answer, item.target) == (1, "no")


@pytest.mark.parametrize(
    ("lines", "where", "message"),
    [
        (["{"], "line 1", "not JSON"),
        (["[1]"], "line 1", "object in braces"),
        ([{"target": "x"}], "line 1", "there is no prompt"),
        ([{"prompt": "x", "target": "y"}, "", {"prompt": "x"}], "line 3", "neither a target nor choices"),
        ([{"prompt": "x", "target": "  "}], "line 1", "not empty"),
        ([{"prompt": "x", "target": []}], "line 1", "not empty"),
        ([{"prompt": "x", "target": True}], "line 1", "not empty"),
        ([{"prompt": "x", "choices": ["a", "b"]}], "line 1", "not said which choice"),
        ([{"prompt": "x", "choices": ["a", "b"], "answer": 2}], "line 1", "none of the 2 choices"),
        ([{"prompt": "x", "choices": ["a", "b"], "answer": -1}], "line 1", "none of the 2 choices"),
        ([{"prompt": "x", "choices": ["a", "b"], "answer": True}], "line 1", "none of the 2 choices"),
        ([{"prompt": "x", "choices": ["B", "A"], "answer": "A"}], "line 1", "more than one"),
        ([{"prompt": "x", "choices": ["a", "a"], "answer": 0}], "line 1", "same text twice"),
        ([{"prompt": "x", "choices": ["a"], "answer": 0}], "line 1", "two or more"),
        (
            [{"prompt": "x", "choices": {"text": ["a", "b"], "label": ["1"]}, "answer": "1"}],
            "line 1",
            "must be a list",
        ),
        (
            [{"id": 1, "prompt": "x", "target": "y"}, {"id": "1", "prompt": "z", "target": "y"}],
            "line 2",
            "line 1",
        ),
        (
            [{"prompt": "x", "target": "y"}, {"prompt": "x", "choices": ["a", "b"], "answer": 0}],
            "",
            "has choices",
        ),
        ([""], "", "no record"),
    ],
)
def test_records_that_cannot_be_used(lines, where, message, file):
    path = file(*lines)
    with pytest.raises(UnmirageError, match=message) as caught:
        find(path)
    assert path in caught.value.where
    assert where in caught.value.where


def test_no_such_file():
    with pytest.raises(UnmirageError, match="cannot be read"):
        find("nowhere.jsonl")
