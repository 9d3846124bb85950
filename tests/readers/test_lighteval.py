"""Logs of lighteval in the layouts of its versions, and its own where they are there."""

from __future__ import annotations

import contextlib
import json
import random

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.errors import SourceError, TableError, UnmirageError
from unmirage.readers import lighteval_runs
from unmirage.readers.lighteval import metric_of

TIME = "2025-03-04T05-06-07.123456"
EM = (
    "ExactMatches(aggregation_function=max, normalize_gold=None, normalize_pred=None, strip_strings=True, "
    "type_exact_match=full)"
)
ACC = "LoglikelihoodAcc(logprob_normalization=None)"


def item(i, choices, gold=0, *, query=None, texts=(), logprobs=(), greedy=(), methods=None, **metric):
    """An item as all layouts need it."""
    return {
        "id": str(i),
        "query": query or f"q{i} é",
        "choices": list(choices),
        "gold": gold,
        "texts": list(texts),
        "logprobs": list(logprobs),
        "greedy": list(greedy),
        "methods": methods or (["GENERATIVE"] if texts else ["LOGPROBS"]),
        "metric": metric,
    }


def structs(one):
    """A row since 0.11, with fields that have no value in any row."""
    doc = {
        "query": one["query"],
        "choices": one["choices"],
        "gold_index": one["gold"],
        "specific": None,
        "id": one["id"],
        "fewshot_samples": [],
        "sampling_methods": one["methods"],
    }
    response = {
        "input": None,
        "input_tokens": [1, 2],
        "text": one["texts"],
        "output_tokens": [[3]],
        "text_post_processed": one.get("processed"),
        "logprobs": one["logprobs"],
        "argmax_logits_eq_gold": one["greedy"],
        "unconditioned_logprobs": None,
    }
    return {"doc": doc, "model_response": response, "metric": one["metric"] or {"none": None}}


def flat(one):
    """A row before 0.11, its values still as Python has them."""
    gold = one["gold"] if isinstance(one["gold"], list) else [one["gold"]]
    choices = not one["texts"]
    pairs = [(p, g) for p, g in zip(one["logprobs"], one["greedy"], strict=False)]
    return {
        "choices": one["choices"] if choices else [],
        "cont_tokens": [[3]],
        "example": one["query"],
        "full_prompt": one["query"],
        "gold": [] if choices else [one["choices"][i] for i in gold],
        "gold_index": gold if choices else [],
        "metrics": one["metric"],
        "pred_logits": [],
        "predictions": one["texts"] or pairs or one["logprobs"],
        "specifics": None,
    }


def native(one):
    """Where Arrow took the values as they are: a pair becomes a list of two numbers."""
    row = flat(one)
    pairs = row["predictions"] and isinstance(row["predictions"][0], tuple)
    return {**row, "predictions": [[p, float(g)] for p, g in row["predictions"]]} if pairs else row


def written(one):
    """Where lighteval wrote every value as Python's text, as 0.6."""
    return {name: str(value) for name, value in flat(one).items()}


LAYOUTS = {"structs": structs, "native": native, "written": written}


@pytest.fixture
def write(tmp_path):
    """(model, {task: items}, ...) -> the folder of the output of a run."""

    def make(
        model, tasks, *, layout="structs", time=TIME, results=None, config=None, metrics=None, details=True
    ):
        out = tmp_path / "out"
        for name, items in tasks.items() if details else ():
            folder = out / "details" / model / time
            folder.mkdir(parents=True, exist_ok=True)
            frame = pl.DataFrame([LAYOUTS[layout](one) for one in items], infer_schema_length=None)
            frame.write_parquet(folder / f"details_{name}_{time}.parquet")
        scores = {}
        for name, items in tasks.items():
            words = list(dict.fromkeys(word for one in items for word in one["metric"]))
            values = {word: [one["metric"][word] for one in items if word in one["metric"]] for word in words}
            scores[name] = {}
            for word, of_word in values.items():
                if all(isinstance(value, int | float) for value in of_word):
                    error = np.std(of_word, ddof=1) / len(of_word) ** 0.5 if len(of_word) > 1 else 0.0
                    scores[name] |= {word: float(np.mean(of_word)), f"{word}_stderr": float(error)}
        whole = {
            "config_general": {"lighteval_sha": "?", "model_name": model, "model_config": config or {}},
            "results": results if results is not None else {**scores, "all": {"em": 0.5}},
            "versions": {},
            "config_tasks": {
                name: {
                    "metrics": [{"metric_name": m, "sample_level_fn": f} for m, f in (metrics or {}).items()]
                }
                for name in tasks
            },
        }
        if results != {}:
            path = out / "results" / model / f"results_{time}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(whole, indent=2))
        return out

    return make


