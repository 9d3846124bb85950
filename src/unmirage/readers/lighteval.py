"""lighteval: `results_*.json` with the details, a Parquet file a task.

Checked on real files of 0.13.0, and against the source of 0.3.0, 0.6.2, 0.8.1, 0.9.2, 0.10.0, 0.11.0 and
0.12.2. Which files make a run is in `lighteval_runs`, the layouts of details in `lighteval_details`; this
module picks the newest of several runs, decides what a row is, and names the metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from unmirage import tables
from unmirage.families import Scale
from unmirage.readers.base import Input, Loaded, Options, families_of, sha256
from unmirage.readers.lighteval_details import Details, read_details
from unmirage.readers.lighteval_runs import Run, claims, runs_of, shots_of
from unmirage.readers.lm_eval import NAME as LM_EVAL
from unmirage.readers.lm_eval import axes
from unmirage.readers.lm_eval_frames import nearest
from unmirage.readers.lm_eval_runs import step_of
from unmirage.readers.shots import labels

__all__ = ["NAME", "claims", "metric_of", "read"]

NAME = "lighteval"
GENERATIVE, LOGPROBS, PERPLEXITY = "GENERATIVE", "LOGPROBS", "PERPLEXITY"
ALL, AVERAGE = "all", ":_average"  # means over tasks, among the results of tasks

SAID = {
    "no-answer": "have no right answer among their choices, or a single choice, and are left out",
    "several-answers": "have several right choices; the likeliest of them stands for all, so choice "
    "probabilities there count it alone",
    "no-output": "have neither an output nor a log-probability for each choice, and are left out",
    "repeats-used": "have several outputs; all are used, as epochs",
}


@dataclass
class _Task:
    """The items of one task of one run."""

    run: Run
    name: str  # with its numbers, as in the results
    title: str
    path: Path
    frames: dict[str, pl.DataFrame]  # kind -> rows without family, model, task and axes
    words: dict[str, str]  # lighteval's name of a metric -> the kind of the rows that it scores
    samples: int  # outputs an item, at most
    items: int


def read(paths: Sequence[Path], options: Options, on_rows: Callable[[int], None]) -> Loaded:
    """Read every run in the files.

    Of several runs of one model and task the newest is kept, and a warning says so. Tasks are called as in
    the results, without the number of examples in the prompt ("lighteval|arc:easy"), and kept apart by it
    where there are several. A task whose items were asked in several ways is kept apart by these, "task
    (choice)". Means over tasks ("all", "mmlu:_average") are left out.

    Raises
    ------
    SourceError
        A file cannot be read.
    """
    loaded = Loaded()
    runs = runs_of(paths)
    scales = _scales(runs, options)
    titles, notes = _titles(runs)
    loaded.warnings += notes
    taken: dict[tuple[str, str], Run] = {}
    left: Counter[str] = Counter()
    tasks: list[_Task] = []
    for run in runs:
        scale, _ = scales[id(run)]
        for name, path in sorted(run.details.items()):
            title = titles[id(run), name]
            newer = taken.setdefault((scale.model, title), run)
            if newer is not run:
                loaded.warnings.append(_older(scale.model, name, path, run, newer))
                continue
            details = read_details(path)
            loaded.inputs.append(Input(str(path), NAME, sha256(path), details.rows.height))
            functions = run.results.functions(name) if run.results else {}
            frames, words, samples = _frames(details, functions, left)
            on_rows(details.rows.height)
            items = details.rows["item_id"].n_unique()
            tasks.append(_Task(run, name, title, path, frames, words, samples, items))
    where = str(runs[0].where.parent) if runs else ""
    loaded.warnings += [
        tables.warning(code, f"{left[code]} items {text}", where=where, count=left[code])
        for code, text in SAID.items()
        if left[code]
    ]
    split = _responses(tasks, scales, loaded)
    by_name = {(id(task.run), task.name): task for task in tasks}
    for run in runs:
        _aggregates(run, scales[id(run)], by_name, split, titles, taken, loaded)
    loaded.inputs.sort(key=lambda entry: entry.path)
    return loaded


def _titles(runs: Sequence[Run]) -> tuple[dict[tuple[int, str], str], list[dict[str, object]]]:
    """(run, task with its numbers) -> what the task is called."""
    counts: dict[str, dict[tuple[int, str], int]] = {}
    plain: dict[tuple[int, str], str] = {}
    for run in runs:
        logged = [name for name in (run.results.results if run.results else ()) if not _mean(name)]
        for name in dict.fromkeys([*run.details, *logged]):
            task, shots = shots_of(name)
            plain[id(run), name] = task
            if shots is not None:
                counts.setdefault(task, {})[id(run), name] = shots
    ends, notes = labels(counts)
    return {key: task + ends.get((key, task), "") for key, task in plain.items()}, notes


def _responses(
    tasks: Sequence[_Task], scales: Mapping[int, tuple[Scale, float | None]], loaded: Loaded
) -> list[str]:
    """Add the items of all tasks; gives the tasks whose rows of several kinds were kept apart."""
    kinds: dict[str, set[str]] = {}
    for task in tasks:
        kinds.setdefault(task.title, set()).update(task.frames)
    split = sorted(title for title, of_task in kinds.items() if len(of_task) > 1)
    if split:
        message = f"tasks whose items were asked in several ways are kept apart: {', '.join(split)}"
        loaded.warnings.append(tables.warning("methods-split", message, count=len(split)))
    for task in tasks:
        scale, step = scales[id(task.run)]
        for kind, frame in task.frames.items():
            numbers = {**axes(scale), **({} if step is None else {"step": step})}
            frame = frame.with_columns(
                family=pl.lit(scale.family),
                model=pl.lit(scale.model),
                task=pl.lit(f"{task.title} ({kind})" if task.title in split else task.title),
                **{name: pl.lit(value, dtype=pl.Float64) for name, value in numbers.items()},
            )
            checked, notes = tables.check_responses(frame, where=str(task.path))
            loaded.responses.append(checked)
            loaded.warnings += notes
    return split


def metric_of(word: str, function: str, kind: str | None, samples: int = 1) -> str:
    """Our name for what lighteval calls `word`, else a name that is no other metric's.

    Parameters
    ----------
    function: the call that scores an item, such as "LoglikelihoodAcc(logprob_normalization=None)"; "" where
        the log does not say. With it "acc" is told from its forms that divide by lengths, and `em` from those
        that change the strings.
    kind: of the rows that it scores; None where there are none.
    samples: outputs an item; with several, lighteval's `em` is the best of them.
    """
    from unmirage.metrics import by_alias, names

    base, form = word.split(":", 1)[0], f"{word} {function}"
    if base == "acc":
        if kind == "likelihood" or (kind is None and "AccGoldLikelihood" in function):
            return "greedy_match"
        if "AccGoldLikelihood" in function:
            return "accuracy (greedy)"
        if "LogProbCharNorm" in form and "ignore_first_space=True" not in form:
            return "acc_norm"
        if "LogProb" in form:
            return f"accuracy ({'PMI' if 'PMI' in form else 'normalised'})"
        return by_alias("lighteval", "acc", "choice") or word
    if base == "acc_norm":
        return "acc_norm"
    if word == "em" and not any(
        part in function for part in ("prefix", "suffix", "normalize_gold=<", "normalize_pred=<")
    ):
        plain = "normalize_gold=" not in function or "normalize_gold=None, normalize_pred=None" in function
        if plain:
            return "exact_match" if samples == 1 else f"exact_match (best of {samples})"
    group = kind if kind in ("generation", "choice", "likelihood") else None
    other = word in names() or by_alias(LM_EVAL, word, group) is not None
    return f"{word} (lighteval)" if other else word


def _mean(name: str) -> bool:
    return name == ALL or AVERAGE in name


def _scales(runs: Sequence[Run], options: Options) -> dict[int, tuple[Scale, float | None]]:
    """Scale and step of each run's model, from the known families: lighteval writes no parameter count."""
    names = {id(run): run.model() for run in runs}
    unknown = [name for name, revision in names.values() if options.families.find(name, revision) is None]
    families = families_of(unknown, "family")
    out = {}
    for key, (name, revision) in names.items():
        known = options.families.find(name, revision)
        label = name.rstrip("/").rsplit("/", 1)[-1] + (f"@{revision}" if revision else "")
        scale = Scale(
            family=options.family or (known.family if known else families[name]),
            model=known.model if known else label,
            n_params=known.n_params if known else None,
            n_tokens=known.n_tokens if known else None,
            source=known.source if known else "",
        )
        out[key] = (scale, step_of(revision))
    return out


