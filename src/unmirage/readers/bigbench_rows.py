"""The scores in BIG-bench's files as rows of `tables.RESULTS`. Opening files is in `bigbench`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import polars as pl

from unmirage import bigbench, tables
from unmirage.bigbench.scores import GRADE, RANGES, Score, with_aggregates
from unmirage.counts import listed
from unmirage.errors import SourceError
from unmirage.readers import shots
from unmirage.readers.base import Options
from unmirage.readers.bigbench_parts import Parts, group_of

TOOL = "BIG-bench"
SHARES = ("exact_str_match", GRADE)  # means of 0 and 1 over items
KEY = ("family", "model", "label", "shots", "word")

Note = dict[str, object]


class Model(msgspec.Struct):
    """`model` of a results file, the keys that are used."""

    family: str = msgspec.field(name="model_family")
    name: str = msgspec.field(name="model_name")
    total: float | None = msgspec.field(name="total_params", default=None)
    inner: float | None = msgspec.field(name="non_embedding_params", default=None)
    matched: float | None = msgspec.field(name="flop_matched_non_embedding_params", default=None)


class Task(msgspec.Struct):
    """`task` of a results file."""

    name: str = msgspec.field(name="task_name")


class ScoreFile(msgspec.Struct):
    """A results file, without its queries."""

    scores: list[Score]
    task: Task
    model: Model


def rows_of(
    files: Sequence[tuple[Path, ScoreFile]], options: Options, parts: Parts, ends: pl.DataFrame
) -> tuple[pl.DataFrame, list[Note]]:
    """All scores of the files in the columns of `tables.RESULTS` and further ones; see `bigbench.read`.

    Rows are in the order of task, family, scale and file; within a file in the file's order.

    Parameters
    ----------
    parts: of tasks whose items were asked in several ways.
    ends: what stands behind the names of tasks with several numbers of shots; see `ends_of`.
    """
    notes: list[Note] = []
    models = models_of([(file.task, file.model) for _, file in files], options)
    scores, more = _scores([file for _, file in files])
    notes += more
    frame = scores.join(models, on="file", how="left", maintain_order="left")
    frame, more = _once(frame, [path for path, _ in files])
    notes += more
    frame, more = _in_our_units(frame)
    notes += more
    frame = _counted(frame)
    groups = {str(word): group_of(str(word)) for word in frame["word"].unique()}
    frame = frame.with_columns(group=pl.col("word").replace_strict(groups, return_dtype=pl.String))
    frame = named(frame, "group", parts, ends)
    sizes = [name for name in ("total_params", "non_embedding_params") if not _alike(models, name)]
    notes.append(_said_of_scale(models, sizes))
    frame = frame.sort("name", "family", "n_params", "file", maintain_order=True, nulls_last=True)
    return frame.select(
        *("family", "model", "n_params", "n_tokens", "flops", "task", "metric", "value", "n", "chance"),
        pl.col("shots").cast(pl.Float64),
        pl.col("preferred").cast(pl.Float64),
        *("low_score", "high_score", *sizes),
    ), notes


def ends_of(counts: Iterable[tuple[str, int]]) -> tuple[pl.DataFrame, list[Note]]:
    """What stands behind the names of tasks with several numbers of shots: label, shots and end, and a
    warning.

    Parameters: counts, the labels and numbers of shots that there are.
    """
    by_label: dict[str, dict[int, int]] = {}
    for label, n in sorted(set(counts)):
        by_label.setdefault(label, {})[n] = n
    suffixes, notes = shots.labels(by_label)
    schema = {"label": pl.String, "shots": pl.Int64, "end": pl.String}
    rows = [(label, n, end) for (n, label), end in suffixes.items()]
    return pl.DataFrame(rows, schema=schema, orient="row"), notes


def counts_of(files: Iterable[ScoreFile]) -> list[tuple[str, int]]:
    """The labels and numbers of shots of all scores of the files, aggregates among them."""
    return [
        (label_of(file.task.name, score.subtask), score.shots)
        for file in files
        for score in with_aggregates(file.task.name, file.scores)
    ]


def named(frame: pl.DataFrame, group: str, parts: Parts, ends: pl.DataFrame) -> pl.DataFrame:
    """The frame with `task`: its label, the part that the column `group` says, and the number of shots where
    a task has several."""
    ended = frame.join(ends, on=["label", "shots"], how="left", maintain_order="left")
    named = parts.relabelled(ended, group)
    return named.with_columns(task=pl.col("label") + pl.col("end").fill_null("")).drop("end")


def models_of(files: Sequence[tuple[Task, Model]], options: Options) -> pl.DataFrame:
    """One row a file: `file`, its index, and its model's family, name and sizes."""
    rows = []
    for i, (task, model) in enumerate(files):
        known = options.families.find(f"{model.family}/{model.name}")
        n_params = _count(model.matched) or (known.n_params if known else None)
        n_tokens = known.n_tokens if known else None
        rows.append(
            {
                "file": i,
                "name": task.name,
                "family": options.family or model.family,
                "model": model.name,
                "n_params": n_params,
                "n_tokens": n_tokens,
                "flops": 6 * n_params * n_tokens if n_params and n_tokens else None,
                "total_params": _count(model.total),
                "non_embedding_params": _count(model.inner),
            }
        )
    numbers = ("n_params", "n_tokens", "flops", "total_params", "non_embedding_params")
    schema = {"file": pl.Int64, **dict.fromkeys(("name", "family", "model"), pl.String)}
    return pl.DataFrame(rows, schema={**schema, **dict.fromkeys(numbers, pl.Float64)})


