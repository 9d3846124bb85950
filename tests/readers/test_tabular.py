"""Tables of a user's: every kind of row in every format, and what their columns mean."""

from __future__ import annotations

import math
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import unmirage
from unmirage import tables
from unmirage.errors import SourceError, TableError
from unmirage.export import KINDS, write_table

BASE = {"family": "f", "model": "m", "n_params": 1e9, "task": "t"}
ROWS = {
    "generation": [
        {"item_id": "007", "target": "1.0", "output": "1"},
        {"item_id": "8", "target": "1", "output": ""},
    ],
    "choice": [{"item_id": "a", "choice_logprobs": [-1.5, -0.25], "answer": 1, "choice_lengths": [3, 4]}],
    "likelihood": [{"item_id": "a", "target_logprobs": [-0.125, float("-inf")], "target_tokens": ["x", '"']}],
    "count": [{"item_id": "a", "n_samples": 2_980_608, "n_correct": 3}],
    "score": [
        {"item_id": "a", "score.accuracy": 1.0, "score.bleu": 31.5},
        {"item_id": "b", "score.bleu": 2.0},
    ],
}  # fmt: skip


def read(source, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", unmirage.UnmirageWarning)
        return unmirage.read(source, **options)


def frame_of(rows):
    return pl.DataFrame([{**BASE, **row} for row in rows], infer_schema_length=None)


def write(frame, path):
    if path.suffix == ".tsv":
        import json

        nested = {c: [None if v is None else json.dumps(v.to_list()) for v in frame[c]]
                  for c, dtype in frame.schema.items() if dtype.is_nested()}  # fmt: skip
        frame.with_columns(pl.Series(c, v) for c, v in nested.items()).write_csv(path, separator="\t")
    elif path.suffix == ".jsonl":
        import json

        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dicts()))  # writes -Infinity
    else:
        write_table(frame, path, path.suffix[1:])
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", list(ROWS))
def test_each_kind_in_each_format(tmp_path, kind, ending):
    rows = read(write(frame_of(ROWS[kind]), tmp_path / f"x.{ending}"))
    assert rows["kind"].unique().to_list() == [kind]
    assert {c: rows.schema[c] for c in tables.RESPONSES} == pl.DataFrame(schema=tables.RESPONSES).schema
    for wanted, row in zip(ROWS[kind], rows.iter_rows(named=True), strict=True):
        for name, value in wanted.items():
            if not name.startswith("score."):
                assert row[name] == value
        scores = {f"score.{e['metric']}": e["value"] for e in row["recorded"] or []}
        assert scores == {k: v for k, v in wanted.items() if k.startswith("score.")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_read_writes_reads_back(shared_data, tmp_path, kind):
    logs = shared_data / "logs" / "lm_eval"
    for table in ("responses", "results"):
        first = read(logs, table=table)
        write_table(first, tmp_path / f"{table}.{kind}", kind)
        assert_frame_equal(read(tmp_path / f"{table}.{kind}", table=table), first)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), ending=st.sampled_from(KINDS))
def test_any_text_comes_back_as_it_was(tmp_path_factory, texts, ending):
    rows = [{"item_id": str(i), "target": t, "output": o} for i, (t, o) in enumerate(texts)]
    frame, _ = tables.check_responses(frame_of(rows).with_columns(kind=pl.lit("generation")), where="x")
    path = tmp_path_factory.mktemp("text") / f"x.{ending}"
    write_table(frame, path, ending)
    assert_frame_equal(read(path), frame)


def test_results(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "model,task,metric,value,n_items,stderr\npythia-70m,t,acc,0.25,40,0.1\npythia-160m,t,acc,,40,\n"
    )
    with pytest.warns(unmirage.UnmirageWarning) as said:
        rows = unmirage.read(path, table="results")
    assert rows.select("family", "model", "n_params", "n", "value").rows() == [
        ("Pythia", "pythia-70m", 70_426_624.0, 40, 0.25)
    ]
    what = "1 aggregates have no value and were left out (models: pythia-160m)"
    assert any(what in str(w.message) for w in said)


def test_asking_for_the_other_table_says_which_there_is():
    with pytest.raises(unmirage.errors.SettingsError, match="holds no results"):
        read(frame_of(ROWS["count"]), table="results")


def test_names_that_people_use(load_all):
    frame = pl.DataFrame({"model": ["a", "b"], "benchmark": "t", "doc_id": [3, 3], "correct": [True, False],
                          "compute": [1e18, 2e18]})  # fmt: skip
    found = load_all(frame, family="f")
    rows = found.responses[0]
    assert rows.select("task", "item_id", "flops").rows() == [("t", "3", 1e18), ("t", "3", 2e18)]
    assert rows["recorded"].to_list() == [[{"metric": "accuracy", "value": v}] for v in (1.0, 0.0)]


