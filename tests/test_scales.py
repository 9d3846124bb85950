"""Which models stand on an axis, and on which items they are compared."""

from __future__ import annotations

import polars as pl
import pytest

import unmirage
from unmirage import scales
from unmirage.errors import ScaleError, SettingsError, TableError


def models(*rows, **common):
    """Rows of the table that `models_of` makes; family f and a name where none is said."""
    full = [{"family": "f", "model": f"m{i}", **common, **row} for i, row in enumerate(rows)]
    frame = pl.DataFrame(full, infer_schema_length=None)
    absent = [name for name in ("n_params", "n_tokens", "flops", "loss") if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in absent).with_columns(
        pl.exclude("family", "model").cast(pl.Float64)
    )


def responses(items_of, **columns):
    """Counted responses: model -> item ids; `columns` are model -> value."""
    rows = [
        {"family": "f", "model": model, "task": "t", "item_id": item, "n_samples": 4, "n_correct": 1}
        | {name: values[model] for name, values in columns.items()}
        for model, items in items_of.items()
        for item in items
    ]
    return pl.DataFrame(rows)


def selected(table, axis="n_params", checkpoint="last"):
    chosen, notes = scales.select(table, axis, checkpoint)
    return chosen, [note["code"] for note in notes]


RUNS = models(
    *({"model": f"s@{step}", "n_params": 10, "step": step} for step in (1, 2, 3)),
    *({"model": f"l@{step}", "n_params": 20, "step": step} for step in (1, 2, 3)),
)


@pytest.mark.parametrize(
    ("checkpoint", "kept"),
    [("last", ["s@3", "l@3"]), ("first", ["s@1", "l@1"]), ("step=2", ["s@2", "l@2"])],
)
def test_on_a_size_axis_one_checkpoint_stands_for_a_run(checkpoint, kept):
    chosen, codes = selected(RUNS, checkpoint=checkpoint)
    assert chosen["model"].to_list() == kept
    assert codes == ["checkpoints-left-out"]


def test_on_another_axis_all_of_them_are_points_and_sizes_are_apart():
    chosen, codes = selected(RUNS, "step")
    assert codes == ["sizes-apart"]
    assert chosen.select("family", "source_family", "model", "axis_value").rows() == [
        *(("f 10", "f", f"s@{k}", float(k)) for k in (1, 2, 3)),
        *(("f 20", "f", f"l@{k}", float(k)) for k in (1, 2, 3)),
    ]


def test_a_named_checkpoint_holds_on_other_axes_too():
    chosen, _ = selected(RUNS, "step", "step=2")
    assert chosen["model"].to_list() == ["s@2", "l@2"]


@pytest.mark.parametrize("checkpoint", ["latest", "step", "step=", "step=x", "depth=3", "=3", "step=nan"])
def test_checkpoints_that_cannot_be_read(checkpoint):
    with pytest.raises(SettingsError, match="cannot read") as caught:
        scales.select(RUNS, "n_params", checkpoint)
    assert "COLUMN=VALUE" in str(caught.value)


def test_a_checkpoint_that_no_model_has():
    with pytest.raises(SettingsError, match="no model has step = 7") as caught:
        scales.select(RUNS, "n_params", "step=7")
    assert "There are: 1, 2, 3." in str(caught.value)


def test_each_family_has_its_own_progress():
    """One family logs tokens, the other only steps: neither hides the other's checkpoints."""
    table = models(
        {"family": "a", "model": "a1", "n_params": 5, "n_tokens": 1},
        {"family": "a", "model": "a2", "n_params": 5, "n_tokens": 2},
        {"family": "b", "model": "b1", "n_params": 5, "step": 1},
        {"family": "b", "model": "b2", "n_params": 5, "step": 2},
    )
    assert selected(table)[0]["model"].to_list() == ["a2", "b2"]
    assert selected(table, checkpoint="first")[0]["model"].to_list() == ["a1", "b1"]


def test_models_as_far_as_each_other_are_replicates():
    table = models(
        {"n_params": 5, "n_tokens": 9}, {"n_params": 5, "n_tokens": 9}, {"n_params": 6, "n_tokens": 9}
    )
    chosen, codes = selected(table)
    assert chosen["axis_value"].to_list() == [5, 5, 6]
    assert codes == ["replicates"]


def test_scale_zero_is_left_out_and_said():
    table = models({"n_params": 5, "n_tokens": 0}, {"n_params": 5, "n_tokens": 7})
    chosen, codes = selected(table, "n_tokens")
    assert chosen["model"].to_list() == ["m1"]
    assert codes == ["zero-scale"]
    with pytest.raises(ScaleError, match="no model has n_tokens above 0"):
        scales.select(table.head(1), "n_tokens", "last")


def test_sizes_with_unequal_training_are_said():
    table = models({"n_params": 5, "n_tokens": 100}, {"n_params": 6, "n_tokens": 104})
    assert selected(table)[1] == []
    table = models({"n_params": 5, "n_tokens": 100}, {"n_params": 6, "n_tokens": 106})
    assert selected(table)[1] == ["unequal-training"]


def test_steps_tell_the_training_where_tokens_are_not_known():
    table = models({"n_params": 5, "step": 3000}, {"n_params": 6, "step": 3000})
    assert selected(table)[1] == []
    table = models({"n_params": 5, "step": 800}, {"n_params": 6, "step": 3000})
    notes = scales.select(table, "n_params", "last")[1]
    assert [note["code"] for note in notes] == ["unequal-training"]
    assert "training steps too, from 800 to 3K" in str(notes[0]["message"])


