"""Counting verdicts on simulated families: the counts, their seeds, and the file that they are kept in."""

import polars as pl
import pytest

import unmirage
from unmirage import calibrate as module
from unmirage.calibrate import calibrate, run
from unmirage.engine import engine
from unmirage.errors import OutputError, SettingsError, SourceError
from unmirage.theory.designs import Design
from unmirage.verdict.error_rates import COLUMNS, VERDICTS, read_table

FEW = Design("gentle-power", n_scales=4, n_items=5)  # always insufficient
SMOOTH = Design("gentle-power", n_scales=5, n_items=60)
UNSEEN = Design("late-curved", n_scales=5, n_items=30, scatter=0.3)  # several verdicts, by chance


def test_verdicts_that_are_known_are_counted():
    assert run(FEW, 2, 1) == {**dict.fromkeys(VERDICTS, 0), "insufficient": 2}
    assert run(SMOOTH, 3, 1)["robust-break"] == 0
    assert sum(run(UNSEEN, 5, 1).values()) == 5


def test_only_the_first_of_several_tasks_counts():
    found = run(Design("gentle-power", n_scales=4, n_items=5, tasks=3), 2)
    assert found["insufficient"] == sum(found.values()) == 2


def test_the_families_are_those_of_the_design(monkeypatch):
    seen = []

    def spy(frame, **options):
        seen.append((frame, options))
        return unmirage.audit(frame, **options)

    monkeypatch.setattr(module, "audit", spy)
    design = Design(
        "step-on-curve", size=0.8, n_scales=4, decades=2, n_items=7, seeds_per_scale=2, tasks=2, scatter=0.0
    )
    run(design, 2)
    for frame, options in seen:
        assert set(options["metrics"]) == {"exact_match", "cross_entropy"}
        assert frame["task"].n_unique() == 2
        judged = frame.filter(task="judged")
        assert judged.height == 4 * 2 * 7
        assert judged["n_params"].unique().sort().to_list() == pytest.approx(
            [1e7, 10 ** (7 + 2 / 3), 10 ** (7 + 4 / 3), 1e9]
        )
        loss = judged.group_by("n_params").agg(-pl.col("target_logprobs").list.mean().mean()).sort("n_params")
        fall = loss["target_logprobs"].to_numpy()
        assert fall[2] / fall[1] < 0.4  # the step of 80%, between the inner scales
    assert not seen[0][0].equals(seen[1][0])
    assert seen[0][1]["seed"] != seen[1][1]["seed"]


def test_every_entry_of_a_design_reaches_the_simulator(monkeypatch):
    seen = []

    def spy(truth, **options):
        seen.append((truth, options))
        return unmirage.simulate(truth, **options)

    monkeypatch.setattr(module, "simulate", spy)
    own = {"n_items": 6, "scatter": 0.07, "seeds_per_scale": 3}
    run(Design("step-on-curve", size=0.2, at=0.4, n_scales=4, tails="t3", jitter=0.2, **own), 1)
    run(Design("step-on-curve", n_scales=4, tasks=2, **own), 1)
    for _, options in seen:
        assert options.items() >= own.items()
    assert {name: seen[0][1][name] for name in ("tails", "jitter", "parameters")} == {
        "tails": "t3",
        "jitter": 0.2,
        "parameters": {"size": 0.2, "at": 0.4},
    }
    # Each design is tried once before its runs.
    assert [truth for truth, _ in seen] == ["step-on-curve"] * 2 + ["step-on-curve", "log-linear"] * 2
    assert len({seen[k][1]["seed"] for k in (1, 4, 5)}) == 3


def test_the_first_runs_of_many_are_those_of_few():
    few, many = run(UNSEEN, 4, 2), run(UNSEEN, 8, 2)
    assert all(few[verdict] <= many[verdict] for verdict in VERDICTS)
    assert max(few.values()) < 4  # several verdicts, or this says nothing


def test_one_row_a_design_in_order_whatever_is_beside_it():
    frame = calibrate([UNSEEN, FEW, UNSEEN], runs=2, seed=5)
    assert frame.columns == list(COLUMNS)
    assert frame["truth"].to_list() == ["late-curved", "gentle-power"]
    assert frame.equals(calibrate([FEW, UNSEEN], runs=2, seed=5)[::-1])
    counted = frame.select(VERDICTS).to_dicts()
    assert counted == [run(UNSEEN, 2, 5), run(FEW, 2, 5)]
    assert frame.select("label", "kind", "runs", "seed", "version").row(0) == (
        "artifact",
        "generation",
        2,
        5,
        unmirage.__version__,
    )


