"""Large folders of logs: rows, seconds and peak memory of `unmirage convert` and `unmirage inspect`.

    python benchmarks/big_folder.py FOLDER [GB ...] [--tool lm-eval|inspect] [--jobs N ...]

Writes logs of so many GB (default 0.5 and 2) below FOLDER, converts and inspects them in processes of their
own with each number of jobs (default 1), prints the table, and deletes what it wrote. A folder of lm-eval
is as many models as it takes, each with two multiple-choice and two generative tasks of 10,000 items behind
a prompt of 4 kB (0.6 GB a model). One of inspect is as many models as it takes, each with four tasks of 2,500
samples of 30 kB, deflated; GB counts the samples unpacked. Peak memory is that of the process itself, and of
the largest of those that it starts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

STAMP = "2026-01-01T00-00-00.000000"
ITEMS, SAMPLES = 10_000, 2_500
TASKS = {"mc_a": "choice", "mc_b": "choice", "gen_a": "generation", "gen_b": "generation"}
RUN = """
import resource, sys, time
from unmirage.cli import main
start = time.perf_counter()
code = main(sys.argv[1:])
seconds = time.perf_counter() - start
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
cpu = sum(one.ru_utime + one.ru_stime for one in used)
print(code, seconds, cpu, *(one.ru_maxrss / 1024 for one in used), file=sys.stderr)
"""
WORDS = (
    *("the", "model", "answers", "questions", "about", "trains", "and", "“rivers”;", "each", "line", "of"),
    *("it\nends", "where", "another", "begins,", "with", "a", "number", "such", "as", "4,096", "or", "none"),
)


def prompt_of(seed: int, size: int) -> str:
    """Text of `size` characters, with line breaks and letters outside ASCII."""
    words = random.Random(seed).choices(WORDS, k=size // 5)
    return " ".join(words)[:size]


def samples_of(task: str, kind: str, model: int, items: int) -> Iterator[bytes]:
    """The lines of a samples file, as lm-eval 0.4.13 writes them."""
    prompts = [json.dumps(prompt_of(seed, 4000), ensure_ascii=False)[1:-1] for seed in range(97)]
    for i in range(items):
        prompt = f"{prompts[i % 97]}\\nQuestion {i} of {task}: which?"
        digest = hashlib.sha256(f"{task} {i}".encode()).hexdigest()
        start = f'{{"doc_id": {i}, "doc": {{"question": "{prompt}", "label": {i % 4}}}, '
        end = f'"doc_hash": "{digest}", "prompt_hash": "{digest}", "target_hash": "{digest}", '
        if kind == "choice":
            values = [-1.0 - ((i + 7 * model) * k % 101) / 7 for k in range(1, 5)]
            pairs = json.dumps([[str(value), "False"] for value in values])
            arguments = ", ".join(
                f'"gen_args_{k}": {{"arg_0": "{prompt}", "arg_1": " {letter}"}}'
                for k, letter in enumerate("abcd")
            )
            right = float(values.index(max(values)) == i % 4)
            yield (
                f'{start}"target": "{i % 4}", "arguments": {{{arguments}}}, "resps": [{pairs}], '
                f'"filtered_resps": {pairs}, "filter": "none", "metrics": ["acc"], {end}"acc": {right}}}\n'
            ).encode()
        else:
            output = f"{i * 3 + (i % (model + 2) == 0)}"
            right = float(output == str(i * 3))
            yield (
                f'{start}"target": "{i * 3}", "arguments": {{"gen_args_0": {{"arg_0": "{prompt}", "arg_1": '
                f'{{"until": ["\\n"], "max_gen_toks": 64}}}}}}, "resps": [["{output}"]], "filtered_resps": '
                f'["{output}"], "filter": "none", "metrics": ["exact_match"], {end}"exact_match": {right}}}\n'
            ).encode()


def write_lm_eval(folder: Path, size: int) -> int:
    """Models until the folder has `size` bytes; gives its bytes."""
    written, model = 0, 0
    while written < size:
        run = folder / f"org__big-{model + 1}b"
        run.mkdir(parents=True)
        forms = {"choice": ("multiple_choice", "acc"), "generation": ("generate_until", "exact_match")}
        results = {
            "results": {task: {f"{forms[kind][1]},none": 0.5} for task, kind in TASKS.items()},
            "configs": {task: {"output_type": forms[kind][0]} for task, kind in TASKS.items()},
            "config": {
                "model_args": {"pretrained": f"org/big-{model + 1}b"},
                "model_num_parameters": (model + 1) * 10**9,
            },
            "n-samples": {task: {"effective": ITEMS} for task in TASKS},
        }
        (run / f"results_{STAMP}.json").write_text(json.dumps(results))
        for task, kind in TASKS.items():
            path = run / f"samples_{task}_{STAMP}.jsonl"
            with path.open("wb") as file:
                file.writelines(samples_of(task, kind, model, ITEMS))
            written += path.stat().st_size
        model += 1
    return written


def write_inspect(folder: Path, size: int) -> int:
    """Logs until their samples have `size` bytes unpacked; gives these bytes."""
    folder.mkdir(parents=True)
    prompts = [prompt_of(seed, 7000) for seed in range(97)]
    written, model = 0, 0
    while written < size:
        for task in TASKS:
            name = f"hf/org/big-{model + 1}b"
            header = {
                "version": 2,
                "status": "success",
                "eval": {
                    "eval_id": f"{task}-{model}",
                    "task_id": f"{task}-{model}",
                    "created": "2026-01-01T00:00:00+00:00",
                    "task": task,
                    "task_args": {},
                    "model": name,
                    "model_args": {},
                    "scorers": [{"name": "match", "options": {"location": "exact"}}],
                    "metadata": {"n_params": (model + 1) * 1e9},
                },
            }
            path = folder / f"2026-01-01T00-00-00+00-00_{task}_{model}.eval"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.writestr("_journal/start.json", json.dumps(header))
                for i in range(SAMPLES):
                    prompt, output = f"{prompts[i % 97]} {i}", str(3 * i + (i % (model + 2) == 0))
                    messages = [
                        {"role": "user", "content": prompt},
                        {"role": "assistant", "content": output},
                    ]
                    choice = {"message": messages[1], "stop_reason": "stop"}
                    value = "C" if output == str(3 * i) else "I"
                    sample = {
                        "id": i,
                        "epoch": 1,
                        "input": prompt,
                        "target": str(3 * i),
                        "messages": messages,
                        "output": {"model": name, "choices": [choice], "completion": output},
                        "scores": {"match": {"value": value, "answer": output}},
                        "events": [{"event": "model", "input": messages[:1], "prompt": prompt}],
                    }
                    content = json.dumps(sample, ensure_ascii=False)
                    written += len(content.encode())
                    archive.writestr(f"samples/{i}_epoch_1.json", content)
                archive.writestr("header.json", json.dumps(header))
        model += 1
    return written


WRITERS = {"lm-eval": write_lm_eval, "inspect": write_inspect}


def measure(*arguments: object) -> tuple[list[float], str]:
    """Seconds, CPU seconds, peak MiB of the process and of its largest child, of a command; and what it
    printed."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    *said, last = done.stderr.splitlines()
    code, *numbers = (float(value) for value in last.split())
    if code:
        raise SystemExit("\n".join([*said, last]))
    return numbers, done.stdout or said[-1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("sizes", type=float, nargs="*", default=[0.5, 2.0])
    parser.add_argument("--tool", choices=sorted(WRITERS), default="lm-eval")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    given = parser.parse_args()
    empty = measure("--version")[0][2]
    print(f"{given.tool}; an empty process has {empty:,.0f} MiB\n")
    print(
        "| GB | files | command | jobs | rows | seconds | CPU seconds | MB a CPU second | peak MiB | largest "
        "child, MiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for size in given.sizes:
        logs = given.folder / f"{given.tool}-{size:g}"
        start = time.perf_counter()
        written = WRITERS[given.tool](logs, round(size * 1e9))
        files = sum(path.is_file() for path in logs.rglob("*"))
        print(f"wrote {written / 1e9:.2f} GB in {time.perf_counter() - start:.0f} s", file=sys.stderr)
        outputs = set()
        for jobs in given.jobs:
            out = given.folder / f"{given.tool}-{size:g}-{jobs}.parquet"
            numbers, said = measure("convert", logs, out, "--jobs", jobs)
            outputs.add(hashlib.sha256(out.read_bytes()).hexdigest())
            out.unlink()
            row("convert", jobs, said.split()[0], numbers, written, files)
        for jobs in given.jobs:
            numbers, said = measure("inspect", logs, "--json", "--jobs", jobs)
            rows = sum(tool["rows"] for tool in json.loads(said)["tools"])
            row("inspect", jobs, f"{rows:,}", numbers, written, files)
        shutil.rmtree(logs)
        if len(outputs) > 1:
            raise SystemExit("the bytes depend on the number of jobs")


def row(command: str, jobs: int, rows: str, numbers: list[float], written: int, files: int) -> None:
    """Print one row of the table."""
    seconds, cpu, own, child = numbers
    print(
        f"| {written / 1e9:.2f} | {files:,} | {command} | {jobs} | {rows} | {seconds:.1f} | {cpu:.1f} | "
        f"{written / 1e6 / cpu:.0f} | {own:,.0f} | {child:,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
