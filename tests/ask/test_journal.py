"""Answers on disk: every cut of the file leaves whole batches, and other settings another file."""

import json

import pytest

from unmirage.ask.journal import Journal, alone
from unmirage.errors import OutputError

SETTINGS = {"model": "a", "seed": 0}
BATCHES = [[{"text": "1"}], [{"text": "zwei \u2028 \ud83d x"}], [{"text": "3\n"}]]


def written(folder, batches=BATCHES, settings=SETTINGS):
    journal = Journal(folder, "a task", settings)
    journal.open()
    for batch in batches:
        journal.append(batch)
    journal.close()
    return journal


def test_what_was_written_is_read(tmp_path):
    assert list(written(tmp_path).batches()) == BATCHES
    assert list(Journal(tmp_path, "a task", SETTINGS).batches()) == BATCHES


def test_every_cut_leaves_whole_batches_and_goes_on(tmp_path):
    path = written(tmp_path).path
    whole = path.read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        kept = max(sum(end <= cut for end in ends) - 1, 0)
        journal = Journal(tmp_path, "a task", SETTINGS)
        assert list(journal.batches()) == BATCHES[:kept]
        journal.open()
        for batch in BATCHES[kept:]:
            journal.append(batch)
        journal.close()
        assert path.read_bytes() == whole


def test_other_settings_are_another_file(tmp_path):
    first, second = written(tmp_path), written(tmp_path, settings={**SETTINGS, "seed": 1})
    assert first.path != second.path
    assert first.path.parent == second.path.parent
    assert Journal(tmp_path, "a task", {"seed": 0, "model": "a"}).path == first.path  # whatever the order


def test_a_file_of_other_settings_in_the_place_is_refused(tmp_path):
    path = written(tmp_path).path
    path.write_text(json.dumps({"model": "b"}) + "\n")
    with pytest.raises(OutputError, match="other settings"):
        list(Journal(tmp_path, "a task", SETTINGS).batches())


def test_a_broken_line_in_the_middle_is_an_error(tmp_path):
    path = written(tmp_path).path
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = b"{broken\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(OutputError, match="cannot be read as answers"):
        list(Journal(tmp_path, "a task", SETTINGS).batches())


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c:d", "", "x" * 400, "\ud800"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    path = written(tmp_path, settings={"name": "hostile"}).path
    assert path.parent == tmp_path / "answers"
    assert Journal(tmp_path, name, SETTINGS).path.parent == tmp_path / "answers"
    assert len(Journal(tmp_path, name, SETTINGS).path.name.encode(errors="replace")) < 200


def test_one_run_at_a_time(tmp_path):
    with alone(tmp_path), pytest.raises(OutputError, match="another run"), alone(tmp_path):
        raise AssertionError("entered twice")
    with alone(tmp_path):
        pass


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), alone(tmp_path / "file"):
        raise AssertionError("entered")