def _count(value: float | None) -> float | None:
    """A number of parameters; 0, which files hold where it is not known, is none."""
    return value if value is not None and 0 < value < float("inf") else None


def _alike(models: pl.DataFrame, name: str) -> bool:
    return models[name].eq_missing(models["n_params"]).all() or models[name].null_count() == models.height


def _said_of_scale(models: pl.DataFrame, sizes: Sequence[str]) -> Note:
    others = f"; other axes: {', '.join(sizes)}" if sizes else ""
    return tables.warning(
        "flop-matched-size",
        "n_params is the number of parameters without embeddings, of a sparse model that of a dense one with "
        f"the same compute (flop_matched_non_embedding_params), as in BIG-bench's own figures{others}",
        count=models.select("family", "model").n_unique(),
    )


def _scores(files: Sequence[ScoreFile]) -> tuple[pl.DataFrame, list[Note]]:
    """One row a file, subtask, number of shots and metric, with the low and high score on rows of the
    preferred metric."""
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        **dict.fromkeys(("file", "shots"), pl.Int64),
        **dict.fromkeys(("label", "word"), pl.String),
        "preferred": pl.Boolean,
        **dict.fromkeys(("value", "low_score", "high_score"), pl.Float64),
    }
    columns: dict[str, list[object]] = {name: [] for name in schema}
    without, void = [], []
    for i, file in enumerate(files):
        for score in with_aggregates(file.task.name, file.scores):
            label = label_of(file.task.name, score.subtask)
            limits = score.low is not None and score.high is not None and score.low < score.high
            if not limits:
                void.append(label)
            if score.preferred not in score.values:
                without.append(label)
            for word, value in score.values.items():
                preferred = word == score.preferred
                row = (i, score.shots, label, word, preferred, value)
                ends = (score.low, score.high) if preferred and limits else (None, None)
                for column, entry in zip(columns.values(), (*row, *ends), strict=True):
                    column.append(entry)
    notes = []
    if void:
        notes.append(
            tables.warning(
                "score-range",
                f"of {len(void)} scores the high score is not above the low score, so they have no chance "
                f"level and no normalised score ({listed(sorted(set(void)))})",
                count=len(void),
            )
        )
    if without:
        notes.append(
            tables.warning(
                "preferred-missing",
                f"{len(without)} scores lack the metric that they prefer ({listed(sorted(set(without)))})",
                count=len(without),
            )
        )
    return pl.DataFrame(columns, schema=schema), notes


def label_of(task: str, subtask: str) -> str:
    """What the scores of a task or subtask are called: JSON tasks write "task:subtask", others any text."""
    return subtask if subtask == task or subtask.startswith(f"{task}:") else f"{task}:{subtask}"


def _once(frame: pl.DataFrame, paths: Sequence[Path]) -> tuple[pl.DataFrame, list[Note]]:
    """The same score in several files, once.

    Raises SourceError where they differ.
    """
    same = [name for name in frame.columns if name != "file"]
    kept = frame.unique(subset=same, keep="first", maintain_order=True)
    twice = kept.filter(kept.select(KEY).is_duplicated())
    if twice.height:
        row = twice.row(0, named=True)
        both = twice.filter(pl.all_horizontal(pl.col(name) == row[name] for name in KEY))
        places = " and ".join(str(paths[i]) for i in both["file"].unique(maintain_order=True).head(2))
        values = " and ".join(f"{value:g}" for value in both["value"].drop_nulls().head(2))
        raise SourceError(
            f"{row['word']} of {row['model']} on {row['label']} ({row['shots']} shots) is {values}",
            where=places,
            hint="Two runs of one model need two model names or families: read them apart.",
        )
    left = frame.height - kept.height
    if not left:
        return frame, []
    note = tables.warning(
        "duplicate-rows", f"{left} scores stand in several files and are read once", count=left
    )
    return kept, [note]


