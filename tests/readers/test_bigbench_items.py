"""The queries of BIG-bench's full logs as responses, against the scores that BIG-bench itself wrote."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.bigbench.scores import with_aggregates
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.readers.bigbench_queries import FullLog

MODEL = {
    "model_family": "fam",
    "model_name": "m1",
    "total_params": 120,
    "non_embedding_params": 100,
    "flop_matched_non_embedding_params": 100,
}


def generations(*samples, **more):
    """samples: (input, output, {target: exact_str_match})."""
    entries = [
        {"input": i, "output": o, "raw_output": o, "metrics": {},
         "targets": {target: {"exact_str_match": value} for target, value in targets.items()}}
        for i, o, targets in samples
    ]  # fmt: skip
    return {"function": "generate_text", "samples": entries, "shots": 0, "task": "t", **more}


def scored(*samples, absolute=True, **more):
    """samples: (input, targets, log-probabilities, target values or None, correct or None)."""
    entries = []
    for i, targets, values, grades, correct in samples:
        one = {"input": i, "targets": targets, "scores": values, "metrics": {}}
        if absolute:
            one["absolute_scores"] = values
        if grades is not None:
            one |= {"target_values": grades, "correct": correct}
        entries.append(one)
    return {
        "function": "cond_log_prob", "absolute_normalization": absolute, "samples": entries,
        "shots": 0, "task": "t", **more,
    }  # fmt: skip


def choices(*samples, **more):
    """samples: (input, log-probabilities, index of the right choice)."""
    names = "abcd"
    return scored(
        *((i, list(names[: len(v)]), v, {n: int(k == right) for k, n in enumerate(names[: len(v)])},
           float(np.argmax(v) == right)) for i, v, right in samples),
        **more,
    )  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """write(queries, preferred=..., scores={metric: value}, name=..., task=...) -> the path of a full log."""

    def one(*queries, preferred="exact_str_match", scores=None, name="m1", task="t", folder="results"):
        path = tmp_path / folder / f"full-log_fam_{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {preferred: 0.5} if scores is None else scores
        entry = {
            "score_dict": values, "preferred_score": preferred, "number_of_shots": 0, "low_score": 0.0,
            "high_score": 1.0, "subtask_description": task,
        }  # fmt: skip
        content = {
            "scores": [entry] if values else [],
            "task": {"task_name": task},
            "model": {**MODEL, "model_name": name},
            "queries": list(queries),
        }
        path.write_text(json.dumps(content))
        return path

    return one


def rows(loaded):
    (frame,) = loaded.responses
    return frame


@pytest.fixture
def log(shared_data):
    return shared_data / "logs" / "bigbench_schema" / "full-log_tiny-add_add-10k.json"


def test_a_real_full_log(log, load_all):
    loaded = load_all(log)
    frame = rows(loaded)
    two, one = "tiny_addition:tiny_addition_two_digit", "tiny_addition:tiny_addition_one_digit"
    assert frame.group_by("task", "kind").len().sort("task").rows() == sorted(
        (f"{name} ({shots}-shot)", kind, 40)
        for name, kind in ((one, "generation"), (two, "generation"), (f"{two},choices", "choice"))
        for shots in (0, 2)
    )
    assert frame.select("family", "model", "n_params", "total_params").unique().rows() == [
        ("tiny-add", "add-10k", 5200.0, 9344.0)
    ]
    notes = {note["code"]: note for note in loaded.warnings}
    assert notes["mislabelled-likelihood"]["count"] == 2
    assert notes["kinds-split"]["message"].endswith("kept apart by them: " + f"{two},choices")
    # The same items in both kinds, few-shot prompts apart; the log-likelihoods of the targets went to both.
    plain, asked = (frame.filter(pl.col("task") == f"{two}{part} (0-shot)") for part in ("", ",choices"))
    assert plain["item_id"].to_list() == asked["item_id"].to_list()
    assert plain["target_logprobs"].to_list() == asked["target_logprobs"].to_list()
    right = [row["choice_logprobs"][row["answer"]] for row in asked.iter_rows(named=True)]
    assert plain["target_logprobs"].list.first().to_list() == right
    assert plain["target"].to_list() == asked["target"].to_list()


def test_our_aggregates_are_the_recorded_ones(log):
    raw = json.loads(log.read_text())
    found = unmirage.audit(log)
    means = {(r["task"], r["metric"]): r["mean"] for r in found.curves.iter_rows(named=True)}
    compared = 0
    names = {
        "exact_str_match": "exact_match",
        "multiple_choice_grade": "multiple_choice_grade",
        "calibration_multiple_choice_brier_score": "brier_mean",
        "expected_calibration_error": "ece",
        "log_likelihood": "target_logprob",
    }
    for entry in raw["scores"]:
        if ":" not in entry["subtask_description"]:
            continue
        for word, value in entry["score_dict"].items():
            if word not in names:
                continue
            choice = word != "exact_str_match" and word != "log_likelihood"
            task = entry["subtask_description"] + (",choices" if choice else "")
            mean = means[f"{task} ({entry['number_of_shots']}-shot)", names[word]]
            assert mean == pytest.approx(value, abs=1e-9)
            compared += 1
    assert compared == 4 + 2 * 4
    assert (found.recorded["equal"] == found.recorded["n"]).all()
    assert found.recorded.filter(level="item")["n"].to_list() == [40] * 6


def test_items_are_known_by_their_prompt(write, load_all):
    a, b = ("p", "1", {"1": 1.0}), ("q", "2", {"3": 0.0})
    write(generations(a, b, a), name="m1")
    path = write(generations(b, a, a, a), name="m2")
    frame = rows(load_all(path.parent))
    p, q = frame["item_id"][0], frame["item_id"][1]
    assert frame.filter(model="m1")["item_id"].to_list() == [p, q, f"{p}#2"]
    assert frame.filter(model="m2")["item_id"].to_list() == [q, p, f"{p}#2", f"{p}#3"]


def test_several_targets(write, load_all):
    path = write(
        generations(("p", "2", {"1": 0.0, "2": 1.0}), ("q", "9", {"1": 0.0, "2": 0.0})),
        scored(("p", ["1", "2"], [-1.0, -2.0], None, None), ("q", ["1", "2"], [-0.1, -0.1], None, None)),
    )
    frame = rows(load_all(path))
    assert frame.select("target", "output").rows() == [("2", "2"), ("1", "9")]
    # Of any of the targets, as BIG-bench's log_likelihood; a probability cannot be above 1.
    assert frame["target_logprobs"].to_list() == [[pytest.approx(np.logaddexp(-1, -2), abs=1e-15)], [0.0]]
    assert frame["recorded"].list.first().struct.field("value").to_list() == [1.0, 0.0]


def test_a_tie_is_shared_and_the_recorded_grade_is_not(write, load_all, codes):
    path = write(
        choices(("p", [-1.0, -1.0], 0), ("q", [-1.0, -2.0], 0)),
        preferred="multiple_choice_grade", scores={"multiple_choice_grade": 1.0},
    )  # fmt: skip
    frame = rows(load_all(path))
    assert set(frame["kind"]) == {"choice"}
    scores = unmirage.score(frame, ["multiple_choice_grade"])
    assert scores["score"].to_list() == [0.5, 1.0]
    assert frame["recorded"].list.first().struct.field("value").to_list() == [1.0, 1.0]


def test_several_right_choices_leave_the_grade(write, load_all, codes):
    names = ["a", "b", "c"]
    grades = {"a": 1, "b": 1, "c": 0}
    path = write(
        scored(
            ("p", names, [-1.0, -2.0, -3.0], grades, 1.0),
            ("q", names, [-3.0, -2.0, -1.0], grades, 0.0),
            ("r", names, [-1.0, -2.0, -1.0], grades, 0.0),  # a tie between right and wrong: BIG-bench's draw
            ("s", names, [-1.0, -2.0, -3.0], {"a": 0.25, "b": 0.75, "c": 0}, 0.25),
        ),
        preferred="multiple_choice_grade",
    )
    loaded = load_all(path)
    frame = rows(loaded)
    assert set(frame["kind"]) == {"score"}
    assert frame["recorded"].list.first().struct.field("value").to_list() == [1.0, 0.0, 0.0, 0.25]
    (note,) = (note for note in loaded.warnings if note["code"] == "several-answers")
    assert note["count"] == 4


@pytest.mark.parametrize(
    ("preferred", "tasks"),
    [
        ("exact_str_match", {"t": "generation", "t,choices": "choice"}),
        ("multiple_choice_grade", {"t": "choice", "t,generations": "generation"}),
        ("normalized_aggregate_score", {"t": "generation", "t,choices": "choice"}),
    ],
)
def test_the_preferred_metric_says_which_part_has_the_name(write, load_all, preferred, tasks):
    path = write(
        generations(("p", "1", {"1": 1.0})), choices(("p", [-1.0, -2.0], 0)), preferred=preferred,
        scores={preferred: 0.5, "multiple_choice_grade": 1.0, "exact_str_match": 1.0, "rouge1": 3.0},
    )  # fmt: skip
    loaded = load_all(path)
    assert dict(rows(loaded).select("task", "kind").rows()) == tasks
    (results,) = loaded.results
    of = dict(results.select("metric", "task").rows())
    named = {kind: task for task, kind in tasks.items()}
    assert (of["multiple_choice_grade"], of["exact_match"]) == (named["choice"], named["generation"])
    assert of["rouge1"] == "t"


def test_a_likelihood_alone_and_one_of_other_prompts(write, load_all, codes):
    alone = scored(("p", ["x"], [-2.0], None, None), ("q", ["y"], [-math.inf], None, None))
    frame = rows(load_all(write(alone, preferred="log_likelihood", name="m1")))
    assert frame.select("kind", "target", "target_logprobs").rows() == [
        ("likelihood", "x", [-2.0]),
        ("likelihood", "y", [-math.inf]),
    ]
    path = write(generations(("other", "1", {"1": 1.0})), alone, name="m2", folder="more")
    loaded = load_all(path)
    assert rows(loaded)["target_logprobs"].to_list() == [None]
    assert "other-items" in codes(loaded)


def test_the_mislabelled_query_is_known_by_its_targets(write, load_all, codes):
    grades = {"a": 1, "b": 0}
    wrong = scored(("p", ["a"], [-1.5], grades, 0.0), ("q", ["a"], [-2.5], grades, 0.0))
    path = write(choices(("p", [-1.5, -2.0], 0), ("q", [-2.5, -1.0], 0)), wrong,
                 preferred="multiple_choice_grade")  # fmt: skip
    loaded = load_all(path)
    frame = rows(loaded)
    assert frame["target_logprobs"].to_list() == [[-1.5], [-2.5]]
    assert frame["recorded"].list.first().struct.field("value").to_list() == [1.0, 0.0]
    assert "mislabelled-likelihood" in codes(loaded)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (generations(("p", "1", {"1": 1.0}), task=None, shots=None), "unnamed-queries"),
        (choices(("p", [-1.0, -2.0], 0), absolute=False), "strange-queries"),
        (generations(("p", "1", {})), "strange-queries"),
        ({"function": "other", "samples": [{"input": "p"}], "task": "t", "shots": 0}, "strange-queries"),
        (generations(), "empty-queries"),
    ],
)
def test_queries_that_are_not_read_are_counted(write, load_all, query, code):
    loaded = load_all(write(query))
    assert not loaded.responses
    assert [note["count"] for note in loaded.warnings if note["code"] == code] == [1]


def test_a_query_that_is_there_twice_is_read_once(write, load_all, codes):
    query = generations(("p", "1", {"1": 1.0}))
    loaded = load_all(write(query, query))
    assert rows(loaded).height == 1
    assert "repeated-query" in codes(loaded)


def test_a_log_without_scores(write, load_all, codes):
    loaded = load_all(write(generations(("p", "1", {"1": 1.0})), scores={}))
    assert rows(loaded)["task"].to_list() == ["t"]
    assert not loaded.results
    assert codes(loaded) == []


def test_two_logs_that_contradict_each_other(write, load_all, codes):
    write(generations(("p", "1", {"1": 1.0})), folder="a")
    path = write(generations(("p", "1", {"1": 1.0})), folder="b")
    assert rows(load_all(path.parents[1])).height == 1
    write(generations(("p", "2", {"1": 0.0})), folder="b")
    with pytest.raises(TableError, match="rows that contradict each other"):
        load_all(path.parents[1])


def test_values_that_are_no_log_probabilities(write, load_all):
    path = write(choices(("p", [-1.0, math.nan], 0)), preferred="multiple_choice_grade")
    with pytest.raises(TableError, match="choice_logprobs holds NaN"):
        load_all(path)
    path = write(choices(("p", [-1.0, 2.0], 0)), preferred="multiple_choice_grade")
    with pytest.raises(TableError, match="choice_logprobs holds a value above 0"):
        load_all(path)


def test_a_log_that_breaks_off_anywhere(write, load_all):
    path = write(generations(("p", "1", {"1": 1.0})), choices(("p", [-1.0, -2.0], 0)))
    whole = path.read_bytes()
    start = whole.index(b'"task_name"')
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError) as caught:
            load_all(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_give_rows_or_one_clear_error(write, load_all, seed):
    path = write(generations(("p", "1", {"1": 1.0})), choices(("p", [-1.0, -2.0], 0)))
    draw = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    for place in draw.integers(200, len(content), 3):
        content[place] = draw.integers(256)
    path.write_bytes(content)
    said = str(path)
    try:
        load_all(path)
    except UnmirageError as problem:
        said = str(problem)
    assert str(path) in said


def test_the_scores_of_a_log_are_those_of_a_score_file(log):
    import msgspec

    raw = json.loads(log.read_text())
    decoded = msgspec.json.decode(log.read_bytes(), type=FullLog)
    assert len(with_aggregates("tiny_addition", decoded.scores)) == len(raw["scores"])
    assert sum(len(query.samples) for query in decoded.queries) == 8 * 40
