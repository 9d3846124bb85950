"""The same models asked the same items by lm-evaluation-harness, inspect_ai and HELM: do their logs agree?

None of the three is a dependency. Each is run as its users run it, by the Python of an environment that has
it (with torch and transformers), on checkpoints of a folder that `unmirage train arithmetic` made:

    python benchmarks/tools_agree.py FOLDER --lm-eval PYTHON --inspect PYTHON --helm PYTHON [--items N]

Eight models of one seed, from the smallest to the largest, are asked N products and sums (default 120): to
write the answer, with two worked examples in the question, and to choose among four answers by their
log-probabilities (lm-eval and HELM; inspect_ai asks for a letter, which these models have no token for). The
logs are read by `unmirage.read`, matched by the item's name, and compared row by row: output, target,
recorded scores, log-probabilities of the choices, and the scores that we compute. The exit code is 1 where
anything differs, log-probabilities by more than 1e-4 nats: the models run in float32, in batches of other
shapes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import polars as pl

import unmirage
from unmirage.train.problems import TASKS, questions, text

TOOLS = ("lm-eval", "inspect", "helm")
MODELS = 8
MOST = 6  # tokens of an output
CLOSE = 1e-4  # nats
TEMPLATE = "chat_template='{{ messages[0].content }}'"  # a question is asked as it stands
KEY = ["model", "item_id"]
OURS = {"written": ("exact_match", "token_edit_distance"), "chosen": ("acc_norm", "brier_sum", "choice_prob")}
RECORDED = ("exact_match", "exact_match_normalised", "acc_norm")  # the tools' own, under our names
HEADER = (
    f"{'tools':22}{'task':9}{'models':>7}{'rows':>7}{'outputs':>14}{'targets':>14}{'recorded':>14}"
    f"{'ours, by':>11}{'log-p., by':>12}"
)

ASKED = """
dataset_path: json
dataset_kwargs: {data_files: {test: ITEMS}}
test_split: test
doc_to_text: "{{question}}"
target_delimiter: ""
"""
OF_TASK = {
    "written": """
task: written
output_type: generate_until
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], do_sample: false, max_gen_toks: MOST}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
    "chosen": """
task: chosen
output_type: multiple_choice
doc_to_choice: "{{choices}}"
doc_to_target: label
metric_list: [{metric: acc_norm, aggregation: mean, higher_is_better: true}]
""",
}
INSPECT = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import exact
from inspect_ai.solver import generate

@task
def written():
    rows = [json.loads(line) for line in open("items.jsonl")]
    samples = [Sample(id=row["id"], input=row["question"], target=row["answer"]) for row in rows]
    # The end of a line is these models' end of text; their tokenizer has no letters, which stop_seqs need.
    config = GenerateConfig(max_tokens=MOST)
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=exact(), config=config)
"""
HELM = """
import json
from helm.benchmark.adaptation.adapter_spec import AdapterSpec
from helm.benchmark.metrics.common_metric_specs import get_exact_match_metric_specs
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import (
    CORRECT_TAG, TEST_SPLIT, Input, Instance, Output, Reference, Scenario, ScenarioSpec)

class Items(Scenario):
    name, description, tags = "items", "products and sums", []
    def __init__(self, choices: bool):
        super().__init__()
        self.choices = choices
    def get_instances(self, output_path):
        rows = [json.loads(line) for line in open("items.jsonl")]
        return [Instance(id=row["id"], input=Input(row["question"]), split=TEST_SPLIT, references=[
            Reference(Output(answer), tags=[CORRECT_TAG] if answer == row["answer"] else [])
            for answer in (row["choices"] if self.choices else [row["answer"]])]) for row in rows]

def spec(name, method, choices, **adapter):
    adapter = AdapterSpec(method=method, instructions="", input_prefix="", input_suffix="", output_prefix="",
        instance_prefix="", max_train_instances=0, num_outputs=1, temperature=0.0, **adapter)
    return RunSpec(name=name, scenario_spec=ScenarioSpec("asked_by_helm.Items", {"choices": choices}),
        adapter_spec=adapter, metric_specs=get_exact_match_metric_specs(), groups=[name])

