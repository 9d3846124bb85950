"""every_eval_ever: files of its own converter (`benchmarks/every_eval_ever_files.py`), and older schemas."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.readers import every_eval_ever as reader

FIXTURES = Path(__file__).parents[1] / "data" / "every_eval_ever"


def result(name="t", score=0.5, *, metric="accuracy", id=None, n=4, **config):
    details = {"score": score, "uncertainty": {"standard_error": {"value": 0.1}, "num_samples": n}}
    config = {"lower_is_better": False, "metric_name": metric, **config}
    found = {"evaluation_name": name, "metric_config": config, "score_details": details}
    return found | ({} if id is None else {"evaluation_result_id": id})


def line(score, *, item="0", name="t", id=None, reference=("1",), output="1", **more):
    found = {
        "schema_version": "0.3.0", "evaluation_id": "e", "model_id": "org/m1", "evaluation_name": name,
        "sample_id": item, "interaction_type": "single_turn",
        "input": {"raw": "p", "reference": list(reference), "choices": None}, "output": {"raw": [output]},
        "answer_attribution": [], "evaluation": {"score": score, "is_correct": score == 1},
        **more,
    }  # fmt: skip
    return found | ({} if id is None else {"evaluation_result_id": id})


@pytest.fixture
def write(tmp_path):
    """write(results, lines=(), id=..., model=..., library=..., time=..., name=folder, **details) -> path of
    the file of aggregates, or of the samples where `results` is None."""

    def one(
        results,
        lines=(),
        *,
        id="e",
        model="org/m1",
        library="lm_eval",
        time="1",
        name="a",
        schema="0.3.0",
        **more,
    ):
        place = tmp_path / "data" / name
        place.mkdir(parents=True, exist_ok=True)
        samples, path = place / "x_samples.jsonl", place / "x.json"
        if lines:
            named = [{**entry, "evaluation_id": id, "model_id": model} for entry in lines]
            samples.write_text("".join(json.dumps(entry) + "\n" for entry in named))
        if results is None:
            return samples
        content = {
            "schema_version": schema, "evaluation_id": id, "retrieved_timestamp": time,
            "source_metadata": {"source_organization_name": "x", "evaluator_relationship": "other"},
            "eval_library": {"name": library, "version": "1.2"},
            "model_info": {"name": model, "id": model, "additional_details": more},
            "evaluation_results": results,
        }  # fmt: skip
        path.write_text(json.dumps(content))
        return path

    return one


def rows(loaded):
    (frame,) = loaded.responses
    return frame


def results(loaded):
    (frame,) = loaded.results
    return frame


def test_files_of_the_package(load_all, codes):
    loaded = load_all(FIXTURES)
    assert len(loaded.inputs) == 14
    frame = rows(loaded)
    assert frame.group_by("task", "kind").len().sort("task").rows() == [
        ("add2_gen", "generation", 12),
        ("add2_mc", "score", 12),
        ("add2_target_ll", "likelihood", 12),
        ("add3_gen", "generation", 6),
    ]
    assert dict(frame.select("model", "n_params").unique().rows()) == {"add-10k": 9344.0, "add-13k": 13280.0}
    assert codes(loaded) == ["joined-likelihood"]  # items are the documents, as in the tool's own logs


def test_items_average_to_the_aggregates_of_the_package(load_all):
    loaded = load_all(FIXTURES)
    long = rows(loaded).explode("recorded").unnest("recorded")
    means = long.group_by("model", "task", metric="metric").agg(pl.col("value").mean())
    joined = results(loaded).join(means, on=["model", "task", "metric"], suffix="_items")
    assert joined.height == 13
    assert (joined["value"] - joined["value_items"]).abs().max() < 1e-9
    # The word for the mean log-likelihood of an item stands for exp(-mean) of a model.
    perplexity = results(loaded).filter(metric="perplexity").sort("model")
    mean = means.filter(task="add2_target_ll", metric="target_logprob").sort("model")
    assert perplexity["value"].to_list() == pytest.approx([math.exp(-m) for m in mean["value"]], abs=1e-9)
    assert means.filter(metric="perplexity").is_empty()


def test_an_audit_compares_with_the_recorded_scores():
    found = unmirage.audit(FIXTURES)
    assert (found.recorded["n"] == found.recorded["equal"]).all()
    item = found.recorded.filter(level="item")
    assert sorted(item["metric"]) == ["exact_match", "exact_match", "greedy_match", "target_logprob"]


def test_the_same_rows_as_from_the_tools_own_logs(shared_data, load_all):
    own = rows(load_all(shared_data / "logs" / "lm_eval"))
    ours = rows(load_all(FIXTURES))
    key = ["family", "model", "task", "item_id", "epoch"]
    both = ours.filter(pl.col("kind") != "score").join(own, on=key, suffix="_own")
    assert both.height == 30
    for name in ("kind", "n_params", "target", "target_logprobs", "greedy"):
        assert both[name].eq_missing(both[f"{name}_own"]).all(), name
    written = both.filter(kind="generation")
    assert (written["output"] == written["output_own"]).all()


def test_an_older_schema(write, load_all):
    content = json.loads(write([]).read_text())
    del content["eval_library"]
    content |= {
        "schema_version": "0.0.1",
        "model_info": {"name": "x", "id": "org/new-1b", "additional_details": {"params_billions": 1.5}},
        "evaluation_results": [
            {
                "evaluation_name": name,
                "metric_config": {"evaluation_description": text, "lower_is_better": False,
                                  "score_type": "continuous", "min_score": 0, "max_score": 1},
                "score_details": {"score": score},
            }
            for name, text, score in (
                ("IFEval", "Accuracy on IFEval", 0.25),
                ("MATH", "Exact Match on MATH", 0.5),
                ("Long", "A sentence that says what is measured", 0.75),
            )
        ],
    }  # fmt: skip
    path = write([])
    path.write_text(json.dumps(content))
    frame = results(load_all(path))
    assert frame.select("task", "metric", "value", "n").rows() == [
        ("IFEval", "accuracy", 0.25, None),
        ("MATH", "exact_match", 0.5, None),
        ("Long", "score", 0.75, None),
    ]
    assert frame["n_params"].unique().to_list() == [1.5e9]


def test_sizes(write, load_all):
    write([result()], model="EleutherAI/pythia-70m", params_billions=0.09, id="a", name="a")
    write([result()], model="org/other-7b", params_billions=-1, id="b", name="b")
    write([result()], model="org/mine", num_parameters="123", revision="step7", id="c", name="c")
    path = write([result()], model="org/nothing", num_parameters="many", id="d", name="d")
    frame = results(load_all(path.parents[1])).sort("model")
    assert frame.select("model", "n_params").rows() == [
        ("mine@step7", 123.0),
        ("nothing", None),
        ("other-7b", None),
        ("pythia-70m", 70426624.0),
    ]
    assert frame["step"].to_list() == [7.0, None, None, None]


def test_percentages_directions_and_bounds(write, load_all):
    loaded = load_all(
        write(
            [
                result("a", 62.5, metric="accuracy", min_score=0, max_score=100),
                result("b", 62.5, metric="elo", min_score=0, max_score=100),
                result("c", 3.0, metric="perplexity", lower_is_better=True, max_score="Infinity"),
                result("d", 3.0, metric="perplexity"),
                result("e", 0.5, metric="quality", lower_is_better=True),
            ]
        )
    )
    frame = results(loaded)
    assert frame.select("task", "value", "stderr").rows() == [
        ("a", 0.625, 0.001),
        ("b", 62.5, 0.1),
        ("c", 3.0, 0.1),
    ]
    notes = {note["code"]: note["message"] for note in loaded.warnings}
    assert "accuracy of a" in str(notes["percentages"])
    assert str(notes["direction"]).endswith("perplexity of d, quality of e")


def test_names_of_a_tool_are_ours_where_it_means_ours(write, load_all):
    lines = [line(1.0, item=str(i), id="exact_match:test") for i in range(3)]
    lines += [line(0.5, item=str(i), id="quasi_exact_match:test") for i in range(3)]
    path = write(
        [result(score=1.0, metric="exact_match", id="exact_match:test"),
         result(score=0.5, metric="quasi_exact_match", id="quasi_exact_match:test")], lines, library="helm",
    )  # fmt: skip
    loaded = load_all(path.parent)
    assert results(loaded)["metric"].to_list() == ["exact_match", "exact_match_normalised"]
    frame = rows(loaded)
    assert frame["kind"].unique().to_list() == ["generation"]
    assert frame["recorded"].to_list()[0] == [
        {"metric": "exact_match", "value": 1.0},
        {"metric": "exact_match_normalised", "value": 0.5},
    ]


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([line(1.0, id="exact_match")], "generation"),
        ([line(1.0, id="exact_match", reference=())], "score"),
        ([line(1.0, id="exact_match", output=None) | {"output": None}], "score"),
        ([line(1.0, id="judge")], "score"),
        ([line(1.0, id="exact_match") | {"input": {"reference": ["1"], "choices": ["1", "2"]}}], "score"),
        ([line(1.0, id="exact_match") | {"input": {"reference": "1", "choices": ["1"]}}], "generation"),
        ([line(-2.5, id="perplexity", output="-2.5"), line(0.0, id="acc", output="-2.5")], "likelihood"),
        ([line(-2.5, id="perplexity", output="something")], "score"),
    ],
)
def test_what_rows_hold(write, load_all, lines, kind):
    path = write([result(metric="exact_match", id="exact_match")], lines)
    frame = rows(load_all(path.parent))
    assert frame["kind"].to_list() == [kind]
    if kind == "likelihood":
        assert frame.select("target_logprobs", "greedy", "target").rows() == [([-2.5], False, "1")]


def test_several_references(write, load_all):
    lines = [line(1.0, reference=("1", "2"), output="2", id="exact_match"),
             line(0.0, item="1", reference=("1", "2"), output="3", id="exact_match")]  # fmt: skip
    path = write([result(metric="exact_match", id="exact_match")], lines)
    assert rows(load_all(path.parent)).select("target", "output").rows() == [("2", "2"), ("1", "3")]


def test_lines_that_are_left_out_are_counted(write, load_all):
    lines = [
        line(1.0, item="0"),
        line(0.0, item="1", error="timeout"),
        line(float("nan"), item="2"),
        line(1.0, item="3", id="of another run"),
    ]
    loaded = load_all(write([result(id="accuracy")], lines).parent)
    counts = {note["code"]: note["count"] for note in loaded.warnings}
    assert counts == {"failed-samples": 1, "unscored-samples": 1, "unknown-result": 1}
    assert rows(loaded)["item_id"].to_list() == ["0", "3"]


def test_samples_without_their_aggregates(write, load_all, codes):
    path = write(None, [line(1.0, id="exact_match"), line(0.0, item="1", id="exact_match")])
    loaded = load_all(path)
    assert rows(loaded).select("model", "kind", "n_params").rows() == [("m1", "generation", None)] * 2
    assert codes(loaded) == ["no-aggregates"]


def test_epochs_and_repeated_documents(write, load_all):
    lines = [line(1.0, metadata={"epoch": str(e)}) for e in (1, 2)]
    frame = rows(load_all(write([result()], lines, library="inspect_ai").parent))
    assert frame["epoch"].to_list() == [1, 2]
    digest = "ab" * 32
    lines = [line(1.0, item=str(i), metadata={"doc_hash": digest}) for i in range(2)]
    frame = rows(load_all(write([result()], lines).parent))
    assert frame["item_id"].to_list() == [digest[:16], f"{digest[:16]}#2"]


def test_the_latest_of_several_evaluations_is_read(write, load_all, codes):
    write([result(score=0.1)], [line(0.0)], id="old", name="a", time="100.5")
    path = write([result(score=0.9)], [line(1.0)], id="new", name="b", time="200")
    loaded = load_all(path.parents[1])
    assert results(loaded)["value"].to_list() == [0.9]
    assert rows(loaded)["recorded"].to_list() == [[{"metric": "accuracy", "value": 1.0}]]
    assert codes(loaded) == ["older-run"]


def test_lines_of_one_item_are_repeats(write, load_all, codes):
    lines = [line(1.0), line(0.0), line(0.0), line(1.0, item="1")]
    loaded = load_all(write([result()], lines).parent)
    assert rows(loaded).select("item_id", "epoch").rows() == [("0", 0), ("0", 1), ("1", 0)]
    counts = {note["code"]: note["count"] for note in loaded.warnings}
    assert counts == {"duplicate-rows": 1, "repeated-samples": 1}
    stated = [{**one, "metadata": {"epoch": "2"}} for one in lines]
    with pytest.raises(TableError, match=r"1 lines score an item again .* item 0 of t"):
        load_all(write([result()], stated).parent)


def test_truncated_at_every_byte(write, load_all):
    lines = [line(1.0, item="0"), line(0.0, item="1")]
    path = write(None, lines)
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for end in range(whole.index(b'"sample_id"') + 12, len(whole)):
        path.write_bytes(whole[:end])
        if end < second - 1:
            with pytest.raises(SourceError, match="holds no complete record") as caught:
                load_all(path)
            assert caught.value.where == str(path)
        else:
            assert rows(load_all(path)).height == (2 if end == len(whole) - 1 else 1)
    aggregate = write([result()])
    whole = aggregate.read_bytes()
    for end in range(whole.index(b'"retrieved_timestamp"') + 24, len(whole)):
        aggregate.write_bytes(whole[:end])
        with pytest.raises(SourceError, match="is not an evaluation of every_eval_ever"):
            load_all(aggregate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sample_id": 3}, "line 1 is not a sample"),
        ({"evaluation": {"score": "good"}}, "line 1 is not a sample"),
        ({"input": {"reference": [1]}}, "line 1 is not a sample"),
        ({"output": {"raw": {}}}, "line 1 is not a sample"),
    ],
)
def test_wrong_types(write, load_all, change, message):
    path = write(None, [{**line(1.0), **change}, line(1.0, item="1")])
    with pytest.raises(SourceError, match=message):
        load_all(path)


def test_a_number_of_samples_that_no_table_holds(write, load_all):
    with pytest.raises(SourceError, match="num_samples"):
        load_all(write([result(n=10**80)]))


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bytes_give_rows_or_one_clear_error(write, load_all, seed):
    path = write([result()], [line(1.0), line(0.0, item="1")])
    draw = np.random.default_rng(seed)
    for file in (path, path.with_name("x_samples.jsonl")):
        content = bytearray(file.read_bytes())
        for place in draw.integers(150, len(content), 3):
            content[place] = draw.integers(256)
        file.write_bytes(content)
    said = str(path.parent)
    try:
        load_all(path.parent)
    except UnmirageError as problem:
        said = str(problem)
    assert "every_eval_ever" in said or str(path.parent) in said


def test_hostile_values(write, load_all):
    name = "../../etc/\u0000<script>alert(1)</script>"
    lines = [line(1e308, item="../x\u0000"), line(-1e308, item="9" * 1000, metadata={"epoch": "9" * 99})]
    path = write([result(name, score=1e308, n=2**62)], [{**one, "evaluation_name": name} for one in lines],
                 model=name, time="9" * 400)  # fmt: skip
    loaded = load_all(path.parent)
    assert rows(loaded)["task"].unique().to_list() == [name]
    assert rows(loaded)["epoch"].to_list() == [0, 0]
    deep = path.read_text().replace('"additional_details": {}', '"additional_details": ' + '{"a":' * 9999)
    path.write_text(deep)
    with pytest.raises(SourceError, match="is not an evaluation of every_eval_ever"):
        load_all(path)


@pytest.mark.parametrize(
    ("name", "text", "claimed"),
    [
        ("a.json", '{"schema_version": "0.3.0", "evaluation_id": "e", "retrieved_timestamp": "1"', True),
        ("a.json", '{"retrieved_timestamp": "1", "schema_version": 1, "evaluation_id": "e"', True),
        ("a.json", '{"schema_version": "0.3.0", "evaluation_id": "e"', False),
        ("a.jsonl", json.dumps(line(1.0)), True),
        ("a.jsonl", '{"evaluation_id": 1, "model": 2, "item_id": 3}', False),
        ("a.txt", json.dumps(line(1.0)), False),
    ],
)
def test_files_are_known_by_their_keys(tmp_path, name, text, claimed):
    path = tmp_path / name
    path.write_text(text)
    assert reader.claims(path) is claimed


def test_what_a_file_states_of_its_run(write):
    assert reader.states(write([result()])).tool == "lm_eval 1.2"
    assert reader.states(write(None, [line(1.0)])).tool is None
