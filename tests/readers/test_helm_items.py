"""Items of HELM runs, made in the layout of crfm-helm 0.5.16, and its own where they are there."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest

import unmirage
from unmirage.errors import SourceError, UnmirageError

ORIGINAL, CALIBRATED = "multiple_choice_separate_original", "multiple_choice_separate_calibrated"
TYPOS = {"name": "typos", "computed_on": "perturbed"}


def instance(i, *answers, right=(0,), **more):
    references = [
        {"output": {"text": text}, "tags": ["correct"] if j in right else []}
        for j, text in enumerate(answers)
    ]
    return {"input": {"text": f"q{i}"}, "references": references, "split": "test", "id": f"id{i}", **more}


def state(one, *texts, tokens=(), prompt="", trial=0, **more):
    """A request; `tokens` are (text, log-probability) of the one completion, where there are any."""
    completions = [
        {
            "text": text,
            "logprob": -float(j),
            "tokens": [{"text": t, "logprob": p} for t, p in tokens],
        }
        for j, text in enumerate(texts)
    ]
    return {
        "instance": one,
        "train_trial_index": trial,
        "request": {"prompt": prompt},
        "result": {"success": bool(texts), "embedding": [], "completions": completions},
        **more,
    }


def record(i, trial=0, split="test", **scores):
    stats = [
        {"name": {"name": name, "split": split}, "count": 1, "sum": value, "mean": value}
        for name, value in {"num_references": 1, "max_prob": 1.0, **scores}.items()
    ]
    stats.append({"name": {"name": "training_co2_cost", "split": split}, "count": 0, "sum": 0})
    return {"instance_id": f"id{i}", "train_trial_index": trial, "stats": stats}


def aggregates(records):
    """As HELM: the mean over trials of the mean over instances, of what is not perturbed."""
    values = {}
    for one in records:
        for stat in one["stats"]:
            if stat["count"] and "perturbation" not in one:
                key = stat["name"]["name"], stat["name"]["split"]
                values.setdefault(key, {}).setdefault(one["train_trial_index"], []).append(stat["mean"])
    out = []
    for (name, split), trials in values.items():
        means = [sum(of_trial) / len(of_trial) for of_trial in trials.values()]
        count = {"count": len(means), "sum": sum(means), "mean": sum(means) / len(means)}
        out.append({"name": {"name": name, "split": split}, **count})
    return out


@pytest.fixture
def write(tmp_path):
    """(states, records, ...) -> the folder of a run below tmp_path."""

    def make(states, records, *, method="generation", model="a/m-1b", task="t", indent=2, **adapter):
        name = f"{task}:model={model.replace('/', '_')}"
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        asked = {"method": method, "model": model, "max_train_instances": 0, **adapter}
        spec = {"name": name, "scenario_spec": {}, "adapter_spec": asked, "metric_specs": []}
        files = {
            "run_spec.json": spec,
            "stats.json": aggregates(records or [record(0, exact_match=0)]),
            "scenario_state.json": {"adapter_spec": asked, "request_states": states},
            "per_instance_stats.json": records,
        }
        for file, content in files.items():
            if content is not None and not (file == "scenario_state.json" and states is None):
                (folder / file).write_text(json.dumps(content, indent=indent))
        return folder

    return make


def codes(loaded):
    return {note["code"]: note["count"] for note in loaded.warnings}


def rows(loaded, *columns):
    return loaded.responses[0].select(*columns).rows()


def scores_of(row):
    return {one["metric"]: one["value"] for one in row}


@pytest.mark.parametrize("indent", [None, 1, 2])
def test_generations(write, tmp_path, load_all, indent):
    states = [
        state(instance(1, "12"), " 12\n"),
        state(instance(2, "one", "1", "no", right=(0, 1)), "1"),
        state(instance(3, "14"), "13"),
    ]
    records = [
        record(1, exact_match=1, quasi_exact_match=1, logprob=-3.0),
        record(2, exact_match=1, quasi_exact_match=1),
        record(3, exact_match=0, quasi_exact_match=0),
        record(3, f1_score=0.25),
    ]
    folder = write(states, records, indent=indent)
    found = load_all(tmp_path)
    assert rows(found, "model", "task", "item_id", "epoch", "kind", "target", "output") == [
        ("m-1b", "t", "id1", 0, "generation", "12", "12"),
        ("m-1b", "t", "id2", 0, "generation", "1", "1"),
        ("m-1b", "t", "id3", 0, "generation", "14", "13"),
    ]
    last = scores_of(found.responses[0]["recorded"][-1].to_list())
    assert last == {"exact_match": 0.0, "exact_match_normalised": 0.0, "token_f1": 0.25}
    assert codes(found) == {"own-text": 1}
    assert {entry.path: entry.rows for entry in found.inputs} == {
        str(folder / "run_spec.json"): 0,
        str(folder / "stats.json"): 3,
        str(folder / "scenario_state.json"): 3,
        str(folder / "per_instance_stats.json"): 4,
    }


def compared(source, family_file):
    a = unmirage.audit(source, families=[family_file])
    return a, {(row["metric"], row["level"]): row for row in a.recorded.iter_rows(named=True)}


@pytest.fixture
def sizes(tmp_path):
    path = tmp_path / "sizes.toml"
    names = {"m-1b": 1e9, "m-2b": 2e9, "add-6k": 3392, "add-70k": 67968}
    path.write_text("".join(f'[models."{m}"]\nn_params = {n}\nfamily = "f"\n' for m, n in names.items()))
    return path


def test_trials_are_epochs_and_the_aggregate_is_that_of_helm(write, tmp_path, sizes):
    right = {(i, trial): (i * 7 + trial * 3) % 5 < 2 for i in range(7) for trial in range(3)}
    states = [
        state(instance(i, "12"), "12" if hit else "13", trial=trial) for (i, trial), hit in right.items()
    ]
    records = [record(i, trial, exact_match=int(hit)) for (i, trial), hit in right.items()]
    write(states, records)
    a, found = compared(tmp_path / "runs", sizes)
    assert a.responses["epoch"].to_list() == [trial for _, trial in right]
    assert found["exact_match", "item"]["n"] == found["exact_match", "item"]["equal"] == 21
    assert found["exact_match", "aggregate"]["largest_difference"] < 1e-9


def test_perturbed_instances_and_other_splits_are_left_out(write, tmp_path, load_all):
    states = [
        state(instance(1, "12"), "12"),
        state(instance(1, "12", perturbation=TYPOS), "13"),
        state(instance(2, "12", split="valid"), "12"),
        state(instance(3, "12", sub_split="hard"), "12"),
    ]
    perturbed = {**record(1, exact_match=0), "perturbation": TYPOS}
    records = [record(1, exact_match=1), perturbed, record(2, split="valid", exact_match=1)]
    write(states, records)
    found = load_all(tmp_path)
    assert rows(found, "item_id", "output") == [("id1", "12")]
    assert found.responses[0]["recorded"][0].to_list() == [{"metric": "exact_match", "value": 1.0}]
    assert codes(found) == {"splits": 1}


def choices(i, *pairs, right=(0,), prompt="q", suffix="", **more):
    """The requests for an instance: (text, log-probability of each of its characters)."""
    one = instance(i, *(text for text, _ in pairs), right=right)
    out = []
    for j, (text, each) in enumerate(pairs):
        tokens = [(c, 0.0 if k == 0 else -2.0) for k, c in enumerate(prompt)]
        tokens += [(c, each) for c in text] + [(c, -9.0) for c in suffix]
        whole = prompt + text + suffix
        request = {"reference_index": j, "request_mode": "original", **more}
        out.append(state(one, whole, tokens=tokens, prompt=whole, **request))
    return out


def test_separate_choices(write, tmp_path, load_all):
    states = choices(1, ("ab", -1.0), ("abc", -0.5), right=(1,)) + choices(2, ("x", -1.0), ("y", -0.5))
    records = [record(1, exact_match=1, predicted_index=1, logprob=-9), record(2, exact_match=0)]
    write(states, records, method=ORIGINAL)
    found = load_all(tmp_path)
    names = ("item_id", "kind", "choice_logprobs", "choice_lengths", "length_unit", "answer")
    assert rows(found, *names) == [
        ("id1", "choice", [-2.0, -1.5], [2, 3], "tokens", 1),
        ("id2", "choice", [-1.0, -0.5], [1, 1], "tokens", 0),
    ]
    assert [scores_of(row) for row in found.responses[0]["recorded"].to_list()] == [
        {"acc_norm": 1.0},
        {"acc_norm": 0.0},
    ]
    assert found.results[0]["metric"].to_list() == ["acc_norm"]


def test_the_score_of_separate_choices_is_that_of_helm(write, tmp_path, sizes):
    """HELM's formula, on another mean than the sum: the best log-probability a token, ties shared."""
    states, records = [], []
    for i in range(12):
        lengths = [1 + (i + j) % 4 for j in range(3)]
        each = [-((i * 5 + j * 3) % 7 + 1) / 4 for j in range(3)]
        pairs = [("abcd"[:n], p) for n, p in zip(lengths, each, strict=True)]
        states += choices(i, *pairs, right=(i % 3,))
        best = [j for j in range(3) if each[j] == max(each)]
        records.append(record(i, exact_match=(i % 3 in best) / len(best)))
    write(states, records, method=ORIGINAL)
    a, found = compared(tmp_path / "runs", sizes)
    for level, n in (("item", 12), ("aggregate", 1)):
        assert (found["acc_norm", level]["equal"], found["acc_norm", level]["n"]) == (n, n)
    assert "multiple_choice_grade" in a.curves["metric"].to_list()


