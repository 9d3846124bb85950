"""What folders of lm-evaluation-harness logs hold: re-runs, checkpoints, groups, broken and odd records."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import unmirage
from unmirage.errors import ScaleError, SourceError

EARLY, LATE = "2025-01-01T00-00-00.000001", "2025-01-02T00-00-00.000001"


def only(found):
    (frame,) = found.responses
    return frame


def test_of_two_runs_the_newest_of_each_task_is_used(logs, load_all, tmp_path):
    args = {"pretrained": "a/m-7b"}
    logs.run(tmp_path, "0.4.10", args, [logs.choice(0), logs.likelihood(0)], time=EARLY)
    logs.run(tmp_path, "0.4.10", {**args, "dtype": "float16"}, [logs.choice(1)], time=LATE)
    found = load_all(tmp_path)
    rows = only(found)
    assert rows.filter(pl.col("task") == "my_mc")["choice_logprobs"].to_list() == [
        [pair[0] for pair in record.filtered] for record in logs.choice(1).filters["none"]
    ]
    assert rows.filter(pl.col("task") == "my_ll").height == 10
    note, apart, mixed = found.warnings
    assert [n["code"] for n in found.warnings] == ["older-run", "runs-disagree", "mixed-runs"]
    assert "my_mc (12 of 12 items have another log-probability" in apart["message"]
    assert "my_ll" in mixed["message"]
    assert "model_args (dtype)" in mixed["message"]
    assert LATE in note["message"]
    assert EARLY in note["message"]
    assert "model_args differ in dtype" in note["message"]
    value = found.results[0].filter(pl.col("metric") == "multiple_choice_grade")["value"].to_list()
    assert value == [logs.choice(1).scores["acc,none"]]


def test_an_older_run_without_samples_is_named_too(logs, load_all, codes, tmp_path):
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(0)], time=EARLY, samples=False)
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [logs.choice(1)], time=LATE, samples=False)
    assert codes(load_all(tmp_path)) == ["older-run", "runs-disagree"]


@pytest.mark.parametrize("layout", ["0.4.3", "0.4.10"])
def test_revisions_are_models_of_their_own(logs, load_all, tmp_path, layout):
    steps = (1, 1000, 143000)
    for i, step in enumerate(steps):
        args = {"pretrained": "EleutherAI/pythia-70m", "revision": f"step{step}"}
        time = f"2025-01-0{i + 1}T00-00-00.000001"
        logs.run(tmp_path, layout, args, [logs.choice(i)], n_params=70_426_624, time=time)
    found = load_all(tmp_path)
    assert found.warnings == []
    assert only(found).select("model", "n_tokens", "step").unique().sort("n_tokens").rows() == [
        (f"pythia-70m@step{step}", step * 2_097_152.0, float(step)) for step in steps
    ]
    audit = unmirage.audit(tmp_path, axis="n_tokens")
    assert audit.curves.filter(pl.col("metric") == "multiple_choice_grade")["axis_value"].to_list() == [
        step * 2_097_152.0 for step in steps
    ]
    one = unmirage.audit(tmp_path, axis="n_params")
    assert one.curves["model"].unique().to_list() == ["pythia-70m@step143000"]
    assert "checkpoints-left-out" in one.warnings["code"].to_list()


def test_checkpoints_of_a_family_that_nobody_knows(logs, load_all, tmp_path):
    """Local folders end in checkpoint-N for every run; the run's folder is the model, and N is the step."""
    for size, n in (("small", 1000), ("large", 9000)):
        for step in (10, 200):
            args = {"pretrained": f"/runs/{size}/checkpoint-{step}"}
            logs.run(tmp_path, "0.4.10", args, [logs.choice(step)], n_params=n)
    rows = only(load_all(tmp_path, family="mine"))
    assert rows.select("model", "n_params", "step").unique().sort("n_params", "step").rows() == [
        ("small@checkpoint-10", 1000.0, 10.0),
        ("small@checkpoint-200", 1000.0, 200.0),
        ("large@checkpoint-10", 9000.0, 10.0),
        ("large@checkpoint-200", 9000.0, 200.0),
    ]
    last = unmirage.audit(tmp_path, family="mine")
    assert last.curves["model"].unique(maintain_order=True).to_list() == [
        "small@checkpoint-200",
        "large@checkpoint-200",
    ]


def test_a_null_revision_is_none(logs, load_all, tmp_path):
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b", "revision": None}, [logs.choice(0)])
    assert only(load_all(tmp_path))["model"].unique().to_list() == ["m-7b"]