def test_extra_numbers_are_axes_and_other_columns_are_named(load_all):
    frame = frame_of(ROWS["count"]).with_columns(width=pl.lit(64), note=pl.lit("x"), bad=pl.lit(float("nan")))
    found = load_all(frame)
    assert found.responses[0]["width"].to_list() == [64.0]
    assert found.responses[0]["bad"].to_list() == [None]
    (note,) = found.warnings
    assert (note["code"], note["message"]) == ("unused-columns", "columns not used: note")
    wide = pl.concat(
        [
            frame_of(ROWS["count"]).with_columns(model=pl.lit(m), width=pl.lit(w))
            for m, w in (("a", 8), ("b", 9))
        ]
    )
    assert unmirage.audit(wide, axis="width").curves["axis_value"].unique().sort().to_list() == [8.0, 9.0]


def test_shot_counts_are_kept_apart(load_all):
    frame = pl.concat([frame_of(ROWS["count"]).with_columns(shots=pl.lit(k)) for k in (0.0, 5.0)])
    found = load_all(frame)
    assert found.responses[0]["task"].to_list() == ["t (0-shot)", "t (5-shot)"]
    assert [n["code"] for n in found.warnings] == ["shots-split"]
    assert load_all(frame.head(1)).responses[0]["task"].to_list() == ["t"]


def test_tasks_without_a_name_with_several_shot_counts_are_refused():
    frame = frame_of(ROWS["generation"]).with_columns(shots=pl.Series([0, 5]), task=pl.lit(None, pl.String))
    with pytest.raises(TableError, match="task is empty"):
        read(frame)


def test_checkpoints_are_named_by_step(load_all):
    frame = pl.concat([frame_of(ROWS["count"]).with_columns(step=pl.lit(k)) for k in (10, 20)])
    found = load_all(frame)
    assert found.responses[0]["model"].to_list() == ["m@step10", "m@step20"]
    assert [n["code"] for n in found.warnings] == ["checkpoints-named"]


@pytest.mark.parametrize(
    ("tokens", "names"),
    [
        ((2e9, 3e11), ["m@2B tokens", "m@300B tokens"]),
        ((299_892_736_000, 299_894_833_152), ["m@n_tokens 299892736000", "m@n_tokens 299894833152"]),
    ],
)
def test_checkpoints_are_named_by_tokens(load_all, tokens, names):
    frame = pl.concat([frame_of(ROWS["count"]).with_columns(n_tokens=pl.lit(k)) for k in tokens])
    assert load_all(frame).responses[0]["model"].to_list() == names


def test_the_step_of_a_known_model_gives_its_tokens(load_all):
    frame = pl.DataFrame({"model": "pythia-70m", "step": [0, 1000, 143000], "task": "t", "item_id": "i",
                          "n_samples": 4, "n_correct": 1})  # fmt: skip
    rows = load_all(frame).responses[0]
    assert rows["n_tokens"].to_list() == [0.0, 1000 * 2_097_152.0, 143000 * 2_097_152.0]
    assert rows["flops"].to_list() == [6 * 70_426_624 * t for t in rows["n_tokens"]]


def losses(n=40, break_at=None):
    """Two classes: an item is right exactly where its loss is below ln 2, but for one item if so asked."""
    loss = np.linspace(0.05, 2.5, n)
    correct = (loss < math.log(2)).astype(float)
    if break_at is not None:
        correct[break_at] = 1 - correct[break_at]
    return pl.DataFrame({**BASE, "item_id": [str(i) for i in range(n)], "loss": loss, "correct": correct,
                         "total_logprob": -0.5})  # fmt: skip


def test_an_items_loss_with_two_classes(load_all):
    found = load_all(losses())
    rows = found.responses[0]
    assert [n["code"] for n in found.warnings] == ["item-loss", "two-choices"]
    assert rows["kind"].unique().to_list() == ["choice"]
    loss = losses()["loss"].to_numpy()
    both = np.array(rows["choice_logprobs"].to_list())
    assert both[:, 0] == pytest.approx(-0.5 - loss, rel=1e-14)
    assert np.exp(both).sum(axis=1) == pytest.approx(np.full(40, math.exp(-0.5)), rel=1e-12)
    assert rows["loss"].null_count() == 40
    score = unmirage.score(rows, ["multiple_choice_grade"])["score"].to_list()
    assert score == losses()["correct"].to_list()


