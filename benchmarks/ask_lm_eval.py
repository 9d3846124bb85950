"""Trained models, asked by `unmirage ask` and by lm-evaluation-harness through its own `hf` model.

The harness is no dependency: run this with the Python of an environment that has lm_eval and unmirage, on a
folder that `unmirage train arithmetic` made:

    OMP_NUM_THREADS=1 python benchmarks/ask_lm_eval.py FOLDER arithmetic-d32-seed0 arithmetic-d64-seed0 ...

Both load the last checkpoint in float32 on the CPU, in this one process and with the same number of threads,
and answer the same two-shot questions of both tasks with the same batch size: the greedy output to the end of
the line, and the log-likelihood of the right answer and its end. Compared are every output, exact match, and
every log-likelihood with its greedy flag; and ours with the log-likelihoods that the training wrote to
`responses.parquet`, five decimals a token. Timed, in seconds of the CPU, are the calls that answer,
tokenisation with them and loading not, in turns; a ratio is that of the median times. "Both" are
outputs and log-likelihoods of the same questions, where ours does not read again what it has just put out.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from unmirage.ask.family import Model
from unmirage.ask.local import Local
from unmirage.ask.requests import Generate, Score
from unmirage.train.problems import TASKS, Questions, questions, text

ITEMS = 1000
BATCH = 64
ROUNDS = 3
MOST = 8  # tokens of an output
HEADER = (
    f"{'model':24}{'task':16}{'their EM':>10}{'our EM':>10}{'outputs':>12}{'log-lik. differ':>17}"
    f"{'greedy':>12}{'training':>10}{'generation':>13}{'scoring':>10}{'both':>10}"
)


def main(folder: Path, models: list[str]) -> None:
    import lm_eval
    import torch
    import transformers
    from lm_eval.models.huggingface import HFLM

    logging.disable(logging.WARNING)
    print(
        f"lm_eval {lm_eval.__version__} (hf), transformers {transformers.__version__}, torch "
        f"{torch.__version__}, threads: {torch.get_num_threads()}; {ITEMS} items a task, batches of {BATCH}; "
        f"last columns: their CPU seconds over ours, medians of {ROUNDS}"
    )
    print(HEADER)
    asked = json.loads((folder / "recipe.json").read_text())["asked"]
    trained = pl.read_parquet(folder / "responses.parquet")
    totals = np.zeros((3, 2))
    for name in models:
        checkpoint = sorted((folder / "models" / name).glob("step-*"))[-1]
        theirs = HFLM(str(checkpoint), dtype="float32", device="cpu", batch_size=BATCH)
        options = {"device": "cpu", "dtype": "float32", "batch": BATCH, "trust_remote_code": False}
        ours = Local(Model("", name, "transformers", str(checkpoint), options=options))
        for task in TASKS:
            q = questions(task, "test", asked)
            totals += compare(theirs, ours, name, q, trained.filter(model=name, task=task.name))
        ours.close()
    print(f"{'all':113}{columns(totals)}")


def compare(theirs: Any, ours: Local, name: str, q: Questions, trained: pl.DataFrame) -> np.ndarray:
    """One line of the table; seconds of (generation, scoring, both) by (lm_eval, unmirage)."""
    told = [text(q.prompts[k][: q.prompt_lengths[k]]) for k in range(min(ITEMS, q.a.size))]
    right = [text(q.answers[k][: q.answer_lengths[k]]) for k in range(len(told))]
    settings = {"until": ["\n"], "max_gen_toks": MOST, "do_sample": False}
    asked = [Generate(one, ("\n",), MOST) for one in told]
    given = [Score(a, b) for a, b in zip(told, right, strict=True)]

    def their_outputs() -> list[str]:
        return theirs.generate_until(instances("generate_until", told, [settings] * len(told)), True)

    def their_scores() -> list[tuple[float, bool]]:
        return theirs.loglikelihood(instances("loglikelihood", told, right), True)

    def our_outputs() -> list[str]:
        return [one.text for one in ours.generate(asked)]

    def our_scores() -> list[tuple[float, bool]]:
        return [(sum(one.logprobs), one.greedy) for one in ours.score(given)]

    outputs, writing = in_turns(their_outputs, our_outputs)
    scores, scoring = in_turns(their_scores, our_scores)
    _, both = in_turns(lambda: (their_outputs(), their_scores()), lambda: ours.answer(asked, given))
    exact = [np.mean([a == b.strip() for a, b in zip(side, right, strict=True)]) for side in outputs]
    sums = [np.array([value for value, _ in side]) for side in scores]
    same = sum(a == b for a, b in zip(*outputs, strict=True))
    greedy = sum(a[1] == b[1] for a, b in zip(*scores, strict=True))
    known = dict(trained.select("item_id", pl.col("target_logprobs").list.sum()).iter_rows())
    written = np.array([known[item] for item in q.item_ids[: len(told)]])
    seconds = np.array([writing, scoring, both])
    print(
        f"{name:24}{q.task.name:16}{exact[0]:>10.4f}{exact[1]:>10.4f}{f'{same}/{len(told)}':>12}"
        f"{abs(sums[0] - sums[1]).max():>17.1e}{f'{greedy}/{len(told)}':>12}"
        f"{abs(sums[1] - written).max():>10.1e}  {columns(seconds)}",
        flush=True,
    )
    return seconds


def columns(seconds: np.ndarray) -> str:
    """Ratios of (generation, scoring, both) by (lm_eval, unmirage)."""
    ratios = seconds[:, 0] / seconds[:, 1]
    return f"{ratios[0]:>10.2f}x{ratios[1]:>9.2f}x{ratios[2]:>9.2f}x"


def instances(kind: str, told: list[str], more: list[Any]) -> list[Any]:
    """Requests of the harness."""
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=(a, b), idx=k)
        for k, (a, b) in enumerate(zip(told, more, strict=True))
    ]


def in_turns(*calls: Callable[[], Any]) -> tuple[list[Any], list[float]]:
    """What the calls return, and the median of their seconds."""
    took: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        answers = []
        for call, times in zip(calls, took, strict=True):
            start = time.process_time()
            answers.append(call())
            times.append(time.process_time() - start)
    return answers, [median(times) for times in took]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