def _in_our_units(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """`metric` and `value` as our cards have them, the low and high score in the same unit, and `chance`.

    Shares that go beyond 1 are taken for percentages where all of a task's are between 0 and 100; a value
    that is outside its metric's range even so is left out.
    """
    from unmirage.metrics import by_alias
    from unmirage.metrics.recorded import aggregate_card
    from unmirage.metrics.registry import REGISTRY

    notes: list[Note] = []
    aliases = {str(word): by_alias(TOOL, str(word)) or str(word) for word in frame["word"].unique()}
    frame = frame.with_columns(metric=pl.col("word").replace_strict(aliases, return_dtype=pl.String))
    # A task may use our word for a metric of its own, beside BIG-bench's word for ours.
    taken = frame.filter(pl.col("metric") == pl.col("word")).select("label", "metric", taken=True).unique()
    frame = frame.join(taken, on=["label", "metric"], how="left", maintain_order="left").with_columns(
        metric=pl.when("taken").then("word").otherwise("metric")
    )
    cards = {str(name): aggregate_card(str(name), [0.0]) for name in frame["metric"].unique()}
    ours = [name for name in cards if name in REGISTRY]
    numbers = ("value", "low_score", "high_score")
    hundred = [word for word, ends in RANGES.items() if ends == (0.0, 100.0)]
    unit = pl.when(pl.col("word").is_in(hundred) & pl.col("metric").is_in(ours)).then(100.0).otherwise(1.0)
    frame = frame.with_columns(
        share=pl.col("metric").is_in([name for name, card in cards.items() if card.binary]),
        **{name: pl.col(name) / unit for name in numbers},
    )
    group = ["label", "word"]
    highest, lowest = (getattr(pl.col("value").fill_nan(None), end)().over(group) for end in ("max", "min"))
    frame = frame.with_columns(
        percent=pl.col("share") & (highest > 1 + 1e-6) & (highest <= 100) & (lowest >= 0)
    )
    percents = frame.filter("percent")
    if percents.height:
        pairs = percents.select(pl.format("{} of {}", "word", "label")).to_series().unique().sort().to_list()
        notes.append(
            tables.warning(
                "percentages",
                f"{percents.height} shares above 1 are taken for percentages: {listed(pairs)}",
                count=percents.height,
            )
        )
        frame = frame.with_columns(
            pl.when("percent").then(pl.col(name) / 100).otherwise(name).alias(name) for name in numbers
        )
    bounded = {name: card for name, card in cards.items() if name in ours or card.binary}
    low, high = (
        pl.col("metric").replace_strict(
            {name: getattr(card, end) for name, card in bounded.items()},
            default=None,
            return_dtype=pl.Float64,
        )
        for end in ("low", "high")
    )
    value = pl.col("value")
    odd = (value.is_finite() & ((value < low - 1e-9) | (value > high + 1e-9))).fill_null(value=False)
    outside = frame.filter(odd)
    if outside.height:
        row = outside.row(0, named=True)
        notes.append(
            tables.warning(
                "out-of-range",
                f"{outside.height} values are outside the range of their metric and left out (first: "
                f"{row['word']} of {row['model']} on {row['label']} is {row['value']:g})",
                count=outside.height,
            )
        )
        frame = frame.filter(~odd)
    level = pl.col("low_score")
    chance = pl.when("share", "preferred", level >= 0, level < 1).then(level)
    return frame.with_columns(chance=chance), notes


def _counted(frame: pl.DataFrame) -> pl.DataFrame:
    """`n` of tasks that are known, where all values are whole numbers out of it, and the chance level of
    their multiple_choice_grade where the file does not say it."""
    from unmirage.reported import successes_of

    known = bigbench.tasks().filter(pl.col("kind").is_in(["json", "subtask"]))
    label = pl.when(pl.col("subtask") == "").then("task").otherwise(pl.format("{}:{}", "task", "subtask"))
    known = known.select(label.alias("label"), "n_items", "binary", level="chance")
    frame = frame.join(known, on="label", how="left", maintain_order="left")
    grade = pl.col("word") == GRADE
    items = pl.col("word").is_in(SHARES) & pl.col("n_items").is_not_null() & (pl.col("binary") | ~grade)
    some = frame.filter(items, pl.col("value").is_finite()).select("label", "word", "value", "n_items")
    whole = some.with_columns(
        whole=pl.Series(
            [successes_of(v, n) is not None for v, n in some.select("value", "n_items").iter_rows()]
        )
    )
    counted = whole.group_by("label", "word").agg(n=pl.col("n_items").first(), all=pl.col("whole").all())
    return frame.join(
        counted.filter("all").select("label", "word", "n"),
        on=["label", "word"],
        how="left",
        maintain_order="left",
    ).with_columns(chance=pl.coalesce("chance", pl.when(grade).then("level")))
