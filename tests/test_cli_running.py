"""Where work runs: the options, and that they change no byte."""

import pytest

import unmirage
from unmirage.cli import main
from unmirage.cli_running import EngineOptions, LongEngineOptions
from unmirage.engine import cores


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A family of two tasks that are asked in turn, of which the second is the larger."""
    path = tmp_path_factory.mktemp("family") / "responses.parquet"
    small = unmirage.simulate("step", task="small", n_items=30)
    large = unmirage.simulate("log-linear", task="large", n_items=50)
    small[:100].vstack(large).vstack(small[100:]).write_parquet(path)
    return path


def test_long_work_has_all_cores_and_other_work_this_process():
    assert EngineOptions().started().jobs == 1
    assert LongEngineOptions().started().jobs == cores()
    assert EngineOptions(jobs=3).started().jobs == LongEngineOptions(jobs=3).started().jobs == 3


def test_processes_change_no_byte_of_an_audit(source, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    assert main(["audit", str(source), "--quiet", "--out", str(folders[0])]) == 0
    assert main(["audit", str(source), "--quiet", "--out", str(folders[1]), "--jobs", "2"]) == 0
    names = sorted(path.name for path in folders[0].iterdir())
    assert "scores.parquet" in names
    assert names == sorted(path.name for path in folders[1].iterdir())
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


@pytest.mark.parametrize("command", ["audit", "score", "curves"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--jobs", "0"], "--jobs: must be 1 at least"),
        (["--ray-address", "auto"], "--ray-address: needs --engine ray"),
        (["--engine", "spark"], "spark"),
    ],
)
def test_bad_options_are_one_message(source, tmp_path, capsys, command, options, said):
    out = tmp_path / "out.csv"
    assert main([command, str(source), "--out", str(out), *options]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.startswith("unmirage: ")
    assert not out.exists()
