"""What the families that are trained here share: where models are trained, and what is joined."""

import pytest

from unmirage.engine import engine, say
from unmirage.errors import OutputError, SettingsError
from unmirage.result import silent
from unmirage.train.family import check, common_rules, join, train_models

pytest.importorskip("torch", reason="the extra `models` is not installed")


class Elsewhere:
    """An engine that is not of this machine."""

    jobs = 2


def write(key, word, folder, device, report):
    """Stands for a training: three steps, then the file that says it is done."""
    for step in range(1, 4):
        report(step)
    folder.mkdir(parents=True)
    (folder / "responses.parquet").write_text(f"{word} {key} {device} {folder.is_absolute()}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_steps_and_models_are_told(tmp_path, monkeypatch, jobs):
    monkeypatch.chdir(tmp_path)
    told = []
    folders = {key: tmp_path.relative_to(tmp_path) / key for key in "ab"}
    train_models(
        write,
        ("hello",),
        folders,
        "cpu",
        steps=3,
        engine=engine(jobs=jobs),
        progress=lambda *said: told.append(said),
    )
    assert (tmp_path / "b" / "responses.parquet").read_text() == "hello b cpu True"
    steps = [done for step, done, total in told if step == "training (steps)"]
    assert steps == sorted(steps)
    assert steps[-1] == 6
    assert {total for step, _, total in told if step == "training (steps)"} == {6}
    assert [done for step, done, _ in told if step == "models"] == [1, 2]
    before = (tmp_path / "b" / "responses.parquet").stat().st_mtime_ns
    train_models(write, ("again",), folders, "cpu", steps=3, engine=None, progress=silent)
    assert (tmp_path / "b" / "responses.parquet").stat().st_mtime_ns == before
    say("nobody listens")


def test_a_gpu_is_for_this_machine():
    rules = common_rules((0,), "cuda", Elsewhere())
    with pytest.raises(SettingsError, match="--engine local"):
        check(rules[-1:])
    check(common_rules((0,), "cpu", Elsewhere()))


def test_a_model_that_is_on_another_machine_is_named(tmp_path):
    with pytest.raises(OutputError, match="must share the folder"):
        join([tmp_path / "m" / "responses.parquet"], tmp_path / "responses.parquet")
    assert not (tmp_path / "responses.parquet").exists()
