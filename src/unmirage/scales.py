"""Which models make a curve on an axis: families, checkpoints, replicates, and the items they share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import tables
from unmirage.counts import listed, size_label
from unmirage.errors import ScaleError, SettingsError, TableError
from unmirage.families import suggestion
from unmirage.parting import parts

Note = dict[str, object]
# "until", the passes that ended the attempts at an item, is a setting and no scale.
NOT_AXES = frozenset((*tables.RESPONSES, *tables.RESULTS, "until")) - frozenset(tables.AXES)
# On a size axis a run is one point, its last checkpoint; on any other axis all checkpoints are points.
SIZE_AXES = ("n_params", "flops", "total_params", "non_embedding_params")
# On these axes a model is better the smaller its value: curves run from large to small.
FALLING = ("loss",)
PROGRESS = ("n_tokens", "step")  # columns that order the checkpoints of a run
TRAINING = PROGRESS  # on these axes a curve is a training run
NEAR = 1.02  # sizes closer than this are one scale: a jump between them is a jump at one size
UNEQUAL_TRAINING = 1.05  # tokens that differ by more than 5% are said


def models_of(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One row a (family, model): the axis columns, extra numeric columns among them.

    Raises
    ------
    TableError
        A model has two values on one axis.
    """
    rows = []
    for frame in frames:
        names = [
            c
            for c in frame.columns
            if c in tables.AXES or (c not in NOT_AXES and frame[c].dtype.is_numeric())
        ]
        rows.append(
            frame.select("family", "model", pl.col(names).cast(pl.Float64)).unique(maintain_order=True)
        )
    table = pl.concat(rows, how="diagonal")
    axes = [c for c in table.columns if c not in ("family", "model")]
    grouped = table.group_by("family", "model", maintain_order=True)
    versions = grouped.agg(pl.col(axes).drop_nulls().n_unique())
    clash = [c for c in tables.AXES if (versions[c] > 1).any()]
    if clash:
        row = versions.filter(pl.col(clash[0]) > 1).row(0, named=True)
        values = table.filter(pl.col("family") == row["family"], pl.col("model") == row["model"])[clash[0]]
        raise TableError(
            f"{row['model']} has several values of {clash[0]}: "
            f"{', '.join(f'{v:g}' for v in values.drop_nulls().unique().sort().head(3))}",
            hint="Give each checkpoint or variant a model name of its own.",
        )
    steady = [
        c for c in axes if (versions[c] <= 1).all()
    ]  # a column that differs from item to item is no axis
    return grouped.agg(pl.col(steady).drop_nulls().first())