@pytest.fixture
def sizes(tmp_path):
    path = tmp_path / "sizes.toml"
    names = {"m-1b": 1e9, "m-2b": 2e9, "add-6k": 3392, "add-70k": 67968}
    path.write_text("".join(f'[models."{m}"]\nn_params = {n}\nfamily = "f"\n' for m, n in names.items()))
    return path


def rows(loaded, *columns):
    return [row for frame in loaded.responses for row in frame.select(*columns).rows()]


def codes(loaded):
    return {note["code"]: note["count"] for note in loaded.warnings}


def choice_items(seed, n=12):
    """Scores by lighteval's own formulas: the first best choice, summed or a character."""
    items = []
    for i in range(n):
        mine = random.Random(f"{seed} {i}")
        choices = ["abcdefgh"[: 1 + (i + j) % 4] + str(j) for j in range(4)]
        lls = [-mine.uniform(0.1, 9) for _ in choices]
        greedy = [ll == max(lls) and i % 2 == 0 for ll in lls]
        per = [ll / len(c) for ll, c in zip(lls, choices, strict=True)]
        scores = {"acc": int(np.argmax(lls) == i % 4), "acc_norm": int(np.argmax(per) == i % 4)}
        items.append(item(i, choices, i % 4, logprobs=lls, greedy=greedy, **scores))
    return items


def generation_items(seed, n=10):
    items = []
    for i in range(n):
        text = str(2 * i + (random.Random(f"{seed} {i}").random() < 0.4))
        items.append(item(i, [str(2 * i)], 0, texts=[f" {text}"], em=int(text == str(2 * i))))
    return items


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_and_lightevals_scores(write, sizes, layout):
    old = layout != "structs"
    names = ("lighteval|my_mc|0|0", "lighteval|my_gen|0|0") if old else ("my_mc|0", "my_gen|0")
    for model in ("a/m-1b", "a/m-2b"):
        tasks = {names[0]: choice_items(model), names[1]: generation_items(model)}
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
    expected = choice_items("a/m-1b")
    order = [one["logprobs"] for one in expected]
    assert mine["choice_logprobs"].to_list() == order
    assert mine["greedy"].to_list() == [one["greedy"][one["gold"]] for one in expected]
    assert mine["choice_lengths"].to_list() == [[len(c) for c in one["choices"]] for one in expected]
    assert "differs-from-recorded" not in a.warnings["code"].to_list()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_items_are_the_same_for_all_models_whatever_the_order(write, load_all, layout):
    first, second = choice_items("a"), choice_items("b")
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


def test_the_same_question_twice_is_two_items_in_old_layouts(write, load_all):
    twice = [item(0, "ab", logprobs=[-1.0, -2.0]), item(1, "ab", query="q0 é", logprobs=[-1.0, -3.0])]
    frame = load_all(write("a/m-1b", {"t|0": twice}, layout="written")).responses[0]
    first, second = frame["item_id"].to_list()
    assert second == f"{first}#2"


def test_ids_that_several_splits_share_are_told_apart(write, load_all):
    items = [item(0, "ab", logprobs=[-1.0, -2.0]), item(0, "ab", query="other", logprobs=[-1.0, -3.0])]
    items.append(item(1, "ab", logprobs=[-1.0, -2.0]))
    names = [name for (name,) in rows(load_all(write("a/m-1b", {"t|0": items})), "item_id")]
    assert len(set(names)) == 3
    assert names[0] == "1"
    assert all(name.startswith("0:") for name in names[1:])


def test_right_answers(write, load_all):
    lls = [-3.0, -1.0, -2.0]
    items = [
        item(0, "abc", [0, 2], logprobs=lls, acc=0),
        item(1, "abc", [1], logprobs=lls, acc=1),
        item(2, "abc", [], logprobs=lls, acc=0),
        item(3, "abc", [-1], logprobs=lls, acc=0),
        item(4, "abc", [7], logprobs=lls, acc=0),
        item(5, "abc", [0], logprobs=lls[:2], acc=0),
    ]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert rows(found, "item_id", "answer") == [("0", 2), ("1", 1)]
    assert codes(found) == {"several-answers": 1, "no-answer": 3, "no-output": 1}


