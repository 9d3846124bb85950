"""Reading a samples file of lm-evaluation-harness: time and memory, against json.loads of every line.

    python benchmarks/reading.py [RECORDS]

Writes RECORDS (default 20,000) multiple-choice records of real shape with a 4 kB prompt to a temporary folder
and reads them in a process of its own, three times each; prints the medians. The peer is what people write:
json.loads of every line, and the columns that they need.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = """
import resource, sys, time, unmirage
start = time.perf_counter()
frame = unmirage.read(sys.argv[1])
print(frame.height, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
PEER = """
import glob, json, resource, sys, time, polars
start = time.perf_counter()
(path,) = glob.glob(sys.argv[1] + "/*/samples_*.jsonl")
records = [json.loads(line) for line in open(path)]
frame = polars.DataFrame({
    "item_id": [r["doc_hash"] for r in records], "answer": [int(r["target"]) for r in records],
    "choice_logprobs": [[float(pair[0]) for pair in r["filtered_resps"]] for r in records],
    "acc": [r["acc"] for r in records],
})
print(frame.height, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
EMPTY = """
import resource, polars, unmirage.audit
print(0, 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_logs(folder: Path, records: int) -> int:
    """A run of one model; returns the size of the samples file in bytes."""
    run = folder / "org__model-1b"
    run.mkdir(parents=True)
    time = "2026-01-01T00-00-00.000000"
    results = {
        "results": {"mc": {"acc,none": 0.5}},
        "configs": {"mc": {"output_type": "multiple_choice"}},
        "config": {"model_args": {"pretrained": "org/model-1b"}, "model_num_parameters": 10**9},
        "n-samples": {"mc": {"effective": records}},
    }
    (run / f"results_{time}.json").write_text(json.dumps(results))
    prompt = "What is the answer to this question, and why? " * 90
    samples = run / f"samples_mc_{time}.jsonl"
    with samples.open("w") as file:
        for i in range(records):
            values = [-1.0 - (i * k % 17) / 7 for k in range(1, 5)]
            gold = i % 4
            record = {
                "doc_id": i,
                "doc": {"question": prompt, "choices": list("abcd"), "label": gold},
                "target": str(gold),
                "arguments": {
                    f"gen_args_{k}": {"arg_0": prompt, "arg_1": f" {c}"} for k, c in enumerate("abcd")
                },
                "resps": [[[str(v), "False"]] for v in values],
                "filtered_resps": [[str(v), "False"] for v in values],
                "filter": "none",
                "metrics": ["acc"],
                "doc_hash": hashlib.sha256(str(i).encode()).hexdigest(),
                "prompt_hash": f"{i:064x}",
                "target_hash": f"{gold:064x}",
                "acc": float(values.index(max(values)) == gold),
            }
            file.write(json.dumps(record) + "\n")
    return samples.stat().st_size


def measure(code: str, folder: Path, runs: int = 3) -> tuple[float, float]:
    """(median seconds, median peak memory in MiB) of a program in a process of its own."""
    found = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
        )
        found.append([float(value) for value in done.stdout.split()[1:]])
    return statistics.median(f[0] for f in found), statistics.median(f[1] for f in found)


def main() -> None:
    """Print the table."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as name:
        size = write_logs(Path(name), records) / 2**20
        ours, peer = measure(OURS, Path(name)), measure(PEER, Path(name))
        base = measure(EMPTY, Path(name))[1]
    print(f"{records:,} records, {size:,.0f} MiB; Python {sys.version.split()[0]}\n")
    print(
        "| reader | seconds | records a second | peak memory over an empty process, MiB | share of the file |"
    )
    print("|---|---|---|---|---|")
    for label, (seconds, memory) in (("unmirage.read", ours), ("json.loads of every line", peer)):
        print(
            f"| {label} | {seconds:.2f} | {records / seconds:,.0f} | {memory - base:,.0f} | "
            f"{(memory - base) / size:.0%} |"
        )
    print(f"\ntime ratio {peer[0] / ours[0]:.1f}, memory ratio {(peer[1] - base) / (ours[1] - base):.1f}")


if __name__ == "__main__":
    main()