def test_calibrated_choices_are_read_without_the_calibration(write, tmp_path, load_all):
    states = choices(1, ("a", -1.0), ("b", -2.0))
    states += choices(1, ("a", -0.1), ("b", -0.1), request_mode="calibration")
    write(states, [record(1, exact_match=1)], method=CALIBRATED)
    found = load_all(tmp_path)
    assert rows(found, "choice_logprobs") == [([-1.0, -2.0],)]
    assert found.results[0]["metric"].to_list() == ["accuracy (calibrated)"]


@pytest.mark.parametrize(
    ("prompt", "tokens", "adapter", "expected"),
    [
        ("Q: x\nA: 42", [("Q: x\nA:", -1), (" 42", -2)], {}, (-2.0, 1)),
        ("Q: x\nA: 42", [("<s>", 0), ("Q:", 0), ("x", -1), ("A:", -1), ("4", -2), ("2", -3)], {}, (-5.0, 2)),
        ("Q: x\nA: 42\n", [("Q: x\nA:", -1), (" 42", -2), ("\n", -8)], {"output_suffix": "\n"}, (-2.0, 1)),
        ("A42 ##", [("A", -1), ("42", -2), (" ", -4), ("##", -8)], {"output_suffix": " ##"}, (-2.0, 1)),
        ("A42.#", [("A", -1), ("42.", -2), ("#", -8)], {"global_suffix": ".#"}, (-2.0, 1)),
        ("A 42", [("A ", -1), (" ", -4), ("4", -2), ("2", -2)], {}, (-4.0, 2)),
        ("x=42", [("x", -1), ("=4", -2), ("2", -3)], {}, (-5.0, 2)),
        ("x=42", [("x=", -1), ("bytes:\\x34", -2), ("2", -3)], {}, (-5.0, 2)),
        ("x=42", [("x=", -1), ("\ufffd", -2), ("2", -3)], {}, None),
        ("x=4", [("x=", -1), ("4", -2)], {}, None),
        ("x=42", [("2", -2)], {}, None),
    ],
)
def test_a_choice_is_cut_out_by_its_characters(write, tmp_path, load_all, prompt, tokens, adapter, expected):
    one = instance(1, "42", "42")
    states = [
        state(one, prompt, tokens=tokens, prompt=prompt, reference_index=j, request_mode="original")
        for j in range(2)
    ]
    write(states, [record(1, exact_match=1)], method=ORIGINAL, **adapter)
    found = load_all(tmp_path)
    if expected is None:
        assert codes(found) == {"uncut-choices": 1}
        assert rows(found, "kind") == [("score",)]
    else:
        logprob, length = expected
        assert rows(found, "choice_logprobs", "choice_lengths") == [([logprob] * 2, [length] * 2)]