def test_log_probabilities_without_the_question_are_left_out(write, load_all):
    found = load_all(write("a/m-1b", {"t|0": [item(0, "ab", logprobs=[-1.0, -2.0, -5.0, -6.0])]}))
    assert rows(found, "choice_logprobs") == [([-1.0, -2.0],)]


def test_an_empty_choice_has_no_length(write, load_all):
    found = load_all(write("a/m-1b", {"t|0": [item(0, ["", "a"], logprobs=[-1.0, -2.0])]}))
    assert rows(found, "choice_lengths") == [(None,)]


def test_one_choice_is_a_likelihood(write, sizes):
    items = [item(i, ["ab"], logprobs=[-1.0 - i], greedy=[i == 0], acc=int(i == 0)) for i in range(3)]
    a = unmirage.audit(
        write("a/m-1b", {"t|0": items}, metrics={"acc": "AccGoldLikelihood()"}), families=[sizes]
    )
    assert a.responses.select("kind", "target", "target_logprobs", "greedy").rows() == [
        ("likelihood", "ab", [-1.0 - i], i == 0) for i in range(3)
    ]
    equal = a.recorded.select("metric", "level", "n", "equal").rows()
    assert set(equal) == {("greedy_match", "item", 3, 3), ("greedy_match", "aggregate", 1, 1)}


def test_perplexity_is_a_likelihood_of_the_question(write, load_all):
    items = [item(0, [""], logprobs=[-12.5], methods=["PERPLEXITY"], bits_per_byte={"a": [1]})]
    out = write("a/m-1b", {"t|0": items}, results={"t|0": {"bits_per_byte": 0.7}})
    found = load_all(out)
    assert rows(found, "kind", "target", "target_logprobs") == [("likelihood", "q0 é", [-12.5])]
    assert rows(found, "recorded") == [([],)]
    assert found.results[0]["metric"].to_list() == ["bits_per_byte (lighteval)"]


def test_several_outputs_are_epochs(write, load_all):
    items = [item(0, ["1"], texts=["1", "2", "1"], em=1), item(1, ["1"], texts=["3", "2", "0"], em=0)]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert rows(found, "item_id", "epoch", "output", pl.col("recorded").list.len()) == [
        *(("0", epoch, text, int(epoch == 0)) for epoch, text in enumerate("121")),
        *(("1", epoch, text, int(epoch == 0)) for epoch, text in enumerate("320")),
    ]
    assert found.results[0].select("metric", "value", "n").rows() == [("exact_match (best of 3)", 0.5, 2)]
    assert codes(found) == {"repeats-used": 2}


def test_outputs_are_those_that_were_scored(write, load_all):
    items = [item(0, ["1"], texts=["<think>2</think>1"], em=1), item(1, ["1"], texts=[""], em=0)]
    items[0]["processed"] = ["1"]
    items[1]["processed"] = [""]
    assert rows(load_all(write("a/m-1b", {"t|0": items})), "output") == [("1",), ("",)]


def test_strings_that_lighteval_does_not_strip(write, load_all):
    items = [item(0, [" 1"], texts=["1 "], em=0)]
    out = write(
        "a/m-1b", {"t|0": items}, metrics={"em": EM.replace("strip_strings=True", "strip_strings=False")}
    )
    assert rows(load_all(out), "target", "output") == [(" 1", "1 ")]


def test_items_that_were_asked_in_two_ways(write, sizes):
    choices = [
        item(i, "ab", logprobs=[-1.0, -2.0], acc=1, methods=["GENERATIVE", "LOGPROBS"]) for i in range(3)
    ]
    texts = [item(i, "ab", texts=["a"], em=1, methods=["GENERATIVE", "LOGPROBS"]) for i in range(3)]
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


def test_rows_that_hold_scores_only(write, load_all):
    items = [item(i, [], [], logprobs=[], judge=i / 4, note="x") for i in range(3)]
    found = load_all(write("a/m-1b", {"t|0": items}))
    assert rows(found, "kind") == [("score",)] * 3
    assert rows(found, "recorded") == [([{"metric": "judge", "value": i / 4}],) for i in range(3)]


