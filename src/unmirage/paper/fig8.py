"""Figure 8: causal transformers on sequences of Omniglot images, by one image and by three that must all be
right, beside what independence predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from unmirage import statistics
from unmirage.counts import size_label
from unmirage.errors import SourceError
from unmirage.paper import published, vision
from unmirage.paper.drawing import Layer, Panel, bars, grid, level, line, points
from unmirage.paper.figure import Figure, numbers
from unmirage.result import Progress, silent

Floats = npt.NDArray[np.float64]

WAYS = ("independent", "bursty")
LENGTH = 3  # "Num. All Correct 3"
ONE, INDEPENDENCE, PAPER = "accuracy of one", "independence", "three right (the paper's)"
SERIES = (vision.CLAIMED, ONE, *WAYS, INDEPENDENCE, PAPER)
COLOURS = ("#6b7680", "#101a4d", "#d9820b", "#8f2a6b", "#2b8a6e", "#c4452f")
UNIT = (-0.03, 1.03)
REPLICATES = 2_000

# The columns of a task's joint accuracy, a row a model.
JOINT = {
    "model": pl.String,
    "n_params": pl.Float64,
    "n": pl.Int64,
    "joint": pl.Float64,
    "joint_low": pl.Float64,
    "joint_high": pl.Float64,
    "product": pl.Float64,
    "surplus": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def fig8(responses: pl.DataFrame, seed: int = 0, progress: Progress = silent) -> Figure:
    """The figure; tasks that the family has no responses to are left out and said.

    Parameters: responses of kind generation, tasks `independent_L` and `bursty_L`, in the schema
    `tables.RESPONSES`.
    Raises SourceError where both tasks of three images are missing.
    """
    from unmirage.audit import audit

    rows = vision.of_kind(responses, "generation", "--omniglot")
    wanted = [f"{way}_{length}" for length in (1, LENGTH, 5) for way in WAYS]
    tasks = [task for task in wanted if task in set(rows["task"])]
    ways = [way for way in WAYS if f"{way}_{LENGTH}" in tasks]
    if not ways:
        raise SourceError(
            f"there is no task {WAYS[0]}_{LENGTH} and no {WAYS[1]}_{LENGTH}",
            where="--omniglot",
            hint="`unmirage train omniglot` makes such a family.",
        )
    result = audit(
        rows.filter(pl.col("task").is_in(tasks)),
        headline="exact_match",
        companion="cross_entropy",
        metrics=[],
        seed=seed,
        progress=progress,
    )
    single = vision.curve(result.curves, f"{WAYS[0]}_1", "exact_match")
    right = {task: _right(result.responses.filter(pl.col("task") == task)) for task in tasks}
    joint = {task: _joint(found) for task, found in right.items()}
    three = {way: joint[f"{way}_{LENGTH}"] for way in ways}
    paper = {length: _by_order(three[ways[0]], length) for length in (1, LENGTH)}
    shown = [
        *vision.claimed_rows(8, "MMLU"),
        *vision.number_rows(single, "accuracy", "B: accuracy", "L = 1", paper[1]),
        *_numbers(joint, paper[LENGTH]),
    ]
    says = []
    if single.height:
        says.append(f"Accuracy of one image by size{_brackets(paper)}: {vision.beside(single, paper[1])}.")
    says += [_joint_words(way, three[way], paper[LENGTH]) for way in ways]
    says += [
        _surplus_words(task, right[task], joint[task], seed) for task in tasks if not task.endswith("_1")
    ]
    says.append(_paper_words())
    says += [
        vision.verdict_words(
            vision.verdict_of(result.verdicts, task), f"exact match of {task}", made=not task.endswith("_1")
        )
        for task in tasks
    ]
    notes = [
        "The paper does not say how its sequences are drawn; here independent ones have characters drawn one "
        "by one, and bursty ones images of few characters. No image is twice in a sequence.",
        "The size axis of the paper has one label: its five models are set beside ours in order of size, and "
        "in panel E by their accuracy alone.",
        *(f"There are no responses to {task}: it is left out." for task in wanted if task not in tasks),
        *(str(message) for message in result.warnings["message"]),
    ]
    return Figure(
        "fig8",
        "Transformers on Omniglot, by one image and by three that are all right",
        {"fig8": _chart(single, three)},
        numbers(shown),
        tuple(says),
        tuple(notes),
    )


def _right(rows: pl.DataFrame) -> dict[tuple[str, float], Floats]:
    """(model, n_params) -> (sequences, L) of 0 and 1: whether the label at a position is right."""
    rows = rows.sort("n_params", "model", "item_id")
    length = int(rows["target_tokens"].list.len().max())  # type: ignore[arg-type]
    place = [pl.col(name).list for name in ("output_tokens", "target_tokens")]
    same = rows.select(
        (place[0].get(j, null_on_oob=True) == place[1].get(j, null_on_oob=True))
        .fill_null(False)
        .cast(pl.Float64)
        .alias(str(j))
        for j in range(length)
    )
    rows = rows.select("model", "n_params").hstack(same)
    return {
        (str(model), float(size)): part.drop("model", "n_params").to_numpy()
        for (model, size), part in rows.group_by(["model", "n_params"], maintain_order=True)
    }


def _joint(right: Mapping[tuple[str, float], Floats]) -> pl.DataFrame:
    rows = []
    for (model, size), one in right.items():
        found = statistics.joint_accuracy(one)
        low, high = statistics.clopper_pearson(np.rint(found.joint * found.n), found.n)
        rows.append(
            {
                "model": model,
                "n_params": size,
                "n": found.n,
                "joint": found.joint,
                "joint_low": float(low),
                "joint_high": float(high),
                "product": found.product,
                "surplus": found.surplus,
                "low": found.low if np.isfinite(found.low) else None,
                "high": found.high if np.isfinite(found.high) else None,
            }
        )
    return pl.DataFrame(rows, schema=JOINT)


def mean_surplus(right: Mapping[tuple[str, float], Floats], seed: int = 0) -> tuple[float, float, float]:
    """(mean over models of the surplus of joint success over independence, low, high of its 95% interval).

    The sequences are resampled, the same for all models, which answer the same ones.

    Parameters: model -> (sequences, L) of 0 and 1; the same sequences in the same order.
    """
    each = np.stack(list(right.values()), axis=1)  # sequences, models, L
    n, models, length = each.shape
    values = np.concatenate([each, each.min(axis=2, keepdims=True)], axis=2)

    def surplus(means: Floats) -> Floats:
        found = means.reshape(-1, models, length + 1)
        return np.asarray((found[..., -1] - found[..., :-1].prod(axis=-1)).mean(axis=-1))

    resampled = statistics.resample_means(values.reshape(n, -1), None, REPLICATES, seed)
    low, high = statistics.percentile_interval(surplus(resampled)[:, None], 0.95, n)
    return float(surplus(values.mean(axis=0))[0]), float(low[0]), float(high[0])


def _by_order(table: pl.DataFrame, length: int) -> dict[float, float]:
    """n_params of ours -> the paper's value of the same place in order; {} where it has another number."""
    sizes = table["n_params"].unique().sort().to_list()
    theirs = published.omniglot().filter(pl.col("length") == length).sort("order")["value"].to_list()
    return dict(zip(sizes, theirs, strict=True)) if len(sizes) == len(theirs) else {}


