"""BIG-bench's results files, against the answers of its own loader (`benchmarks/bigbench_agreement.py`)."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import unmirage
from unmirage import bigbench
from unmirage.bigbench.scores import HUNDREDFOLD, RANGES
from unmirage.errors import SourceError
from unmirage.metrics import by_alias
from unmirage.readers import bigbench as reader

FIXTURES = Path(__file__).parents[1] / "data" / "bigbench"
MODEL = {
    "model_family": "fam",
    "model_name": "m1",
    "total_params": 120,
    "non_embedding_params": 100,
    "flop_matched_non_embedding_params": 100,
}


def entry(values, subtask="t", *, preferred=None, shots=0, low=0.0, high=1.0):
    return {
        "score_dict": values,
        "preferred_score": preferred or next(iter(values)),
        "number_of_shots": shots,
        "low_score": low,
        "high_score": high,
        "subtask_description": subtask,
    }


@pytest.fixture
def write(tmp_path):
    """write(entries, task="t", name=..., **model fields) -> the path of a score file."""

    def one(*entries, task="t", name=None, **model):
        model = {**MODEL, **model}
        path = (
            tmp_path
            / task
            / "results"
            / (name or f"scores_{model['model_family']}_{model['model_name']}.json")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"scores": list(entries), "task": {"task_name": task}, "model": model, "queries": []}
        path.write_text(json.dumps(content))
        return path

    return one


def results(loaded):
    (frame,) = loaded.results
    return frame


def points(frame):
    """By task, metric, family and shots: value and scale in the rows' order, preferred, low and high."""
    found = {}
    for row in frame.iter_rows(named=True):
        shots = int(row["shots"])
        key = (row["task"].removesuffix(f" ({shots}-shot)"), row["metric"], row["family"], shots)
        entry = found.setdefault(key, ([], row["preferred"], row["low_score"], row["high_score"]))
        entry[0].append((row["value"], row["n_params"]))
    return found


@pytest.mark.parametrize("kind", ["whole", "older"])
def test_equal_to_the_packages_own_loader(kind, load_all):
    answers = json.loads((FIXTURES / "answers.json").read_text())
    folder = FIXTURES / kind
    there = {(path.parts[-3], json.loads(path.read_text())["model"]["model_family"])
             for path in folder.rglob("*.json")}  # fmt: skip
    ours = points(results(load_all(folder)))
    wanted = {}
    for task, subtask, metric, family, shots, loaded, preferred, *ends in answers:
        if (task, family) not in there:
            continue
        named = by_alias("BIG-bench", metric)
        unit = 100 if metric in HUNDREDFOLD or (named and RANGES[metric] == (0, 100)) else 1
        label = subtask if subtask == task or subtask.startswith(f"{task}:") else f"{task}:{subtask}"
        low, high = [end / unit for end in ends] or (None, None)
        scaled = [(pytest.approx(value / unit, rel=1e-12), scale) for value, scale in loaded]
        wanted[label, named or metric, family, shots] = (scaled, float(preferred), low, high)
    assert ours == wanted
    assert len(wanted) == {"whole": 126, "older": 36}[kind]


def test_a_real_family(shared_data, load_all):
    folder = shared_data / "logs" / "bigbench_schema"
    loaded = load_all(folder)
    frame = results(loaded)
    assert frame["model"].n_unique() == 8
    parts = ("", ":tiny_addition_one_digit", ":tiny_addition_two_digit", ":tiny_addition_two_digit,choices")
    assert sorted(frame["task"].unique()) == sorted(
        f"tiny_addition{part} ({shots}-shot)" for part in parts for shots in (0, 2)
    )
    assert {note["code"] for note in loaded.warnings} == {
        *(
            "mislabelled-likelihood",
            "shots-split",
            "kinds-split",
            "flop-matched-size",
            "results-without-items",
        )
    }
    log = folder / "full-log_tiny-add_add-10k.json"
    alone = results(load_all(log))
    scores = results(load_all(folder / "scores_tiny-add_add-10k.json"))
    plain = alone.with_columns(pl.col("task").str.replace(",choices", ""))
    assert plain.equals(scores)
    raw = json.loads(log.read_text())["scores"][2]
    row = alone.row(by_predicate=(pl.col("task") == "tiny_addition:tiny_addition_two_digit,choices (0-shot)")
                    & (pl.col("metric") == "brier_mean"), named=True)  # fmt: skip
    assert row["value"] == raw["score_dict"]["calibration_multiple_choice_brier_score"]