@pytest.mark.parametrize(
    ("word", "function", "kind", "expected"),
    [
        ("acc", ACC, "choice", "multiple_choice_grade"),
        ("acc", "", None, "multiple_choice_grade"),
        ("acc", "AccGoldLikelihood()", None, "greedy_match"),
        ("acc", "AccGoldLikelihood()", "choice", "accuracy (greedy)"),
        ("acc", "", "likelihood", "greedy_match"),
        ("acc:logprob_normalization=LogProbCharNorm(ignore_first_space=False)", "", "choice", "acc_norm"),
        ("acc", "LoglikelihoodAcc(logprob_normalization=LogProbPMINorm())", "choice", "accuracy (PMI)"),
        ("acc", "LoglikelihoodAcc(LogProbTokenNorm())", "choice", "accuracy (normalised)"),
        ("acc_norm", "", "choice", "acc_norm"),
        ("em", EM, "generation", "exact_match"),
        ("em", "", None, "exact_match"),
        ("em", EM.replace("full", "prefix"), "generation", "em"),
        ("em", EM.replace("normalize_pred=None", "normalize_pred=gsm8k_normalizer"), "generation", "em"),
        ("qem", "", "generation", "qem"),
        ("bleu", "", "generation", "bleu (lighteval)"),
        ("perplexity", "", "likelihood", "perplexity (lighteval)"),
        ("rougeL", "", "generation", "rougeL"),
        ("pass@k:k=1&n=4", "", "generation", "pass@k:k=1&n=4"),
    ],
)  # fmt: skip
def test_names_of_metrics(word, function, kind, expected):
    assert metric_of(word, function, kind) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny|0", ("tiny", 0)),
        ("lighteval|arc:easy|25|0", ("lighteval|arc:easy", 25)),
        ("leaderboard|mmlu|5|1", ("leaderboard|mmlu", 5)),
        ("tiny", ("tiny", None)),
        ("3", ("3", None)),
        ("a|2024|3|0", ("a|2024", 3)),
    ],
)
def test_tasks_and_shots(name, expected):
    assert lighteval_runs.shots_of(name) == expected


def test_shots_are_kept_apart_and_means_left_out(write, load_all):
    results = {
        "mmlu:law|0": {"acc": 0.25, "acc_stderr": 0.1},
        "mmlu:law|5": {"acc": 0.5, "acc_stderr": None, "mcc": "NaN"},
        "mmlu:_average|0": {"acc": 0.3},
        "all": {"acc": 0.3},
    }
    out = write("a/m-1b", {}, results=results)
    found = load_all(out)
    assert found.results[0].select("task", "metric", "value", "stderr", "n").rows() == [
        ("mmlu:law (0-shot)", "multiple_choice_grade", 0.25, 0.1, None),
        ("mmlu:law (5-shot)", "multiple_choice_grade", 0.5, None, None),
    ]
    assert codes(found) == {"shots-split": 1, "missing-values": 1}


def test_models_revisions_and_checkpoints(write, load_all):
    for step in (1000, 143000):
        config = {"revision": f"step{step}", "model_name": "EleutherAI/pythia-70m"}
        time = f"2025-03-04T05-06-07.{step:06d}"
        out = write("EleutherAI/pythia-70m", {"t|0": generation_items(step)}, config=config, time=time)
    frame = load_all(out).responses[0]
    ends = frame.group_by("step").agg(pl.col("n_params", "n_tokens").first(), pl.len()).sort("step")
    assert ends.rows() == [
        (1000, 70_426_624, 1000 * 2_097_152, 10),
        (143000, 70_426_624, 143000 * 2_097_152, 10),
    ]


def test_details_without_results_are_called_after_their_folder(write, load_all):
    out = write("a/m-1b", {"t|0": generation_items(0)}, results={})
    frame = load_all(out).responses[0]
    assert frame.select("family", "model", "task").unique().rows() == [("m", "m-1b", "t")]


def test_the_results_of_a_file_that_was_named_are_found(write, load_all):
    out = write("a/m-1b", {"t|0": generation_items(0), "u|0": generation_items(1)})
    (path,) = out.rglob("details_t*.parquet")
    found = load_all(path)
    assert set(rows(found, "task")) == {("t",)}
    assert set(found.results[0]["task"]) == {"t", "u"}
    assert load_all(path, format="lighteval").responses[0].equals(found.responses[0])