def select(models: pl.DataFrame, axis: str, checkpoint: str) -> tuple[pl.DataFrame, list[Note]]:
    """The models on the axis: `family`, `source_family`, `model`, `axis_value`, in order of scale.

    On n_params and flops, of several checkpoints of one size the last (or `checkpoint`) stands for the run;
    models that then share a value are replicates. On n_tokens, step and other training axes all checkpoints
    are kept, and each size is a family of its own.

    Raises
    ------
    ScaleError
        The axis is unknown, or a model has no value on it.
    SettingsError
        `checkpoint` is neither "last", "first" nor "COLUMN=VALUE", or names nothing.
    """
    known = [c for c in models.columns if c not in ("family", "model") and models[c].is_not_null().any()]
    if axis not in known:
        raise _no_axis(models, axis, known)
    notes: list[Note] = []
    kept = models
    if axis in SIZE_AXES:
        kept, notes = _one_checkpoint(models, checkpoint)
    elif checkpoint not in ("last", "first"):
        kept = _named_checkpoint(models, checkpoint)
    missing = kept.filter(pl.col(axis).is_null())
    if missing.height:
        raise _no_scale(missing["model"].to_list(), axis)
    zero = kept.filter(pl.col(axis) <= 0)
    if zero.height:
        notes.append(
            tables.warning(
                "zero-scale",
                f"{zero.height} models have {axis} = 0, which has no place on a logarithmic axis, and are "
                f"left out (first: {zero['model'][0]})",
                count=zero.height,
            )
        )
        kept = kept.filter(pl.col(axis) > 0)
    if kept.height == 0:
        raise ScaleError(f"no model has {axis} above 0", where="--axis")
    family = pl.col("family")
    if axis not in (*SIZE_AXES, "loss"):
        sizes = kept.group_by("family").agg(several=pl.col("n_params").n_unique() > 1)
        kept = kept.join(sizes, on="family", how="left", maintain_order="left")
        labels = _size_labels(kept["n_params"].drop_nulls().unique().to_list())
        label = pl.col("n_params").replace_strict(labels, default="?", return_dtype=pl.String)
        family = pl.when("several").then(pl.format("{} {}", "family", label)).otherwise("family")
        if kept["several"].any():
            notes.append(
                tables.warning("sizes-apart", f"on {axis} each size of a family is a curve of its own")
            )
    chosen = kept.select(
        family=family,
        source_family="family",
        model="model",
        axis_value=axis,
        n_params="n_params",
        n_tokens="n_tokens",
        step="step" if "step" in kept.columns else pl.lit(None, dtype=pl.Float64),
    ).with_columns(size=pl.col("n_params").min().over("family"))
    chosen = chosen.sort("source_family", "size", "family", "axis_value", "model", nulls_last=True).drop(
        "size"
    )
    chosen, same = _snapped(chosen, axis)
    notes += same + _confounded(chosen, axis) + _replicates(chosen, axis)
    return chosen.drop("n_params", "n_tokens", "step"), notes