def test_shot_counts_are_kept_apart(logs, load_all, codes, tmp_path):
    for shots, time in ((0, EARLY), (5, LATE)):
        task = logs.choice(shots)
        task.config["num_fewshot"] = shots
        logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task], time=time)
    found = load_all(tmp_path)
    assert codes(found) == ["shots-split"]
    assert only(found)["task"].unique().sort().to_list() == ["my_mc (0-shot)", "my_mc (5-shot)"]
    assert found.results[0]["task"].unique().sort().to_list() == ["my_mc (0-shot)", "my_mc (5-shot)"]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.3", "0.4.10"])
@pytest.mark.parametrize("target", [["x 0", "even", "y"], ["odd", 'a "quoted" one']])
def test_the_best_of_several_accepted_answers(logs, load_all, tmp_path, layout, target):
    task = logs.generation(0)
    for record in task.filters["none"]:
        record.target = target
        record.resps, record.filtered = [["odd"]], ["odd"]
    logs.run(tmp_path, layout, {"pretrained": "a/m-7b"}, [task])
    wanted = "odd" if "odd" in target else "x 0"  # "even" and "x 0" are three edits away, "y" three too
    rows = only(load_all(tmp_path))
    assert rows["target"].unique().to_list() == [wanted]


def test_each_of_several_outputs_has_its_own_nearest_answer(logs, load_all, tmp_path):
    task = logs.generation(0)
    for record in task.filters["none"]:
        record.target = ["two", "2"]
        record.resps, record.filtered = [["2", "two", "5"]], [["2", "two", "5"]]
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    rows = only(load_all(tmp_path)).head(3)
    assert rows["epoch"].to_list() == [0, 1, 2]
    assert rows["output"].to_list() == ["2", "two", "5"]
    assert rows["target"].to_list() == ["2", "two", "2"]


def test_repeats_behind_the_default_filter_are_epochs(logs, load_all, codes, tmp_path):
    task = logs.generation(0)
    for record in task.filters["none"]:
        record.resps = [[record.filtered[0], "another"]]
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    found = load_all(tmp_path)
    rows = only(found)
    assert codes(found) == ["repeats-used"]
    assert rows.filter(pl.col("epoch") == 1)["output"].unique().to_list() == ["another"]
    # The harness scored the first repeat only.
    assert rows.group_by("epoch").agg(pl.col("recorded").list.len().max()).sort("epoch").rows() == [
        (0, 1),
        (1, 0),
    ]


def test_a_request_that_failed_is_empty_text(logs, load_all, tmp_path):
    task = logs.generation(0)
    task.filters["none"][3].resps, task.filters["none"][3].filtered = [[None]], [None]
    logs.run(tmp_path, "0.4.0", {"pretrained": "a/m-7b"}, [task])
    assert only(load_all(tmp_path))["output"][3] == ""


@pytest.mark.parametrize(
    ("rule", "raw", "read"),
    [
        ({"ignore_case": True}, "YES", "yes"),
        ({"ignore_punctuation": True}, "y,e.s!", "yes"),
        ({"ignore_numbers": True}, "y1es2", "yes"),
        ({"regexes_to_ignore": [",", "\\$"]}, "$1,234", "1234"),
        ({"regexes_to_ignore": ["A"], "ignore_case": True}, "aAb", "ab"),
    ],
)
def test_exact_match_with_rules(logs, load_all, codes, tmp_path, rule, raw, read):
    """As exact_match_hf_evaluate of lm_eval 0.4.13: expressions first, then case, marks and digits."""
    task = logs.generation(0)
    task.config["metric_list"] = [{"metric": "exact_match", **rule}]
    for record in task.filters["none"]:
        record.target = read
        record.resps, record.filtered = [[raw]], [raw]
        record.metrics = {"exact_match": 1.0}
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task], n_params=7)
    found = load_all(tmp_path)
    assert codes(found) == ["normalised-text"]
    assert only(found).select("output", "target").unique().rows() == [(read, read)]
    check = unmirage.audit(tmp_path).recorded
    assert check.filter(pl.col("level") == "item").select("n", "equal").rows() == [(10, 10)]


def test_predict_only_runs_hold_no_score(logs, load_all, codes, tmp_path):
    task = logs.generation(0)
    task.scores = {"bypass,none": 999, "bypass_stderr,none": "N/A"}
    for record in task.filters["none"]:
        record.metrics = {"bypass": 999}
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    found = load_all(tmp_path)
    assert only(found)["recorded"].list.len().max() == 0
    assert found.results == []
    assert codes(found) == ["no-aggregates"]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.10"])