def test_a_default_that_is_written_out_is_the_same_design():
    step = Design("step", n_scales=4, n_items=5)
    assert calibrate([step, Design("step", size=0.5, at=0.5, n_scales=4, n_items=5)], runs=1).height == 1


def test_processes_change_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PIECE", 2)
    one = calibrate([UNSEEN, FEW], runs=3, seed=7, out=tmp_path / "one.csv")
    two = calibrate([UNSEEN, FEW], runs=3, seed=7, engine=engine(jobs=2), out=tmp_path / "two.csv")
    assert one.equals(two)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


class TestFile:
    """What is in the file, and what is run again."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "new" / "table.csv"

    @pytest.fixture
    def ran(self, monkeypatch):
        """The designs that were run, a name a piece."""
        names, counts = [], module._counts

        def spy(design, *arguments):
            names.append(design.n_items)
            return counts(design, *arguments)

        monkeypatch.setattr(module, "_counts", spy)
        return names

    def designs(self):
        return [Design("gentle-power", n_scales=4, n_items=n) for n in (3, 4, 5)]

    def test_an_interrupted_calibration_goes_on(self, path, ran):
        told = []

        def stop(step, done, total):
            told.append((done, total))
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            calibrate(self.designs(), runs=1, out=path, progress=stop)
        assert told == [(0, 3), (1, 3), (2, 3)]
        assert pl.read_csv(path)["n_items"].to_list() == [3, 4]
        whole = calibrate(self.designs(), runs=1, out=path)
        assert ran == [3, 4, 5]
        assert whole["n_items"].to_list() == [3, 4, 5]
        calibrate(self.designs(), runs=1, out=path)
        assert ran == [3, 4, 5]
        assert not path.with_name("table.csv.old").exists()

    def test_a_line_that_was_cut_is_run_again(self, path, ran):
        whole = calibrate(self.designs(), runs=1, out=path)
        content = path.read_bytes()
        path.write_bytes(content[:-9])
        heights = []

        def look(*progress):
            heights.append(read_table(path).height)

        assert calibrate(self.designs(), runs=1, out=path, progress=look).equals(whole)
        assert heights == [2, 3]
        assert ran == [3, 4, 5, 5]
        assert path.read_bytes() == content

    @pytest.mark.parametrize("changed", ["seed", "runs", "code"])
    def test_other_settings_begin_anew_and_keep_what_was_there(self, path, ran, monkeypatch, changed):
        calibrate(self.designs(), runs=1, out=path)
        content = path.read_bytes()
        if changed == "code":
            monkeypatch.setattr(module, "_code", lambda: "other")
        options = {"runs": 1, **({} if changed == "code" else {changed: 2})}
        with pytest.warns(unmirage.UnmirageWarning, match=r"kept as .*\.old"):
            calibrate(self.designs(), out=path, **options)
        assert ran == [3, 4, 5, 3, 4, 5]
        assert path.with_name("table.csv.old").read_bytes() == content
        assert pl.read_csv(path).height == 3

    def test_a_file_of_another_kind_is_left_alone(self, path):
        path.parent.mkdir()
        path.write_text("a,b\n1,2")
        with pytest.raises(SourceError, match="not a table of error rates"):
            calibrate(self.designs(), runs=1, out=path)
        assert path.read_text() == "a,b\n1,2"
        with pytest.raises(SourceError, match="cannot be read"):
            calibrate(self.designs(), runs=1, out=self.folder(path))
        with pytest.raises(OutputError, match=r"\.csv"):
            calibrate(self.designs(), runs=1, out=path.with_suffix(".parquet"))

    def folder(self, path):
        inner = path.with_name("folder.csv")
        inner.mkdir()
        return inner


@pytest.mark.parametrize(
    ("designs", "options", "said"),
    [
        ([FEW], {"runs": 0}, "runs"),
        ([FEW], {"seed": -1}, "seed"),
        ([FEW, Design("stp")], {}, "no truth 'stp'"),
        ([FEW, Design("gentle-power", size=0.5)], {}, "no parameter 'size'"),
        ([FEW, Design("gentle-power", n_scales=1)], {}, "no range"),
        ([FEW, Design("gentle-power", tasks=0)], {}, "tasks"),
        ([FEW, Design("gentle-power", tasks=2, jitter=0.1)], {}, "jitter"),
    ],
)
def test_bad_settings_are_met_before_anything_runs(monkeypatch, designs, options, said):
    monkeypatch.setattr(module, "_counts", None)
    with pytest.raises(SettingsError, match=said):
        calibrate(designs, **options)