def _older(model: str, task: str, path: Path, run: Run, newer: Run) -> dict[str, object]:
    return tables.warning(
        "older-run",
        f"{model} has more than one run of {task}: the newest ({newer.time or newer.where}) is used, the one "
        f"of {run.time or run.where} is not",
        where=str(path),
    )


def _frames(
    details: Details, functions: dict[str, str], left: Counter[str]
) -> tuple[dict[str, pl.DataFrame], dict[str, str], int]:
    """Rows of each kind; metric -> the kind that it scores; outputs an item."""
    rows = list(details.rows.iter_rows(named=True))
    found = [_kind(row) for row in rows]
    words = {
        word: kind
        for word, values in details.scores.items()
        for kind, value in reversed(list(zip(found, values, strict=True)))
        if value == value and kind
    }
    texts = [len(row["texts"]) for row, kind in zip(rows, found, strict=True) if kind == "generation"]
    samples = max(texts, default=1)
    named = {
        word: metric_of(word, functions.get(word, ""), words.get(word), samples) for word in details.scores
    }
    strip = "strip_strings=False" not in functions.get("em", "")
    columns: dict[str, dict[str, list[Any]]] = {}
    for at, (row, kind) in enumerate(zip(rows, found, strict=True)):
        recorded = [
            {"metric": named[word], "value": values[at]}
            for word, values in details.scores.items()
            if values[at] == values[at]
        ]
        kind = kind or ("score" if recorded and not any(found) else None)
        entries = _entries(row, kind, strip, left) if kind else []
        left["no-output"] += kind is None
        of_kind = columns.setdefault(kind, {}) if kind and entries else {}
        for epoch, entry in enumerate(entries):
            entry |= {
                "item_id": row["item_id"],
                "epoch": epoch,
                "kind": kind,
                "recorded": recorded if epoch == 0 else [],
            }
            for name, value in entry.items():
                of_kind.setdefault(name, []).append(value)
    frames = {
        kind: pl.DataFrame(of_kind, schema={name: tables.RESPONSES[name] for name in of_kind})
        for kind, of_kind in columns.items()
    }
    return frames, words, samples