def test_nan_and_infinity(logs, load_all, codes, tmp_path, layout):
    """Python's json writes NaN and Infinity, which JSON does not know."""
    task = logs.likelihood(0)
    low = task.filters["none"][2]
    low.filtered = [[float("-inf"), False]]
    low.resps = [[[float("-inf"), False]]]
    low.metrics = {"perplexity": float("-inf"), "acc": float("nan")}
    task.scores = {"perplexity,none": float("inf"), "acc,none": float("nan")}
    folder = logs.run(tmp_path, layout, {"pretrained": "a/m-7b"}, [task])
    assert any("NaN" in path.read_text() for path in folder.glob("*.jsonl"))
    found = load_all(tmp_path)
    row = only(found).row(2, named=True)
    assert row["target_logprobs"] == [float("-inf")]
    assert row["recorded"] == [{"metric": "perplexity", "value": float("-inf")}]
    assert codes(found) == ["missing-values"]
    assert found.results[0].select("metric", "value").rows() == [("target_logprob", float("-inf"))]


def test_a_nan_log_probability_is_refused(logs, load_all, tmp_path):
    task = logs.likelihood(0)
    task.filters["none"][2].filtered = [[float("nan"), False]]
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    with pytest.raises(
        unmirage.errors.TableError, match=r"holds NaN \(1 of 10 rows; first: row 3,"
    ) as caught:
        load_all(tmp_path)
    assert "half precision" in str(caught.value)


def test_a_document_twice_in_a_task(logs, load_all, tmp_path):
    task = logs.choice(0)
    task.filters["none"][5].doc = task.filters["none"][4].doc
    task.filters["none"][5].target = 0
    task.filters["none"][5].metrics = {"acc_bytes": 0.0}
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    ids = only(load_all(tmp_path))["item_id"].to_list()
    assert len(set(ids)) == 12
    assert ids[5] == f"{ids[4]}#2"


def test_the_order_of_records_does_not_matter(logs, load_all, tmp_path):
    """Distributed runs interleave their records, so models may log the same items in different orders."""
    for seed, order in enumerate((list, lambda ids: ids[::2] + ids[1::2])):
        args = {"pretrained": f"a/m-{seed + 1}b"}
        logs.run(tmp_path, "0.4.10", args, [logs.choice(0, order=order)], n_params=seed + 1)
    a, b = only(load_all(tmp_path)).partition_by("model")
    assert a["item_id"].to_list() != b["item_id"].to_list()
    same = ["item_id", "choice_logprobs", "answer"]
    assert a.select(same).sort("item_id").equals(b.select(same).sort("item_id"))


def test_models_with_different_limits_are_compared_on_what_they_share(logs, tmp_path):
    for seed, n in enumerate((12, 7)):
        logs.run(
            tmp_path, "0.4.10", {"pretrained": f"a/m-{seed + 1}b"}, [logs.choice(seed, n)], n_params=seed + 1
        )
    audit = unmirage.audit(tmp_path)
    assert audit.curves["n"].unique().to_list() == [7]
    (note,) = audit.warnings.filter(pl.col("code") == "different-items").to_dicts()
    assert "m-2b 7" in note["message"]
    assert note["count"] == 5


def test_groups_and_odd_names(logs, load_all, codes, tmp_path):
    task = logs.choice(0, name="a_task_2024-01-01_of_b")
    group = {"my_group": {"alias": "my_group", "acc,none": 0.1, " ": " "}}
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task], extra_results=group)
    found = load_all(tmp_path)
    assert only(found)["task"].unique().to_list() == ["a_task_2024-01-01_of_b"]
    assert found.results[0]["task"].unique().to_list() == ["a_task_2024-01-01_of_b"]
    assert codes(found) == []


def test_acc_norm_and_acc_bytes_may_differ(logs, load_all, tmp_path):
    task = logs.choice(0)
    task.scores = {"acc_norm,none": 0.5, "acc_bytes,none": 0.25}
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    assert load_all(tmp_path).results[0].select("metric", "value").rows() == [
        ("acc_norm", 0.5),
        ("acc_bytes", 0.25),
    ]


@pytest.mark.parametrize("counted", [None, -1])
def test_a_size_that_the_log_does_not_tell(logs, load_all, tmp_path, counted):
    logs.run(tmp_path, "0.4.10", {"model": "EleutherAI/pythia-70m"}, [logs.choice(0)], n_params=counted)
    assert only(load_all(tmp_path))["n_params"].unique().to_list() == [70_426_624.0]


