"""What holds for tasks from everywhere: the same bytes, digests, templates, names before folders."""

import os
import subprocess
import sys

import pytest

from unmirage.errors import UnmirageError
from unmirage.tasks import find

NAMES = ("two_digit_addition", "five_digit_subtraction", "mid_word_1_anagrams", "sort_5", "parity_8")


def test_another_process_makes_the_same_bytes():
    code = (
        "import unmirage.tasks as t, sys\n"
        f"print(*[t.find(name, items=50, shots=3, seed=7).digest for name in {NAMES!r}])\n"
        "print(*[m for m in ('torch', 'altair', 'scipy.stats', 'transformers') if m in sys.modules])\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    digests, heavy = done.stdout.split("\n")[:2]
    assert digests.split() == [find(name, items=50, shots=3, seed=7).digest for name in NAMES]
    assert heavy == ""


def test_a_digest_is_of_all_that_decides_the_requests():
    made = [
        find("copy_8", items=9),
        find("copy_8", items=10),
        find("copy_8", items=9, shots=1),
        find("copy_8", items=9, seed=1),
        find("copy_8", items=9, template="{prompt}\n{target}"),
        find("copy_9", items=9),
    ]
    assert len({one.digest for one in made}) == len(made)
    assert all(len(one.digest) == 64 for one in made)
    assert find("copy_8", items=9) == made[0]


def test_a_template_for_a_task_that_is_made_here(tmp_path):
    task = find("two_digit_addition", items=5, shots=1, template="{prompt} It is {target}")
    first = task.items[0]
    assert first.context.count(" It is") == 2
    assert first.context.count("\n\n") == 1
    assert first.continuations == (f" {first.target}",)
    assert [one.item_id for one in task.items] == [
        one.item_id for one in find("two_digit_addition", items=5).items
    ]
    (tmp_path / "t.toml").write_text('prompt = "{prompt}"\nmax_tokens = 3\nstop = ["."]\nseparator = "; "\n')
    task = find("copy_4", items=5, shots=1, template=tmp_path / "t.toml")
    assert (task.max_tokens, task.stop) == (3, (".",))
    assert task.items[0].context.count("; ") == 1
    (tmp_path / "t.toml").write_text("held_out = 3\n")
    with pytest.raises(UnmirageError, match="makes its own examples"):
        find("copy_4", items=5, template=tmp_path / "t.toml")


def test_a_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "copy_4").mkdir()
    assert find("copy_4", items=2).name == "copy_4"


def test_a_file_that_is_no_task(tmp_path):
    path = tmp_path / "task.csv"
    path.write_text("a,b\n")
    with pytest.raises(UnmirageError, match="no task that can be read"):
        find(str(path))


def test_too_many_examples_for_a_small_task():
    with pytest.raises(UnmirageError, match="40 examples are asked for, but modular_addition_5 has 23"):
        find("modular_addition_5", items=3, shots=40)
    assert len(find("modular_addition_5", items=25, shots=20).items) == 25
