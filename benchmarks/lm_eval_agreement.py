"""A trained checkpoint, evaluated by lm-evaluation-harness through its own `hf` model, against our responses.

The harness is no dependency: run this with the Python of an environment that has lm_eval and unmirage, on a
folder that `unmirage train arithmetic` made:

    python benchmarks/lm_eval_agreement.py FOLDER arithmetic-d32-seed0

It writes the questions as local task files, runs `lm_eval --model hf` on them, and compares every item's
log-likelihood, and whether it is the greedy continuation, with `responses.parquet`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from unmirage.train.problems import TASKS, questions, text


def main(folder: Path, model: str) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    plan = json.loads((folder / "recipe.json").read_text())
    checkpoint = sorted((folder / "models" / model).glob("step-*"))[-1]
    ours = pl.read_parquet(folder / "responses.parquet").filter(model=model)
    with tempfile.TemporaryDirectory() as place:
        for task in TASKS:
            write_task(Path(place), task.name, plan["asked"])
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args=f"pretrained={checkpoint},dtype=float32",
            tasks=[task.name for task in TASKS],
            task_manager=TaskManager(include_path=place, include_defaults=False),
            device="cpu",
            batch_size=64,
            bootstrap_iters=0,
        )
    print(f"lm_eval {lm_eval.__version__} --model hf --model_args pretrained={checkpoint}")
    for task in TASKS:
        theirs = {
            sample["doc"]["item_id"]: sample["filtered_resps"][0] for sample in found["samples"][task.name]
        }
        mine = ours.filter(task=task.name)
        sums = np.array([sum(row) for row in mine["target_logprobs"]])
        other = np.array([float(theirs[item][0]) for item in mine["item_id"]])
        greedy = np.array([str(theirs[item][1]) == "True" for item in mine["item_id"]])
        exact = (mine["output"] == mine["target"]).to_numpy()
        print(
            f"{task.name}: {len(mine)} items; log-likelihoods differ by {abs(sums - other).max():.1e} "
            f"at most; greedy agrees on {(greedy == exact).sum()}; "
            f"their acc {greedy.mean():.6f}, our exact match {exact.mean():.6f}"
        )


def write_task(place: Path, name: str, asked: int) -> None:
    """Questions as JSON lines, and a loglikelihood task over them."""
    task = next(task for task in TASKS if task.name == name)
    q = questions(task, "test", asked)
    rows = [
        {
            "item_id": item,
            "prompt": text(q.prompts[k][: q.prompt_lengths[k]]),
            "answer": text(q.answers[k][: q.answer_lengths[k]]),
        }
        for k, item in enumerate(q.item_ids)
    ]
    data = place / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "loglikelihood",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{answer}}",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}, {"metric": "perplexity"}],
    }
    (place / f"{name}.yaml").write_text(json.dumps(config))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