def test_an_unknown_size_says_what_to_write_and_that_works(logs, tmp_path):
    for seed in range(2):
        logs.run(tmp_path / "logs", "0.4.10", {"model": f"own-lm-v{seed}"}, [logs.choice(seed)])
    with pytest.raises(ScaleError) as caught:
        unmirage.audit(tmp_path / "logs")
    lines = str(caught.value).split("\n\n", 1)[1]
    named = re.search(r"own-lm-v\d", lines)[0]
    blocks = [lines.replace(named, f"own-lm-v{i}").replace("= 0 ", f"= {i + 1}_000 ") for i in range(2)]
    file = tmp_path / "mine.toml"
    file.write_text("".join(blocks), encoding="utf-8")
    curves = unmirage.audit(tmp_path / "logs", families=[file]).curves
    assert sorted(curves["axis_value"].unique()) == [1000.0, 2000.0]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.10"])
def test_a_run_that_was_cut(logs, load_all, tmp_path, layout):
    folder = logs.run(tmp_path, layout, {"pretrained": "a/m-7b"}, [logs.choice(0)])
    path = next(folder.glob("*.jsonl"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: int(len(text) * 0.8)], encoding="utf-8")
    found = load_all(tmp_path)
    (note,) = found.warnings
    assert note["code"] == "truncated-file"
    n = only(found).height
    assert 8 <= n <= 10
    assert f"the {n} records before it are used" in note["message"]
    line = int(re.search(r"line (\d+)", note["message"])[1])
    assert line == (n + 1 if layout != "0.4.0" else _starts(text)[n])


def _starts(text):
    return [i for i, line in enumerate(text.splitlines(), 1) if line.startswith("  {")]


@pytest.mark.parametrize("layout", ["0.4.0", "0.4.10"])
def test_a_broken_record_in_the_middle(logs, load_all, tmp_path, layout):
    folder = logs.run(tmp_path, layout, {"pretrained": "a/m-7b"}, [logs.choice(0)])
    path = next(folder.glob("*.jsonl"))
    text = path.read_text(encoding="utf-8").replace('"doc_id": 4,', '"doc_id" 4,')
    path.write_text(text, encoding="utf-8")
    line = 5 if layout != "0.4.0" else _starts(text)[4]
    with pytest.raises(SourceError, match=f"line {line} is not a record") as caught:
        load_all(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("indent", [None, 4])
def test_an_array_in_another_layout(logs, load_all, tmp_path, indent):
    folder = logs.run(tmp_path, "0.4.0", {"pretrained": "a/m-7b"}, [logs.choice(0)])
    path = next(folder.glob("*.jsonl"))
    records = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(records, indent=indent), encoding="utf-8")
    assert only(load_all(tmp_path)).height == 12
    path.write_text(json.dumps(records, indent=indent)[:-100], encoding="utf-8")
    with pytest.raises(SourceError, match="not a whole JSON array"):
        load_all(path)


def test_a_layout_that_is_not_known_names_the_line(logs, load_all, tmp_path):
    task = logs.choice(0)
    task.filters["none"][3].filtered = [[-1.0, False]]
    folder = logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    with pytest.raises(SourceError, match=r"line 4 has a layout that is not known.*4 choices and 1 log"):
        load_all(next(folder.glob("*.jsonl")))


def test_results_of_versions_before_0_4_are_named(load_all, tmp_path):
    path = tmp_path / "old.json"
    path.write_text('{"results": {"arc": {"acc": 0.5, "acc_stderr": 0.1}}, "versions": {"arc": 0}}')
    with pytest.raises(SourceError, match="no score and no response") as caught:
        load_all(path)
    assert "before 0.4.0" in str(caught.value)


def test_greedy_text_that_is_too_unlikely_is_said(logs, load_all, codes, tmp_path):
    """A token has probability 2**-19 at least when it is the likeliest; here "5", one byte, at exp(-20)."""
    task = logs.likelihood(0, 5)
    for i, record in enumerate(task.filters["none"]):
        record.filtered = [[-20.0 if i < 2 else -1.0, True]]
    logs.run(tmp_path, "0.4.10", {"pretrained": "a/m-7b"}, [task])
    found = load_all(tmp_path)
    assert "impossible-logprob" in codes(found)
    assert [n["count"] for n in found.warnings if n["code"] == "impossible-logprob"] == [2]