def test_two_models_at_one_time(write, load_all):
    write("a/m-1b", {"t|0": generation_items(0)})
    found = load_all(write("b/m-2b", {"t|0": generation_items(1)}))
    assert sorted(set(rows(found, "model"))) == [("m-1b",), ("m-2b",)]
    assert codes(found) == {}


def test_the_newest_run_is_used(write, load_all):
    write("a/m-1b", {"t|0": generation_items(0), "u|0": generation_items(0)}, time="2025-01-01T00-00-00.5")
    out = write("a/m-1b", {"t|0": generation_items(1)})
    found = load_all(out)
    assert codes(found) == {"older-run": 1}
    assert found.results[0].filter(task="t")["value"].to_list() == [
        np.mean([one["metric"]["em"] for one in generation_items(1)])
    ]
    assert sorted(found.responses[0].group_by("task").len().rows()) == [("t", 10), ("u", 10)]


def test_a_copy_of_the_results_beside_the_details(write, load_all):
    out = write("a/m-1b", {"t|0": generation_items(0)})
    (path,) = out.rglob("results_*.json")
    copy = out / "details" / "a" / "m-1b" / path.name
    copy.write_bytes(path.read_bytes())
    found = load_all(out)
    assert codes(found) == {}
    assert found.results[0].height == 1


def test_outcomes_that_python_wrote_in_other_ways(write, load_all, tmp_path):
    out = write("a/m-1b", {"t|0": choice_items(0, 5)}, layout="written")
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
    assert rows(found, "choice_logprobs") == [
        ([-np.inf, -2.0, -0.001, -4.0],),
        ([-1.5, -2.5, -3.5, -4.5],),
        ([-1.5, -2.5, -3.5, -4.5],),
        ([-1.0, -2.0, -3.0, -4.0],),
    ]
    assert codes(found) == {"no-output": 1}


def test_not_a_number_is_refused(write, load_all):
    out = write("a/m-1b", {"t|0": choice_items(0, 1)}, layout="written")
    (path,) = out.rglob("*.parquet")
    frame = pl.read_parquet(path).with_columns(predictions=pl.lit("[(nan, False), -1.0, -2.0, -3.0]"))
    frame.write_parquet(path)
    with pytest.raises(TableError, match="choice_logprobs holds NaN"):
        load_all(out)


@pytest.mark.parametrize("column", ["predictions", "choices", "metrics"])
@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('echo no')",
        "[" * 100_000,
        "(" * 50 + "1",
        "9" * 5000,
        "lambda: 1",
        "[1,",
        "-" * 9999 + "1",
    ],
)
def test_text_that_is_no_value_is_an_error_and_is_not_run(write, load_all, column, text):
    out = write("a/m-1b", {"t|0": choice_items(0, 2)}, layout="written")
    (path,) = out.rglob("*.parquet")
    frame = pl.read_parquet(path).with_columns(pl.Series(column, [text] * 2))
    frame.write_parquet(path)
    with pytest.raises(SourceError, match=r"row 1: .* is no value that Python wrote") as caught:
        load_all(out)
    assert caught.value.where == str(path)


HOSTILE = [
    pl.DataFrame({"a": [1]}),
    pl.DataFrame({"doc": [1], "model_response": [1], "metric": [1]}),
    pl.DataFrame([{**structs(choice_items(0)[0]), "doc": {"choices": [1]}}]),
    pl.DataFrame([{**structs(choice_items(0)[0]), "doc": {"id": "1", "choices": [["a"], ["b"]]}}]),
    pl.DataFrame([{**structs(choice_items(0)[0]), "doc": {"id": "1", "gold_index": "first"}}]),
    pl.DataFrame([{**structs(item(0, "ab", logprobs=[float("nan"), -1.0])), "x": 1}]),
    pl.DataFrame([structs(item(0, "ab", logprobs=[3.0, -1.0]))]),
    pl.DataFrame({"predictions": [10**20], "metrics": [None]}),
]


@pytest.mark.parametrize("frame", HOSTILE)
def test_files_of_another_kind(write, load_all, frame):
    out = write("a/m-1b", {"t|0": choice_items(0, 2)}, results={})
    (path,) = out.rglob("*.parquet")
    frame.write_parquet(path)
    with pytest.raises(UnmirageError) as caught:
        load_all(out)
    assert str(path) in str(caught.value) or "no score and no response" in str(caught.value)