def test_choices_that_cannot_be_used_are_counted(write, tmp_path, load_all):
    states = [
        *choices(1, ("a", -1.0), ("b", -2.0), ("c", -0.5), right=(0, 1)),
        *choices(2, ("a", -1.0), ("b", -2.0), right=()),
        *choices(3, ("a", -1.0), ("b", -2.0))[:1],
        *choices(4, ("a", -1.0)),
    ]
    states += [{**one, "result": None} for one in choices(5, ("a", -1.0), ("b", -2.0))]
    write(states, [record(i, exact_match=0) for i in range(1, 6)], method=ORIGINAL)
    found = load_all(tmp_path)
    assert rows(found, "item_id", "answer") == [("id1", 0)]
    assert codes(found) == {"several-answers": 1, "no-answer": 2, "no-output": 2}


def test_log_probabilities_that_are_all_zero_are_not_used(write, tmp_path, load_all):
    states = choices(1, ("a", -1.0), ("b", -2.0)) + choices(2, ("a", 0.0), ("b", 0.0))
    write(states, [record(1, exact_match=1), record(2, exact_match=0.5)], method=ORIGINAL)
    found = load_all(tmp_path)
    assert rows(found, "item_id", "kind", "choice_logprobs") == [
        ("id1", "score", None),
        ("id2", "score", None),
    ]
    (note,) = found.warnings
    assert (note["code"], note["count"]) == ("zero-logprobs", 1)
    assert "log-probabilities that are 0 for every choice, which cannot be" in note["message"]