def on_axis(rows: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """The rows of the chosen models, with `axis_value`, under the name of their curve's family."""
    named = models.rename({"family": "__family"})
    joined = rows.join(
        named,
        left_on=["family", "model"],
        right_on=["source_family", "model"],
        how="left",
        maintain_order="left",
    )
    if joined["__family"].has_nulls():
        joined = joined.filter(pl.col("__family").is_not_null())
    return joined.with_columns(family="__family").drop("__family")


def _size_labels(sizes: list[float]) -> dict[float, str]:
    """ "14M", "1.4B": two digits where they tell the sizes apart, else three."""
    short = {v: size_label(float(f"{v:.1e}")) for v in sizes}
    return short if len(set(short.values())) == len(sizes) else {v: size_label(v) for v in sizes}


def _no_axis(models: pl.DataFrame, axis: str, known: list[str]) -> ScaleError:
    if axis in tables.AXES or not known:
        return _no_scale(models["model"].to_list(), axis)
    return ScaleError(
        f"there is no axis {axis}: no such column, or one that differs from item to item",
        where="--axis",
        hint=f"Axes with values here: {', '.join(known)}.",
    )


def _no_scale(names: list[str], axis: str) -> ScaleError:
    shown = listed(names)
    field = axis if axis in ("n_params", "n_tokens") else "n_params"
    lines = suggestion(names[0])
    other = "" if field == axis else f" (or a column {axis} in the table)"
    return ScaleError(
        f"the scale of {shown} is not known: no {axis} in the log, and no family that is known has the name",
        where="--axis",
        hint="Put this in a file, with a block for each model, and give it with --families FILE.toml"
        f"{other}:\n\n{lines}",
    )


def _one_checkpoint(models: pl.DataFrame, checkpoint: str) -> tuple[pl.DataFrame, list[Note]]:
    """The models of each family and size that are furthest in training, or least; equals are seeds.

    A model whose progress is unknown, beside others whose progress is known, is kept.
    """
    if checkpoint not in ("last", "first"):
        kept = _named_checkpoint(models, checkpoint)
    else:
        progress = pl.lit(None, dtype=pl.Float64)
        for column in reversed([c for c in PROGRESS if c in models.columns]):
            known = pl.col(column).is_not_null().any().over("family", "n_params")
            progress = pl.when(known).then(pl.col(column)).otherwise(progress)
        placed = models.with_columns(progress.alias("__progress"))
        place = pl.col("__progress")
        best = place.max() if checkpoint == "last" else place.min()
        kept = placed.filter(
            place.is_null() | pl.col("n_params").is_null() | (place == best.over("family", "n_params"))
        ).drop("__progress")
    if kept.height == models.height:
        return models, []
    sizes = kept.select("family", "n_params").n_unique()
    return kept, [
        tables.warning(
            "checkpoints-left-out",
            f"{checkpoint} checkpoint of each of {sizes} sizes is used ({kept.height} models); "
            f"{models.height - kept.height} other checkpoints are not",
            count=models.height - kept.height,
        )
    ]


def _named_checkpoint(models: pl.DataFrame, checkpoint: str) -> pl.DataFrame:
    name, sign, text = checkpoint.partition("=")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not sign or name not in models.columns or value != value:
        raise SettingsError(
            f"cannot read {checkpoint!r}",
            where="--checkpoint",
            hint='Say "last", "first" or COLUMN=VALUE, for example step=100000.',
        )
    kept = models.filter(pl.col(name) == value)
    if kept.height == 0:
        there = ", ".join(f"{v:g}" for v in models[name].drop_nulls().unique().sort().head(12))
        raise SettingsError(
            f"no model has {name} = {text}", where="--checkpoint", hint=f"There are: {there}."
        )
    return kept


def _confounded(chosen: pl.DataFrame, axis: str) -> list[Note]:
    """On the size axis, sizes that were trained on different numbers of tokens, or for other numbers of steps
    where the tokens are not known."""
    if axis != "n_params":
        return []
    notes = []
    for (family,), models in chosen.group_by(["family"], maintain_order=True):
        tokens = models["n_tokens"].null_count() < models.height
        amounts = models["n_tokens" if tokens else "step"].drop_nulls()
        if len(amounts) == 0:
            continue
        low, high = float(amounts.to_numpy().min()), float(amounts.to_numpy().max())
        if high <= UNEQUAL_TRAINING * low:
            continue
        unit, both = ("training tokens", " (--axis flops counts both)") if tokens else ("training steps", "")
        notes.append(
            tables.warning(
                "unequal-training",
                f"{family}: sizes differ in {unit} too, from {size_label(low)} to {size_label(high)}: size "
                f"is not all that changes along the axis{both}",
                where=str(family),
            )
        )
    return notes


def _snapped(chosen: pl.DataFrame, axis: str) -> tuple[pl.DataFrame, list[Note]]:
    """Sizes that differ by less than `NEAR` are one scale, that of the smallest of them."""
    if axis not in SIZE_AXES:
        return chosen, []
    moved = 0
    values = []
    last: tuple[str, float] = ("", 0.0)
    for family, value in chosen.select("family", "axis_value").iter_rows():
        near = family == last[0] and value < last[1] * NEAR
        moved += near and value != last[1]
        last = (family, last[1] if near else value)
        values.append(last[1])
    if not moved:
        return chosen, []
    return chosen.with_columns(axis_value=pl.Series(values, dtype=pl.Float64)), [
        tables.warning(
            "near-scales",
            f"{moved} models differ by less than {NEAR - 1:.0%} in {axis} from a smaller one and count as "
            "being of its scale",
            count=moved,
        )
    ]


def _replicates(chosen: pl.DataFrame, axis: str) -> list[Note]:
    groups = chosen.group_by("family", "axis_value", maintain_order=True).len().filter(pl.col("len") > 1)
    if groups.height == 0:
        return []
    return [
        tables.warning(
            "replicates",
            f"{groups.height} values of {axis} have several models (up to {max(groups['len'].to_list())}); "
            "they are replicates",
            count=groups.height,
        )
    ]


def one_kind(responses: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """The rows of the kind that most models of a (family, task) have; a curve is made of one kind.

    The other rows are left out with a warning; of kinds with equally many models the first is kept.
    """
    group = ["family", "task"]
    kinds = responses.select(*group, "kind", "model").unique(maintain_order=True)
    sizes = kinds.group_by(*group, "kind", maintain_order=True).agg("model")
    mixed = sizes.filter(pl.len().over(group) > 1)
    if mixed.height == 0:
        return responses, []
    notes: list[Note] = []
    dropped = []
    for (family, task), part in mixed.group_by(group, maintain_order=True):
        ranked = part.sort(pl.col("model").list.len(), descending=True, maintain_order=True)
        kept, *others = ranked.iter_rows(named=True)
        dropped += [{"family": family, "task": task, "kind": other["kind"]} for other in others]
        left = "; ".join(f"{listed(other['model'])} ({other['kind']})" for other in others)
        notes.append(
            tables.warning(
                "mixed-kinds",
                f"{task}: rows of kind {kept['kind']} are compared; those of another kind are left out: "
                f"{left}. Give them a task name of their own to see them",
                where=f"{family} / {task}",
                count=sum(len(other["model"]) for other in others),
            )
        )
    unwanted = pl.DataFrame(dropped, schema={name: responses.schema[name] for name in (*group, "kind")})
    return responses.join(unwanted, on=[*group, "kind"], how="anti", maintain_order="left"), notes


def common_items(responses: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """The rows of items that every model of a (family, task) answered; models are compared on the same items.

    Raises
    ------
    TableError
        No task has an item that all its models answered.
    """
    names = ("family", "task")
    found: list[pl.DataFrame] = []
    notes: list[Note] = []
    dropped = 0
    for (family, task), rows in parts(responses.select(*names, "model", "item_id"), names).items():
        items, models = (rows[name].unique(maintain_order=True) for name in ("item_id", "model"))
        item, model = (
            rows[name].cast(pl.Enum(there)).to_physical().to_numpy()
            for name, there in (("item_id", items), ("model", models))
        )
        answered = np.zeros((len(items), len(models)), dtype=np.bool_)
        answered[item, model] = True
        common: npt.NDArray[np.bool_] = np.asarray(answered.all(axis=1))
        found.append(
            rows.select(names).head(1).join(pl.DataFrame({"item_id": items.filter(common)}), how="cross")
        )
        dropped += len(items) - found[-1].height
        many = answered.sum(axis=0)
        fewest, most = int(many.argmin()), int(many.max())
        if found[-1].height == most == many[fewest]:
            continue
        notes.append(
            other_items(
                family,
                task,
                models=len(models),
                fewest=(models[fewest], int(many[fewest])),
                most=most,
                common=found[-1].height,
            )
        )
    shared = pl.concat(found)
    if shared.height == 0:
        raise no_common_item()
    if not dropped:
        return responses, notes
    return responses.join(shared, on=[*names, "item_id"], how="semi", maintain_order="left"), notes


def other_items(
    family: str, task: str, *, models: int, fewest: tuple[str, int], most: int, common: int
) -> Note:
    """The warning of models that answered different items.

    Parameters: models their number; fewest the model with the fewest items, and these; most those of the
    model with the most; common those that all answered.
    """
    message = f"{task}: {models} models answered different items ({fewest[0]} {fewest[1]}, the most {most}); "
    rest = (
        f"all are compared on the {common} that they share"
        if common
        else "none is shared, so the task is left out"
    )
    code = "different-items" if common else "no-common-item"
    return tables.warning(code, message + rest, where=f"{family} / {task}", count=most - common)


def no_common_item() -> TableError:
    """The error where no task has anything to compare."""
    return TableError(
        "no task has an item that all its models answered",
        hint="Are the item ids the same in every model's log? Different limits or prompts change them.",
    )
