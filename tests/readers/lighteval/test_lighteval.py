"""Items of lighteval: every layout, and what their rows hold."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import unmirage

EM = (
    "ExactMatches(aggregation_function=max, normalize_gold=None, normalize_pred=None, strip_strings=True, "
    "type_exact_match=full)"
)
ACC = "LoglikelihoodAcc(logprob_normalization=None)"


@pytest.mark.parametrize("layout", ["structs", "native", "written"])
def test_every_layout_gives_the_same_and_lightevals_scores(write, sizes, layout, lighteval):
    old = layout != "structs"
    names = ("lighteval|my_mc|0|0", "lighteval|my_gen|0|0") if old else ("my_mc|0", "my_gen|0")
    for model in ("a/m-1b", "a/m-2b"):
        tasks = {names[0]: lighteval.choice_items(model), names[1]: lighteval.generation_items(model)}
        out = write(model, tasks, layout=layout, metrics=None if old else {"acc": ACC, "em": EM})
    a = unmirage.audit(out, families=[sizes])
    compared = {
        (row["task"].rsplit("|", 1)[-1], row["metric"], row["level"]): (row["n"], row["equal"])
        for row in a.recorded.iter_rows(named=True)
    }
    assert compared == {
        ("my_mc", "multiple_choice_grade", "item"): (24, 24),
        ("my_mc", "acc_norm", "item"): (24, 24),
        ("my_gen", "exact_match", "item"): (20, 20),
        ("my_mc", "multiple_choice_grade", "aggregate"): (2, 2),
        ("my_mc", "acc_norm", "aggregate"): (2, 2),
        ("my_gen", "exact_match", "aggregate"): (2, 2),
    }
    mine = a.responses.filter(pl.col("task").str.ends_with("my_mc"), pl.col("model") == "m-1b")
    expected = lighteval.choice_items("a/m-1b")
    order = [one["logprobs"] for one in expected]
    assert mine["choice_logprobs"].to_list() == order
    assert mine["greedy"].to_list() == [one["greedy"][one["gold"]] for one in expected]
    assert mine["choice_lengths"].to_list() == [[len(c) for c in one["choices"]] for one in expected]
    assert "differs-from-recorded" not in a.warnings["code"].to_list()


@pytest.mark.parametrize("layout", ["structs", "native", "written"])
def test_items_are_the_same_for_all_models_whatever_the_order(write, load_all, layout, lighteval):
    first, second = lighteval.choice_items("a"), lighteval.choice_items("b")
    write("a/m-1b", {"t|0": first}, layout=layout)
    out = write("a/m-2b", {"t|0": second[::-1]}, layout=layout)
    frame = load_all(out).responses[0]
    ids = {
        model: dict(part.select("item_id", "choice_logprobs").iter_rows())
        for (model,), part in frame.group_by("model")
    }
    assert set(ids["m-1b"]) == set(ids["m-2b"])
    assert ids["m-2b"][next(iter(ids["m-1b"]))] in [one["logprobs"] for one in second]
    if layout == "structs":
        assert list(ids["m-2b"]) == [str(i) for i in range(12)]
        assert ids["m-2b"]["3"] == second[3]["logprobs"]


def test_the_same_question_twice_is_two_items_in_old_layouts(write, load_all, lighteval):
    twice = [
        lighteval.item(0, "ab", logprobs=[-1.0, -2.0]),
        lighteval.item(1, "ab", query="q0 é", logprobs=[-1.0, -3.0]),
    ]
    frame = load_all(write("a/m-1b", {"t|0": twice}, layout="written")).responses[0]
    first, second = frame["item_id"].to_list()
    assert second == f"{first}#2"


def test_ids_that_several_splits_share_are_told_apart(write, load_all, lighteval):
    items = [
        lighteval.item(0, "ab", logprobs=[-1.0, -2.0]),
        lighteval.item(0, "ab", query="other", logprobs=[-1.0, -3.0]),
    ]
    items.append(lighteval.item(1, "ab", logprobs=[-1.0, -2.0]))
    names = [name for (name,) in lighteval.rows(load_all(write("a/m-1b", {"t|0": items})), "item_id")]
    assert len(set(names)) == 3
    assert names[0] == "1"
    assert all(name.startswith("0:") for name in names[1:])


def test_right_answers(write, load_all, lighteval):
    lls = [-3.0, -1.0, -2.0]
    items = [
        lighteval.item(0, "abc", [0, 2], logprobs=lls, acc=0),
        lighteval.item(1, "abc", [1], logprobs=lls, acc=1),
        lighteval.item(2, "abc", [], logprobs=lls, acc=0),
        lighteval.item(3, "abc", [-1], logprobs=lls, acc=0),
        lighteval.item(4, "abc", [7], logprobs=lls, acc=0),
        lighteval.item(5, "abc", [0], logprobs=lls[:2], acc=0),
    ]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert lighteval.rows(found, "item_id", "answer") == [("0", 2), ("1", 1)]
    assert lighteval.codes(found) == {"several-answers": 1, "no-answer": 3, "no-output": 1}


def test_log_probabilities_without_the_question_are_left_out(write, load_all, lighteval):
    found = load_all(write("a/m-1b", {"t|0": [lighteval.item(0, "ab", logprobs=[-1.0, -2.0, -5.0, -6.0])]}))
    assert lighteval.rows(found, "choice_logprobs") == [([-1.0, -2.0],)]


def test_an_empty_choice_has_no_length(write, load_all, lighteval):
    found = load_all(write("a/m-1b", {"t|0": [lighteval.item(0, ["", "a"], logprobs=[-1.0, -2.0])]}))
    assert lighteval.rows(found, "choice_lengths") == [(None,)]


def test_one_choice_is_a_likelihood(write, sizes, lighteval):
    items = [
        lighteval.item(i, ["ab"], logprobs=[-1.0 - i], greedy=[i == 0], acc=int(i == 0)) for i in range(3)
    ]
    a = unmirage.audit(
        write("a/m-1b", {"t|0": items}, metrics={"acc": "AccGoldLikelihood()"}), families=[sizes]
    )
    assert a.responses.select("kind", "target", "target_logprobs", "greedy").rows() == [
        ("likelihood", "ab", [-1.0 - i], i == 0) for i in range(3)
    ]
    equal = a.recorded.select("metric", "level", "n", "equal").rows()
    assert set(equal) == {("greedy_match", "item", 3, 3), ("greedy_match", "aggregate", 1, 1)}


def test_perplexity_is_a_likelihood_of_the_question(write, load_all, lighteval):
    items = [lighteval.item(0, [""], logprobs=[-12.5], methods=["PERPLEXITY"], bits_per_byte={"a": [1]})]
    out = write("a/m-1b", {"t|0": items}, results={"t|0": {"bits_per_byte": 0.7}})
    found = load_all(out)
    assert lighteval.rows(found, "kind", "target", "target_logprobs") == [("likelihood", "q0 é", [-12.5])]
    assert lighteval.rows(found, "recorded") == [([],)]
    assert found.results[0]["metric"].to_list() == ["bits_per_byte (lighteval)"]


def test_several_outputs_are_epochs(write, load_all, lighteval):
    items = [
        lighteval.item(0, ["1"], texts=["1", "2", "1"], em=1),
        lighteval.item(1, ["1"], texts=["3", "2", "0"], em=0),
    ]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert lighteval.rows(found, "item_id", "epoch", "output", pl.col("recorded").list.len()) == [
        *(("0", epoch, text, int(epoch == 0)) for epoch, text in enumerate("121")),
        *(("1", epoch, text, int(epoch == 0)) for epoch, text in enumerate("320")),
    ]
    assert found.results[0].select("metric", "value", "n").rows() == [("exact_match (best of 3)", 0.5, 2)]
    assert lighteval.codes(found) == {"repeats-used": 2}


def test_outputs_are_those_that_were_scored(write, load_all, lighteval):
    items = [
        lighteval.item(0, ["1"], texts=["<think>2</think>1"], em=1),
        lighteval.item(1, ["1"], texts=[""], em=0),
    ]
    items[0]["processed"] = ["1"]
    items[1]["processed"] = [""]
    assert lighteval.rows(load_all(write("a/m-1b", {"t|0": items})), "output") == [("1",), ("",)]


def test_strings_that_lighteval_does_not_strip(write, load_all, lighteval):
    items = [lighteval.item(0, [" 1"], texts=["1 "], em=0)]
    out = write(
        "a/m-1b", {"t|0": items}, metrics={"em": EM.replace("strip_strings=True", "strip_strings=False")}
    )
    assert lighteval.rows(load_all(out), "target", "output") == [(" 1", "1 ")]


def test_items_that_were_asked_in_two_ways(write, sizes, lighteval):
    choices = [
        lighteval.item(i, "ab", logprobs=[-1.0, -2.0], acc=1, methods=["GENERATIVE", "LOGPROBS"])
        for i in range(3)
    ]
    texts = [lighteval.item(i, "ab", texts=["a"], em=1, methods=["GENERATIVE", "LOGPROBS"]) for i in range(3)]
    out = write("a/m-1b", {"t|0": [*choices, *texts]})
    a = unmirage.audit(out, families=[sizes])
    assert dict(
        a.recorded.select(pl.concat_str("task", "metric", "level", separator=" "), "equal").iter_rows()
    ) == {
        "t (choice) multiple_choice_grade item": 3,
        "t (generation) exact_match item": 3,
        "t (choice) multiple_choice_grade aggregate": 1,
        "t (generation) exact_match aggregate": 1,
    }
    assert "methods-split" in a.warnings["code"].to_list()


def test_rows_that_hold_scores_only(write, load_all, lighteval):
    items = [lighteval.item(i, [], [], logprobs=[], judge=i / 4, note="x") for i in range(3)]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert lighteval.rows(found, "kind") == [("score",)] * 3
    assert lighteval.rows(found, "recorded") == [([{"metric": "judge", "value": i / 4}],) for i in range(3)]


def test_outcomes_that_python_wrote_in_other_ways(write, load_all, tmp_path, lighteval):
    out = write("a/m-1b", {"t|0": lighteval.choice_items(0, 5)}, layout="written")
    (path,) = out.rglob("*.parquet")
    frame = pl.read_parquet(path)
    outcomes = [
        "[(-inf, False), (np.float64(-2.0), True), (-1e-3, False), (-4, False)]",
        "[tensor(-1.5), -2.5, -3.5, -4.5]",
        "[[-1.5, -2.5, -3.5, -4.5]]",
        "[]",
        "[(-1.0, False), (-2.0, True)]",
    ]
    frame = frame.with_columns(
        predictions=pl.Series(outcomes),
        pred_logits=pl.Series(["[]", "[]", "[]", "[-1.0, -2.0, -3.0, -4.0]", "[]"]),
    )
    frame.write_parquet(path)
    found = load_all(out)
    assert lighteval.rows(found, "choice_logprobs") == [
        ([-np.inf, -2.0, -0.001, -4.0],),
        ([-1.5, -2.5, -3.5, -4.5],),
        ([-1.5, -2.5, -3.5, -4.5],),
        ([-1.0, -2.0, -3.0, -4.0],),
    ]
    assert lighteval.codes(found) == {"no-output": 1}