def test_choices_by_letter_have_the_scores_of_helm(write, tmp_path, load_all, sizes):
    states = [state(instance(i, "cat", "dog"), "A", output_mapping={"A": "cat"}) for i in range(3)]
    records = [record(i, exact_match=i % 2, quasi_exact_match=i % 2) for i in range(3)]
    write(states, records, method="multiple_choice_joint")
    found = load_all(tmp_path)
    assert rows(found, "item_id", "kind", "output") == [(f"id{i}", "score", None) for i in range(3)]
    assert codes(found) == {"letter-choices": 1}
    a, _ = compared(tmp_path / "runs", sizes)
    grade = a.curves.filter(metric="multiple_choice_grade")
    assert grade.select("n", "mean").rows() == [(3, pytest.approx(1 / 3))]


def test_modelled_language(write, tmp_path, load_all):
    first = [("The", 0.0), (" cat", -2.0), (" sat", -3.0)]
    second = [(" cat", -9.0), (" sat", -9.0), (" down", -4.0)]
    one = instance(1)
    states = [
        state(one, "", tokens=first),
        state(one, "", tokens=second, num_conditioning_tokens=2),
        state(instance(2), "", tokens=[("Hi", -1.0)]),
    ]
    records = [record(1, logprob=-5.0), record(1, logprob=-4.0), record(2, logprob=-1.0)]
    write(states, records, method="language_modeling")
    found = load_all(tmp_path)
    assert rows(found, "item_id", "kind", "target", "target_logprobs") == [
        ("id1", "likelihood", "The cat sat down", [0.0, -2.0, -3.0, -4.0]),
        ("id2", "likelihood", "Hi", [-1.0]),
    ]
    assert [scores_of(row) for row in found.responses[0]["recorded"].to_list()] == [
        {"target_logprob": -9.0},
        {"target_logprob": -1.0},
    ]
    assert found.responses[0]["target_tokens"].to_list() == [["The", " cat", " sat", " down"], ["Hi"]]
    assert codes(found) == {}


def test_modelled_language_of_zeros(write, tmp_path, load_all):
    write([state(instance(1), "", tokens=[("a", 0.0)])], [record(1, logprob=0)], method="language_modeling")
    with pytest.raises(SourceError, match="no score and no response") as caught:
        load_all(tmp_path)
    assert "all 0" in str(caught.value)


def test_outputs_that_are_missing_or_several(write, tmp_path, load_all):
    states = [
        state(instance(1, "12"), "12", "13"),
        state(instance(2, "12")),
        state(instance(3, "12", right=()), "12"),
        state(instance(4, "12"), ""),
    ]
    states[0]["result"]["completions"].reverse()
    write(states, [record(i, exact_match=0) for i in (1, 3, 4)])
    found = load_all(tmp_path)
    assert rows(found, "item_id", "output") == [("id1", "12"), ("id4", "")]
    assert codes(found) == {"several-outputs": 1, "no-output": 1, "no-answer": 1}