def _kind(row: dict[str, Any]) -> str | None:
    """What a row is: by what it holds, and where both a text and log-probabilities are there, by how the
    item was asked."""
    k, n, methods = len(row["choices"]), len(row["logprobs"]), row["methods"]
    if row["texts"] and row["golds"] and (n == 0 or GENERATIVE in methods):
        return "generation"
    if k >= 2 and n in (k, 2 * k):
        return "choice"
    if n >= 1 and (PERPLEXITY in methods or (k == 1 and n <= 2)):
        return "likelihood"
    return None


def _entries(row: dict[str, Any], kind: str, strip: bool, left: Counter[str]) -> list[dict[str, Any]]:
    """What the rows of an item hold, one an output; [] where it cannot be used."""
    if kind == "score":
        return [{}]
    if kind == "generation":
        left["repeats-used"] += len(row["texts"]) > 1
        outputs, golds = row["texts"], row["golds"]
        if strip:
            outputs, golds = [text.strip() for text in outputs], [text.strip() for text in golds]
        return [{"target": nearest(golds, output), "output": output} for output in outputs]
    choices, logprobs, greedy = row["choices"], row["logprobs"], row["greedy"]
    if kind == "likelihood":
        whole = PERPLEXITY in row["methods"]
        target = row["query"] if whole else choices[0]
        values = logprobs if whole else logprobs[:1]
        flag = greedy[0] if greedy and not whole else None
        return [{"target": target, "target_logprobs": values, "greedy": flag}]
    k = len(choices)
    right = [i for i in row["gold"] if 0 <= i < k]
    if not right:
        left["no-answer"] += 1
        return []
    left["several-answers"] += len(right) > 1
    answer = max(right, key=lambda i: logprobs[i])
    lengths = [len(text) for text in choices]
    return [
        {
            "choice_logprobs": logprobs[:k],
            "choice_lengths": lengths if all(lengths) else None,
            "length_unit": "characters",
            "answer": answer,
            "greedy": greedy[answer] if len(greedy) >= k else None,
        }
    ]


def _aggregates(
    run: Run,
    scaled: tuple[Scale, float | None],
    tasks: Mapping[tuple[int, str], _Task],
    split: Sequence[str],
    titles: Mapping[tuple[int, str], str],
    taken: dict[tuple[str, str], Run],
    loaded: Loaded,
) -> None:
    """Add the scores of a run's tasks, a row a metric."""
    if run.results is None or run.path is None:
        return
    scale, step = scaled
    rows = []
    for name, entries in run.results.results.items():
        if _mean(name):
            continue
        title = titles[id(run), name]
        newer = taken.setdefault((scale.model, title), run)
        if newer is not run:
            if name not in run.details:
                loaded.warnings.append(_older(scale.model, name, run.path, run, newer))
            continue
        task = tasks.get((id(run), name))
        functions = run.results.functions(name)
        for word, logged in entries.items():
            value = _number(logged)
            if word.endswith("_stderr") or value is None:
                continue
            kind = task.words.get(word) if task else None
            rows.append(
                {
                    "family": scale.family,
                    "model": scale.model,
                    **axes(scale),
                    "loss": None,
                    "task": f"{title} ({kind})" if title in split and kind else title,
                    "metric": metric_of(word, functions.get(word, ""), kind, task.samples if task else 1),
                    "value": value,
                    "stderr": _number(entries.get(f"{word}_stderr")),
                    "n": task.items if task else None,
                    "chance": None,
                    **({} if step is None else {"step": step}),
                }
            )
    if rows:
        schema = {**tables.RESULTS, **({} if step is None else {"step": pl.Float64})}
        frame, notes = tables.check_results(pl.DataFrame(rows, schema=schema), where=str(run.path))
        loaded.results.append(frame)
        loaded.warnings += notes
    else:
        loaded.warnings.append(
            tables.warning("no-aggregates", "no score of a task is in it", where=str(run.path))
        )
    loaded.inputs.append(Input(str(run.path), NAME, sha256(run.path), len(rows)))


def _number(value: object) -> float | None:
    """A logged number, NaN and infinities among them; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