def _as(table: pl.DataFrame, value: str) -> pl.DataFrame:
    """The joint accuracy, the product or the surplus in the columns of `vision.curve`."""
    bounds = {"joint": ("joint_low", "joint_high"), "surplus": ("low", "high")}.get(value)
    none = pl.lit(None, dtype=pl.Float64)
    low, high = (none, none) if bounds is None else map(pl.col, bounds)
    return table.select("model", "n_params", "n", low=low, high=high, value=value).select(
        "model", "n_params", "n", "value", "low", "high"
    )


def _numbers(joint: Mapping[str, pl.DataFrame], paper: Mapping[float, float]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for task, table in joint.items():
        if task.endswith("_1"):
            continue
        theirs = paper if task.endswith(f"_{LENGTH}") else {}
        rows += vision.number_rows(_as(table, "joint"), "joint accuracy", "C: all right", task, theirs)
        rows += vision.number_rows(_as(table, "product"), "independence", "C: product of positions", task)
        rows += vision.number_rows(_as(table, "surplus"), "surplus", "D: surplus over independence", task)
    return rows


def _chart(single: pl.DataFrame, three: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    domain = vision.range_of(next(iter(three.values())))
    together: list[Layer] = []
    surplus: list[Layer] = level(0.0, "independence")
    against: list[Layer] = [line(_cube())]
    for way, table in three.items():
        together += vision.layers(_as(table, "product"), INDEPENDENCE, dashed=True)
        together += vision.layers(_as(table, "joint"), way)
        surplus += vision.layers(_as(table, "surplus"), way)
        against += [bars(_against(table, way)), points(_against(table, way), size=20)]
    paper = {
        length: [
            (order, value)
            for order, value in published.omniglot()
            .filter(pl.col("length") == length)
            .select("order", "value")
            .rows()
        ]
        for length in (1, LENGTH)
    }
    theirs = [(p, j) for (_, p), (_, j) in zip(paper[1], paper[LENGTH], strict=True)]
    ordered = [*vision.squares(paper[1], ONE), *vision.squares(paper[LENGTH], PAPER)]
    against.append(
        points([{"x": x, "y": y, "series": PAPER} for x, y in theirs], shape="square", filled=False, size=34)
    )
    sizes = (0.5, len(paper[1]) + 0.5)
    panels = [
        vision.claimed_panel(8, "Claimed: GPT-3 on MMLU", "accuracy", UNIT),
        Panel(("B. Transformers: one image",), vision.layers(single, ONE), "accuracy", domain, UNIT),
        Panel(("C. All of three right",), together, "joint accuracy", domain, UNIT),
        Panel(("D. Surplus over independence",), surplus, "joint - product", domain),
        Panel(
            ("E. Three right against one right",),
            against,
            "joint accuracy",
            (0.0, 1.0),
            UNIT,
            x="accuracy of a position",
            x_log=False,
        ),
        Panel(
            ("F. The paper's models",),
            ordered,
            "accuracy",
            sizes,
            UNIT,
            x="models in order of size",
            x_log=False,
        ),
    ]
    return grid(
        panels,
        columns=3,
        title="Figure 8. The same transformers by one image, and by three that must all be right",
        subtitle=(
            f"Lines: mean over seeds. Points: models, with 95% intervals. {vision.SQUARES}",
            "Independence: the product of the accuracies of the three positions; in E the curve p^3.",
        ),
        series=SERIES,
        legend="",
        colours=COLOURS,
    )


def _cube() -> list[dict[str, Any]]:
    return [{"x": float(p), "y": float(p**LENGTH), "series": INDEPENDENCE} for p in np.linspace(0, 1, 101)]


def _against(table: pl.DataFrame, series: str) -> list[dict[str, Any]]:
    """Joint accuracy at the geometric mean of the positions' accuracies: p^3 where they are independent."""
    return [
        {"x": float(product ** (1 / LENGTH)), "y": joint, "low": low, "high": high, "series": series}
        for product, joint, low, high in table.select("product", "joint", "joint_low", "joint_high").rows()
    ]


def _brackets(paper: Mapping[int, Mapping[float, float]]) -> str:
    return " (the paper's of the same place in order in brackets)" if paper[1] else ""


def _joint_words(way: str, table: pl.DataFrame, paper: Mapping[float, float]) -> str:
    joint = vision.by_size(_as(table, "joint"))["value"]
    product = vision.by_size(_as(table, "product"))
    parts = []
    for (size, expected), found in zip(product.select("n_params", "value").rows(), joint, strict=True):
        theirs = f" ({paper[size]:.3f})" if size in paper else ""
        parts.append(f"{size_label(size)} {found:.3f}{theirs}, independence {expected:.3f}")
    return f"All of {LENGTH} right by size, {way} sequences: {'; '.join(parts)}."


def _surplus_words(
    task: str, right: Mapping[tuple[str, float], Floats], table: pl.DataFrame, seed: int
) -> str:
    mean, low, high = mean_surplus(right, seed)
    above, below = (table["low"] > 0).sum(), (table["high"] < 0).sum()
    what = "more" if low > 0 else "less" if high < 0 else "neither more nor less"
    return (
        f"{task}: sequences are all right {what} often than independence predicts: surplus {mean:+.4f} "
        f"[{low:+.4f}, {high:+.4f}], mean over {table.height} models; its own interval is above 0 in {above} "
        f"and below in {below} of them."
    )


def _paper_words() -> str:
    rows = published.omniglot().sort("order")
    p, joint = (rows.filter(pl.col("length") == length)["value"].to_numpy() for length in (1, LENGTH))
    more = joint - p**LENGTH
    return (
        f"The paper's three are right more often than p^{LENGTH} at {int((more > 0).sum())} of its "
        f"{p.size} models, by {more.min():.3f} to {more.max():.3f}; it gives no intervals."
    )