@run_spec_function("written")
def written():
    return spec("written", "generation", False, output_suffix="\\n", max_tokens=MOST, stop_sequences=["\\n"])

@run_spec_function("chosen")
def chosen():
    return spec("chosen", "multiple_choice_separate_original", True, output_suffix="", max_tokens=0)
"""


def items(n: int) -> list[dict[str, object]]:
    """Questions with their answer and three others, half of them products."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    for task in TASKS:
        q = questions(task, "test", n)
        for k in range(n // len(TASKS)):
            answer = int(task.answer(q.a[k : k + 1], q.b[k : k + 1])[0])
            others = rng.choice(
                [answer + d for d in (-10, -2, -1, 1, 2, 10, 100) if answer + d >= 0], 3, False
            )
            choices = [str(one) for one in rng.permutation([answer, *others]).tolist()]
            rows.append(
                {
                    "id": q.item_ids[k],
                    "question": text(q.prompts[k][: q.prompt_lengths[k]]),
                    "answer": str(answer),
                    "choices": choices,
                    "label": choices.index(str(answer)),
                }
            )
    return rows


def ask(folder: Path, models: dict[str, Path], python: argparse.Namespace) -> None:
    """Runs the tools in `folder`, which has items.jsonl; their logs come to lm-eval, inspect and helm."""
    (folder / "tasks").mkdir()
    for name, task in OF_TASK.items():
        filled = (ASKED + task).replace("ITEMS", str(folder / "items.jsonl")).replace("MOST", str(MOST))
        (folder / "tasks" / f"{name}.yaml").write_text(filled)
    (folder / "asked_by_inspect.py").write_text(INSPECT.replace("MOST", str(MOST)))
    (folder / "asked_by_helm.py").write_text(HELM.replace("MOST", str(MOST)))
    for name, checkpoint in models.items():
        place = folder / name
        place.symlink_to(checkpoint.resolve())
        told = "run --model hf --include_path tasks --tasks written,chosen --device cpu --batch_size 32"
        told += f" --log_samples --output_path lm-eval --model_args pretrained={place},dtype=float32"
        run(folder, name, python.lm_eval, "lm_eval", *told.split(), "logits_cache=False")
        told = f"eval asked_by_inspect.py --display plain --log-dir inspect --model hf/{name}"
        told += f" -M model_path={place} -M device=cpu -M do_sample=false -M"
        run(folder, name, python.inspect, "inspect_ai", *told.split(), TEMPLATE)
    asked = [f"{task}:model=huggingface/{name}" for task in ("written", "chosen") for name in models]
    told = "--plugins asked_by_helm --suite helm --num-threads 1 --disable-cache --max-eval-instances 100000"
    local = ["--enable-local-huggingface-models", *(str(folder / name) for name in models)]
    run(
        folder,
        "all models",
        python.helm,
        "helm.benchmark.run",
        *told.split(),
        *local,
        "--run-entries",
        *asked,
    )
    (folder / "helm").symlink_to(folder / "benchmark_output" / "runs" / "helm")


def run(folder: Path, name: str, python: Path, module: str, *told: str) -> None:
    """One command of a tool; what it said, where it failed."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": str(folder)}
    command = [str(python), "-m", module, *told]
    print(name, module, file=sys.stderr, flush=True)
    done = subprocess.run(command, cwd=folder, env=os.environ | offline, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def read(folder: Path, tool: str) -> pl.DataFrame:
    """The rows of one tool, with the items' own names and the score that the tool recorded as `known`."""
    rows = unmirage.read(folder / tool, family="arithmetic")
    if tool == "lm-eval":
        samples = [path.read_text().splitlines() for path in (folder / tool).rglob("samples_*.jsonl")]
        docs = [json.loads(line) for line in chain(*samples)]
        names = {one["doc_hash"][:16]: one["doc"]["id"] for one in docs}
        rows = rows.with_columns(pl.col("item_id").replace_strict(names))
    recorded = rows["recorded"].to_list()
    known = [next(one["value"] for one in row if one["metric"] in RECORDED) for row in recorded]
    return rows.with_columns(pl.Series("known", known), tool=pl.lit(tool))


def scored(rows: pl.DataFrame, task: str) -> pl.DataFrame:
    """Our scores of the rows of a task, a column a metric."""
    plain = rows.drop("known", "tool")
    return unmirage.score(plain, list(OURS[task])).pivot("metric", index=["model", "item_id"], values="score")


def compare(one: pl.DataFrame, other: pl.DataFrame, task: str) -> bool:
    """One line of the table; whether all is the same."""
    both = one.join(other, on=KEY, suffix="_other")
    ours = scored(one, task).join(scored(other, task), on=KEY, suffix="_other")
    same = {
        name: (both[name] == both[f"{name}_other"]).fill_null(True).sum()
        for name in ("output", "target", "known")
    }
    apart = max((ours[name] - ours[f"{name}_other"]).abs().max() for name in OURS[task])
    logp = both["choice_logprobs"] - both["choice_logprobs_other"] if task == "chosen" else None
    worst = logp.list.eval(pl.element().abs()).list.max().max() if logp is not None else None
    tools = f"{one['tool'][0]} and {other['tool'][0]}"
    counts = "".join(f"{f'{count:,}/{both.height:,}':>14}" for count in same.values())
    print(
        f"{tools:22}{task:9}{both['model'].n_unique():>7}{both.height:>7,}{counts}{apart:>11.1e}"
        f"{'' if worst is None else f'{worst:.1e}':>12}"
    )
    whole = one.height == other.height == both.height == ours.height
    return whole and set(same.values()) == {both.height} and apart < CLOSE and (worst or 0) < CLOSE


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what `unmirage train arithmetic` made")
    for tool in TOOLS:
        parser.add_argument(f"--{tool}", type=Path, required=True, metavar="PYTHON", help="has the tool")
    parser.add_argument("--logs", type=Path, help="an empty folder, where the logs are kept")
    parser.add_argument("--items", type=int, default=120)
    options = parser.parse_args()
    found = sorted((options.folder / "models").glob("arithmetic-d*-seed1"), key=width)
    if len(found) < MODELS:
        parser.error(f"{options.folder} holds {len(found)} models of seed 1, and {MODELS} are needed")
    found = [found[k] for k in np.linspace(0, len(found) - 1, MODELS).round().astype(int)]
    models = {path.name: sorted(path.glob("step-*"))[-1] for path in found}
    warnings.simplefilter("ignore", unmirage.UnmirageWarning)
    with tempfile.TemporaryDirectory() as place:
        folder = options.logs or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        rows = items(options.items)
        (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        ask(folder, models, options)
        logs = {tool: read(folder, tool) for tool in TOOLS}
    right = pl.concat(
        [one.filter(kind="generation").select("tool", "model", "known") for one in logs.values()]
    )
    print(
        f"exact match of {len(rows)} items, as each tool recorded it:\n{'model':24}"
        + "".join(f"{t:>10}" for t in TOOLS)
    )
    for name in models:
        means = [right.filter(tool=tool, model=name)["known"].mean() for tool in TOOLS]
        print(f"{name:24}" + "".join(f"{mean:>10.4f}" for mean in means))
    print(HEADER)
    same = [
        compare(logs[one].filter(task=task), logs[other].filter(task=task), task)
        for task in OURS
        for one, other in combinations(TOOLS, 2)
        if task == "written" or "inspect" not in (one, other)
    ]
    return 0 if all(same) else 1


def width(path: Path) -> int:
    return int(path.name.split("-")[1][1:])


if __name__ == "__main__":
    sys.exit(main())