@pytest.mark.parametrize("frame", [losses(break_at=17), losses(12)])
def test_an_items_loss_where_two_classes_cannot_be_told(load_all, frame):
    """One item that contradicts it, or too few items to tell."""
    found = load_all(frame)
    rows = found.responses[0]
    assert [n["code"] for n in found.warnings] == ["item-loss"]
    assert rows["kind"].unique().to_list() == ["score"]
    assert [r[0]["value"] for r in rows["recorded"].to_list()] == frame["correct"].to_list()
    assert [r[0] for r in rows["target_logprobs"].to_list()] == (-frame["loss"]).to_list()


def test_a_pretraining_loss_stays_an_axis(load_all):
    frame = pl.concat([frame_of([{"item_id": str(i), "n_samples": 2, "n_correct": 1}]) for i in range(3)])
    assert load_all(frame.with_columns(loss=pl.lit(2.5))).responses[0]["loss"].to_list() == [2.5] * 3


def test_real_losses_of_two_classes(shared_data, load_all):
    found = load_all(shared_data / "gpt_per_example_losses.parquet")
    kinds = dict(found.responses[0].group_by("task").agg(pl.col("kind").cast(pl.String).first()).iter_rows())
    assert {t.split(" ")[0]: k for t, k in kinds.items()} == {
        "boolq": "choice", "conjunction_fallacy": "choice", "syllogism": "choice", "lambada": "likelihood",
    }  # fmt: skip
    source = pl.read_parquet(shared_data / "gpt_per_example_losses.parquet")
    with pytest.warns(unmirage.UnmirageWarning, match="lambada: multiple_choice_grade needs choice_logprobs"):
        scores = unmirage.score(found.responses[0], ["multiple_choice_grade"])
    assert scores["score"].sum() == source["correct"].sum()
    assert scores.height == source["correct"].count()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"n_params": "large"}, "n_params"),
        ({"n_correct": 1.5}, "n_correct must hold whole numbers, not 1.5"),
        ({"n_correct": "many"}, "n_correct cannot be read as numbers"),
        ({"kind": "guess"}, "kind cannot be read as one of generation, choice"),
        ({"score.x": "good"}, "score.x"),
    ],
)
def test_values_of_the_wrong_type(change, what):
    frame = frame_of([{**ROWS["count"][0], **change}])
    with pytest.raises(TableError, match=what):
        read(frame)


@pytest.mark.parametrize("name", ["*", "^.*$", "^$"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_name_that_stands_for_several_columns_is_refused(tmp_path, name, ending):
    frame = pl.DataFrame({"model": ["a"], "item_id": ["1"], "correct": [1], name: [2.0]})
    path = tmp_path / f"t.{ending}"
    {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[ending](path)
    with pytest.raises(TableError, match="stands for several") as problem:
        unmirage.read(path)
    assert problem.value.where == str(path)
    assert f'"{name}"' in str(problem.value)


def test_a_mapped_name_that_stands_for_several_columns_is_refused():
    frame = pl.DataFrame({"model": ["a"], "item_id": ["1"], "correct": [1], "x": [2.0]})
    with pytest.raises(TableError, match="stands for several"):
        unmirage.read(frame, map=["x=*"])


@pytest.mark.parametrize("text", ["-1,-2", "[-1,-2", "[-1] [-2]", "{}", "word", "[1, x]", "['a']"])
def test_text_that_is_no_list_names_file_and_column(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(f'model,task,item_id,choice_logprobs,answer\nm,t,i,"{text}",0\n')
    with pytest.raises(
        SourceError, match="column choice_logprobs holds text that is not a JSON list"
    ) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_truth_in_a_csv(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("model,n_params,task,item_id,target_logprob,greedy\nm,1,t,a,-1,True\nm,1,t,b,-2,False\n")
    assert read(path)["greedy"].to_list() == [True, False]


def test_two_tables_that_contradict_each_other(tmp_path):
    for name, right in (("a", 1), ("b", 2)):
        write(frame_of([{**ROWS["count"][0], "n_correct": right}]), tmp_path / f"{name}.csv")
    with pytest.raises(TableError, match="rows that contradict each other; first: model m, task t, item a"):
        read(tmp_path)


def test_unknown_models_of_two_families_stay_apart(tmp_path):
    rows = [f"{f}-{n}b,{n}e9,t,i{i},1" for f in ("my-alpha", "my-beta") for n in (1, 2, 7) for i in range(3)]
    (tmp_path / "t.csv").write_text("model,n_params,task,item_id,correct\n" + "\n".join(rows) + "\n")
    found = unmirage.audit(tmp_path / "t.csv")
    assert found.verdicts["family"].to_list() == ["my-alpha", "my-beta"]
