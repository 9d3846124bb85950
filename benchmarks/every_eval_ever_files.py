"""Real files of every_eval_ever for the tests, from logs of lm-evaluation-harness.

    python benchmarks/every_eval_ever_files.py LOGS OUT --items 8 --models add-10k add-13k

The package every-eval-ever (0.3.0 was used; it is no dependency) converts the logs, cut to the first
documents of each task; aggregates are the harness's own rule over these. LOGS holds a folder a model, as
`lm_eval run --log_samples --output_path LOGS` writes them. Prints the number of files and lines.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import tempfile
import uuid
from pathlib import Path
from typing import Any

TASKS = ("add2_mc", "add2_target_ll", "add3_gen", "add2_gen")


def cut(folder: Path, out: Path, items: int) -> None:
    """A copy of a model's logs with the first documents of each task."""
    (results,) = folder.glob("results_*.json")
    document: dict[str, Any] = json.loads(results.read_text())
    kept = {}
    for task in TASKS:
        for path in folder.glob(f"samples_{task}_2*.jsonl"):
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            lines = [line for line in lines if line["doc_id"] < items]
            (out / path.name).write_text("".join(json.dumps(line) + "\n" for line in lines))
            names = [name for name in lines[0]["metrics"] if isinstance(lines[0][name], int | float)]
            means = {name: sum(line[name] for line in lines) / len(lines) for name in names}
            kept[task] = {
                f"{name},none": math.exp(-mean) if name == "perplexity" else mean
                for name, mean in means.items()
            }
            document["n-samples"][task] = {"original": len(lines), "effective": len(lines)}
    document["results"] = kept
    (out / results.name).write_text(json.dumps(document))


def convert(folder: Path, out: Path, ids: random.Random) -> None:
    """One model's logs through the package's converter."""
    from every_eval_ever.converters.lm_eval.adapter import LMEvalAdapter
    from every_eval_ever.converters.lm_eval.instance_level_adapter import LMEvalInstanceLevelAdapter
    from every_eval_ever.converters.lm_eval.utils import find_samples_file

    adapter = LMEvalAdapter()
    (results,) = folder.glob("results_*.json")
    for log in adapter.transform_from_file(results, {"source_organization_name": "unmirage"}):
        task = adapter.get_eval_metadata(log.evaluation_id)["task_name"]
        name = str(uuid.UUID(int=ids.getrandbits(128), version=4))
        place = out / "data" / task / log.model_info.id
        place.mkdir(parents=True, exist_ok=True)
        samples = find_samples_file(folder, task)
        if samples:
            log.detailed_evaluation_results = LMEvalInstanceLevelAdapter().transform_and_save(
                *(samples, log.evaluation_id, log.model_info.id, task),
                output_dir=place,
                file_uuid=name,
                collection=task,
                developer="models",
            )
        content = log.model_dump(mode="json", exclude_none=True)
        (place / f"{name}.json").write_text(json.dumps(content, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--items", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=["add-10k", "add-13k"])
    options = parser.parse_args()
    ids = random.Random(0)
    for name in options.models:
        with tempfile.TemporaryDirectory() as place:
            (folder,) = (p for p in options.logs.iterdir() if re.search(rf"__{re.escape(name)}$", p.name))
            cut(folder, Path(place), options.items)
            convert(Path(place), options.out, ids)
    files = sorted(path for path in options.out.rglob("*") if path.is_file())
    lines = sum(len(path.read_text().splitlines()) for path in files if path.suffix == ".jsonl")
    print(f"{len(files)} files, {lines} lines of samples")


if __name__ == "__main__":
    main()
