"""Our scores of real lm-eval 0.4.13 samples against the scores that lm-eval wrote beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unmirage.metrics import score
from unmirage.tables import RESPONSES

LOGS = Path(__file__).parents[2].parent / "shared" / "data" / "logs" / "lm_eval"
MODELS = ["add-6k", "add-20k", "add-450k"]


def samples(model, task):
    files = sorted(LOGS.glob(f"models__{model}/samples_{task}_*.jsonl"))
    if not files:
        pytest.skip("the real logs are not here")
    return [json.loads(line) for line in files[0].read_text(encoding="utf-8").splitlines()]


def responses(kind, cells):
    base = {"family": "f", "model": "m", "task": "t", "epoch": 0, "kind": kind}
    full = [{**base, "item_id": str(i), **cell} for i, cell in enumerate(cells)]
    return pl.DataFrame(full, schema=RESPONSES)


def ours(frame, name):
    return score(frame, [name]).scores["score"].to_numpy()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("unit", "theirs"), [("characters", "acc_norm"), ("bytes", "acc_bytes")])
def test_multiple_choice(model, unit, theirs):
    logged = samples(model, "add2_mc")
    cells = []
    for sample in logged:
        pairs = sample["filtered_resps"]
        texts = [sample["arguments"][f"gen_args_{i}"]["arg_1"] for i in range(len(pairs))]
        answer = int(sample["target"])
        cells.append(
            {
                "choice_logprobs": [float(pair[0]) for pair in pairs],
                "choice_lengths": [len(t if unit == "characters" else t.encode()) for t in texts],
                "length_unit": unit,
                "answer": answer,
                "greedy": pairs[answer][1] == "True",
            }
        )
    frame = responses("choice", cells)
    assert ours(frame, "multiple_choice_grade").tolist() == [sample["acc"] for sample in logged]
    assert ours(frame, "acc_norm").tolist() == [sample[theirs] for sample in logged]
    assert ours(frame, "greedy_match").tolist() == [sample["exact_match"] for sample in logged]
    probabilities = np.array([json.loads(_list(sample["brier_score"][1])) for sample in logged])
    truth = np.eye(probabilities.shape[1])[[sample["brier_score"][0] for sample in logged]]
    # lm-eval prints eight digits of the probabilities.
    assert ours(frame, "brier_sum") == pytest.approx(((probabilities - truth) ** 2).sum(axis=1), abs=1e-6)


def _list(printed):
    return f"[{','.join(repr(float(number)) for number in printed.strip('[]').split())}]"


@pytest.mark.parametrize("model", MODELS)
def test_likelihood(model):
    logged = samples(model, "add2_target_ll")
    cells = [
        {
            "target": sample["target"],
            "target_logprobs": [float(sample["filtered_resps"][0][0])],
            "greedy": sample["filtered_resps"][0][1] == "True",
        }
        for sample in logged
    ]
    frame = responses("likelihood", cells)
    assert ours(frame, "target_logprob").tolist() == [sample["perplexity"] for sample in logged]
    assert ours(frame, "greedy_match").tolist() == [sample["acc"] for sample in logged]


@pytest.mark.parametrize("model", MODELS)
def test_generation(model):
    logged = samples(model, "add2_gen")
    cells = [{"target": sample["target"], "output": sample["filtered_resps"][0]} for sample in logged]
    frame = responses("generation", cells)
    assert ours(frame, "exact_match").tolist() == [sample["exact_match"] for sample in logged]
