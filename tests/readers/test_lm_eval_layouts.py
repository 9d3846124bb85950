"""One family written in the layout of each version of lm-evaluation-harness reads as the same table."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

MODELS = (
    ("EleutherAI/pythia-70m", "pythia-70m", 70_426_624),
    ("EleutherAI/pythia-160m", "pythia-160m", 162_322_944),
)
KEY = ["family", "model", "task", "item_id", "epoch"]
LAYOUTS = ("0.4.0", "0.4.3", "0.4.5", "0.4.7", "0.4.10", "x.json")


def write(logs, root, layout, **options):
    for seed, (name, _, n) in enumerate(MODELS):
        args = {"pretrained": name, "dtype": "float32"}
        folder = root / f"run{seed}" if layout == "x.json" else None
        logs.run(root, layout, args, logs.every(seed), n_params=n, folder=folder, **options)
    return root


@pytest.fixture(scope="module")
def newest(logs, load_all, tmp_path_factory):
    return load_all(write(logs, tmp_path_factory.mktemp("new"), "0.4.10"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_tables(logs, load_all, tmp_path, newest, layout):
    found = load_all(write(logs, tmp_path, layout))
    assert_frame_equal(found.responses[0].sort(KEY), newest.responses[0].sort(KEY))
    key = ["family", "model", "task", "metric"]
    assert_frame_equal(found.results[0].drop("n").sort(key), newest.results[0].drop("n").sort(key))
    assert len(found.inputs) == 2 * (5 + 1)


def test_the_rows_are_what_the_records_say(logs, newest):
    rows = newest.responses[0]
    assert dict(rows.group_by("task").agg(pl.len()).iter_rows()) == {
        "my_mc": 24, "my_ll": 20, "my_roll": 12, "my_gen": 20,
        "my_gen_multi,first": 20, "my_gen_multi,last": 20,
    }  # fmt: skip
    assert rows.select("model", "n_params").unique().sort("model").rows() == [
        ("pythia-160m", 162_322_944.0),
        ("pythia-70m", 70_426_624.0),
    ]
    mine = rows.filter(pl.col("model") == "pythia-70m")
    for task in logs.every(0):
        for name, records in task.filters.items():
            label = task.name if len(task.filters) == 1 else f"{task.name},{name}"
            part = mine.filter(pl.col("task") == label)
            kind = task.config["output_type"]
            if kind == "multiple_choice":
                assert part["choice_logprobs"].to_list() == [[p[0] for p in r.filtered] for r in records]
                assert part["answer"].to_list() == [r.target for r in records]
                assert part["choice_lengths"].to_list() == [
                    [len(c) for c in r.doc["choices"]] for r in records
                ]
                assert part["greedy"].to_list() == [r.filtered[r.target][1] for r in records]
            elif kind == "generate_until":
                assert part["output"].to_list() == [r.filtered[0] for r in records]
                assert part["target"].to_list() == [r.target for r in records]
            elif kind == "loglikelihood":
                assert part["target_logprobs"].to_list() == [[r.filtered[0][0]] for r in records]
                assert part["greedy"].to_list() == [r.filtered[0][1] for r in records]
            else:
                assert part["target_logprobs"].to_list() == [[r.filtered[0]] for r in records]
                assert part["target"].to_list() == [r.doc["text"] for r in records]
            scores = [{e["metric"]: e["value"] for e in row} for row in part["recorded"].to_list()]
            wanted = [{k: float(v) for k, v in r.metrics.items() if not isinstance(v, list)} for r in records]
            bits = [s.pop("bits_per_byte", None) for s in scores]
            assert scores == wanted
            if kind == "loglikelihood_rolling":
                sizes = [len(r.doc["text"].encode()) for r in records]
                logs2 = [-r.filtered[0] / 0.6931471805599453 / n for r, n in zip(records, sizes, strict=True)]
                assert bits == pytest.approx(logs2, rel=1e-12)


@pytest.mark.parametrize("layout", ["0.4.3", "0.4.7", "0.4.10", "x.json"])
def test_samples_without_results(logs, load_all, codes, tmp_path, newest, layout):
    root = tmp_path
    for seed, (name, label, _) in enumerate(MODELS):
        logs.run(root, layout, {"pretrained": name}, logs.every(seed), results=False, folder=root / label)
    found = load_all(root)
    assert "no-results-file" in codes(found)
    ours, wanted = (
        f.filter(~pl.col("task").str.starts_with("my_gen_multi")).sort(KEY)
        for f in (found.responses[0], newest.responses[0])
    )
    assert_frame_equal(ours, wanted)
    # Without a results file a version before 0.4.7 does not say what its filters are called.
    names = ("filter1", "filter2") if layout == "0.4.3" else ("first", "last")
    multi = found.responses[0].filter(pl.col("task").str.starts_with("my_gen_multi"))
    assert multi["task"].unique().sort().to_list() == [f"my_gen_multi,{name}" for name in names]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.10", "x.json"])
def test_results_without_samples(logs, load_all, tmp_path, newest, layout):
    found = load_all(write(logs, tmp_path, layout, samples=False))
    assert found.responses == []
    key = ["model", "task", "metric"]
    assert_frame_equal(
        found.results[0].select(*key, "value").sort(key), newest.results[0].select(*key, "value").sort(key)
    )
    values = {(m, t, s): v for m, t, s, v in found.results[0].select(*key, "value").iter_rows()}
    scores = logs.choice(0).scores
    assert values["pythia-70m", "my_mc", "multiple_choice_grade"] == scores["acc,none"]
    assert values["pythia-70m", "my_mc", "acc_norm"] == scores["acc_norm,none"]


def test_a_samples_file_alone_takes_the_results_beside_it(logs, load_all, tmp_path):
    folder = logs.run(tmp_path, "0.4.10", {"pretrained": "my/lm"}, logs.every(1), n_params=5)
    path = next(folder.glob("samples_my_ll_*"))
    found = load_all(path)
    assert found.responses[0]["n_params"].unique().to_list() == [5.0]
    assert found.responses[0]["task"].unique().to_list() == ["my_ll"]


def test_old_runs_of_several_models_in_one_folder(logs, load_all, codes, tmp_path):
    """Before 0.4.3 results.json was written over, while the samples files of all models stayed."""
    for seed, (name, _, _) in enumerate(MODELS):
        logs.run(tmp_path, "0.4.0", {"pretrained": name}, [logs.choice(seed)], folder=tmp_path)
    found = load_all(tmp_path)
    rows = found.responses[0]
    assert codes(found) == ["no-results-file"]
    for seed, (_, label, _) in enumerate(MODELS):
        mine = rows.filter(pl.col("model") == label)
        assert mine["choice_logprobs"].to_list() == [
            [pair[0] for pair in record.filtered] for record in logs.choice(seed).filters["none"]
        ]
    assert rows["task"].unique().to_list() == ["my_mc"]


def test_old_results_under_names_of_their_own(logs, load_all, tmp_path):
    """`--output_path dir/70m.json` of 0.4.0: several results files without a time stamp in one folder."""
    for seed, (name, label, _) in enumerate(MODELS):
        logs.run(tmp_path, "0.4.0", {"pretrained": name}, [logs.choice(seed)], folder=tmp_path)
        (tmp_path / "results.json").rename(tmp_path / f"{label}.json")
    found = load_all(tmp_path)
    assert sorted(found.results[0]["model"].unique()) == ["pythia-160m", "pythia-70m"]
    assert sorted(found.responses[0]["model"].unique()) == ["pythia-160m", "pythia-70m"]
    assert found.warnings == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_without_samples_are_aggregates(logs, load_all, tmp_path, newest, layout):
    root = write(logs, tmp_path, layout)
    for path in root.rglob("*.jsonl"):
        path.unlink()
    found = load_all(root)
    assert found.responses == []
    assert_frame_equal(
        found.results[0].drop("n").sort("model", "task", "metric"),
        newest.results[0].drop("n").sort("model", "task", "metric"),
    )
    assert (found.results[0]["n"].null_count() > 0) == (layout == "0.4.0")
    assert found.results[0]["chance"].null_count() == found.results[0].height
    assert [note["code"] for note in found.warnings] == []
