"""The same calls on a Ray cluster of this machine: the same bytes, also where a worker is killed."""

import operator
import os
import signal
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage import calibrate as calibration
from unmirage.calibrate import calibrate
from unmirage.cli import main
from unmirage.engine import engine, say
from unmirage.engine import ray as module
from unmirage.errors import MissingExtraError, SettingsError, SourceError, WorkError
from unmirage.theory.designs import Design

pytest.importorskip("ray", reason="the extra `cluster` is not installed")


@pytest.fixture(scope="module")
def cluster():
    with engine("ray", 2) as started:
        yield started


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A family of two tasks, of different sizes."""
    path = tmp_path_factory.mktemp("family") / "responses.parquet"
    rows = [
        unmirage.simulate("step", task="one", n_items=40, seed=1),
        unmirage.simulate("log-linear", task="two", n_items=60, seed=2),
    ]
    pl.concat(rows).write_parquet(path)
    return path


def told(words):
    for word in words:
        say(word)
    return len(words)


def unreadable(path):
    raise SourceError("cannot be read", where=path, hint="Look at it.")


def environment(place):
    return place, os.getpid(), os.environ["OMP_NUM_THREADS"], os.environ["POLARS_MAX_THREADS"]


def total(numbers, more):
    numbers += 1  # what arrives is the call's own
    return float(numbers.sum()) + more


def killed_once(marker, function, *arguments):
    """The call, but that the first process that is asked for it is killed."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments)


class Deadly:
    """An engine of which one worker is killed in the middle."""

    def __init__(self, under, marker):
        self.under, self.marker, self.jobs = under, marker, under.jobs

    def map(self, function, calls, **options):
        first = next(iter(calls))
        deadly = {
            key: (killed_once, self.marker, function, *arguments) if key == first else (function, *arguments)
            for key, arguments in calls.items()
        }
        return self.under.map(operator.call, deadly, **options)


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_every_call_gives_its_result(cluster):
    assert cluster.jobs == 2
    calls = {place: (place,) for place in range(9)}
    found = dict(cluster.map(environment, calls))
    assert {key: place for key, (place, *_) in found.items()} == {place: place for place in range(9)}
    assert {tuple(rest) for _, _, *rest in found.values()} == {("1", "1")}
    assert os.getpid() not in {process for _, process, *_ in found.values()}
    assert dict(cluster.map(environment, {})) == {}


def test_what_calls_share_is_sent_once_and_is_their_own(cluster, monkeypatch):
    import ray

    sent = []
    put = ray.put
    monkeypatch.setattr(ray, "put", lambda content: sent.append(len(content)) or put(content))
    shared, small = np.arange(50_000.0), [1]
    calls = {more: (operator.add, shared, more) for more in range(3)}
    found = dict(cluster.map(operator.call, calls))
    assert all((found[more] == shared + more).all() for more in range(3))
    assert found[0].flags.writeable
    sums = dict(cluster.map(total, {more: (shared, more) for more in range(3)}))
    assert sums == {more: shared.sum() + shared.size + more for more in range(3)}
    assert len(sent) == 2
    assert min(sent) > shared.nbytes
    dict(cluster.map(len, {0: (small,), 1: (small,)}))
    assert len(sent) == 2


def test_what_calls_say_is_heard_before_their_result(cluster):
    heard = []
    for key, count in cluster.map(told, {"a": (["x", "y"],), "b": (["z"],)}, told=heard.append):
        words = {"a": "xy", "b": "z"}[key]
        assert [word for word in heard if word in words] == list(words)
        assert count == len(words)
    assert sorted(heard) == ["x", "y", "z"]


def test_an_error_of_a_call_is_raised_as_it_is(cluster):
    with pytest.raises(SourceError) as found:
        list(cluster.map(unreadable, {"a": ("this",)}))
    assert str(found.value) == "this: cannot be read\nLook at it."
    assert "in unreadable" in found.value.__notes__[0]
    with pytest.raises(ZeroDivisionError):
        list(cluster.map(operator.truediv, {"a": (1, 0)}))