def test_the_scores_of_a_full_log_beside_its_score_file_are_not_read_twice(write, load_all, codes):
    path = write(entry({"acc": 0.5}))
    log = path.with_name("full-log_fam_m1.json")
    log.write_text(path.read_text())
    loaded = load_all(path.parent)
    assert [(one.path, one.rows) for one in loaded.inputs] == [(str(log), 0), (str(path), 1)]
    assert codes(loaded) == ["flop-matched-size"]
    path.unlink()
    assert results(load_all(log.parent))["value"].to_list() == [0.5]
    log.write_text('{"scores": [{"score_dict": {}, broken')
    with pytest.raises(SourceError, match="is not a results file of BIG-bench") as caught:
        load_all(log.parent)
    assert caught.value.where == str(log)


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ('{"scores": [{"score_dict": {"a": 1}', True),
        ('{\n "scores": [],\n "task": {"task_name": "t"}', True),
        ('{"model": {"model_family": "f"}', True),
        ('{"task": {"task_name": "t"}', True),
        ('{"scores": [1, 2]}', False),
        ('{"results": {"task_name": 1}}', False),
        ('[{"scores": [{"score_dict": 1}]}]', False),
    ],
)
def test_files_are_known_by_their_first_keys(tmp_path, text, claimed):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert reader.claims(path) is claimed
    assert not reader.claims(path.rename(tmp_path / "x.jsonl"))


def test_items_and_chance_of_known_tasks(write, load_all):
    n = 153
    for name, k in (("m1", 40), ("m2", 60)):
        write(
            entry({"multiple_choice_grade": k / n, "exact_str_match": 1 / 7}, "swahili_english_proverbs",
                  low=0.25),
            task="swahili_english_proverbs", model_name=name,
        )  # fmt: skip
    add = "arithmetic:1_digit_addition"
    write(entry({"exact_str_match": 0.31, "multiple_choice_grade": 0.2}, add), task="arithmetic")
    rows = {
        (row["model"], row["task"], row["metric"]): (row["n"], row["chance"])
        for row in results(load_all(write(entry({"acc": 1.0})).parents[2])).iter_rows(named=True)
    }
    swahili = "swahili_english_proverbs"
    assert rows["m1", swahili, "multiple_choice_grade"] == (153, 0.25)
    assert rows["m1", swahili, "exact_match"] == (None, None)  # 1/7 is no whole number of 153
    assert rows["m1", add, "exact_match"] == (100, 0.0)
    known = bigbench.tasks().filter(task="arithmetic", subtask="1_digit_addition")["chance"][0]
    assert rows["m1", add, "multiple_choice_grade"] == (100, known)
    assert rows["m1", "arithmetic", "exact_match"] == (None, None)  # the aggregate has no items of its own
    assert rows["m1", "t", "acc"] == (None, 0.0)


def test_one_value_that_is_no_whole_number_takes_the_items_from_all(write, load_all):
    task = "swahili_english_proverbs"
    write(entry({"multiple_choice_grade": 0.0}, task, low=0.25), task=task)
    path = write(entry({"multiple_choice_grade": 0.123}, task, low=0.25), task=task, model_name="m2")
    assert results(load_all(path.parent))["n"].to_list() == [None, None]


def test_grades_that_are_fractions_have_no_items(write, load_all):
    task = "emojis_emotion_prediction"
    path = write(entry({"multiple_choice_grade": 0.0}, task), task=task)
    assert results(load_all(path))["n"].to_list() == [None]


def test_sizes(write, load_all, codes):
    write(entry({"acc": 0.1}), flop_matched_non_embedding_params=30)
    path = write(entry({"acc": 0.2}), model_name="m0", total_params=0, flop_matched_non_embedding_params=20)
    loaded = load_all(path.parent)
    frame = results(loaded)
    assert frame.select("model", "n_params", "total_params", "non_embedding_params").rows() == [
        ("m0", 20.0, None, 100.0),
        ("m1", 30.0, 120.0, 100.0),
    ]
    (note,) = loaded.warnings
    assert note["code"] == "flop-matched-size"
    assert str(note["message"]).endswith("other axes: total_params, non_embedding_params")
    path = write(entry({"acc": 0.2}), task="u", total_params=100, flop_matched_non_embedding_params=None)
    assert results(load_all(path))["n_params"].unique().to_list() == [None]


def test_tokens_come_from_a_file_of_families(write, load_all, tmp_path):
    families = tmp_path / "sizes.toml"
    families.write_text('[models."m1"]\nn_params = 7\nn_tokens = 1000\n')
    path = write(entry({"acc": 0.2}))
    row = results(load_all(path, families=[families], family="other")).row(0, named=True)
    assert (row["family"], row["n_params"], row["n_tokens"], row["flops"]) == ("other", 100, 1000, 600_000)


def test_a_further_count_of_parameters_is_an_axis_of_size(write):
    for i in range(6):
        path = write(entry({"acc": 0.1 * i}), model_name=f"m{i}", total_params=10 ** (i + 3),
                     flop_matched_non_embedding_params=7 * 10 ** (i + 2))  # fmt: skip
    found = unmirage.audit(path.parent, axis="total_params")
    assert found.verdicts.select("family", "task").rows() == [("fam", "t")]
    assert found.curves["axis_value"].unique().sort().to_list() == [10.0 ** (i + 3) for i in range(6)]