def test_either_file_alone(write, tmp_path, load_all):
    write(None, [record(1, exact_match=1)], model="a/m-1b")
    write([state(instance(1, "12"), "12")], None, model="a/m-2b")
    frame = load_all(tmp_path).responses[0]
    assert frame.select("model", "kind", pl.col("recorded").list.len()).rows() == [
        ("m-1b", "score", 1),
        ("m-2b", "generation", 0),
    ]
    write([state(instance(1, "a", "b"), "A")], None, model="a/m-3b", method="multiple_choice_joint", task="u")
    assert codes(load_all(tmp_path)) == {"items-not-read": 1}


def test_the_same_run_twice_is_read_once(write, tmp_path, load_all):
    states, records = [state(instance(1, "12"), "12")], [record(1, exact_match=1)]
    folder = write(states, records)
    folder.rename(tmp_path / "runs" / "first")
    write(states, records)
    found = load_all(tmp_path)
    assert found.responses[0].height == 1
    assert codes(found) == {"duplicate-runs": 1}


def test_requests_that_contradict_each_other(write, tmp_path, load_all):
    states = choices(1, ("a", -1.0), ("b", -2.0))
    folder = write([*states, states[0]], [record(1, exact_match=1)], method=ORIGINAL)
    with pytest.raises(SourceError, match="instance id1 has two requests for choice 0") as caught:
        load_all(tmp_path)
    assert caught.value.where == str(folder / "scenario_state.json")
    write([{**states[0], "reference_index": 7}], None, method=ORIGINAL, model="a/m-0b")
    with pytest.raises(SourceError, match="is for none of its 2 choices"):
        load_all(tmp_path)


