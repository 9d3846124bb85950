"""Logs of lighteval in the layouts of its versions."""

from __future__ import annotations

import json
import random

import numpy as np
import polars as pl
import pytest

TIME = "2025-03-04T05-06-07.123456"


def item(i, choices, gold=0, *, query=None, texts=(), logprobs=(), greedy=(), methods=None, **metric):
    """An item as all layouts need it."""
    return {
        "id": str(i),
        "query": query or f"q{i} é",
        "choices": list(choices),
        "gold": gold,
        "texts": list(texts),
        "logprobs": list(logprobs),
        "greedy": list(greedy),
        "methods": methods or (["GENERATIVE"] if texts else ["LOGPROBS"]),
        "metric": metric,
    }


def structs(one):
    """A row since 0.11, with fields that have no value in any row."""
    doc = {
        "query": one["query"],
        "choices": one["choices"],
        "gold_index": one["gold"],
        "specific": None,
        "id": one["id"],
        "fewshot_samples": [],
        "sampling_methods": one["methods"],
    }
    response = {
        "input": None,
        "input_tokens": [1, 2],
        "text": one["texts"],
        "output_tokens": [[3]],
        "text_post_processed": one.get("processed"),
        "logprobs": one["logprobs"],
        "argmax_logits_eq_gold": one["greedy"],
        "unconditioned_logprobs": None,
    }
    return {"doc": doc, "model_response": response, "metric": one["metric"] or {"none": None}}


def flat(one):
    """A row before 0.11, its values still as Python has them."""
    gold = one["gold"] if isinstance(one["gold"], list) else [one["gold"]]
    choices = not one["texts"]
    pairs = [(p, g) for p, g in zip(one["logprobs"], one["greedy"], strict=False)]
    return {
        "choices": one["choices"] if choices else [],
        "cont_tokens": [[3]],
        "example": one["query"],
        "full_prompt": one["query"],
        "gold": [] if choices else [one["choices"][i] for i in gold],
        "gold_index": gold if choices else [],
        "metrics": one["metric"],
        "pred_logits": [],
        "predictions": one["texts"] or pairs or one["logprobs"],
        "specifics": None,
    }


def native(one):
    """Where Arrow took the values as they are: a pair becomes a list of two numbers."""
    row = flat(one)
    pairs = row["predictions"] and isinstance(row["predictions"][0], tuple)
    return {**row, "predictions": [[p, float(g)] for p, g in row["predictions"]]} if pairs else row


def written(one):
    """Where lighteval wrote every value as Python's text, as 0.6."""
    return {name: str(value) for name, value in flat(one).items()}


LAYOUTS = {"structs": structs, "native": native, "written": written}


def choice_items(seed, n=12):
    """Scores by lighteval's own formulas: the first best choice, summed or a character."""
    items = []
    for i in range(n):
        mine = random.Random(f"{seed} {i}")
        choices = ["abcdefgh"[: 1 + (i + j) % 4] + str(j) for j in range(4)]
        lls = [-mine.uniform(0.1, 9) for _ in choices]
        greedy = [ll == max(lls) and i % 2 == 0 for ll in lls]
        per = [ll / len(c) for ll, c in zip(lls, choices, strict=True)]
        scores = {"acc": int(np.argmax(lls) == i % 4), "acc_norm": int(np.argmax(per) == i % 4)}
        items.append(item(i, choices, i % 4, logprobs=lls, greedy=greedy, **scores))
    return items


def generation_items(seed, n=10):
    items = []
    for i in range(n):
        text = str(2 * i + (random.Random(f"{seed} {i}").random() < 0.4))
        items.append(item(i, [str(2 * i)], 0, texts=[f" {text}"], em=int(text == str(2 * i))))
    return items


def rows(loaded, *columns):
    return [row for frame in loaded.responses for row in frame.select(*columns).rows()]


def codes(loaded):
    return {note["code"]: note["count"] for note in loaded.warnings}


class Lighteval:
    """The functions above, under one name that tests can ask for."""

    item = staticmethod(item)
    structs = staticmethod(structs)
    choice_items = staticmethod(choice_items)
    generation_items = staticmethod(generation_items)
    rows = staticmethod(rows)
    codes = staticmethod(codes)


@pytest.fixture(scope="session")
def lighteval() -> type[Lighteval]:
    return Lighteval


@pytest.fixture
def write(tmp_path):
    """(model, {task: items}, ...) -> the folder of the output of a run."""

    def make(
        model, tasks, *, layout="structs", time=TIME, results=None, config=None, metrics=None, details=True
    ):
        out = tmp_path / "out"
        for name, items in tasks.items() if details else ():
            folder = out / "details" / model / time
            folder.mkdir(parents=True, exist_ok=True)
            frame = pl.DataFrame([LAYOUTS[layout](one) for one in items], infer_schema_length=None)
            frame.write_parquet(folder / f"details_{name}_{time}.parquet")
        scores = {}
        for name, items in tasks.items():
            words = list(dict.fromkeys(word for one in items for word in one["metric"]))
            values = {word: [one["metric"][word] for one in items if word in one["metric"]] for word in words}
            scores[name] = {}
            for word, of_word in values.items():
                if all(isinstance(value, int | float) for value in of_word):
                    error = np.std(of_word, ddof=1) / len(of_word) ** 0.5 if len(of_word) > 1 else 0.0
                    scores[name] |= {word: float(np.mean(of_word)), f"{word}_stderr": float(error)}
        whole = {
            "config_general": {"lighteval_sha": "?", "model_name": model, "model_config": config or {}},
            "results": results if results is not None else {**scores, "all": {"em": 0.5}},
            "versions": {},
            "config_tasks": {
                name: {
                    "metrics": [{"metric_name": m, "sample_level_fn": f} for m, f in (metrics or {}).items()]
                }
                for name in tasks
            },
        }
        if results != {}:
            path = out / "results" / model / f"results_{time}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(whole, indent=2))
        return out

    return make


@pytest.fixture
def sizes(tmp_path):
    path = tmp_path / "sizes.toml"
    names = {"m-1b": 1e9, "m-2b": 2e9, "add-6k": 3392, "add-70k": 67968}
    path.write_text("".join(f'[models."{m}"]\nn_params = {n}\nfamily = "f"\n' for m, n in names.items()))
    return path
