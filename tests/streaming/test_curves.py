"""Streamed curves: those of rows in memory, for any order of the rows and any size of the batches."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import unmirage
from unmirage.engine import engine
from unmirage.errors import MetricError, SettingsError, TableError

CHOICE = ("multiple_choice_grade", "acc_norm", "margin", "ece", "all_of(multiple_choice_grade,3)")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (
            "checkpoints",
            {"axis": "n_tokens", "metrics": ("exact_match", "token_edit_distance", "cross_entropy")},
        ),
        (
            "lenet",
            {
                "metrics": ("multiple_choice_grade", "choice_logprob"),
                "replicates": 200,
            },
        ),
        ("autoencoder", {}),
        ("omniglot", {"metrics": ("exact_match", "token_accuracy"), "replicates": 200}),
    ],
)
def test_embedded_families(name, options, curves_in_memory, curves_streamed, agree):
    source = unmirage.example(name)
    agree(curves_in_memory(source, **options), curves_streamed(source, **options))


def test_logs_with_aggregates_and_recorded_scores(addition_logs, curves_in_memory, curves_streamed, agree):
    agree(curves_in_memory(addition_logs), curves_streamed(addition_logs))


@pytest.mark.parametrize("name", ["gpt_per_example_losses.parquet", "logs/lm_eval"])
def test_real_data(name, shared_data, curves_in_memory, curves_streamed, agree):
    source = shared_data / name
    options = {"replicates": 300}
    agree(curves_in_memory(source, **options), curves_streamed(source, **options))


def parquet(frame: pl.DataFrame, path: Path, group: int = 40) -> Path:
    frame.write_parquet(path, row_group_size=group)
    return path


@pytest.mark.parametrize("clusters", [0, 4])
@pytest.mark.usefixtures("small_batches")
def test_a_file_in_small_batches(tmp_path, made, clusters, curves_in_memory, curves_streamed, agree):
    frame = made(clusters=clusters)
    file = parquet(frame, tmp_path / "rows.parquet")
    agree(curves_in_memory(frame), curves_streamed(file))


def test_no_order_and_no_split_changes_a_bit(tmp_path, made, curves_streamed, request):
    frame = made(clusters=3)
    whole, said = curves_streamed(parquet(frame, tmp_path / "whole.parquet", 10_000))
    request.getfixturevalue("small_batches")
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    for rows, group in ((frame, 7), (shuffled, 33), (frame[::-1], 200)):
        again, told = curves_streamed(parquet(rows, tmp_path / "rows.parquet", group))
        assert again.equals(whole, null_equal=True)
        assert told == said
    in_two = [
        parquet(part, tmp_path / f"{k}.parquet") for k, part in enumerate((shuffled[:200], shuffled[200:]))
    ]
    assert curves_streamed(in_two)[0].equals(whole, null_equal=True)


@pytest.mark.usefixtures("small_batches")
def test_two_processes_give_the_same_bytes(tmp_path, made, curves_streamed):
    frame = made(items=30).sample(fraction=1.0, shuffle=True, seed=2)
    rows = frame.filter((pl.col("model") != "made-1") | (pl.col("item_id") != "item 3"))
    file = parquet(rows, tmp_path / "rows.parquet")
    one, said = curves_streamed(file, replicates=200)
    with engine("local", jobs=2) as two:
        other, told = curves_streamed(file, replicates=200, engine=two)
    assert other.equals(one, null_equal=True)
    assert told == said


@pytest.mark.parametrize("cut", ["item", "task", "all of a task", "model has more"])
@pytest.mark.usefixtures("small_batches")
def test_models_that_answered_different_items(tmp_path, made, cut, curves_in_memory, curves_streamed, agree):
    frame = made(clusters=2)
    second, first_task = pl.col("model") == "made-1", pl.col("task") == "task 0"
    left_out = {
        "item": second & (pl.col("item_id") == "item 7"),
        "task": second & first_task,
        "all of a task": first_task & (second == pl.col("item_id").str.ends_with("1")),
        "model has more": (pl.col("model") != "made-2") & pl.col("item_id").str.ends_with("5"),
    }[cut]
    rows = frame.filter(~left_out).sample(fraction=1.0, shuffle=True, seed=3)
    file = parquet(rows, tmp_path / "rows.parquet")
    agree(curves_in_memory(rows, metrics=CHOICE), curves_streamed(file, metrics=CHOICE))


@pytest.mark.usefixtures("small_batches")
def test_no_item_in_common(tmp_path, made, curves_in_memory, curves_streamed):
    frame = made(items=12)
    other = pl.col("model") == "made-1"
    rows = frame.with_columns(item_id=pl.when(other).then(pl.col("item_id") + "b").otherwise("item_id"))
    with pytest.raises(TableError) as theirs:
        curves_in_memory(rows)
    with pytest.raises(TableError) as ours:
        curves_streamed(parquet(rows, tmp_path / "rows.parquet"))
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("models", [("made-1",), ("made-0", "made-1", "made-2", "made-3", "made-4")])
@pytest.mark.usefixtures("small_batches")
def test_repeats_of_items(tmp_path, made, models, curves_in_memory, curves_streamed, agree):
    frame = made(seed=4)
    more = made(seed=5).filter(pl.col("model").is_in(models)).with_columns(epoch=pl.lit(1, pl.Int32))
    rows = pl.concat([frame, more]).sample(fraction=1.0, shuffle=True, seed=6)
    file = parquet(rows, tmp_path / "rows.parquet")
    agree(curves_in_memory(rows, metrics=CHOICE), curves_streamed(file, metrics=CHOICE))


@pytest.mark.usefixtures("small_batches")
def test_rows_that_stand_twice(tmp_path, made, curves_in_memory, curves_streamed, agree):
    frame = made(items=20)
    again = frame.filter(pl.col("item_id") == "item 5")
    for name, rows in {"all": again, "one": again[:1], "a later model's": again[7:8]}.items():
        both = pl.concat([frame, rows])
        file = parquet(both, tmp_path / f"{name}.parquet")
        agree(curves_in_memory(file), curves_streamed(file))
    other = again.with_columns(answer=(pl.col("answer") + 1) % 4)
    for rows in (other, other[:1], other[7:8]):
        file = parquet(pl.concat([frame, rows]), tmp_path / "rows.parquet")
        with pytest.raises(TableError, match="contradict") as theirs:
            curves_in_memory(file)
        with pytest.raises(TableError) as ours:
            curves_streamed(file)
        assert str(ours.value) == str(theirs.value)


BROKEN = {
    "choice_logprobs holds NaN": {"choice_logprobs": [float("nan"), -1.0, -2.0, -3.0]},
    "answer is outside the choices": {"answer": 4},
    "differ in number": {"choice_lengths": [1, 2]},
}


@pytest.mark.parametrize("rule", BROKEN)
@pytest.mark.usefixtures("small_batches")
def test_rows_that_break_a_rule(tmp_path, made, rule, curves_in_memory, curves_streamed):
    frame = made(items=15)
    name, value = next(iter(BROKEN[rule].items()))
    at = pl.int_range(pl.len()) == 77
    spoiled = frame.with_columns(
        pl.when(at).then(pl.lit(value, frame.schema[name])).otherwise(name).alias(name)
    )
    file = parquet(spoiled, tmp_path / "rows.parquet")
    with pytest.raises(TableError, match=rule) as theirs:
        curves_in_memory(file)
    with pytest.raises(TableError) as ours:
        curves_streamed(file)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.usefixtures("small_batches")
def test_what_is_said_of_rows(tmp_path, made, curves_in_memory, curves_streamed, agree):
    frame = made()
    first, later = pl.col("item_id") == "item 3", pl.col("model") == "made-2"
    fewer = pl.col("choice_logprobs").list.head(3), pl.col("choice_lengths").list.head(3)
    same = frame.filter(pl.col("model") == "made-1").with_columns(
        model=pl.lit("made-9"), n_params=pl.lit(1e9)
    )
    cases = {
        "choices": frame.with_columns(
            pl.when(first & (pl.col("answer") < 3)).then(one).otherwise(one.meta.root_names()[0])
            for one in fewer
        ),
        "answers": frame.with_columns(
            answer=pl.when(first & later).then(0).otherwise("answer").cast(pl.Int32)
        ),
        "models": pl.concat([frame, same]),
        "lengths": frame.with_columns(length_unit=pl.when(later & ~first).then("length_unit")),
        "units": frame.with_columns(
            length_unit=pl.when(later & first).then(pl.lit("bytes")).otherwise("length_unit")
        ),
    }
    said = set()
    for name, rows in cases.items():
        file = parquet(rows, tmp_path / f"{name}.parquet")
        memory = curves_in_memory(file)
        agree(memory, curves_streamed(file))
        said |= set(memory[1])
    assert len(said) >= 5


def test_counts_and_fewer_attempts(tmp_path, curves_in_memory, curves_streamed, agree):
    rng = np.random.default_rng(0)
    rows = [
        {
            "family": "c", "model": f"c-{m}", "task": "t", "item_id": f"i{i}", "n_params": 10.0**m,
            "kind": "count", "n_samples": int(n), "n_correct": int(rng.binomial(n, 0.1 * m)), "epoch": e,
        }
        for m in range(1, 6) for i in range(25) for e in range(2) for n in [rng.integers(5, 40)]
    ]  # fmt: skip
    frame = unmirage.read(pl.DataFrame(rows))
    once = frame.filter(pl.col("epoch") == 0)
    for number, (part, options) in enumerate(((once, {}), (frame, {}), (once, {"samples": 4, "seed": 3}))):
        file = parquet(part, tmp_path / f"{number}.parquet")
        options |= {"metrics": ("pass_rate", "pooled_rate", "pass_at_2")}
        agree(curves_in_memory(part, **options), curves_streamed(file, **options))


def test_options_that_cannot_be(tmp_path, made, curves_in_memory, curves_streamed):
    file = parquet(made(items=10), tmp_path / "rows.parquet")
    for options, kind in (
        ({"metrics": ("nonsense",)}, MetricError),
        ({"metrics": ("exact_match",)}, MetricError),
        ({"metrics": ("all_of(multiple_choice_grade,11)", "cross_entropy")}, MetricError),
        ({"tokens": {"task 9": "words"}}, SettingsError),
        ({"tasks": ("task 9",)}, SettingsError),
        ({"replicates": 3}, SettingsError),
    ):
        with pytest.raises(kind) as theirs:
            curves_in_memory(file, **options)
        with pytest.raises(kind) as ours:
            curves_streamed(file, **options)
        assert str(ours.value) == str(theirs.value)


def test_more_items_than_are_kept_apart(tmp_path, made, curves_in_memory, curves_streamed):
    options = {"metrics": ("multiple_choice_grade", "choice_logprob"), "replicates": 400}
    frame = made(items=5000, models=3, tasks=1)
    memory, said = curves_in_memory(frame, **options)
    stream, told = curves_streamed(parquet(frame, tmp_path / "rows.parquet", 2000), **options)
    assert told == said
    for name in ("mean", "stderr"):
        np.testing.assert_allclose(stream[name].to_numpy(), memory[name].to_numpy(), rtol=1e-10)
    exact = stream["metric"] == "multiple_choice_grade"
    for name in ("low", "high", "resolution"):
        ours, theirs = stream.filter(exact)[name], memory.filter(exact)[name]
        np.testing.assert_allclose(ours.to_numpy(), theirs.to_numpy(), rtol=1e-9)
    half = (stream["high"] - stream["low"]).filter(~exact) / (memory["high"] - memory["low"]).filter(~exact)
    np.testing.assert_allclose(half.to_numpy(), 1.0, atol=0.2)


SIZES = ("14m", "70m", "160m", "410m", "1b")


def written(frame: pl.DataFrame, how: str) -> pl.DataFrame:
    """Rows as someone else may write them."""
    frame = frame.select([c for c in frame.columns if frame[c].null_count() < frame.height])
    number = pl.col("model").str.slice(5).cast(pl.Int64)
    known = number.replace_strict(dict(enumerate(SIZES)), return_dtype=pl.String)
    step = 1000 * (1 + pl.col("task").str.slice(5).cast(pl.Int64))
    return {
        "sizes that are known": frame.with_columns(model="pythia-" + known).drop("n_params"),
        "some sizes": frame.with_columns(
            model="pythia-" + known, n_params=pl.when(number > 2).then("n_params")
        ),
        "columns beside": frame.with_columns(note=pl.lit("x"), flag=number > 1, weight=number * 2),
        "another name": frame.rename({"item_id": "doc_id"}),
        "no kind": frame.drop("kind"),
        "checkpoints": frame.with_columns(step=step),
        "shots": frame.with_columns(num_fewshot=step),
        "numbers as items": frame.with_columns(item_id=pl.col("item_id").str.slice(5).cast(pl.Int64)),
        "narrow numbers": frame.with_columns(
            pl.col("choice_logprobs").cast(pl.List(pl.Float32)), pl.col("answer").cast(pl.Int8)
        ),
        "fractions": frame.with_columns(answer=pl.col("answer") + 0.5),
        "gaps": frame.with_columns(task=pl.when(number != 3).then("task")),
        "no size": frame.drop("n_params"),
        "negative size": frame.with_columns(n_params=-pl.col("n_params")),
        "two sizes": frame.with_columns(n_params=pl.col("n_params") + (pl.col("answer") == 1)),
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        *("sizes that are known", "some sizes", "columns beside", "another name", "no kind", "checkpoints"),
        *("shots", "numbers as items", "narrow numbers", "fractions", "gaps", "no size", "negative size"),
        "two sizes",
    ],
)
@pytest.mark.usefixtures("small_batches")
def test_files_that_others_wrote(tmp_path, made, how, curves_in_memory, curves_streamed, agree):
    rows = written(made(items=25), how).sample(fraction=1.0, shuffle=True, seed=7)
    file = parquet(rows, tmp_path / "rows.parquet")
    options = {"metrics": ("multiple_choice_grade", "margin")}
    memory, stream = (outcome(way, file, options) for way in (curves_in_memory, curves_streamed))
    if isinstance(memory, str) or isinstance(stream, str):
        assert stream == memory
    else:
        agree(memory, stream)


def outcome(way, source, options):
    """What a call gives, or its error as text."""
    try:
        return way(source, **options)
    except unmirage.UnmirageError as problem:
        return f"{type(problem).__name__}: {problem}"