HOSTILE = [
    lambda text: text[: len(text) // 2],
    lambda text: text.replace('"logprob": -1.0', '"logprob": NaN'),
    lambda text: text.replace('"logprob": -1.0', '"logprob": 1e400'),
    lambda text: text.replace('"logprob": -1.0', '"logprob": 5.0'),
    lambda text: text.replace('"id1"', "null"),
    lambda text: text.replace('"id1"', '"\\ud800"'),
    lambda text: text.replace('"id1"', "[" * 50_000),
    lambda text: text.replace('"references"', '"refs"'),
    lambda text: text.replace('"train_trial_index": 0', '"train_trial_index": -1'),
    lambda text: text.replace('"train_trial_index": 0', f'"train_trial_index": {10**30}'),
    lambda text: text.replace('"train_trial_index": 0', f'"train_trial_index": {10**12}'),
    lambda text: "",
    lambda text: "[]",
    lambda text: "null",
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_broken_file_is_an_error_that_names_it(write, tmp_path, load_all, change):
    states = choices(1, ("a", -1.0), ("b", -2.0))
    path = write(states, None, method=ORIGINAL) / "scenario_state.json"
    whole = path.read_text()
    path.write_text(change(whole))
    with pytest.raises(UnmirageError) as caught:
        load_all(tmp_path)
    assert str(path.parent) in str(caught.value)


def test_cut_off_at_every_byte(write, tmp_path, load_all):
    folder = write([state(instance(1, "12"), "12")], [record(1, exact_match=1)], indent=None)
    for name in ("scenario_state.json", "per_instance_stats.json"):
        whole = (folder / name).read_text()
        for end in range(0, len(whole) - 2, 3):
            (folder / name).write_text(whole[:end])
            with pytest.raises(SourceError):
                load_all(folder)
        (folder / name).write_text(whole)


def test_strange_texts_are_kept_as_they_are(write, tmp_path, load_all):
    text = "<script>alert(1)</script>\x00../../x"
    write([state(instance(1, text), text)], [record(1, exact_match=1)], model="../../<b>m-1b")
    frame = load_all(tmp_path).responses[0]
    assert frame.select("target", "output").rows() == [(text, text)]


class TestRunsThatHelmWrote:
    def test_scores_and_aggregates_are_helms(self, shared_data, sizes):
        a, found = compared(shared_data / "logs" / "helm", sizes)
        assert {key: (row["n"], row["equal"]) for key, row in found.items()} == {
            ("exact_match", "item"): (40, 40),
            ("exact_match_normalised", "item"): (40, 40),
            ("acc_norm", "item"): (20, 20),
            ("exact_match", "aggregate"): (2, 2),
            ("exact_match_normalised", "aggregate"): (2, 2),
            ("acc_norm", "aggregate"): (1, 1),
        }
        assert "differs-from-recorded" not in a.warnings["code"].to_list()

    def test_recorded_means_are_the_aggregates(self, shared_data, load_all):
        found = load_all(shared_data / "logs" / "helm")
        means = (
            found.responses[0]
            .explode("recorded")
            .unnest("recorded")
            .group_by("model", "task", "metric")
            .agg(mean=pl.col("value").mean())
        )
        both = found.results[0].join(means, on=["model", "task", "metric"], how="full")
        assert both.height == 9
        assert ((both["value"] - both["mean"]).abs() < 1e-9).all()

    def test_the_cut_gives_helms_own_confidence(self, shared_data):
        """HELM takes as many tokens from the end as " 99" has: one more here, the "=" of the question."""
        folder = shared_data / "logs" / "helm" / "tiny_add_mc:model=huggingface_add-70k"
        frame = unmirage.read(folder)
        equals = {}
        for one in json.loads((folder / "scenario_state.json").read_text())["request_states"]:
            tokens = one["result"]["completions"][0]["tokens"]
            text = one["instance"]["references"][one["reference_index"]]["output"]["text"]
            assert [token["text"] for token in tokens[-len(text) - 1 :]] == ["=", *text]
            equals[one["instance"]["id"]] = tokens[-len(text) - 1]["logprob"]
        recorded = {
            one["instance_id"]: stat["mean"]
            for one in json.loads((folder / "per_instance_stats.json").read_text())
            for stat in one["stats"]
            if stat["name"]["name"] == "max_prob"
        }
        for row in frame.iter_rows(named=True):
            a_token = [
                (logprob + equals[row["item_id"]]) / (length + 1)
                for logprob, length in zip(row["choice_logprobs"], row["choice_lengths"], strict=True)
            ]
            share = math.exp(max(a_token)) / sum(math.exp(value) for value in a_token)
            assert share == pytest.approx(recorded[row["item_id"]], abs=1e-9)

    def test_lm_eval_gives_the_same_on_the_items_that_both_have(self, shared_data, load_all):
        logs = shared_data / "logs"
        for model, task in (("add-6k", "tiny_add"), ("add-70k", "tiny_add"), ("add-70k", "tiny_add_mc")):
            folder = logs / "helm" / f"{task}:model=huggingface_{model}"
            states = json.loads((folder / "scenario_state.json").read_text())["request_states"]
            asked = {
                one["instance"]["id"]: (
                    one["instance"]["input"]["text"],
                    *(ref["output"]["text"] for ref in one["instance"]["references"]),
                )
                for one in states
            }
            name = "add2_mc" if task == "tiny_add_mc" else "add2_gen"
            (path,) = (logs / "lm_eval" / f"models__{model}").glob(f"samples_{name}_2*.jsonl")
            documents = [json.loads(line)["doc"] for line in path.read_text().splitlines()]
            texts = [(d["question"], *(d["choices"] if "choices" in d else [d["answer"]])) for d in documents]
            theirs = (
                load_all(path).responses[0].with_columns(asked=pl.Series(texts, dtype=pl.List(pl.String)))
            )
            mine = load_all(folder).responses[0]
            questions = [list(asked[name]) for name in mine["item_id"]]
            mine = mine.with_columns(asked=pl.Series(questions, dtype=pl.List(pl.String)))
            both = mine.join(theirs, on="asked", suffix="_theirs")
            assert both.height == 20
            if task == "tiny_add_mc":
                gaps = both.select(
                    (pl.col("choice_logprobs") - pl.col("choice_logprobs_theirs"))
                    .list.eval(pl.element().abs())
                    .list.max()
                )
                assert gaps.to_series().max() < 1e-4
                assert both["answer"].equals(both["answer_theirs"].rename("answer"))
            else:
                assert (both["output"] == both["output_theirs"]).all()
