"""Items grouped by length of target: against plain loops over the rows."""

import math

import polars as pl
import pytest

import unmirage
from unmirage.predictions.by_length import LEAST_ITEMS, by_length
from unmirage.predictions.subjects import subjects
from unmirage.result import Settings


def groups_of(frame, **options):
    made = unmirage.audit(frame, replicates=100, **options)
    (subject,) = subjects(made)
    return by_length(subject, made.settings)


@pytest.fixture(scope="module")
def frame(paper):
    return paper([1e9, 1e10], items={1: 30, 2: 25, 4: 40, 5: 9})


def test_means_and_products_of_plain_loops(frame):
    found = groups_of(frame)
    assert found.lengths.tolist() == [1, 2, 4]
    assert found.items.tolist() == [30, 25, 40]
    assert found.total == 104
    for m, model in enumerate(found.models):
        for k, length in enumerate(found.lengths.tolist()):
            rows = frame.filter(
                pl.col("model") == model, pl.col("target").str.len_chars() == length
            ).to_dicts()
            n = len(rows)
            assert found.rates[m, k] == pytest.approx(sum(r["target"] == r["output"] for r in rows) / n)
            assert found.worth[m, k] == n
            matches = probabilities = 1.0
            for j in range(length):
                matches *= sum(r["target"][j] == r["output"][j] for r in rows) / n
                probabilities *= sum(math.exp(r["target_logprobs"][j]) for r in rows) / n
            assert found.matches.values[m, k] == pytest.approx(matches)
            assert found.probabilities.values[m, k] == pytest.approx(probabilities)
            wrong = sum(a != b for r in rows for a, b in zip(r["target"], r["output"], strict=True)) / n
            assert found.edits[m, k] <= wrong + 1e-12
    assert any(f"fewer than {LEAST_ITEMS}" in note for note in found.notes)


def test_items_that_repeat_count_once(paper):
    frame = paper([1e9, 1e10], items={1: 25, 2: 25, 3: 25})
    again = frame.filter(pl.col("item_id").str.len_chars() == 2).with_columns(
        item_id="again" + pl.col("item_id")
    )
    found = groups_of(pl.concat([frame, again]))
    assert found.items.tolist() == [25, 25, 25]
    assert "10 of 85 items repeat another one" in found.notes[0]


def test_outputs_that_end_early_are_wrong_there(paper):
    frame = paper([1e9, 1e10], items={2: 30}).with_columns(
        output=pl.col("target").str.slice(0, 1), output_tokens=pl.col("target_tokens").list.head(1)
    )
    found = groups_of(frame)
    assert (found.matches.values == 0).all()
    assert (found.edits == 1).all()


def test_clusters_are_worth_fewer_items(frame):
    clustered = frame.with_columns(
        cluster=(pl.col("item_id").str.slice(1).cast(pl.Int64) // 5).cast(pl.String)
    )
    found = groups_of(clustered)
    assert (found.worth <= found.items).all()
    assert (found.worth < found.items).any()


def test_choices_and_aggregates_have_no_lengths(addition_logs):
    choices = unmirage.simulate("choice-smooth", n_items=30)
    assert "no targets" in groups_of(choices)
    made = unmirage.audit(addition_logs, replicates=100)
    (none,) = (one for one in subjects(made) if one.task == "add1_gen")
    assert by_length(none, Settings()).startswith("there are aggregates only")


def test_an_end_of_the_answer_counts_in_the_products_and_not_in_the_length(paper):
    frame = paper([1e9, 1e10], items={1: 30, 2: 30})
    sure = 0.25
    ended = frame.with_columns(
        target_tokens=pl.concat_list("target_tokens", pl.lit("\n")),
        output_tokens=pl.concat_list("output_tokens", pl.lit("\n")),
        target_logprobs=pl.concat_list("target_logprobs", pl.lit(math.log(sure))),
    )
    without, found = groups_of(frame), groups_of(ended)
    assert found.lengths.tolist() == [1, 2]
    assert found.matches.values == pytest.approx(without.matches.values)
    assert found.probabilities.values == pytest.approx(sure * without.probabilities.values)


def test_long_texts_are_said_to_be_left_out(paper):
    assert "up to 64 tokens" in (told := groups_of(paper([1e9, 1e10], items={70: 25})))
    assert "25 items have more than 64 tokens" in told
