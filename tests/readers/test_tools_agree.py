"""Logs of several tools of the same models: where they asked the same item, do they say the same?

Shared models and items of the logs in ../shared/data/logs, by the question that was asked:

    lm-eval and inspect     add-6k, add-10k, add-20k, add-220k   30 sums, generated
    lm-eval and HELM        add-6k, add-70k                      20 sums, generated
    lm-eval and HELM        add-70k                              20 sums, four choices
    lm-eval and lighteval   add-6k, add-70k                      40 sums, generated; 40, four choices
    inspect and HELM        add-6k                               2 sums, generated

What differs is named here: inspect's `exact` compares normalised texts (`exact_match_normalised`), and its
task of choices asks for a letter and has no log-probabilities; HELM's exact_match of separate choices divides
by tokens, which are bytes in these models, so it is the `acc_norm` of the harness: a digit is one byte.
"""

from __future__ import annotations

import json
import zipfile

import polars as pl
import pytest
import zstandard

import unmirage

pytestmark = pytest.mark.filterwarnings("ignore::unmirage.UnmirageWarning")
CLOSE = 3e-5  # nats; float32 steps by 2e-6 at 20 nats, and sums are of other batches


def asked(frame, questions):
    """The rows with the question of each item: (task, item_id) -> text."""
    keys = frame.select("task", "item_id").rows()
    return frame.with_columns(question=pl.Series([questions.get(key) for key in keys], dtype=pl.String))


@pytest.fixture(scope="module")
def logs(shared_data):
    return shared_data / "logs"


@pytest.fixture(scope="module")
def lm_eval(logs):
    found = {}
    for path in (logs / "lm_eval").rglob("samples_*.jsonl"):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            task = path.name.removeprefix("samples_").rsplit("_", 1)[0]
            found[task, record["doc_hash"][:16]] = record["doc"].get("question")
    return asked(unmirage.read(logs / "lm_eval"), found)


@pytest.fixture(scope="module")
def helm(logs):
    found = {}
    for path in (logs / "helm").rglob("scenario_state.json"):
        task = path.parent.name.split(":")[0]
        for state in json.loads(path.read_text())["request_states"]:
            found[task, state["instance"]["id"]] = state["instance"]["input"]["text"]
    return asked(unmirage.read(logs / "helm"), found)


@pytest.fixture(scope="module")
def inspect(logs):
    found = {}
    for path in (logs / "inspect").glob("*generate*.eval"):
        data = path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.startswith("samples/"):
                    start = entry.header_offset + 30 + len(entry.filename.encode())
                    start += int.from_bytes(
                        data[entry.header_offset + 28 : entry.header_offset + 30], "little"
                    )
                    content = data[start : start + entry.compress_size]
                    stream = zstandard.ZstdDecompressor().decompressobj()
                    sample = json.loads(stream.decompress(content))
                    found["add2_generate (n=30)", str(sample["id"])] = sample["input"]
    return asked(unmirage.read(logs / "inspect", family="add"), found)


@pytest.fixture(scope="module")
def lighteval(logs):
    found = {}
    for path in (logs / "lighteval" / "details").rglob("*.parquet"):
        task = path.name.removeprefix("details_").split("|")[0]
        for doc in pl.read_parquet(path, columns=["doc"])["doc"].to_list():
            found[task, str(doc["id"])] = doc["query"]
    return asked(unmirage.read(logs / "lighteval"), found)


def met(one, task, other, other_task):
    """The rows that two tools have of the same model and question."""
    mine, theirs = one.filter(task=task), other.filter(task=other_task)
    assert mine["question"].null_count() == theirs["question"].null_count() == 0
    return mine.join(theirs, on=["model", "question"], suffix="_other")


def recorded(frame, column, metric):
    entries = frame[column].to_list()
    return [next(one["value"] for one in row if one["metric"] == metric) for row in entries]


@pytest.mark.parametrize(
    ("tool", "task", "models", "rows", "score"),
    [
        ("inspect", "add2_generate (n=30)", 4, 120, "exact_match_normalised"),
        ("helm", "tiny_add", 2, 40, "exact_match"),
        ("lighteval", "tiny_add2_gen", 2, 80, "exact_match"),
    ],
)
def test_greedy_outputs_and_scores_are_the_same(request, lm_eval, tool, task, models, rows, score):
    both = met(request.getfixturevalue(tool), task, lm_eval, "add2_gen")
    assert (both.height, both["model"].n_unique()) == (rows, models)
    assert both["output"].to_list() == both["output_other"].to_list()
    assert both["target"].to_list() == both["target_other"].to_list()
    assert 0 < sum(recorded(both, "recorded", score)) < rows
    assert recorded(both, "recorded", score) == recorded(both, "recorded_other", "exact_match")


@pytest.mark.parametrize(
    ("tool", "task", "models", "rows", "score"),
    [
        ("helm", "tiny_add_mc", 1, 20, ("acc_norm", "acc_norm")),
        ("lighteval", "tiny_add2_mc", 2, 80, ("multiple_choice_grade", "acc")),
    ],
)
def test_choices_have_the_same_log_probabilities(request, lm_eval, tool, task, models, rows, score):
    both = met(request.getfixturevalue(tool), task, lm_eval, "add2_mc")
    assert (both.height, both["model"].n_unique()) == (rows, models)
    assert both["answer"].to_list() == both["answer_other"].to_list()
    assert both["choice_lengths"].to_list() == both["choice_lengths_other"].to_list()
    apart = (both["choice_logprobs"] - both["choice_logprobs_other"]).list.eval(pl.element().abs()).list.max()
    assert apart.max() < CLOSE
    assert 0 < sum(recorded(both, "recorded", score[0])) <= rows
    assert recorded(both, "recorded", score[0]) == recorded(both, "recorded_other", score[1])


def test_the_two_that_share_least_agree_too(inspect, helm):
    both = met(inspect, "add2_generate (n=30)", helm, "tiny_add")
    assert both["model"].to_list() == ["add-6k", "add-6k"]
    assert both["output"].to_list() == both["output_other"].to_list()


@pytest.mark.parametrize("name", ["exact_match", "token_edit_distance"])
def test_our_scores_of_them_are_the_same(lm_eval, inspect, helm, lighteval, name):
    tasks = {
        "add2_gen": lm_eval,
        "add2_generate (n=30)": inspect,
        "tiny_add": helm,
        "tiny_add2_gen": lighteval,
    }
    scores = []
    for task, frame in tasks.items():
        rows = frame.filter(task=task)
        found = unmirage.score(rows.drop("question"), [name])
        scores.append(found.join(rows.select("model", "item_id", "question"), on=["model", "item_id"]))
    together = pl.concat(scores).group_by("model", "question").agg("task", pl.col("score").n_unique())
    shared = together.filter(pl.col("task").list.len() > 1)
    assert shared.height > 150
    assert shared["score"].unique().to_list() == [1]