def test_labels_of_sizes_that_two_digits_do_not_tell_apart():
    table = models({"n_params": 1.41e9, "n_tokens": 1}, {"n_params": 1.42e9, "n_tokens": 1})
    assert selected(table, "n_tokens")[0]["family"].to_list() == ["f 1.41B", "f 1.42B"]
    table = models({"n_params": 1.41e9, "n_tokens": 1}, {"n_params": 7.04e7, "n_tokens": 1})
    assert selected(table, "n_tokens")[0]["family"].to_list() == ["f 70M", "f 1.4B"]


def test_an_axis_without_sizes():
    assert selected(models({"n_tokens": 2}, {"n_tokens": 1}), "n_tokens")[0]["model"].to_list() == [
        "m1",
        "m0",
    ]


def test_an_unknown_axis_lists_the_known_ones():
    with pytest.raises(ScaleError, match="there is no axis depth") as caught:
        scales.select(RUNS, "depth", "last")
    assert caught.value.hint == "Axes with values here: n_params, step."


def test_an_item_s_own_number_is_no_axis():
    frame = responses({"a": ["x", "y"], "b": ["x", "y"]}, n_params={"a": 1, "b": 2}).with_columns(
        difficulty=pl.Series([1.0, 2.0, 1.0, 2.0])
    )
    with pytest.raises(ScaleError, match=r"there is no axis difficulty: .* differs from item to item"):
        unmirage.audit(frame, axis="difficulty")


def test_a_missing_scale_says_what_to_write():
    table = models({"model": "own-70m"}, {"n_params": 3})
    with pytest.raises(ScaleError, match="the scale of own-70m is not known") as caught:
        scales.select(table, "n_params", "last")
    assert '[models."own-70m"]\nn_params = 70_000_000' in str(caught.value)
    assert "--families FILE.toml" in str(caught.value)


def test_writing_it_works(tmp_path):
    frame = responses({"own-70m": ["x"], "own-xl": ["x"]})
    with pytest.raises(ScaleError) as caught:
        unmirage.audit(frame)
    lines = str(caught.value).split("\n\n", 1)[1]
    file = tmp_path / "own.toml"
    file.write_text(lines + '[models."own-xl"]\nn_params = 900_000_000\n')
    audit = unmirage.audit(frame, families=[file])
    assert sorted(audit.curves["axis_value"].unique()) == [7e7, 9e8]


def test_a_model_with_two_sizes_is_refused():
    frame = responses({"a": ["x", "y"]}).with_columns(n_params=pl.Series([1.0, 2.0]))
    with pytest.raises(TableError, match="a has several values of n_params: 1, 2"):
        unmirage.audit(frame)


def test_models_are_compared_on_the_items_that_they_share():
    frame = responses({"a": list("pqrs"), "b": list("qrst"), "c": list("rsq")})
    kept, (note,) = scales.common_items(frame)
    assert kept.group_by("model").agg(pl.col("item_id").sort()).sort("model").rows() == [
        (model, ["q", "r", "s"]) for model in "abc"
    ]
    assert (note["code"], note["count"]) == ("different-items", 1)
    assert "(c 3, the most 4); all are compared on the 3 that they share" in note["message"]


def test_the_same_items_in_any_order_are_no_reason_for_a_warning():
    frame = responses({"a": ["p", "q"], "b": ["q", "p"]})
    kept, notes = scales.common_items(frame)
    assert notes == []
    assert kept.equals(frame)


def test_a_task_without_a_shared_item_is_left_out():
    frame = pl.concat(
        [
            responses({"a": ["p"], "b": ["q"]}),
            responses({"a": ["p"], "b": ["p"]}).with_columns(task=pl.lit("u")),
        ]
    )
    kept, (note,) = scales.common_items(frame)
    assert kept["task"].unique().to_list() == ["u"]
    assert note["code"] == "no-common-item"


def test_no_task_with_a_shared_item():
    with pytest.raises(TableError, match="no task has an item that all its models answered"):
        scales.common_items(responses({"a": ["p"], "b": ["q"]}))


def test_a_task_of_several_kinds_keeps_that_of_most_models_and_says_so():
    common = {"family": "f", "task": "t", "item_id": "i"}
    rows = [
        {**common, "model": "a", "kind": "count"},
        {**common, "model": "b", "kind": "choice"},
        {**common, "model": "c", "kind": "choice"},
        {**common, "task": "u", "model": "a", "kind": "count"},
    ]
    kept, notes = scales.one_kind(pl.DataFrame(rows))
    assert kept.select("task", "model").rows() == [("t", "b"), ("t", "c"), ("u", "a")]
    assert notes[0]["code"] == "mixed-kinds"
    assert "a (count)" in notes[0]["message"]


def test_families_are_compared_apart():
    frame = responses({"a": ["p", "q"], "b": ["p"]}).with_columns(family="model")
    assert scales.common_items(frame)[0].height == 3


def test_the_passes_that_end_the_attempts_are_no_axis():
    frame = responses({"a": "xyz", "b": "xyz"}, n_params={"a": 1e6, "b": 1e7}).with_columns(until=pl.lit(5.0))
    with pytest.raises(ScaleError, match="there is no axis until"):
        unmirage.audit(frame, axis="until")
