"""Make the small family that the tests read from a folder of lm-evaluation-harness logs.

    python scripts/compact_logs.py LOGS tests/data/addition_logs

Keeps what an audit reads: of the samples the records without their prompt and target hashes, of the results
    the scores, the task configurations and the model's size. No number is changed.
"""

import json
import re
import sys
from pathlib import Path

TASKS = ("add1_gen", "add2_gen", "add2_mc", "add2_target_ll", "add3_gen")
PER_TASK = ("results", "configs", "versions", "n-samples", "n-shot", "higher_is_better")
WHOLE = ("config", "lm_eval_version", "model_name", "model_source", "date")


def main(source: Path, target: Path) -> None:
    """Write the compacted logs of `source` to `target`."""
    for results in sorted(source.glob("*/results_*.json")):
        folder = target / results.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        log = json.loads(results.read_text())
        kept = {key: {task: log[key][task] for task in TASKS if task in log[key]} for key in PER_TASK}
        kept |= {key: log[key] for key in WHOLE}
        (folder / results.name).write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    for samples in sorted(source.glob("*/samples_*.jsonl")):
        task = re.sub(r"^samples_(.+)_\d{4}-\d\d-\d\dT.*$", r"\1", samples.name)
        # Items of add3_gen are in the logs of one model only.
        if task not in TASKS or task == "add3_gen":
            continue
        records = [json.loads(line) for line in samples.read_text().splitlines()]
        lines = [
            json.dumps(
                {k: v for k, v in record.items() if k not in ("prompt_hash", "target_hash")},
                separators=(",", ":"),
            )
            for record in records
        ]
        (target / samples.parent.name / samples.name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
