"""Names of tasks that were run with several numbers of examples in the prompt."""

from unmirage.readers.shots import labels, split_note


def test_a_task_with_one_number_keeps_its_name():
    assert labels({"boolq": {"a": 5, "b": 5}, "piqa": {"a": 0}}) == ({}, [])


def test_a_task_with_several_numbers_gets_each_behind_its_name_and_a_warning():
    suffixes, notes = labels({"boolq": {"a": 0, "b": 5}, "piqa": {"a": 0, "b": 0}, "arc": {1: 1, 2: 2}})
    assert suffixes == {
        ("a", "boolq"): " (0-shot)",
        ("b", "boolq"): " (5-shot)",
        (1, "arc"): " (1-shot)",
        (2, "arc"): " (2-shot)",
    }
    assert [(note["code"], note["count"]) for note in notes] == [("shots-split", 2)]
    assert notes[0]["message"] == "tasks with several shot counts are kept apart: arc, boolq"


def test_no_task_no_warning():
    assert split_note([]) == []