def test_percentages_and_values_out_of_range(write, load_all):
    low = {"low": 25.0, "high": 100.0}
    loaded = load_all(
        write(
            entry({"mean_accuracy": 62.5}, "a", **low),
            entry({"mean_accuracy": -0.5, "exact_str_match": 0.5}, "b", preferred="exact_str_match"),
            entry({"rouge1": 40.0, "log_likelihood": 3.0, "bleu": 25.0}, "c"),
            entry({"multiple_choice_grade": 1 + 1e-10}, "d"),
        )
    )
    rows = {(r["task"], r["metric"]): r for r in results(loaded).iter_rows(named=True)}
    row = rows["t:a", "mean_accuracy"]
    assert (row["value"], row["chance"], row["low_score"], row["high_score"]) == (0.625, 0.25, 0.25, 1.0)
    assert ("t:b", "mean_accuracy") not in rows
    assert ("t:c", "target_logprob") not in rows
    assert rows["t:c", "rouge1"]["value"] == 40.0
    assert rows["t:c", "bleu"]["value"] == 0.25
    assert rows["t:d", "multiple_choice_grade"]["value"] == 1 + 1e-10
    notes = {note["code"]: note for note in loaded.warnings}
    assert "mean_accuracy of t:a" in str(notes["percentages"]["message"])
    assert notes["out-of-range"]["count"] == 3  # and the aggregate of log_likelihood


def test_values_and_ranges_that_are_missing(write, load_all):
    path = write(
        entry({"acc": 0.5, "other": float("nan"), "third": None}, "a", low=1.0, high=1.0),
        entry({"acc": float("inf")}, "b", preferred="gone"),
    )
    assert "NaN" in path.read_text()
    loaded = load_all(path)
    codes = {note["code"]: note["count"] for note in loaded.warnings}
    # The aggregate has neither a mean of these nor a normalised score.
    assert codes == {"score-range": 1, "preferred-missing": 1, "missing-values": 6, "flop-matched-size": 1}
    assert results(loaded).select("task", "metric", "chance").rows() == [
        ("t:a", "acc", None),
        ("t:b", "acc", None),
    ]


def test_our_word_beside_theirs_in_one_task(write, load_all):
    loaded = load_all(
        write(
            entry(
                {"exact_str_match": 0.5, "exact_match": 0.25, "sequence_f1": 50.0, "token_accuracy": 0.1}, "a"
            ),
            entry({"exact_str_match": 0.75, "sequence_f1": 50.0}, "b"),
        )
    )
    rows = results(loaded).filter(pl.col("task") != "t")
    assert rows.select("task", "metric", "value").rows() == [
        ("t:a", "exact_str_match", 0.5),
        ("t:a", "exact_match", 0.25),
        ("t:a", "sequence_f1", 50.0),
        ("t:a", "token_accuracy", 0.1),
        ("t:b", "exact_match", 0.75),
        ("t:b", "token_accuracy", 0.5),
    ]


def test_the_same_scores_in_two_files(write, load_all, codes):
    path = write(entry({"acc": 0.5}))
    write(entry({"acc": 0.5}), name="scores_copy.json")
    write(entry({"acc": 0.7}, shots=3), name="scores_more.json")
    loaded = load_all(path.parent)
    assert results(loaded).select("task", "value").rows() == [("t (0-shot)", 0.5), ("t (3-shot)", 0.7)]
    assert codes(loaded) == ["duplicate-rows", "flop-matched-size", "shots-split"]
    write(entry({"acc": 0.6}), name="scores_copy.json")
    with pytest.raises(SourceError, match=r"acc of m1 on t \(0 shots\) is 0.6 and 0.5") as caught:
        load_all(path.parent)
    assert caught.value.where == f"{path.with_name('scores_copy.json')} and {path}"


def test_files_without_a_score(write, load_all):
    empty = write(task="u")
    path = write(entry({"acc": 0.5}))
    loaded = load_all(path.parents[2])
    (note,) = (one for one in loaded.warnings if one["code"] == "no-aggregates")
    assert note["message"] == "1 files hold no score (scores_fam_m1.json)"
    with pytest.raises(SourceError, match="no score and no response"):
        load_all(empty)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda text: text[:-30], "truncated"),
        (lambda text: text.replace('"model":', '"modle":'), "missing required field `model`"),
        (
            lambda text: text.replace('"preferred_score"', '"preferred"'),
            "missing required field `preferred_score`",
        ),
        (lambda text: text.replace("0.5", '"half"'), r"\$.scores\[0\].score_dict"),
        (lambda text: text.replace('"number_of_shots": 0', '"number_of_shots": "none"'), "number_of_shots"),
        (lambda text: text.replace('"m1"', "17"), "model_name"),
    ],
)
def test_broken_files(write, load_all, broken, message):
    path = write(entry({"acc": 0.5}))
    path.write_text(broken(path.read_text()))
    with pytest.raises(SourceError, match=message) as caught:
        load_all(path)
    assert caught.value.where == str(path)
    assert "is not a results file of BIG-bench" in str(caught.value)


def test_an_audit_of_aggregates(shared_data):
    found = unmirage.audit(shared_data / "logs" / "bigbench_schema")
    assert found.verdicts.height == 8
    assert (found.warnings["code"] == "items-of-few-models").sum() == 6
    assert (found.recorded["n"] == found.recorded["equal"]).all()
    assert found.recorded.filter(level="item")["n"].sum() == 6 * 40
    assert found.curves.filter(metric="exact_match")["chance"].drop_nulls().unique().to_list() == [0.0]
