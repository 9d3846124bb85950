"""BIG-bench's tasks against the package's own requests (`benchmarks/bigbench_prompts.py` keeps them)."""

import json
from pathlib import Path

import pytest

from unmirage.errors import UnmirageError
from unmirage.tasks import find

FOLDER = Path(__file__).parents[1] / "data" / "bigbench_prompts"
ANSWERS = json.loads((FOLDER / "answers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("asked", ANSWERS, ids=lambda one: f"{one['path']}, {one['shots']} shots")
def test_requests_are_those_of_the_package(asked):
    task = find(str(FOLDER / asked["path"]), items=asked["items"], shots=asked["shots"], seed=asked["seed"])
    assert task.name == asked["name"]
    assert [one.context for one in task.items] == asked["inputs"]
    if task.kind == "choice":
        assert [list(one.continuations) for one in task.items] == asked["scored"]
    assert [task.said(output) for output, _ in asked["answers"]] == [answer for _, answer in asked["answers"]]
    assert task.stop == ()


def test_the_package_was_asked_about_every_task():
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("task.json")} - {"whole/task.json"}
    assert {one["path"] for one in ANSWERS} == files
    assert len(ANSWERS) == 2 * len(files)


def test_targets():
    item = find(str(FOLDER / "many_targets")).items[0]
    assert (item.target, item.others, item.continuations) == ("Paris", ("Town", "Größe"), ("Paris",))
    task = find(str(FOLDER / "several_right"))
    assert [one.others for one in task.items] == [("both right",)] * 5
    assert [one.choices[one.answer] for one in task.items] == ["Paris", "Lima", "Tokyo", "Accra", "Muscat"]
    assert [(note["code"], note["count"]) for note in task.notes] == [("several-right", 5)]


def test_what_is_left_out_is_said():
    task = find(str(FOLDER / "repeated"))
    assert len(task.items) == 5
    assert [(note["code"], note["count"]) for note in task.notes] == [("repeated-examples", 2)]


def test_item_ids_are_those_of_the_file_whatever_is_drawn():
    whole = {one.item_id: one.target for one in find(str(FOLDER / "long")).items}
    few = {one.item_id: one.target for one in find(str(FOLDER / "long"), items=20, shots=3, seed=1).items}
    assert len(few) == 20
    assert few.items() <= whole.items()


def test_an_item_is_never_its_own_example():
    for item in find(str(FOLDER / "long"), shots=30).items:
        *shown, asked = item.context.split("\nQ: ")[1:]
        assert asked not in [one.split(" ")[0] + " + " + one.split(" ")[2] for one in shown]
        assert len({one.split("\n")[0] for one in [*shown, asked]}) == 31


def test_subtasks_together():
    task = find(str(FOLDER / "whole"), items=7)
    assert (task.name, [one.item_id[:4] for one in task.items]) == ("whole", ["far:"] * 3 + ["near"] * 3)
    assert [(note["code"], note["count"]) for note in task.notes] == [("fewer-items", 1)]
    assert len(find(str(FOLDER / "whole")).items) == 10
    with pytest.raises(UnmirageError, match="must be at least 2, one of each subtask"):
        find(str(FOLDER / "whole"), items=1)
    with pytest.raises(UnmirageError, match="11 items are asked for, but whole has 10"):
        find(str(FOLDER / "whole"), items=11)


def test_subtasks_that_are_asked_in_different_ways(tmp_path):
    (tmp_path / "task.json").write_text('{"name": "mixed"}')
    for name, more in (("a", {}), ("b", {"stop_string": "."})):
        (tmp_path / name).mkdir()
        data = {"name": name, "examples": [{"input": "x", "target": "y"}]} | more
        (tmp_path / name / "task.json").write_text(json.dumps(data))
    with pytest.raises(UnmirageError, match="2 different ways") as caught:
        find(str(tmp_path))
    assert "own folder" in caught.value.hint
    assert find(str(tmp_path / "b")).name == "mixed:b"


X = {"input": "x", "target": "y"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{", "cannot be read as JSON"),
        ([], "object in braces"),
        ({"name": "a"}, "neither examples nor subtasks"),
        ({"examples": []}, "not empty"),
        ({"examples": ["x"]}, "must have an input"),
        ({"examples": [{"input": "x"}]}, "a target or target_scores"),
        ({"examples": [{"input": "x", "target": []}]}, "list of texts that is not empty"),
        ({"examples": [{"input": "x", "target": 3}]}, "list of texts"),
        ({"examples": [{"input": "x", "target_scores": {"a": 0, "b": 0}}]}, "no choice has a higher score"),
        ({"examples": [{"input": "x", "target_scores": {"a": "1"}}]}, "must be a number"),
        ({"examples": [X], "preferred_score": "multiple_choice_grade"}, "no target_scores"),
        ({"examples": [X], "output_regex": "("}, "no regular expression"),
        ({"examples": [X], "output_regex": "(a)(b)"}, "more than one group"),
        ({"examples": [X], "task_prefix": 3}, "task_prefix must be a text"),
    ],
)
def test_files_that_cannot_be_used(data, message, tmp_path):
    path = tmp_path / "task.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    with pytest.raises(UnmirageError, match=message) as caught:
        find(str(path))
    assert str(path) in caught.value.where


def test_a_task_in_python_is_refused(tmp_path):
    with pytest.raises(UnmirageError, match="no such file") as caught:
        find(str(tmp_path))
    assert "written in Python" in caught.value.hint


def test_arguments_out_of_range():
    path = str(FOLDER / "long")
    for options, message in (
        ({"items": 61}, "61 items are asked for, but long has 60"),
        ({"shots": 60}, "60 examples are asked for, but long has 59"),
        ({"items": 0}, "must be 1 or more, not 0"),
        ({"shots": -1}, "must be 0 or more, not -1"),
        ({"seed": 2**32}, "must be from 0 to 4294967295"),
        ({"template": "{prompt}"}, "asked as they are"),
    ):
        with pytest.raises(UnmirageError, match=message):
            find(path, **options)
