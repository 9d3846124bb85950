"""Trained models, asked by `unmirage ask` and by lm-evaluation-harness through its own `hf` model.

The harness is no dependency: run this with the Python of an environment that has lm_eval and unmirage, on a
folder that `unmirage train arithmetic` made:

    python benchmarks/ask_lm_eval.py FOLDER arithmetic-d32-seed0 arithmetic-d64-seed0 ...

Both load the last checkpoint in float32 on the CPU, in this one process and with the same number of threads, and
answer the same two-shot questions of both tasks: the greedy output to the end of the line, and the log-likelihood
of the right answer and its end. Both have the same batch size. Compared are every output, exact match and every
log-likelihood with its greedy flag; timed are the calls that answer (tokenisation with them, loading not), in
turns, and the ratio is that of the median times. With one model named, `responses.parquet` of the training is
compared too.
"""

from __future__ import annotations

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
from unmirage.train.problems import TASKS, Task, questions, text

ITEMS = 1000
BATCH = 64
ROUNDS = 3
MOST = 8  # tokens of an output
HEADER = (
    f"{'model':24}{'task':16}{'their EM':>10}{'our EM':>10}{'outputs':>12}{'log-lik. differ':>17}"
    f"{'greedy':>12}{'generation':>13}{'scoring':>10}"
)


def main(folder: Path, models: list[str]) -> None:
    import lm_eval
    import torch
    import transformers
    from lm_eval.models.huggingface import HFLM

    logging.disable(logging.WARNING)
    print(
        f"lm_eval {lm_eval.__version__} (hf), transformers {transformers.__version__}, torch "
        f"{torch.__version__}, {torch.get_num_threads()} thread(s); {ITEMS} items a task, batches of {BATCH}, "
        f"median of {ROUNDS} rounds in turns; 1,000 items a second: theirs, ours, and times faster"
    )
    print(HEADER)
    totals = np.zeros((2, 2))
    for name in models:
        checkpoint = sorted((folder / "models" / name).glob("step-*"))[-1]
        theirs = HFLM(str(checkpoint), dtype="float32", device="cpu", batch_size=BATCH)
        options = {"device": "cpu", "dtype": "float32", "batch": BATCH, "trust_remote_code": False}
        ours = Local(Model("", name, "transformers", str(checkpoint), options=options))
        for task in TASKS:
            totals += compare(theirs, ours, name, task, folder if len(models) == 1 else None)
        ours.close()
    ratios = totals[:, 0] / totals[:, 1]
    print(f"{'all':101}{ratios[0]:>12.2f}x{ratios[1]:>9.2f}x")


def compare(theirs: Any, ours: Local, name: str, task: Task, folder: Path | None) -> np.ndarray:
    """One line of the table; seconds of (generation, scoring) by (lm_eval, unmirage)."""
    q = questions(task, "test")
    told = [text(q.prompts[k][: q.prompt_lengths[k]]) for k in range(min(ITEMS, q.a.size))]
    right = [text(q.answers[k][: q.answer_lengths[k]]) for k in range(len(told))]
    settings = {"until": ["\n"], "max_gen_toks": MOST, "do_sample": False}
    outputs, writing = in_turns(
        lambda: theirs.generate_until(instances("generate_until", told, [settings] * len(told)), True),
        lambda: [one.text for one in ours.generate([Generate(one, ("\n",), MOST) for one in told])],
    )
    scores, scoring = in_turns(
        lambda: theirs.loglikelihood(instances("loglikelihood", told, right), True),
        lambda: [
            (sum(one.logprobs), one.greedy)
            for one in ours.score([Score(a, b) for a, b in zip(told, right, strict=True)])
        ],
    )
    exact = [np.mean([a == b.strip() for a, b in zip(side, right, strict=True)]) for side in outputs]
    sums = [np.array([value for value, _ in side]) for side in scores]
    same = sum(a == b for a, b in zip(*outputs, strict=True))
    greedy = sum(a[1] == b[1] for a, b in zip(*scores, strict=True))
    print(
        f"{name:24}{task.name:16}{exact[0]:>10.4f}{exact[1]:>10.4f}{f'{same}/{len(told)}':>12}"
        f"{abs(sums[0] - sums[1]).max():>17.1e}{f'{greedy}/{len(told)}':>12}"
        f"{writing[0] / writing[1]:>12.2f}x{scoring[0] / scoring[1]:>9.2f}x",
        flush=True,
    )
    return np.array([writing, scoring])


def instances(kind: str, told: list[str], more: list[Any]) -> list[Any]:
    """Requests of the harness."""
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=(a, b), idx=k)
        for k, (a, b) in enumerate(zip(told, more, strict=True))
    ]


def in_turns(*calls: Callable[[], list[Any]]) -> tuple[list[list[Any]], list[float]]:
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