@pytest.mark.parametrize("layout", ["structs", "written"])
def test_broken_parquet_is_an_error(write, load_all, layout):
    out = write("a/m-1b", {"t|0": choice_items(0, 2)}, layout=layout, results={})
    (path,) = out.rglob("*.parquet")
    whole = path.read_bytes()
    for end in range(4, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError):
            load_all(out)
    random_ = random.Random(0)
    for _ in range(150):
        at, bit = random_.randrange(4, len(whole)), 1 << random_.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with contextlib.suppress(UnmirageError):
            load_all(out)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text[: len(text) // 2], "is not a results file of lighteval"),
        (
            lambda text: text.replace('"em": 1.0', '"em": ' + "[" * 50_000),
            "is not a results file of lighteval",
        ),
        (lambda text: text.replace('"t|0"', '"\\ud800"', 1), "is not a results file of lighteval"),
        (
            lambda text: text.replace('"results": {', '"results": [{').replace("]}}", "]}]}"),
            "is not a results",
        ),
    ],
)
def test_broken_results_are_an_error(write, load_all, change, words):
    out = write("a/m-1b", {"t|0": [item(0, ["1"], texts=["1"], em=1)]})
    (path,) = out.rglob("*.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(SourceError, match=words) as caught:
        load_all(out)
    assert caught.value.where == str(path)


def test_strange_names_and_texts_are_kept_as_they_are(write, load_all):
    text = "<script>alert(1)</script>\x00../../x"
    out = write("..", {"t|0": [item(0, [text], texts=[text], em=1)]}, config={"model_name": "../../<b>m-1b"})
    (path,) = out.rglob("*.json")
    path.write_text(path.read_text().replace('"model_name": ".."', '"model_name": "../../<b>m-1b"', 1))
    found = load_all(out)
    assert rows(found, "model", "target", "output") == [("<b>m-1b", text, text)]


def test_a_number_beyond_all_measure_is_a_value_that_is_missing(write, load_all):
    out = write("a/m-1b", {}, results={"t|0": {"em": 0.5, "f": "1" * 400, "g": "nan"}})
    found = load_all(out)
    assert found.results[0].height == 2
    assert codes(found) == {"missing-values": 1}


class TestFilesThatLightevalWrote:
    def test_scores_and_aggregates_are_lightevals(self, shared_data, sizes):
        a = unmirage.audit(shared_data / "logs" / "lighteval", families=[sizes])
        assert set(a.recorded.select("task", "metric", "level", "n", "equal").rows()) == {
            ("tiny_add2_gen", "exact_match", "item", 80, 80),
            ("tiny_add2_mc", "multiple_choice_grade", "item", 80, 80),
            ("tiny_add2_gen", "exact_match", "aggregate", 2, 2),
            ("tiny_add2_mc", "multiple_choice_grade", "aggregate", 2, 2),
        }
        assert a.recorded["largest_difference"].max() < 1e-9
        assert a.responses.group_by("model", "task").len()["len"].to_list() == [40] * 4

    def test_lm_eval_gives_the_same_on_the_items_that_both_have(self, shared_data, load_all):
        logs = shared_data / "logs"
        for model in ("add-6k", "add-70k"):
            for mine, theirs in (("tiny_add2_gen", "add2_gen"), ("tiny_add2_mc", "add2_mc")):
                (details,) = (logs / "lighteval" / "details" / "models" / model).rglob(f"details_{mine}*")
                doc = pl.read_parquet(details)["doc"].struct.unnest().select("query", item_id="id")
                left = load_all(details).responses[0].join(doc, on="item_id")
                (path,) = (logs / "lm_eval" / f"models__{model}").glob(f"samples_{theirs}_2*.jsonl")
                documents = [json.loads(line)["doc"] for line in path.read_text().splitlines()]
                right = (
                    load_all(path)
                    .responses[0]
                    .with_columns(query=pl.Series([one["question"] for one in documents]))
                )
                both = left.join(right, on="query", suffix="_theirs")
                assert both.height == 40
                if theirs == "add2_gen":
                    assert (both["output"] == both["output_theirs"]).all()
                    continue
                gap = (pl.col("choice_logprobs") - pl.col("choice_logprobs_theirs")).list.eval(
                    pl.element().abs()
                )
                assert both.select(gap.list.max().max()).item() < 1e-3
                assert (both["answer"] == both["answer_theirs"]).all()
                assert (both["greedy"] == both["greedy_theirs"]).all()
