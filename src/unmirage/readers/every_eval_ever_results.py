"""Models and aggregates of every_eval_ever's evaluations as rows. Decoding is in `every_eval_ever_files`."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from unmirage import tables
from unmirage.counts import listed
from unmirage.families import Scale
from unmirage.readers.base import Options, families_of
from unmirage.readers.every_eval_ever_files import LM_EVAL, Evaluation
from unmirage.readers.lm_eval import axes
from unmirage.readers.lm_eval_runs import step_of

# lm_eval's word for two things: on an item the log-likelihood of its target, of a model exp(-mean) of these.
LOG_LIKELIHOOD = "perplexity"

Note = dict[str, object]


def models_of(
    evaluations: Mapping[str, Evaluation], sampled: Mapping[str, str], options: Options
) -> pl.DataFrame:
    """One row an evaluation: family, model and axes.

    Parameters: evaluations by their id; sampled, evaluation -> model_id of those that samples name.
    """
    ids = {**sampled, **{key: one.model.id for key, one in evaluations.items()}}
    named = {}
    for key, name in ids.items():
        one = evaluations.get(key)
        stated = one.model.detail("revision") if one else None
        named[key] = (name, stated if stated not in ("", "main") else None)
    known = {key: options.families.find(*pair) for key, pair in named.items()}
    families = families_of([named[key][0] for key, scale in known.items() if scale is None], "family")
    out = []
    for key, (name, revision) in named.items():
        one, scale = evaluations.get(key), known[key]
        logged = _count(one.model.detail("num_parameters"), 1) if one else None
        rounded = _count(one.model.detail("params_billions"), 1e9) if one else None
        sized = Scale(
            family=options.family or (scale.family if scale else families[name]),
            model=scale.model
            if scale
            else (name.rstrip("/").rsplit("/", 1)[-1] or name) + (f"@{revision}" if revision else ""),
            n_params=logged or (scale.n_params if scale else None) or rounded,
            n_tokens=scale.n_tokens if scale else None,
            source="log",
        )
        row = {"evaluation": key, "family": sized.family, "model": sized.model, **axes(sized)}
        out.append({**row, "step": step_of(revision)})
    texts, numbers = ("evaluation", "family", "model"), ("n_params", "n_tokens", "flops", "step")
    frame = pl.DataFrame(
        out, schema={**dict.fromkeys(texts, pl.String), **dict.fromkeys(numbers, pl.Float64)}
    )
    return frame.drop("step") if frame["step"].null_count() == frame.height else frame


def _count(text: str | None, unit: float) -> float | None:
    try:
        value = float(text or "nan") * unit
    except ValueError:
        return None
    return value if 0 < value < 1e30 else None


def recorded_name(tool: str, word: str, kind: str) -> str:
    """What a recorded score of an item is called: our name where the kind of its row says which it is."""
    from unmirage.metrics import by_alias

    return (None if kind == "score" else by_alias(tool, word, kind)) or word


def aggregate_name(tool: str, word: str, kind: str | None) -> str:
    """What an aggregate is called; where the kind of its items is not known, our name if no other word of the
    tool means the same."""
    from unmirage.metrics import by_alias
    from unmirage.metrics.registry import REGISTRY

    if kind not in (None, "score"):
        return by_alias(tool, word, kind) or word
    name = by_alias(tool, word)
    words = {alias.name for alias in REGISTRY[name].card.aliases if alias.tool == tool} if name else set()
    return name if name is not None and len(words) == 1 else word


def results_of(
    evaluations: dict[str, Evaluation],
    newest: dict[tuple[str, str, str], str],
    kinds: Mapping[tuple[str, str], str],
) -> tuple[pl.DataFrame, list[Note]]:
    """The aggregates in columns of `tables.RESULTS`, with `evaluation` for those of the model.

    Parameters
    ----------
    evaluations: by their id.
    newest: (family, model, task) -> the evaluation that is read.
    kinds: (evaluation, task) -> the kind of the rows of its items.
    """
    from unmirage.metrics.recorded import aggregate_card
    from unmirage.metrics.registry import REGISTRY

    used = {(key, task) for (_, _, task), key in newest.items()}
    rows = []
    turned: list[str] = []
    percent: list[str] = []
    for key, one in evaluations.items():
        tool = one.tool
        for result in one.results:
            task, word, score = result.evaluation_name, result.word, result.score_details
            if (key, task) not in used or score.score is None:
                continue
            kind = kinds.get((key, task))
            metric = word if (tool, word) == (LM_EVAL, LOG_LIKELIHOOD) else aggregate_name(tool, word, kind)
            card = aggregate_card(metric, [0.0])
            lower = result.metric_config.lower_is_better
            if lower is not None and lower == card.higher_is_better:
                turned.append(f"{word} of {task}")
                continue
            ours = metric in REGISTRY or card.binary
            hundred = ours and (card.low, card.high) == (0.0, 1.0) and result.metric_config.percent
            percent += [f"{word} of {task}"] if hundred else []
            unit = 100.0 if hundred else 1.0
            n = score.uncertainty.num_samples if score.uncertainty else None
            rows.append(
                {
                    "evaluation": key,
                    "task": task,
                    "metric": metric,
                    "value": score.score / unit,
                    "stderr": None if score.stderr is None else score.stderr / unit,
                    "n": n if n and n > 0 else None,
                }
            )
    notes = []
    if percent:
        message = (
            f"{len(percent)} shares between 0 and 100 are divided by 100: {listed(sorted(set(percent)))}"
        )
        notes.append(tables.warning("percentages", message, count=len(percent)))
    if turned:
        names = listed(sorted(set(turned)))
        message = (
            f"{len(turned)} aggregates are better the other way than their name says; they are left out: "
        )
        message += names
        notes.append(tables.warning("direction", message, count=len(turned)))
    schema = {**dict.fromkeys(("evaluation", "task", "metric"), pl.String), "value": pl.Float64}
    return pl.DataFrame(rows, schema={**schema, "stderr": pl.Float64, "n": pl.Int64}), notes
