"""Reading samples files of lm-evaluation-harness: time and memory, against json.loads of every line.

    python benchmarks/reading.py [RECORDS]          (where pyarrow can be imported)

For each kind of task and length of prompt it writes RECORDS (default 10,000; of short prompts four times as
many) records of real shape to a temporary folder, and reads them, each way in a process of its own with one
thread: `unmirage.read`; the same with the file's SHA-256, as an audit takes it; `json.loads` of every line
with nothing kept; `json.loads` of every line with the columns that people need, as a polars frame; Arrow's
reader in C++, told the columns that ours decodes and their types, which checks nothing; and the least that
msgspec allows (every line decoded to its `doc_id` alone: the rest is looked through and not kept).

Printed are the least CPU seconds of six runs, imports not counted, their ratio to those of `unmirage.read`,
and the peaks of memory over an empty process, of ours and of the frame.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent

TURNS, RUNS = 2, 3  # processes of each way, and runs in each
WORDS = (
    "the",
    "of",
    "what",
    "which",
    "river",
    "number",
    "city",
    "why",
    "does",
    "more",
    "than",
    "energy",
    "light",
)
TYPES = {"choice": "multiple_choice", "generation": "generate_until", "likelihood": "loglikelihood"}
METRICS = {"choice": ["acc", "acc_norm"], "generation": ["exact_match"], "likelihood": ["perplexity", "acc"]}
TIME = "2026-01-01T00-00-00.000000"

BEGIN = """
import glob, json, resource, sys, time, warnings
import msgspec, polars, unmirage.audit
from unmirage.families import load
from unmirage.readers import Options, read_sources
warnings.simplefilter("ignore")
folder, kind = sys.argv[1:]
(path,) = glob.glob(folder + "/*/samples_*.jsonl")

def work():
    pass
"""
END = """
times = []
for _ in range(RUNS):
    start = time.process_time()
    work()
    times.append(time.process_time() - start)
