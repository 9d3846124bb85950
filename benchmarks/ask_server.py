"""A model behind a real server, asked by `unmirage`, against the same model run by `transformers`.

The server is started by hand. With vLLM, on a machine without a GPU (the checkpoint is one that
`unmirage train arithmetic` made; its heads must have 32 or more numbers there):

    VLLM_CPU_KVCACHE_SPACE=1 vllm serve CHECKPOINT --served-model-name NAME --dtype float32 \\
        --max-model-len 64 --enforce-eager --model-impl transformers --port 8000
    python benchmarks/ask_server.py http://127.0.0.1:8000/v1 NAME CHECKPOINT

200 questions, 100 of each task. The right answer and a wrong one (that of the next question) are scored, with
contexts and continuations sent as text, and as tokens of the checkpoint's tokenizer, and one prompt a request
instead of several; and outputs are generated at temperature 0. By `transformers`: one text at a time, no
padding, logarithms in float64.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unmirage.ask.requests import Generate, Generated, Score, Scored
from unmirage.ask.server import Completions
from unmirage.train.problems import TASKS, questions, text

ITEMS = 100  # a task


@dataclass(frozen=True)
class Entry:
    name: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)


def main(url: str, name: str, checkpoint: str) -> None:
    import openai
    import torch
    import transformers

    torch.set_num_threads(1)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    network = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    prompts, targets = asked()
    scores = [Score(p, t) for p, t in zip(prompts, targets, strict=True)]
    scores += [Score(p, t) for p, t in zip(prompts, targets[1:] + targets[:1], strict=True)]
    outputs = [Generate(prompt, ("\n",), 8) for prompt in prompts]
    truth = [scored(network, tokenizer, one) for one in scores]
    written = [generated(network, tokenizer, one) for one in outputs]
    print(f"openai {openai.__version__}, transformers {transformers.__version__}, torch {torch.__version__}")
    print(f"{name}: {len(prompts)} questions, {len(scores)} continuations of {sum(map(len, truth))} tokens\n")
    print("| sent as | requests | largest difference a token, nats | mean | greedy agrees | seconds |")
    print("|---|---:|---:|---:|---:|---:|")
    for label, options in (
        ("text", {}),
        ("tokens", {"tokenizer": checkpoint}),
        ("text, one a request", {"concurrency": 1000}),
    ):
        server = Completions(Entry(name, name, {"base_url": url, **options}))
        abilities = server.abilities
        assert abilities.score, abilities.why_not
        before, started = server.usage.requests, time.perf_counter()
        found = server.score(scores)
        seconds = time.perf_counter() - started
        compare(label, found, truth, server.usage.requests - before, seconds)
        if not options:
            started = time.perf_counter()
            texts = server.generate(outputs)
            generation = (texts, server.usage, time.perf_counter() - started)
        server.close()
    compare_outputs(*generation, written, targets)


def asked() -> tuple[list[str], list[str]]:
    """Prompts, and right answers with the newline that ends them."""
    prompts, targets = [], []
    for task in TASKS:
        q = questions(task, "test", ITEMS)
        prompts += [text(q.prompts[k][: q.prompt_lengths[k]]) for k in range(ITEMS)]
        targets += [text(q.answers[k][: q.answer_lengths[k]]) for k in range(ITEMS)]
    return prompts, targets


def compare(label: str, found: list[Scored], truth: list[Any], requests: int, seconds: float) -> None:
    """One row of the table."""
    gaps = np.concatenate(
        [np.abs(np.array(one.logprobs) - row[:, 0]) for one, row in zip(found, truth, strict=True)]
    )
    agree = sum(one.greedy == bool(row[:, 1].all()) for one, row in zip(found, truth, strict=True))
    print(
        f"| {label} | {requests} | {gaps.max():.1e} | {gaps.mean():.1e} | {agree} of {len(found)} "
        f"| {seconds:.1f} |"
    )


def compare_outputs(
    found: list[Generated], usage: Any, seconds: float, truth: list[Any], targets: list[str]
) -> None:
    """What was generated, by both."""
    same = sum(one.text == text for one, (text, _) in zip(found, truth, strict=True))
    gaps = [
        np.abs(np.array(one.logprobs) - logprobs[: len(one.logprobs)]).max()
        for one, (text, logprobs) in zip(found, truth, strict=True)
        if one.text == text and one.logprobs
    ]
    named = sum(one.tokens is not None for one in found)
    exact = sum(one.text == target.strip() for one, target in zip(found, targets, strict=True))
    ours = sum(text == target.strip() for (text, _), target in zip(truth, targets, strict=True))
    print(f"\noutputs: {same} of {len(found)} are the same text, {named} have tokens; {seconds:.1f} s")
    print(f"their log-probabilities differ by {max(gaps):.1e} at most")
    print(f"right: {exact} by the server, {ours} by transformers")
    print(f"{usage}")


def scored(network: Any, tokenizer: Any, one: Score) -> Any:
    """(tokens, 2): log-probability of each token of the continuation, and whether it is the likeliest."""
    import torch

    whole = tokenizer(one.context + one.continuation, return_tensors="pt").input_ids
    first = len(tokenizer(one.context).input_ids)
    with torch.inference_mode():
        logits = network(whole).logits[0, first - 1 : -1].double()
    tokens = whole[0, first:]
    logprobs = logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
    return np.stack([logprobs.numpy(), (logits.argmax(-1) == tokens).numpy()], axis=1)


def generated(network: Any, tokenizer: Any, one: Generate) -> tuple[str, Any]:
    """(text before the stop text, log-probabilities of the tokens put out), at temperature 0."""
    import torch

    tokens = tokenizer(one.prompt, return_tensors="pt").input_ids
    start, logprobs = tokens.shape[1], []
    with torch.inference_mode():
        for _ in range(one.max_tokens):
            logits = network(tokens).logits[0, -1].double()
            best = logits.argmax()
            logprobs.append(float(logits.log_softmax(-1)[best]))
            tokens = torch.cat([tokens, best[None, None]], dim=1)
            written = tokenizer.decode(tokens[0, start:])
            if any(stop in written for stop in one.stop):
                break
    return min((written.partition(stop)[0] for stop in one.stop), key=len), np.array(logprobs)


if __name__ == "__main__":
    main(*sys.argv[1:])