def test_the_end_of_the_iteration_ends_calls(cluster):
    going = cluster.map(operator.call, {0: (int,), 1: (signal.pause,), 2: (signal.pause,)}, long=True)
    assert next(going) == (0, 0)
    going.close()
    assert dict(cluster.map(operator.add, {0: (1, 1)})) == {0: 2}  # no worker hangs


def test_an_audit_has_the_same_bytes_though_a_worker_is_killed(cluster, source, tmp_path, capfd):
    unmirage.audit(source).save(tmp_path / "local")
    unmirage.audit(source, engine=cluster).save(tmp_path / "ray")
    unmirage.audit(source, engine=Deadly(cluster, tmp_path / "marker")).save(tmp_path / "killed")
    local = files(tmp_path / "local")
    assert Path("audit.json") in local
    assert files(tmp_path / "ray") == local
    assert (tmp_path / "marker").exists()
    assert files(tmp_path / "killed") == local
    assert capfd.readouterr().out == ""


def test_a_calibration_has_the_same_bytes_though_a_worker_is_killed(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "PIECE", 2)
    designs = [Design("late-curved", n_scales=5, n_items=30, scatter=0.3), Design("step", n_scales=4)]
    calibrate(designs, runs=4, seed=7, out=tmp_path / "local.csv")
    deadly = Deadly(cluster, tmp_path / "marker")
    calibrate(designs, runs=4, seed=7, engine=deadly, out=tmp_path / "ray.csv")
    assert (tmp_path / "marker").exists()
    assert (tmp_path / "ray.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


def test_the_commands_run_on_it(cluster, source, tmp_path, capfd):
    out = [str(tmp_path / name) for name in ("local.csv", "ray.csv", "two.csv")]
    assert main(["score", str(source), "--out", out[0]]) == 0
    assert main(["score", str(source), "--out", out[1], "--engine", "ray"]) == 0
    assert main(["score", str(source), "--out", out[2], "--jobs", "2"]) == 0
    assert Path(out[0]).read_bytes() == Path(out[1]).read_bytes() == Path(out[2]).read_bytes()
    capfd.readouterr()
    assert main(["curves", str(source), "--engine", "ray"]) == 0
    assert capfd.readouterr().out.startswith("family,")


def test_an_error_from_a_worker_is_one_message(cluster, source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("unmirage.metrics.scoring._part", lambda frame, asked: unreadable("this"))
    out = tmp_path / "out"
    assert main(["audit", str(source), "--engine", "ray", "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err == "unmirage: this: cannot be read\nLook at it.\n"
    assert captured.out == ""
    assert not out.exists()


def test_workers_with_other_versions_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(module, "versions", lambda: {"unmirage": "9.9", "Python": "3.11"})
    with pytest.raises(SettingsError, match=r"Python environment is another: unmirage .*, not 9\.9") as found:
        list(cluster.map(operator.add, {0: (1, 1)}))
    assert "machine" in found.value.where


def test_a_call_that_is_lost_each_time_is_named(cluster, monkeypatch):
    monkeypatch.setattr(module, "AGAIN", 0)
    with pytest.raises(WorkError, match=r"^call bad: the cluster lost it"):
        list(cluster.map(os.abort, {"bad": ()}))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:10001", "host/path:1", ":9"])
def test_an_address_without_a_cluster_is_one_message(tmp_path, capsys, monkeypatch, source, address):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    out = tmp_path / "out"
    options = ["--engine", "ray", "--ray-address", address, "--out", str(out)]
    assert main(["audit", str(source), *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(f"unmirage: --ray-address {address}: ")
    assert "Traceback" not in captured.err
    assert not out.exists()


def test_the_address_of_the_environment_is_used(monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1:1: no cluster answers"):
        engine("ray")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"unmirage\[cluster\]"):
        engine("ray")