print(min(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
WAYS = {
    "unmirage.read": "unmirage.read(folder)",
    "with SHA-256": "read_sources([folder], Options(families=load()))",
    "json.loads": """
with open(path) as file:
    for line in file:
        json.loads(line)
""",
    "json.loads and a frame": """
with open(path) as file:
    records = [json.loads(line) for line in file]
columns = {"item_id": [r["doc_hash"] for r in records], "target": [r["target"] for r in records]}
if kind == "generation":
    columns["output"] = [r["filtered_resps"][0] for r in records]
    columns["score"] = [r["exact_match"] for r in records]
else:
    columns["logprobs"] = [[float(pair[0]) for pair in r["filtered_resps"]] for r in records]
    columns["score"] = [r["acc"] for r in records]
frame = polars.DataFrame(columns)
""",
    "pyarrow.json, same columns": """
import pyarrow
from pyarrow import json as arrow_json
text, texts = pyarrow.string(), pyarrow.list_(pyarrow.string())
asked = pyarrow.struct({"arg_0": text} if kind == "generation" else {"arg_0": text, "arg_1": text})
schema = pyarrow.schema({
    "doc_id": pyarrow.int64(), "doc_hash": text, "prompt_hash": text, "target": text, "filter": text,
    "arguments": pyarrow.struct({f"gen_args_{i}": asked for i in range(4 if kind == "choice" else 1)}),
    "filtered_resps": texts if kind == "generation" else pyarrow.list_(texts),
    "exact_match" if kind == "generation" else "acc": pyarrow.float64(),
})
table = arrow_json.read_json(
    path,
    read_options=arrow_json.ReadOptions(use_threads=False, block_size=1 << 22),
    parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
)
""",
    "msgspec, nothing kept": """
decoder = msgspec.json.Decoder(msgspec.defstruct("Record", [("doc_id", int)], gc=False))
with open(path, "rb") as file:
    for line in file:
        decoder.decode(line)
""",
    "nothing": "",
}


def prompt(rng: random.Random, size: int) -> str:
    """Lines of words, as in a prompt with examples."""
    lines = [" ".join(rng.choices(WORDS, k=14)) for _ in range(size // 60 + 2)]
    return "?\nAnswer: ".join(lines)[:size]


def record(rng: random.Random, kind: str, size: int, i: int) -> dict[str, object]:
    """A record as 0.4.13 writes it."""
    text = prompt(rng, size)
    settings = {"until": ["\n\n", "Question:"], "do_sample": False, "temperature": 0.0, "max_gen_toks": 256}
    asked: list[object] = [settings]
    scores: dict[str, float]
    if kind == "generation":
        target = prompt(rng, 300)
        output = target if i % 3 else prompt(rng, 300)
        resps: list[object] = [[output]]
        filtered: list[object] = [output]
        scores = {"exact_match": float(output == target)}
    else:
        n = 4 if kind == "choice" else 1
        texts = [" ".join(rng.choices(WORDS, k=4)) for _ in range(n)]
        values = [-rng.expovariate(0.1) for _ in texts]
        filtered = [[str(value), "False"] for value in values]
        asked, resps = [f" {one}" for one in texts], [[pair] for pair in filtered]
        target = str(i % 4) if kind == "choice" else texts[0]
        normed = [value / len(one) for value, one in zip(values, texts, strict=True)]
        right = [float(each.index(max(each)) == i % 4) for each in (values, normed)]
        scores = {"perplexity": values[0], "acc": 0}
        if kind == "choice":
            scores = dict(zip(METRICS[kind], right, strict=True))
    doc = {"id": i, "question": text[-300:], "choices": asked, "answer": target}
    return {
        "doc_id": i, "doc": doc, "target": target,
        "arguments": {f"gen_args_{k}": {"arg_0": text, "arg_1": one} for k, one in enumerate(asked)},
        "resps": resps, "filtered_resps": filtered, "filter": "none", "metrics": METRICS[kind],
        **{f"{name}_hash": hashlib.sha256(str(of).encode()).hexdigest()
           for name, of in (("doc", doc), ("prompt", text), ("target", target))},
        **scores,
    }  # fmt: skip


def write_logs(folder: Path, kind: str, size: int, records: int) -> float:
    """A run of one model on one task; returns the size of the samples file in MiB."""
    run = folder / "org__model-1b"
    run.mkdir(parents=True)
    results = {
        "results": {"task": {f"{name},none": 0.5 for name in METRICS[kind]}},
        "configs": {"task": {"output_type": TYPES[kind]}},
        "config": {"model_args": {"pretrained": "org/model-1b"}, "model_num_parameters": 10**9},
        "n-samples": {"task": {"effective": records}},
    }
    (run / f"results_{TIME}.json").write_text(json.dumps(results))
    rng = random.Random(size)
    samples = run / f"samples_task_{TIME}.jsonl"
    with samples.open("w") as file:
        file.writelines(
            json.dumps(record(rng, kind, size, i), ensure_ascii=False) + "\n" for i in range(records)
        )
    return samples.stat().st_size / 2**20


def measure(folder: Path, kind: str) -> dict[str, tuple[float, float]]:
    """Way -> (least CPU seconds, peak memory in MiB over an empty process); the ways take turns."""
    threads = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(TURNS):
        for way, code in WAYS.items():
            program = BEGIN + indent(code, "    ") + END.replace("RUNS", str(RUNS))
            done = subprocess.run(
                [sys.executable, "-c", program, str(folder), kind],
                capture_output=True, text=True, check=True, env={**os.environ, **threads},
            )  # fmt: skip
            seconds, memory = map(float, done.stdout.split())
            found[way].append((seconds, memory))
    empty = min(memory for _, memory in found.pop("nothing"))
    return {
        way: (min(seconds for seconds, _ in runs), min(memory for _, memory in runs) - empty)
        for way, runs in found.items()
    }


def main() -> None:
    """Print the table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(f"Python {sys.version.split()[0]}; CPU seconds, one thread\n")
    ways = [way for way in WAYS if way not in ("unmirage.read", "nothing")]
    heads = " | ".join(f"{way} | ratio" for way in ways)
    print(f"| kind | prompt | records | MiB | unmirage.read | {heads} | memory |")
    print("|---|---:|---:|---:|---:|" + "---:|---:|" * len(ways) + "---:|")
    for kind in TYPES:
        for size in (4000, 500):
            with tempfile.TemporaryDirectory() as name:
                count = records if size == 4000 else 4 * records
                mebibytes = write_logs(Path(name), kind, size, count)
                found = measure(Path(name), kind)
            ours, memory = found["unmirage.read"]
            cells = [f"{found[way][0]:.2f} | {found[way][0] / ours:.2f}" for way in ways]
            most = found["json.loads and a frame"][1]
            print(
                f"| {kind} | {size} B | {count:,} | {mebibytes:.0f} | {ours:.2f} | {' | '.join(cells)} | "
                f"{memory:.0f} MiB, of {most:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
